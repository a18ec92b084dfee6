"""Simulated VICI universal actuator with a multi-position valve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from labwright.simulation import SimInstrument

STEP_S = 0.3
"""Seconds from one position to the next."""


class SelectorValve(SimInstrument):
    """A valve whose common outlet the world reads in `world.valve_position`.

    Args:
        name: as in the lab.
        world: a plant with the attribute `valve_position`.
        positions: how many it has.
        mode: 3 for many positions; another user can have set it to 1 or 2.
    """

    send_end = b"\r"
    receive_end = b"\r"
    physical_faults: ClassVar[Sequence[str]] = ("stuck",)
    keeps = ("position", "interface_mode", "mode")

    def __init__(self, name: str, world: Any, *, positions: int, mode: int = 3) -> None:
        super().__init__(name, world)
        self.positions = positions
        self.mode = mode
        self.interface_mode = 1
        self.target = 1
        self.arrives = self.clock.now()
        world.valve_position = 1

    @property
    def position(self) -> int:
        """Where it stands; 0 between two ports, where everything is blocked."""
        return int(self.world.valve_position)

    @position.setter
    def position(self, position: int) -> None:
        self.world.valve_position = position

    def restored(self) -> None:
        """A turn that a power cut ended is not resumed."""
        self.target = self.position

    def answer(self, command: str) -> str | None:
        """Do `command`."""
        self.advance()
        text = command.upper().replace(" ", "")
        name, argument = text[:2], text[2:]
        if name == "CP":
            return f"CP{self.world.valve_position:02d}"
        if name == "NP":
            return self._count(argument)
        if name == "AM":
            return self._actuator_mode(argument)
        if name == "VR":
            return "I-PD-EUTA88RX"
        if text.startswith("IFM") and argument[1:].isdigit():
            self.interface_mode = int(argument[1:])
            return None
        if name in ("GO", "CW", "CC") and (not argument or argument.isdigit()):
            return self._go(name, argument)
        self.not_understood(command)
        return "Bad command"

    def power_cycle(self) -> None:
        """The valve itself holds its position; the actuator's memory holds its modes."""

    def _count(self, argument: str) -> str | None:
        if not argument:
            return f"NP{self.positions:02d}"
        if not argument.isdigit() or not 2 <= int(argument) <= 40:
            return f"NP{argument} = Bad command"
        self.positions = int(argument)
        return None

    def _actuator_mode(self, argument: str) -> str | None:
        if not argument:
            return f"AM{self.mode}"
        if argument not in ("1", "2", "3"):
            return f"AM{argument} = Bad command"
        self.mode = int(argument)
        return None

    def _go(self, name: str, argument: str) -> str | None:
        here = self.world.valve_position
        step = -1 if name == "CC" else 1
        target = int(argument) if argument else (here - 1 + step) % self.positions + 1
        if not 1 <= target <= self.positions:
            return f"{name}{argument} = Bad command"
        if "stuck" in self.flags or target == here:
            return None
        forward = (target - here) % self.positions
        # GO takes the shortest way, CW and CC theirs.
        steps = {"GO": min(forward, self.positions - forward), "CW": forward, "CC": self.positions - forward}[name]
        self.target = target
        self.arrives = self.clock.now() + steps * STEP_S
        self.effect("turn", position=target)
        self.world.valve_position = 0  # between two ports: everything is blocked
        return None

    def advance(self) -> None:
        """Arrive, when it is time."""
        if self.world.valve_position == 0 and self.clock.now() >= self.arrives:
            self.world.valve_position = self.target
