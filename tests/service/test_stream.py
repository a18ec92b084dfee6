"""The event stream where a client does not keep up: it is let go, and misses nothing when it resumes."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path

from labwright.journal import Journal, NewEvent
from labwright.service.records import Records
from labwright.service.stream import QUEUE_MOST, Tail

MORE = 300


def record(journal: Journal, number: int) -> None:
    one = NewEvent(
        campaign="c-1", kind="noted", payload=b"{}", decisions=b"[]", lab_time_s=1.0, changes={}, instruments="here"
    )
    journal.record([one] * number)


def until(holds: Callable[[], object]) -> None:
    while not holds():
        time.sleep(0.01)


def test_who_does_not_keep_up_is_let_go_and_resumes_without_a_gap(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite"

    async def listen(journal: Journal, records: Records, tail: Tail) -> list[int]:
        stream = tail.events(None, lambda event: True)
        first = asyncio.ensure_future(anext(stream))
        await asyncio.to_thread(until, lambda: tail.listening)
        record(journal, 1)
        ids = [(await first).id]
        await asyncio.to_thread(record, journal, QUEUE_MOST + MORE)  # and reads none of them meanwhile
        await asyncio.to_thread(until, lambda: tail._listeners[0].cut_off)
        await asyncio.to_thread(record, journal, 1)  # nor is it offered more
        await asyncio.to_thread(until, lambda: tail._last == records.newest())
        ids += [event.id async for event in stream]
        assert len(ids) == 1 + QUEUE_MOST, "what did not fit was not kept for it"
        again = tail.events(ids[-1], lambda event: True)
        return ids + [(await anext(again)).id for _ in range(MORE + 1)]

    with Journal(place) as journal:
        journal.control("a test")
        records = Records(str(place))
        tail = Tail(records)
        ids = asyncio.run(listen(journal, records, tail), debug=True)
        tail.close()
    assert all(after == before + 1 for before, after in itertools.pairwise(ids))
