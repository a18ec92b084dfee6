"""The search space of a campaign: parameters with bounds and units, and what is known of their limits beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, field_validator, model_validator

from labwright.model.errors import OutOfRangeError, unknown

__all__ = ["Categorical", "Integer", "LinearLE", "ParamValue", "Parameter", "Params", "Real", "Space"]

FiniteFloat = Annotated[float, Field(strict=True, allow_inf_nan=False)]
StrictFloat = Annotated[float, Field(strict=True, allow_inf_nan=False)]
ParamValue = StrictInt | StrictFloat | StrictStr
"""The value of one parameter; a bool, NaN or infinity is none."""
Params = dict[str, ParamValue]
"""Values by parameter name."""

_ROUNDING = 1e-9  # relative slack of bounds and constraints: arithmetic on doubles, no physical tolerance
_DIGITS = 12  # significant digits of a value made from the unit cube: no 0.30000000000000004 in front of a person


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Bounded(_Frozen):
    """What a parameter with a lower and an upper bound shares."""

    name: str = Field(min_length=1)
    unit: str

    @staticmethod
    def _ordered(name: str, low: float, high: float) -> None:
        if not low < high:
            raise ValueError(f"parameter {name!r}: low {low:g} is not below high {high:g}; swap or widen them")

    @staticmethod
    def _outside(name: str, value: float, low: float, high: float, unit: str) -> list[str]:
        slack = _ROUNDING * max(abs(low), abs(high))
        if low - slack <= value <= high + slack:
            return []
        return [f"{name} = {value:g} {unit} is outside {low:g} to {high:g} {unit}"]


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
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(
                f"parameter {self.name!r}: step {self.step:g} is wider than its range {self.high - self.low:g}"
            )
        return self

    def violations(self, value: ParamValue) -> list[str]:
        """Why `value` is not allowed, one sentence each; empty if it is. A value between two steps is allowed."""
        if isinstance(value, str | bool) or not math.isfinite(value):
            return [f"{self.name} = {value!r} is not a finite number ({self.low:g} to {self.high:g} {self.unit})"]
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
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


class Integer(_Bounded):
    """A whole number from `low` to `high`, both included."""

    type: Literal["integer"] = "integer"
    low: StrictInt
    high: StrictInt
    unit: str = "1"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._ordered(self.name, self.low, self.high)
        return self

    def violations(self, value: ParamValue) -> list[str]:
        """Why `value` is not allowed, one sentence each; empty if it is."""
        if isinstance(value, str | bool) or not math.isfinite(value) or value != int(value):
            return [f"{self.name} = {value!r} is not a whole number ({self.low} to {self.high} {self.unit})"]
        return self._outside(self.name, value, self.low, self.high, self.unit)

    def to_unit(self, value: ParamValue) -> float:
        """The middle of the value's share of 0 to 1: every value has the same share."""
        return (float(value) - self.low + 0.5) / (self.high - self.low + 1)

    def from_unit(self, position: float) -> int:
        """The value whose share of 0 to 1 holds `position`."""
        return self.low + _share(position, self.high - self.low + 1)


class Categorical(_Frozen):
    """One of several named levels, without an order among them."""

    type: Literal["categorical"] = "categorical"
    name: str = Field(min_length=1)
    levels: tuple[StrictStr, ...] = Field(min_length=2)

    @field_validator("levels")
    @classmethod
    def _distinct(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if twice := _repeated(levels):
            raise ValueError(f"levels given twice: {', '.join(twice)}")
        return levels

    def violations(self, value: ParamValue) -> list[str]:
        """Why `value` is not allowed, one sentence each; empty if it is."""
        return [] if value in self.levels else [f"{self.name}: {unknown('level', str(value), self.levels)}"]

    def to_unit(self, value: ParamValue) -> float:
        """The middle of the level's share of 0 to 1."""
        return (self.levels.index(str(value)) + 0.5) / len(self.levels)

    def from_unit(self, position: float) -> str:
        """The level whose share of 0 to 1 holds `position`."""
        return self.levels[_share(position, len(self.levels))]


Parameter = Annotated[Real | Integer | Categorical, Field(discriminator="type")]


class LinearLE(_Frozen):
    """A limit known beforehand: the sum of coefficient times parameter is at most `bound`."""

    coefficients: dict[str, FiniteFloat] = Field(min_length=1)
    bound: FiniteFloat

    def excess(self, params: Mapping[str, ParamValue]) -> float:
        """By how much the sum exceeds the bound; zero or less where the limit is kept, rounding forgiven."""
        terms = [factor * float(params[name]) for name, factor in self.coefficients.items()]
        slack = _ROUNDING * max(abs(self.bound), *(abs(term) for term in terms))
        over = sum(terms) - self.bound
        return 0.0 if abs(over) <= slack else over

    def __str__(self) -> str:
        terms = " ".join(f"{factor:+g}*{name}" for name, factor in self.coefficients.items())
        return f"{terms.removeprefix('+')} <= {self.bound:g}"


class Space(_Frozen):
    """Parameters and the limits between them.

    Raises:
        pydantic.ValidationError: inverted bounds, a name twice, a constraint on an unknown or a categorical parameter.
    """

    parameters: tuple[Parameter, ...] = Field(min_length=1)
    constraints: tuple[LinearLE, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if twice := _repeated(self.names):
            raise ValueError(f"parameters named twice: {', '.join(twice)}")
        numeric = [parameter.name for parameter in self.parameters if not isinstance(parameter, Categorical)]
        wrong = [name for limit in self.constraints for name in limit.coefficients if name not in numeric]
        if wrong:
            raise ValueError("; ".join(f"constraint: {unknown('numeric parameter', name, numeric)}" for name in wrong))
        bounds = {one.name: (one.low, one.high) for one in self.parameters if not isinstance(one, Categorical)}
        for limit in self.constraints:
            least = sum(min(factor * end for end in bounds[name]) for name, factor in limit.coefficients.items())
            if least > limit.bound:
                raise ValueError(f"constraint {limit}: nothing in the space keeps it; the smallest sum is {least:g}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in their declared order."""
        return tuple(parameter.name for parameter in self.parameters)

    def violations(self, params: Mapping[str, ParamValue]) -> list[str]:
        """Everything that is wrong with `params`, one sentence each; empty if they may be tried."""
        found = [unknown("parameter", name, self.names) for name in params if name not in self.names]
        for parameter in self.parameters:
            if parameter.name in params:
                found += parameter.violations(params[parameter.name])
            else:
                found.append(f"{parameter.name} is missing")
        if found:
            return found  # a constraint is only meaningful on values that are numbers and all there
        return [
            f"{limit} is exceeded by {excess:g}" for limit in self.constraints if (excess := limit.excess(params)) > 0
        ]

    def check(self, params: Mapping[str, ParamValue]) -> None:
        """Refuse parameters outside the space.

        Raises:
            OutOfRangeError: with every violation, not just the first.
        """
        if found := self.violations(params):
            raise OutOfRangeError(
                "outside the search space; change the parameters or the space:\n  " + "\n  ".join(found)
            )

    def to_unit(self, params: Mapping[str, ParamValue]) -> list[float]:
        """Position in the unit cube, one coordinate per parameter; weighed values may fall slightly outside it."""
        return [parameter.to_unit(params[parameter.name]) for parameter in self.parameters]

    def from_unit(self, position: Sequence[float]) -> Params:
        """The parameters at a position in the unit cube; constraints are not applied."""
        pairs = zip(self.parameters, position, strict=True)
        return {parameter.name: parameter.from_unit(coordinate) for parameter, coordinate in pairs}


def _share(position: float, count: int) -> int:
    return min(max(math.floor(position * count), 0), count - 1)


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
