"""The part of a station that has no devices: a step takes its expected lab time, and no wire is touched."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
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


@dataclass
class Running:
    """A step under way; `actor` sleeps what is left of it, and is None while no time passes for it."""

    order: StepOrder
    epoch: int
    started_s: float
    left_s: float
    since_s: float = 0.0
    actor: Actor | None = None


class PacedStation:
    """A `StationLink` without devices; what a step finds is its subclass's.

    Args:
        name: of the station.
        clock: the lab clock; on a stepped one a step of hours takes no time.
        finished: called with each outcome.
        ends: whether a step ends by itself, after its expected time.
    """

    def __init__(self, name: str, *, clock: LabClock, finished: Finished, ends: bool = True) -> None:
        self.name = name
        self._clock = clock
        self._ends = ends
        self._reported = OutcomeLog(finished)
        self._fence = Fence(name)
        self._latches = Latches(name)
        self._paused: set[str] = set()
        self._outcomes: OrderedDict[str, StepOutcome] = OrderedDict()
        self._running: Running | None = None
        self._closed = False
        self._lock = threading.RLock()  # as a Gate's: who parks may run an alarm that comes here

    def know(self, campaign: str, protocols: Mapping[str, LabProtocol]) -> None:
        """Nothing: a step takes what its order expects."""

    def forget(self, campaign: str) -> None:
        """A campaign has ended; it is not paused any more."""
        with self._lock:
            self._paused.discard(campaign)

    def start(self, order: StepOrder, epoch: int) -> None:
        """Begin a step, or report why not.

        Raises:
            RefusedError: the station knows a newer controller.
        """
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
                running = self._running = Running(order, epoch, now_s, order.expected_s)
                why = self._latches.why(order.campaign, order.label)
                if why is None:
                    if order.campaign not in self._paused:
                        self._go(running)
                    return
                ended = self._ended(running, why)
        self._reported.add(ended, epoch)

    def stop(self, step_id: str | None, why: str, *, now: bool, epoch: int) -> None:
        """End a step; it has no operation that could end first, so that it ends now in any case.

        Raises:
            RefusedError: the station knows a newer controller.
        """
        with self._lock:
            self._fence.check(epoch)
            if step_id is None and now and not self._latches.whole:
                self._latches.set(latch_station(self.name), why)
            running = self._running
            outcome = None
            if running is not None and step_id in (None, running.order.step_id):
                outcome = self._ended(running, why)
        if running is not None and outcome is not None:
            self._reported.add(outcome, running.epoch)

    def pause(self, campaign: str, *, on: bool, epoch: int) -> None:
        """Let no time pass for the steps of a campaign, or let it pass again.

        Raises:
            RefusedError: the station knows a newer controller.
        """
        with self._lock:
            self._fence.check(epoch)
            (self._paused.add if on else self._paused.discard)(campaign)
            running = self._running
            if running is None or running.order.campaign != campaign:
                return
            if on and running.actor is not None:
                running.left_s -= self._clock.now() - running.since_s
                self._let_go(running)
            elif not on and running.actor is None:
                self._go(running)

    def latch(self, scope: LatchScope, why: str) -> None:
        """Begin nothing of a scope any more, and end what of it runs."""
        with self._lock:
            self._latches.set(scope, why)
            running = self._running
            outcome = None
            if running is not None and scope.holds(self.name, running.order.campaign, running.order.label):
                outcome = self._ended(running, why)
        if running is not None and outcome is not None:
            self._reported.add(outcome, running.epoch)

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

    def _found(self, order: StepOrder) -> Mapping[str, Any]:
        """What a step has found, at its end.

        Raises:
            LabwrightError: the step has failed.
        """
        raise NotImplementedError

    def _written(self, order: StepOrder, outcome: StepOutcome) -> StepOutcome:
        """The outcome of a step that was not stopped, once its run is written; nothing is written here."""
        return outcome

    def _go(self, running: Running) -> None:
        """Let time pass for a step, in a thread: lab time moves only while an actor sleeps. The lock is held."""
        if not self._ends:
            return
        actor = self._clock.actor(f"step at {self.name}", busy=True)
        running.actor, running.since_s = actor, self._clock.now()
        left_s = max(0.0, running.left_s)
        threading.Thread(target=self._sleep, args=(running, actor, left_s), name="step", daemon=True).start()

    def _sleep(self, running: Running, actor: Actor, left_s: float) -> None:
        try:
            actor.sleep(left_s)
            with self._lock:
                if running.actor is not actor:
                    return  # paused, or ended before its time
                running.actor = None
                outcome = self._ended(running)
            self._reported.add(outcome, running.epoch)
        finally:
            actor.close()  # only now may lab time pass: the controller has the outcome, and is busy

    def _let_go(self, running: Running) -> None:
        """No time passes for a step any more; the lock is held."""
        actor, running.actor = running.actor, None
        if actor is not None:
            actor.interrupt()

    def _ended(self, running: Running, why: str | None = None) -> StepOutcome:
        """The step is over, stopped if there is a reason; the lock is held."""
        self._let_go(running)
        self._running = None
        state: Literal["done", "failed", "stopped"] = "done"
        found: Mapping[str, Any] = {}
        error = ""
        kind: FailKind | None = None
        fault: FaultClass | None = None
        if why is not None:
            state, kind, error = "stopped", "aborted", f"station {self.name} was asked to stop: {why}"
        else:
            try:
                found = self._found(running.order)
            except LabwrightError as raised:
                state, error, kind, fault = "failed", str(raised), blame(raised), fault_of(raised)
        outcome = StepOutcome(
            step_id=running.order.step_id, state=state, results=dict(found), fail_kind=kind, fault=fault, error=error,
            started_s=running.started_s, ended_s=self._clock.now(),
        )  # fmt: skip
        if why is None:
            outcome = self._written(running.order, outcome)
        self._outcomes[outcome.step_id] = outcome
        while len(self._outcomes) > REMEMBERED:
            self._outcomes.popitem(last=False)
        return outcome
