"""Webhooks over HTTP: where what happens to requests is sent, and what has become of it."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from labwright.answers.desk import MadeWebhook, Notice, Webhook
from labwright.answers.people import Named
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, items_of
from labwright.service.desk.states import Event
from labwright.service.gate import Asker
from labwright.service.notices import outbox
from labwright.service.notices.calling import addresses, new_secret, place_of
from labwright.service.once import Answer
from labwright.service.people import NAME
from labwright.service.problems import Problem
from labwright.service.rights import Resource, can
from labwright.service.schema import outbox as notices
from labwright.service.schema import webhook
from labwright.service.state import Asking, Here, Service

router = APIRouter(prefix="/v1/webhooks", route_class=StrictRoute, tags=["notices"])

WEBHOOKS_MOST = 20
"""Of one person or program."""


class NewWebhook(Body):
    """Where to send what happens to requests.

    Attributes:
        url: that is called.
        project: only requests of this one; all that you may see if it is left out.
        events: only these; all if none are named.
    """

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    project: Annotated[str, Field(pattern=rf"^({NAME.pattern})?$")] = ""
    events: Annotated[list[Event], Field(max_length=50)] = []


@router.get("", name="list", responses=answers(items_of(Webhook)))
def webhooks(service: Here, asker: Asking) -> dict[str, Any]:
    """Your webhooks, and whether they are called."""
    _need(service, asker, "")
    rows = service.door.rows(
        sa.select(webhook).where(webhook.c.principal == asker.who.id).order_by(webhook.c.created_s)
    )
    return {"items": [_shown(row) for row in rows]}


@router.post("", status_code=201, responses=answers(MadeWebhook, 201, location="the webhook"))
async def make(service: Here, asker: Asking, request: Request, body: NewWebhook) -> Response:
    """Have what happens from now on sent somewhere; the secret that signs it is answered once."""

    def look() -> None:
        _need(service, asker, body.project)
        allowed = service.rules.now.webhook_hosts
        addresses(place_of(body.url, allowed), allowed)

    await to_thread.run_sync(look)
    secret = new_secret()

    def write(connection: sa.Connection) -> Answer:
        mine = sa.select(sa.func.count()).where(webhook.c.principal == asker.who.id)
        if connection.execute(mine).scalar_one() >= WEBHOOKS_MOST:
            raise Problem("quota", f"you have {WEBHOOKS_MOST} webhooks, and may have no more; take one away")
        row = {
            "id": secrets.token_hex(6),
            "principal": asker.who.id,
            "project": body.project,
            "url": body.url,
            "secret": secret,
            "events": orjson.dumps(body.events).decode(),
            "created_s": time.time(),
            "since": outbox.newest_event(connection),
        }
        connection.execute(sa.insert(webhook).values(**row))
        shown = _shown({**row, "failures": 0, "disabled_s": None, "why": ""})
        return Answer(201, shown, {"Location": f"/v1/webhooks/{row['id']}"}, {"secret": secret})

    after = {"url": body.url, "project": body.project, "events": body.events}
    return await service.once.change(request, asker, _entry(asker, "webhook/", after), write)


@router.post("/{name}/enable", responses=answers(Named))
async def enable(service: Here, asker: Asking, request: Request, name: str) -> Response:
    """Call a webhook again that was given up, with what happens from now on."""
    await to_thread.run_sync(_mine, service, asker, name)

    def write(connection: sa.Connection) -> Answer:
        values = {"disabled_s": None, "why": "", "failures": 0, "since": outbox.newest_event(connection)}
        connection.execute(sa.update(webhook).where(webhook.c.id == name).values(**values))
        return Answer(200, {"id": name})

    return await service.once.change(request, asker, _entry(asker, f"webhook/{name}", {"enabled": True}), write)


@router.delete("/{name}", status_code=204)
async def remove(service: Here, asker: Asking, name: str) -> Response:
    """Call a webhook no more."""

    def work() -> None:
        _mine(service, asker, name)
        with service.door.writing() as connection:
            connection.execute(sa.delete(webhook).where(webhook.c.id == name))
            connection.execute(sa.delete(notices).where(notices.c.webhook == name))
        service.gate.record([_entry(asker, f"webhook/{name}", {"removed": True})])

    await to_thread.run_sync(work)
    return Response(status_code=204)


@router.get("/{name}/notices", responses=answers(items_of(Notice)))
def sent(
    service: Here,
    asker: Asking,
    name: str,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """What was sent to a webhook, or is to be, the newest first: when, how often it was tried, and what went wrong."""
    _mine(service, asker, name)
    columns = [column for column in notices.c if column.name not in ("webhook", "mail_to", "subject")]
    rows = service.door.rows(
        sa.select(*columns).where(notices.c.webhook == name).order_by(notices.c.made_s.desc()).limit(limit)
    )
    return {"items": [{**row, "body": orjson.loads(row["body"])} for row in rows]}


def _need(service: Service, asker: Asker, project: str) -> None:
    """Refuse who may see no request of a project, or of any."""
    who = asker.who
    projects = [project] if project else [*who.projects, ""]
    if not any(can(who, "request.read", Resource("request", project=one)) for one in projects):
        service.gate.need(asker, "request.read", Resource("request", project=project))


def _mine(service: Service, asker: Asker, name: str) -> None:
    """Refuse a webhook that is another's.

    Raises:
        Problem: it is, or there is none.
    """
    _need(service, asker, "")
    mine = (webhook.c.id == name, webhook.c.principal == asker.who.id)
    if not service.door.rows(sa.select(webhook.c.id).where(*mine)):
        raise Problem("not_found", f"you have no webhook {name[:40]!r}")


def _shown(row: Any) -> dict[str, Any]:
    """A webhook as its owner sees it; without its secret."""
    return {
        "id": row["id"],
        "url": row["url"],
        "project": row["project"],
        "events": orjson.loads(row["events"]),
        "created_s": row["created_s"],
        "called": row["disabled_s"] is None,
        "failures": row["failures"],
        "why": row["why"],
    }


def _entry(asker: Asker, target: str, after: dict[str, Any]) -> Entry:
    return Entry(asker.who.id, "request.read", target, via=asker.who.key, after=after, trace=asker.trace)
