"""How results of protocols are read that declare nothing of them but name and unit, as those of earlier releases do.

In what such a protocol finds, ``<name>_sem`` is the standard error of ``<name>``, and ``measured_params`` says by name
what was really made of the parameters. Journals of these releases are replayed by it, and the labs written for them go
on working. A protocol that declares its results (`labwright.model.results`) is never read so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from labwright.model.base import Frozen, Name
from labwright.model.errors import unknown
from labwright.model.figures import measured
from labwright.model.numbers import is_number

__all__ = ["MADE", "ResultSpec", "made_by_name", "sem_by_name", "sem_key", "wrong_by_name"]

MADE = "measured_params"


class ResultSpec(Frozen):
    """A number of which nothing is declared but name and unit; new protocols say `NumberResult`."""

    type: Literal["by_name"] = "by_name"
    name: Name
    unit: str
    description: str = ""

    def wrong(self, found: Mapping[str, Any]) -> list[str]:
        """What is wrong with it and its standard error in what a step has found."""
        wrong = []
        if self.name in found and not is_number(found[self.name]):
            wrong.append(f"{self.name} = {found[self.name]!r} is no number")
        sem = sem_by_name(found, self.name)
        if sem is not None and (not is_number(sem) or sem < 0):
            wrong.append(f"{self.name}_sem = {sem!r} is no standard error")
        return wrong

    def shown(self, found: Mapping[str, Any]) -> str:
        """It in what an experiment has found, for people; empty where it is not among that."""
        return measured(found[self.name], sem_by_name(found, self.name)) if self.name in found else ""


def sem_by_name(found: Mapping[str, Any], name: str) -> Any:
    """The standard error of a number; None if it is not known."""
    return found.get(sem_key(name))


def sem_key(name: str) -> str:
    """Under which key the standard error of a number is found."""
    return f"{name}_sem"


def made_by_name(found: Mapping[str, Any]) -> Any:
    """What was really made, by parameter; None if that was not measured."""
    return found.get(MADE)


def wrong_by_name(found: Mapping[str, Any], parameters: Sequence[str]) -> Iterator[str]:
    """What is wrong with what is said to be really made, one sentence each."""
    made = made_by_name(found)
    if made is None:
        return
    if not isinstance(made, dict):
        yield f"{MADE} = {made!r} is no dict of parameters"
        return
    yield from (f"{MADE}: {unknown('parameter', key, parameters)}" for key in made if key not in parameters)
    yield from (f"{MADE}.{key} = {one!r} is no number" for key, one in made.items() if not is_number(one))
