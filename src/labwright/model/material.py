"""What is taken of the lab's stocks, in whole nanolitres, micrograms or pieces, so that a ledger adds up exactly."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal

from pydantic import AliasChoices, Field

from labwright.model.base import Frozen
from labwright.model.figures import figure
from labwright.model.quantities import UNITS, Counted

NL_PER_ML = 1_000_000

COUNTED_AS: dict[str, tuple[float, Counted]] = {
    **{name: (float(size), counted) for name, (size, counted) in UNITS.items()},
    "nl": (1.0, "nL"), "ul": (1e3, "nL"), "µl": (1e3, "nL"), "µL": (1e3, "nL"), "μl": (1e3, "nL"), "μL": (1e3, "nL"),
    "ml": (1e6, "nL"), "cl": (1e7, "nL"), "cL": (1e7, "nL"), "l": (1e9, "nL"),
    "mm3": (1e3, "nL"), "mm^3": (1e3, "nL"), "cm3": (1e6, "nL"), "cm^3": (1e6, "nL"),
    "µg": (1.0, "ug"), "μg": (1.0, "ug"),
}  # fmt: skip
"""What one of each unit is of what is counted, as drivers write units."""

SHOWN: dict[Counted, tuple[int, str]] = {"nL": (NL_PER_ML, "ml"), "ug": (1_000, "mg"), "pieces": (1, "pieces")}
"""The unit in which people read amounts, and how many of what is counted it has."""

OUTSIDE = "outside"
"""Where receipts come from, and where what leaves the lab's books goes."""


def container_place(name: str) -> str:
    """A container, as a place of the ledger."""
    return f"container:{name}"


def sample_place(experiment: str) -> str:
    """The container of a sample, by its experiment's id, as a place of the ledger."""
    return f"sample:{experiment}"


def waste_place(name: str) -> str:
    """A waste, as a place of the ledger."""
    return f"waste:{name}"


class Used(Frozen):
    """What was taken of a stock, in whole nanolitres, micrograms or pieces.

    Attributes:
        amount: by operations that are confirmed.
        unknown: at most, by operations whose outcome is in doubt.
    """

    amount: int = Field(default=0, validation_alias=AliasChoices("amount", "nl"))
    unknown: int = Field(default=0, validation_alias=AliasChoices("unknown", "unknown_nl"))

    @property
    def most(self) -> int:
        """All that may be gone."""
        return self.amount + self.unknown

    def __add__(self, other: Used) -> Used:
        return Used(amount=self.amount + other.amount, unknown=self.unknown + other.unknown)

    def __sub__(self, other: Used) -> Used:
        return Used(amount=self.amount - other.amount, unknown=self.unknown - other.unknown)

    def __bool__(self) -> bool:
        return bool(self.amount or self.unknown)


class Part(Frozen):
    """An operation of which the device counts some, but not all.

    Attributes:
        what: the axis, ``pump_3.volume``.
        unit: of the values.
        asked: what the plan asked for.
        before: what earlier attempts have done of it.
        counted: what the device counts of the newest attempt.
        stock: that it was taken of; empty if of none.
        amount: what the newest attempt would have taken, in the stock's smallest unit.
        counted_amount: what it took by the count, in that unit.
        no_rest: why the rest cannot be done by itself; empty if it can.
    """

    what: str
    unit: str
    asked: float
    before: float = 0.0
    counted: float
    stock: str = ""
    amount: int = Field(default=0, validation_alias=AliasChoices("amount", "nl"))
    counted_amount: int = Field(default=0, validation_alias=AliasChoices("counted_amount", "counted_nl"))
    no_rest: str = ""

    @property
    def done(self) -> float:
        """What was done of it in all."""
        return self.before + self.counted

    @property
    def rest(self) -> float:
        """What is missing."""
        return self.asked - self.done


class StockFacts(Frozen):
    """What is known of a stock: what one container holds of one lot.

    Attributes:
        material: what it is.
        lot: the delivery it is of; empty if that is not known.
        unit: in which it is counted.
        labware: the kind of container.
        barcode: what is read from its label.
        place: the source it is dispensed from, ``source:NAME``, or its position, ``position:NAME``; empty on a shelf.
        plate: the container whose well it is in, and with which it is moved; empty if it is in one of its own.
        stations: that can dispense it.
        into: the waste that takes what is dispensed; empty if the sample does.
        opened: the day on which the lot was opened.
        expires: the last day on which it may be used.
        zone: time zone of these days, by name.
        status: whether it may be used.
    """

    material: str = ""
    lot: str = ""
    unit: Counted = "nL"
    labware: str = ""
    barcode: str = ""
    place: str = ""
    plate: str = ""
    stations: tuple[str, ...] = ()
    into: str = ""
    opened: date | None = None
    expires: date | None = None
    zone: str = "UTC"
    status: Literal["released", "quarantined"] = "released"

    @property
    def source(self) -> str:
        """The source it is dispensed from; empty if none."""
        return self.place.removeprefix("source:") if self.place.startswith("source:") else ""

    @property
    def position(self) -> str:
        """Where its container stands; empty if at a source or on a shelf."""
        return self.place.removeprefix("position:") if self.place.startswith("position:") else ""


def nanolitres(ml: float) -> int:
    """A volume in whole nanolitres."""
    return round(ml * NL_PER_ML)


def said(count: float, unit: Counted = "nL") -> str:
    """An amount for people, ``3.5 ml``.

    Args:
        count: in the smallest unit.
        unit: that smallest unit.
    """
    size, name = SHOWN[unit]
    return f"{figure(count / size)} {name}"


def total(taken: Iterable[tuple[str, Used]]) -> dict[str, Used]:
    """The sum for each stock."""
    found: dict[str, Used] = {}
    for stock, used in taken:
        found[stock] = found.get(stock, Used()) + used
    return found


class StockAt(Frozen):
    """A stock as it is booked.

    Attributes:
        facts: what is known of it.
        count: what is there, in its smallest unit.
        dead: what of it must stay.
        unknown: what of it may be gone already.
    """

    facts: StockFacts = StockFacts()
    count: int = Field(ge=0)
    dead: int = Field(default=0, ge=0)
    unknown: int = Field(default=0, ge=0)


class WasteAt(Frozen):
    """A waste as it is booked.

    Attributes:
        capacity: how much it holds; None if that is not known.
        unit: in which it is counted.
        level: what is in it.
        station: whose waste it is.
    """

    capacity: int | None = None
    unit: Counted = "nL"
    level: int = Field(default=0, ge=0)
    station: str = ""
