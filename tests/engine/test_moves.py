"""Samples are brought to where they are needed: moves, slots, recipes, batches, waits, ways over several transports."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from labwright.engine import LabCore
from labwright.engine.events import EVENTS, PauseAsked, ResumeAsked, SampleStopAsked, Started
from labwright.engine.layout import Carrier, Layout, Site, layout_of
from labwright.engine.rules import Rule
from labwright.engine.snapshots import dumped, loaded
from labwright.lab import read_lab
from labwright.model.results import NumberResult
from labwright.stations.catalogue import make_protocol
from tests.engine.moving import VIAL, Deck, layout, started, step, way
from tests.engine.test_lab_machine import own_view

ROOT = Path(__file__).parents[2]
ROW = layout(("mixer", 1, "own"), ("meter", 1, "own"))


def test_a_sample_is_brought_to_each_step_and_out() -> None:
    deck = Deck(ROW, started("c", way(step("mixer"), step("meter")), budget=1))
    assert deck.run() == 10 + 60 + 10 + 60 + 10
    assert deck.told == [
        "0 c/0001/to-mixer_here at arm_1",
        "10 c/0001/mixer at mixer",
        "70 c/0001/to-meter_here at arm_1",
        "80 c/0001/meter at meter",
        "140 c/0001/to-waste at arm_1",
    ]
    assert deck.phases() == ["completed"]
    assert not deck.lab.reservations.taken
    assert not [one for one in deck.lab.material.holds.values() if one.campaign and one.kind]


def test_the_next_sample_is_made_while_one_is_measured() -> None:
    protocol = way(step("mixer"), step("meter"))
    assert Deck(ROW, started("c", protocol, budget=4, parallel=1)).run() == 4 * 150
    assert Deck(ROW, started("c", protocol, budget=4, parallel=3)).run() <= 4 * 90 + 80


def test_a_container_can_go_back_to_its_place() -> None:
    deck = Deck(ROW, started("c", way(step("mixer"), afterwards="returns"), budget=1))
    deck.run()
    assert deck.told[-1] == "70 c/0001/to-rack_1 at arm_1"
    assert deck.lab.material.holds["rack_1"].label == "0001"
    assert not deck.lab.reservations.taken


def test_slots_begin_and_end_each_by_itself() -> None:
    plan = layout(("oven", 2, "own"))
    deck = Deck(plan, started("c", way(step("oven", takes_s=600)), budget=3))
    deck.run()
    ovens = [line for line in deck.told if "at oven" in line]
    assert ovens == [
        "10 c/0001/oven at oven (oven_1)",
        "20 c/0002/oven at oven (oven_2)",
        "640 c/0003/oven at oven (oven_1)",
    ]


def test_one_recipe_at_a_time() -> None:
    plan = layout(("plate", 4, "one"))
    heat = step("plate", takes_s=600, recipe=("x",))
    same = Deck(plan, started("c", way(heat), budget=2))
    same.run()
    assert [line for line in same.told if "at plate" in line][1] == "20 c/0002/plate at plate (plate_2)"
    other = Deck(plan, started("c", way(heat), budget=2), xs=(0.5, 0.7))
    other.next()
    assert other.waits() == ["c/0002/plate for a free position at plate; 0001 has one"]
    other.run()
    assert [line for line in other.told if "at plate" in line][1] == "630 c/0002/plate at plate (plate_1)"


def test_a_device_of_two_stations_is_shared_on_the_same_terms_only() -> None:
    plan = layout(("plate", 4, "one"), ("cell", 1, "own"))
    shared = {"plate": ("hotplate",), "cell": ("hotplate",)}
    protocol = way(step("plate", takes_s=300, recipe=("x",)), step("cell", takes_s=300, recipe=("x",)))
    same = Deck(plan, started("c", protocol, shared=shared, budget=4, parallel=4))
    other = Deck(plan, started("c", protocol, shared=shared, budget=4, parallel=4), xs=(0.5, 0.7))
    assert same.run() == 10 + 300 + 4 * (10 + 300) + 3 * 10 + 10
    assert other.run() > same.now_s + 200


def test_a_batch_begins_together_and_waits_for_a_fuller_one_as_long_as_the_rule_says() -> None:
    plan = layout(("mixer", 1, "own"), ("furnace", 3, "batch"))
    protocol = way(step("mixer", takes_s=100), step("furnace", takes_s=1000, recipe=("x",)))
    for wait_s, begins in ((0.0, [120, 1140, 2160]), (400.0, [360, 360, 360]), (150.0, [240, 240, 1270])):
        deck = Deck(plan, started("c", protocol, budget=3), rule=Rule(batch_wait_s=wait_s))
        deck.run()
        at = [float(line.split()[0]) for line in deck.told if "at furnace" in line]
        assert at == begins, wait_s
        assert deck.phases() == ["completed"]


def test_a_limited_wait_is_kept_by_reserving_what_follows_first() -> None:
    plan = layout(("mixer", 2, "own"), ("oven", 1, "own"))
    protocol = way(step("mixer", takes_s=100, max_wait_s=60), step("oven", takes_s=1000))
    deck = Deck(plan, started("c", protocol, budget=3))
    deck.run()
    ends = {line.split()[1].split("/")[1]: float(line.split()[0]) + 100 for line in deck.told if "at mixer" in line}
    begins = {line.split()[1].split("/")[1]: float(line.split()[0]) for line in deck.told if "at oven" in line}
    assert all(begins[sample] - ends[sample] <= 60 for sample in ends), (ends, begins)
    assert deck.phases() == ["completed"]


def test_a_way_over_two_transports_takes_the_hand_over_between_them() -> None:
    sites = {
        "rack_1": Site("rack_1", "", VIAL),
        "shelf": Site("shelf", "", VIAL),
        "mixer_here": Site("mixer_here", "mixer", VIAL),
        "waste": Site("waste", "", VIAL, leaves=True),
    }
    carriers = {
        "arm": Carrier("arm", "arm", VIAL, 10, frozenset({"rack_1", "shelf"})),
        "cart": Carrier("cart", "cart", VIAL, 30, frozenset({"shelf", "mixer_here", "waste"})),
    }
    plan = Layout(sites, {}, carriers)
    plan = Layout(sites, layout(("mixer", 1, "own")).benches, carriers)
    deck = Deck(plan, started("c", way(step("mixer")), budget=1))
    deck.run()
    assert deck.told == [
        "0 c/0001/to-shelf at arm",
        "10 c/0001/to-mixer_here at cart",
        "40 c/0001/mixer at mixer",
        "100 c/0001/to-waste at cart",
    ]
    assert not deck.lab.reservations.taken


def test_ways_that_return_end_with_any_number_of_samples() -> None:
    plan = layout(("mixer", 1, "own"), ("oven", 2, "own"), racks=tuple(f"rack_{n}" for n in range(20)))
    there = way(step("a", "mixer"), step("b", "oven", 200), step("c", "mixer"), step("d", "oven", 50))
    back = way(step("a", "oven", 90), step("b", "mixer"), step("c", "oven"))
    for parallel in (2, 5):
        deck = Deck(
            plan, started("c", there, budget=6, parallel=parallel), started("d", back, budget=6, parallel=parallel)
        )
        deck.run()
        assert deck.phases() == ["completed", "completed"]


def test_a_kept_station_is_prepared_before_the_sample_comes() -> None:
    rinse = step("rinse", "cell", 30, sample=False, needs=("mixer",), keeps=("cell",))
    protocol = way(step("mixer"), rinse, step("measure", "cell", 200, needs=("rinse",)))
    deck = Deck(layout(("mixer", 1, "own"), ("cell", 1, "own")), started("c", protocol, budget=2))
    deck.run()
    assert deck.phases() == ["completed"]
    rinsed = next(line for line in deck.told if "0002/rinse" in line)
    left = next(line for line in deck.told if "0001/to-waste" in line)
    assert float(rinsed.split()[0]) >= float(left.split()[0]), "the cell is kept for the first until it has left"


def test_a_campaigns_own_events_say_where_its_samples_are_and_a_snapshot_too() -> None:
    protocol = way(step("mixer", max_wait_s=300), step("oven", takes_s=500, recipe=("x",)), step("meter"))
    plan = layout(("mixer", 1, "own"), ("oven", 2, "batch"), ("meter", 1, "own"))
    deck = Deck(plan, started("c", protocol, budget=4), started("d", protocol, budget=4))
    count = 0
    while deck.next():
        count += 1
        if count % 5:
            continue
        for campaign in ("c", "d"):
            alone = LabCore()
            for owner, event, at_s in deck.log:
                if owner == campaign or (not owner and event.kind == "stocked"):
                    alone.handle(owner, EVENTS.validate_json(EVENTS.dump_json(event)), at_s)
            mine, its = own_view(alone, campaign), own_view(deck.lab, campaign)
            for view in (mine, its):
                view["core"].pop("began_s"), view["core"].pop("ended_s")
                for one in view["live"]:
                    one.pop("began_s")
            assert mine == its
        state = dumped(deck.lab)
        first = {owner: event for owner, event, _ in deck.log if isinstance(event, Started)}
        again = loaded(state, first.__getitem__, lambda name, number: deck.lab.campaigns[name].trials[:number])
        assert dumped(again) == state
    assert deck.phases() == ["completed", "completed"]


def test_four_samples_at_once_in_the_reference_lab() -> None:
    """The cell is the bottleneck: while one sample is measured the next ones are made and heated, all to 27 degC."""
    folder = read_lab(ROOT)
    protocol = make_protocol(folder, "electrolyte_conductivity").spec
    protocol = protocol.model_copy(
        update={"name": "p", "parameters": (), "results": (NumberResult(name="y", unit="1"),)}
    )
    shared = folder.model.shared
    assert shared == {"impedance": ("hotplate",), "stirring": ("hotplate",)}
    took = {}
    for parallel in (1, 2, 4):
        deck = Deck(layout_of(folder.model), started("c", protocol, shared=shared, budget=28, parallel=parallel))
        took[parallel] = deck.run()
        assert deck.lab.campaigns["c"].tried == 28, deck.lab.campaigns["c"].reason
    assert took[4] <= 0.45 * took[1]
    assert took[2] <= 0.6 * took[1]


def test_samples_at_two_temperatures_are_not_on_the_plate_and_at_the_cell_at_once() -> None:
    folder = read_lab(ROOT)
    protocol = make_protocol(folder, "electrolyte_conductivity").spec
    steps = tuple(step.model_copy(update={"recipe": ("x",)}) if step.recipe else step for step in protocol.steps)
    changed = {"name": "p", "parameters": (), "results": (NumberResult(name="y", unit="1"),), "steps": steps}
    event = started("c", protocol.model_copy(update=changed), shared=folder.model.shared, budget=6, parallel=4)
    deck = Deck(layout_of(folder.model), event, xs=(0.5, 0.7))
    hot: dict[str, float] = {}
    while deck.next():
        on = {
            one.label: one.parameters["x"]
            for one in deck.lab.work.of("c").values()
            if "hotplate" in str([key for key, held in deck.lab.reservations.taken.items() if held.of(one)])
        }
        assert len(set(on.values())) <= 1, on
        hot |= on
    assert set(hot.values()) == {0.5, 0.7}
    assert deck.phases() == ["completed"]


@pytest.mark.parametrize("seed", range(6))
def test_limited_waits_are_kept_though_steps_take_a_quarter_more_or_less(seed: int) -> None:
    plan = layout(("mixer", 2, "own"), ("oven:heat", 2, "batch"), ("kiln:heat", 2, "batch"), ("meter", 1, "own"))
    mix = step("mixer", takes_s=300, max_wait_s=900)
    protocol = way(mix, step("bake", "heat", 1200, recipe=("x",)), step("meter", takes_s=400))
    deck = Deck(plan, started("c", protocol, budget=8, parallel=8), rule=Rule(batch_wait_s=300), xs=(0.5, 0.5, 0.7))
    chance = random.Random(seed)  # noqa: S311
    deck.takes_s = lambda order: order.expected_s * chance.uniform(0.75, 1.25)
    ended: dict[str, float] = {}
    waited = []

    def done(step_id: str) -> None:
        sample, name = step_id.split("/")[1:]
        if name == "mixer":
            ended[sample] = deck.now_s

    deck.on_end = done
    deck.run()
    for line in deck.told:
        at_s, step_id = line.split()[:2]
        if step_id.endswith("/bake"):
            waited.append(float(at_s) - ended[step_id.split("/")[1]])
    assert len(waited) == 8
    assert max(waited) <= 900
    assert deck.phases() == ["completed"]


def test_a_station_that_a_step_holds_is_no_other_samples_until_its_next_step_there() -> None:
    measure = step("measure", "cell", 100, holds=True)
    protocol = way(measure, step("finish", "cell", 50, sample=False))
    plan = layout(("cell", 1, "own"))
    deck = Deck(plan, started("c", protocol, budget=1), started("d", protocol, budget=1))
    while "c/0001/measure" not in deck.running:
        deck.next()
    deck.take({"c": PauseAsked(by="Kim")})
    for _ in range(5):
        deck.next()
    assert "c/0001/measure" not in deck.running
    assert not [line for line in deck.told if "d/0001/measure" in line], "the filling of the cell is c's"
    deck.take({"c": ResumeAsked(by="Kim")})
    deck.run()
    order = [line.split()[1] for line in deck.told if line.endswith("cell")]
    assert order == ["c/0001/measure", "c/0001/finish", "d/0001/measure", "d/0001/finish"]
    assert deck.phases() == ["completed", "completed"]
    assert not deck.lab.reservations.taken


def test_a_held_station_is_free_when_its_sample_is_given_up() -> None:
    protocol = way(step("measure", "cell", 100, holds=True), step("finish", "cell", 50, sample=False))
    deck = Deck(layout(("cell", 1, "own")), started("c", protocol, budget=2, parallel=2))
    while "c/0001/finish" not in deck.running:
        deck.next()
    deck.take({"c": SampleStopAsked(label="0001", why="enough")})
    deck.end("c/0001/finish", "stopped")
    deck.run()
    assert "c/0002/finish" in str(deck.told)
    assert not deck.lab.reservations.taken
