"""What is known beforehand of the limits between parameters: sums, mixtures, how many are used, what must not meet.

`violation` of a constraint is None, or states in words how parameters break it. It forgives the rounding of doubles, a
part in 10⁹ of the largest number in the sum; it has no physical tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, StrictInt, StrictStr, Tag, field_validator, model_validator

from labwright.model.base import FrozenModel
from labwright.model.errors import unknown
from labwright.model.parameters import ROUNDING, FiniteFloat, Parameter, ParamValue, repeated, same

__all__ = ["Between", "Choose", "Constraint", "Forbidden", "LinearEQ", "LinearLE", "Mixture"]


class LinearLE(FrozenModel):
    """A limit known beforehand: the sum of coefficient times parameter is at most `bound`."""

    type: Literal["linear_le"] = "linear_le"
    coefficients: dict[str, FiniteFloat] = Field(min_length=1)
    bound: FiniteFloat

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it speaks of."""
        return tuple(self.coefficients)

    def excess(self, params: Mapping[str, ParamValue]) -> float:
        """By how much the sum exceeds the bound; zero or less where the limit is kept, rounding forgiven."""
        return _over(self.coefficients, self.bound, params)

    def violation(self, params: Mapping[str, ParamValue]) -> str | None:
        """How `params` break it, in words; None if they keep it."""
        return f"{self} is exceeded by {excess:g}" if (excess := self.excess(params)) > 0 else None

    def __str__(self) -> str:
        return f"{_sum(self.coefficients)} <= {self.bound:g}"


class LinearEQ(FrozenModel):
    """The sum of coefficient times parameter is exactly `total`, within a part in 10⁹."""

    type: Literal["linear_eq"] = "linear_eq"
    coefficients: dict[str, FiniteFloat] = Field(min_length=1)
    total: FiniteFloat

    @field_validator("coefficients")
    @classmethod
    def _matter(cls, coefficients: dict[str, float]) -> dict[str, float]:
        if none := [name for name, factor in coefficients.items() if factor == 0]:
            raise ValueError(f"a coefficient of 0 has no effect; leave out {', '.join(none)}")
        return coefficients

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it speaks of."""
        return tuple(self.coefficients)

    def violation(self, params: Mapping[str, ParamValue]) -> str | None:
        """How `params` break it, in words; None if they keep it."""
        over = _over(self.coefficients, self.total, params)
        return f"{self} is missed by {over:+g}" if over else None

    def __str__(self) -> str:
        return f"{_sum(self.coefficients)} = {self.total:g}"


class Mixture(FrozenModel):
    """Shares of a whole: the parameters, none of them negative and all in one unit, add up to `total`."""

    type: Literal["mixture"] = "mixture"
    parameters: tuple[StrictStr, ...] = Field(min_length=2)
    total: FiniteFloat = Field(default=1.0, gt=0)

    @field_validator("parameters")
    @classmethod
    def _distinct(cls, parameters: tuple[str, ...]) -> tuple[str, ...]:
        return _once(parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it speaks of."""
        return self.parameters

    @property
    def coefficients(self) -> dict[str, float]:
        """One for each of its parameters: a mixture is an equality."""
        return dict.fromkeys(self.parameters, 1.0)

    def violation(self, params: Mapping[str, ParamValue]) -> str | None:
        """How `params` break it, in words; None if they keep it."""
        over = _over(self.coefficients, self.total, params)
        return f"{self} is missed by {over:+g}" if over else None

    def __str__(self) -> str:
        return f"{' + '.join(self.parameters)} = {self.total:g}"


class Choose(FrozenModel):
    """How many of the parameters are used, that is, not exactly zero.

    Args:
        parameters: of which some are chosen; the smallest value of each is 0.
        at_least: how many must be used.
        at_most: how many may be used.
        least: smallest amount of one that is used, in its unit: what the lab can still dose.
    """

    type: Literal["choose"] = "choose"
    parameters: tuple[StrictStr, ...] = Field(min_length=2)
    at_least: Annotated[StrictInt, Field(ge=0)] = 0
    at_most: Annotated[StrictInt, Field(ge=1)]
    least: Annotated[FiniteFloat, Field(gt=0)] | None = None

    @field_validator("parameters")
    @classmethod
    def _distinct(cls, parameters: tuple[str, ...]) -> tuple[str, ...]:
        return _once(parameters)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.at_least <= self.at_most <= len(self.parameters):
            raise ValueError(
                f"at_least {self.at_least} and at_most {self.at_most} of {len(self.parameters)} parameters: "
                "at_least must not exceed at_most, nor at_most their number"
            )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it speaks of."""
        return self.parameters

    def violation(self, params: Mapping[str, ParamValue]) -> str | None:
        """How `params` break it, in words; None if they keep it."""
        used = [name for name in self.parameters if params[name] != 0]
        if not self.at_least <= len(used) <= self.at_most:
            return f"{self}: {len(used)} are used ({', '.join(used) or 'none'})"
        if self.least is not None:
            scant = [name for name in used if float(params[name]) < self.least * (1 - ROUNDING)]
            if scant:
                shown = ", ".join(f"{name} = {params[name]:g}" for name in scant)
                return f"{self}: {shown} is less; use more of it or none"
        return None

    def __str__(self) -> str:
        if self.at_least == self.at_most:
            count = f"exactly {self.at_most}"
        else:
            count = f"{self.at_least} to {self.at_most}" if self.at_least else f"at most {self.at_most}"
        amount = f", each at least {self.least:g}" if self.least is not None else ""
        return f"{count} of {', '.join(self.parameters)}{amount}"


class Between(FrozenModel):
    """A condition on a number: larger than `above` and smaller than `below`, whichever is given."""

    above: FiniteFloat | None = None
    below: FiniteFloat | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("is an empty condition; give above, below or both")
        if self.above is not None and self.below is not None and not self.above < self.below:
            raise ValueError(f"no number is above {self.above:g} and below {self.below:g}; swap or widen them")
        return self

    def __str__(self) -> str:
        parts = [("above", self.above), ("below", self.below)]
        return " and ".join(f"{word} {limit:g}" for word, limit in parts if limit is not None)


def _condition_kind(given: Any) -> str:
    if isinstance(given, dict | Between):
        return "between"
    return "values" if isinstance(given, list | tuple) else "value"


Condition = Annotated[
    Annotated[ParamValue, Tag("value")]
    | Annotated[tuple[ParamValue, ...], Field(min_length=1), Tag("values")]
    | Annotated[Between, Tag("between")],
    Discriminator(_condition_kind),
]


class Forbidden(FrozenModel):
    """A combination that must not be tried: all conditions hold at once.

    Args:
        when: by parameter a value, a list of values of which it is one, or ``{above: x, below: y}`` (both excluded).
        because: why, for the person who wanted to try it.
    """

    type: Literal["forbidden"] = "forbidden"
    when: dict[str, Condition] = Field(min_length=1)
    because: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters it speaks of."""
        return tuple(self.when)

    def violation(self, params: Mapping[str, ParamValue], known: Mapping[str, Parameter] | None = None) -> str | None:
        """How `params` break it, in words; None if they keep it.

        Args:
            params: a value for each parameter.
            known: the parameters, whose ranges say what counts as rounding; None to go by the values alone.
        """
        met = all(_holds(one, params[name], known[name] if known else None) for name, one in self.when.items())
        return str(self) if met else None

    def __str__(self) -> str:
        shown = " and ".join(_told(name, one) for name, one in self.when.items())
        return f"{shown} is forbidden{f': {self.because}' if self.because else ''}"


_KINDS = ("linear_le", "linear_eq", "mixture", "choose", "forbidden")


def _kind(given: Any) -> str:
    kind: str = given.get("type", "linear_le") if isinstance(given, dict) else getattr(given, "type", "linear_le")
    return kind


def _known_kind(given: Any) -> Any:
    if isinstance(given, dict) and (kind := _kind(given)) not in _KINDS:
        raise ValueError(unknown("type of constraint", str(kind), _KINDS))
    return given


Constraint = Annotated[
    Annotated[LinearLE, Tag("linear_le")]
    | Annotated[LinearEQ, Tag("linear_eq")]
    | Annotated[Mixture, Tag("mixture")]
    | Annotated[Choose, Tag("choose")]
    | Annotated[Forbidden, Tag("forbidden")],
    Discriminator(_kind),
    BeforeValidator(_known_kind),
]
"""Any of them; without a `type` it is a `LinearLE`."""


def _over(coefficients: Mapping[str, float], limit: float, params: Mapping[str, ParamValue]) -> float:
    """By how much the sum exceeds the limit; zero within rounding."""
    terms = [factor * float(params[name]) for name, factor in coefficients.items()]
    slack = ROUNDING * max(abs(limit), *(abs(term) for term in terms))
    over = sum(terms) - limit
    return 0.0 if abs(over) <= slack else over


def _sum(coefficients: Mapping[str, float]) -> str:
    return " ".join(f"{factor:+g}*{name}" for name, factor in coefficients.items()).removeprefix("+")


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := repeated(names):
        raise ValueError(f"parameters given twice: {', '.join(twice)}")
    return names


def _holds(
    condition: ParamValue | tuple[ParamValue, ...] | Between, value: ParamValue, parameter: Parameter | None
) -> bool:
    if isinstance(condition, Between):
        number = float(value)
        return (condition.above is None or number > condition.above) and (
            condition.below is None or number < condition.below
        )
    wanted = condition if isinstance(condition, tuple) else (condition,)
    if parameter is not None:
        return any(same(parameter, one, value) for one in wanted)
    return any(_same(one, value) for one in wanted)


def _same(one: ParamValue, other: ParamValue) -> bool:
    if isinstance(one, str) or isinstance(other, str) or (isinstance(one, int) and isinstance(other, int)):
        return one == other
    return abs(one - other) <= ROUNDING * max(abs(one), abs(other))


def _told(name: str, condition: ParamValue | tuple[ParamValue, ...] | Between) -> str:
    if isinstance(condition, Between):
        return f"{name} {condition}"
    if isinstance(condition, tuple):
        return f"{name} in ({', '.join(map(str, condition))})"
    return f"{name} = {condition}"
