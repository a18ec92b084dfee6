"""What was found, to be fetched: by those who may read it, or by a link that expires."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import Field

from labwright.answers.desk import KeptLink, LinksWithdrawn, MadeLink
from labwright.model.rows import Row
from labwright.service.audit import Entry, append
from labwright.service.bodies import Body, StrictRoute
from labwright.service.classes import policy_of
from labwright.service.declaring import answers, items_of
from labwright.service.desk import requests
from labwright.service.desk.bundles import bundle_file, write_bundle
from labwright.service.desk.links import count_fetched, link_of, links_of, make_link, withdraw_links
from labwright.service.gate import Asker
from labwright.service.once import Answer
from labwright.service.people import principal_of
from labwright.service.problems import Problem
from labwright.service.requesting.changing import seen
from labwright.service.rights import Principal, can
from labwright.service.state import Asking, Here, Service

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["requests"])

DAY_S = 86_400.0


class NewLink(Body):
    """A link to what was found, for those to whom it is given.

    Attributes:
        days: for which it works; as the desk's rules say if left out, and never longer.
    """

    days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


@router.get("/requests/{name}/delivery", name="delivery")
def bundle(service: Here, asker: Asking, name: str) -> Response:
    """What was found, as a ZIP file."""
    row = _exportable(service, asker, name)
    path = _written(service, row)
    entry = Entry(asker.who.id, "data.export", f"request/{name}", via=asker.who.key, trace=asker.trace)
    service.gate.record([entry])
    return _file(path)


@router.post("/requests/{name}/deliveries", name="make_link", status_code=201, responses=answers(MadeLink, 201))
async def link(service: Here, asker: Asking, request: Request, name: str, body: NewLink) -> Response:
    """Make a link by which what was found can be fetched without a key, until it expires."""

    def look() -> Row:
        row = _exportable(service, asker, name)
        _refuse_link(service, asker, row)
        _written(service, row)
        return row

    row = await to_thread.run_sync(look)
    most = requests.appraisal_of(row).delivery_days
    days = most if body.days is None else min(body.days, most)
    until_s = time.time() + days * DAY_S
    entry = Entry(
        asker.who.id, "data.export", f"request/{name}", via=asker.who.key, after={"until_s": until_s},
        trace=asker.trace,
    )  # fmt: skip

    def write(connection: sa.Connection) -> Answer:
        secret = make_link(connection, row["n"], asker.who.id, until_s)
        return Answer(201, {"request": name, "expires_s": until_s}, secret={"path": f"/v1/deliveries/{secret}"})

    return await service.once.change(request, asker, entry, write)


@router.get("/requests/{name}/deliveries", responses=answers(items_of(KeptLink)))
def links(service: Here, asker: Asking, name: str) -> dict[str, Any]:
    """Links to what was found, the newest first: who made them, until when they work, how often they were followed."""
    row = _exportable(service, asker, name)
    with service.door.reading() as connection:
        return {"items": links_of(connection, row["n"])}


@router.delete("/requests/{name}/deliveries", name="withdraw_links", responses=answers(LinksWithdrawn))
async def withdraw(service: Here, asker: Asking, request: Request, name: str) -> Response:
    """Withdraw all links to what was found: they lead to nothing from now on."""
    row = await to_thread.run_sync(_exportable, service, asker, name)
    entry = Entry(
        asker.who.id, "data.export", f"request/{name}", via=asker.who.key, after={"links": "withdrawn"},
        trace=asker.trace,
    )  # fmt: skip

    def write(connection: sa.Connection) -> Answer:
        return Answer(200, {"request": name, "links_withdrawn": withdraw_links(connection, row["n"])})

    return await service.once.change(request, asker, entry, write)


@router.get("/deliveries/{secret}", name="follow_link")
def fetch(service: Here, secret: str) -> Response:
    """What was found, by its link, as long as the person who made it may export it."""
    nothing = Problem(
        "not_found",
        "this link leads to nothing: it has expired, was withdrawn, its maker may export this no more, or it is none",
    )
    with service.door.reading() as connection:
        found = link_of(connection, secret)
        if found is None:
            raise nothing
        row = requests.row_of(connection, found["request"])
    maker = principal_of(service.door, found["made_by"])
    if maker is None or not _lasting(service, maker, row) or _controlled(service, row):
        raise nothing
    path = _written(service, row)
    with service.door.writing() as connection:
        if not count_fetched(connection, found):
            raise nothing
        words = f"link of {found['made_by']}"
        append(connection, [Entry("anonymous", "data.export", f"request/R{row['n']}", because=words)])
    return _file(path)


def _exportable(service: Service, asker: Asker, name: str) -> Row:
    """The row of a request of which this one may take away what was found.

    Raises:
        Problem: it may not be seen, or not be taken away.
    """
    row = seen(service, asker, name)
    service.gate.need(asker, "data.export", service.owned.request(row))
    return row


def _refuse_link(service: Service, asker: Asker, row: Row) -> None:
    """Refuse a link that would open what its maker may not hand on.

    Raises:
        Problem: a program makes it, what was found is controlled, or its maker may export for a session only.
    """
    name = f"R{row['n']}"
    if asker.who.agent:
        raise Problem("forbidden", "a link takes a person: a program fetches what was found itself, and hands on none")
    if _controlled(service, row):
        raise Problem(
            "refused",
            f"{name} is controlled under export control law: no link leads to it. Those who may export fetch it with "
            f"their own keys: GET /v1/requests/{name}/delivery",
        )
    maker = principal_of(service.door, asker.who.id)
    if maker is None or not _lasting(service, maker, row):
        raise Problem(
            "forbidden",
            f"a link outlasts a session: it takes a right to export {name} that was given here, and {asker.who.id} has "
            "one from the provider of this sign-in only. Have an admin add you to the project",
        )


def _lasting(service: Service, maker: Principal, row: Row) -> bool:
    """Whether a link of this one may lead to what was found now."""
    return not maker.agent and bool(can(maker, "data.export", service.owned.request(row)))


def _controlled(service: Service, row: Row) -> bool:
    """Whether it was declared, or found to be, under export control."""
    with service.door.reading() as connection:
        found = policy_of(connection, "request", f"R{row['n']}").export_control
    return "controlled" in (found, orjson.loads(row["content"])["export_control"]["status"])


def _written(service: Service, row: Row) -> Path:
    """Where the bundle of a request is; written now where another service has delivered it.

    Raises:
        Problem: nothing was delivered.
    """
    path = bundle_file(service.settings.data, row["n"])
    if path.exists():
        return path
    if row["state"] not in ("delivered", "closed"):
        raise Problem("state", f"R{row['n']} is {row['state']}: nothing was delivered yet")
    with service.records.reading() as journal:
        return write_bundle(service.door, service.settings.data, journal, row)


def _file(path: Path) -> Response:
    return FileResponse(path, media_type="application/zip", filename=f"labwright-{path.name}")
