"""Bookings of stations at a service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from labwright.answers.bookings import StationBooking
from labwright.client.wire import Wire


class Bookings:
    """Stations that people have for a time, to work there by hand.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self, station: str = "", *, everything: bool = False) -> Sequence[StationBooking]:
        """Bookings in the order in which they start.

        Args:
            station: of this one; of all if empty.
            everything: those that are over, too.
        """
        asked = {**({"station": station} if station else {}), **({"everything": "true"} if everything else {})}
        return [StationBooking.model_validate(one) for one in self._wire.get("/v1/bookings", **asked)["items"]]

    def book(
        self,
        station: str,
        because: str,
        *,
        starts: datetime | None = None,
        ends: datetime | None = None,
        for_s: float | None = None,
        sample_present_ok: bool = False,
        key: str | None = None,
    ) -> str:
        """Have a station for a time; the id of the booking.

        Args:
            station: its name.
            because: what for.
            starts: from when on, with its offset from UTC, in lab time; now if None.
            ends: until when; or `for_s`.
            for_s: lab seconds.
            sample_present_ok: though a sample is there that stays there meanwhile, or cannot wait so long.
            key: the Idempotency-Key; a new one if None.

        Raises:
            ProblemError: there is no such station or time, it is taken then, or it works on something.
        """
        times = {"starts": starts, "ends": ends}
        body: dict[str, Any] = {name: at.isoformat() for name, at in times.items() if at is not None}
        body |= {"because": because, "sample_present_ok": sample_present_ok}
        body |= {} if for_s is None else {"for_s": for_s}
        return str(self._wire.send("POST", f"/v1/stations/{quote(station, safe='')}/bookings", body, key=key)["result"])

    def end(self, booking: str, because: str, *, key: str | None = None) -> None:
        """Let the lab have a station back, or call a booking off.

        Args:
            booking: its id.
            because: why.
            key: the Idempotency-Key; a new one if None.
        """
        path = f"/v1/bookings/{quote(booking, safe='')}/end"
        self._wire.send("POST", path, {"because": because}, key=key)
