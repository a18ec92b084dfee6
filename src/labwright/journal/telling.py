"""Calling listeners in a thread of their own: they may wait for ever, the lab does not."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

MOST = 10_000
"""So many calls may wait; what comes while so many do is left out, and counted."""

_log = logging.getLogger(__name__)


class Teller:
    """Calls, one after the other, in a thread of its own.

    Args:
        name: of the thread.
        most: so many calls may wait.
    """

    def __init__(self, name: str, most: int = MOST) -> None:
        self._name = name
        self._most = most
        self._calls: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self.left_out = 0
        """Calls that found too many waiting."""

    def tell(self, call: Callable[..., None], *args: Any) -> None:
        """Have it called soon; returns at once."""
        with self._changed:
            if len(self._calls) >= self._most or self._closed:
                self.left_out += 1
                return
            self._calls.append((call, args))
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def close(self, wait_s: float) -> None:
        """Wait until all calls are made, at most `wait_s` wall seconds, and make none any more."""
        deadline = time.monotonic() + wait_s
        with self._changed:
            self._changed.wait_for(lambda: not self._calls, max(0.0, deadline - time.monotonic()))
            self._closed = True
            self.left_out += len(self._calls)
            self._calls.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._closed)
                if not self._calls:
                    return
                call, args = self._calls[0]
            try:
                call(*args)
            except Exception:  # noqa: BLE001 - a listener's mistake, whatever it raises, must not end a dispense half way
                _log.exception("the lab continues, but %s raised an exception", self._name)
            with self._changed:
                if self._calls:
                    self._calls.popleft()
                self._changed.notify_all()
