"""Stations that people book while samples are under way: what a booking would spoil is said, and what is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from labwright.cli.places import reference_lab
from labwright.engine.booking_rows import booking_rows
from labwright.engine.deck_state import deck_state
from labwright.engine.events import BookingEnded, StationBooked
from labwright.engine.snapshots import dumped
from labwright.engine.station_bookings import (
    BookingAsked,
    EndAsked,
    StationBookings,
    book_alone,
    booked_of,
    refuse_at_work,
    samples_there,
)
from labwright.facts.bookings import booking_list
from labwright.journal import Journal, NewEvent
from labwright.lab import read_lab
from labwright.model.availability import Availability
from labwright.model.calendars import BookedSpec
from labwright.model.errors import ConfigError, RefusedError
from labwright.model.happened import told
from tests.engine.moving import Deck, layout, started, step, way

HOUR_S = 3600.0
ROW = layout(("mixer", 1, "own"), ("oven", 1, "own"), move_s=60.0)
STEPS = (step("mixer", takes_s=600.0, max_wait_s=900.0), step("oven", takes_s=600.0))


def booked(station: str, from_s: float, until_s: float, by: str = "kim") -> StationBooked:
    return StationBooked(
        id="B1", instruments="here", station=station, starts_s=from_s, ends_s=until_s, by=by, because="x", said_s=0.0
    )


def mixing() -> Deck:
    """A lab whose mixer works on a sample that can wait only 15 minutes for the oven then."""
    deck = Deck(ROW, started("c", way(*STEPS), budget=1))
    (sample,) = deck.lab.work.of("c").values()
    while not any(run.spec.name == "mixer" for run in sample.running):
        assert deck.next()
    return deck


def spoilt(deck: Deck, station: str, from_s: float, until_s: float) -> list[str]:
    return list(samples_there(deck.lab, booked(station, from_s, until_s)))


def test_a_station_that_works_is_refused_until_it_is_done() -> None:
    deck = mixing()
    with pytest.raises(RefusedError, match=r"station mixer works on step c/0001/mixer until about 660: book it from"):
        refuse_at_work(deck.lab, booked("mixer", deck.now_s, 2 * HOUR_S), lambda at_s: f"{at_s:g}")
    refuse_at_work(deck.lab, booked("mixer", 2 * HOUR_S, 3 * HOUR_S), lambda at_s: f"{at_s:g}")
    refuse_at_work(deck.lab, booked("oven", deck.now_s, 2 * HOUR_S), lambda at_s: f"{at_s:g}")


def test_a_station_that_an_arm_reaches_into_is_refused() -> None:
    deck = Deck(ROW, started("c", way(*STEPS), budget=1))
    (sample,) = deck.lab.work.of("c").values()
    while not any(run.carrier for run in sample.running):
        assert deck.next()
    with pytest.raises(RefusedError, match=r"arm_1 reaches into station mixer for c/0001/to-mixer_here until about"):
        refuse_at_work(deck.lab, booked("mixer", deck.now_s, 2 * HOUR_S), str)
    refuse_at_work(deck.lab, booked("oven", deck.now_s, 2 * HOUR_S), str)


def test_a_sample_that_cannot_wait_until_a_booking_is_over_is_said() -> None:
    deck = mixing()
    now_s = deck.now_s
    (words,) = spoilt(deck, "oven", now_s, now_s + 2 * HOUR_S)
    assert words == "sample c/0001 can wait for step oven only 25 min from now (max_wait_s)"
    assert spoilt(deck, "arm_1", now_s, now_s + 2 * HOUR_S) == [words], "nothing else brings it there"
    assert spoilt(deck, "oven", now_s, now_s + 1000.0) == [], "it is over before the sample has waited too long"
    assert spoilt(deck, "oven", now_s + 24 * HOUR_S, now_s + 25 * HOUR_S) == [], "by then it is done"


def test_a_sample_in_the_station_is_said_that_stays_there() -> None:
    deck = mixing()
    (words,) = spoilt(deck, "mixer", deck.now_s, deck.now_s + HOUR_S)
    assert words == "the location of sample c/0001 is mixer_here, and it stays there meanwhile"
    assert spoilt(deck, "mixer", deck.now_s + HOUR_S, deck.now_s + 2 * HOUR_S) == [], "it has left by then"


def test_a_booking_changes_nothing_of_the_state_and_is_replayed() -> None:
    deck = mixing()
    before = dumped(deck.lab, whole=True)
    assert deck.lab.handle("", booked("oven", 0.0, HOUR_S), deck.now_s) == []
    ended = BookingEnded(id="B1", ends_s=deck.now_s, by="kim", because="y", said_s=0.0)
    assert deck.lab.handle("", ended, deck.now_s) == []
    assert dumped(deck.lab, whole=True) == before
    assert told(ended.model_dump()) == "booking B1 ended by kim, reason: y"
    assert "kim has station oven from 1970-01-01 00:00:00" in told(booked("oven", 0.0, HOUR_S).model_dump())


def test_who_has_a_station_is_kept_out_by_others_alone() -> None:
    spec = BookedSpec(
        station="oven", starts=datetime(2026, 12, 1, tzinfo=UTC), ends=datetime(2026, 12, 2, tzinfo=UTC), why="x",
        by="Kim",
    )  # fmt: skip
    there, at_s = Availability((spec,)), spec.starts.timestamp()
    assert there.closed(at_s, at_s + 60, by=" kim ") is None
    assert there.opens_s(at_s, 60.0, by="kim") == at_s
    assert there.closed(at_s, at_s + 60, by="mia") is not None
    assert there.closed(at_s, at_s + 60) is not None, "it is not said who wants it"
    assert there.opens_s(at_s, 60.0) == spec.ends.timestamp()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as one:
        one.control("Ann", instruments="real", stations=["mixer", "oven"])
    with Journal(tmp_path / "journal.sqlite") as one:
        yield one


def test_bookings_are_numbered_and_those_to_come_are_laid_out_by(journal: Journal) -> None:
    first = book_alone(journal, None, BookingAsked("oven", "a course", for_s=HOUR_S), by="kim")
    assert isinstance(first, StationBooked)
    later = BookingAsked("mixer", "repair", starts_s=first.ends_s + HOUR_S, for_s=HOUR_S)
    assert book_alone(journal, None, later, by="mia").id == "B2"
    found = booked_of(journal, "real", first.starts_s)
    assert [(one.station, one.by, one.why) for one in found] == [
        ("oven", "kim", "a course"),
        ("mixer", "mia", "repair"),
    ]
    assert [one.station for one in booked_of(journal, "real", first.ends_s)] == ["mixer"], "the first is over"
    assert booked_of(journal, "here", first.starts_s) == (), "of other instruments"
    with pytest.raises(RefusedError, match="station oven is taken from"):
        book_alone(journal, None, BookingAsked("oven", "me too", for_s=60.0), by="mia")
    book_alone(journal, None, EndAsked("B1", "done"), by="mia")
    book_alone(journal, None, EndAsked("B2", "called off"), by="mia")
    assert booked_of(journal, "real", first.starts_s + 60) == ()
    assert booking_list(journal) == []
    assert [one["ended_because"] for one in booking_list(journal, everything=True)] == ["done", "called off"]


def test_a_rehearsal_goes_by_what_is_booked(journal: Journal) -> None:
    model = read_lab(reference_lab()).model
    made = book_alone(journal, model, BookingAsked("dosing", "a course", for_s=HOUR_S), by="kim")
    assert isinstance(made, StationBooked)
    there = deck_state(journal, model, "real", []).layout(model).calendar["dosing"]
    assert there.opens_s(made.starts_s, 60.0) == pytest.approx(made.ends_s, abs=1e-3)
    with pytest.raises(ConfigError, match="did you mean 'dosing'"):
        book_alone(journal, model, BookingAsked("dosin", "a course", for_s=HOUR_S), by="kim")


def test_two_of_one_batch_do_not_overlap(journal: Journal) -> None:

    first = booked("oven", 0.0, HOUR_S)
    pending = [NewEvent("", first.kind, b"", b"", 0.0, booking_rows(first), instruments="here")]
    bookings = StationBookings(journal, None, "here", 0.0, pending)
    with pytest.raises(RefusedError, match="kim has it: x"):
        bookings.event(BookingAsked("oven", "me too", for_s=60.0), "mia")
    assert bookings.event(BookingAsked("mixer", "me too", for_s=60.0), "mia").id == "B2"


def test_nothing_is_booked_without_instruments(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as one, pytest.raises(RefusedError, match="no controller has run yet"):
        book_alone(one, None, BookingAsked("oven", "a course", for_s=60.0), by="kim")
