"""What people do at a station by hand: set one axis of a device, or take one reading; and what can be done so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from labwright.model.base import Frozen, Name, Number
from labwright.model.errors import ConfigError
from labwright.model.words import what_is_wrong

BY_HAND = "by_hand"
"""Name of the protocol, and of the campaign of one experiment, that such an operation is."""

WAIT_S = 1800.0
"""Lab seconds for which an operation waits for its station, unless the person says otherwise; then it is given up."""

LONGEST_S = 86_400.0
"""Lab seconds for which it may wait at most."""


class AxisFacts(Frozen):
    """What can be set of a device.

    Attributes:
        name: of the axis.
        unit: in which it is set; empty for a pure number.
        precision: decimals that mean something.
        low: lowest value, by the driver and the lab's files.
        high: highest value.
        reads: whether the instrument says what it is now.
        closed: why people do not set it by hand, in words; empty if they may.
    """

    name: str
    unit: str
    precision: int
    low: float
    high: float
    reads: bool
    closed: str = ""


class ReadingFacts(Frozen):
    """What a device reports.

    Attributes:
        name: of the reading.
        unit: of it; empty for a pure number.
    """

    name: str
    unit: str


class DeviceFacts(Frozen):
    """What can be done with a device by hand.

    Attributes:
        device: its name.
        axes: what can be set.
        readings: what it reports.
        why_not: why nothing of it is known, in words; empty if it is.
    """

    device: str
    axes: tuple[AxisFacts, ...] = ()
    readings: tuple[ReadingFacts, ...] = ()
    why_not: str = ""


class HandWork(Frozen):
    """What a person wants done at a station.

    Attributes:
        station: its name.
        device: of it.
        axis: that is set; empty if a reading is taken.
        value: to which, in `unit`; None for a reading.
        unit: of the value, as the axis declares it.
        sample_present_ok: it may be set though a sample stands in the station.
        wait_s: lab seconds for which it waits for the station; it is given up then.
    """

    station: Name
    device: Name
    axis: Name | None = None
    value: Number | None = None
    unit: Annotated[str, Field(max_length=64)] = ""
    sample_present_ok: bool = False
    wait_s: Annotated[Number, Field(ge=0, le=LONGEST_S)] = WAIT_S

    @model_validator(mode="after")
    def _axis_and_value(self) -> Self:
        if (self.axis is None) != (self.value is None):
            raise ValueError("give axis and value to set something, and neither to take a reading")
        return self

    @property
    def what(self) -> str:
        """What is done, in words."""
        if self.axis is None or self.value is None:
            return f"read {self.device}"
        return f"set {self.device}.{self.axis} to {self.value:g}{f' {self.unit}' if self.unit else ''}"


def hand_work(given: Mapping[str, Any]) -> HandWork:
    """What a person wants, as it was typed.

    Raises:
        ConfigError: it is no such thing.
    """
    try:
        return HandWork.model_validate(given)
    except ValidationError as error:
        raise ConfigError(what_is_wrong(error)) from error


class ByHand(HandWork):
    """Such an operation as the controller has taken it, with all that its protocol is made of.

    Attributes:
        axis_facts: of the axis; None for a reading.
        timeout_s: lab seconds that it may take.
        until_s: lab time at which it is given up if it has not started.
        keeps: positions that must be free of samples, and stay so until it is over.
        disturbs: stations, and kinds of them, that have the device: what was prepared there holds no more.
        by: the person.
        because: why.
    """

    axis_facts: AxisFacts | None = None
    timeout_s: float
    until_s: float
    keeps: tuple[Name, ...] = ()
    disturbs: tuple[str, ...] = ()
    by: str = ""
    because: str = ""
