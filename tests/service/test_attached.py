"""A service alone, for a controller that runs in another process, on a data folder or on PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labwright.cli.init import make_lab
from labwright.client import Client, ConflictError
from labwright.journal import Journal, journal_file
from labwright.service.database import Door, door_place
from labwright.service.people import add_person, make_key
from tests.forks import Started, labwright, start
from tests.postgres import PostgresServer
from tests.service.served import Served

pytestmark = pytest.mark.long

SIMULATED = ("--simulated", "--speed", "100", "--no-store", "--no-http")


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    make_lab(tmp_path / "mine")
    return tmp_path / "mine"


@contextlib.contextmanager
def ended(process: Started) -> Iterator[Started]:
    """A process that is ended after the test, in peace."""
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


@contextlib.contextmanager
def attached(lab: Path, data: Path, controller: str | Path, *words: str | Path) -> Iterator[Served]:
    with ended(start("serve", "--controller", controller, "--port", "0", *words)) as service:
        one = Served(lab, data, service)
        ear = threading.Thread(target=one.hear, daemon=True)
        ear.start()
        one.until(lambda: one.url)
        yield one
        service.send_signal(signal.SIGTERM)
        ear.join(20)


def controlled(place: str | Path) -> None:
    for _ in range(1500):
        with contextlib.suppress(Exception), Journal.reading(place) as journal:
            if journal.controlled():
                return
        time.sleep(0.02)
    raise AssertionError("no controller")


def test_a_service_is_attached_to_a_controller_and_outlives_it(lab: Path) -> None:
    data = lab / "var"
    with ended(start("serve", lab, *SIMULATED)) as controller:
        controlled(journal_file(data))
        with attached(lab, data, data) as service:
            with Client(service.url, service.person("oda", "operator")) as oda:
                campaign = oda.campaigns.submit("first", budget=30, planner="random")
                assert oda.campaigns.drain(campaign, "enough").state == "done"
                controller.send_signal(signal.SIGTERM)
                assert controller.wait(60) == 0
                assert oda.campaigns.show(campaign).campaign == campaign
                with pytest.raises(ConflictError, match="no controller runs"):
                    oda.lab.stop("smell")
                assert not oda.campaigns.show(campaign).controller


def test_a_service_is_attached_through_postgres_without_the_labs_folder(lab: Path, postgres: PostgresServer) -> None:
    url = str(postgres.fresh_database())
    with ended(start("serve", lab, "--journal", url, *SIMULATED)):
        controlled(url)
        elsewhere = lab.parent / "elsewhere"
        elsewhere.mkdir()
        with attached(lab, elsewhere, url, "--data", elsewhere) as service:
            assert any("No lab's folder is known here" in line for line in service.said)
            with Door(door_place(url)) as door, door.writing() as connection:
                add_person(connection, "oda", roles=["operator"])
                key = make_key(connection, "oda", "test").secret
            with Client(service.url, key) as oda:
                with pytest.raises(ConflictError, match="has no lab's folder"):
                    oda.campaigns.submit("first", budget=1)
                handed = labwright(
                    *("campaign", "submit", "first", "--lab", lab, "--journal", url, "--budget", "30", "--simulated"),
                    *("--planner", "random", "--by", "Ann", "--json"),
                )
                assert handed.returncode == 0, handed.stderr
                campaign = json.loads(handed.stdout.splitlines()[-1])["campaign"]
                assert oda.campaigns.stop(campaign, "seen enough").state == "done"


REFUSED = {
    "a service": (("http://127.0.0.1:8765",), 3, "is a service"),
    "no journal": (("nothing",), 3, "has no journal"),
    "another folder": (("nothing", "--data", "another"), 3, "leave --data out"),
    "a controller's option": (("nothing", "--simulated"), 2, "only the service starts"),
    "nothing to do": (("nothing", "--no-http"), 2, "only the service starts"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_cannot_be_attached_is_refused_in_words(tmp_path: Path, mistake: str) -> None:
    words, code, said = REFUSED[mistake]
    done = labwright("serve", "--controller", *words, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())


def test_a_journal_in_a_file_is_not_shared_between_machines(tmp_path: Path) -> None:
    with Journal(journal_file(tmp_path)) as journal:
        journal.claim()
        journal.control("Ann")
        journal.write_alone(lambda connection: connection.exec_driver_sql("UPDATE epoch SET host = 'another-machine'"))
        done = labwright("serve", "--controller", tmp_path)
    assert (done.returncode, "a file is for one machine" in done.stderr) == (5, True), done.stderr
