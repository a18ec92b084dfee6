"""Figures by hand, and what holds of them whatever was run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planners.figures import (
    BUDGET,
    NOT_FOUND,
    START,
    geometric,
    median_ratio,
    pool_figures,
    ratio_of,
    top,
)

LOSSES = np.arange(100.0)


def test_a_run_that_finds_the_best_is_behind_only_until_then() -> None:
    figures = pool_figures(LOSSES, [50, 60, 70, 80, 90, 30, 4, 0])
    assert (figures.nbest, figures.n1, figures.n5) == (8, 8, 7)
    assert figures.auc == pytest.approx((30 + 4) / 99 / (BUDGET - START))
    assert figures.share == pytest.approx(2 / 5)


def test_a_run_that_finds_nothing_is_counted_as_sixty() -> None:
    figures = pool_figures(LOSSES, list(range(99, 49, -1)))
    assert (figures.nbest, figures.n1, figures.n5) == (NOT_FOUND, NOT_FOUND, NOT_FOUND)
    assert figures.share == 0


def test_who_begins_with_the_best_is_never_behind() -> None:
    figures = pool_figures(LOSSES, [9, 0, 8, 7, 6])
    assert (figures.nbest, figures.auc) == (2, 0)


def test_a_tie_at_the_best_is_the_best() -> None:
    assert pool_figures(np.array([0.0, 0.0, *range(1, 60)]), [9, 8, 7, 6, 5, 1]).nbest == 6


@given(st.permutations(range(60)), st.integers(1, 1000))
def test_figures_do_not_depend_on_unit_or_origin(order: list[int], scale: int) -> None:
    losses = np.arange(60.0)
    figures = pool_figures(losses, order[:BUDGET])
    scaled = pool_figures(scale * losses - 7, order[:BUDGET])
    assert scaled.auc == pytest.approx(figures.auc)
    assert scaled.nbest == figures.nbest
    assert 0 <= figures.auc <= 1
    assert figures.n5 <= figures.n1 <= figures.nbest or top(60, 0.01) == 1


def test_a_ratio_is_of_the_runs_both_have() -> None:
    ours = {("a", 0): 1.0, ("a", 1): 3.0, ("b", 0): 10.0, ("c", 0): 99.0}
    theirs = {("a", 0): 2.0, ("a", 1): 6.0, ("b", 0): 10.0, ("b", 1): 99.0}
    ratio = ratio_of(ours, theirs)
    assert ratio is not None
    assert ratio.arithmetic[0] == pytest.approx(14 / 18)
    assert ratio.geometric[0] == pytest.approx(math.sqrt(0.5))
    assert ratio.cases == {"a": 0.5, "b": 1.0}
    assert (ratio.won, ratio.lost, ratio.pairs) == (2, 0, 3)
    assert ratio_of(ours, {("d", 0): 1.0}) is None


@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=2, max_size=12))
def test_an_interval_holds_its_ratio_and_turns_over_with_it(values: list[tuple[float, float]]) -> None:
    ours = {("table", seed): a for seed, (a, _) in enumerate(values)}
    theirs = {("table", seed): b for seed, (_, b) in enumerate(values)}
    ratio, turned = ratio_of(ours, theirs, draws=200), ratio_of(theirs, ours, draws=200)
    assert ratio is not None
    assert turned is not None
    value, low, high = ratio.arithmetic
    assert low <= high
    assert min(a / b for a, b in values) - 1e-9 <= value <= max(a / b for a, b in values) + 1e-9
    assert (turned.won, turned.lost) == (ratio.lost, ratio.won)
    assert turned.geometric[0] == pytest.approx(1 / ratio.geometric[0])


def test_an_interval_of_a_sure_thing_has_no_width() -> None:
    ours = {("table", seed): 0.5 * seed for seed in range(1, 9)}
    theirs = {("table", seed): 1.0 * seed for seed in range(1, 9)}
    ratio = ratio_of(ours, theirs)
    assert ratio is not None
    assert ratio.arithmetic == pytest.approx((0.5, 0.5, 0.5))


def test_nothing_over_nothing_is_even() -> None:
    assert geometric(np.array([0.0]), np.array([0.0])) == 1
    assert median_ratio([0.0], [0.0]) == 1
    assert median_ratio([1.0], [0.0]) == math.inf
