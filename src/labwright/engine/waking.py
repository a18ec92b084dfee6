"""A wake-up of the controller at a lab time: something may begin then though nothing happens."""

from __future__ import annotations

import threading
from collections.abc import Callable

from labwright.clock import Actor, LabClock


class Waking:
    """Wakes once, at the time that was set last.

    Args:
        clock: the lab clock.
        wake: called in a thread of its own.
    """

    def __init__(self, clock: LabClock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._at_s: float | None = None
        self._sleeper: Actor | None = None

    def set(self, at_s: float | None) -> None:
        """Wake at a lab time, and no more at the one before; at none if None."""
        if at_s == self._at_s:
            return
        if self._sleeper is not None:
            self._sleeper.interrupt()
        self._at_s, self._sleeper = at_s, None
        if at_s is not None:
            # Busy until it sleeps: lab time must not pass before.
            sleeper = self._sleeper = self._clock.actor("batch", busy=True)
            threading.Thread(target=self._sleep, args=(sleeper, at_s), name="batch", daemon=True).start()

    def _sleep(self, sleeper: Actor, at_s: float) -> None:
        try:
            if sleeper.sleep(max(0.0, at_s - self._clock.now())):
                self._wake()
        finally:
            sleeper.close()
