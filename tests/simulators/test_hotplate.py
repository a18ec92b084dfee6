"""The simulated hotplate's watchdogs, and what it does not understand."""

from __future__ import annotations

import pytest

from labwright.clock import SteppedClock
from labwright.simulation import World
from simulators.ika import Hotplate
from simulators.thermal import Thermal


class Bench(World):
    def __init__(self, clock: SteppedClock) -> None:
        super().__init__(clock, 1)
        self.thermal = Thermal(24.0)

    def advance(self, now: float | None = None) -> None:
        pass

    def stir(self, rpm: float) -> None:
        self.thermal.rpm = rpm


@pytest.fixture
def plate() -> Hotplate:
    plate = Hotplate("plate", Bench(SteppedClock()))
    for command in ("OUT_SP_1 90", "START_1", "OUT_SP_4 500", "START_4"):
        assert plate.answer(command) is None
    return plate


def test_the_first_watchdog_switches_everything_off(plate: Hotplate) -> None:
    assert plate.answer("OUT_WD1@30") == "30 1"
    plate.clock.sleep(31)
    plate.answer("IN_PV_4")
    assert (plate.world.thermal.heating, plate.world.thermal.rpm, plate.error) == (False, 0.0, 2)


def test_the_second_watchdog_goes_to_its_limits(plate: Hotplate) -> None:
    assert [plate.answer(one) for one in ("OUT_SP_12@45", "OUT_SP_42@200", "OUT_WD2@30")] == ["45 12", "200 42", "30 2"]
    plate.clock.sleep(31)
    assert plate.answer("IN_SP_1") == "45.0 1"
    assert (plate.world.thermal.heating, plate.world.thermal.rpm, plate.error) == (True, 200.0, 0)


def test_it_is_switched_off_by_zero_alone(plate: Hotplate) -> None:
    plate.answer("OUT_WD1@30")
    assert plate.answer("OUT_WD2@0") == "0 2"
    plate.clock.sleep(100)
    plate.answer("IN_PV_4")
    assert plate.world.thermal.heating


@pytest.mark.parametrize(
    "command", ["OUT_WD1@5", "OUT_WD1@2000", "OUT_WD1@x", "OUT_SP_1 warm", "OUT_SP_4", "OUT_WD3@30"]
)
def test_what_it_does_not_understand_changes_nothing(plate: Hotplate, command: str) -> None:
    assert plate.answer(command) is None
    assert plate.watchdog_s == 0.0
    assert plate.answer("IN_SP_1") == "90.0 1"
    assert plate.unknown.total() == 1
