"""Stations that people have for a time, to work there by hand: the lab begins nothing there meanwhile."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from labwright.answers.bookings import BookingMade, StationBooking
from labwright.engine.station_bookings import BookingAsked, EndAsked, StationBookings
from labwright.facts.bookings import booking_list
from labwright.journal import Journal
from labwright.journal.asking import deck_of, refuse_no_controller
from labwright.journal.status import lab_time_s
from labwright.model.moments import Moment
from labwright.service import commanding
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, commanded, items_of
from labwright.service.lab import LAB, Reason
from labwright.service.once import Answer
from labwright.service.state import Asking, Here, Service

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["lab"])

Station = Annotated[str, Path(max_length=200)]
At = Annotated[Moment, Field(strict=False)]
"""Text in JSON."""

Number = Annotated[str, Path(max_length=40)]


class BookStation(Body):
    """Books a station.

    Attributes:
        because: what for.
        starts: from when on, with its offset from UTC, in lab time; now if it is left out.
        ends: until when; or `for_s`.
        for_s: lab seconds.
        sample_present_ok: though a sample is there that stays there meanwhile, or cannot wait so long: a person has
            looked.
    """

    because: Reason
    starts: At | None = None
    ends: At | None = None
    for_s: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    sample_present_ok: bool = False


class EndBooking(Body):
    """Ends a booking, or calls it off.

    Attributes:
        because: why.
    """

    because: Reason


@router.get("/bookings", name="bookings", responses=answers(items_of(StationBooking)))
def bookings(
    service: Here,
    asker: Asking,
    station: Annotated[str, Query(max_length=200)] = "",
    everything: Annotated[bool, Query(description="those that are over, too")] = False,
) -> dict[str, Any]:
    """Stations that people have booked while the lab runs; those of the lab's files stand in its files."""
    service.gate.need(asker, "lab.read", LAB)
    with service.records.reading() as journal:
        return {"items": booking_list(journal, station, everything=everything)}


@router.post("/stations/{station}/bookings", name="book_station", responses=commanded(BookingMade))
async def book(service: Here, asker: Asking, request: Request, station: Station, body: BookStation) -> Response:
    """Have a station for a time, to work there by hand.

    The lab begins nothing there that would not be over before, and carries nothing there or away meanwhile; what the
    person does there by hand (`set`, `read`) is done. Refused while the station works on something.
    """
    starts, ends = body.starts, body.ends
    asked = BookingAsked(
        station=station,
        because=body.because,
        starts_s=None if starts is None else starts.timestamp(),
        ends_s=None if ends is None else ends.timestamp(),
        for_s=body.for_s,
        sample_present_ok=body.sample_present_ok,
    )
    same = ("station", "starts_s", "ends_s", "for_s", "sample_present_ok")
    payload = {name: getattr(asked, name) for name in same}
    return await _ask(service, asker, request, asked, f"station/{station}", "book_station", payload, body.because)


@router.post("/bookings/{booking}/end", name="end_booking", responses=commanded(BookingMade))
async def end(service: Here, asker: Asking, request: Request, booking: Number, body: EndBooking) -> Response:
    """Let the lab have a station back before its booking is over, or call one off that has not started."""
    asked = EndAsked(booking, body.because)
    return await _ask(
        service, asker, request, asked, f"booking/{booking}", "end_booking", {"booking": booking}, body.because
    )


async def _ask(
    service: Service,
    asker: Asking,
    request: Request,
    asked: BookingAsked | EndAsked,
    target: str,
    kind: str,
    payload: Mapping[str, Any],
    because: str,
) -> Response:
    """Have the controller record what a person wants of a station.

    Args:
        service: with the journal.
        asker: who wants it.
        request: with its Idempotency-Key.
        asked: what.
        target: of the audit entry.
        kind: of command.
        payload: the same for the controller.
        because: why.
    """
    await service.gate.needs(asker, "lab.steer", LAB)

    def look(journal: Journal, key: str) -> None:
        if commanding.of_key(journal, key) is not None:  # it was asked, and may be what is in the way
            return
        refuse_no_controller(journal, kind)
        deck = deck_of(journal)
        now_s = lab_time_s(journal, deck) or time.time()
        StationBookings(journal, service.files.model(), deck, now_s).event(asked, asker.who.id)

    async def work(key: str) -> Answer:
        await service.records.in_thread(look, key)
        return await commanding.command(
            service, "", kind, payload, by=asker.who.id, because=because, key=key, trace=asker.trace
        )

    entry = Entry(
        asker.who.id, "lab.steer", target, via=asker.who.key, after=payload, because=because, trace=asker.trace
    )
    return await service.once.do(request, asker, entry, work)
