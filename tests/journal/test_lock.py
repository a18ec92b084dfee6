"""To look whether a controller runs takes no lock from it, however often and whatever the server does."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from labwright.journal import Journal, NewEvent, writer
from labwright.journal.lock import _ADVISORY
from labwright.model.errors import JournalError, RefusedError
from tests.postgres import PostgresServer

NOTED = [NewEvent("c", "noted", b"{}", b"[]", 0.0, {})]


@contextmanager
def watchers(place: str | Path, count: int = 5) -> Iterator[None]:
    """So many that look without a pause, whether they are answered or not."""
    over = threading.Event()

    def watch() -> None:
        with Journal(place) as journal:
            looking.wait()
            while not over.is_set():
                try:
                    journal.controlled()
                except JournalError:
                    time.sleep(0.005)

    looking = threading.Barrier(count + 1)
    threads = [threading.Thread(target=watch) for _ in range(count)]
    for one in threads:
        one.start()
    looking.wait()
    yield
    over.set()
    for one in threads:
        one.join()


@pytest.mark.long
def test_no_watcher_costs_a_controller_its_lock_while_the_server_starts_again(postgres: PostgresServer) -> None:
    place = postgres.fresh_database()
    with Journal(place) as journal:
        journal.control("Ann")
        with watchers(place):
            for _ in range(3):
                postgres.kill()
                postgres.start()
                for _ in range(5):
                    journal.record(NOTED)
        with Journal(place) as other:
            assert other.controlled()
            with pytest.raises(RefusedError, match="by Ann"):
                other.claim()


def test_a_lock_that_the_server_gives_back_late_is_waited_for(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOOK_S", 0.0)
    place = postgres.fresh_database()
    with Journal(place) as journal:
        journal.control("Ann")
        journal._lock.release()  # as a server that was away has
        with psycopg.connect(place.replace("+psycopg", ""), autocommit=True) as old:
            old.execute(f"SELECT pg_advisory_lock({_ADVISORY})")
            threading.Timer(0.5, lambda: old.execute(f"SELECT pg_advisory_unlock({_ADVISORY})")).start()
            journal.record(NOTED)
        monkeypatch.setattr(writer, "LOCK_S", 0.2)
        journal._lock.release()
        with psycopg.connect(place.replace("+psycopg", ""), autocommit=True) as other:
            other.execute(f"SELECT pg_advisory_lock({_ADVISORY})")
            with pytest.raises(JournalError, match="another controller has taken the journal over"):
                journal.record(NOTED)


def test_a_controller_beside_many_watchers_has_its_lock_at_once(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite"
    Journal(place).close()
    with watchers(place):
        for _ in range(20):
            with Journal(place) as journal:
                journal.claim()
                assert journal.controlled()


def test_a_controller_of_before_is_seen_and_sees_this_one(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite"
    with Journal(place) as journal:
        assert not journal.controlled()
        handle = os.open(tmp_path / "journal.sqlite.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert journal.controlled()
        with pytest.raises(RefusedError):
            journal.claim()
        os.close(handle)
        assert not journal.controlled()
        journal.claim()
        handle = os.open(tmp_path / "journal.sqlite.lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
