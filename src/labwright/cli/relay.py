"""Output whose reader may stop reading without going away: a thread waits for it, the lab does not.

A pipe that is not read is soon full, and a terminal can be held with Ctrl-S; a write would then wait for ever, and its
caller with it. Here only a thread waits that does nothing else.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import io
import os
import select
import stat
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal, TextIO

UNREAD_S = 5.0
"""Wall seconds without a byte read after which the end of a verb no longer waits for its reader."""

SLOW_MOST_S = 60.0
"""Wall seconds that it waits for a slow one."""

LOOK_S = 0.02

HANDLES = {"stdout": 1, "stderr": 2}

PIECE = 4096
"""PIPE_BUF of Linux: a pipe that is ready for writing takes so much at once, or nothing."""

RESERVE = 4 * PIECE
"""Room that is left in a pipe, for the words on what is missing; a pipe holds 65,536 bytes."""

WAITING_MOST = 1_000_000
"""Characters for a terminal that may wait; what comes while so many do is left out, and counted."""


class Outlet:
    """A file descriptor, written line by line; a line is started only if it fits.

    Args:
        handle: of the file.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._pipe = stat.S_ISFIFO(os.fstat(handle).st_mode)
        self._given_up = threading.Event()
        self._writing = threading.Lock()
        self._cut = False
        self._queued = 0
        self.moved = 0
        """Changes whenever something could be written, or was read."""
        self.gone = False
        """Whether the reader has closed its end."""

    def write(self, line: bytes) -> bool:
        """Write a line, however long that takes; False if its reader has gone, or was given up meanwhile."""
        with self._writing:
            if not self._until(lambda: self._fits(len(line))):
                return False
            for begin in range(0, len(line), PIECE):
                if not self._until(self._ready) or not self._put(line[begin : begin + PIECE]):
                    self._cut = begin > 0
                    return False
            return True

    def give_up(self) -> None:
        """Wait for the reader no longer."""
        self._given_up.set()

    def last(self, line: bytes) -> None:
        """Write a short line into the room that is left for it, if there is any."""
        if self.gone or not self._writing.acquire(timeout=1.0):
            return  # the system itself does not come back from a write: a disk that hangs, a terminal that is held
        try:
            if self._ready() and len(line) <= PIECE:
                self._put(b"\n" + line if self._cut else line)
                self._cut = False
        finally:
            self._writing.release()

    def _until(self, holds: Callable[[], bool]) -> bool:
        while not self.gone:
            if holds():
                return True
            if self._given_up.wait(LOOK_S):
                return False
        return False

    def _fits(self, size: int) -> bool:
        if not self._pipe:
            return True
        queued = array.array("i", [0])
        fcntl.ioctl(self._handle, termios.FIONREAD, queued)
        room = fcntl.fcntl(self._handle, fcntl.F_GETPIPE_SZ) if hasattr(fcntl, "F_GETPIPE_SZ") else 16 * PIECE
        if queued[0] < self._queued:
            self.moved += 1
        self._queued = queued[0]
        return queued[0] == 0 or queued[0] + size + RESERVE <= room or self._no_reader()

    def _no_reader(self) -> bool:
        """Whether the reader has gone; the next write then fails."""
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in self._polled())

    def _ready(self) -> bool:
        return bool(self._polled())

    def _polled(self) -> list[tuple[int, int]]:
        poll = select.poll()
        poll.register(self._handle, select.POLLOUT)
        return poll.poll(0)

    def _put(self, piece: bytes) -> bool:
        try:
            while piece:
                piece = piece[os.write(self._handle, piece) :]
        except OSError:  # a closed pipe, a closed terminal, a full disk: no process will read it
            self.gone = True
            return False
        self.moved += 1
        return True


def patiently(done: Callable[[float], bool], outlet: Outlet | None) -> bool:
    """Wait for what still has to be written, as long as its reader reads; whether all is.

    Args:
        done: waits so many wall seconds; whether all is written.
        outlet: where it is written.
    """
    began = moved_s = time.monotonic()
    moved = outlet.moved if outlet is not None else 0
    while not done(0.05):
        now = time.monotonic()
        if outlet is not None and outlet.moved != moved:
            moved, moved_s = outlet.moved, now
        if now - moved_s > UNREAD_S or now - began > SLOW_MOST_S:
            return False
    return True


class Relay(io.TextIOBase):
    """Takes the place of a text stream; never waits.

    Args:
        stream: the stream that is written to in the end.
    """

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        self._stream = stream
        self._outlet = Outlet(stream.fileno())
        self._waiting: deque[str] = deque()
        self._size = 0
        self._left_out = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return self._stream.encoding

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Of the stream."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Have it written soon; left out, and counted, where too much waits already."""
        with self._changed:
            if self._size + len(text) > WAITING_MOST or self._closing:
                self._left_out += text.count("\n")
            else:
                self._waiting.append(text)
                self._size += len(text)
                self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Nothing waits for it."""

    def end(self) -> bool:
        """Wait until all is written, as long as it is read; whether all is."""

        def done(wait_s: float) -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: not self._waiting or self._outlet.gone, wait_s)

        written = patiently(done, self._outlet)
        with self._changed:
            self._closing = True
            self._left_out += sum(text.count("\n") for text in self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        self._outlet.give_up()
        self._thread.join(1.0)
        if not self._thread.is_alive() and self._left_out:
            self._outlet.last(self._missing().encode())
        return written and not self._thread.is_alive()

    def _missing(self) -> str:
        return f"[{self._left_out} lines are missing here: this output was not read]\n"

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                text = self._waiting[0]
                if self._left_out and len(self._waiting) == 1:
                    text, self._left_out = text + self._missing(), 0
            self._outlet.write(text.encode(self.encoding or "utf-8", "replace"))
            with self._changed:
                if self._waiting:
                    self._size -= len(self._waiting.popleft())
                self._changed.notify_all()


def real_handle(stream: Any) -> int | None:
    """The file descriptor of a stream; None for one that lives in memory only."""
    try:
        return int(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None


@contextlib.contextmanager
def relayed(name: Literal["stdout", "stderr"] = "stderr") -> Iterator[None]:
    """Nothing printed on a standard stream meanwhile, by any thread or library, waits for a reader.

    A notebook's own stream, or a test's, is left alone: it does not lead to the process's standard stream.
    """
    stream: Any = getattr(sys, name)  # colorama has wrapped it, wherever Bluesky was imported
    if real_handle(stream) != HANDLES[name]:
        yield
        return
    relay = Relay(stream)
    setattr(sys, name, relay)
    try:
        yield
    finally:
        written = relay.end()
        if getattr(sys, name) is relay:
            setattr(sys, name, stream)
        if not written:
            silenced(stream)


def silenced(stream: TextIO) -> None:
    """This stream is not read: what is still written to it, by Python's own exit too, must not wait."""
    unread = os.fstat(stream.fileno())
    null = os.open(os.devnull, os.O_WRONLY)
    for handle in HANDLES.values():  # both, where both lead to the same terminal or pipe
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(handle), unread):
                os.dup2(null, handle)
    os.dup2(null, stream.fileno())
    os.close(null)
