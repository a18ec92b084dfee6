"""How the engine reaches a station, wherever the station runs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bluesky.utils import FailedStatus, RunEngineInterrupted

from labwright.model.errors import (
    ActTimeoutError,
    ConfigError,
    InfeasibleError,
    LabwrightError,
    OutOfRangeError,
    PlannerError,
    RefusedError,
    SampleError,
)
from labwright.model.latch import LatchScope
from labwright.model.protocol import FailKind, FaultClass, StepOrder, StepOutcome
from labwright.stations.protocol import LabProtocol

Finished = Callable[[StepOutcome], None]

REMEMBERED = 100
"""Outcomes that a station can report again; the journal has the rest."""


@dataclass(frozen=True)
class NumberedOutcome:
    """An outcome in the order in which a station reported it.

    Attributes:
        n: 1, and one more for each outcome that this station has reported.
        epoch: of the controller that had ordered the step.
        outcome: how it ended, or why it was not started.
    """

    n: int
    epoch: int
    outcome: StepOutcome


class StationLink(Protocol):
    """A station, in this process or another, that several campaigns may share.

    A controller that is not the newest is refused everything but a latch and closing: it must end, and what it orders
    must not reach the newer one's eyes. Everything else that keeps a step from starting is an outcome.
    """

    name: str

    def know(self, campaign: str, protocols: Mapping[str, LabProtocol]) -> None:
        """From now on steps of this campaign are carried out by these protocols, by name.

        Two campaigns may have protocols of the same name and different versions.
        """

    def forget(self, campaign: str) -> None:
        """A campaign has ended: none of its steps comes any more, and it is not paused. Its latches stay."""

    def start(self, order: StepOrder, epoch: int) -> None:
        """Start a step; its end, or why it was not started, is an outcome.

        A step that runs here already is not started twice; one that has ended here reports its outcome again.

        Raises:
            RefusedError: the station knows a newer controller than `epoch`.
        """

    def stop(self, step_id: str | None, why: str, *, now: bool, epoch: int) -> None:
        """End a step after its current operation; or now, with its devices halted.

        Args:
            step_id: the step; nothing happens if it does not run here. None for whatever runs here; with `now` all
                devices of the station are halted then, and it is latched.
            why: in words, for the outcome.
            now: halt devices.
            epoch: of the controller.

        Raises:
            RefusedError: the station knows a newer controller than `epoch`.
        """

    def pause(self, campaign: str, *, on: bool, epoch: int) -> None:
        """Let no operation of a campaign's steps begin any more, or let them begin again; what is under way ends.

        Raises:
            RefusedError: the station knows a newer controller than `epoch`.
        """

    def latch(self, scope: LatchScope, why: str) -> None:
        """Begin nothing of a scope any more, now and later, without a word on a wire or to a disk."""

    def reset(self, scope: LatchScope) -> None:
        """Let what `latch` has held with this very scope start again; a step that it has ended stays ended."""

    def outcomes(self, after: int = 0) -> list[NumberedOutcome]:
        """What was reported after outcome number `after`, oldest first; the same again if asked again.

        The oldest are forgotten after a while; a number that is missing between `after` and the first says so.
        """

    def close(self) -> None:
        """Stop, and bring every device to its safe state."""


class OutcomeLog:
    """The outcomes that a station has reported, to be asked for again.

    Args:
        finished: called with each, after it can be asked for.
    """

    def __init__(self, finished: Finished) -> None:
        self._finished = finished
        self._lock = threading.Lock()
        self._numbered: deque[NumberedOutcome] = deque(maxlen=REMEMBERED)
        self._n = 0

    def add(self, outcome: StepOutcome, epoch: int) -> None:
        """Report an outcome."""
        with self._lock:
            self._n += 1
            self._numbered.append(NumberedOutcome(self._n, epoch, outcome))
        self._finished(outcome)

    def after(self, n: int) -> list[NumberedOutcome]:
        """Those with a greater number, oldest first."""
        with self._lock:
            return [one for one in self._numbered if one.n > n]


class Fence:
    """Refuses a controller that is older than the newest seen.

    Args:
        station: whose fence it is.
    """

    def __init__(self, station: str) -> None:
        self._station = station
        self._newest = 0

    def check(self, epoch: int) -> None:
        """Remember a controller.

        Raises:
            RefusedError: a newer one has been here.
        """
        if epoch < self._newest:
            raise RefusedError(
                f"station {self._station} belongs to a newer controller (epoch {self._newest}, not {epoch})"
            )
        self._newest = epoch


def not_started(order: StepOrder, why: str, at_s: float) -> StepOutcome:
    """The outcome of a step that its station has refused; `at_s` is the lab time."""
    return StepOutcome(
        step_id=order.step_id,
        state="failed",
        fail_kind="equipment",
        fault="equipment",
        error=f"it was not started: {why}",
        started_s=at_s,
        ended_s=at_s,
    )


def fault_of(cause: BaseException) -> FaultClass | None:
    """Of which class a fault is that has ended a step; None if its sample cannot be made."""
    match cause:
        case InfeasibleError() | OutOfRangeError():
            return None
        case SampleError():
            return "sample"
        case RefusedError():
            return "refused"
        case ActTimeoutError():
            return "timeout"
        case ConfigError() | PlannerError():
            return "plan"
        case LabwrightError() | FailedStatus() | RunEngineInterrupted():
            return "equipment"
    return "plan"


def blame(cause: BaseException) -> FailKind:
    """Whose fault it is that a step has failed."""
    return "infeasible" if isinstance(cause, (InfeasibleError, OutOfRangeError)) else "equipment"
