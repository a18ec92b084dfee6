"""What the lab's people do about requests: review them, take their samples in, give them back."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
import sqlalchemy as sa
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from pydantic import Field

from labwright.answers.desk import WholeRequest
from labwright.model.rows import Row
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers
from labwright.service.desk import requests
from labwright.service.desk.content import Label, Line, Notes
from labwright.service.desk.findings import Appraisal
from labwright.service.problems import Problem
from labwright.service.requesting.asking import Reason
from labwright.service.requesting.changing import by, change, need_one, seen
from labwright.service.rights import Action
from labwright.service.state import Asking, Here

router = APIRouter(prefix="/v1/requests", route_class=StrictRoute, tags=["requests"])

ACTIONS: dict[requests.Kind, Action] = {
    "technical": "request.review_technical",
    "safety": "request.review_safety",
}


class Decision(Body):
    """A review.

    Attributes:
        kind: ``technical`` or ``safety``.
        decision: accept it, return it with a question, or reject it.
        digest: of the content that was read; of another nothing is decided.
        because: why, or what is asked.
    """

    kind: Literal["technical", "safety"]
    decision: Literal["accept", "return", "reject"]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    because: Reason


class Arrival(Body):
    """A sample that has come.

    Attributes:
        barcode: on its container.
        place: where it was put.
        condition: how it looks.
    """

    barcode: Label
    place: Line = ""
    condition: Notes = ""


class Departure(Body):
    """What has become of a sample.

    Attributes:
        gone: returned to the requester, stored, or destroyed.
        because: what is to be known of it, such as a parcel's number.
    """

    gone: Literal["returned", "stored", "destroyed"]
    because: Notes = ""


@router.post("/{name}/reviews", responses=answers(WholeRequest, etag=True))
async def review(service: Here, asker: Asking, request: Request, name: str, body: Decision) -> Response:
    """Accept, return or reject a request; with the last review that is needed it is approved."""
    if (before := await service.once.before(request, asker)) is not None:
        return before

    def look() -> Row:
        row = seen(service, asker, name)
        need_one(service, asker, [ACTIONS[body.kind]], service.owned.request(row))
        return row

    row = await to_thread.run_sync(look)
    fresh: Appraisal | None = None
    if body.decision == "accept" and row["state"] in ("validated", "under_review"):
        appraisal = await to_thread.run_sync(service.appraiser.appraise, orjson.loads(row["content"]))
        if appraisal.problems:
            raise Problem(
                "refused",
                f"the lab has changed since {name} was submitted, and finds it wanting now (see errors): return it",
                [one.model_dump() for one in appraisal.problems],
            )
        fresh = appraisal

    def write(connection: sa.Connection, now: Row) -> Row:
        return requests.judge(connection, now, body.kind, body.decision, body.digest, by(asker), body.because, fresh)

    return await change(service, asker, request, name, [ACTIONS[body.kind]], body.because, write)


@router.post("/{name}/samples/{label}/arrival", responses=answers(WholeRequest, etag=True))
async def arrival(service: Here, asker: Asking, request: Request, name: str, label: str, body: Arrival) -> Response:
    """Book a sample that has come, by the barcode on it; with the last one the request is queued."""

    def write(connection: sa.Connection, row: Row) -> Row:
        return requests.receive(connection, row, label, body.barcode, body.place, body.condition, by(asker))

    return await change(service, asker, request, name, ["request.operate"], body.condition, write)


@router.post("/{name}/samples/{label}/departure", responses=answers(WholeRequest, etag=True))
async def departure(service: Here, asker: Asking, request: Request, name: str, label: str, body: Departure) -> Response:
    """Book what has become of a sample once its request is over."""

    def write(connection: sa.Connection, row: Row) -> Row:
        return requests.depart(connection, row, label, body.gone, by(asker), body.because)

    return await change(service, asker, request, name, ["request.operate"], body.because, write)
