"""The simulated balance waits for a stable weight where a real one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import serial

from labwright.clock import LabClock
from labwright.model.ports import SerialAddress
from labwright.simulation import SimHost, World
from simulators.mettler import SETTLE_S, STABILITY_TIMEOUT_S, Balance


class Pan(World):
    grams = 8.5
    pan_changed_s = 0.0
    restless = False

    def on_pan_g(self) -> float:
        if self.restless:
            self.pan_changed_s = self.clock.now()
        return self.grams


@contextmanager
def talking() -> Iterator[tuple[serial.Serial, Pan, LabClock]]:
    clock = LabClock(100.0)
    with SimHost(clock) as host:
        pan = Pan(clock, 1)
        served = host.serve("line", SerialAddress(type="serial", path="-"), [Balance("balance", pan)])
        assert isinstance(served, SerialAddress)
        with serial.Serial(served.path, 9600, timeout=5) as line:
            yield line, pan, clock


def ask(line: serial.Serial, command: str) -> str:
    line.write(f"{command}\r\n".encode())
    return line.readline().decode().strip()


@pytest.mark.parametrize(
    ("command", "reply"), [("S", "S S     8.5"), ("T", "T S     8.5000 g"), ("Z", "Z +"), ("SI", "S S     8.5")]
)
def test_a_steady_weight_is_told_at_once(command: str, reply: str) -> None:
    with talking() as (line, _, _):
        assert ask(line, command).startswith(reply[:11])


@pytest.mark.parametrize("command", ["S", "T"])
def test_a_weight_that_has_just_changed_is_waited_for(command: str) -> None:
    with talking() as (line, pan, clock):
        pan.pan_changed_s = begun_s = clock.now()
        assert ask(line, command).startswith(f"{command} S     8.")
        assert clock.now() - begun_s >= SETTLE_S


@pytest.mark.parametrize("command", ["S", "T", "Z"])
def test_a_weight_that_never_settles_is_told_after_a_time(command: str) -> None:
    with talking() as (line, pan, clock):
        begun_s = clock.now()
        pan.restless = True
        assert ask(line, command) == f"{command} I"
        assert clock.now() - begun_s >= STABILITY_TIMEOUT_S
        pan.restless = False
        assert ask(line, "TA") == "TA A     0.0000 g", "nothing was tared"


@pytest.mark.parametrize(("command", "reply"), [("SI", "S D"), ("TI", "TI D     8.5"), ("ZI", "ZI +")])
def test_who_does_not_wait_is_told_that_it_is_dynamic(command: str, reply: str) -> None:
    with talking() as (line, pan, clock):
        pan.pan_changed_s = clock.now() + 100
        assert ask(line, command).startswith(reply)


def test_zeroing_and_preset_tares() -> None:
    with talking() as (line, pan, _):
        pan.grams = 1.0
        assert ask(line, "Z") == "Z A"
        pan.grams = 4.0
        assert float(ask(line, "S").split()[2]) == pytest.approx(3.0, abs=1e-2)
        assert ask(line, "TA 2.5 g") == "TA A     2.5000 g"
        assert float(ask(line, "S").split()[2]) == pytest.approx(0.5, abs=1e-2)
        assert ask(line, "TA 2.5 mg") == "TA L"
        assert ask(line, "TA 500 g") == "TA L"
        pan.grams = 500.0
        assert [ask(line, command) for command in ("S", "SI", "T", "TI", "Z")] == ["S +", "S +", "T +", "TI +", "Z +"]
