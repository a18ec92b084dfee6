"""In which order samples are served: rules of dispatch, of which none is the best everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from labwright.engine.experiment import Experiment

Order = Literal["first", "longest", "shortest", "nearest"]
"""``first``: the sample that began first; ``longest``: the one with the most work left; ``shortest``: with the least;
``nearest``: whose next step takes least."""

_ORDERS: dict[Order, Callable[[Experiment], float]] = {
    "first": lambda experiment: 0.0,
    "longest": lambda experiment: -left_s(experiment),
    "shortest": lambda experiment: left_s(experiment),
    "nearest": lambda experiment: next_s(experiment),
}


@dataclass(frozen=True)
class Rule:
    """How the dispatcher chooses.

    Attributes:
        order: among samples of the same priority.
        batch_wait_s: how long a batch that could begin waits for another sample, lab seconds.
    """

    order: Order = "first"
    batch_wait_s: float = 0.0

    def key(self, experiment: Experiment) -> tuple[float, float, int]:
        """Sorts samples: the lowest is served first."""
        return (-experiment.priority, _ORDERS[self.order](experiment), experiment.turn)

    def __str__(self) -> str:
        waits = f", batches wait {self.batch_wait_s / 60:g} min" if self.batch_wait_s else ""
        return f"{self.order}{waits}"


FIRST = Rule()
"""Who came first, and no batch waits."""


def left_s(experiment: Experiment) -> float:
    """What the steps that are left should take, lab seconds; loops are counted once."""
    return sum(run.expected_s for run in experiment.steps.values() if run.state in ("waiting", "ready"))


def next_s(experiment: Experiment) -> float:
    """What the next step should take, lab seconds."""
    return next((run.expected_s for run in experiment.startable()), 0.0)
