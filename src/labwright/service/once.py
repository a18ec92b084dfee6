"""What is sent twice is done once: requests with an Idempotency-Key.

As draft-ietf-httpapi-idempotency-key-header-07 has it: the same key with the same request is answered as before; with
another request it is refused. What a crash has interrupted is done when it is sent again: each act behind it has the
key in its own record, in the journal or here, and is there once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
import orjson
import sqlalchemy as sa
from fastapi import Request, Response

from labwright.model.errors import LabwrightError
from labwright.service.audit import Entry, append
from labwright.service.database import Door
from labwright.service.gate import Asker
from labwright.service.problems import Problem
from labwright.service.schema import asked

KEPT_S = 7 * 86400.0
"""Wall seconds for which an answer is kept; the draft asks for no time, clients retry within hours."""

KEY_MOST = 100
"""Characters of a key; a UUID has 36."""


@dataclass(frozen=True)
class Answer:
    """What is answered, now and when it is asked again.

    Attributes:
        status: of HTTP.
        body: JSON.
        headers: further ones.
        secret: what is added to the body the first time, and kept nowhere.
    """

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, Any] = field(default_factory=dict)


class Once:
    """Remembers what was asked.

    Args:
        door: the service's database.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._running: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    async def do(
        self, request: Request, asker: Asker, entry: Entry, work: Callable[[str], Awaitable[Answer]]
    ) -> Response:
        """Do what a request asks elsewhere, or answer as before.

        Args:
            request: with its Idempotency-Key.
            asker: who sends it.
            entry: of the audit trail; it is written before the work begins.
            work: what is to be done, given a key of its own: the same when it is sent again.

        Raises:
            Problem: it has no key, the key was used for something else, or the same is being done now.
            LabwrightError: it cannot be done.
        """
        mine = (asker.who.id, _key(request))
        digest = await _digest(request)
        with self._alone(mine):
            known = await anyio.to_thread.run_sync(self._begin, mine, digest, entry)
            if known is not None:
                return known
            try:
                answer = await work(":".join(mine))
            except (Problem, LabwrightError) as error:
                await anyio.to_thread.run_sync(self._refused, entry, str(error))
                raise
            await anyio.to_thread.run_sync(self._keep, mine, answer)
        return _response(answer)

    async def change(
        self,
        request: Request,
        asker: Asker,
        entry: Entry,
        write: Callable[[sa.Connection], Answer],
        *,
        recorded: bool = False,
    ) -> Response:
        """Change the service's own tables as a request asks, or answer as before: all in one transaction, or nothing.

        Args:
            request: with its Idempotency-Key.
            asker: who sends it.
            entry: of the audit trail.
            write: the change.
            recorded: whether the change writes into the audit trail by itself; then `entry` is for a refusal.

        Raises:
            Problem: it has no key, or the key was used for something else.
            LabwrightError: it cannot be done.
        """
        mine = (asker.who.id, _key(request))
        digest = await _digest(request)

        def all_of_it() -> Response:
            with self._door.writing() as connection:
                known = _known(connection, mine, digest, None if recorded else entry)
                if known is not None:
                    return known
                answer = write(connection)
                _kept(connection, mine, answer)
            return _response(answer)

        with self._alone(mine):
            try:
                return await anyio.to_thread.run_sync(all_of_it)
            except (Problem, LabwrightError) as error:
                await anyio.to_thread.run_sync(self._refused, entry, str(error))
                raise

    async def before(self, request: Request, asker: Asker) -> Response | None:
        """What the same request was answered before; None if it was not.

        Raises:
            Problem: it has no key, or the key was used for something else.
        """
        mine = (asker.who.id, _key(request))
        digest = await _digest(request)

        def look() -> Response | None:
            rows = self._door.rows(sa.select(asked).where(asked.c.principal == mine[0], asked.c.key == mine[1]))
            return _answered_before(rows[0], digest) if rows else None

        return await anyio.to_thread.run_sync(look)

    @contextlib.contextmanager
    def _alone(self, mine: tuple[str, str]) -> Iterator[None]:
        with self._lock:
            if mine in self._running:
                raise Problem("in_progress", "ask again in a second", headers={"Retry-After": "1"})
            self._running.add(mine)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(mine)

    def _refused(self, entry: Entry, why: str) -> None:
        with self._door.writing() as connection:
            append(connection, [dataclasses.replace(entry, allowed=False, because=why)])

    def _begin(self, mine: tuple[str, str], digest: str, entry: Entry) -> Response | None:
        """Remember what is asked; the answer, if it was given before."""
        with self._door.writing() as connection:
            return _known(connection, mine, digest, entry)

    def _keep(self, mine: tuple[str, str], answer: Answer) -> None:
        with self._door.writing() as connection:
            _kept(connection, mine, answer)


def _key(request: Request) -> str:
    """The Idempotency-Key of a request.

    Raises:
        Problem: it has none, or none that can be kept.
    """
    key = request.headers.get("idempotency-key", "").strip().strip('"')
    if not key or len(key) > KEY_MOST or not key.isascii() or not key.isprintable():
        raise Problem(
            "key_required",
            f"send an Idempotency-Key of 1 to {KEY_MOST} printable ASCII characters, new for each thing you ask: with "
            "it, sending again after a lost answer does nothing twice",
        )
    return key


async def _digest(request: Request) -> str:
    """What tells one request from another."""
    raw = await request.body()
    parts = (request.method.encode(), request.url.path.encode(), request.url.query.encode(), raw)
    return hashlib.sha256(b"\x00".join(parts)).hexdigest()


def _known(connection: sa.Connection, mine: tuple[str, str], digest: str, entry: Entry | None) -> Response | None:
    """The answer that was given before; None if there is none yet, and then it is remembered that it was asked.

    Raises:
        Problem: the key was used for something else.
    """
    who, key = mine
    now_s = time.time()
    connection.execute(sa.delete(asked).where(asked.c.at_s < now_s - KEPT_S))
    known = sa.select(asked).where(asked.c.principal == who, asked.c.key == key)
    row = connection.execute(known).mappings().first()
    if row is None:
        connection.execute(sa.insert(asked).values(principal=who, key=key, digest=digest, at_s=now_s))
        append(connection, [entry] if entry is not None else [])
        return None
    return _answered_before(dict(row), digest)


def _answered_before(row: Mapping[str, Any], digest: str) -> Response | None:
    """What was answered to a request with a key; None if it was interrupted.

    Raises:
        Problem: the key was used for something else.
    """
    if row["digest"] != digest:
        raise Problem("key_reused", "this Idempotency-Key came with another request before: take a new one")
    if row["status"] is None:
        return None
    headers = {**orjson.loads(row["headers"]), "Idempotency-Replayed": "true"}
    return Response(row["body"], row["status"], headers, "application/json")


def _kept(connection: sa.Connection, mine: tuple[str, str], answer: Answer) -> None:
    this = (asked.c.principal == mine[0], asked.c.key == mine[1])
    values = {
        "status": answer.status,
        "headers": orjson.dumps(dict(answer.headers)).decode(),
        "body": orjson.dumps(dict(answer.body)).decode(),
    }
    connection.execute(sa.update(asked).where(*this).values(**values))


def _response(answer: Answer) -> Response:
    body = orjson.dumps({**answer.body, **answer.secret})
    return Response(body, answer.status, dict(answer.headers), "application/json")
