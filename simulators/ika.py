"""Simulated IKA hotplate stirrer; NAMUR commands of the RCT digital manual, page 28."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from labwright.simulation import SimInstrument


class Hotplate(SimInstrument):
    """A hotplate that heats `world.plate`.

    Args:
        name: as in the lab.
        world: a plant with `thermal` (see simulators/thermal.py).
    """

    send_end = b" \r\n"
    physical_faults: ClassVar[Sequence[str]] = ("heater_open", "over_temperature")
    keeps = ("speed_target",)  # the temperature's set-point is in the world's kept heat

    def __init__(self, name: str, world: Any) -> None:
        super().__init__(name, world)
        self.safety_celsius = 200.0
        self.speed_target = 0.0
        self.watchdog_s = 0.0
        self.heard = self.clock.now()
        self.error = 0

    def answer(self, command: str) -> str | None:
        """Do `command`."""
        self._guard()
        self.heard = self.clock.now()
        thermal = self.world.thermal
        word, _, argument = command.partition(" ")
        readings: dict[str, Callable[[], float]] = {
            "IN_PV_1": lambda: thermal.block_celsius + self.rng.gauss(0, 0.02),
            "IN_PV_2": lambda: self._plate_celsius() + self.rng.gauss(0, 0.05),
            "IN_PV_4": lambda: thermal.rpm,
            "IN_PV_5": lambda: 0.0,
            "IN_SP_1": lambda: thermal.target_celsius,
            "IN_SP_3": lambda: self.safety_celsius,
            "IN_SP_4": lambda: self.speed_target,
        }
        if word == "IN_NAME":
            return "RCT digital"
        if word in readings:
            digits = 2 if word == "IN_PV_1" else 1
            return f"{readings[word]():.{digits}f} {word[-1]}"
        if word.startswith("OUT_WD1@"):
            self.watchdog_s = float(word[8:])
            return f"{word[8:]} 1"
        if word.startswith("OUT_WD2@"):
            self.watchdog_s = 0.0
            return f"{word[8:]} 2"
        before = (thermal.heating and thermal.target_celsius, thermal.rpm)
        if word == "OUT_SP_1":
            thermal.target_celsius = min(max(float(argument), 0.0), 310.0)
        elif word == "OUT_SP_4":
            self.speed_target = min(max(float(argument), 0.0), 1500.0)
            if thermal.rpm:
                self.world.stir(self.speed_target)
        elif word in ("START_1", "STOP_1"):
            thermal.heating = word == "START_1" and not self.error
        elif word in ("START_4", "STOP_4"):
            self.world.stir(self.speed_target if word == "START_4" and not self.error else 0.0)
        elif word == "RESET":
            self.error = 0
        elif not word.startswith("SET_MODE_"):
            self.not_understood(command)
        if thermal.heating and thermal.target_celsius != before[0]:
            self.effect("heat", celsius=thermal.target_celsius)
        if thermal.rpm and thermal.rpm != before[1]:
            self.effect("stir", rpm=thermal.rpm)
        return None

    def advance(self) -> None:
        """The watchdog and the safety circuit act by themselves."""
        self._guard()

    def power_cycle(self) -> None:
        """Everything off; the set-points are kept."""
        self.world.advance()
        self.world.thermal.heating = False
        self.world.stir(0.0)
        self.watchdog_s = 0.0

    def _guard(self) -> None:
        """The watchdog and the safety circuit, at the time they act and not when somebody looks."""
        now, thermal = self.clock.now(), self.world.thermal
        thermal.heater_open = "heater_open" in self.flags
        if self.watchdog_s and now > self.heard + self.watchdog_s:
            self.world.advance(self.heard + self.watchdog_s)
            thermal.heating = False
            self.world.stir(0.0)
            self.watchdog_s, self.error = 0.0, 2
        self.world.advance(now)
        if self._plate_celsius() > self.safety_celsius:
            thermal.heating, self.error = False, 25

    def _plate_celsius(self) -> float:
        """What the plate's own sensor feels; under the fault, five degrees more than its safety circuit allows."""
        return self.safety_celsius + 5.0 if "over_temperature" in self.flags else self.world.thermal.plate_celsius
