"""What people do at a station by hand: set one axis, or take one reading; as a step of the controller's, like any."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from labwright.answers.lab import HandDevice, HandOperation, Operated
from labwright.facts.by_hand import hand_facts, hand_list
from labwright.journal import Journal
from labwright.journal.asking import refuse_no_controller
from labwright.model.base import Name
from labwright.model.by_hand import LONGEST_S, WAIT_S, HandWork, hand_work
from labwright.service import commanding
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, commanded, items_of
from labwright.service.lab import LAB, Reason
from labwright.service.once import Answer
from labwright.service.problems import Problem
from labwright.service.state import Asking, Here, Service

router = APIRouter(prefix="/v1/stations", route_class=StrictRoute, tags=["lab"])

Station = Annotated[str, Path(max_length=200)]


class Read(Body):
    """Takes one reading of a device.

    Attributes:
        device: of the station.
        because: why.
        wait_s: lab seconds for which it waits for the station; it is given up then.
    """

    device: Name
    because: Reason
    wait_s: Annotated[float, Field(ge=0, le=LONGEST_S)] = WAIT_S


class Set(Read):
    """Sets one axis of a device.

    Attributes:
        axis: of the device.
        value: to which, in its unit.
        unit: of the value, as the axis declares it; left out for a pure number, and refused if it is another.
        sample_present_ok: it may be set though a sample stands there that it could spoil: a person has looked.
    """

    axis: Name
    value: Annotated[float, Field(allow_inf_nan=False)]
    unit: Annotated[str, Field(max_length=64)] = ""
    sample_present_ok: bool = False


@router.get("/{station}/devices", name="station_devices", responses=answers(items_of(HandDevice)))
def devices(service: Here, asker: Asking, station: Station) -> dict[str, Any]:
    """What can be set and read at a station by hand, with units and limits; no device is asked anything for it."""
    service.gate.need(asker, "lab.read", LAB)
    return {"items": service.files.by_hand(station)}


@router.get("/{station}/by-hand", name="by_hand", responses=answers(items_of(HandOperation)))
def by_hand(
    service: Here,
    asker: Asking,
    station: Station,
    everything: Annotated[bool, Query(description="older ones than of the last day, too")] = False,
) -> dict[str, Any]:
    """What people have done at a station by hand, and what of it waits, the newest first."""
    service.gate.need(asker, "lab.read", LAB)
    with service.records.reading() as journal:
        found = hand_list(journal, station, everything=everything)
    if not found:
        service.files.by_hand(station)  # that there is no such station is another answer
    return {"items": found}


@router.get("/{station}/by-hand/{campaign}", name="one_by_hand", responses=answers(HandOperation))
def one(service: Here, asker: Asking, station: Station, campaign: str) -> dict[str, Any]:
    """How something stands that a person does by hand."""
    service.gate.need(asker, "lab.read", LAB)
    with service.records.reading() as journal:
        found = hand_facts(journal, campaign)
    if found is None or found["station"] != station:
        raise Problem("not_found", f"nothing that is done at station {station} by hand is called {campaign[:200]}")
    return found


@router.post("/{station}/set", status_code=201, name="set_by_hand",
             responses=commanded(Operated, 201, location="how it stands"))  # fmt: skip
async def set_axis(service: Here, asker: Asking, request: Request, station: Station, body: Set) -> Response:
    """Set one axis of a device by hand.

    It waits while the station is busy, is given up after ``wait_s`` lab seconds, and is refused while a sample stands
    where it could be spoiled, unless a person says that this is right (``sample_present_ok``).
    """
    return await _operate(service, asker, request, station, body, "set")


@router.post("/{station}/read", status_code=201, name="read_by_hand",
             responses=commanded(Operated, 201, location="how it stands"))  # fmt: skip
async def read(service: Here, asker: Asking, request: Request, station: Station, body: Read) -> Response:
    """Take one reading of a device by hand: a run with what was measured. It waits as `set` does."""
    return await _operate(service, asker, request, station, body, "read")


async def _operate(service: Service, asker: Asking, request: Request, station: str, body: Read, what: str) -> Response:
    await service.gate.needs(asker, "lab.steer", LAB)
    asked = body.model_dump(mode="json", exclude={"because"})
    work: HandWork = hand_work({"station": station, **asked})

    def there(journal: Journal) -> None:
        refuse_no_controller(journal, "operate")

    async def ask(key: str) -> Answer:
        before = await service.records.in_thread(commanding.of_key, key)
        if before is None:  # else it was asked, and the answer was lost
            await to_thread.run_sync(service.files.refuse_by_hand, work)
            await service.records.in_thread(there)
        payload = {"work": work.model_dump(mode="json")}
        answer = await commanding.command(
            service, "", "operate", payload, by=asker.who.id, because=body.because, key=key, trace=asker.trace
        )
        if answer.status != 200:
            return answer
        campaign = str(answer.body["result"])
        return dataclasses.replace(
            answer,
            status=201,
            body={**answer.body, "campaign": campaign},
            headers={"Location": f"/v1/stations/{station}/by-hand/{campaign}"},
        )

    entry = Entry(
        asker.who.id, "lab.steer", f"station/{station}", via=asker.who.key, after={what: asked}, because=body.because,
        trace=asker.trace,
    )  # fmt: skip
    return await service.once.do(request, asker, entry, ask)
