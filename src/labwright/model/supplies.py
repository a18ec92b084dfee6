"""What a lab works with: materials, deliveries of them, the containers they stand in, and what dispenses those."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from labwright.model.base import Frozen, Name
from labwright.model.quantities import Quantity

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
"""What is written on a lot or a container: letters, digits, and ``_ . -`` between them."""

Hazard = Annotated[str, Field(pattern=r"^(EU)?H[0-9]{3}[A-Za-z]{0,2}$", examples=["H225"])]
"""A hazard statement of GHS or CLP."""


def _written(value: Any) -> Any:
    if isinstance(value, int | float):  # pydantic takes a number for seconds since 1970
        raise ValueError(f"write it as 2026-11-01, not {value!r}")
    return value


Day = Annotated[date, BeforeValidator(_written)]


class MaterialSpec(Frozen):
    """What it is.

    Attributes:
        title: what people call it.
        cas: its number in the CAS registry; empty for mixtures.
        hazards: statements of GHS or CLP.
        storage: how to keep it.
    """

    title: str
    cas: str = ""
    hazards: tuple[Hazard, ...] = ()
    storage: str = ""

    @field_validator("cas")
    @classmethod
    def _its_last_digit_fits(cls, cas: str) -> str:
        digits = cas.replace("-", "")
        parts = [len(part) for part in cas.split("-")]
        if cas and not (digits.isdecimal() and len(parts) == 3 and 2 <= parts[0] <= 7 and parts[1:] == [2, 1]):
            raise ValueError(f"{cas!r} is no CAS number, as 616-38-6 is one")
        # The last digit: the sum of the others, each times its place from the right, modulo 10 (cas.org, check digit).
        if cas and sum(place * int(digit) for place, digit in enumerate(digits[-2::-1], 1)) % 10 != int(digits[-1]):
            raise ValueError(f"{cas!r} is no CAS number: its last digit does not fit the others; compare the label")
        return cas


class LotSpec(Frozen):
    """One delivery of a material, or one batch that was made here.

    Attributes:
        material: what it is.
        supplier: who it is from.
        opened: the day on which it was opened.
        expires: the last day on which it may be used.
        status: whether it may be used.
    """

    material: Name
    supplier: str = ""
    opened: Day | None = None
    expires: Day | None = None
    status: Literal["released", "quarantined"] = "released"

    @model_validator(mode="after")
    def _opened_before_it_expires(self) -> LotSpec:
        if self.opened is not None and self.expires is not None and self.expires < self.opened:
            raise ValueError(
                f"expires on {self.expires}, before it was opened on {self.opened}; correct one of the days"
            )
        return self


Well = Annotated[str, Field(pattern=r"^[A-Z]{1,2}[1-9][0-9]?$", examples=["A1"])]
"""A well of a plate: its row and its column."""


def well_name(container: str, well: str) -> str:
    """The name of a well, as a stock."""
    return f"{container}.{well}"


class WellContent(Frozen):
    """What a well holds.

    Attributes:
        lot: what is in it.
        quantity: how much of it is there at the first fill, with its unit.
    """

    lot: str
    quantity: Quantity


class ContainerSpec(Frozen):
    """A container that is not empty, or that is known by its barcode.

    Attributes:
        labware: its kind.
        lot: what is in it; nothing, or nothing that is counted, if empty.
        quantity: how much of it is there at the first fill, with its unit.
        barcode: what is read from its label.
        wells: what its wells hold, by well; each is a stock of its own, ``CONTAINER.WELL``.
    """

    labware: Name
    lot: str = ""
    quantity: Quantity | None = None
    barcode: str = ""
    wells: dict[Well, WellContent] = {}

    @model_validator(mode="after")
    def _in_it_or_in_its_wells(self) -> ContainerSpec:
        if self.wells and self.lot:
            raise ValueError(f"lot {self.lot} is in it, and lots are in its wells; write one of both")
        return self

    @model_validator(mode="after")
    def _so_much_of_something(self) -> ContainerSpec:
        if self.quantity is not None and not self.lot:
            raise ValueError(f"{self.quantity}, but of what? Name its lot")
        if self.quantity is None and self.lot:
            raise ValueError(f"how much of lot {self.lot} is there? Write its quantity, as in 58 mL")
        return self


class SourceSpec(Frozen):
    """A container from which a device dispenses.

    Attributes:
        device: what dispenses.
        container: from what.
        station: where; wherever the device plays a role if empty.
        into: the waste that takes what is dispensed, of a rinse say; empty if the sample does.
        settings: what the protocol must know to dispense from it, in JSON: the port of a valve, say.
    """

    device: Name
    container: Label
    station: str = ""
    into: str = ""
    settings: dict[str, Any] = {}


class WasteSpec(Frozen):
    """Where liquids go.

    Attributes:
        title: what people call it.
        station: whose liquids go there.
        capacity: how much it holds, with its unit.
        device: what it takes out of the sample goes there as well; empty if nothing does.
    """

    title: str
    station: Name
    capacity: Quantity
    device: str = ""
