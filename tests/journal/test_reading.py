"""A process that only looks: no lock, no migration, no byte written, and still the truth about the controller."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from labwright.journal import Journal, NewEvent, schema, writer
from labwright.journal.alive import STALE_S, is_alive
from labwright.journal.lock import FileLock
from labwright.model.errors import JournalError, RefusedError
from tests import forks
from tests.journal.test_lab_tables import at_0005

NOTED = NewEvent("c-1", "noted", b'{"kind": "noted", "words": "w"}', b"[]", 1.0, {})
SPEC = {"objective": {"name": "y", "goal": "max", "unit": "1"}, "planner": {"name": "random"}}
CAMPAIGN = {
    "id": "c-1", "name": "c", "title": "C", "state": "running", "simulated": True, "instruments": "here", "budget": 3,
    "tried": 1, "planner": "random", "objectives": json.dumps([SPEC["objective"]]),
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The place of a new journal."""
    if request.param == "sqlite":
        return str(tmp_path / "journal.sqlite")
    return str(request.getfixturevalue("postgres").fresh_database())


def begun(place: str | Path) -> None:
    """A journal with a campaign, whose controller has ended."""
    with Journal(place) as journal:
        journal.control("Ann")
        spec = {"campaign": "c-1", "spec": json.dumps(SPEC)}
        changes: dict[tuple[str | int, ...], Any] = {("campaign", "c-1"): CAMPAIGN, ("campaign_spec", "c-1"): spec}
        journal.record([NewEvent("c-1", "started", b'{"kind": "started"}', b"[]", 1.0, changes)])


@contextlib.contextmanager
def written(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process writes, and does not end."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE campaign SET title = 'being written'")
        yield other
        other.execute("ROLLBACK")


def test_a_list_of_campaigns_waits_for_no_writer(tmp_path: Path) -> None:
    """D16: opening alone took the write lock, so a reader hung as long as a writer did."""
    begun(tmp_path / "journal.sqlite")
    with written(tmp_path / "journal.sqlite"):
        began = time.monotonic()
        done = forks.labwright("campaign", "list", "--data", tmp_path, "--json")
        assert time.monotonic() - began < 10.0, "SQLite would wait for half a minute"
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["campaign"] == "c-1"


def test_a_reader_reads_and_writes_nothing(place: str) -> None:
    begun(place)
    with Journal.reading(place) as reader:
        assert [one.kind for one in reader.events("c-1")] == ["started"]
        assert reader.campaigns() == ["c-1"]
        assert not reader.controlled()
        for write in (
            lambda: reader.record([NOTED]),
            lambda: reader.command("c-1", "stop", {}, by="Ann", because=""),
            lambda: reader.control("Ann"),
            reader.claim,
        ):
            with pytest.raises(JournalError, match="was opened to be read only"):
                write()
        with pytest.raises(sa.exc.DBAPIError, match=r"read-?only"), reader._engine.begin() as connection:
            connection.execute(sa.delete(schema.event))
        assert len(list(reader.events("c-1"))) == 1


def test_no_byte_and_no_lock_of_a_journal_is_touched_by_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "j#1 ?%41.sqlite"
    begun(path)
    FileLock(path)._path.unlink()
    before = path.read_bytes()
    with Journal.reading(path) as reader:
        assert len(reader.rows(schema.campaign)) == 1
        assert reader.name == str(path)
    assert path.read_bytes() == before
    assert not FileLock(path)._path.exists()


def test_where_nothing_was_written_yet_a_reader_finds_nothing_and_makes_nothing(place: str, tmp_path: Path) -> None:
    with Journal.reading(place) as reader:
        assert reader.campaigns() == []
        assert not reader.controlled()
        assert reader.name == (sa.make_url(place).render_as_string() if "://" in place else place)
    if "://" in place:
        engine = sa.create_engine(place)
        with engine.connect() as connection:
            assert sa.inspect(connection).get_table_names() == []
        engine.dispose()
    else:
        assert list(tmp_path.iterdir()) == []


def test_a_reader_of_an_earlier_journal_is_told_what_to_do_and_changes_nothing(place: str) -> None:
    at_0005(place).dispose()
    with pytest.raises(JournalError, match=r"revision 0005, .* reads 0\d{3}; .*: labwright journal migrate"):
        Journal.reading(place)
    with pytest.raises(JournalError, match="labwright journal migrate"):
        Journal.reading(place)  # as it was
    where = ("--data", str(Path(place).parent)) if "://" not in place else ("--journal", place)
    done = forks.labwright("journal", "migrate", *where, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["campaigns"] == 0
    with Journal.reading(place) as reader:
        assert reader.campaigns() == []


def test_a_newer_journal_is_not_read_and_an_earlier_controllers_is_not_migrated(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    at_0005(str(path)).dispose()
    lock = FileLock(path)
    assert lock.take()
    with pytest.raises(RefusedError, match="a controller of that runs on it; stop it first"):
        Journal(path)
    lock.release()
    Journal(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(JournalError, match="a newer one has written it: update Labwright"):
        Journal.reading(path)


def test_a_reader_knows_whether_a_controller_runs_by_its_process_alone(place: str) -> None:
    code = (
        "import sys; from labwright.journal import Journal\n"
        "journal = Journal(sys.argv[1]); journal.control('Ann'); print('runs', flush=True); sys.stdin.read()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"runs\n"
        with Journal.reading(place) as reader:
            assert reader.controlled()
            child.kill()
            deadline = time.monotonic() + 10  # a killed process needs a moment, though no one has waited for it
            while reader.controlled():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            newest = reader.controller()
            assert newest is not None
            assert (newest["pid"], newest["ended_s"]) == (child.pid, None)
    finally:
        child.kill()
        child.communicate()


def test_a_controllers_heart_beats_though_it_has_nothing_to_write(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def heard(reader: Journal) -> float:
        (row,) = reader.rows(schema.epoch)
        return float(row["heartbeat_s"])

    monkeypatch.setattr(writer, "BEAT_S", 0.05)
    with Journal(place) as journal, Journal.reading(place) as reader:
        journal.control("Ann")
        first, deadline = heard(reader), time.monotonic() + 10
        while heard(reader) <= first:
            assert time.monotonic() < deadline, "its heart does not beat"
            time.sleep(0.01)
        monkeypatch.setattr(writer, "BEAT_S", 1000.0)
        time.sleep(0.1)
        journal.record([NOTED])  # each commit is a beat too
        second = heard(reader)
        journal.record([NOTED])
        assert heard(reader) > second
        assert journal.writer._sequence == 2, "a beat is no commit of its own"


@pytest.mark.parametrize(
    ("epoch", "alive"),
    [
        ({"host": "another", "heartbeat_s": 1000.0}, True),
        ({"host": "another", "heartbeat_s": 1000.0 - STALE_S}, False),
        ({"host": "another", "heartbeat_s": None, "began_s": 1000.0}, True),
        ({"pid": os.getpid(), "heartbeat_s": 1000.0}, True),
        ({"pid": os.getpid(), "heartbeat_s": 0.0, "began_s": time.time() + 1}, True),
        ({"pid": os.getpid(), "heartbeat_s": 0.0, "began_s": 10.0}, False),
        ({"pid": 2**22 + 1, "heartbeat_s": 1000.0}, False),
    ],
    ids=["heard", "silent", "of before", "here", "hangs", "its number is another's", "no process"],
)
def test_who_is_alive(epoch: dict[str, Any], alive: bool) -> None:
    given = {"host": socket.gethostname(), "pid": 1, "began_s": 0.0, **epoch}
    assert is_alive(given, now_s=1001.0) is alive
