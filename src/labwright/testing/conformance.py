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
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from labwright.hardware import Axis, LabDevice, Port
from labwright.model.errors import CommunicationError, DeviceError, LabwrightError, LimitError
from labwright.simulation import SimHost

WAIT_S = 20.0


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
    """

    device: LabDevice
    host: SimHost
    axis: str = ""
    good: float = 0.0
    bad: float = math.inf
    holds: bool = True


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
            if check in NEED_LINE and not isinstance(one.device.port, Port):
                continue
            one.device.connect()
            check(one)
            done.append(name)
    return done


def _says_what_it_measures(one: DeviceUnderTest) -> None:
    described, values = one.device.describe(), one.device.read()
    _check(set(described) == set(values), f"describe and read disagree: {set(described) ^ set(values)}")
    _check(bool(values), "it reads nothing")
    for key, about in described.items():
        _check(key.startswith(one.device.name), f"{key} does not begin with the device's name")
        _check("units" in about and "precision" in about, f"{key} has no units or no precision")
        _check(bool(about["source"]), f"{key} does not say where it comes from")
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
            _check("nothing was sent" in str(error), f"{error} does not say that nothing was sent")
        else:
            raise AssertionError(f"{one.device.name}.{one.axis} took {value!r}")
    _check(_sent(one) == before, "a refused value reached the wire")


def _stops_in_the_middle(one: DeviceUnderTest) -> None:
    status = _axis(one).set(one.good)
    one.device.stop()
    try:
        status.wait(WAIT_S)
    except LabwrightError:
        return
    raise AssertionError("a stopped act ended as if it had been done")


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
    one.device.read()


def _never_misreads(one: DeviceUnderTest) -> None:
    good = one.device.read()
    for kind in ("drop_byte", "garbage", "truncate", "no_reply"):
        for _ in range(8):
            one.host.fault(one.device.name, kind)
            try:
                values = one.device.read()
            except DeviceError:
                continue
            finally:
                one.host.clear_faults()
            for key, value in values.items():
                _check(_like(value["value"], good[key]["value"]), f"{kind}: {key} read {value['value']!r}")


def _survives_a_power_cut(one: DeviceUnderTest) -> None:
    one.host.fault(one.device.name, "power_cycle")
    one.device.connect()
    one.device.read()


CHECKS: tuple[Callable[[DeviceUnderTest], None], ...] = (
    _says_what_it_measures,
    _sets_and_reads_back,
    _refuses_before_the_wire,
    _stops_in_the_middle,
    _notices_a_lost_line_and_recovers,
    _never_misreads,
    _survives_a_power_cut,
)
NEED_AXIS = (_sets_and_reads_back, _refuses_before_the_wire, _stops_in_the_middle)
NEED_LINE = (_never_misreads, _survives_a_power_cut)


def _axis(one: DeviceUnderTest) -> Axis:
    axis: Any = getattr(one.device, one.axis)
    _check(isinstance(axis, Axis), f"{one.axis} is no Axis")
    found: Axis = axis
    return found


def _sent(one: DeviceUnderTest) -> int:
    return one.device.port.stats.exchanges if isinstance(one.device.port, Port) else 0


def _like(value: Any, good: Any) -> bool:
    """Whether a reading is near what an undisturbed one was; noise of a few percent is allowed."""
    if isinstance(good, (int, float)) and isinstance(value, (int, float)):
        return abs(value - good) <= max(1.0, 0.1 * abs(good))
    return type(value) is type(good)


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
