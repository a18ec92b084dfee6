"""The simulated pump hears and carries out what a real one does."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import serial

from devices.ne1000 import SafePackets, SyringePump
from labwright.clock import LabClock
from labwright.hardware import open_port
from labwright.model.ports import SerialAddress
from labwright.simulation import SimHost, World
from simulators.ne1000 import SyringePump as SimPump

packet = SafePackets().encode


class Bench(World):
    moved_ml: list[float]

    def pump(self, name: str, volume_ml: float) -> bool:
        self.moved_ml.append(volume_ml)
        return True


@contextmanager
def pump_on_a_line(speed: float = 20.0) -> Iterator[tuple[str, SimPump, Bench]]:
    clock = LabClock(speed)
    with SimHost(clock) as host:
        bench = Bench(clock, 1)
        bench.moved_ml = []
        simulated = SimPump("pump", bench, address=0, gain_error=0.0, scatter=0.0)
        served = host.serve("line", SerialAddress(type="serial", path="-", baud=19200), [simulated])
        assert isinstance(served, SerialAddress)
        yield served.path, simulated, bench


def ask(line: serial.Serial, command: str) -> str:
    line.write(f"{command}\r".encode())
    reply = line.read_until(b"\x03")
    assert reply[:1] == b"\x02", reply
    return reply[1:-1].decode()


@pytest.mark.parametrize("noise", [b"\x02\xff", b"\x02", b"half a comm", b"\xff\xfe", b"\x02\x30abc"])
def test_an_incomplete_packet_is_dropped_after_half_a_second(noise: bytes) -> None:
    with pump_on_a_line() as (path, _, _), serial.Serial(path, 19200, timeout=2) as line:
        assert ask(line, "VER") == "00A?R"
        line.write(b"SAF60\r")
        assert line.read(len(packet("00S"))) == packet("00S")
        line.write(noise)
        time.sleep(0.6)  # wall time of the instrument itself
        line.write(packet("00VER"))
        assert line.read(len(packet("00SNE1000V3.923"))) == packet("00SNE1000V3.923")


def test_a_driver_gets_through_noise_on_the_line() -> None:
    with pump_on_a_line() as (path, _, _):
        port = open_port("line", SerialAddress(type="serial", path=path, baud=19200, timeout_s=0.6))
        handle = os.open(path, os.O_WRONLY | os.O_NOCTTY)
        try:
            pump = SyringePump(
                name="pump", port=port, clock=LabClock(20.0), address=0, diameter_mm=26.59, rate_ml_per_min=10
            )
            pump.connect()
            os.write(handle, b"\x02\xff")
            assert pump.pumped_ul() == 0.0
            assert port.stats.timeouts == 1
        finally:
            os.close(handle)
            port.close()


@pytest.mark.parametrize("ending", [b"\r", b"\r\n", b"\n\r", b" \r"])
def test_line_ends_of_any_terminal_are_taken(ending: bytes) -> None:
    with pump_on_a_line() as (path, _, _), serial.Serial(path, 19200, timeout=2) as line:
        for expected in (b"\x0200A?R\x03", b"\x0200SNE1000V3.923\x03", b"\x0200SNE1000V3.923\x03"):
            line.write(b"ver" + ending)
            assert line.read_until(b"\x03") == expected


def test_a_program_is_carried_out_phase_by_phase() -> None:
    """Two infusions with a pause between, three times, and a withdrawal at last."""
    program = [
        "PHN1", "FUNLPS",
        "PHN2", "FUNRAT", "RAT20MM", "VOL0.5", "DIRINF",
        "PHN3", "FUNPAS02",
        "PHN4", "FUNRAT", "RAT20MM", "VOL0.25", "DIRINF",
        "PHN5", "FUNLOP03",
        "PHN6", "FUNRAT", "RAT10MM", "VOL1.0", "DIRWDR",
        "PHN7", "FUNSTP",
    ]  # fmt: skip
    with pump_on_a_line(100.0) as (path, simulated, bench), serial.Serial(path, 19200, timeout=2) as line:
        ask(line, "VER")
        assert [reply for one in program if "?" in (reply := ask(line, one))] == []
        ask(line, "PHN3")
        assert ask(line, "FUN") == "00SPAS02"
        assert ask(line, "RAT") == "00S?NA", "a pause has no rate"
        assert ask(line, "RUN") == "00I"
        assert ask(line, "RUN") == "00I?NA"
        assert ask(line, "DIA10") == "00I?NA"
        deadline = time.monotonic() + 10
        while not (status := ask(line, ""))[2:] == "S" and time.monotonic() < deadline:
            assert status[2] in "IWT"
        assert ask(line, "DIS") == "00SI2.250W1.000ML"
        assert sum(bench.moved_ml) == pytest.approx(1.25)
        assert simulated.selected == 3, "what is selected is another matter than what runs"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("PHN0", "?OOR"),
        ("PHN42", "?OOR"),
        ("PHN41", ""),
        ("FUNXYZ", "?OOR"),
        ("FUNPAS", "?OOR"),
        ("PF2", "?OOR"),
        ("PF1", ""),
    ],
)
def test_what_a_program_cannot_have_is_refused(command: str, reply: str) -> None:
    with pump_on_a_line() as (path, _, _), serial.Serial(path, 19200, timeout=2) as line:
        ask(line, "VER")
        assert ask(line, command) == f"00S{reply}"


def test_a_program_that_only_jumps_ends() -> None:
    with pump_on_a_line() as (path, simulated, _), serial.Serial(path, 19200, timeout=2) as line:
        ask(line, "VER")
        for command in ("PHN1", "FUNJMP02", "PHN2", "FUNJMP01"):
            ask(line, command)
        ask(line, "RUN")
        assert simulated.status == "S"


def test_an_interrupted_program_starts_again_by_itself_if_it_was_told_to() -> None:
    with pump_on_a_line() as (path, simulated, _), serial.Serial(path, 19200, timeout=2) as line:
        ask(line, "VER")
        for command in ("RAT1MM", "VOL5", "RUN", "PF1"):
            ask(line, command)
        simulated.power_cycle()
        assert (simulated.status, simulated.left_ml) == ("I", 5.0)
        simulated.power_failure = 0
        simulated.power_cycle()
        assert simulated.status == "S"
