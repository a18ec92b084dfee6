"""How long one waits until all is open that a move and the step after it need: never longer than was said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.engine.openings import ALWAYS, Openings
from labwright.model.availability import Availability
from labwright.model.calendars import CalendarSpec
from tests.engine.moving import layout
from tests.engine.test_windows import shut

HOUR_S = 3600.0
SPANS = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), min_size=1, max_size=3)
"""Hours at which a station shuts, and how many it is shut for."""


@settings(max_examples=40, deadline=None)
@given(
    spans=st.dictionaries(st.sampled_from(["mixer", "oven", "arm_1", "arm_2"]), SPANS, min_size=1),
    early_h=st.integers(0, 8),
    spread_h=st.integers(0, 6),
)
def test_the_longest_wait_is_the_longest_of_any_time_between(
    spans: Mapping[str, list[tuple[int, int]]], early_h: int, spread_h: int
) -> None:
    plan = layout(("mixer", 1, "own"), ("oven", 1, "own"), arms=2)
    shut_h = {name: [(first, first + length) for first, length in some] for name, some in spans.items()}
    calendar = {name: shut(name, *some) for name, some in shut_h.items()}
    openings = Openings(replace(plan, calendar=calendar))
    opening = openings.of(plan.benches["mixer"], plan.benches["oven"], "vial", 0.25 * HOUR_S, 0.5 * HOUR_S)

    def is_open(name: str, at_h: float, takes_h: float) -> bool:
        return not any(at_h < last and first < at_h + takes_h for first, last in shut_h.get(name, ()))

    def all_open(at_h: float) -> bool:
        arm = is_open("arm_1", at_h, 0.25) or is_open("arm_2", at_h, 0.25)
        return arm and is_open("mixer", at_h, 0.25) and is_open("oven", at_h, 0.75)

    steps = [number / 8 for number in range(8 * 40)]
    opens_h = {at_h: next(later for later in steps if later >= at_h and all_open(later)) for at_h in steps[: 8 * 15]}
    between = [at_h for at_h in opens_h if early_h <= at_h <= early_h + spread_h]
    for at_h in between:
        assert opening.from_s(at_h * HOUR_S) == opens_h[at_h] * HOUR_S
    longest_s = opening.longest_s(early_h * HOUR_S, (early_h + spread_h) * HOUR_S)
    found_s = max(opens_h[at_h] - at_h for at_h in between) * HOUR_S
    assert found_s <= longest_s + 0.01
    assert longest_s <= found_s + HOUR_S / 8, "it is no longer than what comes between two of the times"


def test_what_is_never_open_at_once_is_never_waited_for() -> None:
    plan = layout(("mixer", 1, "own"), ("oven", 1, "own"))
    hours = {
        name: Availability((), (name, CalendarSpec(zone="UTC", opens={"mon-sun": opens})))
        for name, opens in (("mixer", "08:00-12:00"), ("oven", "13:00-17:00"), ("arm_1", "08:00-12:00"))
    }
    openings = Openings(replace(plan, calendar=hours))
    mixer, oven = plan.benches["mixer"], plan.benches["oven"]
    assert openings.of(mixer, oven, "vial", 60.0, HOUR_S).from_s(0.0) == math.inf
    assert openings.of(oven, mixer, "vial", 60.0, HOUR_S).from_s(0.0) == 8 * HOUR_S
    assert openings.of(mixer, mixer, "vial", 60.0, 4 * HOUR_S).from_s(9 * HOUR_S) == 32 * HOUR_S
    assert Openings(plan).of(mixer, oven, "vial", 60.0, HOUR_S) is ALWAYS
