"""The world: vials with inks in them, where they stand, and what was done to them. Nothing here is random."""

from __future__ import annotations

import math
from typing import Any

from labwright.clock import LabClock
from labwright.simulation import World

BEST_SHARE = 0.4
"""Share of cyan whose shade is the best."""

STIRRED_S = 3.0
"""Lab seconds of stirring after which it is as uneven by a factor e less."""


class Inks(World):
    """Vials by their place: microlitres by ink, and seconds they were stirred.

    Args:
        clock: the lab clock.
        seed: of nothing.
        vials: where one stands in the beginning; the ``beaker`` is below the pumps and in the light at once.

    Attributes:
        given: microlitres that left each pump since the beginning, by ink.
    """

    def __init__(self, clock: LabClock, seed: int, *, vials: list[str]) -> None:
        super().__init__(clock, seed)
        self.places: dict[str, dict[str, float]] = {place: {} for place in vials}
        self.held: dict[str, float] | None = None
        self.given: dict[str, float] = {}
        self.sources: list[Any] = []
        """What is brought up to now before anything is looked at."""

    def pour(self, ink: str, volume_ul: float, place: str) -> None:
        """Into the vial at `place`, or the beaker if none stands there."""
        vial = self.places.get(place, self.places["beaker"])
        vial[ink] = vial.get(ink, 0.0) + volume_ul
        vial["stirred_s"] = 0.0
        self.given[ink] = self.given.get(ink, 0.0) + volume_ul

    def stir(self, seconds: float) -> None:
        """What stands on the plate, or the beaker if nothing does."""
        vial = self.places.get("plate", self.places["beaker"])
        vial["stirred_s"] = vial.get("stirred_s", 0.0) + seconds

    def look(self) -> tuple[float, float, float]:
        """Shade, unevenness and clarity of what stands in the light; the beaker is emptied afterwards."""
        for advance in self.sources:
            advance()
        vial = self.places.get("light", self.places["beaker"])
        inks = {ink: volume for ink, volume in vial.items() if ink != "stirred_s"}
        total = sum(inks.values())
        share = inks.get("cyan", 0.0) / total if total else 0.0
        found = (
            1.0 - (share - BEST_SHARE) ** 2,
            0.5 * math.exp(-vial.get("stirred_s", 0.0) / STIRRED_S),
            1.0 / (1.0 + share),
        )
        if vial is self.places["beaker"]:
            vial.clear()
        return found

    def grip(self, place: str, closed: bool) -> None:
        """Take what stands at `place`, or let go there; the waste keeps nothing."""
        if closed and self.held is None and place in self.places:
            self.held = self.places.pop(place)
        elif not closed and self.held is not None:
            if place != "waste":
                self.places[place] = self.held
            self.held = None

    def kept(self) -> dict[str, Any]:
        """All of it."""
        return {"places": self.places, "held": self.held, "given": self.given}

    def restore(self, kept: dict[str, Any]) -> None:
        """Matter is where it was."""
        self.places, self.held, self.given = kept["places"], kept["held"], kept["given"]
