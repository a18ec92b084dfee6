"""Figures of a run: how soon the best row was found, how large the regret was on the way, how sure a ratio is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

START = 5
"""Random rows all planners start with."""
BUDGET = 50
"""Experiments in all."""
NOT_FOUND = 60
"""Counted where a row was not found within the budget; so means are compressed, and real gaps are larger."""

Pair = tuple[str, int]
"""A case (table or function) and a seed."""


@dataclass(frozen=True)
class PoolFigures:
    """Figures of one run on one table.

    Args:
        nbest: experiments until the best row.
        n1: until the first of the best 1 %.
        n5: until the first of the best 5 %.
        auc: simple regret as a share of (worst - best) of the table, mean over experiments 6 to 50.
        share: share of the best 5 % found within the run.
    """

    nbest: float
    n1: float
    n5: float
    auc: float
    share: float


def pool_figures(losses: np.ndarray, rows: Sequence[int]) -> PoolFigures:
    """Figures of the rows tried, in order; a run may end before the budget once it has found the best.

    Args:
        losses: of the whole table, smaller is better, shape (n,).
        rows: tried, the random ones first.
    """
    tried = losses[list(rows)]
    spread = float(losses.max() - losses.min())
    regret = (np.minimum.accumulate(tried) - losses.min()) / spread
    regret = np.append(regret, np.full(max(0, BUDGET - len(regret)), regret[-1]))[START:BUDGET]
    ordered = np.sort(losses)
    five = top(len(losses), 0.05)
    return PoolFigures(
        nbest=_first(tried, float(ordered[0])),
        n1=_first(tried, float(ordered[top(len(losses), 0.01) - 1])),
        n5=_first(tried, float(ordered[five - 1])),
        auc=float(regret.mean()),
        share=min(1.0, float((tried <= ordered[five - 1]).sum()) / five),
    )


def mean_figures(several: Sequence[PoolFigures]) -> PoolFigures:
    """The mean of each figure over runs of the same planner from the same start."""
    return PoolFigures(
        *(float(np.mean([getattr(one, field.name) for one in several])) for field in fields(PoolFigures))
    )


def top(rows: int, share: float) -> int:
    """How many rows are the best `share` of a table."""
    return max(1, round(rows * share))


def _first(tried: np.ndarray, bound: float) -> float:
    hits = np.flatnonzero(tried <= bound)
    return float(hits[0] + 1) if len(hits) else float(NOT_FOUND)


@dataclass(frozen=True)
class Ratio:
    """One planner's figure over another's, on the pairs both have.

    Args:
        arithmetic: mean over mean, all pairs together, with its 90 % interval.
        geometric: geometric mean, over the cases, of mean over mean, with its 90 % interval.
        cases: mean over mean of each case.
        won: pairs where the first is smaller.
        lost: pairs where it is larger.
        pairs: how many.
    """

    arithmetic: tuple[float, float, float]
    geometric: tuple[float, float, float]
    cases: dict[str, float]
    won: int
    lost: int
    pairs: int


def ratio_of(ours: Mapping[Pair, float], theirs: Mapping[Pair, float], draws: int = 2000) -> Ratio | None:
    """Compare two planners; None if they have no pair in common.

    The interval is by bootstrap of the seeds of each case, with the same draw for both planners.
    """
    shared = sorted(set(ours) & set(theirs))
    if not shared:
        return None
    rng = np.random.default_rng(0)
    names = sorted({case for case, _ in shared})
    first = [np.array([ours[pair] for pair in shared if pair[0] == case]) for case in names]
    second = [np.array([theirs[pair] for pair in shared if pair[0] == case]) for case in names]
    sums_first, sums_second = np.empty((draws, len(names))), np.empty((draws, len(names)))
    for place, (a, b) in enumerate(zip(first, second, strict=True)):
        drawn = rng.integers(len(a), size=(draws, len(a)))
        sums_first[:, place], sums_second[:, place] = a[drawn].sum(axis=1), b[drawn].sum(axis=1)
    totals_first, totals_second = np.array([a.sum() for a in first]), np.array([b.sum() for b in second])
    every_first, every_second = np.concatenate(first), np.concatenate(second)
    return Ratio(
        arithmetic=(
            _over(every_first.sum(), every_second.sum()),
            *_interval([_over(a.sum(), b.sum()) for a, b in zip(sums_first, sums_second, strict=True)]),
        ),
        geometric=(
            geometric(totals_first, totals_second),
            *_interval([geometric(a, b) for a, b in zip(sums_first, sums_second, strict=True)]),
        ),
        cases={name: _over(a, b) for name, a, b in zip(names, totals_first, totals_second, strict=True)},
        won=int((every_first < every_second).sum()),
        lost=int((every_first > every_second).sum()),
        pairs=len(shared),
    )


def geometric(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Geometric mean of ratios, shape (n,) each; a case where both are nothing counts as 1."""
    return math.exp(float(np.mean([math.log(_over(a, b, least=1e-9)) for a, b in zip(ours, theirs, strict=True)])))


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over median."""
    return _over(float(np.median(ours)), float(np.median(theirs)))


def _over(a: float, b: float, least: float = 0.0) -> float:
    a, b = max(float(a), least), max(float(b), least)
    if b == 0:
        return 1.0 if a == 0 else math.inf
    return a / b


def _interval(values: Sequence[float]) -> tuple[float, float]:
    # No interpolation: between two ratios one of which is infinite there is nothing.
    low, high = np.quantile(values, (0.05, 0.95), method="inverted_cdf")
    return float(low), float(high)
