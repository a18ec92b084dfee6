"""The protocol of what people do at a station by hand: one step, which sets one axis, or takes one reading."""

from __future__ import annotations

from typing import Any, ClassVar

from labwright.model.by_hand import BY_HAND, ByHand
from labwright.model.errors import ConfigError, unknown
from labwright.model.lab import LabModel
from labwright.model.protocol import (
    IntegerParameter,
    NumberParameter,
    NumberResult,
    ProtocolParameter,
    ProtocolResult,
    ProtocolSpec,
    StepSpec,
)
from labwright.stations.protocol import LabProtocol, Plan, StepContext
from labwright.stations.stubs import look, observe, physical

EXPECTED = 4
"""Where nothing else is known, it should take such a part of the time it may take."""

READ_S = 30.0
"""What taking a reading should take, lab seconds."""

SET_TO, READ_BACK, VALUES = "set_to", "read_back", "values_read"
"""What it finds: to what an axis was set and what it reads then, or how many values a reading has."""


class ByHandProtocol(LabProtocol):
    """Set one axis of one device of a station, or read one device.

    Args:
        lab: in which.
        work: what is done.
    """

    name = BY_HAND
    title = "By hand"
    steps: ClassVar[tuple[StepSpec, ...]] = ()

    def __init__(self, lab: LabModel, work: ByHand) -> None:
        super().__init__(lab)
        self._work = work
        vars(self)["spec"] = spec_by_hand(work)
        for part in ("parameters", "results", "steps"):
            setattr(self, part, getattr(self.spec, part))  # of the class for other protocols

    def set(self, context: StepContext) -> Plan:
        """Set the axis, and read it where that can be read."""
        axis = getattr(self._device(context), self._work.axis or "")
        done = yield from physical(context, axis, context.order.parameters["value"])
        found = {SET_TO: done}
        if self._reads_back:
            readings = yield from look(context, _Alone(axis))
            found[READ_BACK] = float(readings[axis.name])
        return found

    def read(self, context: StepContext) -> Plan:
        """Read the device."""
        values = yield from observe(context, self._device(context))
        return {VALUES: float(len(values))}

    @property
    def _reads_back(self) -> bool:
        return any(one.name == READ_BACK for one in self.spec.results)

    def _device(self, context: StepContext) -> Any:
        name = self._work.device
        if name not in context.here:
            raise ConfigError(f"station {self._work.station}: {unknown('device', name, list(context.here))}")
        return context.here[name]


class _Alone:
    """An axis as the only one of its device: so it is recorded as what that has said.

    Args:
        axis: that is read, and nothing else of its device.
    """

    parent = None

    def __init__(self, axis: Any) -> None:
        self.name = axis.parent.name
        self.read, self.describe = axis.read, axis.describe


def spec_by_hand(work: ByHand) -> ProtocolSpec:
    """The protocol of an operation by hand, as data."""
    axis = work.axis_facts
    sets = axis is not None
    parameters: tuple[ProtocolParameter, ...] = (IntegerParameter(name="times", low=1, high=2),)
    results: tuple[ProtocolResult, ...] = (NumberResult(name=VALUES, unit="1"),)
    if axis is not None:
        parameters = (NumberParameter(name="value", unit=axis.unit, low=axis.low, high=axis.high),)
        results = tuple(
            NumberResult(name=name, unit=axis.unit) for name in (SET_TO, *((READ_BACK,) if axis.reads else ()))
        )
    return ProtocolSpec(
        name=BY_HAND,
        version="1",
        title=f"By hand: {work.what}",
        parameters=parameters,
        results=results,
        steps=(
            StepSpec(
                name="set" if sets else "read",
                station=work.station,
                expected_s=work.timeout_s / EXPECTED if sets else READ_S,
                timeout_s=work.timeout_s,
                sample=False,
                keeps=work.keeps,
                on_failure="stop",
            ),
        ),
        by_hand=work,
    )
