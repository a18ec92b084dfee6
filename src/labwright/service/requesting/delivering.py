"""What was found, to be fetched: by those who may read it, or by a link that expires."""

from __future__ import annotations

import time
from typing import Annotated

import sqlalchemy as sa
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import Field

from labwright.model.rows import Row
from labwright.service.audit import Entry, append
from labwright.service.bodies import Body, StrictRoute
from labwright.service.desk import requests
from labwright.service.desk.bundles import bundle_file, follow_link, make_link
from labwright.service.once import Answer
from labwright.service.problems import Problem
from labwright.service.requesting.changing import seen
from labwright.service.state import Asking, Here, Service

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["requests"])

DAY_S = 86_400.0


class Link(Body):
    """A link to what was found, for those to whom it is given.

    Attributes:
        days: for which it works; as the desk's rules say if left out, and never longer.
    """

    days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


@router.get("/requests/{name}/delivery")
def bundle(service: Here, asker: Asking, name: str) -> Response:
    """What was found, as a ZIP file."""
    row = seen(service, asker, name)
    service.gate.need(asker, "data.export", service.owned.request(row))
    return _file(service, row["n"])


@router.post("/requests/{name}/deliveries", status_code=201)
async def link(service: Here, asker: Asking, request: Request, name: str, body: Link) -> Response:
    """Make a link by which what was found can be fetched without a key, until it expires."""

    def look() -> Row:
        row = seen(service, asker, name)
        service.gate.need(asker, "data.export", service.owned.request(row))
        if not bundle_file(service.settings.data, row["n"]).exists():
            raise Problem("state", f"{name} is {row['state']}: nothing was delivered yet")
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


@router.get("/deliveries/{secret}")
def fetch(service: Here, secret: str) -> Response:
    """What was found, by its link."""
    with service.door.writing() as connection:
        found = follow_link(connection, secret)
        if found is not None:
            words = f"link of {found['made_by']}"
            append(connection, [Entry("anonymous", "data.export", f"request/R{found['request']}", because=words)])
    if found is None:
        raise Problem("not_found", "this link leads to nothing: it has expired, was withdrawn, or is none")
    return _file(service, found["request"])


def _file(service: Service, number: int) -> Response:
    path = bundle_file(service.settings.data, number)
    if not path.exists():
        raise Problem("state", f"nothing was delivered for R{number} yet")
    return FileResponse(path, media_type="application/zip", filename=f"labwright-R{number}.zip")
