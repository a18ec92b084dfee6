"""Who gets which station, position and shared device, and in which order: the only one that lets a step begin.

No two samples ever wait for each other. A sample waits for another if the other has a position or a device that its
own steps may still take; a step begins only if that makes no ring of samples that wait for each other. So there is
always an order in which all samples under way can end, and one that can go on, or that a person is asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from labwright.engine.events import Removal
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.reservations import Reservation, Reservations
from labwright.engine.work import IllegalEventError, Work
from labwright.model.latch import LatchScope
from labwright.model.waiting import Waiting

__all__ = ["OVERTAKEN", "Dispatcher", "Waiting"]

OVERTAKEN = 10
"""So many experiments may start while a step of an older one waits; then what it needs is kept for it."""


@dataclass
class Dispatcher:
    """Lets steps begin: those of campaigns with a higher priority first, then those of the oldest sample.

    Attributes:
        work: the samples under way.
        held: owners none of whose steps it may let begin.
    """

    work: Work
    held: Callable[[], Collection[str]] = tuple
    latches: frozenset[LatchScope] = frozenset()
    """What was stopped and not reset: no step of it begins. Not part of the state: the journal has them."""

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

    def ready(self) -> Iterator[tuple[Experiment, StepRun]]:
        """Steps that begin now; what each needs is reserved when it is given out."""
        kept: dict[str, Experiment] = {}
        waits: set[tuple[str, str, str]] = set()
        for experiment in self._looked_at():
            blocked = False
            for run in list(experiment.startable()):
                alike = (experiment.owner, experiment.protocol.name, run.spec.name)
                if experiment.state == "accepted" and alike in waits:
                    blocked = True  # an older one that has nothing yet, too, waits for the same
                    continue
                waiting = self._waiting(experiment, run, kept)
                if waiting is not None and experiment.state == "accepted":
                    waits.add(alike)
                if waiting is None:
                    self._reservations.take(experiment, run)
                    yield experiment, run
                else:
                    blocked = True
                    self._keep(experiment, run, waiting, kept)
            if not blocked:
                self.work.look.discard(experiment.id)

    def removals(self) -> Iterator[tuple[Experiment, Removal]]:
        """What a person must take out of the lab, since no step of a sample can begin before; to be asked at once."""
        waiting = [one for one in self._looked_at() if not one.running and one.state != "held"]
        if all(self._of(holder) is not None for holder in self._reservations.taken.values()):
            waiting = [one for one in waiting if one.state != "accepted"]  # no other waits for what has nothing yet
        asked = {question.frees for question in self.work.questions.open.values()}
        stuck: dict[str, tuple[Experiment, list[set[str]]]] = {}
        for experiment in waiting:
            by_step: list[set[str]] = []
            for run in experiment.startable():
                holders: set[str] = set()
                for resource in self._reservations.obstacles(experiment, run.spec):
                    holder = self._holder(resource)
                    if holder is not None:
                        holders.add(holder.id)
                    elif (resource := self._reservations.left_at(resource)) not in asked:
                        asked.add(resource)
                        left = self._reservations.taken[resource]
                        yield (
                            experiment,
                            Removal(label=experiment.label, resource=resource, left=f"{left.owner}/{left.label}"),
                        )
                if not holders:
                    holders |= {one.id for one in self._ring(experiment, run)}
                by_step.append(holders)
            if by_step and all(by_step):
                stuck[experiment.id] = experiment, by_step
        while found := _in_rings(stuck):
            youngest = max(found, key=lambda one: (-one.priority, one.turn))
            del stuck[youngest.id]
            yield youngest, Removal(label=youngest.label)

    def taken(self, owner: str, step_id: str) -> tuple[Experiment, StepRun]:
        """A step that begins, as was decided; what it needs is reserved.

        What an experiment that is over had left in its way is gone: a person has said so, to another campaign or in a
        recount, of which the owner's own events hold nothing.

        Raises:
            IllegalEventError: it cannot begin: a bug, or a journal that was edited by hand.
        """
        for experiment in self.work.of(owner).values():
            for run in experiment.startable():
                if run.step_id == step_id:
                    for resource in list(self._reservations.obstacles(experiment, run.spec)):
                        holder = self._reservations.taken.get(resource)
                        if holder is not None and self._of(holder) is None:
                            self._reservations.free(self._reservations.left_at(resource))
                    if self._reservations.take(experiment, run):
                        return experiment, run
                    raise IllegalEventError(
                        f"step {step_id} cannot begin: {self._reservations.obstacle(experiment, run.spec)}"
                    )
        raise IllegalEventError(f"step {step_id} cannot begin: it is not ready")

    def waits(self, owner: str) -> list[Waiting]:
        """What an owner's samples wait for that others have."""
        kept: dict[str, Experiment] = {}
        found = []
        held = [one for one in self.held() if one != owner]
        for experiment in _in_order(self.work, held):
            for run in experiment.startable():
                waiting = self._waiting(experiment, run, kept)
                if waiting is not None:
                    self._keep(experiment, run, waiting, kept)
                    if experiment.owner == owner:
                        found.append(waiting)
        return found

    def _looked_at(self) -> list[Experiment]:
        look = self.work.look
        return [one for one in _in_order(self.work, self.held()) if one.id in look] if look else []

    def _waiting(self, experiment: Experiment, run: StepRun, kept: dict[str, Experiment]) -> Waiting | None:
        """What the step waits for; None if it can begin."""
        step = (run.step_id, experiment.owner, experiment.label)
        for latch in self.latches:
            if latch.holds(run.spec.station, experiment.owner, experiment.label):
                return Waiting(*step, "reset", latch.words, "", "")
        for resource in self._reservations.obstacles(experiment, run.spec):
            holder = self._reservations.taken[resource]
            return Waiting.for_resource(*step, resource, holder.owner, holder.label, holder.step_id)
        for other in self._ring(experiment, run):
            resource = next(one for one in experiment.needs(run.spec) if one in self.work.claims(other))
            return Waiting.for_resource(*step, resource, other.owner, other.label, because="beyond")
        if kept and not self._has_something(experiment):
            for resource in (f"station:{run.spec.station}", *experiment.needs(run.spec)):
                if (older := kept.get(resource)) is not None:
                    return Waiting.for_resource(*step, resource, older.owner, older.label, because="older")
        return None

    def _keep(self, experiment: Experiment, run: StepRun, waiting: Waiting, kept: dict[str, Experiment]) -> None:
        """Keep what an older sample needs from those that have nothing yet, so that they cannot pass it for ever.

        Those that have something may always take more: the older one may wait for what they have.
        """
        if waiting.kind == "reset":
            return  # only a person ends that wait
        if waiting.because == "beyond" or self.work.last_turn - experiment.seen >= OVERTAKEN:
            for resource in (f"station:{run.spec.station}", *self.work.claims(experiment)):
                kept.setdefault(resource, experiment)

    def _has_something(self, experiment: Experiment) -> bool:
        """Whether an experiment has a position or a device that others may need."""
        needs = (resource for spec in experiment.protocol.steps for resource in experiment.needs(spec))
        return any(self._reservations.held(experiment, resource) for resource in needs)

    def _holder(self, resource: str) -> Experiment | None:
        """The experiment under way that has it."""
        return self._of(self._reservations.taken[resource])

    def _of(self, holder: Reservation) -> Experiment | None:
        return self.work.of(holder.owner).get(holder.label)

    def _ahead(self, experiment: Experiment) -> Iterator[Experiment]:
        """Samples that have what an experiment may still take."""
        taken = self._reservations.taken
        for resource in self.work.claims(experiment):
            holder = taken.get(resource)
            if holder is not None and not holder.of(experiment) and (other := self._of(holder)) is not None:
                yield other

    def _ring(self, experiment: Experiment, run: StepRun) -> list[Experiment]:
        """Samples that the step's sample would wait for, and that would wait for it, if the step began.

        What an experiment has left behind that is over does not count: a person is asked to take it away.
        """
        new = [one for one in experiment.needs(run.spec) if not self._reservations.held(experiment, one)]
        if not new:
            return []
        seen, todo, found = {experiment.id}, [experiment], []
        while todo:
            for other in self._ahead(todo.pop()):
                if other.id not in seen:
                    seen.add(other.id)
                    todo.append(other)
                    if any(one in self.work.claims(other) for one in new):
                        found.append(other)
        return sorted(found, key=lambda one: one.turn)


def _in_rings(stuck: dict[str, tuple[Experiment, list[set[str]]]]) -> list[Experiment]:
    """Of samples that cannot go on, those that wait for each other: a journal of engine 1 may have such.

    Args:
        stuck: by id: the sample, and for each step that could begin the samples it waits for.
    """
    left = dict(stuck)
    while alive := [key for key, (_, steps) in left.items() if any(left.keys().isdisjoint(one) for one in steps)]:
        for key in alive:
            del left[key]

    def waits_for(key: str) -> set[str]:
        reached: set[str] = set()
        todo = [key]
        while todo:
            more = set().union(*left[todo.pop()][1]) & left.keys() - reached
            reached |= more
            todo += more
        return reached

    return [experiment for key, (experiment, _) in left.items() if key in waits_for(key)]


def _in_order(work: Work, held: Collection[str]) -> list[Experiment]:
    samples = [
        experiment
        for owner, experiments in work.live.items()
        if owner not in held
        for experiment in experiments.values()
    ]
    return sorted(samples, key=lambda one: (-one.priority, one.turn))
