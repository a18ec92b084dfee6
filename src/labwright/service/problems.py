"""What goes wrong, as RFC 9457 has it: a status, a stable code for programs, words for people."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from labwright.model.errors import ConfigError, JournalError, LabwrightError, RefusedError

log = logging.getLogger(__name__)

MEDIA = "application/problem+json"

TITLES: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "The request is not understood"),
    "duplicate_key": (400, "A key is given twice"),
    "not_a_number": (400, "A number is none"),
    "too_deep": (400, "The body is nested too deeply"),
    "key_required": (400, "An Idempotency-Key is needed"),
    "unauthenticated": (401, "A key or a session is needed"),
    "forbidden": (403, "This is not allowed to you"),
    "cross_site": (403, "The request comes from another site"),
    "not_found": (404, "There is no such thing, or you may not see it"),
    "method": (405, "This cannot be done here"),
    "too_slow": (408, "The body takes too long to come"),
    "refused": (409, "The lab refuses"),
    "state": (409, "Its state does not allow this"),
    "quota": (409, "The quota does not allow this"),
    "in_progress": (409, "The same request is still being worked on"),
    "precondition": (412, "It has changed since you read it"),
    "too_large": (413, "The body is too large"),
    "media_type": (415, "The body is not of a kind that is taken"),
    "misdirected": (421, "This service is not the host that is asked"),
    "invalid": (422, "What is asked for cannot be"),
    "key_reused": (422, "This Idempotency-Key was used for something else"),
    "precondition_required": (428, "Say which version you mean to change"),
    "rate_limited": (429, "Too many requests"),
    "headers_too_large": (431, "The headers are too large"),
    "internal": (500, "Something is wrong here, not in your request"),
    "unavailable": (503, "The lab's records cannot be reached now"),
}
"""By code: the status, and the same title every time."""

_OF_STATUS = {400: "malformed", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "method",
              413: "too_large", 415: "media_type", 422: "invalid", 429: "rate_limited"}  # fmt: skip


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """Ends a request.

    Args:
        code: of `TITLES`.
        detail: what, where, value, limit and what to do, in words.
        errors: each mistake: ``pointer`` (a JSON pointer into the body), ``code``, ``detail``.
        headers: to be sent with it.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        errors: Iterable[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """Of the answer."""
        return TITLES[self.code][0]

    def response(self, request: Request) -> Response:
        """The answer."""
        headers = {"WWW-Authenticate": "Bearer"} if self.code == "unauthenticated" else {}
        body = self.body(getattr(request.state, "trace", ""))
        return Response(body, self.status, {**headers, **self.headers}, MEDIA)

    def body(self, trace: str) -> bytes:
        """The answer's body.

        Args:
            trace: of the request.
        """
        body: dict[str, Any] = {
            "type": f"urn:labwright:problem:{self.code}",
            "title": TITLES[self.code][1],
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "trace": trace,
        }
        if self.errors:
            body["errors"] = self.errors
        return orjson.dumps(body)


def problem_of(error: LabwrightError) -> Problem:
    """What the lab refuses, as a problem."""
    if isinstance(error, JournalError):
        return Problem("unavailable", str(error), headers={"Retry-After": "5"})
    if isinstance(error, RefusedError):
        return Problem("refused", str(error))
    return Problem("invalid" if isinstance(error, ConfigError) else "refused", str(error))


def unexpected(request: Request, error: Exception) -> Response:
    """What no person has foreseen: logged whole, and answered without a word of it."""
    trace = getattr(request.state, "trace", "")
    log.error("request %s failed", trace, exc_info=error)
    words = f"it was noted as {trace}; send it again with the same Idempotency-Key"
    return Problem("internal", words).response(request)


def handle_problems(app: FastAPI) -> None:
    """Have every foreseen error answered as a problem; no answer repeats what was sent, or shows a stack."""

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 - it is registered for nothing else
        return error.response(request)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, LabwrightError)  # noqa: S101
        return problem_of(error).response(request)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        if isinstance(error.__cause__, Problem):  # FastAPI wraps what a strict body refuses
            return error.__cause__.response(request)
        code = _OF_STATUS.get(error.status_code, "malformed")
        words = str(error.detail) if error.status_code != 404 else f"nothing is at {request.url.path[:200]}"
        return Problem(code, words, headers=error.headers).response(request)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return Problem("invalid", "see errors", _mistakes(error)).response(request)

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(LabwrightError, refused)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


def _mistakes(error: RequestValidationError) -> list[dict[str, Any]]:
    """Each mistake with its place; what was sent is not repeated: it may be NaN, huge, or a secret."""
    found = []
    for one in error.errors()[:100]:
        where, *path = one["loc"]
        place = {"pointer": pointer(error.body, path)} if where == "body" else {where: "/".join(map(str, path))}
        found.append({**place, "code": one["type"], "detail": one["msg"]})
    return found


def pointer(body: Any, path: Sequence[str | int]) -> str:
    """The JSON pointer to a mistake in a body; what pydantic calls the kinds of a union is no part of it.

    Args:
        body: as it was sent.
        path: pydantic's, whose last part may be a key that is missing.
    """
    parts: list[str] = []
    for number, part in enumerate(path):
        there = isinstance(body, list) and isinstance(part, int) and part < len(body)
        there = there or (isinstance(body, dict) and part in body)
        if there:
            body = body[part]
        elif number < len(path) - 1 or not isinstance(body, dict):
            continue
        parts.append(str(part).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{part}" for part in parts)
