"""A simulated dispenser that says OK and nothing else."""

from __future__ import annotations

from typing import Any

from labwright.simulation import SimInstrument

UL_PER_S = 50.0


class Dispenser(SimInstrument):
    """``D 50.0`` dispenses, ``X`` stops."""

    def __init__(self, name: str, world: Any) -> None:
        super().__init__(name, world)
        self.left_ul = 0.0
        self.updated = self.clock.now()
        world.sources.append(self.advance)  # nobody asks a dumb dispenser when it is done

    def answer(self, command: str) -> str | None:
        """Do `command`."""
        self.advance()
        word, _, value = command.partition(" ")
        if word == "D":
            self.left_ul = float(value)
            self.effect("squirt", volume_ul=self.left_ul)
        elif word == "X":
            self.left_ul = 0.0
        elif word != "HELLO":
            self.not_understood(command)
        return "OK"

    def advance(self) -> None:
        """Let out what has come out since."""
        now = self.clock.now()
        moved = min(self.left_ul, (now - self.updated) * UL_PER_S)
        self.updated = now
        if moved > 0:
            self.left_ul -= moved
            self.world.pour(self.name, moved)

    def power_cycle(self) -> None:
        """It stands."""
        self.advance()
        self.left_ul = 0.0
