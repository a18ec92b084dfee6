"""Who gets which station and position, and in which order: the only one that lets a step begin."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.work import IllegalEventError, Work


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

    def taken(self, owner: str, step_id: str) -> tuple[Experiment, StepRun]:
        """A step that begins, as was decided; what it needs is reserved.

        Raises:
            IllegalEventError: it cannot begin: a bug, or a journal that was edited by hand.
        """
        for experiment in self.work.of(owner).values():
            for run in experiment.startable():
                if run.step_id == step_id:
                    if self.work.reservations.take(experiment, run):
                        return experiment, run
                    raise IllegalEventError(
                        f"step {step_id} cannot begin: {self.work.reservations.obstacle(experiment, run.spec)}"
                    )
        raise IllegalEventError(f"step {step_id} cannot begin: it is not ready")

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
