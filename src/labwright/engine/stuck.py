"""Samples that cannot continue unless a person takes something out of the lab: what to ask for.

What an experiment that is over has left behind is asked for as soon as it is in the way. Samples that wait for each
other are found by what each of them needs: for one of its next steps all that the step lacks must come, and of that,
one of several positions or transports may be enough. Those that none can bring on wait for ever, and the youngest is
asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from labwright.engine.batches import Batches
from labwright.engine.events import Removal
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.moving import Moving
from labwright.engine.reservations import Reservations
from labwright.engine.safety import Safety
from labwright.engine.work import Work

Need = list[set[str]]
"""What a step lacks: ids of samples that must continue before it can be had; any of these sets is enough."""

Waiting = Mapping[str, tuple[Experiment, list[StepRun]]]
"""Samples that wait, by id, with their steps that could begin as far as they themselves are concerned."""


@dataclass
class Stuck:
    """Finds what keeps samples from continuing for ever.

    Attributes:
        work: the samples under way.
        safety: looks ahead.
        moving: decides about moves.
        batches: decides about batches.
    """

    work: Work
    safety: Safety
    moving: Moving
    batches: Batches

    @property
    def _reservations(self) -> Reservations:
        return self.work.reservations

    @cached_property
    def _stands(self) -> dict[str, Experiment]:
        """Samples under way by where they stand, ``position:NAME``."""
        live = (one for samples in self.work.live.values() for one in samples.values())
        return {f"position:{one.stands_at}": one for one in live if one.stands_at}

    def removals(self, waiting: Waiting) -> Iterator[tuple[Experiment, Removal]]:
        """What a person must take out, and for which sample."""
        asked = {question.frees for question in self.work.questions.open.values()}
        stuck: dict[str, list[list[Need]]] = {}
        for experiment, steps in waiting.values():
            ways = [self.moving.no_way(experiment, run) for run in steps]
            if ways and all(ways):
                yield experiment, Removal(label=experiment.label, why=ways[0])
                continue
            if not steps and (nowhere := self._nowhere(experiment)):
                yield experiment, Removal(label=experiment.label, why=nowhere)
                continue
            for run in steps:
                for resource in self._missing(experiment, run):
                    if any(self._reservations.of_resource(resource)):
                        yield from self._left_behind(experiment, resource, asked)
                    elif resource not in self._stands and resource not in asked:
                        asked.add(resource)
                        yield experiment, Removal(label=experiment.label, resource=resource)
            needs = [self._needs(experiment, run) for run in steps]
            if needs and all(needs):
                stuck[experiment.id] = needs
        while rings := _in_rings(stuck):
            youngest = max((waiting[key][0] for key in rings), key=lambda one: (-one.priority, one.turn))
            del stuck[youngest.id]
            yield youngest, Removal(label=youngest.label)

    def _nowhere(self, experiment: Experiment) -> str:
        """Why the container of a sample that is done stays where it is, in words; empty if it need not be moved."""
        if not experiment.to_leave or experiment.needed or self.moving.out(experiment) is not None:
            return ""
        return f"no position of the lab takes its {experiment.protocol.labware} out, and it has none to go back to"

    def _left_behind(
        self, experiment: Experiment, resource: str, asked: set[str]
    ) -> Iterator[tuple[Experiment, Removal]]:
        """What experiments that are over have left at a resource, and that no person is asked for yet."""
        for holder in self._reservations.of_resource(resource):
            if self.safety.of(holder) is not None or (left_at := self._reservations.left_at(resource)) in asked:
                continue
            asked.add(left_at)
            left = self._reservations.taken[left_at]
            yield experiment, Removal(label=experiment.label, resource=left_at, left=f"{left.owner}/{left.label}")

    def _missing(self, experiment: Experiment, run: StepRun) -> Iterator[str]:
        """Resources that keep a step, or the move that it needs, from beginning."""
        if self.moving.is_there(experiment, run):
            yield from self._obstacles(experiment, run)
            bench = self.moving.bench(experiment, run)
            if bench.together and experiment.wants_sample(run.spec):
                yield from self.batches.strange(bench)
        else:
            yield from self.moving.obstacles(experiment, run)
        if experiment.brought and not run.carrier:
            yield from self.moving.kept_by_others(experiment, run)

    def _obstacles(self, experiment: Experiment, run: StepRun) -> Iterator[str]:
        """What others have of what a step needs where its sample is: of several stations of a kind, the one there."""
        bench = self.moving.bench(experiment, run)
        unit = f"station:{bench.name}"
        if bench.slotted and experiment.wants_sample(run.spec) and not run.carrier:
            unit += f"/{experiment.stands_at}"
        if unit in self._reservations.taken and not run.follows and not self._reservations.holds(experiment, unit):
            yield unit
        yield from self._reservations.not_free(experiment, experiment.needs(run.spec))

    def _needs(self, experiment: Experiment, run: StepRun) -> list[Need]:
        """All that a step, or the move that it needs, lacks; empty if it could begin, or a person is asked."""
        needs: list[Need] = []
        if self.moving.is_there(experiment, run):
            needs += [[self._holders(one)] for one in self._obstacles(experiment, run)]
            bench = self.moving.bench(experiment, run)
            if bench.together and experiment.wants_sample(run.spec):
                needs += [[{other.id}] for other in self.safety.must_leave_first(experiment, run)]
        else:
            units = [f"station:{one.station}" for one in self.moving.transports(experiment)]
            needs.append([self._holders(one) for one in units])
            needs += [[self._holders(one)] for one in self.moving.hand_overs_taken(experiment, run)]
            needs += [
                [self._holders(one)] for one in self._reservations.not_free(experiment, experiment.needs(run.spec))
            ]
            if sites := self.moving.wanted(experiment, run):
                needs.append([self._at(experiment, site) for site in sites])
        if experiment.brought and not run.carrier:
            needs += [
                [self._at(experiment, site) for site in self.moving.wanted(experiment, later)]
                for later in self.moving.followed_by(experiment, run)
            ]
        lacking = [need for need in needs if need and all(need)]
        if not lacking and self.moving.is_there(experiment, run):
            station = [f"station:{self.moving.bench(experiment, run).name}"] if run.spec.holds else []
            more = [*experiment.needs(run.spec), *station]
            lacking = [[{one.id}] for one in self.safety.blocks(experiment, more)]
        return lacking

    def _holders(self, resource: str) -> set[str]:
        """Samples under way that have a resource, or whose container stands there."""
        holders = [self.safety.of(holder) for holder in self._reservations.of_resource(resource)]
        holders.append(self._stands.get(resource))
        return {one.id for one in holders if one is not None}

    def _at(self, experiment: Experiment, site: str) -> set[str]:
        """Samples that must continue before a container can be put at a position of a station."""
        position = f"position:{site}"
        blockers = self._holders(position) if any(self.moving.not_clear(experiment, [position])) else set()
        if (bench := self.moving.layout.bench_at(site)) is not None:
            blockers |= {other.id for other in self.safety.rivals(experiment, bench)}
            kept = self.moving.is_kept(experiment, bench)
            blockers |= self._holders(f"station:{bench.name}") if kept else set()
        return blockers - {experiment.id}


def _in_rings(stuck: Mapping[str, list[list[Need]]]) -> list[str]:
    """Of samples that cannot continue, those that wait for each other, by id.

    Args:
        stuck: by id: for each step that could begin all that it lacks.
    """
    left = dict(stuck)

    def continues(steps: list[list[Need]]) -> bool:
        return any(all(any(left.keys().isdisjoint(either) for either in need) for need in step) for step in steps)

    while alive := [key for key, steps in left.items() if continues(steps)]:
        for key in alive:
            del left[key]

    def waits_for(key: str) -> set[str]:
        reached: set[str] = set()
        todo = [key]
        while todo:
            here = {one for step in left[todo.pop()] for need in step for either in need for one in either}
            more = here & left.keys() - reached
            reached |= more
            todo += more
        return reached

    return [key for key in left if key in waits_for(key)]
