"""The arm and its power, faults and emergency stop, on the simulated controller."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from devices.preciseflex import Arm
from labwright.clock import LabClock, SteppedClock
from labwright.hardware import open_port
from labwright.model.errors import AlarmError
from labwright.model.ports import TcpAddress
from labwright.simulation import SimHost, World
from simulators.preciseflex import MOVE_S, POWER_S
from simulators.preciseflex import Arm as SimArm


class Deck(World):
    holding: Any = None

    def grip(self, position: str) -> bool:
        self.holding = position
        return True

    def release(self, position: str) -> None:
        self.holding = None


@contextmanager
def arm_on(clock: LabClock) -> Iterator[tuple[Arm, SimArm, SimHost]]:
    with SimHost(clock) as host:
        simulated = SimArm("arm", Deck(clock, 1), locations={1: "here"})
        port = open_port("arm", host.serve("arm", TcpAddress(type="tcp", host="-", tcp_port=1), [simulated]))
        try:
            yield Arm(name="arm", port=port, clock=clock), simulated, host
        finally:
            port.close()


def test_the_arm_waits_until_its_power_is_on() -> None:
    clock = SteppedClock()
    with arm_on(clock) as (arm, simulated, _):
        arm.connect()
        begun_s = clock.now()
        arm.location.set(1).wait(10)
        assert simulated.at == 1
        assert POWER_S + MOVE_S <= clock.now() - begun_s < POWER_S + MOVE_S + 2


@pytest.mark.parametrize(("kind", "words"), [("robot_error", "a fault occurred"), ("estop", "hard emergency stop")])
@pytest.mark.parametrize("axis", ["location", "gripper"])
def test_a_fault_is_seen_within_a_poll_and_the_arm_works_again_when_it_is_cleared(
    kind: str, words: str, axis: str
) -> None:
    clock = SteppedClock()
    with arm_on(clock) as (arm, simulated, host):
        arm.connect()
        arm.location.set(1).wait(10)
        arm.gripper.set(0).wait(10)
        gate = clock.actor("test", busy=True)
        status = getattr(arm, axis).set({"location": 9, "gripper": 1}[axis])
        gate.sleep(0.7)
        host.fault("arm", kind)
        begun_s = clock.now()
        gate.close()
        with pytest.raises(AlarmError, match=words):
            status.wait(10)
        assert clock.now() - begun_s < 1.5
        assert not simulated.power
        with pytest.raises(AlarmError, match=f"no power: .*{words}"):
            arm.location.set(9).wait(10)
        host.clear_faults()
        arm.location.set(9).wait(10)
        assert simulated.at == 9


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("attach 1", b"-1046\r\n"),
        ("move 1", b"-2802 *Warning Illegal move command*\r\n"),
        ("nonsense", b"-2805 *Unknown command*\r\n"),
        ("", b"-2805 *Unknown command*\r\n"),
        ("sysState", b"0 7\r\n"),
        ("speed 1", b"0 1 50\r\n"),
        ("movej 1 x", b"-2803 *Warning Invalid joint angles*\r\n"),
        ("hp 1 1", b"-1025\r\n"),
        ("hp 1 20", b"0\r\n"),
        ("hp 1 -1", b"0\r\n"),
    ],
)
def test_the_simulated_controller_answers_as_the_real_one(command: str, reply: bytes) -> None:
    async def talk(address: TcpAddress) -> bytes:
        reader, writer = await asyncio.open_connection(address.host, address.tcp_port)
        writer.write(f"{command}\n".encode())
        line = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        await writer.wait_closed()
        return line

    with arm_on(LabClock(100.0)) as (arm, _, _):
        assert isinstance(arm.port.address, TcpAddress)
        assert asyncio.run(talk(arm.port.address)) == reply


def test_a_reply_that_comes_later_keeps_the_order_and_is_nobodys_when_its_client_has_gone() -> None:
    async def talk(address: TcpAddress) -> list[bytes]:
        reader, writer = await asyncio.open_connection(address.host, address.tcp_port)
        writer.write(b"hp 1 20\nhp\nattach 1\nsysState\n")
        lines = [await asyncio.wait_for(reader.readline(), 5) for _ in range(4)]
        writer.write(b"home\nmove 1 1\nwaitForEom\nwherej\n")
        lines += [await asyncio.wait_for(reader.readline(), 5) for _ in range(4)]
        writer.write(b"hp 0\nhp 1 20\n")
        await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        await writer.wait_closed()
        return lines

    threads = threading.active_count()
    with arm_on(LabClock(100.0)) as (arm, simulated, host):
        assert isinstance(arm.port.address, TcpAddress)
        *lines, there = asyncio.run(talk(arm.port.address))
        assert lines == [b"0\r\n", b"0 1\r\n", b"0\r\n", b"0 21\r\n", b"0\r\n", b"0\r\n", b"0\r\n"]
        at = " ".join(str(angle) for angle in simulated._target).replace(".0", "")
        assert there.decode().split()[1] == at.split()[0], "it stood before it said where it is"
        assert host.unknown_commands() == {}
    ends_s = time.monotonic() + 10
    while (
        threading.active_count() > threads + 1 and time.monotonic() < ends_s
    ):  # they end when a busy machine lets them
        time.sleep(0.02)
    assert threading.active_count() <= threads + 1
