"""Labwright's planner, asked as the engine asks it: with nothing but the campaign's state."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import labwright.model.campaign
import labwright.model.space
import labwright.planners
from benchmarks.planners.peers import Choose
from benchmarks.planners.records import digest
from benchmarks.planners.tables import Goal, Table
from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Suggestion, Trial
from labwright.model.space import Params, Space
from labwright.planners import load_planner


class Ours:
    """A planner of ours with options.

    Args:
        options: of the planner; `n_start` is the number of points everyone begins with unless given.
        name: which planner.
    """

    def __init__(self, options: Mapping[str, Any] | None = None, name: str = "gp") -> None:
        self.options = dict(options or {})
        self.name = name

    @property
    def version(self) -> str:
        """Of its options and of the source that decides what it answers; any change makes its results anew."""
        folder = Path(labwright.planners.__file__).parent
        files = [*sorted(folder.rglob("*.py")), *(Path(str(one.__file__)) for one in _MODELS)]
        source = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
        return digest(self.name, self.options, source)

    def state(
        self, space: Space, points: Sequence[Params], outcomes: Sequence[float | None], seed: int, goal: Goal = "min"
    ) -> CampaignState:
        """A campaign that saw these points.

        Args:
            space: what is searched.
            points: tried, in order.
            outcomes: what came of each; None where the experiment was infeasible.
            seed: of the campaign.
            goal: whether outcomes are to be large or small.
        """
        options = {"n_start": max(2, len(points)), **self.options} if self.name == "gp" else self.options
        return CampaignState(
            space=space,
            objective=Objective(name="y", goal=goal, unit="1"),
            trials=tuple(_trial(*numbered) for numbered in enumerate(zip(points, outcomes, strict=True), start=1)),
            seed=seed,
            planner=PlannerSpec(name=self.name, options=options),
        )

    def pool(self, table: Table, seed: int) -> Choose:
        """Chooses among a table's rows, which are the pool of its campaign."""
        place = {tuple(row.values()): number for number, row in enumerate(table.rows)}

        def choose(told: Sequence[int], losses: np.ndarray) -> int:
            sign = -1.0 if table.goal == "max" else 1.0
            points, values = [table.rows[row] for row in told], [sign * float(value) for value in losses]
            (suggestion,) = ours_ask(self.state(table.pool, points, values, seed, table.goal), 1)
            return place[tuple(suggestion.params.values())]

        return choose


def ours_ask(state: CampaignState, n: int) -> list[Suggestion]:
    """What the campaign's planner proposes."""
    return load_planner(state.planner).ask(state, n)


_MODELS = (labwright.model.campaign, labwright.model.space)


def _trial(number: int, told: tuple[Params, float | None]) -> Trial:
    params, value = told
    if value is None:
        return Trial(id=str(number), params=params, status="failed", fail_kind="infeasible")
    return Trial(id=str(number), params=params, status="done", outcomes={"y": Outcome(mean=value)})
