"""What is to be sent, written down first: nothing is lost when a process dies, and what is sent twice has one id."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.model.rows import Row
from labwright.service.database import Door
from labwright.service.notices.words import TO_OWNER, TO_REVIEWERS, as_json, as_mail
from labwright.service.people import principal_of
from labwright.service.rights import Action, Principal, Resource, can
from labwright.service.schema import outbox, principal, request, request_event, told, webhook

AGAIN_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0)
"""Wall seconds until the next try, after each that has failed; after the last it is given up."""

FAILURES_MOST = 30
"""Calls in a row that may fail before a webhook is called no more."""

CHUNK = 500
"""Events put into the outbox at a time."""

KEPT_S = 30 * 86_400.0
"""Wall seconds for which what was sent is kept to look at."""

CLAIMED_S = 60.0
"""Wall seconds for which a process has a notice to itself while it sends it."""


def newest_event(connection: sa.Connection) -> int:
    """Id of the newest event of a request; 0 before the first."""
    return int(connection.execute(sa.select(sa.func.max(request_event.c.id))).scalar() or 0)


def put_for_webhooks(door: Door) -> int:
    """Put what has happened into the outbox, for each webhook that wants it; how many notices."""
    count = 0
    with door.reading() as connection:
        newest = newest_event(connection)
    for hook in door.rows(sa.select(webhook).where(webhook.c.disabled_s.is_(None), webhook.c.since < newest)):
        who = principal_of(door, hook["principal"])
        if who is None:
            disable(door, hook["id"], f"{hook['principal']} is let in no more")
            continue
        wanted = set(orjson.loads(hook["events"]))

        def sees(row: Row, event: Row, who: Principal = who, wanted: set[str] = wanted, hook: Row = hook) -> bool:
            what = Resource("request", f"R{row['n']}", project=row["project"], owner=row["owner"])
            of_it = hook["project"] in ("", row["project"]) and (not wanted or event["event"] in wanted)
            return of_it and bool(can(who, "request.read", what))

        with door.writing() as connection:
            events, last = _after(connection, hook["since"])
            for event, row in events:
                if sees(row, event):
                    body = as_json(event, row).decode()
                    _put(connection, event=event["id"], webhook=hook["id"], body=body)
                    count += 1
            connection.execute(sa.update(webhook).where(webhook.c.id == hook["id"]).values(since=last))
    return count


def put_mails(door: Door, link: str) -> int:
    """Put what people want to know into the outbox, by mail; how many."""
    with door.reading() as connection:
        newest = newest_event(connection)
        since = connection.execute(sa.select(told.c.since).where(told.c.channel == "mail")).scalar()
    if since == newest:
        return 0
    count = 0
    with door.writing() as connection:
        if since is None:  # from now on
            connection.execute(sa.insert(told).values(channel="mail", since=newest))
            return 0
        events, last = _after(connection, since)
        people = {one["id"]: one for one in _people(connection)}
        for event, row in events:
            for to, says in _readers(event, row, people):
                subject, body = as_mail(event, row, says, link)
                _put(connection, event=event["id"], mail_to=to, subject=subject, body=body)
                count += 1
        connection.execute(sa.update(told).where(told.c.channel == "mail").values(since=last))
    return count


def due(door: Door) -> list[Row]:
    """What is to be sent now: the first notice of each receiver, so that none keeps the others waiting."""
    rows = door.rows(sa.select(outbox).where(outbox.c.due_s <= time.time()).order_by(outbox.c.due_s).limit(CHUNK))
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["webhook"] or row["mail_to"], row)
    return list(first.values())


def claim(door: Door, row: Row) -> bool:
    """Take a notice to send it; False if another process has."""
    mine = (outbox.c.id == row["id"], outbox.c.due_s == row["due_s"])
    with door.writing() as connection:
        return connection.execute(sa.update(outbox).where(*mine).values(due_s=time.time() + CLAIMED_S)).rowcount == 1


def sent(door: Door, row: Row) -> None:
    """It has arrived."""
    now_s = time.time()
    with door.writing() as connection:
        values = {"due_s": None, "sent_s": now_s, "tries": row["tries"] + 1, "error": ""}
        connection.execute(sa.update(outbox).where(outbox.c.id == row["id"]).values(**values))
        connection.execute(sa.update(webhook).where(webhook.c.id == row["webhook"]).values(failures=0))
        old = (outbox.c.due_s.is_(None), outbox.c.made_s < now_s - KEPT_S)
        connection.execute(sa.delete(outbox).where(*old))


def failed(door: Door, row: Row, why: str, *, again: bool = True) -> None:
    """It has not arrived: try again later, or give it up."""
    tries = row["tries"] + 1
    later = again and tries <= len(AGAIN_S)
    with door.writing() as connection:
        values = {"due_s": time.time() + AGAIN_S[tries - 1] if later else None, "tries": tries, "error": why[:1000]}
        connection.execute(sa.update(outbox).where(outbox.c.id == row["id"]).values(**values))
        mine = webhook.c.id == row["webhook"]
        connection.execute(sa.update(webhook).where(mine).values(failures=webhook.c.failures + 1))
        failures = connection.execute(sa.select(webhook.c.failures).where(mine)).scalar()
    if failures is not None and failures >= FAILURES_MOST:
        disable(door, row["webhook"], f"{failures} calls in a row have failed; the last: {why}")


def disable(door: Door, name: str, why: str) -> None:
    """Call a webhook no more; what waits for it is given up."""
    with door.writing() as connection:
        values = {"disabled_s": time.time(), "why": why[:1000]}
        connection.execute(sa.update(webhook).where(webhook.c.id == name).values(**values))
        connection.execute(sa.update(outbox).where(outbox.c.webhook == name).values(due_s=None))


def _after(connection: sa.Connection, since: int) -> tuple[list[tuple[Row, Row]], int]:
    """Events after one, each with its request; and the id of the last."""
    query = sa.select(request_event).where(request_event.c.id > since).order_by(request_event.c.id).limit(CHUNK)
    events = [dict(one) for one in connection.execute(query).mappings()]
    numbers = {one["request"] for one in events}
    rows = connection.execute(sa.select(request).where(request.c.n.in_(numbers))).mappings()
    by_number = {one["n"]: dict(one) for one in rows}
    return [(one, by_number[one["request"]]) for one in events], events[-1]["id"] if events else since


def _people(connection: sa.Connection) -> list[Mapping[str, Any]]:
    query = sa.select(principal).where(principal.c.disabled_s.is_(None), principal.c.email != "")
    return [dict(one) for one in connection.execute(query).mappings()]


def _readers(event: Row, row: Row, people: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    """Addresses of those whom an event concerns, and what is said to them; not of what they did themselves."""
    if event["after"] == event["before"]:
        return
    owner = people.get(row["owner"])
    if owner is not None and event["after"] in TO_OWNER and event["actor"] != row["owner"]:
        yield str(owner["email"]), TO_OWNER[event["after"]]
    if event["after"] == TO_REVIEWERS:
        reviews: tuple[Action, ...] = ("request.review_technical", "request.review_safety")
        for one in people.values():
            who = Principal(str(one["id"]), roles=frozenset(orjson.loads(one["roles"])))
            what = Resource("request", project=row["project"], owner=row["owner"])
            if any(can(who, action, what) for action in reviews):
                yield str(one["email"]), "is to be reviewed"


def _put(connection: sa.Connection, **values: Any) -> None:
    now_s = time.time()
    connection.execute(sa.insert(outbox).values(id=str(uuid.uuid4()), made_s=now_s, due_s=now_s, **values))
