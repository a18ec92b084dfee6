"""Ratios on a set of tables by hand, and what may be said of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.planners.comparison import Comparison, Runs, compare
from benchmarks.planners.figures import PoolFigures, mean_figures

FAMILY_OF = {"a": "one", "b": "one", "c": "two"}
SEEDS = range(8)


def runs(**tables: tuple[float, float]) -> Runs:
    """The same experiments to the best row and mean regret for every seed of a table."""
    return {
        (table, seed): PoolFigures(nbest=nbest, n1=1, n5=1, auc=auc, share=0)
        for table, (nbest, auc) in tables.items()
        for seed in SEEDS
    }


CHANCE = runs(a=(60, 0.1), b=(60, 0.2), c=(60, 0.4))


def test_a_family_counts_once_and_regret_is_in_units_of_chance() -> None:
    ours = runs(a=(10, 0.01), b=(20, 0.06), c=(30, 0.04))
    peer = runs(a=(20, 0.02), b=(20, 0.06), c=(40, 0.08))
    whole = compare([ours], peer, CHANCE, FAMILY_OF)
    assert whole is not None
    assert whole.ratio["nbest"][0] == pytest.approx(((10 + 20) / 2 + 30) / ((20 + 20) / 2 + 40))
    # Of chance: ours 0.1, 0.3 and 0.1; the peer's 0.2, 0.3 and 0.2.
    assert whole.ratio["auc"][0] == pytest.approx((0.2 + 0.1) / (0.25 + 0.2))
    assert whole.ratio["geo"][0] == pytest.approx(math.exp((math.log(0.5) / 2 + math.log(0.5)) / 2))
    assert (whole.families, whole.seeds) == (2, (8, 8))
    assert whole.tables["a"]["nbest"] == pytest.approx((0.5, 0.5, 0.5))
    assert whole.tables["b"]["auc"] == pytest.approx((1, 1, 1))


def test_the_interval_is_of_the_families_too() -> None:
    ours, peer = runs(a=(10, 0.01), b=(10, 0.02), c=(40, 0.4)), runs(a=(40, 0.04), b=(40, 0.08), c=(40, 0.4))
    whole = compare([ours], peer, CHANCE, FAMILY_OF)
    assert whole is not None
    value, low, high = whole.ratio["nbest"]
    # No seed differs from another: all of the interval is which families there are.
    assert (value, low, high) == pytest.approx((50 / 80, 10 / 40, 1))


def test_only_runs_that_everyone_has_count() -> None:
    ours = runs(a=(10, 0.01), c=(30, 0.04))
    assert compare([ours], runs(b=(1, 0.1)), CHANCE, FAMILY_OF) is None
    second = {pair: one for pair, one in ours.items() if pair[1] < 3 or pair[0] == "c"}
    whole = compare([ours, second], runs(a=(20, 0.02), b=(9, 0.1), c=(30, 0.04)), CHANCE, FAMILY_OF)
    assert whole is not None
    assert whole.runs == {"a": 3, "c": 8}


def test_a_ratio_within_the_spread_of_reruns_is_level() -> None:
    peer = runs(a=(20, 0.02), c=(20, 0.08))
    reruns = [runs(a=(18, 0.018), c=(18, 0.072)), runs(a=(20, 0.02), c=(20, 0.08))]
    whole = compare(reruns, peer, CHANCE, FAMILY_OF)
    assert whole is not None
    assert whole.ratio["nbest"][0] == pytest.approx(0.95)
    assert whole.reruns["nbest"] == pytest.approx((18 / 19, 20 / 19))
    assert whole.spread("nbest") == pytest.approx((18 / 19, 19 / 18))
    assert whole.verdict("nbest") == "level"
    apart = compare(reruns, runs(a=(40, 0.04), c=(40, 0.16)), CHANCE, FAMILY_OF)
    assert apart is not None
    assert apart.verdict("nbest") == apart.verdict("auc") == "better"
    alone = compare(reruns[:1], peer, CHANCE, FAMILY_OF)
    assert alone is not None
    assert alone.verdict("nbest") == "no reruns, no verdict"


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        ((1.05, 1.01, 1.09), "level"),
        ((0.93, 0.90, 0.97), "level"),
        ((1.20, 0.97, 1.30), "undecided"),
        ((1.20, 1.05, 1.30), "worse"),
        ((0.80, 0.70, 0.90), "better"),
    ],
)
def test_beyond_the_spread_the_interval_decides(ratio: tuple[float, float, float], verdict: str) -> None:
    whole = Comparison({"auc": ratio}, {"auc": (0.92, 1.06, 1.02)}, {}, 9, {"a": 20})
    assert whole.verdict("auc") == verdict


def test_a_table_is_flagged_only_above_one_and_a_half_with_an_interval_above_one_and_runs_enough() -> None:
    tables = {
        "plain": {"auc": (1.45, 1.2, 1.7)},
        "wide": {"auc": (2.5, 0.9, 4.0)},
        "few": {"auc": (2.5, 2.4, 2.6)},
        "clear": {"auc": (1.6, 1.1, 2.2), "nbest": (1.1, 1.05, 1.2)},
    }
    counts = {"plain": 20, "wide": 20, "few": 2, "clear": 20}
    whole = Comparison({}, {}, tables, 4, counts)  # type: ignore[arg-type]
    assert whole.flagged == [("clear", "auc")]


def test_where_chance_is_never_behind_nothing_is_infinite() -> None:
    chance, ours = runs(a=(3, 0.0)), runs(a=(4, 0.001))
    whole = compare([ours], runs(a=(4, 0.0)), chance, FAMILY_OF)
    assert whole is not None
    assert np.isfinite([*whole.ratio["geo"], *whole.tables["a"]["auc"]]).all()


def test_figures_of_reruns_are_averaged() -> None:
    one, other = PoolFigures(10, 8, 6, 0.125, 0.5), PoolFigures(20, 9, 6, 0.375, 0.75)
    assert mean_figures([one, other]) == PoolFigures(15, 8.5, 6, 0.25, 0.625)
