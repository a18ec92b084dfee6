"""Instances made to let samples wait for each other for ever: each of them ends."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from labwright.engine.events import Answered, Recounted, SampleStopAsked
from labwright.engine.layout import Carrier, Layout, Site
from labwright.engine.rules import Rule
from labwright.model.protocol import When
from tests.engine.moving import VIAL, Deck, layout, started, step, way

RING = ("a", "b", "c", "d")


@pytest.mark.parametrize("parallel", [1, 2])
def test_samples_in_a_ring_that_each_want_the_next_ones_only_position(parallel: int) -> None:
    plan = layout(*((name, 1, "own") for name in RING))
    ways = [way(*(step(f"s{n}", RING[(first + n) % 4]) for n in range(5))) for first in range(4)]
    deck = Deck(plan, *(started(f"c{n}", one, budget=2, parallel=parallel) for n, one in enumerate(ways)))
    deck.run()
    assert deck.phases() == ["completed"] * 4


@pytest.mark.parametrize("max_wait_s", [None, 600])
def test_a_batch_whose_next_station_is_full(max_wait_s: float | None) -> None:
    plan = layout(("oven", 3, "batch"), ("meter", 1, "own"))
    there = way(step("oven", takes_s=500, recipe=("x",), max_wait_s=max_wait_s), step("meter", takes_s=200))
    back = way(step("meter", takes_s=200), step("oven", takes_s=500, recipe=("x",)))
    deck = Deck(plan, started("c", there, budget=6, parallel=4), started("d", back, budget=2, parallel=2))
    deck.run()
    assert deck.phases() == ["completed", "completed"]


def test_a_way_that_returns_to_the_batch_station() -> None:
    plan = layout(("oven", 2, "batch"), ("meter", 1, "own"))
    protocol = way(step("a", "oven", recipe=("x",), max_wait_s=900), step("meter"), step("b", "oven", recipe=("x",)))
    deck = Deck(plan, started("c", protocol, budget=4, parallel=4), started("d", protocol, budget=4, parallel=4))
    deck.run()
    assert deck.phases() == ["completed", "completed"]


def two_arms(*far: str) -> Layout:
    sites = {**{name: Site(name, "", VIAL) for name in ("rack_1", "rack_2", "rack_3", "rack_4", "shelf")}}
    sites |= {f"{name}_here": Site(f"{name}_here", name, VIAL) for name in ("near", "far")}
    sites["waste"] = Site("waste", "", VIAL, leaves=True)
    near = frozenset({"rack_1", "rack_2", "rack_3", "rack_4", "shelf", "near_here", "waste"})
    carriers = {
        "arm": Carrier("arm", "arm", VIAL, 10, near),
        "cart": Carrier("cart", "cart", VIAL, 30, frozenset({"shelf", "far_here"})),
    }
    return Layout(sites, layout(("near", 1, "own"), ("far", 1, "own")).benches, carriers)


def test_two_arms_and_one_hand_over_in_both_directions_at_once() -> None:
    out = way(step("near"), step("far"), step("near2", "near"))
    back = way(step("far"), step("near"), step("far2", "far"))
    deck = Deck(two_arms(), started("c", out, budget=2, parallel=2), started("d", back, budget=2, parallel=2))
    deck.run()
    assert deck.phases() == ["completed", "completed"]


def test_a_hand_over_that_is_taken_is_named() -> None:
    deck = Deck(two_arms(), started("c", way(step("far"), step("near")), budget=2, parallel=2))
    seen: set[str] = set()
    while deck.next():
        seen |= {one for one in deck.waits() if "shelf" in one or "way" in one}
    assert deck.phases() == ["completed"]
    assert all("position shelf" in one for one in seen), seen


def test_all_racks_full_with_containers_that_return() -> None:
    plan = layout(("mixer", 1, "own"), ("oven", 2, "one"), racks=("rack_1", "rack_2", "rack_3"))
    protocol = way(step("mixer"), step("oven", recipe=("x",)), step("again", "mixer"), afterwards="returns")
    deck = Deck(plan, started("c", protocol, budget=3, parallel=3), xs=(0.2, 0.8))
    deck.run()
    assert deck.phases() == ["completed"]
    assert sorted(name for name, held in deck.lab.material.holds.items() if held.kind) == ["rack_1", "rack_2", "rack_3"]


def test_a_limited_wait_that_cannot_be_kept_keeps_no_sample_for_ever() -> None:
    """It was longer than all that is foreseen: the wait is missed rather than the sample kept in its rack."""
    plan = layout(("mixer", 1, "own"), ("oven", 1, "batch"))
    protocol = way(step("mixer", takes_s=600, max_wait_s=1), step("oven", takes_s=1000), step("b", "oven"))
    deck = Deck(plan, started("c", protocol, budget=3, parallel=3))
    deck.run()
    assert deck.phases() == ["completed"]


def test_two_samples_that_look_out_for_each_other_go_on() -> None:
    plan = layout(("a", 1, "own"), ("c", 2, "own"))
    protocol = way(step("c", takes_s=300), step("s3", "a", 300, max_wait_s=200), step("s4", "a", 60))
    deck = Deck(plan, started("c", protocol, budget=4, parallel=2))
    deck.run()
    assert deck.phases() == ["completed"]


def test_a_sample_of_which_steps_go_on_side_by_side_is_moved_by_one_transport_at_a_time() -> None:
    plan = layout(("mixer", 1, "own"), ("meter", 1, "own"), ("scale", 1, "own"), arms=2)
    protocol = way(step("mixer"), step("meter", needs=("mixer",)), step("scale", needs=("mixer",)))
    deck = Deck(plan, started("c", protocol, budget=1))
    while deck.next():
        assert sum(order.move is not None for order in deck.running.values()) <= 1, deck.told
    assert deck.phases() == ["completed"]


def test_no_container_is_put_on_one_that_a_person_has_put_at_a_hand_over() -> None:
    deck = Deck(two_arms())
    deck.take({"": Recounted(containers={"shelf": "vial"})})
    deck.take({"c": started("c", way(step("far"), step("near")), budget=1)})
    deck.run()
    assert deck.waits() == ["c/0001/far for position shelf, where a container stands that is no sample's"]
    (question,) = deck.lab.work.questions.open.values()
    assert "position shelf, where a container stands that is no sample's; take it out" in question.text
    deck.take({"c": Answered(question=question.id, answer="removed", by="Kim", because="looked")})
    deck.run()
    assert deck.phases() == ["completed"], deck.told


def test_no_container_is_put_on_one_that_a_person_has_put_into_a_station() -> None:
    deck = Deck(layout(("oven", 2, "one")))
    deck.take({"": Recounted(containers={"oven_1": "vial"})})
    deck.take({"c": started("c", way(step("oven")), budget=2, parallel=2)})
    deck.run()
    assert [line for line in deck.told if "to-oven" in line and "oven_2" not in line] == []
    assert deck.phases() == ["completed"]


def test_a_full_station_is_emptied_by_a_person() -> None:
    deck = Deck(layout(("meter", 1, "own")))
    deck.take({"": Recounted(containers={"meter_here": "vial"})})
    deck.take({"c": started("c", way(step("meter")), budget=1)})
    deck.run()
    (question,) = deck.lab.work.questions.open.values()
    deck.take({"c": Answered(question=question.id, answer="removed", by="Kim", because="looked")})
    deck.run()
    assert deck.phases() == ["completed"]


def test_a_rack_with_a_fresh_container_is_no_place_to_hand_over_at() -> None:
    """Both arms reach the rack; what stands there begins later, or a person is asked for it."""
    plan = two_arms()
    both = {**plan.carriers, "cart": replace(plan.carriers["cart"], reaches=frozenset({"rack_1", "far_here"}))}
    deck = Deck(replace(plan, carriers=both), started("c", way(step("far"), step("near")), budget=2, parallel=2))
    deck.run()
    for _ in range(9):
        for question in list(deck.lab.work.questions.open.values()):
            deck.take({"c": Answered(question=question.id, answer="removed", by="Kim", because="looked")})
        deck.run()
    assert deck.phases() == ["completed"]


@pytest.mark.parametrize("between", ["rinse", "skipped"])
def test_the_wait_is_limited_until_the_next_step_that_needs_the_sample_and_is_done(between: str) -> None:
    middle = {
        "rinse": step("rinse", "sink", 30, sample=False),
        "skipped": step("rinse", "sink", 30, when=When(result="a.y", op=">", value=0.5)),
    }[between]
    plan = layout(("a", 1, "own"), ("sink", 1, "own"), ("b", 1, "own"))
    deck = Deck(plan, started("c", way(step("a", max_wait_s=500), middle, step("b")), budget=1))
    seen = set()
    while deck.next():
        live = deck.lab.work.of("c").get("0001")
        if live is not None and live.steps["a"].state == "done" and live.steps["b"].state in ("waiting", "ready"):
            seen.add(live.due_s(live.steps["b"]))
    assert seen <= {10 + 60 + 500, math.inf}
    assert 10 + 60 + 500 in seen


def test_a_step_without_the_sample_begins_when_the_one_after_it_can_follow_in_time() -> None:
    """The plate is heated for a sample: not before the plate is free for it soon."""
    plan = layout(("a", 1, "own"), ("plate", 1, "own"))
    heat = step("heat", "heater", 20, sample=False, needs=("a",), max_wait_s=100)
    first = way(step("plate", takes_s=1000))
    deck = Deck(
        plan, started("d", first, budget=1), started("c", way(step("a", takes_s=30), heat, step("plate")), budget=1)
    )
    deck.run()
    assert deck.phases() == ["completed"] * 2
    began = {line.split()[1]: float(line.split()[0]) for line in deck.told}
    assert began["c/0001/plate"] - (began["c/0001/heat"] + 20) <= 100, deck.told


def test_no_batch_begins_with_a_sample_that_is_being_carried_out_of_it() -> None:
    """Its step there waits for the batch; another step that may come first takes it elsewhere, and the move fails."""
    plan = layout(("oven", 2, "batch"), ("meter", 1, "own"))
    protocol = way(step("oven"), step("again", "oven", needs=("oven",)), step("meter", needs=("oven",)))
    deck = Deck(plan, started("c", protocol, budget=2, parallel=2), rule=Rule(batch_wait_s=400))
    failed = False
    for _ in range(200):
        if not failed and (moves := [key for key in deck.running if "to-meter" in key]):
            failed = True
            deck.end(moves[0], "failed")
        for question in list(deck.lab.work.questions.open.values()):
            deck.take({"c": Answered(question=question.id, answer="again", by="Kim", because="looked")})
        if not deck.next():
            break
    assert failed
    assert deck.phases() == ["completed"]


def test_stations_with_one_recipe_in_both_directions_at_once() -> None:
    """Each holds one station and needs the other, whose free places are set to the other's recipe."""
    plan = layout(("a", 3, "one"), ("b", 3, "one"))
    there = way(step("s0", "a", recipe=("x",)), step("s1", "b", recipe=("x",)), step("s2", "a", recipe=("x",)))
    back = way(step("s0", "b", recipe=("x",)), step("s1", "a", recipe=("x",)), step("s2", "b", recipe=("x",)))
    deck = Deck(plan, started("c", there), started("d", back), xs=(0.2, 0.8))
    deck.run()
    assert deck.phases() == ["completed"] * 2


def test_a_sample_that_may_be_in_a_gripper_is_not_moved_by_another_arm() -> None:
    """Its move is in doubt, and it is stopped: a person is asked before its positions are used again."""
    plan = layout(("mixer", 1, "own"), ("sink", 1, "own"), arms=2)
    deck = Deck(plan, started("c", way(step("mixer"), step("sink", always=True)), budget=1))
    deck.end("c/0001/to-mixer_here", "unknown")
    deck.take({"c": SampleStopAsked(label="0001", why="bad", now=True)})
    deck.run()
    assert [line for line in deck.told if "/to-" in line] == ["0 c/0001/to-mixer_here at arm_1"]
    assert "station:arm_1" in deck.lab.reservations.taken


def test_what_is_in_the_way_of_a_sample_that_cannot_wait_longer_leaves_first() -> None:
    """Done in the oven, and others wait there for it to be empty: it goes to the meter before those of another oven."""
    plan = layout(("mixer", 2, "own"), ("oven_1:oven", 2, "batch"), ("oven_2:oven", 2, "batch"), ("meter", 1, "own"))
    baked = way(step("mixer", takes_s=60, max_wait_s=1900), step("oven", takes_s=1000), step("meter", takes_s=300))
    deck = Deck(plan, started("c", baked, budget=8, parallel=8), rule=Rule(batch_wait_s=300))
    late = 0
    while deck.next():
        for live in deck.lab.work.live.values():
            for experiment in live.values():
                run = experiment.steps["oven"]
                if run.state == "running" and run.ordered_s == deck.now_s:
                    late += experiment.due_s(run) < deck.now_s
    assert deck.phases() == ["completed"]
    assert late == 0


def test_no_batch_begins_with_a_container_that_a_person_has_put_into_its_station() -> None:
    deck = Deck(layout(("oven", 2, "batch")))
    deck.take({"": Recounted(containers={"oven_2": "vial"})})
    deck.take({"c": started("c", way(step("oven")), budget=1)})
    deck.run()
    assert not [line for line in deck.told if "/oven " in line]
    (question,) = deck.lab.work.questions.open.values()
    assert "position oven_2" in question.text
    deck.take({"c": Answered(question=question.id, answer="removed", by="Kim", because="looked")})
    deck.run()
    assert deck.phases() == ["completed"]


def test_no_sample_begins_with_a_container_in_a_station() -> None:
    deck = Deck(layout(("meter", 1, "own"), ("oven", 2, "batch"), racks=("rack_1",)))
    deck.take({"": Recounted(containers={"rack_1": "", "oven_2": "vial", "meter_here": "vial"})})
    deck.take({"c": started("c", way(step("meter"), step("oven")), budget=1)})
    assert not deck.lab.work.of("c")


def test_a_position_that_is_booked_for_a_later_step_stays_a_samples_when_it_leaves_it_for_another() -> None:
    plan = layout(("c", 2, "batch"), ("b", 1, "own"))
    returns = way(step("s1", "c"), step("s2", "b", max_wait_s=2000), step("s3", "c"))
    deck = Deck(plan, started("c0", way(step("c")), budget=4), started("c1", returns, budget=4))
    deck.run()
    assert deck.phases() == ["completed"] * 2


def test_a_step_of_a_given_up_sample_whose_condition_was_never_found_is_skipped() -> None:
    """It is to be done always, if what a step found is so; that step failed. It was tried again for ever."""
    last = step("sink", always=True, when=When(result="mixer.y", op="<", value=0.5))
    plan = layout(("mixer", 1, "own"), ("sink", 1, "own"))
    deck = Deck(plan, started("c", way(step("mixer", on_failure="abandon"), last), budget=1))
    deck.next()
    deck.end("c/0001/mixer", "failed")
    deck.run()
    assert deck.phases() == ["completed"], deck.told
