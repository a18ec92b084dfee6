"""Steps that stations carry out: rings when one takes far longer than expected, and finds those that hang."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from labwright.clock import LabClock, Repeating
from labwright.engine.events import RunStep, StepLate

SILENCE_S = 600.0
"""Wall seconds without a word of a step, beyond what it may take, after which it counts as hung."""

LATE_TIMES = 2.0
LATE_S = 30.0
"""A step is late after this many times its expected time and this many seconds more."""

Late = Callable[[str, StepLate], None]


@dataclass
class _Watched:
    """A step under way.

    Attributes:
        step: as it was ordered.
        alarm: rings when it is late; None for one that a person does, who is asked by its card and not by an alarm.
        since_s: monotonic wall time since which nothing has held it up.
    """

    step: RunStep
    alarm: Repeating | None
    since_s: float


class Watchdog:
    """Watches over each step by itself: what happens at other stations says nothing about it.

    Args:
        clock: the lab clock.
        late: called with the campaign and the event when a step takes far longer than expected.
    """

    def __init__(self, clock: LabClock, late: Late) -> None:
        self._clock = clock
        self._late = late
        self._steps: dict[str, _Watched] = {}

    def start(self, step: RunStep) -> None:
        """A station carries out a step."""
        order = step.order
        late_s = LATE_TIMES * order.expected_s + LATE_S
        event = StepLate(step_id=order.step_id, running_s=late_s, expected_s=order.expected_s)
        alarm = None
        if step.timeout_s < math.inf:
            alarm = self._clock.once(late_s, lambda: self._late(order.campaign, event))
        self._steps[order.step_id] = _Watched(step, alarm, time.monotonic())

    def end(self, step_id: str) -> None:
        """A step has ended."""
        watched = self._steps.pop(step_id, None)
        if watched is not None and watched.alarm is not None:
            watched.alarm.cancel()

    def ring_later(self, event: StepLate) -> None:
        """A step was late because it is paused: look again."""
        watched = self._steps.get(event.step_id)
        if watched is not None:
            campaign = watched.step.order.campaign
            watched.alarm = self._clock.once(LATE_S, lambda: self._late(campaign, event))

    def let_go(self, campaign: str) -> None:
        """A campaign is resumed: the time for which it was paused does not count."""
        for watched in self._steps.values():
            if watched.step.order.campaign == campaign:
                watched.since_s = time.monotonic()

    def get(self, step_id: str) -> RunStep | None:
        """A step under way; None if it is not."""
        watched = self._steps.get(step_id)
        return watched.step if watched is not None else None

    def steps(self) -> list[RunStep]:
        """All steps under way."""
        return [watched.step for watched in list(self._steps.values())]

    def hung(self, held: Collection[str]) -> list[RunStep]:
        """Steps that should have ended long ago.

        Args:
            held: campaigns that are paused.
        """
        now_s = time.monotonic()
        return [watched.step for watched in self._watched(held) if now_s >= self._deadline_s(watched)]

    def wait_s(self, held: Collection[str]) -> float | None:
        """Wall seconds until the first step counts as hung; None while none can.

        Args:
            held: campaigns that are paused.
        """
        deadlines_s = [self._deadline_s(watched) for watched in self._watched(held)]
        return max(0.0, min(deadlines_s) - time.monotonic()) if deadlines_s else None

    def close(self) -> None:
        """Ring no more."""
        for watched in self._steps.values():
            if watched.alarm is not None:
                watched.alarm.cancel()

    def _watched(self, held: Collection[str]) -> list[_Watched]:
        may_hang = [watched for watched in list(self._steps.values()) if watched.step.timeout_s < math.inf]
        return [watched for watched in may_hang if watched.step.order.campaign not in held]

    def _deadline_s(self, watched: _Watched) -> float:
        # On a stepped clock lab time takes no wall time.
        most_s = 0.0 if self._clock.stepped else watched.step.timeout_s / self._clock.speed
        return watched.since_s + most_s + SILENCE_S
