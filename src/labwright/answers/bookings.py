"""Stations that people have booked."""

from __future__ import annotations

from labwright.answers.base import Answered
from labwright.answers.lab import Command


class StationBooking(Answered):
    """A time for which a person has a station.

    Attributes:
        id: of the booking, ``B3``.
        station: its name.
        instruments: on which deck.
        starts_s: lab time.
        ends_s: the same; when it was ended where that was earlier, which may be before it was to start.
        by: the person.
        because: what for.
        said_s: wall time at which it was booked.
        ended_by: who has ended it early; empty if it was not.
        ended_because: why.
        ended_s: wall time at which; null if it was not.
        state: ``planned``, ``active`` or ``over``.
    """

    id: str
    station: str
    instruments: str = ""
    starts_s: float
    ends_s: float
    by: str = ""
    because: str = ""
    said_s: float | None = None
    ended_by: str = ""
    ended_because: str = ""
    ended_s: float | None = None
    state: str


class BookingMade(Command):
    """What came of it; ``result`` is the id of the booking."""
