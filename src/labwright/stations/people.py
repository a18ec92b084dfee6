"""A station where people work: a step there lasts until its card is signed, and no wire is touched."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal
from uuid import uuid4

from labwright.clock import Actor, LabClock
from labwright.lab import Lab
from labwright.lab.classes import in_words
from labwright.model.errors import ConfigError, JournalError, LabwrightError, unknown
from labwright.model.latch import LatchScope, latch_station
from labwright.model.manual import SIGNED_BY, SIMULATED_PERSON
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


def signs(lab: Lab, station: str) -> bool:
    """Whether a simulated person signs the cards of a station; never on real instruments."""
    simulation = lab.model.simulation
    return lab.simulated and simulation is not None and simulation.people.get(station) == "signs"


Write = Callable[[str, StepOrder, StepOutcome], None]


@dataclass
class _Running:
    """A step under way; `actor` sleeps what a simulated person still takes, and is None where none signs."""

    order: StepOrder
    epoch: int
    started_s: float
    left_s: float
    since_s: float = 0.0
    actor: Actor | None = None


class PeopleStation:
    """A `StationLink` to people.

    The card of a step is the core's, and its signature comes to the core as a command; so the station only knows which
    step is under way, to report that it was stopped. On simulated instruments it may do a person's part.

    Args:
        name: of the station.
        clock: the lab clock.
        finished: called with each outcome.
        signs: whether a simulated person signs each card, after its expected time.
        write: writes the run of a step that a simulated person has done, of this station.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: LabClock,
        finished: Finished,
        signs: bool = False,
        write: Write = lambda station, order, outcome: None,
    ) -> None:
        self.name = name
        self._write = write
        self._clock = clock
        self._signs = signs
        self._reported = OutcomeLog(finished)
        self._fence = Fence(name)
        self._latches = Latches(name)
        self._paused: set[str] = set()
        self._protocols: dict[str, Mapping[str, LabProtocol]] = {}
        self._outcomes: OrderedDict[str, StepOutcome] = OrderedDict()
        self._running: _Running | None = None
        self._closed = False
        self._lock = threading.RLock()  # as a Gate's: who parks may run an alarm that comes here

    def know(self, campaign: str, protocols: Mapping[str, LabProtocol]) -> None:
        """From now on steps of this campaign are of these protocols, by name."""
        with self._lock:
            self._protocols[campaign] = dict(protocols)

    def forget(self, campaign: str) -> None:
        """A campaign has ended; it is not paused any more."""
        with self._lock:
            self._protocols.pop(campaign, None)
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
                running = self._running = _Running(order, epoch, now_s, order.expected_s)
                why = self._latches.why(order.campaign, order.label)
                if why is None:
                    if order.campaign not in self._paused:
                        self._go(running)
                    return
                ended = self._ended(running, why)
        self._reported.add(ended, epoch)

    def stop(self, step_id: str | None, why: str, *, now: bool, epoch: int) -> None:
        """End a step: a person's hands are no device, so that it ends now in any case.

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
        """Let a simulated person wait, or go on; a person may sign meanwhile.

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
        """Start nothing any more; an open card stays open for the next controller."""
        with self._lock:
            self._latches.set(latch_station(self.name), "the station closes")
            self._closed = True
            if self._running is not None:
                self._let_go(self._running)
                self._running = None

    def _go(self, running: _Running) -> None:
        """Let a simulated person work, in a thread: lab time moves only while an actor sleeps. The lock is held."""
        if not self._signs:
            return
        actor = self._clock.actor(f"person at {self.name}", busy=True)
        running.actor, running.since_s = actor, self._clock.now()
        left_s = max(0.0, running.left_s)
        threading.Thread(target=self._sleep, args=(running, actor, left_s), name="person", daemon=True).start()

    def _sleep(self, running: _Running, actor: Actor, left_s: float) -> None:
        try:
            actor.sleep(left_s)
            with self._lock:
                if running.actor is not actor:
                    return  # paused, stopped, or signed by a person
                running.actor = None
                outcome = self._ended(running)
            self._reported.add(outcome, running.epoch)
        finally:
            actor.close()  # only now may lab time pass: the controller has the outcome, and is busy

    def _let_go(self, running: _Running) -> None:
        """A simulated person works no longer; the lock is held."""
        actor, running.actor = running.actor, None
        if actor is not None:
            actor.interrupt()

    def _ended(self, running: _Running, why: str | None = None) -> StepOutcome:
        """The step is over, stopped if there is a reason; the lock is held."""
        self._let_go(running)
        self._running = None
        state: Literal["done", "failed", "stopped"] = "done"
        found: dict[str, Any] = {}
        error = ""
        kind: FailKind | None = None
        fault: FaultClass | None = None
        if why is not None:
            state, kind, error = "stopped", "aborted", f"station {self.name} was asked to stop: {why}"
        else:
            try:
                found = self._simulated(running.order)
            except LabwrightError as raised:
                state, error, kind, fault = "failed", str(raised), blame(raised), fault_of(raised)
        outcome = StepOutcome(
            step_id=running.order.step_id, state=state, results=found, fail_kind=kind, fault=fault, error=error,
            run_uids=(str(uuid4()),) if why is None else (), started_s=running.started_s, ended_s=self._clock.now(),
        )  # fmt: skip
        try:
            if why is None:
                self._write(self.name, running.order, outcome)
        except JournalError as refused:
            failed = {"state": "failed", "results": {}, "fail_kind": "equipment", "fault": "equipment", "run_uids": ()}
            outcome = outcome.model_copy(update={**failed, "error": str(refused)})
        self._outcomes[outcome.step_id] = outcome
        while len(self._outcomes) > REMEMBERED:
            self._outcomes.popitem(last=False)
        return outcome

    def _simulated(self, order: StepOrder) -> dict[str, Any]:
        """What a simulated person has read, and that person's signature.

        Raises:
            ConfigError: the protocol is not known here, or what it lets be read is outside its own limits.
        """
        protocols = self._protocols.get(order.campaign, {})
        if order.protocol not in protocols:
            raise ConfigError(f"station {self.name}: {unknown('protocol', order.protocol, list(protocols))}")
        protocol = protocols[order.protocol]
        manual = next((step.manual for step in protocol.steps if step.name == order.step), None)
        if manual is None:
            raise ConfigError(f"station {self.name}: step {order.step} is no person's")
        of_step = f"{order.label}/{order.step}/{order.round}/{order.attempt}/{sorted(order.parameters.items())}"
        draw = Random(of_step)  # noqa: S311 - a simulated person keeps no secret, and the same step is the same again
        with in_words(ConfigError, f"protocol {protocol.name}, simulated_readings"):
            readings = dict(protocol.simulated_readings(order, draw))
        if wrong := manual.wrong(readings):
            raise ConfigError(f"protocol {protocol.name}, simulated_readings of step {order.step}: {'; '.join(wrong)}")
        return {**manual.taken(readings), SIGNED_BY: SIMULATED_PERSON}
