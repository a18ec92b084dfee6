"""The log of campaign events."""

import threading
from pathlib import Path

import pytest

from labwright.journal import EventLog
from labwright.model.errors import JournalError


def test_events_come_back_in_order_with_their_times(tmp_path: Path) -> None:
    with EventLog(tmp_path / "deep" / "journal.sqlite") as log:
        first = log.append("a-1", "started", {"campaign": "a-1"}, 10.0)
        log.append("b-1", "started", {}, 11.0)
        second = log.append("a-1", "suggested", {"x": [1, 2.5, "three"]}, 12.0)
        events = log.read("a-1")
        assert [(one.id, one.kind, one.lab_time_s) for one in events] == [
            (first, "started", 10.0),
            (second, "suggested", 12.0),
        ]
        assert events[1].payload == {"x": [1, 2.5, "three"]}
        assert [one.kind for one in log.read("a-1", after=first)] == ["suggested"]
        assert log.campaigns() == ["a-1", "b-1"]


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    logs = [EventLog(path), EventLog(path)]

    def write(log: EventLog, name: str) -> None:
        for number in range(30):
            log.append(name, "n", {"number": number}, float(number))

    threads = [threading.Thread(target=write, args=(log, name)) for log, name in zip(logs, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in "ab":
        assert [one.payload["number"] for one in logs[0].read(name)] == list(range(30))
    for log in logs:
        log.close()


def test_a_journal_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is no database, and long enough not to be an empty one" * 20)
    with pytest.raises(JournalError, match=r"refuses: file is not a database.*Nothing may move"):
        EventLog(path)
