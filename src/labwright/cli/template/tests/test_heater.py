"""The heater's driver: byte by byte, and against all that every driver must do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devices.heater import Heater
from labwright.clock import LabClock
from labwright.hardware import open_port
from labwright.model.ports import SerialAddress
from labwright.simulation import SimHost
from labwright.testing import DeviceUnderTest, check_device, conversation
from simulators import heater as simulated


def test_its_bytes() -> None:
    with conversation([(b"ID?\r\n", b"HEATER 1\r\n"), *[(b"T?\r\n", b"21.5\r\n")] * 2]) as address:
        port = open_port("line", address)
        heater = Heater(name="heater", port=port, clock=LabClock())
        heater.connect()
        assert heater.celsius() == 21.5
        port.close()


@contextmanager
def simulated_heater() -> Iterator[DeviceUnderTest]:
    clock = LabClock(100.0)  # a hundred lab seconds per second
    with SimHost(clock) as host:
        line = SerialAddress(type="serial", path="/dev/null", timeout_s=0.1)
        port = open_port("line", host.serve("line", line, [simulated.Heater("heater", simulated.Room(clock, 1, celsius=21.0))]))
        heater = Heater(name="heater", port=port, clock=clock)
        yield DeviceUnderTest(heater, host, axis="temperature", good=30.0, bad=900.0)
        port.close()


def test_it_does_what_every_driver_must() -> None:
    assert check_device(simulated_heater)
