"""The world: a beaker that is filled by three dispensers and emptied by the meter; everything is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labwright.clock import LabClock
from labwright.simulation import World

BEST_SHARE = 0.4


class Beaker(World):
    """Microlitres by dispenser.

    Attributes:
        inside: in the beaker now.
        given: since the beginning.
        measured: how often the meter has emptied it.
    """

    def __init__(self, clock: LabClock, seed: int) -> None:
        super().__init__(clock, seed)
        self.inside: dict[str, float] = {}
        self.given: dict[str, float] = {}
        self.measured = 0
        self.valve_position = 1
        self.sources: list[Callable[[], None]] = []
        """What has to be brought up to now before the beaker is looked at."""

    def pour(self, name: str, volume_ul: float) -> None:
        """Some liquid out of the dispenser `name`."""
        for place in (self.inside, self.given):
            place[name] = place.get(name, 0.0) + volume_ul

    def pump(self, name: str, volume_ml: float) -> bool:
        """As the NE-1000's plant wants it."""
        self.pour(name, volume_ml * 1000)
        return True

    def measure(self) -> float:
        """What the mixture shows, and an empty beaker: 1 at the best share of the doser, less elsewhere."""
        for advance in self.sources:
            advance()
        total = sum(self.inside.values())
        share = self.inside.get("doser", 0.0) / total if total else 0.0
        self.inside.clear()
        self.measured += 1
        return 1.0 - (share - BEST_SHARE) ** 2

    def kept(self) -> dict[str, Any]:
        """All of it."""
        return {"inside": self.inside, "given": self.given, "measured": self.measured, "valve": self.valve_position}

    def restore(self, kept: dict[str, Any]) -> None:
        """Matter is where it was."""
        self.inside, self.given = dict(kept["inside"]), dict(kept["given"])
        self.measured, self.valve_position = kept["measured"], kept["valve"]
