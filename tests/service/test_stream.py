"""The event stream where a client does not keep up: it is let go, and misses nothing when it resumes."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labwright.journal import Journal, LoggedEvent, NewEvent
from labwright.service import stream
from labwright.service.records import Records
from labwright.service.stream import QUEUE_MOST, Framed, Tail

MORE = 300


def record(journal: Journal, number: int) -> None:
    one = NewEvent(
        campaign="c-1", kind="noted", payload=b"{}", decisions=b"[]", lab_time_s=1.0, changes={}, instruments="here"
    )
    journal.record([one] * number)


def ids(piece: bytes) -> list[int]:
    """Of the events in a piece of a stream."""
    return [int(line.removeprefix(b"id: ")) for line in piece.split(b"\n") if line.startswith(b"id: ")]


def until(holds: Callable[[], object]) -> None:
    while not holds():
        time.sleep(0.01)


def test_who_does_not_keep_up_is_let_go_and_resumes_without_a_gap(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite"

    async def listen(journal: Journal, records: Records, tail: Tail) -> list[int]:
        frames = tail.frames(None, lambda event: True)
        first = asyncio.ensure_future(anext(frames))
        await asyncio.to_thread(until, lambda: tail.listening)
        record(journal, 1)
        found = ids(await first)
        await asyncio.to_thread(record, journal, QUEUE_MOST + MORE)  # and reads none of them meanwhile
        await asyncio.to_thread(until, lambda: tail._listeners[0].cut_off)
        await asyncio.to_thread(record, journal, 1)  # nor is it offered more
        await asyncio.to_thread(until, lambda: tail._last == records.newest())
        async for piece in frames:
            found += ids(piece)
        assert len(found) == 1 + QUEUE_MOST, "what did not fit was not kept for it"
        again = tail.frames(found[-1], lambda event: True)
        while len(found) < 1 + QUEUE_MOST + MORE + 1:
            found += ids(await anext(again))
        return found

    with Journal(place) as journal:
        journal.control("a test")
        records = Records(str(place))
        tail = Tail(records)
        found = asyncio.run(listen(journal, records, tail), debug=True)
        tail.close()
    assert all(after == before + 1 for before, after in itertools.pairwise(found))


def test_a_stream_on_which_nothing_happens_says_that_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PING_S", 0.05)

    async def listen(tail: Tail) -> list[bytes]:
        frames = tail.frames(None, lambda event: True)
        return [await anext(frames), await anext(frames)]

    with Journal(tmp_path / "journal.sqlite"):
        tail = Tail(Records(str(tmp_path / "journal.sqlite")))
        assert asyncio.run(listen(tail)) == [b": ping\n\n"] * 2
        tail.close()


def test_an_event_is_one_frame_whatever_is_in_it() -> None:
    event = LoggedEvent(7, "c-1", "noted", 1.0, 2.0, {"text": "two\nlines\r\u2028 ü"}, [], 1)
    frame = Framed.of(event).frame
    kind, data, number, *end = frame.split(b"\n")
    assert (kind, number, end) == (b"event: noted", b"id: 7", [b"", b""])
    assert json.loads(data.removeprefix(b"data: "))["text"] == "two\nlines\r\u2028 ü"
