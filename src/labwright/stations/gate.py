"""What must be open for an operation to begin: the station is neither paused nor stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from labwright.clock import Actor, LabClock, Repeating
from labwright.model.errors import LabwrightError, StoppedError

T = TypeVar("T")


class PausedError(LabwrightError):
    """The station is paused: not now, but perhaps later."""


class Gate:
    """The gate of a station.

    Args:
        station: its name.
        clock: the lab clock.
        loop: of the station's RunEngine.

    Attributes:
        lock: held while an operation begins, so that no stop slips in between.
        stopped: why, once a stop was asked for; of the step that runs, or for good.
    """

    def __init__(self, station: str, clock: LabClock, loop: asyncio.AbstractEventLoop) -> None:
        # Reentrant: a thread that parks lets lab time pass, and an alarm that rings then may look at this gate.
        self.lock = threading.RLock()
        self.stopped: str | None = None
        self._latched = False
        self._station = station
        self._clock = clock
        self._loop = loop
        self._paused = False
        self._since_s = self._paused_s = 0.0
        self._held: list[tuple[Actor, asyncio.Event]] = []

    def open(self) -> None:
        """For a new step, unless the station was stopped for good; the lock is held."""
        if not self._latched:
            self.stopped = None
        self._paused_s, self._since_s = 0.0, self._clock.now()

    def pause(self, *, on: bool) -> None:
        """Let no operation begin, or let them begin again."""
        with self.lock:
            if on and not self._paused:
                self._paused, self._since_s = True, self._clock.now()
            elif not on and self._paused:
                self._paused_s += self._clock.now() - self._since_s
                self._paused = False
                self._let_go()

    @property
    def paused(self) -> bool:
        """Whether nothing may begin now."""
        return self._paused

    @property
    def latched(self) -> bool:
        """Whether a person has stopped the station, so that no step will begin any more."""
        return self._latched

    def stop(self, why: str) -> None:
        """Let no operation of this step begin any more; the lock is held."""
        self.stopped = self.stopped or why
        self._let_go()

    def latch(self, why: str) -> None:
        """Let no operation begin any more, in this step and in every later one; the lock is held."""
        if not self._latched:
            self._latched, self.stopped = True, why
        self._let_go()

    def paused_s(self) -> float:
        """Lab seconds this step has been paused so far."""
        with self.lock:
            return self._paused_s + (self._clock.now() - self._since_s if self._paused else 0.0)

    def check(self) -> None:
        """Raise StoppedError once a stop was asked for."""
        if self.stopped is not None:
            raise StoppedError(f"station {self._station} was asked to stop: {self.stopped}")

    def begin(self, work: Callable[[], T]) -> T:
        """Start something, unless the station was paused or stopped.

        Raises:
            StoppedError: a stop was asked for; nothing was started.
            PausedError: it is paused; nothing was started.
        """
        with self.lock:
            self.check()
            if self._paused:
                raise PausedError(f"station {self._station} is paused")
            return work()

    async def wait(self, actor: Actor) -> None:
        """Wait while the station is paused; lab time may pass meanwhile.

        Raises:
            StoppedError: a stop was asked for.
        """
        while True:
            with self.lock:
                self.check()
                if not self._paused:
                    return
                again = asyncio.Event()
                self._held.append((actor, again))
                actor.park()
            await again.wait()

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for actor, again in held:
            actor.resume()  # in the same breath, so that lab time does not pass in between
            self._loop.call_soon_threadsafe(again.set)


class TimeLimit:
    """Ends a step that takes too long; the time it is paused does not count.

    Args:
        gate: of its station.
        clock: the lab clock.
        step_id: the step.
        limit_s: lab seconds.
        stop: ends it.

    Attributes:
        words: what happened, once it has.
    """

    def __init__(self, gate: Gate, clock: LabClock, step_id: str, limit_s: float, stop: Callable[..., Any]) -> None:
        self.words = ""
        self._gate = gate
        self._clock = clock
        self._step_id = step_id
        self._limit_s = limit_s
        self._stop = stop
        self._began_s = clock.now()
        self._alarm: Repeating = clock.once(limit_s, self._look)

    def cancel(self) -> None:
        """The step has ended."""
        self._alarm.cancel()

    def _look(self) -> None:
        left_s = self._began_s + self._limit_s + self._gate.paused_s() - self._clock.now()
        if left_s > 1e-6:
            self._alarm = self._clock.once(left_s, self._look)
            return
        self.words = f"{self._step_id} is not done after {self._limit_s:g} s (timeout_s of the step)"
        # Halting talks to instruments, and the clock's alarms must not wait for them.
        threading.Thread(target=self._stop, args=(self._step_id, self.words), daemon=True).start()
