"""What stands before every route: limits, the headers of each answer, and what no route ever gets to see."""

from __future__ import annotations

from collections import Counter

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labwright.service.bodies import BODY_MOST
from labwright.service.gate import address_of, new_trace
from labwright.service.headers import HEAD_MOST, HEADERS, TLS_HEADERS, too_large_a_head
from labwright.service.origin import known_names, refuse_cross_site, refuse_misdirected
from labwright.service.pace import AT_A_TIME, OF_ONE_AT_A_TIME, Pace, is_expensive, is_free
from labwright.service.problems import Problem, unexpected
from labwright.service.settings import ServiceSettings

BODY_S = 60.0
"""Wall seconds that a body may take to come, in parts or whole."""


class Front:
    """Gives each request its trace and its limits, and each answer its headers.

    It is plain ASGI, so that a stream notices when its reader has gone.

    Args:
        app: what it stands before.
        settings: how the service is run.
        pace: counts requests.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings, pace: Pace) -> None:
        self._app = app
        self._names = known_names(settings)
        self._headers = {**HEADERS, **(TLS_HEADERS if settings.secure else {})}
        self._pace = pace
        self._busy: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        trace = new_trace(headers.get("traceparent", ""))
        scope.setdefault("state", {})["trace"] = trace
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                answer = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    answer.setdefault(name, value)
                answer["X-Trace-Id"] = trace
            await send(message)

        try:
            self._refuse(scope, headers)
            await self._limited(scope, headers, _bounded(receive), sending)
        except Problem as problem:
            if started:
                raise
            await problem.response(Request(scope))(scope, receive, sending)
        except Exception as error:
            if started:
                raise
            await unexpected(Request(scope), error)(scope, receive, sending)

    def _refuse(self, scope: Scope, headers: Headers) -> None:
        """Refuse what no route is to see.

        Raises:
            Problem: it is for another host, from another site, too large, or one too many; or its address has U+0000.
        """
        line = len(scope["raw_path"]) + len(scope["query_string"])
        if line + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > HEAD_MOST:
            raise too_large_a_head()
        if b"%00" in scope["query_string"] or b"\0" in scope["query_string"] or "\0" in scope["path"]:
            raise Problem("malformed", "the address has the character U+0000 (%00), which cannot be kept: leave it out")
        refuse_misdirected(headers, self._names)
        refuse_cross_site(scope["method"], headers)
        if "transfer-encoding" in headers and "content-length" in headers:
            words = "it says twice how long its body is: leave Content-Length or Transfer-Encoding out"
            raise Problem(
                "malformed", words, headers={"Connection": "close"}
            )  # else the rest may be taken for a request
        declared = headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or int(declared[:20]) > BODY_MOST:
            raise _too_large()
        if "authorization" not in headers and "cookie" not in headers and not is_free(scope["path"]):
            self._pace.count("address", address_of(scope))
            if is_expensive(scope["method"], scope["path"]):
                self._pace.count("expensive", address_of(scope))

    async def _limited(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """Answer, unless too many expensive requests are worked on already.

        Raises:
            Problem: there are.
        """
        if not is_expensive(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        who = headers.get("authorization") or headers.get("cookie") or address_of(scope)
        held = False

        def hold() -> None:
            nonlocal held
            if self._busy.total() >= AT_A_TIME or self._busy[who] >= OF_ONE_AT_A_TIME:
                raise _too_many()
            self._busy[who] += 1
            held = True

        async def receiving() -> Message:
            message = await receive()
            if not held and not message.get("more_body", False):
                hold()  # not before: a body that does not come keeps no other waiting
            return message

        if scope["method"] == "GET":
            hold()
        try:
            await self._app(scope, receiving, send)
        finally:
            if held:
                self._busy[who] -= 1
                self._busy += Counter()  # forgets those that are at zero


def _bounded(receive: Receive) -> Receive:
    """A body of at most `BODY_MOST` bytes, that comes within `BODY_S`."""
    size, whole = 0, False
    ends_s = anyio.current_time() + BODY_S

    async def receiving() -> Message:
        nonlocal size, whole
        if whole:
            return await receive()  # until its client has gone
        with anyio.move_on_after(max(0.0, ends_s - anyio.current_time())) as late:
            message = await receive()
        if late.cancelled_caught:
            raise Problem("too_slow", f"the body did not come within {BODY_S:g} s", headers={"Connection": "close"})
        whole = message["type"] != "http.request" or not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > BODY_MOST:
            raise _too_large()
        return message

    return receiving


def _too_many() -> Problem:
    return Problem(
        "rate_limited",
        f"{AT_A_TIME} requests that take long are worked on already, or {OF_ONE_AT_A_TIME} of yours; ask again",
        headers={"Retry-After": "1"},
    )


def _too_large() -> Problem:
    return Problem("too_large", f"the body has more than {BODY_MOST} bytes")
