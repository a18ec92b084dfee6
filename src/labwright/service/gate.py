"""Who asks, and whether that is allowed: the same for every way in; refusals are recorded."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

import anyio.to_thread
from fastapi import Request

from labwright.service.audit import Entry, append
from labwright.service.database import Door
from labwright.service.people import who_has
from labwright.service.problems import Problem
from labwright.service.rights import Action, Principal, Resource, can

ANONYMOUS = Principal("anonymous")
"""Who shows no key: sees what is open."""

KNOWN_S = 2.0
"""Wall seconds that a key is taken for what it was; so long it works after it was revoked, in each process."""


@dataclass(frozen=True)
class Asker:
    """Who asks.

    Attributes:
        who: the principal.
        trace: of the HTTP request.
    """

    who: Principal
    trace: str


class Gate:
    """Lets in, or not.

    Args:
        door: the service's database.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._known: dict[str, tuple[float, Principal]] = {}

    def asker(self, request: Request) -> Asker:
        """Who sends a request.

        Raises:
            Problem: a key was shown that opens nothing.
        """
        trace = str(request.state.trace)
        shown = request.headers.get("authorization", "")
        if not shown:
            return Asker(ANONYMOUS, trace)
        kind, _, secret = shown.partition(" ")
        who = self._holder(secret) if kind.lower() == "bearer" else None
        if who is None:
            self.record([Entry("anonymous", "sign_in", "", allowed=False, because="no such key", trace=trace)])
            raise Problem("unauthenticated", "this key opens nothing: it is none, was revoked, or has expired")
        return Asker(who, trace)

    def need(self, asker: Asker, action: Action, what: Resource) -> None:
        """Let through, or refuse; a refusal is recorded.

        Raises:
            Problem: it is not allowed. Of what may not be read it is not said whether it is there.
        """
        decided = can(asker.who, action, what)
        if decided:
            return
        target = f"{what.kind}/{what.id}"
        self.record([Entry(asker.who.id, action, target, False, asker.who.key, because=decided.why, trace=asker.trace)])
        if asker.who is ANONYMOUS:
            raise Problem("unauthenticated", f"{action} takes a key: send it as Authorization: Bearer lw_...")
        if action.endswith(".read") and what.id:
            raise Problem("not_found", f"there is no {what.kind} {what.id[:200]}, or you may not see it")
        raise Problem("forbidden", decided.why)

    async def needs(self, asker: Asker, action: Action, what: Resource) -> None:
        """As `need`, from the loop: a refusal is written beside it.

        Raises:
            Problem: it is not allowed.
        """
        if not can(asker.who, action, what):
            await anyio.to_thread.run_sync(self.need, asker, action, what)

    def record(self, entries: Iterable[Entry]) -> None:
        """Write to the audit trail."""
        with self._door.writing() as connection:
            append(connection, entries)

    def forget(self) -> None:
        """Keys or roles have changed: look again."""
        self._known.clear()

    def _holder(self, secret: str) -> Principal | None:
        known = self._known.get(secret)
        now_s = time.monotonic()
        if known is not None and now_s - known[0] < KNOWN_S:
            return known[1]
        who = who_has(self._door, secret)
        if who is None:
            self._known.pop(secret, None)
            return None
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[secret] = now_s, who
        return who


def new_trace(given: str) -> str:
    """The trace of a request: the one that a W3C ``traceparent`` names, or a new one."""
    parts = given.split("-")
    if len(parts) == 4 and len(parts[1]) == 32 and set(parts[1]) <= set("0123456789abcdef") and set(parts[1]) != {"0"}:
        return parts[1]
    return secrets.token_hex(16)
