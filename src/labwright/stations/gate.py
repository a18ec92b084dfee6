"""What must be open for an operation to start: its step is neither stopped nor latched, its campaign not paused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from labwright.clock import Actor, LabClock, Repeating
from labwright.model.errors import LabwrightError, StoppedError
from labwright.model.latch import LatchScope
from labwright.stations.latches import Latches

T = TypeVar("T")


class PausedError(LabwrightError):
    """The campaign is paused: not now, but perhaps later."""


class Gate:
    """The gate of a station: for the step that runs there, and for every later one.

    Args:
        station: its name.
        clock: the lab clock.
        loop: of the station's RunEngine.

    Attributes:
        lock: held while an operation begins, so that no stop slips in between.
    """

    def __init__(self, station: str, clock: LabClock, loop: asyncio.AbstractEventLoop) -> None:
        # Reentrant: a thread that parks lets lab time pass, and an alarm that rings then may look at this gate.
        self.lock = threading.RLock()
        self._station = station
        self._clock = clock
        self._loop = loop
        self._latches = Latches(station)
        self._paused_campaigns: set[str] = set()
        self._campaign = self._label = ""
        self._stopped: str | None = None
        self._latched = False
        self._since_s = self._paused_s = 0.0
        self._held: list[tuple[Actor, asyncio.Event]] = []

    def open(self, campaign: str, label: str) -> None:
        """For a new step of this sample, unless a latch holds it; the lock is held."""
        self._campaign, self._label = campaign, label
        self._stopped = self._latches.why(campaign, label)
        self._latched = self._stopped is not None
        self._paused_s, self._since_s = 0.0, self._clock.now()

    def pause(self, campaign: str, *, on: bool) -> None:
        """Let no operation of a campaign begin, or let them begin again."""
        with self.lock:
            was = self.paused
            if on:
                self._paused_campaigns.add(campaign)
            else:
                self._paused_campaigns.discard(campaign)
            if self.paused and not was:
                self._since_s = self._clock.now()
            elif was and not self.paused:
                self._paused_s += self._clock.now() - self._since_s
                self._let_go()

    @property
    def paused(self) -> bool:
        """Whether the step that runs may begin nothing now, because its campaign is paused."""
        return self._campaign in self._paused_campaigns

    @property
    def stopped(self) -> str | None:
        """Why the step that runs begins nothing any more; None while it may."""
        return self._stopped

    @property
    def latched(self) -> bool:
        """Whether it was a latch that has stopped the step that runs."""
        return self._latched

    @property
    def wholly_latched(self) -> bool:
        """Whether a latch holds whatever is started here."""
        return self._latches.whole

    def stop(self, why: str) -> None:
        """Let no operation of this step begin any more; the lock is held."""
        if self._stopped is None:
            self._stopped = why
        self._let_go()

    def latch(self, scope: LatchScope, why: str) -> bool:
        """Let nothing of a scope begin any more, in this step and in every later one; the lock is held.

        Returns:
            Whether it holds the step that runs, or ran last. That one is over even if the latch is reset at once.
        """
        if not self._latches.set(scope, why) or not scope.holds(self._station, self._campaign, self._label):
            return False
        if not self._latched:
            self._latched, self._stopped = True, why
        self._let_go()
        return True

    def reset(self, scope: LatchScope) -> None:
        """Let what this very scope has held start again, unless another latch holds it; the lock is held."""
        self._latches.reset(scope)

    def paused_s(self) -> float:
        """Lab seconds this step has been paused so far."""
        with self.lock:
            return self._paused_s + (self._clock.now() - self._since_s if self.paused else 0.0)

    def check(self) -> None:
        """Raise StoppedError once a stop was asked for."""
        if self._stopped is not None:
            raise StoppedError(f"station {self._station} was asked to stop: {self._stopped}")

    def begin(self, work: Callable[[], T]) -> T:
        """Start something, unless the step was paused or stopped.

        Raises:
            StoppedError: a stop was asked for; nothing was started.
            PausedError: it is paused; nothing was started.
        """
        with self.lock:
            self.check()
            if self.paused:
                raise PausedError(f"station {self._station}: campaign {self._campaign} is paused")
            return work()

    async def wait(self, actor: Actor) -> None:
        """Wait while the step's campaign is paused; lab time may pass meanwhile.

        Raises:
            StoppedError: a stop was asked for.
        """
        while True:
            with self.lock:
                self.check()
                if not self.paused:
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
