"""JSON bodies, read strictly: a key that is given twice, or a number that is none, is a mistake and no choice."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from labwright.answers.base import word_schema
from labwright.service.problems import Problem

BODY_MOST = 1_048_576
"""Bytes of a JSON body."""

DEPTH_MOST = 32
"""Objects and lists inside each other."""

KEYS_MOST = 10_000
"""Keys and list items in a body."""

WHOLE_MOST = 2**53
"""The largest whole number that every reader of JSON takes for the same (RFC 7493)."""

DIGITS_MOST = 20
"""Digits of a number that is read at all."""


class Body(BaseModel):
    """What is sent: no further keys, no text for a number, nothing infinite."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, frozen=True, json_schema_extra=word_schema
    )


class StrictRequest(Request):
    """A request whose JSON is read by `strict_json`."""

    async def json(self) -> Any:
        """The body.

        Raises:
            Problem: it is no JSON, or not such as is taken.
        """
        if not hasattr(self, "_json"):
            self._json = strict_json(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route whose requests are strict."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI's, with a strict request."""
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly


def strict_json(raw: bytes) -> Any:
    """Read JSON.

    Raises:
        Problem: it is none; a key is given twice in an object; a number is not finite; it is too deep or has too much;
            a text has characters that cannot be kept.
    """

    def pairs(given: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(given)
        if len(found) < len(given):
            names = [key for key, _ in given]
            twice = next(key for key in names if names.count(key) > 1)
            raise Problem("duplicate_key", f"the key {twice[:100]!r} is given twice in one object: which is meant?")
        return found

    def constant(word: str) -> Any:
        raise Problem("not_a_number", f"{word} is no number of JSON's, and no value of the lab's")

    def finite(word: str) -> float:
        value = float(word)
        if value in (float("inf"), float("-inf")):
            raise Problem("not_a_number", f"{word[:40]} is too large for a number")
        return value

    def whole(word: str) -> int:
        value = int(word) if len(word) <= DIGITS_MOST else WHOLE_MOST + 1
        if abs(value) > WHOLE_MOST:
            raise Problem("not_a_number", f"{word[:40]} is beyond 2^53: readers of JSON do not agree on what it is")
        return value

    try:
        found = json.loads(raw, object_pairs_hook=pairs, parse_constant=constant, parse_float=finite, parse_int=whole)
    except RecursionError:
        raise Problem("too_deep", _TOO_DEEP) from None
    except ValueError as error:  # a text that is no UTF-8, too: UnicodeDecodeError is a ValueError
        raise Problem("malformed", f"the body is no JSON: {str(error)[:200]}") from error
    _measure(found)
    return found


_TOO_DEEP = f"objects and lists are nested more than {DEPTH_MOST} deep"


def _measure(value: Any) -> None:
    """Refuse what is too deep, has too much in it, or has texts that cannot be kept."""
    count, layer, depth = 0, [value], 0
    while layer:
        within: list[Any] = []
        for one in layer:
            if isinstance(one, str):
                _refuse_no_text(one)
            elif isinstance(one, dict):
                for key in one:
                    _refuse_no_text(key)
                within += one.values()
            elif isinstance(one, list):
                within += one
        count += len(within)
        depth += any(isinstance(one, (dict, list)) for one in layer)
        if depth > DEPTH_MOST:
            raise Problem("too_deep", _TOO_DEEP)
        if count > KEYS_MOST:
            raise Problem("too_large", f"the body has more than {KEYS_MOST} keys and items")
        layer = within


def _refuse_no_text(text: str) -> None:
    """Refuse U+0000, which databases do not keep, and half a surrogate pair, which UTF-8 cannot write."""
    if "\0" in text:
        raise Problem("malformed", "a text of the body has the character U+0000, which cannot be kept: leave it out")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = f"\\u{ord(text[error.start]):04x}"
            words = f"a text of the body has {half}, half of a surrogate pair, which is no character: leave it out"
            raise Problem("malformed", words) from None
