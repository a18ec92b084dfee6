"""A station that only takes time: steps end after their expected lab time, with results that are given."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from labwright.clock import Actor, LabClock
from labwright.model.errors import LabwrightError
from labwright.model.latch import LatchScope, latch_station
from labwright.model.protocol import FailKind, FaultClass, StepOrder, StepOutcome
from labwright.stations.latches import Latches
from labwright.stations.link import (
    REMEMBERED,
    Fence,
    Finished,
    NumberedOutcome,
    OutcomeLog,
    blame,
    fault_of,
    not_started,
)
from labwright.stations.protocol import LabProtocol

Results = Callable[[StepOrder], Mapping[str, Any]]


@dataclass
class _Running:
    """A step under way; `actor` sleeps what is left of it, and is None while it is paused."""

    order: StepOrder
    epoch: int
    started_s: float
    left_s: float
    since_s: float = 0.0
    actor: Actor | None = None
    stopped: str | None = None


class RehearsedStation:
    """A `StationLink` without devices, for rehearsals and for tests of the engine.

    Args:
        name: of the station.
        clock: the lab clock; on a stepped one a step of hours takes no time.
        finished: called with each outcome.
        results: what a step finds; called at its end. A LabwrightError that it raises is the step's failure.
    """

    def __init__(self, name: str, *, clock: LabClock, finished: Finished, results: Results = lambda order: {}) -> None:
        self.name = name
        self._clock = clock
        self._results = results
        self._reported = OutcomeLog(finished)
        self._fence = Fence(name)
        self._latches = Latches(name)
        self._paused: set[str] = set()
        self._outcomes: OrderedDict[str, StepOutcome] = OrderedDict()
        self._running: _Running | None = None
        self._closed = False
        self._lock = threading.RLock()  # as a Gate's: who parks may run an alarm that comes here

    def know(self, campaign: str, protocols: Mapping[str, LabProtocol]) -> None:
        """Nothing: a step takes what its order expects."""

    def forget(self, campaign: str) -> None:
        """A campaign has ended; it is not paused any more."""
        with self._lock:
            self._paused.discard(campaign)

    def start(self, order: StepOrder, epoch: int) -> None:
        """Begin a step, or report why not; as `Station.start`."""
        with self._lock:
            self._fence.check(epoch)
            if self._running is not None and self._running.order.step_id == order.step_id:
                return
            now_s = self._clock.now()
            ended = None if order.resumed else self._outcomes.get(order.step_id)
            if ended is None and self._closed:
                ended = not_started(order, f"station {self.name} is closed", now_s)
            if ended is None and self._running is not None:
                busy = f"station {self.name} is busy with {self._running.order.step_id}"
                ended = not_started(order, busy, now_s)
            if ended is None:
                self._running = _Running(order, epoch, now_s, order.expected_s)
                self._running.stopped = self._latches.why(order.campaign, order.label)
                if self._running.stopped is not None or order.campaign not in self._paused:
                    self._go(self._running)
                return
        self._reported.add(ended, epoch)

    def stop(self, step_id: str | None, why: str, *, now: bool, epoch: int) -> None:
        """End a step; it has no operation that could end first, so that it ends now in any case."""
        with self._lock:
            self._fence.check(epoch)
            if step_id is None and now and not self._latches.whole:
                self._latches.set(latch_station(self.name), why)
            if self._running is not None and step_id in (None, self._running.order.step_id):
                self._cut(self._running, why)

    def pause(self, campaign: str, *, on: bool, epoch: int) -> None:
        """Hold steps of a campaign, or let them go on."""
        with self._lock:
            self._fence.check(epoch)
            (self._paused.add if on else self._paused.discard)(campaign)
            running = self._running
            if running is None or running.order.campaign != campaign or running.stopped is not None:
                return
            if on and running.actor is not None:
                running.left_s -= self._clock.now() - running.since_s
                actor, running.actor = running.actor, None
                actor.interrupt()
            elif not on and running.actor is None:
                self._go(running)

    def latch(self, scope: LatchScope, why: str) -> None:
        """Begin nothing of a scope any more, and end what of it runs."""
        with self._lock:
            self._latches.set(scope, why)
            running = self._running
            if running is not None and scope.holds(self.name, running.order.campaign, running.order.label):
                self._cut(running, why)

    def reset(self, scope: LatchScope) -> None:
        """Let what `latch` has held with this very scope start again."""
        with self._lock:
            self._latches.reset(scope)

    def outcomes(self, after: int = 0) -> list[NumberedOutcome]:
        """What was reported after outcome number `after`, oldest first."""
        return self._reported.after(after)

    def close(self) -> None:
        """End what runs, and start nothing any more."""
        self.latch(latch_station(self.name), "the station closes")
        with self._lock:
            self._closed = True

    def _cut(self, running: _Running, why: str) -> None:
        """End a step before its time; the lock is held."""
        if running.stopped is None:
            running.stopped = why
            if running.actor is not None:
                running.actor.interrupt()
            else:
                self._go(running)  # paused: no actor sleeps for it

    def _go(self, running: _Running) -> None:
        """Let the rest of a step pass, in a thread: lab time moves only while an actor sleeps. The lock is held."""
        actor = self._clock.actor(f"rehearse {running.order.step_id}", busy=True)
        running.actor, running.since_s = actor, self._clock.now()
        left_s = 0.0 if running.stopped is not None else max(0.0, running.left_s)
        threading.Thread(target=self._sleep, args=(running, actor, left_s), name="rehearse", daemon=True).start()

    def _sleep(self, running: _Running, actor: Actor, left_s: float) -> None:
        try:
            actor.sleep(left_s)
            with self._lock:
                if running.actor is not actor:
                    return  # paused: another sleeps what is left
                outcome = self._ended(running)
                self._outcomes[outcome.step_id] = outcome
                while len(self._outcomes) > REMEMBERED:
                    self._outcomes.popitem(last=False)
                self._running = None
            self._reported.add(outcome, running.epoch)
        finally:
            actor.close()  # only now may lab time pass: the controller has the outcome, and is busy

    def _ended(self, running: _Running) -> StepOutcome:
        state: Literal["done", "failed", "stopped"] = "done"
        found: Mapping[str, Any] = {}
        error, kind = "", None
        fault: FaultClass | None = None
        if running.stopped is not None:
            state, kind = "stopped", _ABORTED
            error = f"station {self.name} was asked to stop: {running.stopped}"
        else:
            try:
                found = self._results(running.order)
            except LabwrightError as raised:
                state, error, kind, fault = "failed", str(raised), blame(raised), fault_of(raised)
        return StepOutcome(
            step_id=running.order.step_id,
            state=state,
            results=dict(found),
            fail_kind=kind,
            fault=fault,
            error=error,
            started_s=running.started_s,
            ended_s=self._clock.now(),
        )


_ABORTED: FailKind = "aborted"
