"""Wakes the controller: a datagram on loopback, or a notification of PostgreSQL.

It means "look at your commands". A stop-now is the one command that comes ahead of its row, in the datagram itself: a
journal whose disk is slow must not keep a heater on. It halts, and what it means is decided when the row has come.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, Self

import sqlalchemy as sa

CHANNEL = "labwright_command"
AGAIN_S = 1.0
IDLE_S = 1.0
"""Wall seconds without a wake-up after which commands are looked for all the same: one may be lost, or never sent."""

LOOK_S = 30.0

LOOK = b"look"
LARGEST = 8192
"""Bytes of the largest datagram that is read; of a longer one only the beginning is, and not understood."""


class WakePort:
    """Calls `woken` at every datagram that arrives.

    Args:
        woken: called in a thread of its own; it means only that there may be a command to read.
        ahead: called in the same thread, before it, with a command that has come ahead of its row.
        idle: called in the same thread whenever no datagram has come for `IDLE_S`.
    """

    def __init__(
        self,
        woken: Callable[[], None],
        idle: Callable[[], None] = lambda: None,
        ahead: Callable[[bytes], None] = lambda message: None,
    ) -> None:
        self._woken = woken
        self._ahead = ahead
        self._idle = idle
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(IDLE_S)
        self.number: int = self._socket.getsockname()[1]
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="wake", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        if not self._closed:
            self._closed = True
            wake(self.number)
            self._thread.join(5)
            self._socket.close()

    def _run(self) -> None:
        while not self._closed:
            call = self._woken
            message = LOOK
            try:
                message = self._socket.recv(LARGEST)
            except TimeoutError:
                call = self._idle
            if self._closed:
                return
            if message != LOOK:
                self._ahead(message)
            call()


class Listener:
    """Calls `woken` when a command was written to a PostgreSQL journal, from any machine.

    Args:
        engine: of the journal.
        woken: called in a thread of its own.
    """

    def __init__(self, engine: sa.Engine, woken: Callable[[], None]) -> None:
        self._engine = engine
        self._woken = woken
        self._connection: Any = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listen", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            # Nothing else ends its wait from another thread.
            import psycopg

            with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _run(self) -> None:
        import psycopg

        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._closed.is_set():
            try:
                with psycopg.connect(url, autocommit=True) as self._connection:
                    self._connection.execute(f"LISTEN {CHANNEL}")
                    self._woken()  # for commands that came while this was not listening
                    while not self._closed.is_set():
                        for _ in self._connection.notifies(timeout=LOOK_S):
                            self._woken()
            except psycopg.Error:
                self._closed.wait(AGAIN_S)  # the server is away, which the writer reports


def wake(number: int, message: bytes = LOOK) -> None:
    """Wake the process that listens at this port, if there is one; with a command that comes ahead of its row."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tap:
        tap.sendto(message, ("127.0.0.1", number))
