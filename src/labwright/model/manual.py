"""What a person does in a protocol: the task, who may sign for it, and the readings that the signature comes with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from string import Formatter
from typing import Annotated, Any

from pydantic import Field, field_validator

from labwright.model.base import Frozen
from labwright.model.errors import ConfigError, unknown
from labwright.model.numbers import number
from labwright.model.parameters import flag_level
from labwright.model.protocol_parameters import (
    ChoiceParameter,
    FlagParameter,
    IntegerParameter,
    NumberParameter,
    OrdinalParameter,
    ProtocolParameter,
    TextParameter,
)
from labwright.model.results import ChoiceResult, FlagResult, IntegerResult, NumberResult, ProtocolResult

__all__ = ["DONE", "FAILED", "SIGNED_BY", "SIMULATED_PERSON", "Manual", "mismatched_readings", "read_in"]

DONE, FAILED = "done", "failed"
"""How a task card is answered."""

SIGNED_BY = "signed_by"
"""Under which name a step's results have who has signed its card."""

SIMULATED_PERSON = "simulated person"
"""Who signs a card on simulated instruments, where the lab's simulation says so."""

OF_THE_SAMPLE = ("sample", "container", "position")
"""What a task's text may name beside the parameters of its protocol."""

WHOLE = 2**53
"""Largest whole number that a double has exactly."""


class Manual(Frozen):
    """What a person does in a step, and what that person signs for.

    Attributes:
        task: what to do; ``{name}`` stands for a parameter of the protocol, for ``{sample}``, its ``{container}`` or
            its ``{position}``.
        who: who may sign, in words; any person who may answer questions if empty.
        readings: what is read and typed in, each with its type and limits; of each but a text the protocol has a
            result of that name.
    """

    task: Annotated[str, Field(min_length=1, max_length=4000)]
    who: str = ""
    readings: tuple[ProtocolParameter, ...] = ()

    @field_validator("readings")
    @classmethod
    def _distinct(cls, readings: tuple[ProtocolParameter, ...]) -> tuple[ProtocolParameter, ...]:
        names = [one.name for one in readings]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"readings named twice: {', '.join(twice)}")
        if SIGNED_BY in names:
            raise ValueError(f"reading {SIGNED_BY!r}: the signature has that name; choose another")
        return readings

    def wrong(self, readings: Mapping[str, Any]) -> list[str]:
        """Why a card cannot be signed with these readings, one sentence each; empty if it can."""
        known = {one.name: one for one in self.readings}
        found = [unknown("reading", name, list(known)) for name in readings if name not in known]
        for name, one in known.items():
            if name not in readings:
                found.append(f"{name} is missing ({one.allowed})")
            elif not _plain(value := readings[name]):
                found.append(f"{name} = {str(value)[:40]!r} is no value ({one.allowed})")
            else:
                found += one.violations(value)
        return found

    def taken(self, readings: Mapping[str, Any]) -> dict[str, Any]:
        """Readings as the step has found them: of the declared types."""
        return {one.name: one.taken(readings[one.name]) for one in self.readings}

    def text(self, of_the_sample: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
        """The task, with what it names filled in.

        Raises:
            KeyError: it names something that is not known.
            ValueError: what stands after the colon of a ``{name:...}`` does not fit the value.
        """
        return self.task.format(**{**parameters, **of_the_sample})

    def drawn(self, draw: Random) -> dict[str, Any]:
        """Readings as a person could find them, drawn from within their limits; for simulated instruments."""
        return {one.name: _drawn(one, draw) for one in self.readings}


def mismatched_readings(
    manual: Manual, parameters: Sequence[ProtocolParameter], results: Sequence[ProtocolResult]
) -> Iterator[str]:
    """What of a manual step does not fit the rest of its protocol, one sentence each."""
    known = {one.name: one for one in parameters}
    yield from (f"task: {words}" for words in _wrong_task(manual, known))
    found = {one.name: one for one in results}
    for reading in manual.readings:
        if reading.name in known:
            yield f"reading {reading.name}: the protocol has a parameter of that name; rename one"
        if isinstance(reading, TextParameter):
            continue
        result = found.get(reading.name)
        if result is None:
            yield f"reading {reading.name} has no result: {unknown('result', reading.name, list(found))}"
        elif why := _differs(reading, result):
            yield f"reading {reading.name} does not fit the result of that name: {why}"


def read_in(declared: Sequence[ProtocolParameter], given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Readings as a person has typed them, such as ``1.2`` or ``1.2 N.m``, of the declared types.

    Returns:
        those that were understood, the others as they are; and what is wrong with a unit, one sentence each.
    """
    known = {one.name: one for one in declared}
    typed: dict[str, Any] = {}
    wrong: list[str] = []
    for name, value in given.items():
        one = known.get(name)
        typed[name] = value
        if isinstance(one, FlagParameter):
            typed[name] = {"true": True, "false": False}.get(str(flag_level(value)), value)
        elif isinstance(one, NumberParameter | IntegerParameter | OrdinalParameter) and isinstance(value, str):
            digits, _, unit = value.strip().partition(" ")
            if (unit := unit.strip()) and unit != one.unit:
                wrong.append(f"{name} = {value!r} is in {unit!r}, and is read in {one.unit!r} ({one.allowed})")
            try:
                exact = number(digits)
            except ConfigError as error:
                wrong.append(f"{name}: {error} ({one.allowed})")
            else:
                typed[name] = int(exact) if exact.is_integer() and abs(exact) <= WHOLE else exact
    return typed, wrong


def _plain(value: Any) -> bool:
    """Whether it is a value that a journal can have."""
    if isinstance(value, bool | str | float):
        return True
    return isinstance(value, int) and abs(value) <= WHOLE


def _wrong_task(manual: Manual, known: Mapping[str, ProtocolParameter]) -> Iterator[str]:
    """What cannot be filled in of a task, one sentence each."""
    braces = "write {name}, or {name:g} for a number, and two braces where one is meant"
    try:
        names = [name for _, name, _, _ in Formatter().parse(manual.task) if name is not None]
    except ValueError as error:
        yield f"{error}; {braces}"
        return
    if strange := [name for name in names if name not in known and name not in OF_THE_SAMPLE]:
        yield from (f"{unknown('parameter', name, [*known, *OF_THE_SAMPLE])}; {braces}" for name in strange)
        return
    draw = Random(0)  # noqa: S311 - any values will do
    try:
        manual.text(dict.fromkeys(OF_THE_SAMPLE, ""), {name: _drawn(one, draw) for name, one in known.items()})
    except (KeyError, ValueError, IndexError) as error:
        yield f"{error}; {braces}"


def _drawn(one: ProtocolParameter, draw: Random) -> Any:
    match one:
        case NumberParameter(low=low, high=high):
            return one.taken(low + (high - low) * draw.uniform(0.25, 0.75))
        case IntegerParameter(low=low, high=high):
            return draw.randint(low, high)
        case OrdinalParameter(values=values):
            return draw.choice(values)
        case ChoiceParameter(levels=levels):
            return draw.choice(levels)
        case FlagParameter():
            return draw.random() < 0.5
    return "simulated"


def _differs(reading: ProtocolParameter, result: ProtocolResult) -> str:
    """Why a result cannot have what is read; empty if it can."""
    kinds = {
        "number": NumberResult, "ordinal": NumberResult, "integer": IntegerResult | NumberResult,
        "choice": ChoiceResult, "flag": FlagResult,
    }  # fmt: skip
    if not isinstance(result, kinds[reading.type]):
        return f"it is of type {getattr(result, 'type', 'none')}, and what is read of type {reading.type}"
    if isinstance(reading, ChoiceParameter) and isinstance(result, ChoiceResult):
        extra = [level for level in reading.levels if level not in result.levels]
        return f"it has no level {', '.join(extra)}" if extra else ""
    unit = getattr(result, "unit", None)
    if unit is not None and unit != getattr(reading, "unit", unit):
        return f"it is in {unit!r}, the reading in {getattr(reading, 'unit', '')!r}"
    if isinstance(result, NumberResult) and result.uncertainty:
        return f"no person reads its uncertainty, {result.uncertainty}; leave uncertainty out of the result"
    return ""
