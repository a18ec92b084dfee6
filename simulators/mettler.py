"""Simulated MT-SICS balance; replies as in the reference manuals 11781363 and 11780711.

S, T and Z wait until the weight is stable, and answer ``I`` if it does not become so in time; SI, TI and ZI do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from labwright.simulation import Later, SimInstrument

SETTLE_S = 2.0
"""Seconds a weight is unstable after it changed."""

STABILITY_TIMEOUT_S = 30.0
"""Seconds S, T and Z wait for a stable weight; about this long on a real ML4002E."""

CAPACITY_G = 220.0
ZERO_RANGE_G = 0.02 * CAPACITY_G

UNITS: dict[int, tuple[str, float, int]] = {0: ("g", 1.0, 4), 1: ("kg", 1e-3, 7), 3: ("mg", 1e3, 1), 5: ("ct", 5.0, 3)}
"""Unit of the weight by the number M21 takes: its name, how many make a gram, decimals."""


class Balance(SimInstrument):
    """A balance that weighs `world.on_pan_g()`.

    Args:
        name: as in the lab.
        world: a plant with `on_pan_g() -> float` and `pan_changed_s` (lab time of the last change).
        repeatability_g: standard deviation of a weighing.
        unit: number of the unit another user has set.
        knows_unit: whether it knows the command M21, which many do not (MT-SICS level 3).
    """

    physical_faults: ClassVar[Sequence[str]] = ("drift",)
    keeps = ("unit",)

    def __init__(
        self, name: str, world: Any, *, repeatability_g: float = 1e-4, unit: int = 0, knows_unit: bool = True
    ) -> None:
        super().__init__(name, world)
        self.repeatability_g = repeatability_g
        self.unit = unit
        self.knows_unit = knows_unit
        self.zero_g = 0.0
        self.tare_g = 0.0
        self._drift_since = self.clock.now()

    def answer(self, command: str) -> str | Later | None:
        """Do `command`."""
        word, *arguments = command.split(" ")
        if word == "@":
            self.tare_g = 0.0
            return 'I4 A "B712345678"'
        if word in ("S", "T", "Z") and not arguments:
            do = {"S": self._weigh, "T": self._tare, "Z": self._zero}[word]
            return self._when_stable(word, do, self.clock.now() + STABILITY_TIMEOUT_S)
        if word in ("SI", "TI", "ZI") and not arguments:
            return {"SI": self._weigh, "TI": self._tare, "ZI": self._zero}[word](word)
        if word == "TA":
            return self._preset_tare(arguments)
        if word == "TAC":
            self.tare_g = 0.0
            return "TAC A"
        if word == "M21" and self.knows_unit:
            return self._set_unit(arguments)
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

    def _is_stable(self) -> bool:
        return bool(self.clock.now() - self.world.pan_changed_s >= SETTLE_S)

    def _when_stable(self, word: str, do: Callable[[str], str], until_s: float) -> str | Later:
        """The reply of `do` when the weight is stable; after `until_s`, that it did not become so."""
        gross_g, now = self._gross_g(), self.clock.now()
        if self._is_stable() or gross_g > CAPACITY_G:
            return do(word)
        if now >= until_s:
            return f"{word} I"
        at_s = min(until_s, self.world.pan_changed_s + SETTLE_S)
        return Later(max(at_s, now + 1e-3), lambda: self._when_stable(word, do, until_s))

    def _weigh(self, word: str) -> str:
        gross_g = self._gross_g()
        if gross_g > CAPACITY_G:
            return "S +"
        stable = self._is_stable()
        noise_g = self.rng.gauss(0, self.repeatability_g if stable else 20 * self.repeatability_g)
        return f"S {'S' if stable else 'D'} {self._in_unit(gross_g - self.zero_g - self.tare_g + noise_g)}"

    def _tare(self, word: str) -> str:
        gross_g = self._gross_g()
        if gross_g > CAPACITY_G or gross_g < self.zero_g:
            return f"{word} {'+' if gross_g > CAPACITY_G else '-'}"
        self.tare_g = gross_g - self.zero_g
        return f"{word} {'S' if self._is_stable() else 'D'} {self._in_unit(self.tare_g)}"

    def _preset_tare(self, arguments: list[str]) -> str:
        """TA asks for the tare, ``TA 5.0 g`` sets it; only in the unit that is set."""
        name, per_g, _ = UNITS[self.unit]
        if arguments:
            try:
                value, unit = float(arguments[0]), arguments[1:]
            except ValueError:
                return "TA L"
            if unit != [name] or not 0 <= value / per_g <= CAPACITY_G:
                return "TA L"
            self.tare_g = value / per_g
        return f"TA A {self._in_unit(self.tare_g)}"

    def _zero(self, word: str) -> str:
        gross_g = self._gross_g()
        if abs(gross_g) > ZERO_RANGE_G:
            return f"{word} {'+' if gross_g > 0 else '-'}"
        self.zero_g, self.tare_g = gross_g, 0.0
        return "Z A" if word == "Z" else f"ZI {'S' if self._is_stable() else 'D'}"

    def _set_unit(self, arguments: list[str]) -> str:
        if not arguments:
            return f"M21 A 0 {self.unit}"
        if len(arguments) != 2 or arguments[0] != "0" or not arguments[1].isdigit() or int(arguments[1]) not in UNITS:
            return "M21 L"
        self.unit = int(arguments[1])
        return "M21 A"

    def _in_unit(self, grams: float) -> str:
        name, per_g, decimals = UNITS[self.unit]
        return f"{grams * per_g:10.{decimals}f} {name}"
