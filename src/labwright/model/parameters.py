"""What a campaign may choose: real, whole, listed and named values, each with its way to the unit interval and back.

What a protocol takes of them: `labwright.model.protocol_parameters`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictInt, StrictStr, field_validator, model_validator

from labwright.model.base import FrozenModel
from labwright.model.errors import unknown

__all__ = [
    "FLAG_LEVELS",
    "Categorical",
    "Flag",
    "Integer",
    "Ordinal",
    "ParamValue",
    "Parameter",
    "Params",
    "Real",
    "digits_of",
    "flag_level",
    "in_unit",
    "repeated",
    "same",
    "slack_at",
    "truth_of",
]

FiniteFloat = Annotated[float, Field(strict=True, allow_inf_nan=False)]
FLAG_LEVELS = ("false", "true")
"""What the two values of a flag are called where levels have names."""


def flag_level(value: Any) -> Any:
    """A truth value as the level of a flag; anything else as it is."""
    return FLAG_LEVELS[value] if isinstance(value, bool) else value


def truth_of(parameter: Parameter, value: ParamValue) -> ParamValue | bool:
    """A value as a table has it: that of a flag as a truth value."""
    return value == "true" if isinstance(parameter, Flag) else value


ParamValue = Annotated[StrictInt | FiniteFloat | StrictStr, BeforeValidator(flag_level)]
"""The value of one parameter; NaN or infinity is none, and a truth value is read as the level of a flag."""
Params = dict[str, ParamValue]
"""Values by parameter name."""

ROUNDING = 1e-9  # relative slack of bounds and constraints: arithmetic on doubles, no physical tolerance
DIGITS = 12  # significant digits of a value made from the unit cube: no 0.30000000000000004 in front of a person
FAR = 1e3  # distance from 0, in ranges, from which slack and digits follow the range instead of the value
DOUBLE = 1e-14  # relative: what a value loses in text of 15 digits
DUST = 1e-12  # of a range that is searched evenly: what is left over from a subtraction
_WHOLE = 2**53  # up to which doubles tell whole numbers apart


class _Bounded(FrozenModel):
    """What a parameter with a lower and an upper bound shares."""

    name: str = Field(min_length=1)
    unit: str

    @staticmethod
    def _ordered(name: str, low: float, high: float) -> None:
        if not low < high:
            raise ValueError(f"parameter {name!r}: low {low:g} is not below high {high:g}; swap or widen them")
        if not math.isfinite(high - low):
            raise ValueError(f"parameter {name!r}: the range from {low:g} to {high:g} is too wide for a number")

    @staticmethod
    def _outside(name: str, value: float, low: float, high: float, unit: str) -> list[str]:
        # As many digits as it takes to see it.
        for digits in (6, 12, 17):
            told, ends = f"{value:.{digits}g}", (f"{low:.{digits}g}", f"{high:.{digits}g}")
            if told not in ends:
                break
        return [f"{name} = {told}{in_unit(unit)} is outside {ends[0]} to {ends[1]}{in_unit(unit)}"]


class Real(_Bounded):
    """A continuous parameter.

    Args:
        name: its name, unique in the space.
        low: smallest value, in `unit`.
        high: largest value, in `unit`.
        unit: physical unit, as in ``"mol/kg"``; ``"1"`` for a ratio.
        log: search it on a logarithmic scale; needs a positive `low`.
        step: resolution the lab can make; proposals fall on ``low + k * step`` or on `high`.
    """

    type: Literal["real"] = "real"
    low: FiniteFloat
    high: FiniteFloat
    log: bool = False
    step: FiniteFloat | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._ordered(self.name, self.low, self.high)
        if self.log and self.low <= 0:
            raise ValueError(f"parameter {self.name!r}: a log scale needs low > 0, not {self.low:g}")
        if self.log and not math.isfinite(self.high / self.low):
            raise ValueError(f"parameter {self.name!r}: {self.high:g} is too many times its low {self.low:g}")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(
                f"parameter {self.name!r}: step {self.step:g} is wider than its range {self.high - self.low:g}"
            )
        return self

    def violations(self, value: ParamValue) -> list[str]:
        """Why `value` is not allowed, one sentence each; empty if it is. A value between two steps is allowed."""
        if isinstance(value, str | bool) or not math.isfinite(value):
            return [
                f"{self.name} = {value!r} is not a finite number ({self.low:g} to {self.high:g}{in_unit(self.unit)})"
            ]
        if self.low - slack_at(self, self.low) <= value <= self.high + slack_at(self, self.high):
            return []
        return self._outside(self.name, value, self.low, self.high, self.unit)

    def to_unit(self, value: ParamValue) -> float:
        """Where `value` lies between low (0) and high (1); on a log scale nothing at all counts as `low`."""
        number = float(value)
        if self.log:
            return math.log((number if number > 0 else self.low) / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def from_unit(self, position: float) -> float:
        """The value at `position` in 0 to 1, snapped to `step`; 0 and 1 give low and high exactly."""
        if position <= 0:
            return self.low
        if position >= 1:
            return self.high
        if self.log:
            value = self.low * (self.high / self.low) ** position
        else:
            value = self.low + position * (self.high - self.low)
        if self.step is not None:
            snapped = self.low + round((value - self.low) / self.step) * self.step
            value = self.high if snapped > self.high or self.high - value < abs(snapped - value) else snapped
        return min(max(float(f"{value:.{digits_of(self)}g}"), self.low), self.high)


class Integer(_Bounded):
    """A whole number from `low` to `high`, both included."""

    type: Literal["integer"] = "integer"
    low: StrictInt
    high: StrictInt
    unit: str = "1"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._ordered(self.name, self.low, self.high)
        if max(abs(self.low), abs(self.high)) > _WHOLE:
            raise ValueError(
                f"parameter {self.name!r}: whole numbers beyond {_WHOLE} cannot be distinguished; shift or rescale it"
            )
        return self

    def violations(self, value: ParamValue) -> list[str]:
        """Why `value` is not allowed, one sentence each; empty if it is."""
        if isinstance(value, str | bool) or not math.isfinite(value) or value != int(value):
            return [f"{self.name} = {value!r} is not a whole number ({self.low} to {self.high}{in_unit(self.unit)})"]
        if self.low <= value <= self.high:
            return []
        return self._outside(self.name, value, self.low, self.high, self.unit)

    def to_unit(self, value: ParamValue) -> float:
        """The middle of the value's share of 0 to 1: every value has the same share."""
        return (float(value) - self.low + 0.5) / (self.high - self.low + 1)

    def from_unit(self, position: float) -> int:
        """The value whose share of 0 to 1 holds `position`."""
        return self.low + _share(position, self.high - self.low + 1)


class Ordinal(FrozenModel):
    """One of several numbers, such as the presets of a furnace.

    Args:
        name: its name, unique in the space.
        unit: physical unit of the values; ``"1"`` for a ratio.
        values: all it can be set to, in `unit`, each larger than the one before it.
    """

    type: Literal["ordinal"] = "ordinal"
    name: str = Field(min_length=1)
    unit: str
    values: tuple[FiniteFloat, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for before, after in zip(self.values, self.values[1:], strict=False):
            if not before < after:
                raise ValueError(
                    f"parameter {self.name!r}: its values must rise, but {after:g} comes after {before:g}; sort them"
                )
        if not math.isfinite(self.values[-1] - self.values[0]):
            raise ValueError(f"parameter {self.name!r}: its values lie too far apart for a number")
        return self

    @property
    def low(self) -> float:
        """The smallest of its values."""
        return self.values[0]

    @property
    def high(self) -> float:
        """The largest of its values."""
        return self.values[-1]

    def violations(self, value: ParamValue) -> list[str]:
        """Why `value` is not allowed, one sentence each; empty if it is."""
        known = f"{', '.join(f'{one:g}' for one in self.values)}{in_unit(self.unit)}"
        if isinstance(value, str | bool) or not math.isfinite(value):
            return [f"{self.name} = {value!r} is not a finite number ({known})"]
        if same(self, value, self._nearest(value)):
            return []
        return [f"{self.name} = {value:g}{in_unit(self.unit)} is none of its values ({known})"]

    def to_unit(self, value: ParamValue) -> float:
        """Where `value` lies between the smallest (0) and the largest (1): distances are those of the values."""
        return (float(value) - self.low) / (self.high - self.low)

    def from_unit(self, position: float) -> float:
        """The value nearest to `position` in 0 to 1."""
        return self._nearest(self.low + position * (self.high - self.low))

    @property
    def gap(self) -> float:
        """The smallest distance of two of its values."""
        return min(after - before for before, after in zip(self.values, self.values[1:], strict=False))

    def _nearest(self, number: float) -> float:
        return min(self.values, key=lambda one: abs(one - number))


class Categorical(FrozenModel):
    """One of several named levels, without an order among them.

    Args:
        name: its name, unique in the space.
        levels: their names.
        descriptors: what is known of each level in numbers, the same names for all, as ``{"EC": {"donicity": 16.4}}``;
            empty to go without those that a protocol declares.
    """

    type: Literal["categorical"] = "categorical"
    name: str = Field(min_length=1)
    levels: tuple[StrictStr, ...] = Field(min_length=2)
    descriptors: dict[str, dict[str, FiniteFloat]] | None = None

    @field_validator("levels")
    @classmethod
    def _distinct(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if twice := repeated(levels):
            raise ValueError(f"levels given twice: {', '.join(twice)}")
        return levels

    @model_validator(mode="after")
    def _described(self) -> Self:
        if self.descriptors and (found := _bad_descriptors(self.levels, self.descriptors)):
            raise ValueError(f"parameter {self.name!r}: descriptors: {'; '.join(found)}")
        return self

    def violations(self, value: ParamValue) -> list[str]:
        """Why `value` is not allowed, one sentence each; empty if it is."""
        return [] if value in self.levels else [f"{self.name}: {unknown('level', str(value), self.levels)}"]

    def to_unit(self, value: ParamValue) -> float:
        """The middle of the level's share of 0 to 1."""
        return (self.levels.index(str(value)) + 0.5) / len(self.levels)

    def from_unit(self, position: float) -> str:
        """The level whose share of 0 to 1 holds `position`."""
        return self.levels[_share(position, len(self.levels))]


class Flag(Categorical):
    """Yes or no; to a planner a category with two levels, to a protocol ``True`` or ``False``.

    Args:
        name: its name, unique in the space.
    """

    type: Literal["flag"] = "flag"  # type: ignore[assignment]  # one of several kinds of category
    levels: tuple[StrictStr, ...] = FLAG_LEVELS

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.levels != FLAG_LEVELS or self.descriptors:
            raise ValueError(f"parameter {self.name!r}: a flag is true or false; leave out levels and descriptors")
        return self

    def violations(self, value: Any) -> list[str]:
        """Why `value` is not allowed, one sentence each; empty if it is."""
        return [] if flag_level(value) in FLAG_LEVELS else [f"{self.name} = {value!r} is not true or false"]

    def to_unit(self, value: Any) -> float:
        """The middle of the value's half of 0 to 1."""
        return super().to_unit(flag_level(value))


Parameter = Annotated[Real | Integer | Ordinal | Categorical | Flag, Field(discriminator="type")]


def slack_at(parameter: Real | Ordinal, value: float) -> float:
    """What a value near `value` may be off by and still be taken for it: rounding, in the parameter's unit.

    A part in 10⁹ of the value (of the larger bound on an even scale), and no more than a part in 10⁶ of the range
    where that lies far from 0. So it depends on no unit, and an offset does not make it wider than the range.
    """
    size, width = abs(value), parameter.high - parameter.low
    if isinstance(parameter, Ordinal):
        return min(max(ROUNDING * max(abs(parameter.low), abs(parameter.high)), DOUBLE * size), parameter.gap / 4)
    if parameter.log:
        return max(ROUNDING * min(size, FAR * width), DOUBLE * size)
    size = max(abs(parameter.low), abs(parameter.high))
    return max(ROUNDING * min(size, FAR * width), DOUBLE * size)


def same(parameter: Parameter, one: ParamValue, other: ParamValue) -> bool:
    """Whether two values of a parameter are one and the same but for what they lost on their way through text."""
    if isinstance(parameter, Categorical) or isinstance(one, str) or isinstance(other, str):
        return one == other
    if isinstance(parameter, Integer):
        return one == other
    if isinstance(parameter, Ordinal):
        return abs(one - other) <= slack_at(parameter, max(abs(one), abs(other)))
    size, width = max(abs(one), abs(other)), parameter.high - parameter.low
    slack = max(ROUNDING * min(size, FAR * width), DOUBLE * size)
    return abs(one - other) <= (slack if parameter.log else max(slack, DUST * width))


def digits_of(parameter: Real) -> int:
    """Significant digits of a value made from the unit cube: more where the range is a small part of its values."""
    ratio = max(abs(parameter.low), abs(parameter.high)) / (parameter.high - parameter.low)
    more = max(0, math.ceil(math.log10(ratio / FAR))) if ratio > FAR else 0
    if parameter.step is not None and (steps := max(abs(parameter.low), abs(parameter.high)) / parameter.step) > 1e10:
        more = max(more, math.ceil(math.log10(steps)) - 10)
    return min(DIGITS + more, 17)


def repeated(names: Sequence[str]) -> list[str]:
    """Those that stand in `names` more than once, sorted."""
    return sorted({name for name in names if names.count(name) > 1})


def _bad_descriptors(levels: Sequence[str], descriptors: dict[str, dict[str, float]]) -> list[str]:
    found = [unknown("level", level, levels) for level in descriptors if level not in levels]
    found += [f"level {level!r} has none; describe all levels or none" for level in levels if level not in descriptors]
    if found:
        return found
    names = list(descriptors[levels[0]])
    if not names:
        return [f"level {levels[0]!r} has none; name at least one, or leave descriptors out"]
    for level in levels[1:]:
        if set(descriptors[level]) != set(names):
            shown = " and ".join(
                f"{one!r} has {', '.join(sorted(descriptors[one])) or 'none'}" for one in (levels[0], level)
            )
            found.append(f"{shown}; give every level the same")
    if found:
        return found
    for name in names:
        if len({descriptors[level][name] for level in levels}) == 1:
            found.append(
                f"{name!r} is {descriptors[levels[0]][name]:g} for every level, which does not distinguish them; "
                "correct it or leave it out"
            )
    seen: dict[tuple[float, ...], str] = {}
    for level in levels:
        row = tuple(descriptors[level][name] for name in names)
        if row in seen:
            found.append(f"{seen[row]!r} and {level!r} have the same; correct them or add one that differs")
        seen.setdefault(row, level)
    return found


def in_unit(unit: str) -> str:
    """A unit behind a number; a pure number has none to show."""
    return "" if unit in ("", "1") else f" {unit}"


def _share(position: float, count: int) -> int:
    return min(max(math.floor(position * count), 0), count - 1)
