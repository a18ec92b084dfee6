"""Who gets which station, position and shared device, and in which order: the only one that lets a step begin.

A sample that is not where its next step is gets a move: its destination is reserved first, and the way there. A step
after which the sample can wait only so long begins when the positions that follow are reserved too. No two samples ever
wait for each other (`labwright.engine.safety`). So there is always an order in which all samples under way can end, and
one that can go on, or that a person is asked about.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from labwright.engine.batches import Batches
from labwright.engine.events import Carried, Removal, Start
from labwright.engine.experiment import SITE, STATION, Experiment, StepRun
from labwright.engine.fair import EQUAL_TERMS, Terms, in_fair_order, why
from labwright.engine.layout import NO_LAYOUT, Layout
from labwright.engine.moving import Moving
from labwright.engine.reasons import Reasons
from labwright.engine.reservations import Reservations
from labwright.engine.rules import FIRST, Rule
from labwright.engine.safety import Safety
from labwright.engine.stuck import Stuck
from labwright.engine.turns import Turns
from labwright.engine.waits import Waits
from labwright.engine.windows import Windows
from labwright.engine.work import IllegalEventError, Work
from labwright.model.latch import LatchScope
from labwright.model.waiting import Waiting

__all__ = ["OVERTAKEN", "Dispatcher", "Waiting"]

OVERTAKEN = 10
"""So many experiments may start while a step of an older one waits; then what it needs is kept for it."""

Begins = tuple[Experiment, StepRun, Start | Carried]
"""A step that begins, and what was decided about it."""


@dataclass
class Dispatcher:
    """Lets steps begin: of samples that cannot wait any longer first, then by priority, deadline, rule and fair share.

    Attributes:
        work: the samples under way.
        held: owners none of whose steps it may let begin.
        terms: on which an owner has the lab.
        layout: of the lab. Not part of the state, as everything below: what was decided by it is an event.
        rule: by which it chooses.
    """

    work: Work
    held: Callable[[], Collection[str]] = tuple
    terms: Callable[[str], Terms] = lambda owner: EQUAL_TERMS
    layout: Layout = NO_LAYOUT
    rule: Rule = FIRST
    latches: frozenset[LatchScope] = frozenset()
    """What was stopped and not reset: no step of it begins. Not part of the state: the journal has them."""
    wake_s: float | None = None
    """Lab time at which something may begin without an event; None if nothing can."""
    safety: Safety = field(init=False)
    turns: Turns = field(init=False)
    moving: Moving = field(init=False)
    batches: Batches = field(init=False)
    _kept: dict[str, Experiment] = field(init=False, default_factory=dict)
    """What is kept for older samples, by resource, while it is decided what begins."""
    windows: Windows = field(init=False)
    waiting: Waits = field(init=False)
    reasons: Reasons = field(init=False, default_factory=Reasons)
    _pressing: dict[str, float] = field(init=False, default_factory=dict)
    _groups: dict[str, tuple[str, ...]] = field(init=False, default_factory=dict)
    """As long as it is decided what begins: of samples that have nothing, that does not change meanwhile."""

    def __post_init__(self) -> None:
        self.waiting = Waits(self.work.dirty)
        self.arrange(self.layout)

    def arrange(self, layout: Layout) -> None:
        """The lab is laid out like this."""
        self.layout = layout
        self.safety = Safety(self.work, layout)
        self.windows = Windows(self.work, layout)
        self.turns = Turns(self.work, layout, self.held)
        self.moving = Moving(self.work, layout, self.safety, self.windows, self.turns)
        self.batches = Batches(self.work, layout, self.safety, self.turns)

    @property
    def _reservations(self) -> Reservations:
        return self.work.reservations

    def first_come(self, owner: str) -> Iterator[tuple[Experiment, StepRun]]:
        """Steps of an owner that begin now, by the rule of engine 1: whatever is free is taken."""
        for experiment in list(self.work.of(owner).values()):
            if experiment.id not in self.work.look:
                continue
            blocked = False
            for run in list(experiment.startable()):
                if self._reservations.take(experiment, run):
                    yield experiment, run
                else:
                    blocked = True
            if not blocked:
                self.work.look.discard(experiment.id)

    def ready(self) -> Iterator[Begins]:
        """Steps and moves that begin now; what each needs is reserved when it is given out."""
        self.wake_s = None
        self.reasons.look_anew()
        self._groups.clear()
        self.batches.why.clear()
        again = True
        self.turns.lifted = bool(self.latches)  # what was stopped would keep all others waiting
        self.moving.lapses = self.moving.opens = False
        self.waiting.look_anew({one.id for live in self.work.live.values() for one in live.values()})
        while again:
            still = not self.work.something_runs
            batches = began = False
            for one in self._served():
                began = True
                yield one
            self.safety.look_anew()
            for experiment, start in self.batches.starting(self.rule, self._waiting, self._kept):
                batches = True
                yield self._carry_out(experiment, start)
                self.safety.look_anew()
            if not (began or batches or self._will_go_on):
                for experiment, start in self.batches.starting(self.rule, self._waiting, self._kept, waits=False):
                    batches = True
                    yield self._carry_out(experiment, start)
                    self.safety.look_anew()
            again = batches or ((still or self.windows.wake_s < math.inf) and began)  # others were decided about before
            if not (began or again or self.work.something_runs) and self.turns.holds and not self.turns.lifted:
                self.turns.lifted = again = True  # a plan must not stop a lab
            if not (began or again or self.work.something_runs or self.moving.lapses) and self.work.limits:
                self.moving.lapses = again = True  # nor what is foreseen
                self.moving.opens = self.windows.wake_s < math.inf
        self.waiting.end()
        waits = itertools.chain.from_iterable(self.waiting.of.values())
        self.reasons.of |= self.batches.why
        self.reasons.end(waits, self.rule, self.work)
        self.wake_s = self.batches.wake_s
        wake_s = min(self.windows.wake_s, self.turns.wake_s)
        if wake_s < (math.inf if self.wake_s is None else self.wake_s):
            self.wake_s = wake_s

    @property
    def _will_go_on(self) -> bool:
        """Whether something happens by itself: a step ends, a batch has waited long enough, or a station opens."""
        if self.work.something_runs or self.batches.wake_s is not None:
            return True
        return self.windows.wake_s < math.inf

    def _served(self) -> Iterator[Begins]:
        """Steps and moves of samples that begin now, one sample after the other."""
        self.windows.look_anew()
        self.moving.look_anew()
        self.safety.look_anew()
        self.turns.look_anew(self.rule)
        self.moving.plan = self.rule.plan
        kept = self._kept = {}
        self.waiting.again()
        waits: dict[tuple[str, ...], str] = {}
        hopeless: dict[tuple[str, ...], str] = {}
        for experiment in self._looked_at():
            new = experiment.state == "accepted"
            self.waiting.begin(experiment.id)
            if new and (first := hopeless.get(self._group(experiment))) is not None:
                self.waiting.alike(first)
                continue  # an older one that lacks the same cannot begin any of its steps
            blocked = began = False
            for run in self.next_steps(experiment):
                if began and run not in self.next_steps(experiment):
                    blocked = True  # the one before has its sample now
                    continue
                alike = self._alike(experiment, run)
                if experiment.state == "accepted" and alike in waits:
                    blocked = True  # an older one that has nothing yet, too, waits for the same
                    self.waiting.alike(waits[alike])
                    continue
                decided = self._decide(experiment, run, kept)
                if isinstance(decided, Waiting):
                    if experiment.state == "accepted":
                        waits[alike] = run.step_id
                    blocked = True
                    self.waiting.add(experiment.id, decided)
                    self._keep(experiment, run, decided, kept)
                else:
                    began = True
                    self._note(experiment, run)
                    yield self._carry_out(experiment, decided)
                    self.moving.begins(experiment, run)
                    self.turns.begins()
                    self.safety.look_anew()
            if not blocked:
                self.work.look.discard(experiment.id)
            elif new and not began:
                hopeless[self._group(experiment)] = next((one.step_id for one in self.next_steps(experiment)), "")

    def _note(self, experiment: Experiment, run: StepRun) -> None:
        """What tells later why it began."""
        left_s = self._pressing.get(experiment.id, math.inf) - self.work.material.now_s
        planned = bool(self.rule.plan.moves) and self.turns.next(experiment) < math.inf
        if experiment.state == "accepted" and (words := self.why(experiment)):
            self.reasons.of[experiment.id] = words
        self.reasons.begins(experiment, left_s, planned=planned)

    def _group(self, experiment: Experiment) -> tuple[str, ...]:
        """What samples have in common that have nothing yet, and of which none can begin if another cannot."""
        known = self._groups.get(experiment.id)
        if known is None:
            terms = experiment.owner, experiment.protocol.name, experiment.terms
            known = self._groups[experiment.id] = (*terms, *self._apart(experiment))
        return known

    def _apart(self, experiment: Experiment) -> tuple[str, ...]:
        """What tells samples of one protocol apart that have nothing yet: batch, transports, that one is stopped."""
        planned = str(self.rule.plan.of.get(experiment.id, ""))
        reached = self.layout.reached_by(experiment.stands_at, experiment.protocol.labware)
        owner, label = experiment.owner, experiment.label
        stopped = bool(experiment.given_up)
        if self.latches and not stopped:
            stopped = any(latch.label == label and latch.campaign == owner for latch in self.latches)
        return planned, reached, label if stopped else ""

    def why(self, experiment: Experiment) -> str:
        """Why a sample starts before those of other campaigns that wait, in words; empty if none does."""
        waiting = (
            next((one for one in live.values() if one.state == "accepted" and not one.given_up), None)
            for owner, live in self.work.live.items()
            if owner != experiment.owner
        )
        others = [one for one in waiting if one is not None]
        return why(experiment, others, self.work.fair, self.terms, OVERTAKEN) if others else ""

    def removals(self) -> list[tuple[Experiment, Removal]]:
        """What a person must take out of the lab, since no step of a sample can begin before; to be asked at once."""
        self.safety.look_anew()
        look, held = self.work.look, self.held()
        waiting = [
            one
            for owner, live in self.work.live.items()
            if owner not in held
            for one in live.values()
            if (one.id in look or one.to_leave)
            and one.state != "held"
            and not one.running
            and one.protocol.by_hand is None  # which is given up in its time, and is no reason to empty the lab
        ]
        if all(self.safety.of(holder) is not None for holder in self._reservations.taken.values()):
            if not self.moving.stands_in_the_way():
                waiting = [one for one in waiting if one.state != "accepted"]  # no other waits for what has nothing yet
        steps: dict[str, tuple[Experiment, list[StepRun]]] = {}
        for one in self._unlike(waiting):
            steps[one.id] = one, self.next_steps(one)
        self._groups.clear()
        found = list(Stuck(self.work, self.safety, self.moving, self.batches).removals(steps))
        return found or self._last_resort()

    def _unlike(self, waiting: Iterable[Experiment]) -> Iterator[Experiment]:
        """Samples that wait; of those that have nothing yet and lack the same, only the first."""
        alike: set[tuple[str, ...]] = set()
        for one in waiting:
            if one.state == "accepted":
                if (group := self._group(one)) in alike:
                    continue
                alike.add(group)
            yield one

    def _last_resort(self) -> list[tuple[Experiment, Removal]]:
        """The youngest sample on its way, if none can continue and no person is asked."""
        if self.work.something_runs or self.wake_s is not None or self.work.questions.open or self.latches:
            return []
        if any(self.work.of(owner) for owner in self.held()):
            return []  # they may be what it waits for
        waiting = [one for one in self._in_order(self.held()) if one.brought and (one.moved or one.booked)]
        if not waiting or any(self.next_steps(one) == [] for one in waiting):
            return []
        youngest = max(waiting, key=lambda one: (-one.priority, one.turn))
        return [(youngest, Removal(label=youngest.label))]

    def taken(self, owner: str, step_id: str) -> tuple[Experiment, StepRun]:
        """A step that begins, as was decided; what it needs is reserved.

        Raises:
            IllegalEventError: it cannot begin: a bug, or a journal that was edited by hand.
        """
        return self.started(owner, Start(step_id=step_id))

    def started(self, owner: str, start: Start) -> tuple[Experiment, StepRun]:
        """A step that begins, as was decided; what it needs is reserved.

        What an experiment that is over had left in its way is gone: a person has said so, to another campaign or in a
        recount, of which the owner's own events hold nothing.

        Raises:
            IllegalEventError: it cannot begin: a bug, or a journal that was edited by hand.
        """
        for experiment in self.work.of(owner).values():
            for run in experiment.startable():
                if run.step_id == start.step_id:
                    run.at, run.slot, run.batch = start.station, start.slot, start.batch
                    self._take(experiment, run, start.keeps, start.booked)
                    return experiment, run
        raise IllegalEventError(f"step {start.step_id} cannot begin: it is not ready")

    def carried(self, owner: str, carried: Carried) -> tuple[Experiment, StepRun]:
        """A move that begins, as was decided; what it needs is reserved.

        Raises:
            IllegalEventError: it cannot begin: a bug, or a journal that was edited by hand.
        """
        experiment = self.work.of(owner).get(carried.label)
        if experiment is None or experiment.stands_at != carried.move.start:
            raise IllegalEventError(f"experiment {owner}/{carried.label} is not at {carried.move.start}, to be moved")
        run = experiment.carry(carried.move, carried.station, carried.expected_s)
        self._take(experiment, run, carried.keeps, carried.booked)
        self.work.moved(experiment, run)
        return experiment, run

    def waits(self, owner: str) -> list[Waiting]:
        """What an owner's samples wait for that others have."""
        decided = self._decided([one for one in self.held() if one != owner])
        return [one for experiment, one in decided if isinstance(one, Waiting) and experiment.owner == owner]

    def could_begin(self) -> list[str]:
        """Ids of steps that begin the next time that is looked; none where nothing runs and all was looked at."""
        decided = self._decided(self.held())
        return [
            one.step_id if isinstance(one, Start) else one.label for _, one in decided if not isinstance(one, Waiting)
        ]

    def _decided(self, held: Collection[str]) -> Iterator[tuple[Experiment, Start | Carried | Waiting]]:
        """What would be decided now about the next steps of all samples but those of some owners."""
        self.moving.look_anew()
        self.safety.look_anew()
        kept: dict[str, Experiment] = {}
        for experiment in self._in_order(held):
            for run in self.next_steps(experiment):
                decided = self._decide(experiment, run, kept)
                if isinstance(decided, Waiting):
                    self._keep(experiment, run, decided, kept)
                yield experiment, decided

    def _looked_at(self) -> list[Experiment]:
        look = self.work.look
        return [one for one in self._in_order(self.held()) if one.id in look] if look else []

    def _in_order(self, held: Collection[str]) -> list[Experiment]:
        samples = [
            experiment
            for owner, experiments in self.work.live.items()
            if owner not in held
            for experiment in experiments.values()
        ]
        pressing_s = self._pressing_s(samples)
        if self.rule.plan.moves:  # it has thought of them
            planned = {one.id for one in samples if self.turns.planned(one)} if self.rule.strict else ()
            pressing_s = {key: math.inf if key in planned else due_s for key, due_s in pressing_s.items()}
        load_s = self._load_s(samples) if self.rule.flows else {}
        self._pressing = pressing_s
        ordered = sorted(
            samples,
            key=lambda one: (
                pressing_s[one.id],
                *self.rule.key(one, self._blocked_s(one, load_s) if load_s else 0.0, self.turns.next(one)),
            ),
        )
        if len(self.work.live) < 2 or self.rule.plan.batches:
            return ordered
        fair: list[Experiment] = []
        for (presses, _), alike in itertools.groupby(
            ordered, lambda one: (pressing_s[one.id] < math.inf, one.priority)
        ):
            group = list(alike)
            if not presses:
                group = in_fair_order(group, self.work.fair, self.terms, OVERTAKEN, self._was_passed)
            fair += group
        return fair

    def _was_passed(self, experiment: Experiment) -> bool:
        """Whether as many younger ones have started as may before it."""
        return self.work.last_turn - experiment.seen >= OVERTAKEN

    def _pressing_s(self, samples: Iterable[Experiment]) -> dict[str, float]:
        """Until when the next step of each sample must have started, or that of another which it is in the way of."""
        pressing_s: dict[str, float] = {}
        due_s: dict[str, float] = {}
        done: list[tuple[Experiment, str]] = []
        for experiment in samples:
            if experiment.state == "accepted" and not experiment.moved:
                pressing_s[experiment.id] = math.inf
                continue
            own_s = math.inf if experiment.state == "accepted" else experiment.pressing_s
            pressing_s[experiment.id] = own_s
            if not self.batches.any or not experiment.moved or not (left := experiment.left()):
                continue
            here = self.layout.bench_at(experiment.booked.get(left[0].spec.name) or experiment.stands_at)
            if here is not None and here.together and left[0].spec.station in (here.kind, here.name):
                due_s[here.name] = min(due_s.get(here.name, math.inf), own_s)
                continue
            for bench in self.layout.serving(left[0].spec.station) if own_s < math.inf else ():
                due_s[bench.name] = min(due_s.get(bench.name, math.inf), own_s)  # wherever there is room first
            if (stands := self.layout.bench_at(experiment.stands_at)) is not None and stands.together:
                done.append((experiment, stands.name))
        for experiment, station in done:
            pressing_s[experiment.id] = min(pressing_s[experiment.id], due_s.get(station, math.inf))
        return pressing_s

    def _load_s(self, samples: Iterable[Experiment]) -> dict[str, float]:
        """How long each kind of station has work for with the samples that are at it or wait for it, lab seconds."""
        load_s: dict[str, float] = {}
        for experiment in samples:
            if experiment.moved and (left := experiment.left()):
                kind = left[0].spec.station
                load_s[kind] = load_s.get(kind, 0.0) + self.moving.outlook.left_s(left[0]) / self._units(
                    experiment, kind
                )
        return load_s

    def _blocked_s(self, experiment: Experiment, load_s: dict[str, float]) -> float:
        """How long a sample would be in the way after its next step, lab seconds."""
        left = experiment.left()
        if len(left) < 2 or left[0].active or not experiment.moved:
            return 0.0
        return max(0.0, load_s.get(left[1].spec.station, 0.0) - left[0].expected_s)

    def _units(self, experiment: Experiment, station: str) -> int:
        return len(self.layout.sites_for(station, experiment.protocol.labware)) or 1

    def next_steps(self, experiment: Experiment) -> list[StepRun]:
        """Steps that could begin, as far as the sample itself is concerned."""
        if experiment.given_up and experiment.running:
            return []  # what closes out comes after what is under way
        ready = list(experiment.startable())
        if not experiment.brought:
            return ready
        if experiment.parks:
            ready = [run for run in ready if run.carrier or not run.spec.sample]
        if any(run.spec.sample for run in experiment.running):
            return [run for run in ready if not run.spec.sample]
        if moves := [run for run in ready if run.carrier]:
            return moves  # it is to be made again
        brought = [run for run in ready if experiment.booked.get(run.spec.name, "") == experiment.stands_at != ""]
        if brought:  # what it was brought for comes first, or two steps could send it to and fro for ever
            return [run for run in ready if run in brought or not run.spec.sample]
        if experiment.to_leave and (experiment.parks or not (experiment.needed or experiment.state == "held")):
            out = self.moving.out(experiment)
            return [*ready, out] if out is not None else ready
        return ready

    def _alike(self, experiment: Experiment, run: StepRun) -> tuple[str, ...]:
        """What samples have in common of which none can begin a step if another cannot, that has nothing yet."""
        recipes = [experiment.recipe(f"{SITE}{run.spec.station}")]
        recipes += [experiment.recipe(resource) for resource in experiment.needs(run.spec)]
        return (experiment.owner, experiment.protocol.name, run.spec.name, *self._apart(experiment), *recipes)

    def _decide(self, experiment: Experiment, run: StepRun, kept: dict[str, Experiment]) -> Start | Carried | Waiting:
        """Let a step, or the move that it needs, begin; or what it waits for."""
        if self.moving.is_there(experiment, run):
            bench = self.moving.bench(experiment, run)
            if bench.together and experiment.wants_sample(run.spec):
                return self.batches.waiting(experiment, run, bench)
            start = self.moving.start(experiment, run, bench)
            if isinstance(start, Start):
                return self._waiting(experiment, run, start, kept) or start
            return start
        if run.spec.name not in experiment.booked and (shut := self.windows.nowhere(experiment, run)) is not None:
            return shut
        decided = self.moving.bring(experiment, run)
        if isinstance(decided, Carried):
            return self._waiting(experiment, run, decided, kept) or decided
        return decided

    def _waiting(
        self, experiment: Experiment, run: StepRun, begins: Start | Carried, kept: dict[str, Experiment]
    ) -> Waiting | None:
        """What a step, or the move that it needs, waits for; None if it can begin."""
        step = (run.step_id, experiment.owner, experiment.label)
        moves = isinstance(begins, Carried)
        station = begins.station if moves else begins.station or run.spec.station
        for name in dict.fromkeys((station, run.spec.station)):
            for latch in self.latches:
                if latch.holds(name, experiment.owner, experiment.label):
                    return Waiting(*step, "reset", latch.words, "", "")
        if (shut := self._shut(experiment, run, begins, station)) is not None:
            return shut
        unit = f"station:{station}"
        unit += f"/{begins.slot}" if isinstance(begins, Start) and begins.slot else ""
        resources = [] if moves else experiment.needs(run.spec)
        resources += [one for one in begins.keeps if one not in resources]
        if unit in self._reservations.taken and (moves or not self._reservations.holds(experiment, unit)):
            holder = self._reservations.taken[unit]
            return Waiting.for_resource(*step, unit, holder.owner, holder.label, holder.step_id)
        for resource in self._reservations.not_free(experiment, resources):
            holder = self._reservations.first(resource)
            return Waiting.for_resource(*step, resource, holder.owner, holder.label, holder.step_id)
        if (apart := self._apart_by_hand(experiment, station, unit)) is not None:
            holder = self._reservations.taken[apart]
            return Waiting.for_resource(*step, apart, holder.owner, holder.label, holder.step_id)
        for resource in resources:
            if (stands := self.safety.stands_in_place(experiment, resource)) is not None:
                return Waiting.for_resource(*step, resource, stands.owner, stands.label)
        more = resources if moves or not run.spec.holds else [*resources, unit]
        for other in self.safety.blocks(experiment, more, moves=moves):
            resource = next((one for one in more if self.safety.claims(other, one)), more[0])
            return Waiting.for_resource(*step, resource, other.owner, other.label, because="beyond")
        if kept and not self._has_something(experiment):
            for resource in (unit, *resources):
                older = kept.get(resource)
                if older is not None and experiment not in self.safety.all_ahead(older):
                    return Waiting.for_resource(*step, resource, older.owner, older.label, because="older")
        return None

    def _apart_by_hand(self, experiment: Experiment, station: str, unit: str) -> str | None:
        """What keeps an operation by hand and a slot of its station apart: the one that is at work; None if none is."""
        taken, whole = self._reservations.taken, f"station:{station}"
        if experiment.protocol.by_hand is not None:
            return next((one for one in taken if one.startswith(f"{whole}/")), None)
        if unit == whole or whole not in taken:
            return None
        holder = self.safety.of(taken[whole])
        return whole if holder is not None and holder.protocol.by_hand is not None else None

    def _shut(self, experiment: Experiment, run: StepRun, begins: Start | Carried, station: str) -> Waiting | None:
        """A station that people have, or want before a step, or a move and the step after it, would be over."""
        if isinstance(begins, Carried):
            return self.windows.move(experiment, run, begins)
        return self.windows.step(experiment, run, station)

    def _carry_out(self, experiment: Experiment, decided: Start | Carried) -> Begins:
        if isinstance(decided, Carried):
            return (*self.carried(experiment.owner, decided), decided)
        return (*self.started(experiment.owner, decided), decided)

    def _take(self, experiment: Experiment, run: StepRun, keeps: Collection[str], booked: dict[str, str]) -> None:
        """Reserve what was decided.

        Raises:
            IllegalEventError: another has it.
        """
        in_the_way = [*self._reservations.obstacles(experiment, run), *self._reservations.not_free(experiment, keeps)]
        for resource in in_the_way:
            holder = next(self._reservations.of_resource(resource), None)
            if holder is not None and self.safety.of(holder) is None:
                self._reservations.free(self._reservations.left_at(resource))
        for resource in keeps:
            if not any(self._reservations.not_free(experiment, [resource])):
                self._reservations.keep(experiment, resource)
        experiment.booked |= booked
        if not self._reservations.take(experiment, run):
            raise IllegalEventError(f"step {run.step_id} cannot begin: {self._reservations.obstacle(experiment, run)}")

    def _keep(self, experiment: Experiment, run: StepRun, waiting: Waiting, kept: dict[str, Experiment]) -> None:
        """Keep what an older sample needs from those that have nothing yet, so that they cannot pass it for ever.

        Those that have something may always take more: the older one may wait for what they have.
        """
        if waiting.kind in ("reset", "batch", "closed") or waiting.because == "planned":
            return  # only a person, or time, ends that wait; or none has passed it
        planned = experiment.id in self.rule.plan.of  # in that order others pass it
        if waiting.because == "beyond" or (self._was_passed(experiment) and not planned):
            claims = self.work.claims(experiment)
            claims = frozenset(one for one in claims if not one.startswith(STATION))
            for resource in (run.unit, *(unit for one in claims for unit in self.safety.units(one, experiment))):
                kept.setdefault(resource, experiment)

    def _has_something(self, experiment: Experiment) -> bool:
        """Whether an experiment has a position or a device that others may need."""
        if experiment.brought:
            return bool(experiment.moved or experiment.booked)
        needs = (resource for spec in experiment.protocol.steps for resource in experiment.needs(spec))
        return any(self._reservations.held(experiment, resource) for resource in needs)
