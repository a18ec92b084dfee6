"""What is taken of the lab's stocks, in whole nanolitres, so that a ledger adds up exactly."""

from __future__ import annotations

from collections.abc import Iterable

from labwright.model.base import Frozen

NL_PER_ML = 1_000_000

ML_PER_UNIT: dict[str, float] = {
    "nl": 1e-6, "nL": 1e-6, "ul": 1e-3, "uL": 1e-3, "µl": 1e-3, "µL": 1e-3, "μl": 1e-3, "μL": 1e-3,
    "ml": 1.0, "mL": 1.0, "cl": 10.0, "cL": 10.0, "l": 1e3, "L": 1e3,
    "mm3": 1e-3, "mm^3": 1e-3, "cm3": 1.0, "cm^3": 1.0,
}  # fmt: skip
"""Millilitres of one of each unit of volume, as drivers write them."""


class Used(Frozen):
    """What was taken of a stock.

    Attributes:
        nl: by operations that are confirmed, nanolitres.
        unknown_nl: at most, by operations whose outcome is in doubt, nanolitres.
    """

    nl: int = 0
    unknown_nl: int = 0

    @property
    def most_nl(self) -> int:
        """All that may be gone."""
        return self.nl + self.unknown_nl

    def __add__(self, other: Used) -> Used:
        return Used(nl=self.nl + other.nl, unknown_nl=self.unknown_nl + other.unknown_nl)

    def __sub__(self, other: Used) -> Used:
        return Used(nl=self.nl - other.nl, unknown_nl=self.unknown_nl - other.unknown_nl)

    def __bool__(self) -> bool:
        return bool(self.nl or self.unknown_nl)


class Part(Frozen):
    """An operation of which the device counts some, but not all.

    Attributes:
        what: the axis, ``pump_3.volume``.
        unit: of the amounts.
        asked: what the plan asked for.
        before: what earlier attempts have done of it.
        counted: what the device counts of the newest attempt.
        stock: that it was taken of; empty if of none.
        nl: what the newest attempt would have taken, nanolitres.
        counted_nl: what it took by the count, nanolitres.
        no_rest: why the rest cannot be done by itself; empty if it can.
    """

    what: str
    unit: str
    asked: float
    before: float = 0.0
    counted: float
    stock: str = ""
    nl: int = 0
    counted_nl: int = 0
    no_rest: str = ""

    @property
    def done(self) -> float:
        """What was done of it in all."""
        return self.before + self.counted

    @property
    def rest(self) -> float:
        """What is missing."""
        return self.asked - self.done


def nanolitres(ml: float) -> int:
    """A volume in whole nanolitres."""
    return round(ml * NL_PER_ML)


def total(taken: Iterable[tuple[str, Used]]) -> dict[str, Used]:
    """The sum for each stock."""
    found: dict[str, Used] = {}
    for stock, used in taken:
        found[stock] = found.get(stock, Used()) + used
    return found
