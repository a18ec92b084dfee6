"""The lab as a whole: how it stands, what happens in it, and stopping it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from labwright.answers.lab import CommandState, Me, Stations
from labwright.facts.lab import lab_now, station_rows
from labwright.journal import Journal, LoggedEvent, open_latches, schema
from labwright.journal.asking import refuse_no_controller
from labwright.journal.latch import Latch
from labwright.journal.resetting import Reset as Meant
from labwright.journal.resetting import stops_meant
from labwright.journal.status import LabStatus
from labwright.service import commanding
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, commanded, items_of
from labwright.service.once import Answer
from labwright.service.rights import Resource, can
from labwright.service.state import Asking, Here

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["lab"])

LAB = Resource("lab")

Number = Annotated[int, Path(ge=0, le=2**53)]
"""Of a command."""

Reason = Annotated[str, Field(min_length=1, max_length=10_000)]


class LabStop(Body):
    """Stops the lab, or a station of it.

    Attributes:
        because: why.
        now: halt devices at once; after the operations under way if not.
        station: only this one; the whole lab if empty.
    """

    because: Reason
    now: bool = False
    station: Annotated[str, Field(max_length=200)] = ""


class Reset(Body):
    """Resets a stop.

    Attributes:
        latch: its number.
        because: what was seen and done.
    """

    latch: Annotated[int, Field(ge=1, le=2**53)]
    because: Reason


@router.get("/me", responses=answers(Me))
def me(asker: Asking) -> dict[str, Any]:
    """Who you are here, and what you may do."""
    who = asker.who
    return {
        "id": who.id,
        "name": who.name,
        "roles": sorted(who.roles),
        "projects": {name: sorted(roles) for name, roles in who.projects.items()},
        "groups": sorted(who.groups),
        "only": None if who.only is None else sorted(who.only),
    }


@router.get("/status", responses=answers(LabStatus))
def status(service: Here, asker: Asking) -> dict[str, Any]:
    """How the lab stands now: stations, campaigns, questions, what waits."""
    service.gate.need(asker, "lab.read", LAB)
    with service.records.reading() as journal:
        return dataclasses.asdict(lab_now(journal))


@router.get("/stations", responses=answers(Stations))
def stations(service: Here, asker: Asking) -> dict[str, Any]:
    """Stations, the devices of each, and where those are, by the lab's files."""
    service.gate.need(asker, "lab.read", LAB)
    model = service.files.model()
    return {"title": model.title, "items": station_rows(model)}


@router.get("/latches", responses=answers(items_of(Latch)))
def latches(
    service: Here,
    asker: Asking,
    meant: Annotated[bool, Query(description="only those named; refused if it is not clear which")] = False,
    station: Annotated[str, Query(max_length=200)] = "",
    campaign: Annotated[str, Query(max_length=200)] = "",
    sample: Annotated[str, Query(max_length=400)] = "",
    everything: bool = False,
    instruments: Annotated[str, Query(max_length=1000)] = "",
) -> dict[str, Any]:
    """Stops that hold, each with the number by which it is reset."""
    service.gate.need(asker, "lab.read", LAB)
    with service.records.reading() as journal:
        which = Meant(station=station, campaign=campaign, sample=sample, everything=everything)
        found = stops_meant(journal, which, instruments) if meant else open_latches(journal)
    return {"items": [dataclasses.asdict(one) for one in found]}


async def _may_listen(service: Here, asker: Asking, campaign: Annotated[str, Query(max_length=200)] = "") -> None:
    """To all that happens who may read the lab; to what happens in a campaign who may read it."""

    def look(journal: Journal) -> None:
        if not _listens(journal, service, asker, campaign):
            service.gate.need(asker, "lab.read", LAB)

    await service.records.in_thread(look)


def _listens(journal: Journal, service: Here, asker: Asking, campaign: str) -> bool:
    """Whether one may listen to what happens in a campaign, or to all that happens if it is empty."""
    there = campaign and journal.rows(schema.campaign, schema.campaign.c.id == campaign)
    if there and can(asker.who, "campaign.read", service.owned.campaign(journal, campaign)):
        return True
    return bool(can(asker.who, "lab.read", LAB))


class EventStream(StreamingResponse):
    """A stream whose frames are written already; FastAPI's own would write each once for every listener."""

    media_type = "text/event-stream"


@router.get("/events", response_class=EventStream, dependencies=[Depends(_may_listen)])
async def events(
    service: Here,
    asker: Asking,
    request: Request,
    after: Annotated[int | None, Query(ge=0, le=2**53, description="id of the last event that is known")] = None,
    campaign: Annotated[str, Query(max_length=200)] = "",
    last_event_id: Annotated[int | None, Header(ge=0, le=2**53)] = None,
) -> Response:
    """What happens, as it is recorded; resumed with Last-Event-ID, without a gap."""
    since = last_event_id if last_event_id is not None else after

    def shows(event: LoggedEvent) -> bool:
        return campaign in ("", event.campaign)

    def may() -> bool:
        with service.records.reading() as journal:
            return _listens(journal, service, asker, campaign)

    async def pieces() -> AsyncIterator[bytes]:
        holds = service.gate.watch(request, asker, may)
        async for piece in service.tail.frames(since, shows):
            if not await holds():
                return
            yield piece

    return EventStream(pieces(), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})


@router.post("/lab/stop", responses=commanded())
async def stop(service: Here, asker: Asking, request: Request, body: LabStop) -> Response:
    """Stop all stations, or one."""
    await service.gate.needs(asker, "lab.stop", LAB)
    payload = {"now": body.now, "station": body.station}
    return await _lab_command(service, asker, request, "lab.stop", "stop", payload, body.because)


@router.post("/lab/reset", responses=commanded())
async def reset(service: Here, asker: Asking, request: Request, body: Reset) -> Response:
    """Reset a stop, once what it was for is seen to."""
    await service.gate.needs(asker, "lab.reset", LAB)
    return await _lab_command(service, asker, request, "lab.reset", "reset", {"latch": body.latch}, body.because)


@router.get("/commands/{number}", responses=answers(CommandState))
def command(service: Here, asker: Asking, number: Number) -> dict[str, Any]:
    """What has become of a command."""
    found = commanding.read(service, number)
    if found["by"] != asker.who.id:
        service.gate.need(asker, "lab.read", Resource("lab", str(number)))
    return found


@router.delete("/commands/{number}", name="withdraw_command", responses=answers(CommandState))
async def withdraw(service: Here, asker: Asking, request: Request, number: Number) -> Response:
    """Take back a command of yours that the controller has not taken yet; answered is how it stands then."""

    def own() -> None:
        found = commanding.read(service, number)
        if found["by"] != asker.who.id:
            service.gate.need(asker, "lab.steer", Resource("lab", str(number)))

    await to_thread.run_sync(own)

    async def work(key: str) -> Answer:
        def take_back() -> Answer:
            service.records.withdraw(number, f"taken back by {asker.who.id}")
            return Answer(200, commanding.read(service, number))

        return await to_thread.run_sync(take_back)

    entry = Entry(asker.who.id, "lab.steer", f"command/{number}", via=asker.who.key, trace=asker.trace)
    return await service.once.do(request, asker, entry, work)


async def _lab_command(
    service: Here, asker: Asking, request: Request, action: str, kind: str, payload: dict[str, Any], because: str
) -> Response:
    async def work(key: str) -> Answer:
        await service.records.in_thread(refuse_no_controller, kind)
        return await commanding.command(
            service, "", kind, payload, by=asker.who.id, because=because, key=key, trace=asker.trace
        )

    entry = Entry(asker.who.id, action, "lab/", via=asker.who.key, after=payload, because=because, trace=asker.trace)
    return await service.once.do(request, asker, entry, work)
