"""A station that only takes time: steps end after their expected lab time, with results that are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labwright.clock import LabClock
from labwright.model.protocol import StepOrder
from labwright.stations.link import Finished
from labwright.stations.paced import PacedStation

Results = Callable[[StepOrder], Mapping[str, Any]]


class RehearsedStation(PacedStation):
    """A `StationLink` without devices, for rehearsals and for tests of the engine.

    Args:
        name: of the station.
        clock: the lab clock; on a stepped one a step of hours takes no time.
        finished: called with each outcome.
        results: what a step finds; called at its end. A LabwrightError that it raises is the step's failure.
    """

    def __init__(self, name: str, *, clock: LabClock, finished: Finished, results: Results = lambda order: {}) -> None:
        super().__init__(name, clock=clock, finished=finished)
        self._results = results

    def _found(self, order: StepOrder) -> Mapping[str, Any]:
        return self._results(order)
