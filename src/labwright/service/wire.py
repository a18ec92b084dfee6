"""HTTP at the wire: what is no request is answered in the form of all others, and none may take its time for ever."""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from labwright.service.gate import new_trace
from labwright.service.headers import HEAD_MOST, HEADERS, too_large_a_head
from labwright.service.problems import MEDIA, Problem

HEAD_S = 20.0
"""Wall seconds that they may take to come, from a connection's first moment, or from the first byte of a later one."""

LINGER_S = 1.0
"""Wall seconds for which the rest of what was refused is read, and thrown away."""


class WireProtocol(H11Protocol):
    """A connection, read by h11: strict, and with a limit for what is not whole yet."""

    _waiting: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._watch(nothing_came=True)

    def data_received(self, data: bytes) -> None:
        """A client has sent something."""
        if self._refused:
            return
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """A client has gone."""
        self._rest()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, and close the connection."""
        error = sys.exception()
        too_large = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431
        problem = too_large_a_head() if too_large else Problem("malformed", "this is no HTTP/1.1")
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = problem.body(new_trace(""))
            headers = {"Content-Type": MEDIA, "Content-Length": str(len(body)), "Connection": "close", **HEADERS}
            reason = HTTPStatus(problem.status).phrase.encode()
            answer = h11.Response(status_code=problem.status, headers=list(headers.items()), reason=reason)
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.transport.can_write_eof():
            self.transport.write_eof()  # closed at once, the answer may be lost with what is unread
            self._refused = True
            self.loop.call_later(LINGER_S, self.transport.close)
        else:
            self.transport.close()

    def _watch(self, *, nothing_came: bool = False) -> None:
        """Wait for the rest of a request line and its headers, but not for ever."""
        if self.conn.their_state is not h11.IDLE or not (nothing_came or self.conn.trailing_data[0]):
            self._rest()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_S, self.transport.close)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def wire_options() -> dict[str, Any]:
    """How uvicorn is to read from the wire."""
    return {"http": WireProtocol, "ws": "none", "h11_max_incomplete_event_size": HEAD_MOST}
