"""How one planner compares with another on a set of tables, and how much of that is chance.

Three figures, each a ratio of ours to the peer's, on the runs both have:

- `nbest`: experiments to the best row, mean over families.
- `auc`: mean regret over that of random choice on the same table and seeds, mean over families.
- `geo`: the geometric mean over families of ours over the peer's mean regret.

A family counts once, however many tables it has: its tables' mean. The interval is by bootstrap of families and, within
each table, of seeds, the same draw for all planners. The spread is how much the same planner differs from itself under
other campaign seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.planners.figures import Pair, PoolFigures

Figure = Literal["nbest", "auc", "geo"]
FIGURES: dict[Figure, str] = {
    "nbest": "experiments to the best row",
    "auc": "regret over random's",
    "geo": "regret, geometric mean",
}
DRAWS = 4000
LEAST = 0.01
"""A mean regret below this share of random's counts as this share, as ratios of two almost nothings mean nothing."""
FLAG = 1.5
"""A table is flagged above this ratio, if its interval is above 1."""
ENOUGH_SEEDS = 5
"""With fewer runs of a table its interval is too narrow to flag it by."""

Runs = Mapping[Pair, PoolFigures]


@dataclass(frozen=True)
class Comparison:
    """One planner over another on a set of tables.

    Args:
        ratio: each figure with its 90 % interval.
        reruns: each figure of every rerun of the first over that of their mean; empty with fewer than two reruns.
        tables: per table, the ratio of experiments and of regret, each with its interval over seeds.
        families: how many.
        runs: how many of each table.
    """

    ratio: Mapping[Figure, tuple[float, float, float]]
    reruns: Mapping[Figure, tuple[float, ...]]
    tables: Mapping[str, Mapping[Figure, tuple[float, float, float]]]
    families: int
    runs: Mapping[str, int]

    @property
    def seeds(self) -> tuple[int, int]:
        """The fewest and the most runs of a table."""
        return min(self.runs.values()), max(self.runs.values())

    def spread(self, figure: Figure) -> tuple[float, float] | None:
        """Between which ratios a difference means nothing: the farthest rerun from the mean, taken either way."""
        reruns = self.reruns.get(figure, ())
        if not reruns:
            return None
        most = max(max(one, 1 / one) for one in reruns)
        return 1 / most, most

    def verdict(self, figure: Figure) -> str:
        """What the ratio allows to say: smaller is better."""
        value, low, high = self.ratio[figure]
        spread = self.spread(figure)
        if spread is None:
            return "no reruns, no verdict"
        if spread[0] <= value <= spread[1]:
            return "level"
        if low <= 1 <= high:
            return "undecided"
        return "better" if value < 1 else "worse"

    @property
    def flagged(self) -> list[tuple[str, Figure]]:
        """Tables on which the first is clearly worse."""
        return [
            (table, figure)
            for table, figures in self.tables.items()
            for figure, (value, low, _) in figures.items()
            if value > FLAG and low > 1 and self.runs[table] >= ENOUGH_SEEDS
        ]


def compare(
    ours: Sequence[Runs], peer: Runs, chance: Runs, family_of: Mapping[str, str], draws: int = DRAWS
) -> Comparison | None:
    """Ours, of which there are one or more reruns, over a peer; None if they have no run in common.

    Args:
        ours: the runs of each rerun.
        peer: the other's runs.
        chance: runs of random choice, the scale of regrets.
        family_of: the family of each table to count; other tables are left out.
        draws: of the bootstrap.
    """
    shared = set(peer) & set(chance)
    for rerun in ours:
        shared &= set(rerun)
    tables = [table for table in family_of if any(pair[0] == table for pair in shared)]
    if not tables:
        return None
    seeds = {table: sorted(seed for name, seed in shared if name == table) for table in tables}
    names = sorted({family_of[table] for table in tables})
    member = np.array([[family_of[table] == name for table in tables] for name in names], dtype=float)
    member /= member.sum(axis=1, keepdims=True)
    # Row 0 of the draws is every seed and every family once: the figure itself.
    rng = np.random.default_rng(0)
    families = rng.integers(len(names), size=(draws + 1, len(names)))
    weights = np.apply_along_axis(np.bincount, 1, families, minlength=len(names)).astype(float)
    weights[0] = 1.0
    weights /= len(names)
    picked = {}
    for table in tables:
        count = len(seeds[table])
        picked[table] = rng.integers(count, size=(draws + 1, count))
        picked[table][0] = np.arange(count)

    def means(runs: Runs, what: str) -> np.ndarray:
        """Mean over the drawn seeds, shape (draws + 1, tables)."""
        columns = []
        for table in tables:
            values = np.array([getattr(runs[table, seed], what) for seed in seeds[table]])
            columns.append(values[picked[table]].mean(axis=1))
        return np.stack(columns, axis=1)

    # One scale per table for all draws: a draw in which chance was never behind would make every regret infinite.
    scale = np.array([np.mean([chance[table, seed].auc for seed in seeds[table]]) for table in tables])
    scale[scale == 0] = 1.0
    theirs = {"nbest": means(peer, "nbest"), "auc": means(peer, "auc") / scale}
    each = [{"nbest": means(rerun, "nbest"), "auc": means(rerun, "auc") / scale} for rerun in ours]
    mine = {what: np.mean([one[what] for one in each], axis=0) for what in ("nbest", "auc")}

    def whole(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], figure: Figure) -> np.ndarray:
        if figure == "geo":
            logs = np.log(np.maximum(one["auc"], LEAST)) - np.log(np.maximum(other["auc"], LEAST))
            return np.asarray(np.exp((weights * (logs @ member.T)).sum(axis=1)))
        sums = [(weights * (some[figure] @ member.T)).sum(axis=1) for some in (one, other)]
        return np.asarray(sums[0] / np.maximum(sums[1], 1e-12))

    by_table: dict[str, dict[Figure, tuple[float, float, float]]] = {}
    experiments = mine["nbest"] / theirs["nbest"]
    regret = np.maximum(mine["auc"], LEAST) / np.maximum(theirs["auc"], LEAST)
    for place, table in enumerate(tables):
        by_table[table] = {"nbest": _with_interval(experiments[:, place]), "auc": _with_interval(regret[:, place])}
    return Comparison(
        ratio={figure: _with_interval(whole(mine, theirs, figure)) for figure in FIGURES},
        reruns={figure: tuple(float(whole(one, mine, figure)[0]) for one in each) for figure in FIGURES}
        if len(each) > 1
        else {},
        tables=by_table,
        families=len(names),
        runs={table: len(seeds[table]) for table in tables},
    )


def _with_interval(values: np.ndarray) -> tuple[float, float, float]:
    low, high = np.quantile(values[1:], (0.05, 0.95))
    return float(values[0]), float(low), float(high)
