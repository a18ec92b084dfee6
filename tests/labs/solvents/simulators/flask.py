"""The world: a heated flask, filled through a valve by a pump, and by one doser for each catalyst."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from labwright.clock import LabClock

from .heater import Room

PORTS = {2: "DMC", 3: "PC", 4: "MeCN", 6: "rinse"}
YIELD = {"DMC": 0.6, "PC": 0.95, "MeCN": 0.75}
RATE_PER_S = {"acid": 1.2e-3, "base": 4e-4}
BOILS = {"DMC": 90.0, "PC": 242.0, "MeCN": 82.0}


class Flask(Room):
    """Microlitres by name, and how far the reaction has come.

    Attributes:
        inside: in the flask now.
        log: what was in each flask that was analysed.
    """

    def __init__(self, clock: LabClock, seed: int, *, celsius: float) -> None:
        super().__init__(clock, seed, celsius=celsius)
        self.valve_position = 1
        self.inside: dict[str, float] = {}
        self.log: list[dict[str, float]] = []
        self._since = clock.now()

    def pour(self, name: str, volume_ul: float) -> None:
        """Some of a catalyst out of its doser."""
        self.inside[name] = self.inside.get(name, 0.0) + volume_ul
        self._since = self.clock.now()

    def pump(self, name: str, volume_ml: float) -> bool:
        """As the NE-1000's plant wants it: what flows depends on where the valve stands."""
        liquid = PORTS.get(self.valve_position)
        if liquid is None:
            return False
        self.inside[liquid] = self.inside.get(liquid, 0.0) + 1000 * volume_ml
        return True

    def analyse(self) -> tuple[float, float, bool]:
        """Ester and water in %, whether it boiled, and an empty flask."""
        self.advance()
        inside, self.inside = self.inside, {}
        self.log.append(inside)
        solvent = next(name for name in YIELD if name in inside)
        catalyst = next(name for name in RATE_PER_S if name in inside)
        ester = ester_of(solvent, catalyst, self.celsius, self.clock.now() - self._since)
        return ester, 100 * inside.get("rinse", 0.0) / sum(inside.values()), self.celsius > BOILS[solvent]

    def truth(self, parameters: Mapping[str, Any]) -> float | None:
        """The ester without what the way there adds."""
        time_s = 60 * float(parameters["time"])
        return ester_of(parameters["solvent"], parameters["catalyst"], float(parameters["temperature"]), time_s)


def ester_of(solvent: str, catalyst: str, celsius: float, time_s: float) -> float:
    """Ester in %: first order, twice as fast every 15 degrees."""
    rate = RATE_PER_S[catalyst] * 2 ** ((celsius - 60) / 15)
    return 100 * YIELD[solvent] * -math.expm1(-rate * time_s)
