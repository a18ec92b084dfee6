"""Keys of one's own."""

from __future__ import annotations

import time
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import Field

from labwright.answers.people import KeptKey, MadeKey
from labwright.service.audit import Entry, append
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, items_of
from labwright.service.once import Answer
from labwright.service.people import make_key
from labwright.service.people import revoke as revoke_key
from labwright.service.problems import Problem
from labwright.service.rights import Action, Resource
from labwright.service.schema import api_key
from labwright.service.state import Asking, Here

router = APIRouter(prefix="/v1/keys", route_class=StrictRoute, tags=["keys"])

DAY_S = 86400.0


class NewKey(Body):
    """A key to be made.

    Attributes:
        name: what it is for, in words.
        owner: whose it is to be; yours if left out. For others an admin makes the first.
        only: the actions that it allows; all that you may do if left out.
        days: after which it opens nothing.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    owner: Annotated[str, Field(max_length=63)] = ""
    only: Annotated[list[Action], Field(max_length=100)] | None = None
    days: Annotated[int, Field(ge=1, le=3660)] = 90


@router.get("", name="list", responses=answers(items_of(KeptKey)))
def keys(service: Here, asker: Asking) -> dict[str, Any]:
    """Your keys; what opens something is not among what is kept of them."""
    service.gate.need(asker, "key.own", Resource("key", owner=asker.who.id))
    columns = [column for column in api_key.c if column.name not in ("digest", "principal")]
    rows = service.door.rows(
        sa.select(*columns).where(api_key.c.principal == asker.who.id).order_by(api_key.c.created_s)
    )
    return {"items": [{**row, "only": None if row["only"] is None else orjson.loads(row["only"])} for row in rows]}


@router.post("", status_code=201, responses=answers(MadeKey, 201))
async def make(service: Here, asker: Asking, request: Request, body: NewKey) -> Response:
    """Make a key of yours, or a person's or program's first; its secret is answered once, and kept nowhere."""
    owner = body.owner or asker.who.id
    action: Action = "key.own" if owner == asker.who.id else "key.manage"
    await service.gate.needs(asker, action, Resource("key", owner=owner))
    if asker.who.only is not None:
        raise Problem("forbidden", "a key that does not allow everything makes no further keys")
    expires_s = time.time() + body.days * DAY_S

    def write(connection: sa.Connection) -> Answer:
        made = make_key(connection, owner, body.name, only=body.only, expires_s=expires_s)
        return Answer(201, {"id": made.id, "expires_s": expires_s}, secret={"secret": made.secret})

    after = {"name": body.name, "owner": owner, "only": body.only, "days": body.days}
    entry = Entry(asker.who.id, action, "key/", via=asker.who.key, after=after, trace=asker.trace)
    return await service.once.change(request, asker, entry, write)


@router.delete("/{key}", status_code=204)
def revoke(service: Here, asker: Asking, key: str) -> Response:
    """Let a key open nothing from now on."""
    rows = service.door.rows(sa.select(api_key.c.principal).where(api_key.c.id == key))
    owner = str(rows[0]["principal"]) if rows else ""
    action: Action = "key.own" if owner == asker.who.id else "key.manage"
    service.gate.need(asker, action, Resource("key", key, owner=owner))
    if not rows:
        raise Problem("not_found", f"there is no key {key[:40]}")
    with service.door.writing() as connection:
        revoke_key(connection, key)
        append(connection, [Entry(asker.who.id, action, f"key/{key}", via=asker.who.key, trace=asker.trace)])
    service.gate.forget()
    return Response(status_code=204)
