"""Versions of what can change: who changes something says which version was read, and overwrites no other change.

A GET of one thing answers with an ETag (`versioned`). To change that thing, send it back as If-Match (`check`): if the
thing has changed meanwhile, nothing is done, and the answer is 412 ``precondition``. Where a version must be named, a
request without one is answered with 428 ``precondition_required``. Conditions are those of RFC 9110, section 13.

In a route of the service's own tables, check in the transaction that writes, so that nothing comes between both::

    def write(connection: sa.Connection) -> Answer:
        row = ...                                       # as GET shows it now
        check(request, row, must=True)                  # 412, 428
        ...
        return Answer(200, changed, {"ETag": etag(changed)})

    return await service.once.change(request, asker, entry, write)

There it is looked at only the first time: a request that is sent again with its Idempotency-Key is answered as before,
although it has changed the version by itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request, Response

from labwright.service.problems import Problem

_KEYS = orjson.OPT_NON_STR_KEYS
"""SQLAlchemy's names of columns are strings of a kind of their own."""

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_TAGS = re.compile(r'\s*(?:(?:W/)?"[\x21\x23-\x7e]*"\s*(?:,\s*|$))+')


def etag(shown: Mapping[str, Any]) -> str:
    """The strong ETag of what is shown: equal as long as all of it is.

    Args:
        shown: the whole answer, as JSON can hold it.
    """
    return f'"{hashlib.blake2b(orjson.dumps(dict(shown), option=_KEYS), digest_size=12).hexdigest()}"'


def versioned(request: Request, shown: Mapping[str, Any]) -> Response:
    """The answer to a GET of one thing, with its version; 304 without a body if the client has that version already.

    Args:
        request: with If-None-Match, or without.
        shown: the answer.

    Raises:
        Problem: If-None-Match is no list of versions.
    """
    tag = etag(shown)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}  # kept by its reader, who asks before using it
    given = _given(request, "if-none-match")
    if given is not None and ("*" in given or tag in {one.removeprefix("W/") for one in given}):
        return Response(status_code=304, headers=headers)
    return Response(orjson.dumps(dict(shown), option=_KEYS), 200, headers, "application/json")


def check(request: Request, shown: Mapping[str, Any], *, must: bool = False) -> None:
    """Let a change through only if it is meant for what is there now.

    Args:
        request: with If-Match, or without.
        shown: what a GET answers now.
        must: whether a version has to be named.

    Raises:
        Problem: it is meant for another version, or for none though one must be named; or If-Match is no list of
            versions.
    """
    given = _given(request, "if-match")
    if given is None:
        if must:
            raise Problem(
                "precondition_required",
                "send the ETag of the version that you have read as If-Match: then nothing is overwritten that you "
                "have not seen",
            )
        return
    tag = etag(shown)
    if "*" not in given and tag not in given:  # a weak one (W/) never matches here, RFC 9110, 13.1.1
        raise Problem(
            "precondition",
            f"it has changed: If-Match is {', '.join(sorted(given))[:200]}, and the version now is {tag}. Read it "
            "again, and decide whether you still want the change; nothing was done",
            headers={"ETag": tag},
        )


def _given(request: Request, header: str) -> set[str] | None:
    """The versions that a header names; ``*`` for any."""
    values = request.headers.getlist(header)
    if not values:
        return None
    text = ", ".join(values).strip()
    if text == "*":
        return {"*"}
    if not _TAGS.fullmatch(text):
        raise Problem("malformed", f'{header.title()} is no list of versions: write them as "abc", or *')
    return {f'{weak}"{opaque}"' for weak, opaque in _TAG.findall(text)}
