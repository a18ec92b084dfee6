"""What must hold in every state of the core; for tests, and to check a journal."""

from __future__ import annotations

from collections.abc import Iterator

from labwright.engine.core import CampaignCore
from labwright.engine.proposals import experiment_label
from labwright.model.judging import covers


def validate_state(core: CampaignCore) -> None:
    """Check all that must hold.

    Raises:
        AssertionError: every rule that is broken.
    """
    if broken := list(_broken(core)):
        raise AssertionError(f"campaign {core.campaign}: " + "; ".join(broken))


def _broken(core: CampaignCore) -> Iterator[str]:
    if core.phase == "draft":
        return
    spec = core.spec
    if core.paused and (core.over or core.stop_asked):
        yield f"it is {core.phase} and paused, though nothing can begin any more"
    if core.over and (core.live or core.asking or core.questions):
        yield f"it is {core.phase}, but something is under way"
    if not core.over and not core.waits_for():
        yield f"it is {core.phase} and waits for nothing"
    if _deadlocked(core):
        yield f"deadlock: no step runs, no person is asked, and it waits for {', '.join(core.waits_for())}"
    if len([one for one in core.live.values() if one.trial is not None]) > spec.parallel:
        yield f"more samples are on their way than {spec.parallel}"
    if core.tried > spec.budget:
        yield f"{core.tried} experiments of {spec.budget}"
    yield from _broken_steps(core)
    yield from _broken_reservations(core)
    for question in core.questions.values():
        one = core.live.get(question.label)
        if one is None or one.state != "held":
            yield f"question {question.id} is open, but its experiment is not held"
    for one in core.live.values():
        asked = any(question.label == one.label for question in core.questions.values())
        if (one.state == "held") != asked:
            yield f"experiment {one.label} is {one.state}, with {'a' if asked else 'no'} question"
        if one.trial is not None and not one.given_up:
            trial = core.trials[one.trial]
            if (trial.status == "done") != (
                one.state in ("measured", "complete") or (one.state == "held" and not trial.pending)
            ):
                yield f"experiment {one.label} is {one.state}, its trial {trial.status}"
    running = [trial for trial in core.trials if trial.status == "running"]
    if len(running) > len(core.live):
        yield f"{len(running)} trials are running, {len(core.live)} experiments are under way"
    yield from _broken_names(core)
    yield from _broken_wishes(core)


def _broken_names(core: CampaignCore) -> Iterator[str]:
    """One number per experiment; what has none is called otherwise."""
    names = [trial.id for trial in core.trials]
    numbered = [name for name in names if name.isdecimal()]
    if numbered != [experiment_label(number) for number in range(1, core.tried + 1)]:
        yield f"{core.tried} experiments have the numbers {numbered}"
    others = [name for name in names if not name.isdecimal()]
    if len(set(others)) != len(others) or not all(name.startswith("p") for name in others):
        yield f"what has no experiment is called {others}"
    for one in core.live.values():
        if one.trial is not None and core.trials[one.trial].id != one.label:
            yield f"experiment {one.label} is trial {core.trials[one.trial].id}"


def _deadlocked(core: CampaignCore) -> bool:
    """Whether nothing can ever happen again: no step runs, no planner thinks, no person is asked or has paused it."""
    thinking = core.asking or core.proposals.unwanted
    runs = any(run.state == "running" for one in core.live.values() for run in one.running)
    return not (core.over or core.paused or thinking or runs or core.questions)


def _broken_wishes(core: CampaignCore) -> Iterator[str]:
    """What people want and do not want."""
    waiting = [index for index, trial in enumerate(core.trials) if trial.status == "proposed"]
    if waiting != list(core.proposed):
        yield f"trials {waiting} are proposed, {list(core.proposed)} are remembered"
    if core.proposed and core.asking:
        yield "the planner is asked, though a person's experiment comes first"
    if core.proposed and core.phase in ("draining", "completed", "stopped", "failed"):
        yield f"it is {core.phase}, and experiments are proposed that will never begin"
    if core.tried + len(core.proposed) > core.spec.budget:
        yield f"{core.tried} experiments and {len(core.proposed)} proposed, of {core.spec.budget}"
    for index in core.proposed:
        if any(covers(veto, core.spec.space, core.trials[index].params) for veto in core.vetoes):
            yield f"trial {core.trials[index].id} is proposed and vetoed"
    for one in core.live.values():
        if one.trial is not None and core.spec.cost is not None and core.trials[one.trial].cost is None:
            yield f"experiment {one.label} costs nothing"


def _broken_steps(core: CampaignCore) -> Iterator[str]:
    for one in core.live.values():
        for run in one.steps.values():
            if run.active and not one.given_up and not all(one.steps[need].settled for need in run.spec.needs):
                yield f"step {run.step_id} is {run.state} before what it needs"
            if run.state == "done" and run.spec.name not in one.found:
                yield f"step {run.step_id} is done and has found nothing"
        if one.over and one.state != "held":
            yield f"experiment {one.label} is over and still there"


def _broken_reservations(core: CampaignCore) -> Iterator[str]:
    stations = {f"station:{run.spec.station}": run for one in core.live.values() for run in one.running}
    count = sum(len(one.running) for one in core.live.values())
    if count != len(stations):
        yield "two steps are at one station"
    for resource, run in stations.items():
        holder = core.resources.reserved.get(resource)
        if holder is None or holder.step_id != run.step_id:
            yield f"step {run.step_id} runs without {resource}"
    for resource in core.resources.reserved:
        if resource.startswith("station:") and resource not in stations:
            yield f"{resource} is reserved without a holder"
    places = [one.stands_at for one in core.live.values() if one.stands_at]
    if len(places) != len(set(places)):
        yield f"two samples stand at one position: {places}"
    if any(value < -1e-9 for value in core.resources.promised_ml.values()):
        yield "a stock is promised less than nothing"
