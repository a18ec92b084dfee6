"""What routes declare of their answers, for `/openapi.json`.

It is a description: nothing is checked or changed by it when something is answered, which would take time with each
read. Tests hold the answers against it.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, create_model

from labwright.answers.base import Answered
from labwright.answers.lab import Command

Declared = dict[int | str, dict[str, Any]]
"""Answers by their status, as FastAPI takes them."""

ETAG = {
    "ETag": {
        "description": "The version: for If-None-Match, and for If-Match where it is changed.",
        "required": True,
        "schema": {"type": "string"},
    }
}


def _location(of: str) -> dict[str, Any]:
    return {"Location": {"description": f"Path of {of}.", "required": True, "schema": {"type": "string"}}}


def answers(model: type, status: int = 200, *, etag: bool = False, location: str = "") -> Declared:
    """What is answered.

    Args:
        model: of the body.
        status: of HTTP.
        etag: whether the answer has a version.
        location: what the answer names the place of; nothing if empty.
    """
    headers = {**(ETAG if etag else {}), **(_location(location) if location else {})}
    return {status: {"model": model, **({"headers": headers} if headers else {})}}


def in_versions(model: type) -> Declared:
    """The same for what is read in one version, and not sent to one who has it already."""
    unchanged = {"description": "It has not changed since the version in If-None-Match.", "headers": ETAG}
    return {**answers(model, etag=True), 304: unchanged}


def commanded(model: type = Command, status: int = 200, *, location: str = "") -> Declared:
    """What is answered where the controller is asked: what it has done; or, if that takes long, where to ask for it.

    Args:
        model: of the body.
        status: of HTTP, once it is done.
        location: what the answer names the place of then; nothing if empty.
    """
    later = {
        "model": model,
        "description": "It was handed to the controller, and is asked for at Location.",
        "headers": _location("the command"),
    }
    return {**answers(model, status, location=location), 202: later}


def items_of(model: type) -> type[BaseModel]:
    """A list that is answered as a whole: ``items``."""
    doc = "A list.\n\nAttributes:\n    items: all of it."
    return create_model(f"{model.__name__}List", __base__=Answered, __doc__=doc, items=(list[model], ...))  # type: ignore[valid-type]


def pages_of(model: type, cursor: type = int) -> type[BaseModel]:
    """A list that is answered page by page: ``items`` and ``next``.

    Args:
        model: of an item.
        cursor: of what kind ``next`` is.
    """
    doc = (
        "A page of a list.\n\nAttributes:\n    items: of this page.\n"
        "    next: ``cursor`` of the next page; null on the last one."
    )
    fields: Any = {"items": (list[model], ...), "next": (cursor | None, ...)}  # type: ignore[valid-type]
    return create_model(f"{model.__name__}Page", __base__=Answered, __doc__=doc, **fields)
