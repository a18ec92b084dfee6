"""In which order samples are served: rules of dispatch, of which none is the best everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from labwright.engine.events import Foreseen
from labwright.engine.experiment import Experiment

Order = Literal["first", "longest", "shortest", "nearest"]
"""``first``: the sample that began first; ``longest``: the one with the most work left; ``shortest``: with the least;
``nearest``: whose next step takes least."""

OUT = "out"
"""What the last move of a sample is for, as a step."""

_ORDERS: dict[Order, Callable[[Experiment], float]] = {
    "first": lambda experiment: 0.0,
    "longest": lambda experiment: -left_s(experiment),
    "shortest": lambda experiment: left_s(experiment),
    "nearest": lambda experiment: next_s(experiment),
}


@dataclass(frozen=True)
class Plan:
    """Which samples are to share a batch, and in which order these form.

    Attributes:
        batches: ids of the samples of each, in the order in which they begin.
        moves: in which order samples are moved: the id of the sample, and the step that it is brought to. Empty if that
            is not planned.
    """

    batches: tuple[tuple[str, ...], ...] = ()
    moves: tuple[tuple[str, str], ...] = ()

    @cached_property
    def turns(self) -> dict[tuple[str, str], int]:
        """The place of each move in their order."""
        return {move: place for place, move in enumerate(self.moves)}

    def turn(self, sample: str, step: str) -> float:
        """The place of a move in the order; infinite if it has none."""
        return self.turns.get((sample, step), math.inf)

    @cached_property
    def of(self) -> dict[str, int]:
        """The batch of each sample, by id."""
        return {key: number for number, batch in enumerate(self.batches) for key in batch}

    @cached_property
    def ranks(self) -> dict[str, int]:
        """In which order samples begin, by id."""
        return {key: rank for rank, key in enumerate(key for batch in self.batches for key in batch)}


NO_PLAN = Plan()
"""Batches form as samples come."""


@dataclass(frozen=True)
class Rule:
    """How the dispatcher chooses.

    Attributes:
        order: among samples of the same priority.
        batch_wait_s: how long a batch that could begin waits for another sample, lab seconds.
        plan: which samples share a batch.
        flows: whether samples come later that would be in the way, since what follows their next step is full.
        strict: whether every planned move waits for those before it, and not only where waits are limited.
    """

    order: Order = "first"
    batch_wait_s: float = 0.0
    plan: Plan = NO_PLAN
    flows: bool = False
    strict: bool = False

    def key(self, experiment: Experiment, blocked_s: float = 0.0, turn: float = math.inf) -> tuple[float, ...]:
        """Sorts samples: the lowest is served first.

        Args:
            experiment: the sample.
            blocked_s: how long it would be in the way after its next step, since what follows is full, lab seconds.
            turn: the place of its next move, if their order is planned.
        """
        if self.plan.moves:
            return (-experiment.priority, turn, experiment.turn)
        rank = self.plan.ranks.get(experiment.id, len(self.plan.ranks) + experiment.turn)
        blocked_s = blocked_s // 300 if self.flows else 0.0
        begins = 1 + self.plan.of.get(experiment.id, 0) if self.plan.batches and not experiment.moved else 0
        return (-experiment.priority, begins, blocked_s, _ORDERS[self.order](experiment), rank)

    def __str__(self) -> str:
        waits = f", batches wait {self.batch_wait_s / 60:g} min" if self.batch_wait_s else ""
        planned = f", {len(self.plan.batches)} batches planned" if self.plan.batches else ""
        if self.plan.moves:
            return f"{len(self.plan.moves)} moves{planned or ' planned'}{', in that order' if self.strict else ''}"
        return f"{self.order}{waits}{planned}"


def rule_of(foreseen: Foreseen) -> Rule:
    """The rule that was found to be best."""
    plan = Plan(foreseen.batches, foreseen.moves)
    return Rule(foreseen.order, foreseen.batch_wait_s, plan, foreseen.flows, foreseen.strict)


FIRST = Rule()
"""Who came first, and no batch waits."""


def left_s(experiment: Experiment) -> float:
    """What the steps that are left should take, lab seconds; loops are counted once."""
    return sum(run.expected_s for run in experiment.steps.values() if run.state in ("waiting", "ready"))


def next_s(experiment: Experiment) -> float:
    """What the next step should take, lab seconds."""
    return next((run.expected_s for run in experiment.startable()), 0.0)
