"""What all answers have in common, and how they and what is sent are described."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, with_config

Kept = TypeVar("Kept")

SOMETIMES = "x-sometimes"
"""Marks a field in a schema that not every such answer has; all others are in each."""

Sometimes = Annotated[Kept, Field(json_schema_extra={SOMETIMES: True})]
"""A field that not every such answer has."""

_SECTION = re.compile(r"\n+(?:Args|Attributes|Raises|Returns):\n.*", re.DOTALL)
_FIELDS = re.compile(r"\n(?:Args|Attributes):\n((?:    .*(?:\n|$)|\n)+)")
_FIELD = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def split_words(doc: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of its class, and of each attribute.

    Args:
        doc: without the indentation of its class.
    """
    fields = _FIELDS.search(doc)
    words = {name: " ".join(text.split()) for name, text in _FIELD.findall(fields[1])} if fields else {}
    return _plain(_SECTION.sub("", doc).strip()), {name: _plain(text) for name, text in words.items()}


def _plain(text: str) -> str:
    return text.replace("``", "`")


def word_schema(schema: dict[str, Any], cls: type) -> None:
    """Move what docstrings say of attributes to these, as JSON Schema has it.

    Args:
        schema: of the class.
        cls: whose attributes, and those of the classes that it is made from, are in docstrings.
    """
    names = {field.alias or name: name for name, field in getattr(cls, "model_fields", {}).items()}
    for made_from in reversed(cls.__mro__):
        about, words = split_words(_cleaned(made_from))
        for name, one in schema.get("properties", {}).items():
            if text := words.get(names.get(name, name)):
                one["description"] = text
    if about:
        schema["description"] = about


def _cleaned(cls: type) -> str:
    """The docstring of a class itself."""
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "")


def _describe(schema: dict[str, Any], cls: type) -> None:
    """All fields that there are have words; that a newer service may say more needs none."""
    word_schema(schema, cls)
    schema.pop("additionalProperties", None)


class Answered(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, json_schema_extra=_describe)


class Open(Answered):
    """An answer with further fields, which depend on what it is about."""

    model_config = ConfigDict(json_schema_extra=word_schema)


plain = with_config(ConfigDict(extra="allow", json_schema_extra=_describe))
"""Makes a typed dictionary a part of an answer, which stays a dictionary for the client."""

plain_open = with_config(ConfigDict(extra="allow", json_schema_extra=word_schema))
"""The same, with further fields, which depend on what it is about."""
