"""What the routes of the desk have in common: a request that one may see, and a change of it that is made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from anyio import to_thread
from fastapi import Request, Response

from labwright.model.rows import Row
from labwright.service.audit import Entry
from labwright.service.desk import requests
from labwright.service.desk.requests import By
from labwright.service.gate import Asker
from labwright.service.once import Answer
from labwright.service.problems import Problem
from labwright.service.rights import Action, Resource, can
from labwright.service.state import Service
from labwright.service.versions import etag

Change = Callable[[sa.Connection, Row], Row]


def by(asker: Asker) -> By:
    """Who does something, as it is recorded."""
    return By(asker.who.id, asker.who.key, asker.trace)


def seen(service: Service, asker: Asker, name: str) -> Row:
    """The row of a request that this one may see.

    Raises:
        Problem: there is none, or it may not be seen: which of both is not said.
    """
    number = requests.number_of(name)
    with service.door.reading() as connection:
        try:
            row = requests.row_of(connection, number)
        except Problem:
            service.gate.need(asker, "request.read", Resource("request", name))  # who may see none learns no more
            raise
    service.gate.need(asker, "request.read", service.owned.request(row))
    return row


def need_one(service: Service, asker: Asker, actions: Sequence[Action], what: Resource) -> None:
    """Let through who may do one of these, or refuse.

    Raises:
        Problem: none of them is allowed.
    """
    if not any(can(asker.who, one, what) for one in actions):
        service.gate.need(asker, actions[0], what)


async def change(
    service: Service,
    asker: Asker,
    request: Request,
    name: str,
    actions: Sequence[Action],
    because: str,
    write: Change,
    check: Callable[[Mapping[str, Any]], None] = lambda shown: None,
) -> Response:
    """Change a request once, and answer with what it is then.

    Args:
        service: of the lab.
        asker: who asks.
        request: of HTTP, with its Idempotency-Key.
        name: of the request.
        actions: one of these has to be allowed.
        because: why.
        write: the change, in the transaction in which the row was read.
        check: refuses what is meant for another version, given what is shown now.

    Raises:
        Problem: it may not be done, or cannot.
    """

    def look() -> Row:
        row = seen(service, asker, name)
        need_one(service, asker, actions, service.owned.request(row))
        return row

    row = await to_thread.run_sync(look)

    def work(connection: sa.Connection) -> Answer:
        now = requests.row_of(connection, row["n"])
        check(requests.shown(connection, now))
        shown = requests.shown(connection, write(connection, now))
        return Answer(200, shown, {"ETag": etag(shown)})

    entry = Entry(asker.who.id, actions[0], f"request/{name}", via=asker.who.key, because=because, trace=asker.trace)
    answer = await service.once.change(request, asker, entry, work, recorded=True)
    service.desk.wake()
    return answer
