"""Opening a lab: at rest, or undisturbed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labwright.clock import LabClock
from labwright.lab import Lab, read_lab
from labwright.lab.classes import resolve
from labwright.model.errors import UnreachableError
from labwright.simulation import SimulatedLab

FOLDER = read_lab(Path(__file__).parents[2])


@pytest.fixture
def twin() -> Iterator[SimulatedLab]:
    with SimulatedLab(FOLDER.model, LabClock(5.0), resolve, seed=1) as one:
        yield one


def lab(twin: SimulatedLab) -> Lab:
    return Lab(FOLDER, twin.clock, twin.addresses, simulated=True)


def die(one: Lab) -> None:
    """As a killed process: nothing more is said on any wire."""
    for device in one.devices.values():
        device.end_acts("killed")
        getattr(device, "_unwatch", lambda: None)()
    one._give_back()


def begin(twin: SimulatedLab) -> Any:
    """A dispense of 9 lab seconds and a plate that heats, under a controller that dies."""
    first = lab(twin)
    first.open(["pump_1", "hotplate"])
    pump: Any = first.devices["pump_1"]
    plate: Any = first.devices["hotplate"]
    plate.temperature.set(50.0)
    pump.volume.make_ready(1500.0)
    status = pump.volume.set(1500.0, command_id="a")
    while twin.instrument("pump_1").status != "I" or not twin.world.thermal.heating:
        assert not status.done
    die(first)
    return twin.instrument("pump_1")


def test_a_controller_that_comes_back_finds_what_is_under_way(twin: SimulatedLab) -> None:
    begin(twin)
    second = lab(twin)
    second.open(["pump_1", "hotplate"], undisturbed=True)
    assert twin.world.thermal.heating
    pump: Any = second.devices["pump_1"]
    status = pump.volume.find_out(1500.0, 0.0, "a")
    status.wait(20)
    assert status.evidence.state == "confirmed", status.evidence
    second.close()
    assert not twin.world.thermal.heating


def test_a_fresh_start_is_a_start_from_rest(twin: SimulatedLab) -> None:
    pump = begin(twin)
    second = lab(twin)
    second.open(["pump_1", "hotplate"])
    assert pump.status == "S"
    assert not twin.world.thermal.heating
    second.close()


def test_who_cannot_come_back_stops_nothing(twin: SimulatedLab) -> None:
    pump = begin(twin)
    twin.fault("selector", "no_reply", count=99)
    second = lab(twin)
    with pytest.raises(UnreachableError):
        second.open(["pump_1", "hotplate", "selector"], undisturbed=True)
    assert pump.status == "I"
    assert twin.world.thermal.heating
    with pytest.raises(UnreachableError):
        second.open(["pump_1", "hotplate", "selector"])
    assert pump.status == "S", "whoever begins anew may stop it"
