"""What must hold in every state of the core; for tests, and to check a journal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from labwright.engine.core import CampaignCore
from labwright.engine.experiment import Experiment
from labwright.engine.lab import LabCore
from labwright.engine.proposals import experiment_label
from labwright.model.judging import covers, front, merits
from labwright.model.waiting import Waiting


def validate_state(lab: LabCore) -> None:
    """Check all that must hold.

    Raises:
        AssertionError: every rule that is broken.
    """
    broken = [*_broken_reservations(lab), *_broken_order(lab)]
    alive = _alive(lab)
    for core in lab.campaigns.values():
        broken += [f"campaign {core.campaign}: {words}" for words in [*_broken(core), *_deadlocked(core, alive)]]
    if broken:
        raise AssertionError("; ".join(broken))


def _broken(core: CampaignCore) -> Iterator[str]:
    if core.phase == "draft":
        return
    spec = core.spec
    if core.paused and (core.over or core.stop_asked):
        yield f"it is {core.phase} and paused, though nothing can begin any more"
    if core.over and (core.live or core.asking or core.asked):
        yield f"it is {core.phase}, but something is under way"
    if not core.over and not core.waits_for():
        yield f"it is {core.phase} and waits for nothing"
    if len([experiment for experiment in core.live.values() if not experiment.preparation]) > spec.parallel:
        yield f"more samples are on their way than {spec.parallel}"
    if core.tried > core.budget:
        yield f"{core.tried} experiments of {core.budget}"
    yield from _broken_steps(core)
    for question in core.questions.values():
        experiment = core.live.get(question.label)
        if experiment is None or experiment.state != "held":
            yield f"question {question.id} is open, but its experiment is not held"
    yield from _broken_cards(core)
    for experiment in core.live.values():
        asked = any(question.label == experiment.label for question in core.questions.values())
        if (experiment.state == "held") != asked:
            yield f"experiment {experiment.label} is {experiment.state}, with {'a' if asked else 'no'} question"
        trial = core.trial_of(experiment)
        if trial is not None and not experiment.given_up:
            status = core.trials[trial].status
            if (status == "done") != experiment.measured:
                yield f"experiment {experiment.label}: measured is {experiment.measured}, its trial is {status}"
            if experiment.state != "held" and experiment.measured != (experiment.state in ("measured", "complete")):
                yield f"experiment {experiment.label} is {experiment.state}, its trial {status}"
    running = [trial for trial in core.trials if trial.status == "running"]
    if len(running) > len(core.live):
        yield f"{len(running)} trials are running, {len(core.live)} experiments are under way"
    yield from _broken_names(core)
    yield from _broken_sums(core)
    yield from _broken_wishes(core)


def _broken_cards(core: CampaignCore) -> Iterator[str]:
    """Each step of a person's that is under way has one card, and no other has any."""
    carded = sorted(card.step_id for card in core.cards)
    wanted = sorted(
        run.step_id
        for experiment in core.live.values()
        for run in experiment.running
        if run.spec.manual is not None and run.state == "running" and not (core.stop_asked or experiment.given_up)
    )
    if len(set(carded)) != len(carded):
        yield f"two cards are open for one step: {', '.join(carded)}"
    if missing := [step_id for step_id in wanted if step_id not in carded]:
        yield f"no card is open for {', '.join(missing)}"
    running = {run.step_id for one in core.live.values() for run in one.running if run.state == "running"}
    if extra := [step_id for step_id in carded if step_id not in running]:
        yield f"a card is open for {', '.join(extra)}, which does not run"


def _broken_sums(core: CampaignCore) -> Iterator[str]:
    """What is kept up to date with every experiment is what all of them together give."""
    spent = sum(trial.cost for trial in core.trials if trial.cost is not None)
    if not math.isclose(core.spent, spent, rel_tol=1e-9):
        yield f"{core.spent} is spent by its sum, {spent} by its trials"
    objectives = core.spec.objectives
    best = [merits(objectives, trial) for trial in front(objectives, core.counted)] if len(objectives) > 1 else []
    if sorted(core.stopping.front) != sorted(best):
        yield f"the front is {core.stopping.front}, by its trials {best}"


def _broken_names(core: CampaignCore) -> Iterator[str]:
    """One number per experiment; what has none is called otherwise."""
    names = [trial.id for trial in core.trials]
    numbered = [name for name in names if name.isdecimal()]
    if numbered != [experiment_label(number) for number in range(1, core.tried + 1)]:
        yield f"{core.tried} experiments have the numbers {numbered}"
    others = [name for name in names if not name.isdecimal()]
    if len(set(others)) != len(others) or not all(name.startswith("p") for name in others):
        yield f"what has no experiment is called {others}"
    for experiment in core.live.values():
        trial = core.trial_of(experiment)
        if trial is not None and core.trials[trial].id != experiment.label:
            yield f"experiment {experiment.label} is trial {core.trials[trial].id}"


def _deadlocked(core: CampaignCore, alive: set[str]) -> Iterator[str]:
    """What can never happen again: no station works on it, no planner or person is asked, nothing else brings it on."""
    if core.phase == "draft" or core.over or core.paused:
        return
    waits = ", ".join(core.waits_for())
    for experiment in core.live.values():
        if experiment.id not in alive:
            yield f"deadlock: nothing brings experiment {experiment.label} on; it waits for {waits}"
    if not (
        core.live or core.asking or core.proposals.unwanted or core.resting or core.awaits or core.short or core.lost
    ):
        yield f"deadlock: no step runs, no person is asked, and it waits for {waits}"


def _alive(lab: LabCore) -> set[str]:
    """Experiments that go on, or can: by themselves, by a person, or once another that is alive has gone on."""
    live = {experiment.id: experiment for experiments in lab.work.live.values() for experiment in experiments.values()}
    taken_out = {question.frees for question in lab.work.questions.open.values()}
    alive = {
        key
        for key, experiment in live.items()
        if experiment.state == "held"
        or lab.campaigns[experiment.owner].paused
        or any(run.state == "running" for run in experiment.running)
    }
    waits: dict[str, list[list[set[str]]]] = {}
    for owner in lab.work.live:
        for one in lab.dispatcher.waits(owner):
            waits.setdefault(one.step_id, []).append(_ends_with(lab, one, set(live), taken_out))
    grown = True
    while grown:
        grown = False
        for key, experiment in live.items():
            if key not in alive and any(
                all(any(blockers <= alive for blockers in either) for either in waits.get(run.step_id, ()))
                for run in lab.dispatcher.next_steps(experiment)
            ):
                alive.add(key)
                grown = True
    return alive


def _ends_with(lab: LabCore, waiting: Waiting, live: set[str], taken_out: set[str]) -> list[set[str]]:
    """Samples that must go on for a wait to end: any of these sets is enough."""
    if waiting.kind in ("closed", "reset"):
        return [set()]  # it opens by itself, or a person resets it
    if waiting.kind == "batch":
        goes_on = lab.dispatcher.wake_s is not None or lab.work.something_runs or bool(lab.dispatcher.latches)
        return [lab.dispatcher.batches.before(waiting.name, coming=not goes_on)]
    if waiting.because == "planned":
        return [set()]  # a plan is lifted where nothing else would begin
    experiment = lab.work.of(waiting.campaign)[waiting.label]
    opens = lab.dispatcher.moving.opens and not (experiment.moved or experiment.booked)
    if waiting.kind == "site" and lab.work.limits and (lab.work.something_runs or opens):
        return [set()]  # looked at again when that has ended
    if waiting.kind == "site":
        return _any_in_the_way(lab, waiting, live, taken_out) or [{""}]
    blockers = {f"{waiting.holder}/{waiting.holder_label}"}
    resource = f"{waiting.kind}:{waiting.name}"
    asked = lab.reservations.left_at(resource) if resource in lab.reservations.taken else resource
    if asked in taken_out and not blockers & live:
        blockers = set()  # a person is asked to take it away
    elif waiting.kind == "position" and not waiting.holder:
        blockers = {""}  # what stands there is no sample's
    elsewhere = []
    if waiting.kind in ("position", "way") and (station := _needs(lab, waiting)):
        other = Waiting(waiting.step_id, waiting.campaign, waiting.label, "site", station, "", "")
        elsewhere = _any_in_the_way(lab, other, live, taken_out)  # another position of its kind may become free
    return [blockers, *elsewhere]


def _needs(lab: LabCore, waiting: Waiting) -> str:
    """The station that a step needs its sample at; empty if it is there, or the step is a move."""
    experiment = lab.work.of(waiting.campaign)[waiting.label]
    for run in lab.dispatcher.next_steps(experiment):
        if run.step_id == waiting.step_id and not lab.dispatcher.moving.is_there(experiment, run):
            return run.spec.station
    return ""


def _any_in_the_way(lab: LabCore, waiting: Waiting, live: set[str], taken_out: set[str]) -> list[set[str]]:
    """Samples of which any makes room at a station when it goes on; no other is needed where a person is asked."""
    either: list[set[str]] = [{one} for one in lab.dispatcher.moving.in_the_way(waiting)]
    for bench in lab.dispatcher.layout.serving(waiting.name):
        sites = [site.name for site in lab.dispatcher.layout.sites.values() if site.station == bench.name]
        for resource in (f"station:{bench.name}", *(f"position:{site}" for site in sites)):
            holder = lab.reservations.taken.get(resource)
            if holder is not None and f"{holder.owner}/{holder.label}" in live:
                continue
            if (resource if holder is None else lab.reservations.left_at(resource)) in taken_out:
                either.append(set())
    return either


def _broken_order(lab: LabCore) -> Iterator[str]:
    """Samples that would wait for each other for ever; with engine 1 there may be such."""
    if any(core.phase != "draft" and core.started.engine == 1 for core in lab.campaigns.values()):
        return
    left = {experiment.id: experiment for experiments in lab.work.live.values() for experiment in experiments.values()}
    while left:
        ends = [
            key
            for key, experiment in left.items()
            if all(
                not (units := lab.dispatcher.safety.units(claim, experiment))
                or any(_can_have(lab, experiment, unit, left) for unit in units)
                for claim in experiment.claims()
            )
        ]
        if not ends:
            yield f"samples may wait for each other for ever: {', '.join(sorted(left))}"
            return
        for key in ends:
            del left[key]


def _can_have(lab: LabCore, experiment: Experiment, resource: str, left: dict[str, Experiment]) -> bool:
    """Whether no other sample that is left keeps a resource from an experiment."""
    safety, bench = lab.dispatcher.safety, lab.dispatcher.layout.bench_at(resource.removeprefix("position:"))
    if resource.startswith("station:"):
        holder = safety.holder(resource.removeprefix("station:"))
        return holder is None or holder is experiment or holder.id not in left
    if bench is not None and safety.is_held_from(experiment, bench):
        holder = safety.holder(bench.name)
        if holder is not None and holder.id in left:
            return False
    if bench is not None and any(other.id in left for other in safety.staying_rivals(experiment, bench)):
        return False
    stands = safety.stands_in_place(experiment, resource)
    if stands is not None and stands.id in left:
        return False
    return all(
        one.of(experiment)
        or (other := left.get(f"{one.owner}/{one.label}")) is None
        or safety.is_left(other, resource)
        or (one.recipe and one.recipe == experiment.recipe(resource))
        for one in lab.reservations.of_resource(resource)
    )


def _broken_wishes(core: CampaignCore) -> Iterator[str]:
    """What people want and do not want."""
    waiting = [index for index, trial in enumerate(core.trials) if trial.status == "proposed"]
    if waiting != list(core.proposed):
        yield f"trials {waiting} are proposed, {list(core.proposed)} are remembered"
    if core.proposed and core.asking:
        yield "the planner is asked, though a person's experiment comes first"
    if core.proposed and core.phase in ("draining", "completed", "stopped", "failed"):
        yield f"it is {core.phase}, and experiments are proposed that will never begin"
    if core.tried + len(core.proposed) > core.budget:
        yield f"{core.tried} experiments and {len(core.proposed)} proposed, of {core.budget}"
    for index in core.proposed:
        if any(covers(veto, core.spec.space, core.trials[index].params) for veto in core.vetoes):
            yield f"trial {core.trials[index].id} is proposed and vetoed"
    for experiment in core.live.values():
        trial = core.trial_of(experiment)
        if trial is not None and core.spec.cost is not None and core.trials[trial].cost is None:
            yield f"experiment {experiment.label} costs nothing"


def _broken_steps(core: CampaignCore) -> Iterator[str]:
    for one in core.live.values():
        for run in one.steps.values():
            if run.active and not one.given_up and not all(one.steps[need].settled for need in run.spec.needs):
                yield f"step {run.step_id} is {run.state} before what it needs"
            if run.state == "done" and not run.carrier and run.spec.name not in one.found:
                yield f"step {run.step_id} is done and has found nothing"
        if one.over and one.state != "held":
            yield f"experiment {one.label} is over and still there"


def _broken_reservations(lab: LabCore) -> Iterator[str]:
    """What samples of all campaigns share."""
    live = [experiment for experiments in lab.work.live.values() for experiment in experiments.values()]
    taken = lab.reservations.taken
    running = [run for experiment in live for run in experiment.running]
    stations = {run.unit: run for run in running if not run.follows}
    if sum(not run.follows for run in running) != len(stations):
        yield "two steps are at one station"
    for resource, run in stations.items():
        holder = taken.get(resource)
        if holder is None or holder.step_id != run.step_id:
            yield f"step {run.step_id} runs without {resource}"
    cut_off = {run.unit for one in live for run in one.steps.values() if run.cut_off and one.given_up}
    for resource, holder in taken.items():
        left = not lab.work.has(holder.owner, holder.label) or resource in cut_off
        holds = (experiment := lab.work.of(holder.owner).get(holder.label)) is not None and lab.reservations.holds(
            experiment, resource
        )
        if resource.startswith("station:") and resource not in stations and not (left or holds):
            yield f"{resource} is reserved without a holder"
    for experiment in live:
        lacks = [
            resource
            for run in experiment.running
            if run.state == "running"
            for resource in experiment.needs(run.spec)
            if not lab.reservations.held(experiment, resource)
        ]
        if lacks and lab.campaigns[experiment.owner].started.engine > 1:
            yield f"experiment {experiment.id} works without {', '.join(lacks)}"
    for resource, reservation in taken.items():
        if resource.startswith("device:"):
            holder_of = lab.work.of(reservation.owner).get(reservation.label)
            if holder_of is None or (reservation.device or resource) not in holder_of.claims():
                yield f"{resource} is kept by {reservation.owner}/{reservation.label}, which needs it no more"
    yield from _broken_moves(lab, live)
    for experiment in live:
        for site in experiment.kept_for_later():
            if not lab.reservations.held(experiment, f"position:{site}"):
                yield f"position {site} is booked for experiment {experiment.id}, which does not have it"
    places = [experiment.stands_at for experiment in live if experiment.stands_at]
    if len(places) != len(set(places)):
        yield f"two samples stand at one position: {places}"
    for name, stock in lab.material.stocks.items():
        if stock.promised < 0:
            yield f"stock {name} is promised less than nothing"
        if stock.used.unknown < 0:
            yield f"of stock {name} less than nothing may be gone"
    for name, waste in lab.material.wastes.items():
        if waste.promised < 0 or waste.unknown < 0 or waste.level < 0:
            yield f"waste {name} holds, or is promised, less than nothing"
    for experiment in live:
        if any(amount < 0 for amount in experiment.contents.values()):
            yield f"the sample of {experiment.id} holds less than nothing"
    yield from _broken_positions(lab)


def _broken_moves(lab: LabCore, live: list[Experiment]) -> Iterator[str]:
    """Each transport carries one container, from where it stands, to where nothing stands and no other is carried."""
    ends: dict[str, str] = {}
    for experiment in live:
        for run in experiment.running:
            if not run.carrier or run.state != "running":
                continue
            if experiment.stands_at != run.start:
                yield f"move {run.step_id} begins at {run.start}, its container is at {experiment.stands_at!r}"
            if sum(other.spec.sample and other.active for other in experiment.steps.values()) > 1:
                yield f"move {run.step_id}: another step has its sample"
            if run.spec.leaves:
                continue
            if (held := lab.material.holds.get(run.move_end)) is not None and held.kind:
                yield f"move {run.step_id} puts its container on the {held.kind} at {run.move_end}"
            if (other := ends.setdefault(run.move_end, run.step_id)) != run.step_id:
                yield f"moves {other} and {run.step_id} end at one position, {run.move_end}"


def _broken_positions(lab: LabCore) -> Iterator[str]:
    """A container stands where its sample stands, and nowhere else."""
    for experiments in lab.work.live.values():
        for experiment in experiments.values():
            if experiment.engine == 1 or experiment.preparation:
                continue
            mine = [
                position
                for position, held in lab.material.holds.items()
                if held.kind and (held.campaign, held.label) == (experiment.owner, experiment.label)
            ]
            used_up = [one for one in mine if one in experiment.protocol.uses_up]
            if [one for one in mine if one not in used_up] != ([experiment.stands_at] if experiment.stands_at else []):
                yield f"experiment {experiment.id} is at {experiment.stands_at!r}, its container at {mine}"
