"""`labwright station book`, `unbook` and `bookings`: stations that people have for a time, to work there by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labwright.cli.output import console, emit, table
from labwright.cli.places import lab_root
from labwright.cli.sites import Place, done, seen
from labwright.cli.words import when
from labwright.engine.station_bookings import BookingAsked, EndAsked, book_alone
from labwright.facts.bookings import booking_list
from labwright.journal import Journal
from labwright.journal.asking import ask_controller, refuse_unnamed
from labwright.lab import read_lab


def book(place: Place, lab: Path | None, asked: BookingAsked, *, by: str, json: bool) -> None:
    """Have a station for a time.

    Args:
        place: of the journal, or a service.
        lab: its folder; this one, or the reference lab, if None.
        asked: what is wanted.
        by: who wants it.
        json: whether a program reads what is said.

    Raises:
        ConfigError: there is no such station, or no such time.
        RefusedError: it is taken then, or it works on something.
    """
    same = ("station", "starts_s", "ends_s", "for_s", "sample_present_ok")

    def here(journal: Journal) -> str:
        refuse_unnamed(by, asked.because)
        if journal.controlled():
            payload = {name: getattr(asked, name) for name in same}
            return ask_controller(journal, "book_station", payload, by=by, because=asked.because)
        return book_alone(journal, read_lab(lab_root(lab)).model, asked, by=by).id

    booking = done(
        place,
        here,
        lambda client: client.bookings.book(
            asked.station, asked.because, starts=_moment(asked.starts_s), ends=_moment(asked.ends_s),
            for_s=asked.for_s, sample_present_ok=asked.sample_present_ok,
        ),
    )  # fmt: skip
    found = next((one for one in _bookings(place, asked.station) if one["id"] == booking), {})
    if json:
        emit({"booking": booking, **found})
        return
    times = f" from {when(found['starts_s'])} to {when(found['ends_s'])} UTC (lab time)" if found else ""
    console.print(
        f"{booking}: {found.get('by') or by} has station {asked.station}{times}. Free it earlier with: labwright "
        f"station unbook {booking} --reason WHY --by NAME",
        style="bold",
        markup=False,
    )


def unbook(place: Place, booking: str, *, by: str, because: str, json: bool) -> None:
    """End a booking, or call it off.

    Raises:
        ConfigError: there is none of that id.
        RefusedError: it is over.
    """

    def here(journal: Journal) -> None:
        refuse_unnamed(by, because)
        if journal.controlled():
            ask_controller(journal, "end_booking", {"booking": booking}, by=by, because=because)
        else:
            book_alone(journal, None, EndAsked(booking, because), by=by)

    done(place, here, lambda client: client.bookings.end(booking, because))
    if json:
        emit({"booking": booking, "by": by, "state": "over"})
    else:
        console.print(f"Booking {booking} is over: the lab uses the station again", style="bold", markup=False)


def list_bookings(place: Place, station: str, *, everything: bool, json: bool) -> None:
    """Bookings in the order in which they start."""
    found = _bookings(place, station, everything=everything)
    if json:
        emit(*found)
        return
    if not found:
        console.print("No bookings; those of the lab's files (booked in lab.yaml) are not listed here", markup=False)
        return
    rows = [
        (one["id"], one["station"], when(one["starts_s"]), when(one["ends_s"]), one["state"], one["by"],
         f"{one['because']}\nended by {one['ended_by']}: {one['ended_because']}" if one["ended_by"] else one["because"])
        for one in found
    ]  # fmt: skip
    columns = ("booking", "station", "from (UTC, lab time)", "to", "state", "by", "reason")
    table("Stations that people have booked", columns, rows, json=False)


def _bookings(place: Place, station: str, *, everything: bool = False) -> list[dict[str, Any]]:
    return seen(
        place,
        lambda journal: booking_list(journal, station, everything=everything),
        lambda client: [one.model_dump(mode="json") for one in client.bookings.list(station, everything=everything)],
    ).facts


def _moment(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)
