"""Words of the command line: questions, commands to be typed, values with their units."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labwright.model.figures import figure, lasting, spelled, when, with_unit
from labwright.model.happened import learns_words, note, told

__all__ = ["lasting", "learns_words", "note", "told", "when"]

Readings = Sequence[str] | None
"""Names of what is read for a task card; None of a question."""


def question_words(question: str, text: str, choices: Mapping[str, str], readings: Readings = None) -> str:
    """A question or a task card as a person reads it, with the command that answers it."""
    lines = [heading(question, text, readings), *(f"    {answer}: {means}" for answer, means in choices.items())]
    return "\n".join([*lines, f"  {answer_command(question, readings=readings)}"])


def heading(question: str, text: str, readings: Readings = None) -> str:
    """What is asked, or is to be done, in lines of which each after the first is set in."""
    kind = "QUESTION" if readings is None else "TASK"
    return "\n  ".join([f"{kind} {question}", *text.splitlines()])


def answer_command(question: str, place: str = "", readings: Readings = None) -> str:
    """The command that answers a question.

    Args:
        question: its id.
        place: the option that names its journal.
        readings: names of what is read for a task card; None if it is a question.
    """
    answer = "ANSWER" if readings is None else "done"
    read = [f"--reading {name}=VALUE" for name in readings or ()]
    words = ("labwright question answer", quoted(question), answer, *read, place, "--by NAME --reason TEXT")
    return " ".join(filter(None, words))


def readings_of(asked: Mapping[str, Any]) -> Readings:
    """Names of what is read for a task card, as a row has it; None if it is a question."""
    return [one["name"] for one in asked["task"]["readings"]] if asked.get("task") else None


def edits_words(asked: Mapping[str, Any]) -> list[str]:
    """With which values a step that has failed can be repeated, as they are typed; empty if only as it was."""
    offered = asked.get("parameters") or ()
    return [f"again --set {one['name']}=VALUE (now {spelled(one['value'])}): {one['allowed']}" for one in offered]


def quoted(path: Path | str) -> str:
    """A path or name as it is typed in a shell, whatever characters it has."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)  # "-x" would be taken for an option


def valued(value: float, unit: str) -> str:
    """A number with its unit."""
    return with_unit(figure(value), unit)
