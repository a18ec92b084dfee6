"""CP-SAT as an improver of orders; with the extra `ortools`."""

from __future__ import annotations

import os

import pytest

from benchmarks.scheduling.instances import KINDS, Instance, instance
from benchmarks.scheduling.rolling import rehearsal, roll
from labwright.engine import improver
from labwright.engine.improver import CpSat
from labwright.engine.rules import FIRST, Rule
from labwright.engine.shop import Shop, Timetable, plan_of, shop_of
from labwright.engine.timetabling import as_planned, as_rolled
from labwright.model.errors import ConfigError

needs_ortools = [
    pytest.mark.backends,
    pytest.mark.skipif(
        not improver.installed() and not os.environ.get("LABWRIGHT_REQUIRE_BACKENDS"),
        reason="the extra `ortools` is not installed: make test-backends",
    ),
]


def small(seed: int, samples: int) -> Instance:
    return Instance(instance(25, seed).jobs[:samples], dict.fromkeys(KINDS, 1), 1)


def begun(made: Instance) -> tuple[Shop, Timetable]:
    shop = shop_of(rehearsal(made).lab, 0.0)
    assert shop is not None
    start = as_rolled(shop, roll(made, FIRST).bars)
    assert start is not None
    return shop, start


def test_asked_for_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(improver, "installed", lambda: False)
    shop, start = begun(small(0, 2))
    with pytest.raises(ConfigError, match=r"labwright\[ortools\]"):
        CpSat()(shop, start)


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=needs_ortools) for seed in range(3)])
def test_the_optimum_of_a_few_samples_is_carried_out_by_the_core(seed: int) -> None:
    made = small(seed, 4)
    shop, start = begun(made)
    proven_s, optimum_s = CpSat(within_s=20.0).bound_s(shop, start)
    assert proven_s == optimum_s <= start.makespan_s
    found = CpSat(within_s=20.0)(shop, start)
    assert found is not None
    rolled = roll(made, Rule("first", 5400.0, plan_of(shop, found), strict=True))
    assert (rolled.makespan_s, rolled.late) == (found.makespan_s, found.late)
    assert found.late == 0
    assert found.makespan_s >= optimum_s - 1e-6


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=needs_ortools) for seed in range(3)])
def test_what_is_under_way_is_taken_as_it_is(seed: int) -> None:
    made = small(seed, 5)
    shop, start = begun(made)
    rule = Rule("first", 5400.0, plan_of(shop, start), strict=True)
    going = rehearsal(made)
    going.lab.dispatcher.rule = rule
    going.go_on()
    tried = 0
    for number in range(200):
        if not going.next():
            break
        now = shop_of(going.lab, going.now_s)
        if now is None or number % 12:
            continue
        left = as_planned(now, rule.plan)
        assert left is not None
        proven_s, best_s = CpSat(within_s=5.0).bound_s(now, left)
        assert going.now_s <= proven_s <= best_s <= left.makespan_s + 1.0
        tried += 1
    assert tried > 1
