"""Who gets which station and position, and in which order: the only one that lets a step begin."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.work import Work


@dataclass
class Dispatcher:
    """Starts every step whose needs are done and whose station and positions are free, the oldest sample first.

    Attributes:
        work: the samples under way.
    """

    work: Work

    def ready(self, held: Collection[str] = ()) -> Iterator[tuple[Experiment, StepRun]]:
        """Steps that begin now; what each needs is reserved when it is given out.

        Args:
            held: owners none of whose steps may begin.
        """
        for experiment in self._samples(held):
            blocked = False
            for run in list(experiment.startable()):
                if self.work.reservations.take(experiment, run):
                    yield experiment, run
                else:
                    blocked = True
            if not blocked:
                self.work.look.discard(experiment.id)

    def waits(self, owner: str) -> list[str]:
        """What an owner's samples wait for that others have, in words."""
        return [
            f"{run.step_id} for {obstacle}"
            for experiment in self.work.of(owner).values()
            for run in experiment.startable()
            if (obstacle := self.work.reservations.obstacle(experiment, run.spec))
        ]

    def _samples(self, held: Collection[str]) -> list[Experiment]:
        look = self.work.look
        return [
            experiment
            for owner, experiments in self.work.live.items()
            if owner not in held
            for experiment in experiments.values()
            if experiment.id in look
        ]
