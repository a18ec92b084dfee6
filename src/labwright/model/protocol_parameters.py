"""What a protocol takes: numbers, integers, ordinals, choices, flags and short texts, each with what is allowed.

What violates a value is said by the parameter of a search space that spans the same values
(`labwright.model.parameters`); only a text has none, since it cannot be searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, StrictBool, StrictInt, StrictStr, Tag, model_validator

from labwright.model.base import Frozen, Name
from labwright.model.parameters import (
    Categorical,
    FiniteFloat,
    Flag,
    Integer,
    Ordinal,
    Parameter,
    Real,
    flag_level,
    in_unit,
)

__all__ = [
    "ChoiceParameter",
    "FlagParameter",
    "Given",
    "IntegerParameter",
    "NumberParameter",
    "OrdinalParameter",
    "ParameterSpec",
    "ProtocolParameter",
    "TextParameter",
    "given_to",
]

Given = StrictBool | StrictInt | FiniteFloat | StrictStr
"""A value as a campaign's file fixes it, and as a protocol gets it."""

LONGEST_TEXT = 200
"""Characters of a text that says no limit of its own: a note, no document."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Declared(Frozen):
    """What all have."""

    name: Name
    description: str = ""

    @property
    def allowed(self) -> str:
        """The values it may have, in words."""
        return self._allowed()

    def violations(self, value: Any) -> list[str]:
        """Why the protocol cannot take `value`, one sentence each; empty if it can."""
        return self._violations(value)

    def oversteps(self, searched: Parameter) -> Iterator[tuple[str, str]]:
        """What of a campaign's parameter this one cannot take: the key, and why, in words."""
        return self._oversteps(searched)

    def taken(self, value: Any) -> Any:
        """A value as the protocol gets it: of the declared type, and free of rounding; as it is if not allowed."""
        return value if self.violations(value) else self._exact(value)

    def _allowed(self) -> str:
        raise NotImplementedError

    def _violations(self, value: Any) -> list[str]:
        raise NotImplementedError

    def _oversteps(self, searched: Parameter) -> Iterator[tuple[str, str]]:
        raise NotImplementedError

    def _exact(self, value: Any) -> Any:
        raise NotImplementedError


class _Searchable(_Declared):
    """What a campaign may search as well as fix."""

    @property
    def span(self) -> Parameter:
        """The parameter of a search space that has all its values."""
        return self._span

    @cached_property
    def _span(self) -> Parameter:
        raise NotImplementedError

    @model_validator(mode="after")
    def _spans(self) -> Self:
        _ = self._span  # says what is wrong with bounds, values and levels
        return self

    def _violations(self, value: Any) -> list[str]:
        return self._span.violations(value)


class NumberParameter(_Searchable):
    """A number.

    Args:
        name: its name, unique in the protocol.
        unit: as in ``"mol/kg"``; ``"1"`` for a ratio.
        low: smallest value that is safe and meaningful.
        high: largest.
        log: it is natural on a logarithmic scale.
        description: for people.
    """

    type: Literal["number"] = "number"
    unit: str
    low: float
    high: float
    log: bool = False

    @cached_property
    def _span(self) -> Real:
        return Real(name=self.name, unit=self.unit, low=self.low, high=self.high, log=self.log)

    def _allowed(self) -> str:
        return f"{self.low:g} to {self.high:g}{in_unit(self.unit)}"

    def _exact(self, value: Any) -> float:
        return min(max(float(value), self.low), self.high)

    def _oversteps(self, searched: Parameter) -> Iterator[tuple[str, str]]:
        if isinstance(searched, Categorical):
            yield "type", f"{_kind_of(searched)}, {self.name} is a number; use type real, integer or ordinal"
            return
        yield from _other_unit(searched, self.unit)
        for key, value in _values(searched):
            yield from ((key, words) for words in self.violations(value))


class IntegerParameter(_Searchable):
    """A whole number from `low` to `high`, both included."""

    type: Literal["integer"] = "integer"
    low: StrictInt
    high: StrictInt
    unit: str = "1"

    @cached_property
    def _span(self) -> Integer:
        return Integer(name=self.name, unit=self.unit, low=self.low, high=self.high)

    def _allowed(self) -> str:
        return f"a whole number, {self.low} to {self.high}{in_unit(self.unit)}"

    def _exact(self, value: Any) -> int:
        return int(value)

    def _oversteps(self, searched: Parameter) -> Iterator[tuple[str, str]]:
        if isinstance(searched, Categorical | Real):
            yield "type", f"{_kind_of(searched)}, {self.name} is a whole number; use type integer or ordinal"
            return
        yield from _other_unit(searched, self.unit)
        for key, value in _values(searched):
            yield from ((key, words) for words in self.violations(value))


class OrdinalParameter(_Searchable):
    """One of several numbers, such as the presets of a furnace."""

    type: Literal["ordinal"] = "ordinal"
    unit: str
    values: tuple[FiniteFloat, ...]

    @cached_property
    def _span(self) -> Ordinal:
        return Ordinal(name=self.name, unit=self.unit, values=self.values)

    def _allowed(self) -> str:
        return f"{', '.join(f'{value:g}' for value in self.values)}{in_unit(self.unit)}"

    def _exact(self, value: Any) -> float:
        return min(self.values, key=lambda one: abs(one - value))

    def _oversteps(self, searched: Parameter) -> Iterator[tuple[str, str]]:
        if not isinstance(searched, Ordinal):
            yield "type", f"{_kind_of(searched)}, {self.name} is one of {self.allowed}; use type ordinal"
            return
        yield from _other_unit(searched, self.unit)
        for key, value in _values(searched):
            yield from ((key, words) for words in self.violations(value))


class ChoiceParameter(_Searchable):
    """One of several named levels, without an order among them.

    Args:
        name: its name, unique in the protocol.
        levels: their names.
        descriptors: what is known of each level in numbers, the same names for all; planners use them where a campaign
            gives none of its own.
        description: for people.
    """

    type: Literal["choice"] = "choice"
    levels: tuple[StrictStr, ...]
    descriptors: dict[str, dict[str, FiniteFloat]] | None = None

    @cached_property
    def _span(self) -> Categorical:
        return Categorical(name=self.name, levels=self.levels, descriptors=self.descriptors)

    def _allowed(self) -> str:
        return ", ".join(self.levels)

    def _exact(self, value: Any) -> str:
        return str(value)

    def _oversteps(self, searched: Parameter) -> Iterator[tuple[str, str]]:
        if not isinstance(searched, Categorical) or isinstance(searched, Flag):
            yield "type", f"{_kind_of(searched)}, {self.name} is a choice of {self.allowed}; use type categorical"
            return
        for level in searched.levels:
            yield from (("levels", words) for words in self.violations(level))

    def described(self, searched: Categorical) -> Categorical:
        """A campaign's parameter with what is declared here of its levels, if it says nothing of its own."""
        if searched.descriptors is not None or not self.descriptors:
            return searched
        known = {level: self.descriptors[level] for level in searched.levels}
        telling = [name for name in known[searched.levels[0]] if len({one[name] for one in known.values()}) > 1]
        rows = {level: {name: one[name] for name in telling} for level, one in known.items()}
        return searched.model_copy(update={"descriptors": rows})


class FlagParameter(_Searchable):
    """Yes or no: ``True`` or ``False`` to the protocol, ``true`` or ``false`` in a campaign's file."""

    type: Literal["flag"] = "flag"

    @cached_property
    def _span(self) -> Flag:
        return Flag(name=self.name)

    def _allowed(self) -> str:
        return "true or false"

    def _exact(self, value: Any) -> bool:
        return bool(flag_level(value) == "true")

    def _oversteps(self, searched: Parameter) -> Iterator[tuple[str, str]]:
        if not isinstance(searched, Flag):
            yield "type", f"{_kind_of(searched)}, {self.name} is true or false; use type flag"


class TextParameter(_Declared):
    """A short text on one line, such as a batch's name; a campaign fixes it and cannot search it.

    Args:
        name: its name, unique in the protocol.
        max_length: characters it may have.
        pattern: a regular expression that the whole of it matches; any text if empty.
        description: for people.
    """

    type: Literal["text"] = "text"
    max_length: Annotated[StrictInt, Field(ge=1, le=10_000)] = LONGEST_TEXT
    pattern: str = ""

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"parameter {self.name!r}: {self.pattern!r} is no regular expression: {error}") from error
        return self

    def _allowed(self) -> str:
        return f"text of at most {self.max_length} characters" + (f" like {self.pattern!r}" if self.pattern else "")

    def _violations(self, value: Any) -> list[str]:
        if not isinstance(value, str):
            return [f"{self.name} = {value!r} is not text; put it in quotes"]
        found = []
        if len(value) > self.max_length:
            found.append(f"{self.name} has {len(value)} characters, {self.max_length} are allowed; shorten it")
        if _CONTROL.search(value):
            found.append(f"{self.name} = {value!r} has line breaks or control characters; write it on one line")
        if self.pattern and not re.fullmatch(self.pattern, value):
            found.append(f"{self.name} = {value!r} does not match {self.pattern!r}")
        return found

    def _exact(self, value: Any) -> str:
        return str(value)

    def _oversteps(self, searched: Parameter) -> Iterator[tuple[str, str]]:
        yield "type", f"{searched.name} is a text, which cannot be searched; give it under fixed"


ParameterSpec = NumberParameter
"""What protocols written for earlier releases call it."""


def _kind(given: Any) -> str:
    kind = given.get("type", "number") if isinstance(given, dict) else getattr(given, "type", "number")
    return str(kind)


ProtocolParameter = Annotated[
    Annotated[NumberParameter, Tag("number")]
    | Annotated[IntegerParameter, Tag("integer")]
    | Annotated[OrdinalParameter, Tag("ordinal")]
    | Annotated[ChoiceParameter, Tag("choice")]
    | Annotated[FlagParameter, Tag("flag")]
    | Annotated[TextParameter, Tag("text")],
    Discriminator(_kind),
]
"""Any of them; without a `type`, as in journals of earlier releases, it is a number."""


def given_to(parameters: Sequence[ProtocolParameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a campaign as its protocol gets them; those that it does not know as they are, numbers as floats."""
    known = {one.name: one for one in parameters}
    return {
        name: known[name].taken(value)
        if name in known
        else float(value)
        if isinstance(value, int) and not isinstance(value, bool)
        else value
        for name, value in values.items()
    }


def _kind_of(searched: Parameter) -> str:
    return f"{searched.name} is searched as {searched.type}"


def _other_unit(searched: Real | Integer | Ordinal, unit: str) -> Iterator[tuple[str, str]]:
    if searched.unit != unit:
        yield "unit", f"{searched.name} is in {unit!r}, not in {searched.unit!r}"


def _values(searched: Real | Integer | Ordinal) -> Iterator[tuple[str, float]]:
    if isinstance(searched, Ordinal):
        yield from (("values", value) for value in searched.values)
    else:
        yield from (("low", searched.low), ("high", searched.high))
