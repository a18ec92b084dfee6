"""Places that work on samples."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from labwright.model.base import Frozen, Name, NotNegative, Whole


def _form(devices: Any) -> str:
    return "each" if isinstance(devices, list | tuple) else "one"


RoleDevices = Annotated[
    Annotated[Name, Tag("one")] | Annotated[tuple[Name, ...], Tag("each"), Field(min_length=1)],
    Discriminator(_form),
]
"""The device that plays a role, or one for each slot."""


class StationSpec(Frozen):
    """A place that works on samples.

    Attributes:
        title: what people call it.
        devices: device by the role it plays here; a list has one for each slot, in the order of the station's
            positions.
        monitors: devices read at the beginning of every step; their alarm stops it.
        slots: how many samples it works on at once.
        recipe: whether all samples in its slots get the same at the same time (``one``), or each its own (``own``).
        starts: whether they begin and end ``together``, as in a furnace whose door is shut meanwhile, or each by itself
            (``alone``).
        batch_wait_s: how long a batch that could begin waits for another sample, lab seconds.
        kind: what a protocol may call it by, where several stations can stand in for each other.
        attended: the calendar of the people without whom it does nothing; none are needed if None.
        people: whether people do its steps, by task cards; such a station has no devices.
    """

    title: str
    devices: dict[Name, RoleDevices] = {}
    monitors: tuple[Name, ...] = ()
    slots: Annotated[Whole, Field(ge=1, le=1000)] = 1
    recipe: Literal["one", "own"] = "one"
    starts: Literal["alone", "together"] = "alone"
    batch_wait_s: NotNegative = 0.0
    kind: Name | None = None
    attended: Name | None = None
    people: bool = False

    @model_validator(mode="after")
    def _devices_or_people(self) -> Self:
        if self.people and (self.devices or self.monitors):
            raise ValueError(
                "people: true, but it has devices; give what an instrument does a station of its own, and what people "
                "do another"
            )
        if self.people and self.starts == "together":
            raise ValueError("people: true, but starts: together; each card is signed by itself: write starts: alone")
        if not self.people and "devices" not in self.model_fields_set:
            raise ValueError("it has no devices; name them, or write people: true where people do the steps")
        return self

    @property
    def role_devices(self) -> tuple[str, ...]:
        """Names of all devices that play a role here, each once."""
        names = [name for of_role in self.devices.values() for name in named(of_role)]
        return tuple(dict.fromkeys(names))


def named(of_role: str | tuple[str, ...]) -> tuple[str, ...]:
    """Names of the devices of a role: one, or one for each slot."""
    return (of_role,) if isinstance(of_role, str) else of_role
