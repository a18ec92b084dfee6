"""Requests over HTTP: look whether one can be done, write it, hand it in, follow it, take it back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AfterValidator, Field

from labwright.answers.desk import ListedRequest, Look, RequestEvent, WholeRequest
from labwright.model.rows import Row
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, in_versions, items_of, pages_of
from labwright.service.desk import requests
from labwright.service.desk.content import Content, Notes
from labwright.service.desk.findings import Appraisal
from labwright.service.desk.states import State
from labwright.service.gate import Asker
from labwright.service.once import Answer
from labwright.service.owned import granted_to
from labwright.service.problems import Problem
from labwright.service.requesting.changing import by, change, seen
from labwright.service.rights import Resource, can
from labwright.service.schema import request as table
from labwright.service.schema import request_event
from labwright.service.state import Asking, Here, Service
from labwright.service.versions import check, etag, versioned

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["requests"])

PAGE_MOST = 200

LISTED = tuple(column for column in table.c if column.name not in ("content", "appraisal", "abort", "outcome"))
"""Columns that a list needs; the others are hundreds of kilobytes for each request."""

LOOK_S = 0.25
"""Wall seconds between two looks for what happened to a request that is listened to."""

ENDS_AFTER_S = 3600.0
"""Wall seconds after which a stream of one request ends; its client resumes it."""


PARTS_MOST = 50
"""Projects of one person that are looked at one by one; SQLite takes no more than 500 in one query."""


@dataclass(frozen=True)
class Visible:
    """The requests that one may see.

    Attributes:
        projects: of these; of all if None.
        granted: numbers of further ones.
    """

    projects: Collection[str] | None = None
    granted: Collection[int] = ()

    def parts(self, project: str) -> list[sa.ColumnElement[bool]]:
        """Conditions of which each request that is seen meets one, and no other one.

        Args:
            project: of which they are wanted; of any if empty.
        """
        if self.projects is None or project in self.projects:
            return [sa.true()]
        if len(self.projects) > PARTS_MOST:
            return [requests.visible(self.projects, self.granted)]
        mine = [] if project else [table.c.project == one for one in sorted(self.projects)]
        if self.granted:
            mine.append(sa.and_(table.c.n.in_(sorted(self.granted)), table.c.project.not_in(sorted(self.projects))))
        return mine or [table.c.n == 0]  # none has it


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty; say why")
    return text


Reason = Annotated[Notes, Field(min_length=1), AfterValidator(_said)]


class Ending(Body):
    """Takes a request back, or stops what is done for it.

    Attributes:
        because: why.
    """

    because: Reason


class Submission(Body):
    """Hands a request in, or closes it.

    Attributes:
        note: answers what reviewers have asked.
    """

    note: Notes = ""


@router.post("/requests:validate", responses=answers(Look))
async def validate(service: Here, asker: Asking, body: Content) -> dict[str, Any]:
    """What the lab finds of a request: everything that is wrong with it, what it takes, when it could be done.

    Nothing is kept, and nothing happens.
    """
    await service.gate.needs(asker, "request.write", Resource("request", project=body.project))
    appraisal = await _appraised(service, body.dumped())
    return {
        "valid": not appraisal.problems,
        "problems": [one.model_dump() for one in appraisal.problems],
        "quote": None if appraisal.quote is None else appraisal.quote.model_dump(mode="json"),
        "needs": {"technical": appraisal.technical, "safety": appraisal.safety},
    }


@router.post("/requests", status_code=201, responses=answers(WholeRequest, 201, etag=True, location="the request"))
async def create(service: Here, asker: Asking, request: Request, body: Content) -> Response:
    """Write a draft; it is looked at when it is submitted."""
    await service.gate.needs(asker, "request.write", Resource("request", project=body.project))
    entry = Entry(asker.who.id, "request.write", "request/", via=asker.who.key, trace=asker.trace)

    def write(connection: sa.Connection) -> Answer:
        row = requests.create(connection, body.dumped(), by(asker))
        shown = requests.shown(connection, row)
        return Answer(201, shown, {"Location": f"/v1/requests/R{row['n']}", "ETag": etag(shown)})

    return await service.once.change(request, asker, entry, write, recorded=True)


@router.get("/requests", name="list", responses=answers(pages_of(ListedRequest)))
def listing(
    service: Here,
    asker: Asking,
    state: Annotated[State | None, Query()] = None,
    project: Annotated[str, Query(max_length=64)] = "",
    owner: Annotated[str, Query(max_length=64)] = "",
    cursor: Annotated[int | None, Query(ge=1, le=2**53, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MOST)] = 50,
) -> dict[str, Any]:
    """Requests that you may see, the newest first."""
    filters = {"state": state or "", "project": project, "owner": owner}
    rows = service.door.rows(page_query(visible_to(service, asker), filters, cursor, limit))
    page = rows[:limit]
    return {"items": [requests.listed(row) for row in page], "next": page[-1]["n"] if len(rows) > limit else None}


def page_query(visible: Visible, filters: Mapping[str, str], cursor: int | None, limit: int) -> sa.Executable:
    """A page of requests and one more, the newest first, with no more of each than a list shows.

    One query for each project, merged in the order of their index: of one for all of them, the database would read and
    sort each request that there is.

    Args:
        visible: those that one may see.
        filters: by name of a column; none where one is empty.
        cursor: only those with lower numbers.
        limit: so many on a page.
    """
    wanted = [table.c[name] == value for name, value in filters.items() if value]
    if cursor is not None:
        wanted.append(table.c.n < cursor)
    parts = [sa.select(*LISTED).where(one, *wanted) for one in visible.parts(filters["project"])]
    whole = parts[0] if len(parts) == 1 else sa.union_all(*parts)
    return whole.order_by(sa.desc("n")).limit(limit + 1)


@router.get("/requests/{name}", name="get", responses=in_versions(WholeRequest))
def one(service: Here, asker: Asking, request: Request, name: str) -> Response:
    """A request: what is asked for, what it takes, who has decided what, and how far it is."""
    row = seen(service, asker, name)
    with service.door.reading() as connection:
        return versioned(request, requests.shown(connection, row))


@router.put("/requests/{name}", responses=answers(WholeRequest, etag=True))
async def edit(service: Here, asker: Asking, request: Request, name: str, body: Content) -> Response:
    """Ask for something else; whatever was reviewed is reviewed again. If-Match names the version that was read."""
    content = body.dumped()

    def write(connection: sa.Connection, row: Row) -> Row:
        return requests.edit(connection, row, content, by(asker))

    return await change(
        service, asker, request, name, ["request.write"], "", write, lambda shown: check(request, shown, must=True)
    )


@router.post("/requests/{name}/submit", responses=answers(WholeRequest, etag=True))
async def submit(service: Here, asker: Asking, request: Request, name: str, body: Submission) -> Response:
    """Hand a request in; refused with everything that is wrong with it, if anything is."""
    if (before := await service.once.before(request, asker)) is not None:
        return before
    row = await to_thread.run_sync(seen, service, asker, name)
    await service.gate.needs(asker, "request.submit", service.owned.request(row))
    appraisal = await _appraised(service, orjson.loads(row["content"]))
    if appraisal.problems:
        raise Problem("invalid", f"{name} was not submitted: see errors", [p.model_dump() for p in appraisal.problems])

    def write(connection: sa.Connection, now: Row) -> Row:
        if now["digest"] != row["digest"]:
            raise Problem("precondition", f"{name} was edited meanwhile; submit it again")
        return requests.submit(connection, now, appraisal, by(asker), body.note)

    return await change(service, asker, request, name, ["request.submit"], body.note, write)


@router.post("/requests/{name}/cancel", responses=answers(WholeRequest, etag=True))
async def cancel(service: Here, asker: Asking, request: Request, name: str, body: Ending) -> Response:
    """Take a request back, before anything was done for it."""

    def write(connection: sa.Connection, row: Row) -> Row:
        return requests.end(connection, row, "cancel", by(asker), body.because)

    return await change(service, asker, request, name, ["request.cancel", "request.operate"], body.because, write)


@router.post("/requests/{name}/abort", responses=answers(WholeRequest, etag=True))
async def abort(service: Here, asker: Asking, request: Request, name: str, body: Ending) -> Response:
    """Stop what is done for a request, after the operations under way."""

    def write(connection: sa.Connection, row: Row) -> Row:
        said = {"by": asker.who.id, "because": body.because, "at_s": time.time(), "trace": asker.trace}
        asked = orjson.dumps(said).decode()
        return requests.advance(connection, row, "ask_abort", by(asker), body.because, abort=asked)

    return await change(service, asker, request, name, ["request.cancel", "request.operate"], body.because, write)


@router.post("/requests/{name}/close", responses=answers(WholeRequest, etag=True))
async def close(service: Here, asker: Asking, request: Request, name: str, body: Submission) -> Response:
    """All is well: nothing more is expected of the lab."""

    def write(connection: sa.Connection, row: Row) -> Row:
        return requests.advance(connection, row, "close", by(asker), body.note)

    return await change(service, asker, request, name, ["request.write", "request.operate"], body.note, write)


@router.get("/requests/{name}/history", responses=answers(items_of(RequestEvent)))
def history(service: Here, asker: Asking, name: str) -> dict[str, Any]:
    """What has happened to a request, oldest first."""
    row = seen(service, asker, name)
    return {"items": events_of(service, row["n"], 0)}


def _seen_first(service: Here, asker: Asking, name: str) -> Row:
    """The request that is listened to, or a refusal while the answer can still be one."""
    return seen(service, asker, name)


@router.get("/requests/{name}/events", response_class=EventSourceResponse)
async def events(
    service: Here,
    asker: Asking,
    request: Request,
    row: Annotated[Row, Depends(_seen_first)],
    after: Annotated[int | None, Query(ge=0, le=2**53, description="id of the last event that is known")] = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**53)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """What happens to a request, as it happens; resumed with Last-Event-ID, without a gap."""
    last = last_event_id if last_event_id is not None else after or 0
    ends_s = time.monotonic() + ENDS_AFTER_S
    holds = service.gate.watch(request, asker, lambda: bool(can(asker.who, "request.read", service.owned.request(row))))
    while time.monotonic() < ends_s and not service.tail.closing and await holds():
        for one in await to_thread.run_sync(events_of, service, row["n"], last):
            last = one["id"]
            yield ServerSentEvent(data=one, event=one["event"], id=str(one["id"]))
        await asyncio.sleep(LOOK_S)


async def _appraised(service: Service, content: dict[str, Any]) -> Appraisal:
    return await to_thread.run_sync(service.appraiser.appraise, content)


def events_of(service: Service, number: int, after: int) -> list[dict[str, Any]]:
    """What has happened to a request, oldest first.

    Args:
        service: of the lab.
        number: of the request.
        after: the last event that is known; 0 if none is.
    """
    mine = (request_event.c.request == number, request_event.c.id > after)
    rows = service.door.rows(sa.select(request_event).where(*mine).order_by(request_event.c.id))
    return [{**row, "request": f"R{number}", "detail": orjson.loads(row["detail"])} for row in rows]


def visible_to(service: Service, asker: Asker) -> Visible:
    """The requests that one may see, by roles and by what was granted."""
    who = asker.who
    if can(who, "request.read", Resource("request")):
        return Visible()
    projects = [name for name in who.projects if can(who, "request.read", Resource("request", project=name))]
    with service.door.reading() as connection:
        granted = granted_to(connection, who.id, "request")
    return Visible(projects, [int(name[1:]) for name in granted if name[1:].isdecimal()])
