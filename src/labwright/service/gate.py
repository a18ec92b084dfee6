"""Who asks, and whether that is allowed: the same for every way in; refusals are recorded."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import anyio.to_thread
from fastapi import Request
from starlette.types import Scope

from labwright.service.audit import Entry, append
from labwright.service.database import Door
from labwright.service.pace import Pace, is_expensive, is_free
from labwright.service.people import who_has
from labwright.service.problems import Problem
from labwright.service.refusals import Refusals
from labwright.service.rights import Action, Principal, Resource, can
from labwright.service.signin.sessions import holder

ANONYMOUS = Principal("anonymous")
"""Who shows no key: sees what is open."""

KNOWN_S = 2.0
"""Wall seconds that a key or a session is taken for what it was. What is revoked here opens nothing from then on;
what another process revokes (a second service, the command line) still does for so long."""

KNOWN_MOST = 10_000
"""Keys and sessions that are remembered so."""

Look = Callable[[Door, str], Principal | None]
"""Finds whose a secret is."""


@dataclass(frozen=True)
class Asker:
    """Who asks.

    Attributes:
        who: the principal.
        trace: of the HTTP request.
        address: from which it comes.
    """

    who: Principal
    trace: str
    address: str = ""


class Gate:
    """Lets in, or not.

    Args:
        door: the service's database.
        pace: counts requests.
        cookie: name of the cookie that holds a session.
        tokens: finds whose token of an OpenID provider it is; None where the lab has no provider.
    """

    def __init__(self, door: Door, pace: Pace, cookie: str, tokens: Look | None = None) -> None:
        self._tokens = tokens
        self._door = door
        self._pace = pace
        self._cookie = cookie
        self._refusals = Refusals(door)
        self._known: dict[tuple[str, str], tuple[float, Principal]] = {}
        self._changes = 0

    def asker(self, request: Request) -> Asker:
        """Who sends a request.

        Raises:
            Problem: a key was shown that opens nothing; or it is one request too many.
        """
        trace, address = str(request.state.trace), address_of(request.scope)
        who = self._shown(request)
        if who is None:
            self.refuse_wrong(Asker(ANONYMOUS, trace, address), "no such key")
            raise Problem("unauthenticated", "this key opens nothing: it is none, was revoked, or has expired")
        if who is not ANONYMOUS and not is_free(request.url.path):
            self._pace.count("key", who.key)
            if is_expensive(request.method, request.url.path):
                self._pace.count("expensive", who.key)
        return Asker(who, trace, address)

    def watch(self, request: Request, asker: Asker, may: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
        """Whether one who was let in still is, with the same rights: to be asked again and again by what lasts.

        Args:
            request: as it came.
            asker: who had sent it.
            may: whether it is still allowed, looked up beside the loop: a grant ends, or the class of data is changed,
                while the asker stays the same.
        """
        changes, looked_s = self._changes, time.monotonic()

        async def holds() -> bool:
            nonlocal changes, looked_s
            now_s = time.monotonic()
            if changes == self._changes and now_s - looked_s < KNOWN_S:
                return True
            changes, looked_s = self._changes, now_s
            return await anyio.to_thread.run_sync(lambda: self._shown(request) == asker.who and may())

        return holds

    def refuse_wrong(self, asker: Asker, because: str, about: str = "") -> None:
        """Record that something was shown that opens nothing.

        Args:
            asker: who has shown it.
            because: what it was.
            about: the person it was about.

        Raises:
            Problem: too many were shown from this address.
        """
        words = f"{because}, from {asker.address}"
        entry = Entry(
            "anonymous", "sign_in", f"person/{about}" if about else "", False, because=words, trace=asker.trace
        )
        self._refusals.note(entry, f"{asker.address} {about}")
        self._pace.count("wrong", asker.address)

    def close(self) -> None:
        """Write what was counted of refusals.

        Raises:
            JournalError: the database refuses.
        """
        self._refusals.close()

    def need(self, asker: Asker, action: Action, what: Resource) -> None:
        """Let through, or refuse; a refusal is recorded.

        Raises:
            Problem: it is not allowed. Of what may not be read it is not said whether it is there.
        """
        decided = can(asker.who, action, what)
        if decided:
            return
        target = f"{what.kind}/{what.id}"
        entry = Entry(asker.who.id, action, target, False, asker.who.key, because=decided.why, trace=asker.trace)
        if asker.who is ANONYMOUS:
            self._refusals.note(entry, asker.address)
            raise Problem("unauthenticated", f"{action} takes a key: send it as Authorization: Bearer lw_...")
        self.record([entry])
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
        """Keys, sessions or roles have changed: look again."""
        self._changes += 1
        self._known.clear()

    def _shown(self, request: Request) -> Principal | None:
        """Who a request shows to be: by its key, else by its session; None if a key was shown that opens nothing."""
        shown = request.headers.get("authorization", "")
        if shown:
            kind, _, secret = shown.partition(" ")
            if kind.lower() != "bearer":
                return None
            if self._tokens is not None and secret.count(".") == 2:  # no key of ours has one
                return self._holder("token", secret, self._tokens)
            return self._holder("key", secret, who_has)
        secret = request.cookies.get(self._cookie, "")
        return (self._holder("session", secret, holder) if secret else None) or ANONYMOUS

    def _holder(self, kind: str, secret: str, look: Look) -> Principal | None:
        known = self._known.get((kind, secret))
        now_s, changes = time.monotonic(), self._changes
        if known is not None and now_s - known[0] < KNOWN_S:
            return known[1]
        who = look(self._door, secret)
        if who is None:
            self._known.pop((kind, secret), None)
            return None
        if len(self._known) > KNOWN_MOST:
            self._known.clear()
        if changes == self._changes:  # else what was just read may have been revoked meanwhile
            self._known[kind, secret] = now_s, who
        return who


def address_of(scope: Scope) -> str:
    """The network address of a client, as the named proxy says where there is one."""
    client = scope.get("client")
    return str(client[0]) if client else "none"


def new_trace(given: str) -> str:
    """The trace of a request: the one that a W3C ``traceparent`` names, or a new one."""
    parts = given.split("-")
    if len(parts) == 4 and len(parts[1]) == 32 and set(parts[1]) <= set("0123456789abcdef") and set(parts[1]) != {"0"}:
        return parts[1]
    return secrets.token_hex(16)
