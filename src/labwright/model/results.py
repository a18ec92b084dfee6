"""What a protocol finds: numbers with their uncertainty, integers, choices, flags, arrays, and files by reference.

Nothing is recognised by how it is called: which key of a step's dict is the uncertainty of a number, and which number
says what was really made of a parameter, is declared. How protocols of earlier releases are read, which declare
neither: `labwright.model.undeclared`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, StrictStr, Tag, field_validator, model_validator

from labwright.model.base import Frozen, Name
from labwright.model.errors import unknown
from labwright.model.figures import measured
from labwright.model.numbers import is_number
from labwright.model.parameters import flag_level, repeated
from labwright.model.protocol_parameters import (
    IntegerParameter,
    NumberParameter,
    OrdinalParameter,
    ProtocolParameter,
)
from labwright.model.undeclared import ResultSpec

__all__ = [
    "ArrayResult",
    "ChoiceResult",
    "FileResult",
    "FlagResult",
    "IntegerResult",
    "NumberResult",
    "ProtocolResult",
    "ResultSpec",
    "mistaken",
    "shape_of",
]

Length = Annotated[int, Field(strict=True, ge=1)] | None

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9.+-]+")
_URI = re.compile(r"\S+")


class _Result(Frozen):
    """What all have."""

    name: Name
    description: str = ""

    def wrong(self, found: Mapping[str, Any]) -> list[str]:
        """What is wrong with it in what a step has found, one sentence each; empty where it is not among that.

        Args:
            found: by name, as JSON has it.
        """
        return list(self._wrong(found[self.name], found)) if self.name in found else []

    def shown(self, found: Mapping[str, Any]) -> str:
        """It in what an experiment has found, for people; empty where it is not among that."""
        return self._shown(found[self.name], found) if self.name in found else ""

    def _shown(self, value: Any, found: Mapping[str, Any]) -> str:
        return str(value)

    def _wrong(self, value: Any, found: Mapping[str, Any]) -> Iterator[str]:
        raise NotImplementedError


class NumberResult(_Result):
    """A number; the only kind that can be an objective or have an outcome limit.

    Args:
        name: its name, unique in the protocol.
        unit: as in ``"mS/cm"``; ``"1"`` for a ratio.
        uncertainty: the key under which the same step gives its standard error, in the same unit; None there where it
            is not known.
        measures: the protocol's parameter of which it says what was really made; planners learn from that.
        description: for people.
    """

    type: Literal["number"] = "number"
    unit: str
    uncertainty: Name | Literal[""] = ""
    measures: Name | Literal[""] = ""

    def _shown(self, value: Any, found: Mapping[str, Any]) -> str:
        return measured(value, found.get(self.uncertainty) if self.uncertainty else None)

    def _wrong(self, value: Any, found: Mapping[str, Any]) -> Iterator[str]:
        if not is_number(value):
            yield f"{self.name} = {value!r} is no number"
        if not self.uncertainty:
            return
        if self.uncertainty not in found:
            yield f"{self.uncertainty}, the uncertainty of {self.name}, is missing; give it, or None if it is not known"
        elif (sem := found[self.uncertainty]) is not None and (not is_number(sem) or sem < 0):
            yield f"{self.uncertainty} = {sem!r} is no standard error"


class IntegerResult(_Result):
    """A whole number."""

    type: Literal["integer"] = "integer"
    unit: str = "1"

    def _shown(self, value: Any, found: Mapping[str, Any]) -> str:
        return str(int(value))

    def _wrong(self, value: Any, found: Mapping[str, Any]) -> Iterator[str]:
        if not is_number(value) or value != int(value):
            yield f"{self.name} = {value!r} is no whole number"


class ChoiceResult(_Result):
    """One of several named levels."""

    type: Literal["choice"] = "choice"
    levels: Annotated[tuple[StrictStr, ...], Field(min_length=2)]

    @field_validator("levels")
    @classmethod
    def _distinct(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if twice := repeated(levels):
            raise ValueError(f"levels given twice: {', '.join(twice)}")
        return levels

    def _wrong(self, value: Any, found: Mapping[str, Any]) -> Iterator[str]:
        if value not in self.levels:
            yield f"{self.name}: {unknown('level', str(value), self.levels)}"


class FlagResult(_Result):
    """Yes or no."""

    type: Literal["flag"] = "flag"

    def _shown(self, value: Any, found: Mapping[str, Any]) -> str:
        return str(flag_level(value))

    def _wrong(self, value: Any, found: Mapping[str, Any]) -> Iterator[str]:
        if not isinstance(value, bool):
            yield f"{self.name} = {value!r} is not true or false"


class ArrayResult(_Result):
    """Numbers in rows, as a spectrum or an image has them.

    Args:
        name: its name, unique in the protocol.
        unit: of each number.
        shape: its length in each direction; None where it may have any.
        dims: what the directions are called; as many as `shape` has, or none.
        description: for people.
    """

    type: Literal["array"] = "array"
    unit: str
    shape: Annotated[tuple[Length, ...], Field(min_length=1)] = (None,)
    dims: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.dims and len(self.dims) != len(self.shape):
            raise ValueError(f"result {self.name!r}: {len(self.dims)} dims for a shape of {len(self.shape)}")
        return self

    def _shown(self, value: Any, found: Mapping[str, Any]) -> str:
        return f"{_told(shape_of(value) or ())} numbers"

    def _wrong(self, value: Any, found: Mapping[str, Any]) -> Iterator[str]:
        shape = shape_of(value)
        if shape is None:
            yield f"{self.name} is no array of numbers (lists of equal length, at each depth)"
        elif len(shape) != len(self.shape) or any(
            want not in (None, have) for want, have in zip(self.shape, shape, strict=True)
        ):
            yield f"{self.name} has shape {_told(shape)}, declared is {_told(self.shape)}"


class FileResult(_Result):
    """A file, by reference: ``{"uri": ..., "sha256": ..., "media_type": ...}``.

    A `uri` without a scheme is a path in the data folder, as `StepContext.keep_file` gives it.

    Args:
        name: its name, unique in the protocol.
        media_type: what it must be, as ``image/png``; any if empty.
        description: for people.
    """

    type: Literal["file"] = "file"
    media_type: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.media_type and not _MEDIA_TYPE.fullmatch(self.media_type):
            raise ValueError(f"result {self.name!r}: {self.media_type!r} is no media type, such as image/png")
        return self

    def _shown(self, value: Any, found: Mapping[str, Any]) -> str:
        return f"{value['media_type']} {value['sha256'][:12]}"

    def _wrong(self, value: Any, found: Mapping[str, Any]) -> Iterator[str]:
        wanted = {"uri": _URI, "sha256": _SHA256, "media_type": _MEDIA_TYPE}
        if not isinstance(value, Mapping) or set(value) != set(wanted):
            yield f"{self.name} = {value!r} is no reference to a file; give uri, sha256 and media_type"
            return
        for key, pattern in wanted.items():
            if not isinstance(value[key], str) or not pattern.fullmatch(value[key]):
                yield f"{self.name}.{key} = {value[key]!r} is none"
        if self.media_type and value["media_type"] != self.media_type:
            yield f"{self.name} is {value['media_type']!r}, declared is {self.media_type!r}"


def _kind(given: Any) -> str:
    kind = given.get("type", "by_name") if isinstance(given, dict) else getattr(given, "type", "by_name")
    return str(kind)


ProtocolResult = Annotated[
    Annotated[NumberResult, Tag("number")]
    | Annotated[IntegerResult, Tag("integer")]
    | Annotated[ChoiceResult, Tag("choice")]
    | Annotated[FlagResult, Tag("flag")]
    | Annotated[ArrayResult, Tag("array")]
    | Annotated[FileResult, Tag("file")]
    | Annotated[ResultSpec, Tag("by_name")],
    Discriminator(_kind),
]
"""Any of them; without a `type`, as in journals of earlier releases, it is a `ResultSpec`."""


def shape_of(value: Any) -> tuple[int, ...] | None:
    """Lengths of nested lists of numbers; None if they are not of equal length at each depth, or hold anything else."""
    if not isinstance(value, list) or not value:
        return None
    if all(is_number(one) for one in value):
        return (len(value),)
    inner = {shape_of(one) for one in value}
    only = inner.pop()
    return None if inner or only is None else (len(value), *only)


def mistaken(results: Sequence[ProtocolResult], parameters: Sequence[ProtocolParameter]) -> Iterator[str]:
    """What of the declarations does not fit together, one sentence each."""
    if len({isinstance(one, ResultSpec) for one in results}) > 1:
        named = ", ".join(one.name for one in results if isinstance(one, ResultSpec))
        yield f"results: declare all of them, also {named} (NumberResult instead of ResultSpec)"
    names = [one.name for one in results]
    kinds = NumberParameter | IntegerParameter | OrdinalParameter
    numeric = {one.name: one for one in parameters if isinstance(one, kinds)}
    measuring: dict[str, str] = {}
    for one in results:
        if not isinstance(one, NumberResult):
            continue
        if one.uncertainty in names:
            yield f"result {one.name}: its uncertainty {one.uncertainty!r} is a result as well; leave that result out"
        if not one.measures:
            continue
        if one.measures not in numeric:
            yield f"result {one.name}: measures: {unknown('numeric parameter', one.measures, list(numeric))}"
        elif numeric[one.measures].unit != one.unit:
            yield (
                f"result {one.name} is in {one.unit!r}, but the parameter {one.measures} that it measures is in "
                f"{numeric[one.measures].unit!r}; use one unit"
            )
        if one.measures in measuring:
            yield f"results {measuring[one.measures]} and {one.name} both measure {one.measures}; leave one out"
        measuring[one.measures] = one.name


def _told(shape: Sequence[int | None]) -> str:
    return " x ".join("any" if one is None else str(one) for one in shape)
