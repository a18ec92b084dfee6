"""A tap on the controller's shoulder: a datagram on loopback that says "look at your commands", and nothing else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self


class WakePort:
    """Calls `woken` whenever somebody taps.

    Args:
        woken: called in a thread of its own; a tap means only that there may be something to read.
    """

    def __init__(self, woken: Callable[[], None]) -> None:
        self._woken = woken
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="wake", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more."""
        if not self._closed:
            self._closed = True
            wake(self.number)
            self._thread.join(5)
            self._socket.close()

    def _run(self) -> None:
        while not self._closed:
            self._socket.recv(16)
            if not self._closed:
                self._woken()


def wake(number: int) -> None:
    """Tap whoever listens at this port; nobody need be there."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tap:
        tap.sendto(b"look", ("127.0.0.1", number))
