"""What pydantic finds wrong, in the words of this field: no tuples, no validation, no input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from labwright.model.references import CrossReferenceError

__all__ = ["in_words", "what_is_wrong", "wrong_entries"]

E = TypeVar("E", bound=Mapping[str, Any])

_SHORT = 60  # characters of a value that are shown
_KINDS = {
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
}


def in_words(one: Mapping[str, Any]) -> str:
    """One entry of `ValidationError.errors()`, without its place; it begins with a small letter.

    Args:
        one: the entry.
    """
    kind, context = one["type"], one.get("ctx") or {}
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "unknown key"
    if kind in ("too_short", "too_long"):
        least = kind == "too_short"
        count = context.get("min_length" if least else "max_length", 1)
        entries = "entry" if count == 1 else "entries"
        return f"needs {'at least' if least else 'at most'} {count} {entries}, not {context.get('actual_length', 0)}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_type" and isinstance(one.get("input"), bool | int | float):
        return f"must be text, not the value {one['input']!r}: put it in quotes"
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}, not {_shown(one.get('input'))}"
    if kind == "literal_error":
        return f"must be {context.get('expected', 'another word')}, not {_shown(one.get('input'))}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        expected = context.get("expected_tags", "")
        return f"needs a type, one of {expected}" if expected else "needs a type"
    message = str(one["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind == "value_error" or not message:
        return message
    shown = repr(one.get("input"))
    return f"{message[0].lower()}{message[1:]}{f', not {shown}' if len(shown) < _SHORT else ''}"


def what_is_wrong(error: ValidationError, place: Callable[[Sequence[int | str]], str] | None = None) -> str:
    """All that a model found wrong, each with its place.

    Args:
        error: what it raised.
        place: how a place is called; as keys with points between them if None.
    """
    spell = place or (lambda where: ".".join(map(str, where)))
    return "; ".join(f"{spell(where)}: {words}".removeprefix(": ") for where, words in _each(error))


def wrong_entries(errors: Iterable[E]) -> list[E]:
    """Without those that only follow: an entry that is wrong itself is not counted, and its list is then too short."""
    errors = list(errors)
    within = {one["loc"][:depth] for one in errors for depth in range(len(one["loc"]))}
    return [one for one in errors if one["type"] != "too_short" or one["loc"] not in within]


def _each(error: ValidationError) -> Iterator[tuple[Sequence[int | str], str]]:
    for one in wrong_entries(error.errors()):
        cause = (one.get("ctx") or {}).get("error")
        if isinstance(cause, CrossReferenceError):
            yield from (((*one["loc"], *where), words) for where, words in cause.problems)
        else:
            yield one["loc"], in_words(one)


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) < _SHORT else f"{shown[: _SHORT - 3]}..."
