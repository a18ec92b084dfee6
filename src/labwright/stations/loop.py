"""The event loop of a station's RunEngine: it looks for what is ready, and asks the system only now and then.

Bluesky lets its loop go round after every message. Each time the loop asks the system whether a file is ready, without
waiting, and has to let the other threads in for that: with ten stations, threads that take turns cost as much as steps.
What another thread calls in the loop is ready without the system; only files have to wait a little longer.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

ROUNDS = 16
"""Rounds of the loop between two looks at files that are ready, while it has other things to do."""


class _Patient(selectors.DefaultSelector):
    """A selector that a loop with something to do asks in vain most of the time."""

    _round = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Files that are ready; none without a look, if the loop would not have waited."""
        if timeout is not None and timeout <= 0:
            self._round += 1
            if self._round % ROUNDS:
                return []
        self._round = 0
        return super().select(timeout)


def station_loop() -> asyncio.AbstractEventLoop:
    """A new loop, to be closed by the caller."""
    return asyncio.SelectorEventLoop(_Patient())
