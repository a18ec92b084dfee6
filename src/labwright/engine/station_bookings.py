"""Stations that people book while the lab runs: held against the lab and its journal, recorded, and laid out by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from labwright.engine.booking_rows import booking_rows
from labwright.engine.events import ENGINE, Booking, BookingEnded, StationBooked
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.lab import LabCore
from labwright.engine.layout import Layout
from labwright.engine.recording import newest_deck, recorded
from labwright.journal import Journal, NewEvent, schema
from labwright.journal.status import lab_time_s
from labwright.model.calendars import BookedSpec, ClosedSpec
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.figures import lasting
from labwright.model.lab import LabModel
from labwright.model.rows import Key, Row
from labwright.model.states import OVER

__all__ = [
    "BookingAsked",
    "EndAsked",
    "StationBookings",
    "book_alone",
    "booked_of",
    "refuse_at_work",
    "refuse_in_the_way",
    "samples_there",
]

DAY_S = 86400.0

LONGEST_S = 92 * DAY_S
"""A longer booking is a mistake in its year, or belongs into the lab's files."""

LAST_S = 2.5e11
"""Lab time before the year 9999, the last that a date can have."""

LATE_S = 60.0
"""Lab seconds by which a booking may start in the past: it was typed before it was sent."""


@dataclass(frozen=True)
class BookingAsked:
    """A person wants a station.

    Attributes:
        station: its name.
        because: what for.
        starts_s: lab time; now if None.
        ends_s: lab time; None if `for_s` says how long.
        for_s: lab seconds.
        sample_present_ok: though a sample is there, and stays there meanwhile.
    """

    station: str
    because: str
    starts_s: float | None = None
    ends_s: float | None = None
    for_s: float | None = None
    sample_present_ok: bool = False


@dataclass(frozen=True)
class EndAsked:
    """A person does not need a station any longer, or wants a booking called off.

    Attributes:
        booking: its id.
        because: why.
    """

    booking: str
    because: str


class StationBookings:
    """Makes events of what people want of stations.

    Args:
        journal: of the lab.
        model: its files, where they are known.
        deck: which instruments.
        now_s: lab time.
        pending: events that will be in the journal before those that are made here.
    """

    def __init__(
        self, journal: Journal, model: LabModel | None, deck: str, now_s: float, pending: Sequence[NewEvent] = ()
    ) -> None:
        self._journal, self._model, self._deck, self._now_s = journal, model, deck, now_s
        self._pending = pending
        self._zone = ZoneInfo("UTC" if model is None else model.zone)

    def event(self, asked: BookingAsked | EndAsked, by: str) -> Booking:
        """What a person wants, as an event.

        Args:
            asked: that.
            by: the person.

        Raises:
            ConfigError: there is no such station or booking, or no such time.
            RefusedError: another has the station then, or the booking is over.
        """
        if not (by.strip() and asked.because.strip()):  # as any program may send it
            raise ConfigError("a booking says who has the station, and what for; nothing was recorded")
        if isinstance(asked, EndAsked):
            return self._ended(asked, by)
        starts_s = self._now_s if asked.starts_s is None else asked.starts_s
        if (asked.ends_s is None) == (asked.for_s is None):
            raise ConfigError("say until when it is booked, or for how long, and only one of both")
        ends_s = asked.ends_s if asked.ends_s is not None else starts_s + (asked.for_s or 0.0)
        self._refuse_no_time(starts_s, ends_s)
        starts_s = max(starts_s, self._now_s)
        for one in self._closed(asked.station):
            if one.starts.timestamp() < ends_s and starts_s < one.ends.timestamp():
                starts, ends = self.shown(one.starts.timestamp()), self.shown(one.ends.timestamp())
                raise RefusedError(
                    f"station {asked.station} is taken from {starts} to {ends} ({one.what}: {one.why}); book another "
                    "time, or have that one ended first"
                )
        return StationBooked(
            id=f"B{self._next()}", instruments=self._deck, station=asked.station, starts_s=starts_s, ends_s=ends_s,
            by=by, because=asked.because, said_s=time.time(),
        )  # fmt: skip

    def _refuse_no_time(self, starts_s: float, ends_s: float) -> None:
        """Refuse what is no time to come.

        Raises:
            ConfigError: so it is.
        """
        if not (0 <= starts_s < LAST_S and 0 <= ends_s < LAST_S):
            raise ConfigError(f"from {starts_s:g} to {ends_s:g} s since 1970 is no time that a calendar has")
        here = f"it is {self.shown(self._now_s)} in the lab"
        if ends_s <= starts_s:
            raise ConfigError(f"it ends at {self.shown(ends_s)}, not after it starts at {self.shown(starts_s)}")
        if starts_s < self._now_s - LATE_S:
            raise ConfigError(f"it starts at {self.shown(starts_s)}, and {here}; leave the start out for now")
        if ends_s - starts_s > LONGEST_S:
            raise ConfigError(
                f"it lasts {(ends_s - starts_s) / DAY_S:.1f} days, and at most {LONGEST_S / DAY_S:.0f} can be booked; "
                "write a longer one into the lab's files (booked)"
            )
        if starts_s - self._now_s > 4 * LONGEST_S:
            raise ConfigError(f"it starts at {self.shown(starts_s)}, more than a year from now: {here}")

    def _closed(self, station: str) -> Iterator[ClosedSpec]:
        """When a station is taken already, by the lab's files and by the journal.

        Raises:
            ConfigError: there is no such station.
        """
        if self._model is not None:
            if station not in self._model.stations:
                raise ConfigError(unknown("station", station, list(self._model.stations)))
            yield from (one for one in (*self._model.maintenance, *self._model.booked) if one.station == station)
        yield from (_spec(row) for row in self.rows() if row["station"] == station)

    def _ended(self, asked: EndAsked, by: str) -> BookingEnded:
        row = next((one for one in self.rows(over=True) if one["id"] == asked.booking), None)
        if row is None:
            raise ConfigError(f"there is no booking {asked.booking[:40]!r}; labwright station bookings has them")
        if row["instruments"] != self._deck:
            raise RefusedError(f"booking {asked.booking} is of other instruments than those the controller runs on")
        if row["ended_by"]:
            raise RefusedError(f"booking {asked.booking} was ended by {row['ended_by']} already")
        if row["ends_s"] <= self._now_s:
            raise RefusedError(f"booking {asked.booking} was over at {self.shown(row['ends_s'])}")
        return BookingEnded(id=asked.booking, ends_s=self._now_s, by=by, because=asked.because, said_s=time.time())

    def rows(self, *, over: bool = False) -> list[Row]:
        """Bookings on the deck as they will be then; with `over` also those that are over, and of other decks."""
        table = schema.booking
        where = [] if over else [table.c.instruments == self._deck, table.c.ends_s > self._now_s]
        found = {str(row["id"]): dict(row) for row in self._journal.rows(table, *where)}
        for one in self._pending:
            for key, row in one.changes.items():
                if key[0] == table.name and row is not None:
                    blank = {column.name: "" for column in table.columns}
                    found[str(key[1])] = {**found.get(str(key[1]), blank), **row}
        mine = (row for row in found.values() if over or row["ends_s"] > self._now_s)
        return sorted(mine, key=lambda row: row["starts_s"])

    def _next(self) -> int:
        """The number of the next one: this process alone writes them."""
        (row,) = self._journal.read(sa.select(sa.func.max(schema.booking.c.n).label("n")))
        new = (key for one in self._pending for key in one.changes if key[0] == schema.booking.name)
        return max([int(row["n"] or 0), *(int(str(key[1])[1:]) for key in new)]) + 1

    def shown(self, at_s: float) -> str:
        """A lab time in words, in the lab's zone."""
        return f"{datetime.fromtimestamp(at_s, self._zone):%Y-%m-%d %H:%M %Z}"


def booked_of(journal: Journal, deck: str, now_s: float, pending: Sequence[NewEvent] = ()) -> tuple[BookedSpec, ...]:
    """When people have stations that they have booked while the lab runs, now or later.

    Args:
        journal: opened to be read.
        deck: which instruments.
        now_s: lab time.
        pending: events that will be in the journal then.
    """
    return tuple(map(_spec, StationBookings(journal, None, deck, now_s, pending).rows()))


def _spec(row: Row) -> BookedSpec:
    zone = ZoneInfo("UTC")
    starts, ends = (datetime.fromtimestamp(row[name], zone) for name in ("starts_s", "ends_s"))
    return BookedSpec(station=row["station"], starts=starts, ends=ends, why=row["because"], by=row["by"])


def refuse_in_the_way(core: LabCore, booked: StationBooked, shown: Callable[[float], str], *, looked: bool) -> None:
    """Refuse a station that is at work when it is wanted, or that samples need then.

    Args:
        core: of the lab.
        booked: what a person wants.
        shown: lab time in words.
        looked: a person has looked at the samples, and it is right.

    Raises:
        RefusedError: so it is; with when it is free by what is expected, or which samples they are.
    """
    refuse_at_work(core, booked, shown)
    if not looked and (there := list(samples_there(core, booked))):
        raise RefusedError(
            f"{'; '.join(there)}. Book it later, or again with sample_present_ok (--sample-present-ok) if that is right"
        )


def refuse_at_work(core: LabCore, booked: StationBooked, shown: Callable[[float], str]) -> None:
    """Refuse a station that works when it is wanted, or to which something is carried then, or away from it.

    Args:
        core: of the lab.
        booked: what a person wants.
        shown: lab time in words.

    Raises:
        RefusedError: so it does; with when it is free by what is expected.
    """
    layout = core.dispatcher.layout
    for one in (one for live in core.work.live.values() for one in live.values()):  # those that are given up move, too
        for run in one.running:
            ends_s = max(core.now_s, (run.started_s or core.now_s) + run.expected_s)
            if run.state != "running" or ends_s <= booked.starts_s:
                continue
            if run.station == booked.station:
                raise RefusedError(
                    f"station {booked.station} works on step {run.step_id} until about {shown(ends_s)}: book it from "
                    "then on, or stop it after its operation first"
                )
            ends = (layout.bench_at(place) for place in (run.start, run.move_end) if run.carrier)
            if any(bench is not None and bench.name == booked.station for bench in ends):
                raise RefusedError(
                    f"{run.carrier} reaches into station {booked.station} for {run.step_id} until about "
                    f"{shown(ends_s)}: book it from then on"
                )


def samples_there(core: LabCore, booked: StationBooked) -> Iterator[str]:
    """Samples that a booking keeps where they are, or that cannot wait until it is over, in words.

    Args:
        core: of the lab.
        booked: what a person wants.
    """
    layout = core.dispatcher.layout
    for one in _under_way(core):
        bench = layout.bench_at(one.stands_at)
        if bench is not None and bench.name == booked.station and booked.starts_s <= core.now_s + LATE_S:
            yield f"the location of sample {one.id} is {one.stands_at}, and it stays there meanwhile"
        for run, from_s, due_s in _limited(one, core.now_s):
            over_s = from_s + run.expected_s  # if nothing else is in its way
            if due_s < booked.ends_s and over_s > booked.starts_s and _needs(layout, one, run, booked.station):
                left_s = max(0.0, due_s - core.now_s)
                yield f"sample {one.id} can wait for step {run.spec.name} only {lasting(left_s)} from now (max_wait_s)"


def _limited(one: Experiment, now_s: float) -> Iterator[tuple[StepRun, float, float]]:
    """Steps that a sample can wait for only so long, with when they may and when they must begin, lab time."""
    for run in one.startable():
        if run.spec.sample and (due_s := one.due_s(run)) < math.inf:
            yield run, now_s, due_s
    for before in one.running:
        after = one.after(before)
        if before.spec.max_wait_s is not None and after is not None:
            ends_s = max(now_s, (before.started_s or now_s) + before.expected_s)
            yield after, ends_s, ends_s + before.spec.max_wait_s


def _needs(layout: Layout, one: Experiment, run: StepRun, station: str) -> bool:
    """Whether a step cannot be without a station: it is done there, or the sample is carried by it."""
    benches = {bench.name for bench in layout.serving(run.spec.station)}
    here = layout.bench_at(one.stands_at)
    carried = bool(layout.carriers) and (here is None or here.name not in benches)
    return benches == {station} or (carried and all(arm.station == station for arm in layout.carriers.values()))


def _under_way(core: LabCore) -> Iterator[Experiment]:
    return (one for live in core.work.live.values() for one in live.values() if not one.given_up)


def book_alone(journal: Journal, model: LabModel | None, asked: BookingAsked | EndAsked, *, by: str) -> Booking:
    """Record what a person wants, where no controller runs.

    Args:
        journal: of the lab.
        model: the lab's files, where they are known.
        asked: what that person wants.
        by: the person.

    Raises:
        ConfigError: as from `StationBookings.event`.
        RefusedError: a controller runs, none ever did, or campaigns were interrupted; or as from that.
    """
    journal.claim()
    if not (deck := _deck(journal, asked)):
        raise RefusedError(
            f"{journal.name}: no controller has run yet, so there are no instruments to book; write it into the lab's "
            "files (booked), or start one with: labwright serve"
        )
    campaign = schema.campaign
    going = journal.read(sa.select(campaign.c.id).where(campaign.c.instruments == deck, campaign.c.state.not_in(OVER)))
    if going and isinstance(asked, BookingAsked):
        names = ", ".join(str(row["id"]) for row in going[:3])
        raise RefusedError(
            f"{names} was interrupted, and may have samples there that cannot wait: resume first (labwright campaign "
            "resume, or labwright serve), then book"
        )
    now_s = lab_time_s(journal, deck) or time.time()
    event = StationBookings(journal, model, deck, now_s).event(asked, by)
    journal.control(by, instruments=deck, engine=ENGINE)
    changes: dict[Key, Row | None] = dict(booking_rows(event))
    journal.record([recorded(event, now_s, changes, deck)])
    return event


def _deck(journal: Journal, asked: BookingAsked | EndAsked) -> str:
    """The instruments that are meant: those of the booking, or of the controller that ran last; empty if none did."""
    table = schema.booking
    rows = journal.rows(table, table.c.id == asked.booking) if isinstance(asked, EndAsked) else []
    return str(rows[0]["instruments"]) if rows else newest_deck(journal)
