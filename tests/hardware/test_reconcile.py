"""How an undecided act is decided, and what a driver must declare for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ophyd import Component
from ophyd.status import Status

from labwright.clock import SteppedClock
from labwright.hardware import Act, Axis, Evidence, LabDevice, Reading, open_port
from labwright.hardware.reconcile import by_counter
from labwright.model.errors import CommunicationError, DeviceError, LimitError, StoppedError
from labwright.model.ports import TcpAddress
from labwright.simulation import SimHost, SimInstrument, World
from labwright.testing import DeviceUnderTest, check_device


class Tank(LabDevice):
    """One axis of each kind on an instrument that counts what it gives."""

    counted: Any = Component(
        Axis, set="give", get="given", unit="ml", limits=(0, 10), timeout_s=60,
        reconcile="by_counter", ready="clear", counter="given", quiet="rest", tolerance=0.5,
    )  # fmt: skip
    table: Any = Component(
        Axis, set="give_once", unit="ml", limits=(0, 10), timeout_s=60, reconcile="by_command_id", outcome="fate"
    )
    level: Any = Component(Axis, set="give", unit="ml", limits=(0, 10), timeout_s=60, reconcile="by_state", holds=True)
    mute: Any = Component(Axis, set="give", unit="ml", limits=(0, 10), timeout_s=60)

    def __init__(self, **device: Any) -> None:
        super().__init__(**device)
        self.sent: list[tuple[float, str, int]] = []
        self.fates: list[Evidence | None] = []

    def connect(self) -> None:
        self.given()

    def clear(self, value: float) -> None:
        self.command("CLEAR", str)

    def given(self) -> float:
        return self.query("GIVEN?", float)

    def rest(self, act: Act) -> None:
        for _ in act.poll(1.0):
            if self.query("BUSY?", str) == "0":
                return

    def give(self, act: Act, value: float) -> None:
        self.command(f"GIVE {value}", str)
        self.rest(act)

    def give_once(self, act: Act, value: float, command_id: str, epoch: int) -> None:
        self.sent.append((value, command_id, epoch))
        act.sleep(1.0)

    def fate(self, command_id: str) -> Evidence | None:
        return self.fates.pop(0)

    def halt(self) -> None:
        self.command("HALT", str, urgent=True, repeatable=True)


class SimTank(SimInstrument):
    """Gives 1 ml/s."""

    keeps: ClassVar[tuple[str, ...]] = ("given",)

    def __init__(self, name: str, world: Any) -> None:
        super().__init__(name, world)
        self.given = self.left = 0.0
        self.updated = self.clock.now()

    def advance(self) -> None:
        now = self.clock.now()
        moved = min(self.left, now - self.updated)
        self.given, self.left, self.updated = self.given + moved, self.left - moved, now

    def answer(self, command: str) -> str | None:
        self.advance()
        word, _, value = command.partition(" ")
        if word == "CLEAR":
            self.given = 0.0
        elif word == "GIVE":
            self.left = float(value)
        elif word == "HALT":
            self.left = 0.0
        else:
            return {"GIVEN?": f"{self.given:.3f}", "BUSY?": "1" if self.left else "0"}[word]
        return "OK"


@contextmanager
def tank(kind: type[Tank] = Tank) -> Iterator[tuple[Any, SimHost]]:
    clock = SteppedClock()
    with SimHost(clock) as host:
        address = TcpAddress(type="tcp", host="-", tcp_port=1)
        served: Any = host.serve("line", address, [SimTank("tank", World(clock, 0))])
        port = open_port("line", served.model_copy(update={"timeout_s": 0.1}))
        try:
            yield kind(name="tank", port=port, clock=clock), host
        finally:
            port.close()


def found(status: Any) -> Evidence:
    status.wait(10)
    assert isinstance(status.evidence, Evidence)
    return status.evidence


def commands(host: SimHost) -> dict[str, int]:
    return dict(host.instrument("tank").commands)


@given(value=st.floats(0.01, 1e4), share=st.floats(0, 1), tolerance=st.floats(0, 10))
def test_a_counter_never_takes_all_for_nothing(value: float, share: float, tolerance: float) -> None:
    evidence = by_counter("pump_1", "ul", value, share * value, tolerance)
    if share > 0.34:
        assert evidence.state != "absent"
    if share < 0.66:
        assert evidence.state != "confirmed"
    assert by_counter("pump_1", "ul", value, value, tolerance).state == "confirmed"
    assert by_counter("pump_1", "ul", value, 0.0, tolerance).state == "absent"


def test_between_all_and_nothing_a_person_is_told_how_much() -> None:
    evidence = by_counter("pump_1", "ul", 350.0, 210.0, 2.0)
    assert (evidence.state, evidence.words) == ("unknown", "pump_1 counts 210 of 350 ul")


def test_a_counted_act_is_confirmed_absent_or_unknown() -> None:
    with tank() as (device, host):
        device.counted.make_ready(4.0)
        witness = device.counted.witness()
        assert witness == 0.0
        assert found(device.counted.find_out(4.0, witness, "")).state == "absent"
        device.counted.set(4.0, command_id="a").wait(10)
        evidence = found(device.counted.find_out(4.0, witness, "a"))
        assert (evidence.state, evidence.words) == ("confirmed", "tank counts 4 of 4 ml")
        assert found(device.counted.find_out(8.0, witness, "b")).state == "unknown"
        assert found(device.counted.find_out(8.0, None, "b")).state == "unknown", "nobody had looked before"
        assert commands(host)["CLEAR"] == 1
        assert "HALT" not in commands(host)


def test_find_out_waits_until_the_instrument_is_at_rest() -> None:
    """A controller that comes back in the middle of an act sees its end."""
    with tank() as (device, _):
        device.counted.make_ready(8.0)
        device.command("GIVE 8.0", str)  # by the controller that has died
        assert found(device.counted.find_out(8.0, 0.0, "")).state == "confirmed"


def test_set_makes_ready_itself_unless_it_carries_an_id() -> None:
    with tank() as (device, host):
        device.counted.set(1.0).wait(10)
        assert commands(host)["CLEAR"] == 1
        device.counted.set(1.0, command_id="a", epoch=3).wait(10)
        assert commands(host)["CLEAR"] == 1
        assert device.counted.witness() == 2.0
        assert device.level.witness() is None
        for axis in (device.level, device.mute, device.table):
            axis.make_ready(1.0)  # nothing to do
        with pytest.raises(LimitError, match="nothing was sent"):
            device.counted.make_ready(11.0)
        assert commands(host)["CLEAR"] == 1


def test_the_axis_tells_what_it_was_declared() -> None:
    with tank() as (device, _):
        kinds = [axis.reconcile for axis in (device.counted, device.table, device.level, device.mute)]
        assert kinds == ["by_counter", "by_command_id", "by_state", "ask"]
        assert [axis.holds for axis in (device.counted, device.level)] == [False, True]


def test_what_cannot_be_asked_is_told_without_a_word_on_the_wire() -> None:
    with tank() as (device, host):
        assert found(device.level.find_out(1.0, None, "")) == Evidence(
            state="absent", words="tank: setting it again is harmless"
        )
        assert found(device.mute.find_out(1.0, None, "")) == Evidence(
            state="unknown", words="tank: it cannot be asked whether it did"
        )
        assert found(device.find_out_measurement("m")).state == "absent"
        assert commands(host) == {}


def test_a_table_of_commands_gets_id_and_epoch_and_is_asked_until_it_knows() -> None:
    with tank() as (device, _):
        device.table.set(2.0, command_id="exp1/dose#1", epoch=7).wait(10)
        device.table.set(3.0).wait(10)
        assert device.sent[0] == (2.0, "exp1/dose#1", 7)
        assert device.sent[1][0] == 3.0
        assert len(device.sent[1][1]) == 32, "an id of its own"
        done = Evidence(state="confirmed", words="done", result={"ml": 2.0})
        device.fates = [None, None, done]
        began = device.clock.now()
        assert found(device.table.find_out(2.0, None, "exp1/dose#1")) == done
        assert device.clock.now() > began, "it waited in lab time"


def test_a_silent_instrument_fails_the_finding_out_and_halts_nothing() -> None:
    with tank() as (device, host):
        host.fault("tank", "no_reply", count=99)
        with pytest.raises(CommunicationError):
            device.counted.find_out(4.0, 0.0, "").wait(10)
        assert "HALT" not in commands(host)


def test_finding_out_is_no_movement_but_ends_with_a_stop() -> None:
    with tank() as (device, host):
        gate = device.clock.actor("gate", busy=True)
        device.command("GIVE 9.0", str)
        status = device.counted.find_out(9.0, 0.0, "")
        device.stop_acts()  # Bluesky, at the end of a plan that had set an axis
        assert "HALT" not in commands(host)
        with pytest.raises(DeviceError, match="still under way"):
            device.counted.find_out(9.0, 0.0, "")
        device.end_acts("enough")
        gate.close()
        with pytest.raises(StoppedError):
            status.wait(10)
        assert "HALT" not in commands(host)


class Kept(Tank):
    measuring = "by_command_id"
    y: Any = Component(Reading, unit="1")

    def trigger(self, command_id: str = "", epoch: int = 0) -> Status:
        raise NotImplementedError

    def measure_outcome(self, command_id: str) -> Evidence | None:
        self.y.hold(0.5)
        return Evidence(state="confirmed", words="kept", result={"y": 0.5})


def test_a_measurement_that_the_instrument_kept_comes_back_into_its_readings() -> None:
    with tank(Kept) as (device, _):
        assert found(device.find_out_measurement("m#1")).result == {"y": 0.5}
        assert device.y.get() == 0.5
    assert Kept.mistakes() == []


class Wrong(LabDevice):
    cannot_halt = "a test"
    measuring = "by_command_id"
    bare: Any = Component(Axis, set="go", unit="", limits=(0, 1), timeout_s=1, reconcile="by_counter", holds=True)
    lost: Any = Component(Axis, set="go", unit="", limits=(0, 1), timeout_s=1, reconcile="by_command_id", ready="redy")
    odd: Any = Component(Axis, set="go", unit="", limits=(0, 1), timeout_s=1, reconcile="by_luck")

    def connect(self) -> None: ...
    def go(self, act: Act, value: float) -> None: ...


class WrongMeter(LabDevice):
    measuring = "by_counter"


def test_what_is_wrong_with_a_declaration_is_told() -> None:
    assert Wrong.mistakes() == [
        "bare is reconciled by_counter, but names no counter",
        "bare is reconciled by_counter, but names no quiet",
        "bare holds a set-point, so it is not reconciled by_counter; say by_state",
        "lost names ready='redy', but there is no such method",
        "lost is reconciled by_command_id, but names no outcome",
        "odd has reconcile='by_luck', which is none of by_command_id, by_counter, by_state, ask",
        "measuring is by_command_id, but it has no measure_outcome(command_id)",
        'measuring is by_command_id, but its trigger does not take command_id="" and epoch=0',
    ]
    assert "a measurement leaves a value" in WrongMeter.mistakes()[-1]


class Disturbing(Tank):
    def connect(self) -> None:
        self.command("HALT", str)


class Forgetful(Tank):
    def halt(self) -> None:
        super().halt()
        self.command("CLEAR", str, urgent=True, repeatable=True)


@pytest.mark.parametrize(
    ("kind", "words"), [(Disturbing, "connecting_disturbs_nothing"), (Forgetful, "stopped half way it is absent")]
)
def test_the_suite_for_drivers_notices(kind: type[Tank], words: str) -> None:
    threads = threading.active_count()

    @contextmanager
    def make() -> Iterator[DeviceUnderTest]:
        with tank(kind) as (device, host):
            yield DeviceUnderTest(device, host, axis="counted", good=4.0, bad=11.0, holds=False)

    with pytest.raises(AssertionError, match=words):
        check_device(make)
    assert threading.active_count() <= threads + 1
