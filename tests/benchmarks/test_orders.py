"""Orders of moves: what the figures say is what the lab's own core does."""

from __future__ import annotations

import random

import pytest

from benchmarks.scheduling.instances import SIZES, Instance, instance
from benchmarks.scheduling.rolling import Rolled, rehearsal, roll
from labwright.engine.portfolio import choose
from labwright.engine.rules import FIRST, OUT, Rule
from labwright.engine.shop import Shop, Timetable, plan_of, shop_of, timetable
from labwright.engine.timetabling import OrdersOfMoves, Search, as_planned, as_rolled, planned_anew

pytestmark = pytest.mark.long


def figures(made: Instance) -> Shop:
    shop = shop_of(rehearsal(made).lab, 0.0)
    assert shop is not None
    return shop


def started(made: Instance, shop: Shop) -> tuple[Rolled, Timetable]:
    rolled = roll(made, FIRST)
    table = as_rolled(shop, rolled.bars)
    assert table is not None
    return rolled, table


def strict(shop: Shop, table: Timetable) -> Rule:
    return Rule("first", 5400.0, plan_of(shop, table), strict=True)


@pytest.mark.parametrize(("samples", "seed"), [(10, 0), (10, 1), (10, 2), (10, 3), (25, 0), (25, 1), (25, 3)])
def test_the_core_carries_an_order_out_in_the_time_that_was_worked_out(samples: int, seed: int) -> None:
    made = instance(samples, seed)
    shop = figures(made)
    _, start = started(made, shop)
    found = Search(shop, random.Random(seed)).improved(start, changes=600)  # noqa: S311 - nothing secret
    assert found.cost_s < start.cost_s
    assert found.late == 0
    carried_out = roll(made, strict(shop, found))
    assert carried_out.makespan_s == pytest.approx(found.makespan_s)
    assert carried_out.late == 0


def test_with_two_robots_an_order_is_carried_out_nearly_as_fast() -> None:
    made = Instance(instance(25, 3).jobs[:12], SIZES_OF_25, 2)
    shop = figures(made)
    _, start = started(made, shop)
    found = Search(shop, random.Random(1)).improved(start, changes=400)  # noqa: S311 - nothing secret
    assert roll(made, strict(shop, found)).makespan_s == pytest.approx(found.makespan_s, rel=0.02)


SIZES_OF_25 = dict(zip(("dispense", "mix", "furnace", "grind", "xrd", "sem", "echem"), SIZES[25][0], strict=True))


def test_what_is_left_of_an_order_takes_what_it_took_when_it_was_planned() -> None:
    made = instance(25, 1)
    shop = figures(made)
    _, start = started(made, shop)
    found = Search(shop, random.Random(2)).improved(start, changes=600)  # noqa: S311 - nothing secret
    rule = strict(shop, found)
    going = rehearsal(made)
    going.lab.dispatcher.rule = rule
    going.go_on()
    looked = 0
    while going.next():
        now = shop_of(going.lab, going.now_s)
        if now is None or looked > 40:
            continue
        looked += 1
        left = as_planned(now, rule.plan)
        assert left is not None
        assert left.makespan_s == pytest.approx(found.makespan_s, rel=0.01)
    assert looked > 20


def test_steps_that_take_longer_or_less_are_met_by_planning_anew() -> None:
    made = instance(25, 3)
    shop = figures(made)
    _, start = started(made, shop)
    found = Search(shop, random.Random(2)).improved(start, changes=1000)  # noqa: S311 - nothing secret
    anew = [roll(made, strict(shop, found), 0.25, seed, changes=100) for seed in range(1)]
    never = [roll(made, strict(shop, found), 0.25, seed) for seed in range(1)]
    assert sum(one.late for one in anew) <= sum(one.late for one in never)
    assert sum(one.makespan_s for one in anew) < sum(one.makespan_s for one in never)


def test_an_order_is_put_right_where_its_moves_cannot_be_made_yet() -> None:
    made = instance(10, 0)
    shop = figures(made)
    _, start = started(made, shop)
    carried_out = 0
    for seed in range(12):
        order = list(start.order)
        random.Random(seed).shuffle(order)  # noqa: S311 - nothing secret
        table = timetable(shop, order, start.batch)
        if table is None:
            continue  # samples would wait for each other for ever
        carried_out += 1
        moves = plan_of(shop, table).moves
        assert len(moves) == sum(item.moves for item in shop.items) == len(set(moves))
        assert sum(step == OUT for _, step in moves) == len(shop.items)
        roll(made, strict(shop, table))  # nothing comes to a halt, though waits may be missed
    assert carried_out > 0


def test_an_order_is_chosen_that_is_better_than_who_comes_first_and_found_again() -> None:
    made = instance(10, 0)
    planner = OrdersOfMoves(changes=300, seed=4)
    chosen = choose(lambda: rehearsal(made), 3, 4, planner=planner)
    assert chosen.rule.plan.moves
    assert chosen.outcome < chosen.first
    assert choose(lambda: rehearsal(made), 3, 4, planner=planner).rule == chosen.rule
    assert roll(made, chosen.rule).makespan_s == chosen.outcome.makespan_s


def test_an_order_that_cannot_be_improved_stays_as_it_is() -> None:
    made = instance(10, 0)
    shop = figures(made)
    rule = strict(shop, started(made, shop)[1])
    assert planned_anew(rehearsal(made).lab, 0.0, rule, changes=0).plan.moves == rule.plan.moves


def test_only_samples_of_one_recipe_share_a_batch() -> None:
    made = Instance(instance(25, 0).jobs[:4], SIZES_OF_25, 1)  # two have a recipe that no other has
    shop = figures(made)
    _, start = started(made, shop)
    search = Search(shop, random.Random(0))  # noqa: S311 - nothing secret
    for _ in range(3000):
        _, batches = search._changed(start)
        for batch in set(batches):
            assert len({job.recipe for job, mine in zip(made.jobs, batches, strict=True) if mine == batch}) == 1
