"""Simulated MT-SICS balance; replies as in the reference manual 11781363."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from labwright.simulation import SimInstrument

SETTLE_S = 2.0
"""Seconds a weight is unstable after it changed."""

CAPACITY_G = 220.0


class Balance(SimInstrument):
    """A balance that weighs `world.on_pan_g()`.

    Args:
        name: as in the lab.
        world: a plant with `on_pan_g() -> float` and `pan_changed_s` (lab time of the last change).
        repeatability_g: standard deviation of a weighing.
    """

    physical_faults: ClassVar[Sequence[str]] = ("drift",)

    def __init__(self, name: str, world: Any, *, repeatability_g: float = 1e-4) -> None:
        super().__init__(name, world)
        self.repeatability_g = repeatability_g
        self.zero_g = 0.0
        self.tare_g = 0.0
        self._drift_since = self.clock.now()

    def answer(self, command: str) -> str | None:
        """Do `command`."""
        word = command.split(" ")[0]
        if word == "@":
            self.tare_g = 0.0
            return 'I4 A "B712345678"'
        if word in ("S", "SI"):
            return self._weigh(immediate=word == "SI")
        if word in ("Z", "ZI"):
            self.zero_g = self._gross_g()
            return "Z A" if word == "Z" else "ZI S"
        if word in ("T", "TI"):
            self.tare_g = self._gross_g() - self.zero_g
            return f"{word} S {self.tare_g:10.4f} g"
        if word == "TA":
            return f"TA A {self.tare_g:10.4f} g"
        if word == "TAC":
            self.tare_g = 0.0
            return "TAC A"
        if word == "M21":
            return "M21 A"
        fixed = {
            "I0": 'I0 A 0 "I0"',
            "I1": 'I1 A "0123" "2.30" "2.22" "2.33" "2.20"',
            "I2": f'I2 A "XS204 Excellence {CAPACITY_G:.4f} g"',
            "I3": 'I3 A "4.20 10.28.0.493.142"',
            "I4": 'I4 A "B712345678"',
        }
        if word in fixed:
            return fixed[word]
        self.not_understood(command)
        return "ES"

    def power_cycle(self) -> None:
        """Tare is lost; the balance zeroes itself."""
        self.tare_g, self.zero_g = 0.0, 0.0

    def _gross_g(self) -> float:
        drift_g_per_h = self.flags.get("drift", 0.0)
        if not drift_g_per_h:
            self._drift_since = self.clock.now()
        drift_g = drift_g_per_h * (self.clock.now() - self._drift_since) / 3600
        return float(self.world.on_pan_g()) + drift_g

    def _weigh(self, *, immediate: bool) -> str:
        gross_g = self._gross_g()
        if gross_g > CAPACITY_G:
            return "S +"
        stable = self.clock.now() - self.world.pan_changed_s >= SETTLE_S
        if not stable and not immediate:
            return "S I"
        noise_g = self.rng.gauss(0, self.repeatability_g if stable else 20 * self.repeatability_g)
        value = gross_g - self.zero_g - self.tare_g + noise_g
        return f"S {'S' if stable else 'D'} {value:10.4f} g"
