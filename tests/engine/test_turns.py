"""Samples that are moved in a planned order: a plan keeps them waiting, but stops no lab."""

from __future__ import annotations

import random

import pytest

from labwright.engine.events import PauseAsked, ResumeAsked
from labwright.engine.rules import Plan, Rule
from labwright.model.latch import LatchScope
from labwright.model.protocol import StepOrder
from tests.engine.moving import Deck, layout, started, step, way

PLAN = layout(("mixer", 1, "own"), ("oven_1:oven", 2, "batch"), ("oven_2:oven", 2, "batch"), ("meter", 1, "own"))
BAKED = way(
    step("mixer", takes_s=300, max_wait_s=2400), step("oven", takes_s=3600, recipe=("x",)), step("meter", takes_s=600)
)
IDS = tuple(f"c/{number:04}" for number in range(1, 5))
MOVES = tuple((sample, name) for sample in IDS for name in ("mixer", "oven", "meter", "out"))


def planned(moves: tuple[tuple[str, str], ...], *batches: tuple[str, ...], strict: bool = True) -> Rule:
    return Rule("first", 5400.0, Plan(batches, moves), strict=strict)


def deck(rule: Rule) -> Deck:
    """Four samples that are accepted before the rule holds, and before anything begins."""
    lab = Deck(PLAN)
    lab.lab.latch(LatchScope())
    lab.take({"c": started("c", BAKED, budget=4, parallel=4)})
    lab.lab.reset(LatchScope())
    lab.lab.dispatcher.rule = rule
    lab.take({})
    return lab


def moved(of: Deck) -> list[str]:
    """Samples in the order in which they were moved."""
    return [words.split()[1].split("/to-")[0] for words in of.told if "/to-" in words]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("strict", [True, False])
def test_every_sample_comes_to_its_end_whatever_order_is_planned(seed: int, strict: bool) -> None:
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    moves, samples = list(MOVES), list(IDS)
    chance.shuffle(moves)
    chance.shuffle(samples)
    lab = deck(planned(tuple(moves), tuple(samples[:2]), tuple(samples[2:]), strict=strict))
    lab.takes_s = lambda order: order.expected_s * chance.uniform(0.7, 1.6)
    lab.run()
    assert lab.phases() == ["completed"]


def test_samples_are_moved_in_the_planned_order() -> None:
    order = (3, 2, 1, 0)
    moves = [(IDS[one], name) for one in order for name in ("mixer", "oven")]
    moves += [(IDS[one], name) for one in order for name in ("meter", "out")]
    lab = deck(planned(tuple(moves), (IDS[3], IDS[2]), (IDS[1], IDS[0])))
    lab.run()
    assert moved(lab) == [sample for sample, _ in moves]


def test_a_sample_says_that_it_waits_for_its_turn() -> None:
    moves = sorted(MOVES, reverse=True)
    lab = deck(planned(tuple(moves), IDS))
    lab.next()
    assert "c/0001/mixer for its turn at mixer: 0004 is moved first, as planned" in lab.waits()


def test_a_sample_whose_step_takes_much_longer_is_not_waited_for() -> None:
    first = (IDS[0], "mixer"), (IDS[0], "oven")
    moves = [*first, *(move for move in MOVES if move not in first)]
    lab = deck(planned(tuple(moves), (IDS[0],), (IDS[1],), (IDS[2],), (IDS[3],)))

    def takes_s(order: StepOrder) -> float:
        return 50_000.0 if (order.label, order.step) == ("0001", "oven") else order.expected_s

    lab.takes_s = takes_s
    while lab.next() and lab.now_s < 49_000:
        pass
    assert set(moved(lab)) == set(IDS)
    lab.run()
    assert lab.phases() == ["completed"]


def test_a_batch_that_must_begin_goes_without_the_sample_that_is_late_and_that_one_follows() -> None:
    moves = [(sample, name) for name in ("mixer", "oven") for sample in IDS[:2]]
    moves += [move for move in MOVES if move not in moves]
    lab = deck(planned(tuple(moves), (IDS[0], IDS[1]), (IDS[2], IDS[3])))

    def takes_s(order: StepOrder) -> float:
        return 4_000.0 if (order.label, order.step) == ("0002", "mixer") else order.expected_s

    lab.takes_s = takes_s
    lab.run()
    assert lab.phases() == ["completed"]
    ovens = [words.split()[:2] for words in lab.told if "/oven " in words and "/to-" not in words]
    began_s = {step.split("/")[1]: float(at_s) for at_s, step in ovens}
    assert began_s["0001"] <= 300 + 20 + 2400
    assert began_s["0002"] > 4_000


def test_samples_of_a_campaign_that_is_paused_and_of_a_station_that_is_stopped_are_not_waited_for() -> None:
    first = tuple((f"c/{number:04}", name) for name in ("mixer", "oven") for number in (1, 2))
    others = tuple((f"d/{number:04}", name) for name in ("mixer", "oven", "meter", "out") for number in (1, 2))
    rule = planned((*first, *others), ("c/0001", "c/0002"), ("d/0001", "d/0002"))
    lab = Deck(PLAN)
    lab.lab.latch(LatchScope())
    for name in ("c", "d"):
        lab.take({name: started(name, BAKED, budget=2, parallel=2)})
    lab.take({"c": PauseAsked()})
    lab.lab.reset(LatchScope())
    lab.lab.dispatcher.rule = rule
    lab.take({})
    lab.run()
    assert lab.lab.campaigns["d"].over
    assert not any("c/" in words for words in lab.told)
    lab.take({"c": ResumeAsked()})
    lab.run()
    assert lab.phases() == ["completed", "completed"]


def test_the_order_keeps_nothing_waiting_while_a_station_is_stopped() -> None:
    moves = [(IDS[0], "mixer"), (IDS[0], "oven"), (IDS[0], "meter"), *MOVES[4:], (IDS[0], "out")]
    lab = deck(planned(tuple(moves), (IDS[0],), (IDS[1], IDS[2]), (IDS[3],)))
    lab.lab.latch(LatchScope("station", "meter"))
    while lab.next() and lab.now_s < 6_000:
        pass
    assert {sample for sample, _ in MOVES} == set(moved(lab))
