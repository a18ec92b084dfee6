"""The audit trail: who did, or was refused, what, when and why, and whether the trail holds together."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Request

from labwright.service.audit import head_of
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.page import PageRoute, Shown
from labwright.service.gate import Asker
from labwright.service.rights import Resource
from labwright.service.schema import audit
from labwright.service.state import Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)

ROWS_MOST = 100


def trail(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """The newest rows, or those before a number; of one person, or of one trace, if that is asked for."""
    service.gate.need(asker, "audit.read", Resource("audit"))
    given = request.query_params
    before, actor, trace = given.get("before", ""), given.get("actor", "").strip(), given.get("trace", "").strip()
    query = sa.select(audit).order_by(audit.c.seq.desc()).limit(ROWS_MOST + 1)
    if before.isdecimal():
        query = query.where(audit.c.seq < int(before))
    if actor:
        query = query.where(audit.c.actor == actor)
    if trace:
        query = query.where(audit.c.trace == trace)
    rows = service.door.rows(query)
    earlier = rows[ROWS_MOST - 1]["seq"] if len(rows) > ROWS_MOST else None
    data = {
        "rows": rows[:ROWS_MOST], "earlier": earlier, "actor": actor, "trace_asked": trace,
        "head": head_of(service.door),
    }  # fmt: skip
    return Shown(words("audit"), "audit", data, ("rows",))


page(router, "/audit", trail)
