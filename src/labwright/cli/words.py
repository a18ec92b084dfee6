"""Words of the command line: questions, commands to be typed, values with their units."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from labwright.model.figures import figure, lasting, when, with_unit
from labwright.model.happened import learns_words, note, told

__all__ = ["lasting", "learns_words", "note", "told", "when"]


def question_words(question: str, text: str, choices: Mapping[str, str]) -> str:
    """A question as a person reads it, with the command that answers it."""
    lines = [f"QUESTION {question}", f"  {text}", *(f"    {answer}: {means}" for answer, means in choices.items())]
    return "\n".join([*lines, f"  {answer_command(question)}"])


def answer_command(question: str, place: str = "") -> str:
    """The command that answers a question; `place` is the option that names its journal."""
    return " ".join(
        filter(None, ("labwright question answer", quoted(question), "ANSWER", place, "--by NAME --reason TEXT"))
    )


def quoted(path: Path | str) -> str:
    """A path or name as it is typed in a shell, whatever characters it has."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)  # "-x" would be taken for an option


def valued(value: float, unit: str) -> str:
    """A number with its unit."""
    return with_unit(figure(value), unit)
