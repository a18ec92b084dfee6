"""When people are there, and when stations are not to be used."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from labwright.model.base import Frozen, Name
from labwright.model.moments import Moment
from labwright.model.supplies import Day

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")


def _is_a_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {zone!r} on this system; write it as Asia/Tokyo or UTC") from error
    return zone


Zone = Annotated[str, AfterValidator(_is_a_zone)]
"""A time zone by its name."""


class CalendarSpec(Frozen):
    """Hours of the week in which people are there.

    Attributes:
        zone: time zone by its name, ``Asia/Tokyo``.
        opens: by day (``mon``) or days (``mon-fri``), from when to when: ``09:00-17:30``, or a list of such hours.
        closed: days on which it does not open.
    """

    zone: Zone
    opens: dict[str, Annotated[tuple[str, ...], BeforeValidator(lambda one: (one,) if isinstance(one, str) else one)]]
    closed: tuple[Day, ...] = ()

    @field_validator("opens")
    @classmethod
    def _hours_of_days(cls, opens: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for days, hours in opens.items():
            week_days(days)
            for one in hours:
                opening(one)
        if not any(opens.values()):
            raise ValueError("never opens; name a day and its hours, as in {mon-fri: '09:00-17:30'}")
        return opens


class ClosedSpec(Frozen):
    """A time in which a station is not to be used.

    Attributes:
        station: which.
        starts: with its offset from UTC, ``2026-12-01T09:00+09:00``.
        ends: likewise.
        why: for people.
    """

    station: Name
    starts: Moment
    ends: Moment
    why: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.ends <= self.starts:
            raise ValueError(f"ends at {self.ends.isoformat()}, not after it starts at {self.starts.isoformat()}")
        return self

    @property
    def what(self) -> str:
        """What it is, in words."""
        return "closed"


class MaintenanceSpec(ClosedSpec):
    """A time in which people work on a station."""

    @property
    def what(self) -> str:
        """What it is, in words."""
        return "maintenance"


class BookedSpec(ClosedSpec):
    """A time for which a person has a station, to work there by hand.

    Attributes:
        by: who.
    """

    by: Annotated[str, Field(min_length=1)]

    @property
    def what(self) -> str:
        """What it is, in words."""
        return f"{self.by} has it"


def week_days(days: str) -> tuple[int, ...]:
    """Days of the week, Monday is 0; ``fri-mon`` goes over the weekend.

    Raises:
        ValueError: no days.
    """
    first, _, last = days.partition("-")
    if first not in DAYS or (last and last not in DAYS):
        raise ValueError(f"no days {days!r}; write mon, tue, wed, thu, fri, sat, sun, or a span of them as mon-fri")
    start = DAYS.index(first)
    count = (DAYS.index(last) - start) % 7 + 1 if last else 1
    return tuple((start + day) % 7 for day in range(count))


def opening(hours: str) -> tuple[time, time | None]:
    """From when to when; None is the end of the day.

    Raises:
        ValueError: no hours, or none between them.
    """
    found = _HOURS.fullmatch(hours)
    if found is None:
        raise ValueError(f"no hours {hours!r}; write them as '09:00-17:30', at most to 24:00")
    start = time(int(found[1]), int(found[2]))
    end = time(int(found[3]), int(found[4])) if found[3] else None
    if end is not None and end <= start:
        raise ValueError(f"{hours!r} ends before it begins; over midnight write two days, the first to 24:00")
    return start, end
