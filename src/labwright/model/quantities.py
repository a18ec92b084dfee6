"""Amounts of material with their unit, in whole nanolitres, micrograms or pieces, so that they add up exactly."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from labwright.model.base import Frozen
from labwright.model.errors import ConfigError
from labwright.model.numbers import number

Counted = Literal["nL", "ug", "pieces"]

UNITS: dict[str, tuple[int, Counted]] = {
    "nL": (1, "nL"), "uL": (1_000, "nL"), "mL": (1_000_000, "nL"), "L": (1_000_000_000, "nL"),
    "ug": (1, "ug"), "mg": (1_000, "ug"), "g": (1_000_000, "ug"), "kg": (1_000_000_000, "ug"),
    "pieces": (1, "pieces"),
}  # fmt: skip
"""What a unit is of what is counted."""

SMALLEST = {"nL": "nanolitre", "ug": "microgram", "pieces": "piece"}

_WRITTEN = re.compile(r"\s*(?P<value>\S*?)\s*(?P<unit>[A-Za-zµμ%³]+)\s*")
_ALSO = {"nl": "nL", "ul": "uL", "ml": "mL", "l": "L", "piece": "pieces"}


class Amount(Frozen):
    """How much of something there is.

    Attributes:
        count: in whole units.
        unit: nanolitres, micrograms, or pieces.
    """

    count: Annotated[int, Field(ge=0)]
    unit: Counted

    def __str__(self) -> str:
        """As it is written in a lab's files, in the largest unit that leaves a number of at least 1."""
        sizes = [(size, name) for name, (size, counted) in UNITS.items() if counted == self.unit]
        size, name = max((one for one in sizes if one[0] <= max(self.count, 1)), key=lambda one: one[0])
        return f"{(Decimal(self.count) / size).normalize():f} {name}"


def amount(text: str) -> Amount:
    """Read an amount with its unit, ``58 mL``.

    Args:
        text: a number and one of the units nL, uL, mL, L, ug, mg, g, kg, pieces.

    Raises:
        ValueError: no unit, another unit, less than nothing, or no whole number of what is counted.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} has no unit; write one of {', '.join(UNITS)} after the number, as in 58 mL")
    unit = found["unit"].replace("µ", "u").replace("μ", "u")  # the micro sign, and the Greek letter
    unit = _ALSO.get(unit, unit)
    if unit not in UNITS:
        raise ValueError(f"{text!r}: no unit {found['unit']!r} for an amount; there are {', '.join(UNITS)}")
    try:
        number(found["value"])  # as strict as all numbers of a lab
    except ConfigError as error:
        raise ValueError(f"{text!r}: {error}") from error
    size, counted = UNITS[unit]
    count = Decimal(found["value"]) * size
    if count < 0:
        raise ValueError(f"{text!r} is less than nothing")
    if count != count.to_integral_value():
        raise ValueError(f"{text!r} is no whole number of {SMALLEST[counted]}s, in which it is counted")
    return Amount(count=int(count), unit=counted)


def _read(value: Any) -> Any:
    if isinstance(value, str):
        return amount(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return amount(str(value))  # which says that the unit is missing
    return value


Quantity = Annotated[
    Amount,
    BeforeValidator(_read),
    WithJsonSchema({"type": "string", "pattern": rf"^[0-9.eE+]+ ?({'|'.join(UNITS)})$", "examples": ["58 mL"]}),
]
"""An amount as a lab's files write it."""
