"""The simulated heater, and the room it stands in."""

from __future__ import annotations

import math
from typing import Any

from labwright.clock import LabClock
from labwright.simulation import SimInstrument, World

TIME_CONSTANT_S = 60.0


class Room(World):
    """A room with one heater in it."""

    def __init__(self, clock: LabClock, seed: int, *, celsius: float) -> None:
        super().__init__(clock, seed)
        self.room = self.celsius = self.target = celsius
        self._updated = clock.now()

    def advance(self) -> None:
        """Let the heater follow its target."""
        now = self.clock.now()
        self.celsius += (self.target - self.celsius) * -math.expm1(-(now - self._updated) / TIME_CONSTANT_S)
        self._updated = now


class Heater(SimInstrument):
    """Answers like the real one."""

    def __init__(self, name: str, world: Any) -> None:
        super().__init__(name, world)

    def answer(self, command: str) -> str | None:
        """Do `command`."""
        self.world.advance()
        word, _, value = command.partition(" ")
        if word == "ID?":
            return "HEATER 1.0"
        if word == "T?":
            return f"{self.world.celsius:.2f}"
        if word == "G?":
            glow = math.exp(-(((self.world.celsius - 62.0) / 20.0) ** 2))
            return f"{glow + self.rng.gauss(0, 0.005):.4f}"
        if word == "SP":
            if float(value) != self.world.target:
                self.effect("heat", celsius=float(value))  # the log that tests count: what happens, when it happens
            self.world.target = float(value)
        elif word == "OFF":
            self.world.target = self.world.room
        else:
            self.not_understood(command)
            return "ERR"
        return "OK"
