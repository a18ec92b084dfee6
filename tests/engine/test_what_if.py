"""What-ifs: a lab that is changed as a person says it."""

import pytest

from labwright.engine.what_if import what_if
from labwright.model.errors import ConfigError
from tests.engine.moving import Deck, layout, started, step, way

LAB = layout(("mixer", 1, "own"), ("oven", 2, "own"))


def makespan_s(words: str, budget: int = 6) -> float:
    changed = what_if(words, LAB).layout if words else LAB
    deck = Deck(changed, started("c", way(step("mixer"), step("oven", takes_s=600)), budget=budget, parallel=6))
    return deck.run()


def test_another_station_is_used() -> None:
    assert makespan_s("more oven") < 0.7 * makespan_s("")
    assert set(what_if("more oven", LAB).layout.sites_for("oven", "vial")) == {
        "oven_1",
        "oven_2",
        "oven_1_2",
        "oven_2_2",
    }


def test_more_slots_are_used_and_fewer_are_fewer() -> None:
    assert makespan_s("slots oven 6") < 0.6 * makespan_s("")
    assert makespan_s("slots oven 1") > 1.5 * makespan_s("")


def test_another_arm_carries() -> None:
    changed = what_if("more arm_1", LAB).layout
    deck = Deck(changed, started("c", way(step("oven", takes_s=1)), budget=6, parallel=6))
    deck.run()
    assert {line.split(" at ")[1] for line in deck.told if "/to-" in line} == {"arm_1", "arm_1_2"}


def test_several_changes_at_once() -> None:
    found = what_if("parallel 4, down arm_1 9:30-12", LAB)
    assert found.parallel == 4
    assert [(down.station, down.from_s, down.until_s) for down in found.downs] == [("arm_1", 34200.0, 43200.0)]


def test_a_station_that_is_down_between_two_dates_is_known_before() -> None:
    deck = Deck(
        what_if("down oven 1970-01-01T01:00Z/1970-01-01T02:00Z", LAB).layout,
        started("c", way(step("oven", takes_s=1500)), budget=6, parallel=6),
    )
    deck.run()
    begins_s = [float(line.split()[0]) for line in deck.told if "/oven" in line]
    assert all(one + 1500 <= 3600 or one >= 7200 for one in begins_s)
    assert max(begins_s) >= 7200


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("more ofen", "did you mean"),
        ("slots oven 0", "no whole number of 1 to"),
        ("slots nothing 2", "station"),
        ("down oven 9", "no hours from the start"),
        ("down oven 9-8", "ends before it begins"),
        ("down owen 8-9", "did you mean"),
        ("down oven 2026-12-01T09:00/2026-12-01T10:00", "write it with its offset from UTC"),
        ("down oven 2026-12-01T09:00Z/2026-12-01T08:00Z", "not after it starts"),
        ("down owen 2026-12-01T09:00Z/2026-12-01T10:00Z", "did you mean"),
        ("faster oven", "is not understood; write more NAME"),
    ],
)
def test_what_is_not_understood_is_told(words: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        what_if(words, LAB)
