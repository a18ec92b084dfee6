"""One stream of what happens in the lab: resumed where a client was, and never in the lab's way.

One thread looks for new events and hands them to all who listen. Each has a queue of its own; who does not keep up is
let go, and resumes from the journal with the id of the last event that reached it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import orjson
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from labwright.journal import LoggedEvent, schema
from labwright.model.errors import JournalError
from labwright.service.records import Records

LOOK_S = 0.04
"""Wall seconds between two looks for new events; each is one row read by its key."""

AWAY_S = 1.0
"""The same, while the journal cannot be read."""

QUEUE_MOST = 2000
"""Events that may wait for one who listens."""

CHUNK = 500
"""Events read at a time for one who resumes."""


PING_S = 15.0
"""Wall seconds after which a stream without events says that it is there."""


@dataclass(frozen=True)
class Framed:
    """An event as it is sent: written once, however many listen.

    Attributes:
        event: from the journal.
        frame: of ``text/event-stream``.
    """

    event: LoggedEvent
    frame: bytes

    @classmethod
    def of(cls, event: LoggedEvent) -> Framed:
        """An event with its frame."""
        fields = {**event.payload, "campaign": event.campaign, "at_s": event.lab_time_s, "wall_s": event.wall_time_s}
        data = orjson.dumps(fields).decode()
        return cls(event, format_sse_event(data_str=data, event=event.kind, id=str(event.id)))


@dataclass(eq=False)
class _Listener:
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[Framed | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_MOST + 1))
    cut_off: bool = False

    def put(self, events: list[Framed]) -> None:
        """In the loop's thread."""
        for event in () if self.cut_off else events:
            if self.queue.qsize() >= QUEUE_MOST:
                self.cut_off = True
                self.queue.put_nowait(None)
                return
            self.queue.put_nowait(event)


class Tail:
    """Hands new events to all who listen.

    Args:
        records: of the lab.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._listeners: list[_Listener] = []
        self._changed = threading.Condition()
        self._closing = False
        self._last = -1
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)
        self._thread.start()

    @property
    def listening(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def closing(self) -> bool:
        """Whether all streams end."""
        return self._closing

    def close(self) -> None:
        """End all streams."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            listeners = list(self._listeners)
        for one in listeners:
            one.loop.call_soon_threadsafe(self._end, one)
        self._thread.join(2 * AWAY_S)

    async def frames(self, after: int | None, shows: Callable[[LoggedEvent], bool]) -> AsyncIterator[bytes]:
        """Events as they are recorded, oldest first, without a gap; several in one piece where they come together.

        Args:
            after: id of the last one that is known; only new ones if None.
            shows: which of them, whatever is asked for.
        """
        newest = await asyncio.to_thread(self._records.newest)
        listener = _Listener(asyncio.get_running_loop())
        with self._changed:
            if self._last < 0:  # whatever comes from here on is handed out
                self._last = newest
            self._listeners.append(listener)
            self._changed.notify_all()
        last = newest if after is None else after
        try:
            while earlier := await asyncio.to_thread(self._read, last):
                last = earlier[-1].event.id
                if piece := b"".join(one.frame for one in earlier if shows(one.event)):
                    yield piece
            more = True
            while more:
                new, more = await self._next(listener)
                if new is None:
                    yield KEEPALIVE_COMMENT
                    continue
                piece = b"".join(one.frame for one in new if one.event.id > last and shows(one.event))
                last = max(last, *(one.event.id for one in new)) if new else last
                if piece:
                    yield piece
        finally:
            with self._changed:
                self._listeners.remove(listener)

    @staticmethod
    async def _next(listener: _Listener) -> tuple[list[Framed] | None, bool]:
        """What has come, None if nothing has for a while; and whether more may come."""
        try:
            first = await asyncio.wait_for(listener.queue.get(), PING_S)
        except TimeoutError:
            return None, True
        found: list[Framed] = []
        one: Framed | None = first
        while one is not None:
            found.append(one)
            if listener.queue.empty():
                return found, True
            one = listener.queue.get_nowait()
        return found, False

    def _read(self, after: int) -> list[Framed]:
        with self._records.reading() as journal:
            table = schema.event
            return [Framed.of(one) for one in journal.logged(table.c.id > after, most=CHUNK)]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._listeners or self._closing)
                if self._closing:
                    return
            try:
                self._look()
            except JournalError:
                self._pause(AWAY_S)
            else:
                self._pause(LOOK_S)

    def _pause(self, wall_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, wall_s)

    def _look(self) -> None:
        newest = self._records.newest()
        while self._last < newest:
            events = self._read(self._last)
            if not events:
                return
            self._last = events[-1].event.id
            with self._changed:
                listeners = list(self._listeners)
            for one in listeners:
                one.loop.call_soon_threadsafe(one.put, events)

    @staticmethod
    def _end(listener: _Listener) -> None:
        if listener.queue.qsize() <= QUEUE_MOST:
            listener.queue.put_nowait(None)
