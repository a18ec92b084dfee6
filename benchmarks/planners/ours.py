"""Labwright's planner, asked as the engine asks it: with nothing but the campaign's state."""

from __future__ import annotations

import ast
import functools
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
        options: of the planner; `n_start` is the number of starting points unless it is given.
        name: which planner.
        rerun: 0 for the campaign seed as given; 1, 2, ... for the same starting rows under another campaign seed. How
            much the reruns differ is the spread below which a difference between two planners means nothing.
    """

    def __init__(self, options: Mapping[str, Any] | None = None, name: str = "gp", rerun: int = 0) -> None:
        self.options = dict(options or {})
        self.name = name
        self.rerun = rerun

    @property
    def version(self) -> str:
        """Of its options and of the source that decides what it answers; any change to those makes new runs necessary.

        Comments and docstrings do not count.
        """
        return digest(self.name, self.options, _source(self.name), *([self.rerun] if self.rerun else []))

    def rerun_as(self, rerun: int) -> Ours:
        """The same planner with the campaign seeds of a rerun."""
        return Ours(self.options, self.name, rerun)

    def campaign_seed(self, seed: int) -> int:
        """The campaign seed of this rerun."""
        return seed + 1_000_003 * self.rerun

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

        def choose(measured: Sequence[int], losses: np.ndarray) -> int:
            sign = -1.0 if table.goal == "max" else 1.0
            points, values = [table.rows[row] for row in measured], [sign * float(value) for value in losses]
            state = self.state(table.pool, points, values, self.campaign_seed(seed), table.goal)
            (suggestion,) = ours_ask(state, 1)
            return place[tuple(suggestion.params.values())]

        return choose


def ours_ask(state: CampaignState, n: int) -> list[Suggestion]:
    """What the campaign's planner proposes."""
    return load_planner(state.planner).ask(state, n)


_APART = ("exchange", "worker.py", "_wire.py", "__main__.py")
"""Parts of `labwright.planners` that carry questions and answers and do not make them."""

_BUILT_IN = ("gp", "sobol", "random")
"""Planners that use none of the other libraries."""


@functools.cache
def _source(name: str) -> str:
    """Digest of the code that decides what a planner answers, as this process runs it."""
    folder = Path(labwright.planners.__file__).parent
    apart = {folder / one for one in (*_APART, *(("backends",) if name in _BUILT_IN else ()))}
    planners = [file for file in sorted(folder.rglob("*.py")) if not apart & {file, *file.parents}]
    files = [*planners, *(Path(str(one.__file__)) for one in _MODELS)]
    return digest(*(code_of(file.read_text(encoding="utf-8")) for file in files))


def code_of(source: str) -> str:
    """A module's code in a form that comments, docstrings and layout do not change."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            # A string alone on a line documents what stands before it and computes nothing.
            node.body = [one for one in node.body if not _is_text(one)] or [ast.Pass()]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


_MODELS = (labwright.model.campaign, labwright.model.space)


def _trial(number: int, experiment: tuple[Params, float | None]) -> Trial:
    params, value = experiment
    if value is None:
        return Trial(id=str(number), params=params, status="failed", fail_kind="infeasible")
    return Trial(id=str(number), params=params, status="done", outcomes={"y": Outcome(mean=value)})
