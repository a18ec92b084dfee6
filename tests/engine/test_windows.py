"""Stations that people have for a time: nothing begins there that would not be over before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.engine.events import Recounted
from labwright.engine.hours import never_in_time
from labwright.engine.layout import Layout
from labwright.engine.rules import Rule
from labwright.engine.snapshots import dumped
from labwright.model.availability import Availability
from labwright.model.calendars import BookedSpec, CalendarSpec, MaintenanceSpec
from labwright.model.protocol import StepOrder
from tests.engine.moving import Deck, layout, started, step, way

HOUR_S = 3600.0


def shut(station: str, *hours: tuple[float, float]) -> Availability:
    """Maintenance in these hours from the start."""
    return Availability(
        tuple(
            MaintenanceSpec(
                station=station,
                starts=datetime.fromtimestamp(first * HOUR_S, UTC),
                ends=datetime.fromtimestamp(last * HOUR_S, UTC),
                why="new pump",
            )
            for first, last in hours
        )
    )


def closed(plan: Layout, **stations: tuple[float, float]) -> Layout:
    return replace(plan, calendar={name: shut(name, hours) for name, hours in stations.items()})


ROW = layout(("mixer", 1, "own"), ("oven", 1, "own"), move_s=60.0)


def began_h(deck: Deck, step_id: str) -> float:
    return next(float(line.split()[0]) for line in deck.told if line.split()[1] == step_id) / HOUR_S


def test_what_would_not_be_over_before_maintenance_begins_after_it() -> None:
    plan = closed(ROW, mixer=(1.0, 2.0))
    deck = Deck(plan, started("c", way(step("mixer", takes_s=0.4 * HOUR_S)), budget=4))
    deck.run()
    begins = [began_h(deck, f"c/000{number}/mixer") for number in range(1, 5)]
    assert begins[1] + 0.4 <= 1.0
    assert begins[2] >= 2.0, "the third would have been under way at 1:00"
    assert deck.phases() == ["completed"]


def test_a_sample_waits_for_a_station_to_open_where_the_other_of_its_kind_is_full() -> None:
    plan = closed(layout(("near:mixer", 1, "own"), ("far:mixer", 1, "own"), move_s=60.0), far=(0.0, 2.0))
    deck = Deck(plan)
    deck.take({"": Recounted(containers={"near_here": "vial"})})
    deck.take({"c": started("c", way(step("mixer")), budget=1)})
    assert deck.lab.dispatcher.wake_s == 2 * HOUR_S
    deck.run()
    assert began_h(deck, "c/0001/mixer") >= 2.0
    assert deck.phases() == ["completed"]


def test_a_transport_that_is_shut_is_not_waited_for_where_another_is_open() -> None:
    plan = closed(layout(("mixer", 1, "own"), ("oven", 1, "own"), arms=2, move_s=60.0), arm_1=(0.0, 3.0))
    deck = Deck(plan, started("c", way(step("mixer", max_wait_s=900), step("oven")), budget=1))
    deck.run()
    moves = [line for line in deck.told if "/to-" in line]
    assert [line.rsplit(" ", 1)[1] for line in moves] == ["arm_2"] * 3
    assert deck.now_s < HOUR_S


def test_the_wait_is_told_and_recorded_and_over_when_the_station_opens() -> None:
    plan = closed(ROW, mixer=(0.0, 2.0))
    deck = Deck(plan, started("c", way(step("mixer")), budget=1))
    words = "station mixer: maintenance from 1970-01-01 00:00 to 02:00 UTC: new pump"
    assert deck.waits() == [f"c/0001/mixer for {words}"]
    core = deck.lab.campaigns["c"]
    assert core.closed == words
    assert deck.lab.dispatcher.wake_s == 2 * HOUR_S
    again = type(deck.lab)()
    for campaign, event, at_s in deck.log:
        again.handle(campaign, event, at_s)
    assert dumped(again, whole=True) == dumped(deck.lab, whole=True)
    deck.run()
    assert core.closed == ""
    assert began_h(deck, "c/0001/mixer") == pytest.approx(2.0, abs=0.05)


def test_no_arm_reaches_into_a_station_on_which_people_work() -> None:
    plan = closed(ROW, mixer=(0.5, 2.0))
    deck = Deck(plan, started("c", way(step("mixer", takes_s=0.48 * HOUR_S), step("oven")), budget=1))
    deck.run()
    assert began_h(deck, "c/0001/mixer") < 0.5
    assert began_h(deck, "c/0001/to-oven_here") >= 2.0


def test_an_arm_that_is_serviced_carries_nothing() -> None:
    plan = closed(ROW, arm_1=(0.0, 1.0))
    deck = Deck(plan, started("c", way(step("mixer")), budget=1))
    deck.run()
    assert began_h(deck, "c/0001/to-mixer_here") == 1.0


def test_another_station_of_the_kind_stands_in() -> None:
    plan = closed(layout(("oven_1:oven", 1, "own"), ("oven_2:oven", 1, "own")), oven_1=(0.0, 9.0))
    deck = Deck(plan, started("c", way(step("bake", "oven")), budget=3))
    assert deck.run() < HOUR_S
    assert {line.split(" at ")[1] for line in deck.told if "/bake" in line} == {"oven_2"}


def test_a_batch_does_not_begin_that_would_not_be_over() -> None:
    plan = closed(layout(("oven", 4, "batch"), move_s=60.0), oven=(1.0, 2.0))
    deck = Deck(plan, started("c", way(step("oven", takes_s=0.7 * HOUR_S, recipe=("x",))), budget=6, parallel=4))
    deck.run()
    begins = [float(line.split()[0]) / HOUR_S for line in deck.told if "/oven at" in line]
    assert all(one + 0.7 <= 1.0 or one >= 2.0 for one in begins)
    assert deck.phases() == ["completed"]


def test_a_batch_does_not_wait_for_others_until_it_is_too_late() -> None:
    plan = closed(layout(("oven", 4, "batch"), ("mixer", 1, "own"), move_s=60.0), oven=(2.0, 9.0))
    steps = step("mixer", takes_s=0.5 * HOUR_S), step("oven", takes_s=0.9 * HOUR_S, recipe=("x",))
    deck = Deck(plan, started("c", way(*steps), budget=4, parallel=4), rule=Rule(batch_wait_s=3 * HOUR_S))
    deck.run()
    assert began_h(deck, "c/0001/oven") == pytest.approx(1.1, abs=0.05), "it would be over at 2:00"
    assert deck.phases() == ["completed"]


def test_a_sample_that_can_wait_only_so_long_does_not_run_into_a_closed_station() -> None:
    plan = closed(ROW, oven=(1.0, 3.0))
    steps = step("mixer", takes_s=0.5 * HOUR_S, max_wait_s=600.0), step("oven", takes_s=0.4 * HOUR_S)
    deck = Deck(plan, started("c", way(*steps), budget=1))
    deck.run()
    assert began_h(deck, "c/0001/mixer") >= 1.0, "it would have been done at 0:30, and the oven not before 1:00"
    assert began_h(deck, "c/0001/mixer") < 3.0, "and there is no need to wait for the oven to open"
    waited_s = (began_h(deck, "c/0001/oven") - began_h(deck, "c/0001/mixer") - 0.5) * HOUR_S
    assert waited_s <= 600.0
    assert deck.phases() == ["completed"]


def test_a_sample_does_not_wait_for_one_station_to_open_until_the_next_is_shut() -> None:
    """Done early, it would be carried at once; done late, after the arm is back at 1:12, and the oven shuts at 1:24."""
    plan = closed(ROW, arm_1=(0.26, 1.2), oven=(1.4, 5.0))
    steps = step("mixer", takes_s=0.3 * HOUR_S, max_wait_s=4000.0), step("oven", takes_s=0.5 * HOUR_S)
    deck = Deck(plan, started("c", way(*steps), budget=1))
    deck.run()
    waited_s = (began_h(deck, "c/0001/oven") - began_h(deck, "c/0001/mixer") - 0.3) * HOUR_S
    assert waited_s <= 4000.0
    assert 3.5 < began_h(deck, "c/0001/mixer") < 5.0
    assert deck.phases() == ["completed"]


OPERATORS = CalendarSpec(zone="UTC", opens={"mon-fri": "09:00-17:00"}, closed=())


def test_what_needs_people_begins_in_their_hours() -> None:
    plan = replace(ROW, calendar={"mixer": Availability((), ("operators", OPERATORS))})
    deck = Deck(plan, started("c", way(step("mixer", takes_s=3 * HOUR_S)), budget=6))
    assert "no person is there until 1970-01-01 09:00 (calendar operators)" in deck.lab.campaigns["c"].closed
    deck.run()
    hours = [began_h(deck, f"c/000{number}/mixer") for number in range(1, 7)]
    assert [int(one // 24) for one in hours] == [0, 0, 1, 1, 4, 4], "a Thursday, and a weekend between"
    assert all(9 <= one % 24 and one % 24 + 3 <= 17 for one in hours)


def test_hours_go_on_over_midnight_and_keep_to_the_clocks_of_their_zone() -> None:
    nights = CalendarSpec(zone="Europe/Berlin", opens={"sat": "20:00-24:00", "sun": "00:00-06:00"})
    there = Availability((), ("nights", nights))
    saturday_s = datetime.fromisoformat("2026-03-28T12:00+01:00").timestamp()
    opens_s = there.opens_s(saturday_s, 8.5 * HOUR_S)
    assert datetime.fromtimestamp(opens_s, UTC) == datetime.fromisoformat("2026-03-28T20:00+01:00")
    assert there.closed(opens_s, opens_s + 9 * HOUR_S) is None, "ten hours by the clock, of which one is left out"
    assert there.closed(opens_s, opens_s + 9.1 * HOUR_S) is not None


def test_what_fits_into_no_hours_never_begins() -> None:
    there = Availability((), ("operators", OPERATORS))
    assert there.opens_s(0.0, 8.1 * HOUR_S) == float("inf")
    assert there.opens_s(0.0, 8.0 * HOUR_S) == 9 * HOUR_S


def test_a_booking_says_who_has_the_station() -> None:
    booked = BookedSpec(
        station="oven",
        starts=datetime(2026, 12, 1, 9, tzinfo=UTC),
        ends=datetime(2026, 12, 2, 9, tzinfo=UTC),
        why="a course",
        by="Kim",
    )
    closure = Availability((booked,)).closed(booked.starts.timestamp(), booked.starts.timestamp() + 1)
    assert closure is not None
    assert closure.words == "Kim has it from 2026-12-01 09:00 to 2026-12-02 09:00 UTC: a course"


WINDOWS = st.lists(st.tuples(st.floats(0, 6), st.floats(0.1, 3)), max_size=3)


@settings(max_examples=20, deadline=None)
@given(
    windows=st.fixed_dictionaries(dict.fromkeys(("mixer", "oven", "arm_1"), WINDOWS)),
    factors=st.lists(st.floats(0.76, 1.24), min_size=1, max_size=9),
    limit_s=st.sampled_from([1200.0, 4000.0]),
)
def test_nothing_runs_in_a_closed_station_and_limited_waits_are_kept(
    windows: Mapping[str, list[tuple[float, float]]], factors: list[float], limit_s: float
) -> None:
    spans = {name: [(first, first + length) for first, length in some] for name, some in windows.items()}
    plan = replace(ROW, calendar={name: shut(name, *some) for name, some in spans.items() if some})
    steps = step("mixer", takes_s=0.3 * HOUR_S, max_wait_s=limit_s), step("oven", takes_s=0.5 * HOUR_S)
    deck = Deck(plan)
    ended_s: dict[str, float] = {}
    waited: list[float] = []
    takes: Any = iter(factors * 99)

    def takes_s(order: StepOrder) -> float:
        station = "arm_1" if order.move is not None else order.step
        begins_h, ends_h = deck.now_s / HOUR_S, (deck.now_s + order.expected_s) / HOUR_S
        for first, last in spans[station]:
            assert ends_h <= first + 1e-6 or begins_h >= last - 1e-6, order.step_id
        if order.campaign == "a" and station == "oven":
            waited.append(deck.now_s - ended_s[order.step_id.replace("oven", "mixer")])
        return order.expected_s * (next(takes) if order.move is None else 1.0)

    deck.takes_s = takes_s
    deck.on_end = lambda step_id: ended_s.update({step_id: deck.now_s})
    deck.take({"a": started("a", way(*steps), budget=4)})
    deck.take({"b": started("b", way(step("oven", takes_s=900.0)), budget=3)})
    deck.run()
    assert deck.phases() == ["completed", "completed"]
    assert len(waited) == 4
    assert max(waited) <= limit_s, (max(waited), limit_s)


@pytest.mark.parametrize(("max_wait_s", "words"), [(60, "step mixer: whenever it begins"), (1500, ""), (None, "")])
def test_waits_that_can_be_kept_between_no_hours_are_told_before_anything_begins(
    max_wait_s: float | None, words: str
) -> None:
    first = CalendarSpec(zone="UTC", opens={"mon-sun": tuple(f"{hour:02}:00-{hour:02}:20" for hour in range(24))})
    second = CalendarSpec(zone="UTC", opens={"mon-sun": tuple(f"{hour:02}:30-{hour:02}:50" for hour in range(24))})
    hours = {"mixer": Availability((), ("early", first)), "oven": Availability((), ("late", second))}
    protocol = way(step("mixer", max_wait_s=max_wait_s), step("oven"))
    assert never_in_time(protocol, replace(ROW, calendar=hours), 0.0).startswith(words)
    assert bool(never_in_time(protocol, replace(ROW, calendar=hours), 0.0)) == bool(words)


def test_a_wait_that_is_over_already_keeps_no_step_from_beginning() -> None:
    """A step without the sample that follows one after which the sample could wait only so long."""
    rinse = step("rinse", "sink", takes_s=60, sample=False, max_wait_s=1800)
    protocol = way(step("mixer", takes_s=60, max_wait_s=2 * HOUR_S), rinse, step("oven", takes_s=60))
    day = CalendarSpec(zone="UTC", opens={"mon-sun": tuple(f"{hour:02}:00-{hour:02}:40" for hour in range(24))})
    plan = closed(layout(("mixer", 1, "own"), ("sink", 1, "own"), ("oven", 1, "own")), sink=(0.03, 4.0))
    plan = replace(plan, calendar={**plan.calendar, "oven": Availability((), ("day", day))})
    deck = Deck(plan, started("c", protocol, budget=1))
    while deck.now_s < 30 * HOUR_S and deck.next():
        pass
    assert deck.phases() == ["completed"]
