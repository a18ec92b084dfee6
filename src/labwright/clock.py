"""Lab time: wall, scaled, or stepped.

All waits of the lab go through one clock; time-outs of input and output stay wall time, because a lost
cable does not get faster in a simulation.

The stepped clock is exact: time stands still while any actor works, and jumps when all of them wait. An
`Actor` is a station, the engine, or an act of a device. It is busy or it waits; waiting means sleeping on the
clock, or being parked until a status is finished or a message arrives. The thread that ends such a wait makes
the actor busy in the same locked section, so no jump can slip in between.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from labwright.model.errors import LabwrightError

T = TypeVar("T")

STUCK_AFTER_S = 300.0
"""Wall seconds without an advance after which a sleeper on a stepped clock gives up and names who is busy."""


class ClockStuckError(LabwrightError):
    """Stepped time does not advance because an actor stays busy."""


class Ends(Protocol):
    """What an actor may be parked for: anything with the face of a Bluesky status."""

    @property
    def success(self) -> bool:
        """Whether it ended well."""

    def add_callback(self, callback: Callable[[Any], None]) -> None:
        """Call `callback` with itself at its end, at once if it has ended."""


class Actor(Protocol):
    """What the stepped clock waits for; on other clocks only a sleeper that can be woken."""

    name: str

    def sleep(self, seconds: float) -> bool:
        """Sleep `seconds` of lab time; False if `interrupt` cut it short."""

    def interrupt(self) -> None:
        """Cut the present sleep, and every later one, short."""

    def park(self, until: Iterable[Ends] = ()) -> None:
        """Wait outside the clock: until all of `until` end or one of them fails, or until `resume`."""

    def resume(self) -> None:
        """Mark the actor as busy again."""

    def close(self) -> None:
        """Mark the actor as gone."""


class LabClock:
    """Wall time (`speed=1`) or scaled time: lab seconds run `speed` times as fast.

    Args:
        speed: lab seconds per wall second.
        start: lab time at the start, seconds since the epoch; now, if not given.
        monotonic_start: the machine's monotonic time of that start; now, if not given. Two processes of one machine
            with the same three numbers share a clock, and setting the wall clock does not move it.
    """

    def __init__(self, speed: float = 1.0, start: float | None = None, monotonic_start: float | None = None) -> None:
        if not 0 < speed < float("inf"):
            raise ValueError(f"speed must be a positive number, not {speed}")
        self.speed = speed
        self.monotonic_start = time.monotonic() if monotonic_start is None else monotonic_start
        self._start = time.time() if start is None else start
        self._alarms = _Alarms()

    @property
    def stepped(self) -> bool:
        """Whether time moves only when all actors wait."""
        return False

    @property
    def started_s(self) -> float:
        """Lab time at the start."""
        return self._start

    def now(self) -> float:
        """Lab time in seconds since the epoch."""
        return self._start + (time.monotonic() - self.monotonic_start) * self.speed

    def sleep(self, seconds: float) -> None:
        """Sleep `seconds` of lab time in a thread that is no actor."""
        self.actor("sleeper").sleep(seconds)

    def actor(self, name: str, *, busy: bool = False) -> Actor:
        """Register an actor; lab time waits for it while it is busy."""
        return _WallActor(name, self.speed)

    def every(self, period_s: float, call: Callable[[], None], name: str) -> Repeating:
        """Call `call` every `period_s` lab seconds until cancelled; such calls alone never make time advance."""
        return _WallRepeating(period_s / self.speed, call, name)

    def once(self, seconds: float, call: Callable[[], None]) -> Repeating:
        """Call `call` once after `seconds` of lab time, unless cancelled; it must not wait for anything."""
        return self._alarms.add(seconds / self.speed, call)

    def mailbox(self, owner: Actor) -> Mailbox[T]:
        """A queue whose `put` makes its owner busy."""
        return Mailbox(owner)


class Repeating(Protocol):
    """A repeated call."""

    def cancel(self) -> None:
        """Stop calling."""


class _WallActor:
    def __init__(self, name: str, speed: float) -> None:
        self.name = name
        self._speed = speed
        self._interrupted = threading.Event()

    def sleep(self, seconds: float) -> bool:
        return not self._interrupted.wait(max(0.0, seconds) / self._speed)

    def interrupt(self) -> None:
        self._interrupted.set()

    def park(self, until: Iterable[Ends] = ()) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...


class _WallRepeating:
    def __init__(self, period_wall_s: float, call: Callable[[], None], name: str) -> None:
        self._stop = threading.Event()
        self._period = period_wall_s
        self._call = call
        self._thread = threading.Thread(target=self._run, name=f"every:{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._period):
            self._call()

    def cancel(self) -> None:
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=10)


class _Alarms:
    """Calls at their time, all from one thread; it ends when nothing is left to wait for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._waiting: list[tuple[float, int, _Alarm]] = []
        self._ids = itertools.count()
        self._running = False
        self._cancelled = 0

    def add(self, wall_s: float, call: Callable[[], None]) -> _Alarm:
        alarm = _Alarm(self, call)
        with self.changed:
            heapq.heappush(self._waiting, (time.monotonic() + wall_s, next(self._ids), alarm))
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="alarms", daemon=True).start()
            elif self._waiting[0][2] is alarm:
                self.changed.notify()
        return alarm

    def forget(self) -> None:
        """One more was cancelled; when they are all or the most, they are dropped. The lock is held."""
        self._cancelled += 1
        if self._cancelled == len(self._waiting) or self._cancelled > max(100, len(self._waiting) // 2):
            self._waiting = [one for one in self._waiting if not one[2].cancelled]
            heapq.heapify(self._waiting)
            self._cancelled = 0
            self.changed.notify()

    def _run(self) -> None:
        while True:
            with self.changed:
                if not self._waiting:
                    self._running = False
                    return
                left_s = self._waiting[0][0] - time.monotonic()
                if left_s > 0:
                    self.changed.wait(left_s)
                    continue
                _, _, alarm = heapq.heappop(self._waiting)
                self._cancelled -= alarm.cancelled
            if not alarm.cancelled:
                alarm.call()


class _Alarm:
    def __init__(self, alarms: _Alarms, call: Callable[[], None]) -> None:
        self.call = call
        self.cancelled = False
        self._alarms = alarms

    def cancel(self) -> None:
        with self._alarms.changed:
            if not self.cancelled:
                self.cancelled = True
                self._alarms.forget()


class Mailbox(Generic[T]):
    """A queue for one reader; putting something makes the reader busy at once."""

    def __init__(self, owner: Actor) -> None:
        self._owner = owner
        self._queue: queue.SimpleQueue[T] = queue.SimpleQueue()
        # The thread that parks makes time advance, and may run an alarm that writes to this very mailbox.
        self._lock = threading.RLock()
        self._waiting = 0

    def put(self, item: T) -> None:
        """Leave `item` for the owner and make it busy."""
        with self._lock:
            self._waiting += 1
            self._owner.resume()
            self._queue.put(item)

    def get(self, timeout_s: float | None = None) -> T:
        """Take the oldest item, parked while there is none.

        Raises:
            queue.Empty: nothing came within `timeout_s` wall seconds.
        """
        with self._lock:
            empty = self._waiting == 0
            if empty:
                self._owner.park()
        try:
            item = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            self._owner.resume()
            raise
        with self._lock:
            self._waiting -= 1
        return item

    def more(self) -> list[T]:
        """All that has come meanwhile, without waiting."""
        items = []
        with self._lock:
            while self._waiting:
                items.append(self._queue.get_nowait())
                self._waiting -= 1
        return items


class SteppedClock(LabClock):
    """Exact lab time for tests and demonstrations: it jumps to the next waiter when no actor is busy.

    Args:
        start: lab time at the start, seconds since the epoch.
    """

    def __init__(self, start: float = 1_767_225_600.0) -> None:  # 2026-01-01T00:00:00Z
        super().__init__(1.0, start)
        self._timeline = _Timeline(start)

    @property
    def stepped(self) -> bool:
        """Whether time moves only when all actors wait."""
        return True

    def now(self) -> float:
        """Lab time in seconds since the epoch."""
        with self._timeline.lock:
            return self._timeline.now

    def actor(self, name: str, *, busy: bool = False) -> Actor:
        """Register an actor; lab time waits for it while it is busy."""
        actor = _SteppedActor(name, self._timeline)
        if busy:
            actor.resume()
        return actor

    def every(self, period_s: float, call: Callable[[], None], name: str) -> Repeating:
        """Call `call` every `period_s` lab seconds, in the thread that makes time advance."""
        return _SteppedRepeating(self._timeline, period_s, call, name)

    def once(self, seconds: float, call: Callable[[], None]) -> Repeating:
        """Call `call` once after `seconds` of lab time, in the thread that makes time advance."""
        return _SteppedOnce(self._timeline, seconds, call)

    def busy(self) -> list[str]:
        """Names of those that time waits for, for error messages and tests."""
        return self._timeline.busy_names()


class _Waiter:
    def __init__(self, actor: object, call: Callable[[], None] | None = None) -> None:
        self.actor = actor
        self.call = call
        self.woken = threading.Event()
        self.gone = False


class _Timeline:
    """What a stepped clock and its actors share, under one lock."""

    def __init__(self, start: float) -> None:
        self.lock = threading.RLock()
        self.now = start
        self.busy: set[object] = set()
        self._waiters: list[tuple[float, int, _Waiter]] = []
        self._foreground = 0
        self._ids = itertools.count()

    def busy_names(self) -> list[str]:
        with self.lock:
            return sorted(getattr(one, "name", "a repeated call") for one in self.busy)

    def add(self, waiter: _Waiter, seconds: float) -> None:
        with self.lock:
            heapq.heappush(self._waiters, (self.now + max(0.0, seconds), next(self._ids), waiter))
            self._foreground += waiter.call is None

    def cancel(self, waiter: _Waiter) -> bool:
        """Withdraw a waiter before its time; False if it has already been woken."""
        with self.lock:
            if waiter.gone:
                return False
            waiter.gone = True
            self._foreground -= waiter.call is None
            return True

    def idle(self, who: object) -> None:
        """`who` has stopped being busy."""
        with self.lock:
            self.busy.discard(who)
        self.advance()

    def advance(self) -> None:
        """Jump from waiter to waiter until an actor is busy, or none in the foreground waits."""
        while True:
            with self.lock:
                if self.busy or not self._foreground:
                    return
                deadline, _, waiter = heapq.heappop(self._waiters)
                if waiter.gone:
                    continue
                waiter.gone = True
                self.now = max(self.now, deadline)
                if waiter.call is None:
                    self._foreground -= 1
                    self.busy.add(waiter.actor)
                    waiter.woken.set()
                    continue
                self.busy.add(waiter)
            try:
                waiter.call()
            finally:
                with self.lock:
                    self.busy.discard(waiter)


class _SteppedActor:
    def __init__(self, name: str, timeline: _Timeline) -> None:
        self.name = name
        self._timeline = timeline
        self._awaited: set[int] = set()
        self._waiter: _Waiter | None = None
        self._interrupted = False
        self._closed = False

    def sleep(self, seconds: float) -> bool:
        timeline = self._timeline
        with timeline.lock:
            if self._interrupted:
                return False
            was_busy = self in timeline.busy
            waiter = self._waiter = _Waiter(self)
            timeline.add(waiter, seconds)
            timeline.busy.discard(self)
        timeline.advance()
        if not waiter.woken.wait(STUCK_AFTER_S):
            raise ClockStuckError(
                f"{self.name} waited {STUCK_AFTER_S:g} wall seconds for lab time to advance; busy: "
                f"{', '.join(timeline.busy_names()) or 'none'}. One of them blocks without sleeping on the lab clock."
            )
        with timeline.lock:
            self._waiter = None
            interrupted = self._interrupted
        if not was_busy:  # a visitor such as a test: it must not hold up time after its sleep
            timeline.idle(self)
        return not interrupted

    def interrupt(self) -> None:
        with self._timeline.lock:
            self._interrupted = True
            if self._waiter is not None and self._timeline.cancel(self._waiter):
                self._timeline.busy.add(self)
                self._waiter.woken.set()

    def park(self, until: Iterable[Ends] = ()) -> None:
        with self._timeline.lock:
            awaited = list(until)
            self._awaited = {id(one) for one in awaited}
            for one in awaited:
                one.add_callback(self._ended)
            if awaited and not self._awaited:
                return
            self._timeline.busy.discard(self)
        self._timeline.advance()

    def _ended(self, one: Ends) -> None:
        with self._timeline.lock:
            if id(one) not in self._awaited:
                return
            self._awaited.discard(id(one))
            if not self._awaited or not one.success:
                self.resume()

    def resume(self) -> None:
        with self._timeline.lock:
            self._awaited.clear()
            if not self._closed:  # a message that comes too late must not stop time for ever
                self._timeline.busy.add(self)

    def close(self) -> None:
        with self._timeline.lock:
            self._closed = True
        self._timeline.idle(self)


class _SteppedOnce:
    def __init__(self, timeline: _Timeline, seconds: float, call: Callable[[], None]) -> None:
        self.name = "an alarm"
        self._timeline = timeline
        self._waiter = _Waiter(self, call)
        timeline.add(self._waiter, seconds)

    def cancel(self) -> None:
        self._timeline.cancel(self._waiter)


class _SteppedRepeating:
    def __init__(self, timeline: _Timeline, period_s: float, call: Callable[[], None], name: str) -> None:
        self.name = name
        self._timeline = timeline
        self._period_s = period_s
        self._call = call
        self._cancelled = False
        self._schedule()

    def _schedule(self) -> None:
        self._waiter = _Waiter(self, self._run)
        self._timeline.add(self._waiter, self._period_s)

    def _run(self) -> None:
        if not self._cancelled:
            self._call()
        if not self._cancelled:
            self._schedule()

    def cancel(self) -> None:
        self._cancelled = True
        self._timeline.cancel(self._waiter)
