"""The lower bounds of generated laboratories are bounds: no timetable is shorter."""

from __future__ import annotations

import random

import pytest

from benchmarks.scheduling.bounds import bounds, lower_bound
from benchmarks.scheduling.instances import KINDS, Instance, instance
from benchmarks.scheduling.rolling import rehearsal, roll
from labwright.engine.rules import FIRST, Rule
from labwright.engine.shop import shop_of
from labwright.engine.timetabling import Search, as_rolled


def small(seed: int, samples: int, *, stations: int = 1, robots: int = 1) -> Instance:
    """A few samples, and one or two stations of each kind."""
    jobs = instance(25, seed).jobs[:samples]
    return Instance(jobs, dict.fromkeys(KINDS, stations), robots)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("samples", "stations", "robots"), [(1, 1, 1), (4, 1, 1), (8, 2, 1), (8, 1, 2)])
def test_no_timetable_is_shorter_than_a_bound(seed: int, samples: int, stations: int, robots: int) -> None:
    made = small(seed, samples, stations=stations, robots=robots)
    shop = shop_of(rehearsal(made).lab, 0.0)
    assert shop is not None
    rolled = roll(made, FIRST)
    start = as_rolled(shop, rolled.bars)
    assert start is not None
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    found = Search(shop, chance).improved(start, changes=300)
    for name, bound_s in bounds(made).items():
        assert bound_s <= min(rolled.makespan_s, found.makespan_s) + 1e-6, name


def test_a_sample_by_itself_is_as_fast_as_its_bound() -> None:
    for seed in range(6):
        made = small(seed, 1)
        assert roll(made, Rule("longest")).makespan_s == lower_bound(made)[1] == made.jobs[0].total_s


def test_the_optimum_of_a_few_samples_is_close_above_the_bound() -> None:
    pytest.importorskip("ortools", reason="the extra `ortools` is not installed")
    from labwright.engine.improver import CpSat

    ratios = []
    for seed in range(4):
        made = small(seed, 4)
        shop = shop_of(rehearsal(made).lab, 0.0)
        assert shop is not None
        start = as_rolled(shop, roll(made, FIRST).bars)
        assert start is not None
        proven_s, optimum_s = CpSat(within_s=20.0).bound_s(shop, start)
        assert proven_s == optimum_s
        assert lower_bound(made)[1] <= optimum_s
        ratios.append(optimum_s / lower_bound(made)[1])
    assert max(ratios) < 1.2
