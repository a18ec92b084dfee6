"""Simulated IKA hotplate stirrer; NAMUR commands of the RCT digital manual, page 28."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from labwright.simulation import SimInstrument

WATCHDOG_S = (20.0, 1500.0)
"""What a watchdog can be set to."""


class Hotplate(SimInstrument):
    """A hotplate that heats `world.plate`.

    Args:
        name: as in the lab.
        world: a plant with `thermal` (see simulators/thermal.py).
    """

    send_end = b" \r\n"
    physical_faults: ClassVar[Sequence[str]] = ("heater_open", "over_temperature")
    keeps = ("speed_target",)  # the temperature's set-point is in the world's stored heat

    def __init__(self, name: str, world: Any) -> None:
        super().__init__(name, world)
        self.safety_celsius = 200.0
        self.speed_target = 0.0
        self.watchdog_s = 0.0
        self.watchdog_mode = 1
        """1 switches everything off when it trips; 2 goes to the limits below."""
        self.limit_celsius = 40.0
        self.limit_rpm = 100.0
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
        if "@" in word:
            return self._set_safety(word)
        before = (thermal.heating and thermal.target_celsius, thermal.rpm)
        value = _number(argument)
        if word == "OUT_SP_1" and value is not None:
            thermal.target_celsius = min(max(value, 0.0), 310.0)
        elif word == "OUT_SP_4" and value is not None:
            self.speed_target = min(max(value, 0.0), 1500.0)
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

    def _set_safety(self, word: str) -> str | None:
        """Watchdogs and the limits of the second; the value is repeated, what cannot be set is met with silence."""
        command, _, argument = word.partition("@")
        value = _number(argument)
        if value is None or command not in ("OUT_WD1", "OUT_WD2", "OUT_SP_12", "OUT_SP_42"):
            self.not_understood(word)
            return None
        if command == "OUT_SP_12":
            self.limit_celsius = value
            return f"{argument} 12"
        if command == "OUT_SP_42":
            self.limit_rpm = value
            return f"{argument} 42"
        mode = int(command[-1])
        if mode == 2 and value == 0:
            self.watchdog_s = 0.0
        elif WATCHDOG_S[0] <= value <= WATCHDOG_S[1]:
            self.watchdog_mode, self.watchdog_s = mode, value
        else:
            self.not_understood(word)
            return None
        return f"{argument} {mode}"

    def advance(self) -> None:
        """The watchdog and the safety circuit act by themselves."""
        self._guard()

    def power_cycle(self) -> None:
        """Everything off; the set-points stay."""
        self.world.advance()
        self.world.thermal.heating = False
        self.world.stir(0.0)
        self.watchdog_s = 0.0

    def _guard(self) -> None:
        """The watchdog and the safety circuit, at the time they act and not at the next command."""
        now, thermal = self.clock.now(), self.world.thermal
        thermal.heater_open = "heater_open" in self.flags
        if self.watchdog_s and now > self.heard + self.watchdog_s:
            self.world.advance(self.heard + self.watchdog_s)
            if self.watchdog_mode == 1:
                thermal.heating = False
                self.world.stir(0.0)
                self.error = 2
            else:
                thermal.target_celsius = min(thermal.target_celsius, self.limit_celsius)
                self.speed_target = min(self.speed_target, self.limit_rpm)
                self.world.stir(min(thermal.rpm, self.limit_rpm))
            self.watchdog_s = 0.0
        self.world.advance(now)
        if self._plate_celsius() > self.safety_celsius:
            thermal.heating, self.error = False, 25

    def _plate_celsius(self) -> float:
        """What the plate's own sensor feels; under the fault, five degrees more than its safety circuit allows."""
        return self.safety_celsius + 5.0 if "over_temperature" in self.flags else self.world.thermal.plate_celsius


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
