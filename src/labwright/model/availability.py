"""When stations can be used: not while people work on them or have them, and in the hours in which people are there."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from labwright.model.calendars import CalendarSpec, ClosedSpec, opening, week_days
from labwright.model.persons import same_person

__all__ = ["Availability", "Closure"]

HORIZON_S = 400 * 86400.0
"""What fits nowhere within so long, more than a year with all of its holidays, is said to fit never."""

_JUST_AFTER_S = 1e-3

_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Closure:
    """A time in which a station is not to be used.

    Attributes:
        starts_s: lab time.
        ends_s: the same; infinite if it never ends.
        words: for people, with its times.
        hands_off: whether nothing is carried there either, since people work there.
        by: the person who has the station meanwhile; empty if no single person has it.
    """

    starts_s: float
    ends_s: float
    words: str
    hands_off: bool = True
    by: str = ""


class _Hours:
    """Hours in which people are there, as spans of lab time.

    Args:
        name: of the calendar.
        spec: its hours.
    """

    def __init__(self, name: str, spec: CalendarSpec) -> None:
        self._name, self._spec, self._zone = name, spec, ZoneInfo(spec.zone)
        self._from_s = math.inf
        self._spans: list[tuple[float, float]] = []

    def closed(self, from_s: float, until_s: float) -> Closure | None:
        """The first time without people between two times."""
        if not self._from_s <= from_s <= self._from_s + HORIZON_S:
            self._from_s, self._spans = from_s, list(self._spans_from(from_s))
        number = bisect.bisect_right(self._spans, (from_s, math.inf)) - 1
        starts_s = self._spans[number][1] if number >= 0 else -math.inf
        if starts_s >= until_s:
            return None
        ends_s = self._spans[number + 1][0] if number + 1 < len(self._spans) else math.inf
        opens = "" if ends_s == math.inf else f" until {datetime.fromtimestamp(ends_s, self._zone):%Y-%m-%d %H:%M}"
        words = f"no person is there{opens} (calendar {self._name})"
        return Closure(starts_s, ends_s, words, hands_off=False)

    def _spans_from(self, from_s: float) -> Iterator[tuple[float, float]]:
        """All from the day before a lab time, for twice the horizon; one that goes on over midnight is one."""
        by_day: dict[int, list[str]] = {}
        for days, hours in self._spec.opens.items():
            for weekday in week_days(days):
                by_day.setdefault(weekday, []).extend(hours)
        first = datetime.fromtimestamp(from_s, self._zone).date() - timedelta(days=1)
        open_s: tuple[float, float] | None = None
        for number in range(int(2 * HORIZON_S / 86400)):
            day = first + timedelta(days=number)
            for start, end in sorted(map(opening, by_day.get(day.weekday(), ())), key=lambda one: one[0]):
                if day in self._spec.closed:
                    continue
                last = datetime.combine(day, end) if end is not None else datetime.combine(day, time()) + _A_DAY
                starts_s = datetime.combine(day, start, self._zone).timestamp()
                ends_s = last.replace(tzinfo=self._zone).timestamp()
                if open_s is not None and starts_s <= open_s[1]:
                    open_s = open_s[0], max(open_s[1], ends_s)
                    continue
                if open_s is not None:
                    yield open_s
                open_s = starts_s, ends_s
        if open_s is not None:
            yield open_s


class Availability:
    """When a station can be used.

    Args:
        closed: when it cannot.
        calendar: name and hours in which it is attended; always, if None.
    """

    def __init__(self, closed: tuple[ClosedSpec, ...] = (), calendar: tuple[str, CalendarSpec] | None = None) -> None:
        self._closed, self._calendar = closed, calendar
        found = (
            Closure(one.starts.timestamp(), one.ends.timestamp(), _words(one), by=getattr(one, "by", ""))
            for one in closed
        )
        self._closures = sorted(found, key=lambda one: one.starts_s)
        self._hours = None if calendar is None else _Hours(*calendar)

    def also(self, closed: ClosedSpec) -> Availability:
        """The same with another time in which it cannot be used."""
        return Availability((*self._closed, closed), self._calendar)

    def closed(self, from_s: float, until_s: float, *, carried: bool = False, by: str = "") -> Closure | None:
        """The first time between two lab times at which it cannot be used.

        Args:
            from_s: lab time.
            until_s: the same.
            carried: whether only something is carried there, or away.
            by: a person, who can use it while that person has it.
        """
        others = (one for one in self._closures if not (by and same_person(one.by, by)))
        first = next((one for one in others if one.starts_s < until_s and from_s < one.ends_s), None)
        if self._hours is None or carried:
            return first
        hours = self._hours.closed(from_s, until_s)
        return min((one for one in (first, hours) if one is not None), key=lambda one: one.starts_s, default=None)

    def opens_s(self, at_s: float, takes_s: float, *, carried: bool = False, by: str = "") -> float:
        """From when on it can be used for so long, lab time; infinite if never.

        Args:
            at_s: not before this lab time.
            takes_s: lab seconds.
            carried: as above.
            by: the same.
        """
        now_s = at_s
        while now_s <= at_s + HORIZON_S:
            closure = self.closed(now_s, now_s + max(takes_s, _JUST_AFTER_S), carried=carried, by=by)
            if closure is None:
                return now_s
            now_s = closure.ends_s
        return math.inf


def _words(closed: ClosedSpec) -> str:
    starts, ends = closed.starts, closed.ends.astimezone(closed.starts.tzinfo)
    until = f"{ends:%H:%M}" if starts.date() == ends.date() else f"{ends:%Y-%m-%d %H:%M}"
    zone = starts.strftime("%z")
    offset = "UTC" if zone == "+0000" else f"{zone[:3]}:{zone[3:5]}"
    return f"{closed.what} from {starts:%Y-%m-%d %H:%M} to {until} {offset}: {closed.why}"
