"""`check_device`: what every driver must do, whatever it drives. For authors of labs as much as for us.

::

    @contextmanager
    def heater() -> Iterator[DeviceUnderTest]:
        clock = LabClock(100.0)
        with SimHost(clock) as host:
            served = host.serve("line", SerialAddress(type="serial", path="-"), [Heater("heater", Room(clock, 1))])
            port = open_port("line", served)
            device = MyHeater(name="heater", port=port, clock=clock)
            yield DeviceUnderTest(device, host, axis="temperature", good=40.0, bad=900.0)
            port.close()

    def test_heater() -> None:
        check_device(heater)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from ophyd.status import Status

from labwright.hardware import Axis, Evidence, LabDevice, Port
from labwright.model.errors import CommunicationError, DeviceError, LabwrightError, LimitError
from labwright.simulation import SimHost

WAIT_S = 20.0

ASKED = ("by_counter", "by_command_id")
"""How those are reconciled that can be asked what they did."""

FULL, MIDDLE = "check-full", "check-middle"
"""Ids of commands."""


@dataclass
class DeviceUnderTest:
    """A device on its simulated instrument.

    Attributes:
        device: made, not connected yet.
        host: that serves its instrument, under the device's name.
        axis: the attribute to set; empty for a device without one.
        good: a value it can be set to in a few wall seconds.
        bad: a value outside its limits.
        holds: whether the axis then reads about `good`.
        elsewhere: another good value, for an axis that does nothing when it is where it should be.
        another: a second driver object on the same port, for a controller that comes back; the same one if not given.
    """

    device: LabDevice
    host: SimHost
    axis: str = ""
    good: float = 0.0
    bad: float = math.inf
    holds: bool = True
    elsewhere: float | None = None
    another: LabDevice | None = None


MakeDevice = Callable[[], AbstractContextManager[DeviceUnderTest]]


def check_device(make_device: MakeDevice) -> list[str]:
    """Run every check that fits the device, each on a new one.

    Returns:
        the names of the checks that were run.

    Raises:
        AssertionError: naming the check and what went wrong.
    """
    done = []
    for check in CHECKS:
        with make_device() as one:
            name = check.__name__.removeprefix("_")
            if check in NEED_AXIS and not one.axis:
                continue
            if check is _tells_whether_it_was_done and _axis(one).reconcile not in ASKED:
                continue
            one.device.connect()
            try:
                check(one)
            except AssertionError as error:
                raise AssertionError(f"{one.device.name}, {name}: {error}") from error
            done.append(name)
    return done


def _is_a_whole_driver(one: DeviceUnderTest) -> None:
    _check(not (found := type(one.device).mistakes()), "; ".join(found))


def _says_what_it_measures(one: DeviceUnderTest) -> None:
    values, described = _measured(one), one.device.describe()
    _check(set(described) == set(values), f"describe and read disagree: {set(described) ^ set(values)}")
    _check(bool(values), "it reads nothing")
    for key, about in described.items():
        _check(key.startswith(one.device.name), f"{key} does not begin with the device's name")
        _check("units" in about and "precision" in about, f"{key} has no units or no precision")
        _check(bool(about["source"]), f"{key} does not state its source")
    if one.axis:
        about = described[f"{one.device.name}_{one.axis}"]
        _check(about["lower_ctrl_limit"] < about["upper_ctrl_limit"], "the axis has no limits")


def _sets_and_reads_back(one: DeviceUnderTest) -> None:
    _axis(one).set(one.good).wait(WAIT_S)
    if one.holds:
        here = float(_axis(one).get())
        _check(abs(here - one.good) <= max(1.0, 0.05 * abs(one.good)), f"set to {one.good}, it reads {here}")


def _refuses_before_the_wire(one: DeviceUnderTest) -> None:
    before = _sent(one)
    wrong: tuple[Any, ...] = (one.bad, math.nan, math.inf, -math.inf, True, "1", None)
    for value in wrong:
        try:
            _axis(one).set(value)
        except LimitError as error:
            _check("nothing was sent" in str(error), f"{error} does not state that nothing was sent")
        else:
            raise AssertionError(f"{one.device.name}.{one.axis} took {value!r}")
    _check(_sent(one) == before, "a refused value reached the wire")


def _stops_in_the_middle(one: DeviceUnderTest) -> None:
    hold = one.device.clock.actor("the check", busy=True)  # on a stepped clock the act must not end before the stop
    status = _axis(one).set(one.good)
    before = one.host.instrument(one.device.name).commands.total()
    one.device.stop()
    after = one.host.instrument(one.device.name).commands.total()
    hold.close()
    _check(bool(one.device.cannot_halt) or after > before, "stop() sent nothing to the instrument")
    try:
        status.wait(WAIT_S)
    except LabwrightError:
        return
    raise AssertionError("a stopped act ended as if it had been done")


def _connecting_disturbs_nothing(one: DeviceUnderTest) -> None:
    """A controller that comes back finds what is under way still running, and it ends as it should."""
    axis = _axis(one)
    took_s = _seconds_for(one)
    axis.make_ready(one.good)
    witness = axis.witness()
    with _in_the_middle(one, took_s) as status:
        (one.another or one.device).connect()
    try:
        status.wait(WAIT_S)
    except LabwrightError as error:
        raise AssertionError(f"connecting a second time ended what was under way: {error}") from error
    evidence = _found_out(one, witness)
    if axis.reconcile in ASKED:
        _check(evidence.state == "confirmed", f"connecting a second time spoilt what was under way: {evidence.words}")
    if one.holds:
        here = float(axis.get())
        _check(abs(here - one.good) <= max(1.0, 0.05 * abs(one.good)), f"set to {one.good}, it reads {here}")


def _tells_whether_it_was_done(one: DeviceUnderTest) -> None:
    axis = _axis(one)
    took_s = _seconds_for(one)
    axis.make_ready(one.good)
    witness = axis.witness()
    axis.set(one.good, command_id=FULL, epoch=1).wait(WAIT_S)
    evidence = _found_out(one, witness, FULL)
    _check(evidence.state == "confirmed", f"after the whole act it is {evidence.state}: {evidence.words}")
    axis.make_ready(one.good)
    evidence = _found_out(one, axis.witness(), "never-sent")
    _check(evidence.state == "absent", f"without an act it is {evidence.state}: {evidence.words}")
    axis.make_ready(one.good)
    witness = axis.witness()
    with _in_the_middle(one, took_s) as status:
        seen = axis.witness()
        one.device.stop()
    ended_well = True
    try:
        status.wait(WAIT_S)
    except LabwrightError:
        ended_well = False
    evidence = _found_out(one, witness)
    if ended_well:  # on a clock that is not stepped the middle may come too late
        _check(evidence.state == "confirmed", f"after the whole act it is {evidence.state}: {evidence.words}")
        return
    # It may have done nothing yet, or all, when it was stopped: then its counter had shown so before.
    counted = None if witness is None or seen is None else seen - witness
    nothing = counted is not None and abs(counted) < 0.02 * abs(one.good)
    everything = counted is not None and abs(counted - one.good) < 0.02 * abs(one.good)
    _check(evidence.state != "absent" or nothing, f"stopped half way it is absent: {evidence.words}")
    _check(evidence.state != "confirmed" or everything, f"stopped half way it is confirmed: {evidence.words}")
    _check(bool(evidence.words), "it gives no words for a person to judge by")


def _notices_a_lost_line_and_recovers(one: DeviceUnderTest) -> None:
    one.host.fault(one.device.name, "no_reply", count=1_000)
    try:
        one.device.connect()
    except CommunicationError as error:
        _check("port" in str(error), f"{error} does not name the port")
    else:
        raise AssertionError("it connects to an instrument that does not answer")
    one.host.clear_faults()
    one.device.connect()
    _measured(one)


def _never_misreads(one: DeviceUnderTest) -> None:
    """Lost, changed, cut-off and late bytes: a value is right, or it is an error."""
    good = _measured(one)
    late_s = 1.5 * one.device.port.address.timeout_s
    kinds = one.host.instrument(one.device.name).wire_kinds
    for kind in kinds:
        # a late reply costs a time-out each, and meets the next question the second time
        for _ in range(2 if kind in ("slow", "no_reply", "disconnect") else 8):
            one.host.fault(one.device.name, kind, value=late_s)
            try:
                values = _measured(one)
            except DeviceError:
                continue
            finally:
                one.host.clear_faults()
            for key, value in values.items():
                _check(_like(value["value"], good[key]["value"]), f"{kind}: {key} read {value['value']!r}")


def _survives_a_restart(one: DeviceUnderTest) -> None:
    """After a power cut it is found again as soon as the instrument is back."""
    one.host.fault(one.device.name, "power_cycle")
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            one.device.connect()
            _measured(one)
            return
        except CommunicationError:
            _check(time.monotonic() < deadline, f"it does not come back within {WAIT_S:g} s")


CHECKS: tuple[Callable[[DeviceUnderTest], None], ...] = (
    _is_a_whole_driver,
    _says_what_it_measures,
    _sets_and_reads_back,
    _refuses_before_the_wire,
    _stops_in_the_middle,
    _connecting_disturbs_nothing,
    _tells_whether_it_was_done,
    _notices_a_lost_line_and_recovers,
    _never_misreads,
    _survives_a_restart,
)
NEED_AXIS = (
    _sets_and_reads_back,
    _refuses_before_the_wire,
    _stops_in_the_middle,
    _connecting_disturbs_nothing,
    _tells_whether_it_was_done,
)


@contextmanager
def _in_the_middle(one: DeviceUnderTest, took_s: float) -> Iterator[Status]:
    """Inside, the act is about half done, and on a stepped clock lab time stands still."""
    gate = one.host.clock.actor("check", busy=True)
    try:
        status = _axis(one).set(one.good, command_id=MIDDLE, epoch=1)
        gate.sleep(took_s / 2)
        yield status
    finally:
        gate.close()


def _seconds_for(one: DeviceUnderTest) -> float:
    """Lab seconds the act takes, by doing it once; then the instrument is elsewhere again."""
    begun_s = one.host.clock.now()
    _axis(one).set(one.good).wait(WAIT_S)
    took_s = one.host.clock.now() - begun_s
    if one.elsewhere is not None:
        _axis(one).set(one.elsewhere).wait(WAIT_S)
    return took_s


def _found_out(one: DeviceUnderTest, witness: float | None, command_id: str = MIDDLE) -> Evidence:
    status = _axis(one).find_out(one.good, witness, command_id)
    status.wait(WAIT_S)
    if status.evidence is None:
        raise AssertionError("reconciling it gave no evidence, not even that it cannot be known")
    return status.evidence


def _measured(one: DeviceUnderTest) -> dict[str, dict[str, Any]]:
    """Its readings, measured now."""
    one.device.trigger().wait(WAIT_S)
    values: dict[str, dict[str, Any]] = one.device.read()
    return values


def _axis(one: DeviceUnderTest) -> Axis:
    axis: Any = getattr(one.device, one.axis)
    _check(isinstance(axis, Axis), f"{one.axis} is no Axis")
    found: Axis = axis
    return found


def _sent(one: DeviceUnderTest) -> int:
    return one.device.port.stats.exchanges if isinstance(one.device.port, Port) else 0


def _like(value: Any, good: Any) -> bool:
    """Whether a reading is near what an undisturbed one was; noise of an instrument, 2 % of its range, is allowed."""
    if isinstance(good, str) or isinstance(value, str):
        return bool(value == good)
    here, there = np.asarray(value, dtype=float), np.asarray(good, dtype=float)
    return here.shape == there.shape and bool((np.abs(here - there) <= max(0.1, 0.02 * np.abs(there).max())).all())


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
