"""What people can do with the devices of a station by hand, and whether what one of them wants is such a thing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from labwright.clock import LabClock
from labwright.hardware import Axis, LabDevice, MqttLink, Port, Reading
from labwright.lab.classes import in_words, resolve
from labwright.lab.folder import LabFolder
from labwright.model.by_hand import AxisFacts, DeviceFacts, HandWork, ReadingFacts
from labwright.model.errors import ConfigError, LabwrightError, OutOfRangeError, RefusedError, unknown
from labwright.model.lab import LabModel
from labwright.model.material import COUNTED_AS
from labwright.model.ports import MqttAddress

DOSES = "it doses: what is taken from a stock, or put into a waste, is not done by hand in this version"
"""Why an axis is not offered that consumes something."""


def facts_of(device: LabDevice) -> DeviceFacts:
    """What can be set and read of a device; it is asked nothing."""
    axes, readings = [], []
    for name, signal in device._signals.items():  # noqa: SLF001 - ophyd names them nowhere else in their order
        if isinstance(signal, Axis):
            low, high = signal.limits
            doses = bool(signal.ml_per_unit) if signal.ml_per_unit is not None else signal.unit in COUNTED_AS
            closed = DOSES if doses else signal.not_by_hand
            if not low < high and not closed:
                closed = f"its limits leave it no other value than {low:g} {signal.unit}".rstrip()
            axes.append(
                AxisFacts(
                    name=name,
                    unit=signal.unit,
                    precision=signal.precision,
                    low=low,
                    high=high,
                    reads=signal.reads,
                    closed=closed,
                )
            )
        if isinstance(signal, Reading):
            readings.append(ReadingFacts(name=name, unit=signal.unit))
    return DeviceFacts(device=device.name, axes=tuple(axes), readings=tuple(readings))


def facts_by_files(folder: LabFolder) -> dict[str, DeviceFacts]:
    """What can be set and read of each device, by the lab's files and drivers: no port is opened."""
    model, clock, found = folder.model, LabClock(), {}
    for name, spec in model.devices.items():
        address = model.ports[spec.port]
        port: Port | MqttLink
        if isinstance(address, MqttAddress):
            port = MqttLink(spec.port, address, clock.now)
        else:
            port = Port(spec.port, address)
        try:
            with in_words(ConfigError, f"devices.{name}: {spec.driver} refuses its settings"):
                device = resolve(spec.driver)(name=name, port=port, clock=clock, limits=spec.limits, **spec.settings)
                found[name] = facts_of(device)
        except LabwrightError as error:
            found[name] = DeviceFacts(device=name, why_not=str(error))
    return found


def at_station(model: LabModel, station: str) -> dict[str, bool]:
    """Devices of a station, and whether they may be set there: monitors are only read."""
    monitors = model.stations[station].monitors
    return {**dict.fromkeys(monitors, False), **dict.fromkeys(model.devices_at(station), True)}


def refuse_unfit(model: LabModel, facts: Mapping[str, DeviceFacts], work: HandWork) -> AxisFacts | None:
    """The axis that a person wants to set; None for a reading.

    Args:
        model: of the lab.
        facts: of its devices.
        work: what is wanted.

    Raises:
        ConfigError: there is no such station, device or axis, or the value is not in its unit or its limits.
        RefusedError: it is not done by hand.
    """
    spec = model.stations.get(work.station)
    if spec is None:
        raise ConfigError(unknown("station", work.station, list(model.stations)))
    if spec.people:
        raise RefusedError(f"people work at station {work.station}, and it has no device that could be set or read")
    devices = at_station(model, work.station)
    if work.device not in devices:
        raise ConfigError(unknown(f"device of station {work.station}", work.device, list(devices)))
    device = facts[work.device]
    if device.why_not:
        raise RefusedError(f"{work.device}: {device.why_not}")
    if work.axis is None or work.value is None:
        if not device.readings:
            raise RefusedError(f"{work.device} reports nothing that could be read")
        return None
    axes = {one.name: one for one in device.axes}
    what = f"{work.device}.{work.axis}"
    if work.axis not in axes:
        raise ConfigError(unknown(f"axis of {work.device}", work.axis, list(axes)))
    axis = axes[work.axis]
    if not devices[work.device]:
        raise RefusedError(
            f"{what}: station {work.station} only monitors {work.device}; set it at a station that has it"
        )
    if axis.closed:
        raise RefusedError(f"{what} is not set by hand: {axis.closed}")
    for words in _wrong(axis, what, work.value, work.unit):
        raise OutOfRangeError(f"{words}; nothing was sent")
    return axis


def _wrong(axis: AxisFacts, what: str, value: float, unit: str) -> Iterator[str]:
    """What is wrong with a value, with what would be right."""
    limits = f"{axis.low:g} to {axis.high:g}{f' {axis.unit}' if axis.unit else ''}"
    if unit != axis.unit:
        mine = f"in {axis.unit!r}" if axis.unit else "a number without a unit"
        yield f"{what} is {mine}, not in {unit!r}: give a value of {limits}"
    if not math.isfinite(value):
        yield f"{what}: {value!r} is no finite number: give one of {limits}"
    if not axis.low <= value <= axis.high:
        yield f"{what}: {value:g}{f' {unit}' if unit else ''} is outside its limits: give a value of {limits}"
    elif not math.isclose(value, round(value, axis.precision), rel_tol=1e-12):
        decimals = ("no decimals", "1 decimal")[axis.precision] if axis.precision < 2 else f"{axis.precision} decimals"
        yield f"{what}: {value!r} is finer than it is set: give a value with {decimals}, of {limits}"
