"""Stations that people book while the lab runs, at the wire: service, controller and instruments, each a process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from labwright.client import Client, ProblemError
from labwright.facts.bookings import booking_list
from labwright.journal import Journal, journal_file, schema
from tests.forks import labwright
from tests.service.desk.asking import until_true
from tests.service.served import Served, serving
from tests.service.test_by_hand import ended

pytestmark = pytest.mark.long

SPEED = 100.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("bookings")
    assert labwright("init", place / "lab").returncode == 0
    with serving(place / "lab", place / "var", "--speed", f"{SPEED:g}") as one:
        yield one


@pytest.fixture(scope="module")
def otto(served: Served) -> Iterator[Client]:
    with Client(served.url, served.person("otto", "operator")) as client:
        yield client


@pytest.fixture(scope="module")
def mia(served: Served) -> Iterator[Client]:
    with Client(served.url, served.person("mia", "operator")) as client:
        yield client


@pytest.fixture(autouse=True)
def free_again(otto: Client) -> Iterator[None]:
    yield
    for one in otto.bookings.list():
        otto.bookings.end(one.id, "the test is over")


def station(otto: Client) -> dict[str, object]:
    (found,) = [one for one in otto.lab.status()["stations"] if one["name"] == "heating"]
    return dict(found)


def test_a_campaign_waits_until_the_person_is_done_who_has_the_station(
    served: Served, otto: Client, mia: Client
) -> None:
    booking = mia.bookings.book("heating", "new thermocouple", for_s=36_000)
    assert station(otto)["state"] == "booked"
    assert station(otto)["booked_by"] == "mia"
    campaign = otto.campaigns.submit("first", budget=2, planner="random", seed=1)
    until_true(lambda: any("mia has it" in words for words in otto.campaigns.show(campaign).waits_for))
    assert otto.campaigns.show(campaign).tried <= 1
    with Journal.reading(journal_file(served.data)) as journal:
        assert not journal.rows(schema.step, schema.step.c.campaign == campaign, schema.step.c.started_s.is_not(None))
    other = otto.stations.read("heating", "heater", "a look", wait_s=60)
    mine = ended(mia, mia.stations.set("heating", "heater", "temperature", 40.0, "degC", "is it warm?"))
    assert mine.state == "done", "who has the station works there by hand"
    given_up = ended(otto, other)
    assert given_up.state == "given up", given_up
    assert "mia has it" in given_up.reason
    assert otto.campaigns.show(campaign).tried == 1
    mia.bookings.end(booking, "it measures")
    until_true(lambda: otto.campaigns.show(campaign).state == "completed")
    (found,) = otto.bookings.list("heating", everything=True)[-1:]
    assert (found.id, found.by, found.ended_by, found.state) == (booking, "mia", "mia", "over")


def test_a_station_at_work_is_booked_from_when_it_is_free(otto: Client, mia: Client) -> None:
    campaign = otto.campaigns.submit("first", budget=4, planner="random", seed=2)
    until_true(lambda: station(otto)["state"] == "running")
    with pytest.raises(ProblemError, match=r"station heating works on step .* until about .*: book it from then on"):
        mia.bookings.book("heating", "new thermocouple", for_s=600)
    otto.campaigns.stop(campaign, "enough")
    until_true(lambda: otto.campaigns.show(campaign).state == "stopped")


def test_one_booking_is_made_once_and_no_other_beside_it(otto: Client, mia: Client) -> None:
    first = mia.bookings.book("heating", "a course", for_s=36_000, key="the same booking")
    assert mia.bookings.book("heating", "a course", for_s=36_000, key="the same booking") == first
    with pytest.raises(ProblemError, match=r"station heating is taken from .* UTC .*mia has it: a course"):
        otto.bookings.book("heating", "repair", for_s=600)
    assert [one.id for one in otto.bookings.list("heating")] == [first]
    otto.bookings.end(first, "the course is off")
    with pytest.raises(ProblemError, match=f"booking {first} was ended by otto already"):
        mia.bookings.end(first, "again")
    with pytest.raises(ProblemError, match="there is no booking 'B999'"):
        mia.bookings.end("B999", "none")


def test_a_planned_booking_is_called_off(otto: Client, mia: Client) -> None:
    starts = datetime.fromtimestamp(time.time() + 30 * 86400, UTC)
    booking = mia.bookings.book("heating", "maintenance", starts=starts, for_s=3600)
    (found,) = otto.bookings.list("heating")
    assert found.state == "planned"
    assert found.starts_s == pytest.approx(starts.timestamp())
    mia.bookings.end(booking, "the engineer is ill")
    assert otto.bookings.list("heating") == []
    mia.bookings.end(mia.bookings.book("heating", "again", starts=starts, for_s=3600), "it was a try")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no station": ({"station": "heeting", "for_s": 60}, "did you mean 'heating'"),
    "no time": ({}, "say until when it is booked, or for how long"),
    "both": ({"for_s": 60, "ends": "2099-01-01T00:00Z"}, "say until when it is booked, or for how long"),
    "too long": ({"for_s": 93 * 86400}, "at most 92"),
    "over": ({"starts": "2020-01-01T00:00Z", "for_s": 60}, "leave the start out for now"),
    "backwards": ({"ends": "2020-01-01T00:00Z"}, "not after it starts"),
    "far": ({"starts": "2199-01-01T00:00Z", "for_s": 60}, "more than a year from now"),
    "no offset": ({"starts": "2027-01-01T00:00", "for_s": 60}, "offset from UTC"),
    "negative": ({"for_s": -1}, "greater than 0"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_and_books_nothing(otto: Client, what: str) -> None:
    given, words = WRONG[what]
    body = {"because": "x", **{name: value for name, value in given.items() if name != "station"}}
    with pytest.raises(ProblemError) as refused:
        otto.wire.send("POST", f"/v1/stations/{given.get('station', 'heating')}/bookings", body)
    assert words in str(refused.value)
    assert otto.bookings.list() == []


def test_who_may_not_steer_the_lab_books_nothing(served: Served, otto: Client) -> None:
    with Client(served.url, served.person("vera", "viewer")) as vera, pytest.raises(ProblemError) as refused:
        vera.bookings.book("heating", "x", for_s=60)
    assert refused.value.status == 403
    assert otto.bookings.list() == []


def test_the_command_line_says_the_same_as_the_service(served: Served, otto: Client) -> None:
    here = ("--data", str(served.data))
    done = labwright(
        "station", "book", "heating", "--hours", "9", "--reason", "a course", "--by", "Ann", *here, "--json"
    )
    assert done.returncode == 0, done.stderr
    booking = json.loads(done.stdout)["booking"]
    listed = labwright("station", "bookings", "--json", *here)
    far = {"LABWRIGHT_KEY": served.admin}
    there = labwright("station", "bookings", "--json", "--url", served.url, env=far)
    assert json.loads(listed.stdout) == json.loads(there.stdout)
    assert "a person has it: Ann," in labwright("status", *here).stdout
    twice = labwright("station", "book", "heating", "--hours", "1", "--reason", "me too", "--by", "Bea", *here)
    assert twice.returncode == 5, twice.stderr
    assert "Ann has it: a course" in twice.stderr
    assert labwright("station", "unbook", booking, "--reason", "over", "--by", "Ann", *here).returncode == 0
    assert otto.bookings.list() == []


def test_a_booking_outlives_the_controller_and_is_made_without_one(tmp_path: Path) -> None:
    assert labwright("init", tmp_path / "lab").returncode == 0
    here = ("--data", str(tmp_path / "var"), "--lab", str(tmp_path / "lab"))
    book = ("station", "book", "heating", "--reason", "a course", "--by", "Ann", *here)
    with serving(tmp_path / "lab", tmp_path / "var", "--speed", "20") as served:
        with Client(served.url, served.person("otto", "operator")) as otto:
            first = otto.bookings.book("heating", "a course", for_s=36_000)
    with serving(tmp_path / "lab", tmp_path / "var", "--speed", "20") as served:
        with Client(served.url, served.person("oda", "operator")) as oda:
            assert station(oda)["state"] == "booked"
            oda.bookings.end(first, "over")
    wrong = labwright(*book, "--until", "2020-01-01T00:00Z")
    assert wrong.returncode != 0
    assert "not after it starts" in wrong.stderr
    done = labwright(*book, "--hours", "2")
    assert done.returncode == 0, done.stderr
    with Journal.reading(journal_file(tmp_path / "var")) as journal:
        assert [(one["by"], one["state"]) for one in booking_list(journal)] == [("Ann", "active")]
