"""What is to be sent, written down first: nothing is lost when a process dies, and what is sent twice has one id."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.model.rows import Row
from labwright.service.database import Door
from labwright.service.notices.words import TO_OWNER, TO_REVIEWERS, as_json, as_mail
from labwright.service.people import all_let_in, principal_of
from labwright.service.rights import Action, Principal, Resource, can
from labwright.service.schema import outbox, principal, request, request_event, told, webhook

AGAIN_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 30_000.0)
"""Wall seconds until the next try, after each that has failed: a day in all. After the last it is given up, and so is
its webhook, if nothing else has arrived there in that day."""

CHUNK = 500
"""Events put into the outbox at a time."""

KEPT_S = 30 * 86_400.0
"""Wall seconds for which what was sent is kept to look at."""

CLAIMED_S = 120.0
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
            mine = (webhook.c.id == hook["id"], webhook.c.disabled_s.is_(None))
            since = connection.execute(sa.select(webhook.c.since).where(*mine)).scalar()
            if since is None:  # it was taken away meanwhile
                continue
            events, last = _after(connection, since)  # not those that another process has put there meanwhile
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
        if connection.execute(_MAILED).scalar() == newest:
            return 0
    count = 0
    with door.writing() as connection:
        since = connection.execute(_MAILED).scalar()  # another process may have put mails there meanwhile
        if since is None:  # from now on
            connection.execute(sa.insert(told).values(channel="mail", since=newest))
            return 0
        events, last = _after(connection, since)
        addresses, people = _addresses(connection), all_let_in(connection)
        for event, row in events:
            for who, says in _readers(event, row, people.values()):
                if not (to := addresses.get(who, "")):
                    continue
                subject, body = as_mail(event, row, says, link)
                _put(connection, event=event["id"], mail_to=to, subject=subject, body=body)
                count += 1
        connection.execute(sa.update(told).where(told.c.channel == "mail").values(since=last))
    return count


def due(door: Door) -> list[Row]:
    """What is to be sent now: the first notice of each receiver, so that none keeps the others waiting."""
    place = sa.func.row_number().over(
        partition_by=(outbox.c.webhook, outbox.c.mail_to), order_by=(outbox.c.due_s, outbox.c.made_s, outbox.c.id)
    )
    ready = sa.select(outbox, place.label("place")).where(outbox.c.due_s <= time.time()).subquery()
    columns = [ready.c[column.name] for column in outbox.c]
    return door.rows(sa.select(*columns).where(ready.c.place == 1).order_by(ready.c.due_s).limit(CHUNK))


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
    """It has not arrived: try again later, or give it up; with its webhook, if that has taken nothing for a day."""
    tries = row["tries"] + 1
    later = again and tries <= len(AGAIN_S)
    with door.writing() as connection:
        values = {"due_s": time.time() + AGAIN_S[tries - 1] if later else None, "tries": tries, "error": _kept(why)}
        connection.execute(sa.update(outbox).where(outbox.c.id == row["id"]).values(**values))
        mine = webhook.c.id == row["webhook"]
        connection.execute(sa.update(webhook).where(mine).values(failures=webhook.c.failures + 1))
        arrived = (outbox.c.webhook == row["webhook"], outbox.c.sent_s >= row["made_s"])
        lives = connection.execute(sa.select(outbox.c.id).where(*arrived).limit(1)).first() is not None
    if row["webhook"] and again and not later and not lives:
        disable(door, row["webhook"], f"nothing has arrived there for a day, in {tries} tries; the last: {why}")


def disable(door: Door, name: str, why: str) -> None:
    """Call a webhook no more; what waits for it is given up."""
    with door.writing() as connection:
        values = {"disabled_s": time.time(), "why": _kept(why)}
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


_REVIEWS: tuple[Action, ...] = ("request.review_technical", "request.review_safety")

_MAILED = sa.select(told.c.since).where(told.c.channel == "mail")


def _addresses(connection: sa.Connection) -> dict[str, str]:
    """Mail addresses of people, by id."""
    query = sa.select(principal.c.id, principal.c.email).where(principal.c.email != "")
    return {str(name): str(email) for name, email in connection.execute(query)}


def _readers(event: Row, row: Row, people: Collection[Principal]) -> Iterable[tuple[str, str]]:
    """Ids of those whom an event concerns, and what is said to them; not of what they did themselves."""
    if event["after"] == event["before"]:
        return
    for who in people:
        if who.id == row["owner"] and event["after"] in TO_OWNER and event["actor"] != who.id:
            yield who.id, TO_OWNER[event["after"]]
        what = Resource("request", project=row["project"], owner=row["owner"])
        if event["after"] == TO_REVIEWERS and any(can(who, action, what) for action in _REVIEWS):
            yield who.id, "is to be reviewed"


def _kept(why: str) -> str:
    """What went wrong as a database keeps it: a receiver may have answered anything."""
    return why.replace("\0", "").encode("utf-8", "replace").decode()[:1000]


def _put(connection: sa.Connection, **values: Any) -> None:
    now_s = time.time()
    connection.execute(sa.insert(outbox).values(id=str(uuid.uuid4()), made_s=now_s, due_s=now_s, **values))
