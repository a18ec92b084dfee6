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
    """

    send_end = b"\r"
    receive_end = b"\r"
    physical_faults: ClassVar[Sequence[str]] = ("stuck",)
    keeps = ("position", "interface_mode")

    def __init__(self, name: str, world: Any, *, positions: int) -> None:
        super().__init__(name, world)
        self.positions = positions
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
        """A turn that the power cut ended is not gone on with."""
        self.target = self.position

    def answer(self, command: str) -> str | None:
        """Do `command`."""
        self.advance()
        text = command.upper().replace(" ", "")
        name, argument = text[:2], text[2:]
        if name == "CP":
            return f"CP{self.world.valve_position:02d}"
        if name == "NP" and not argument:
            return f"NP{self.positions:02d}"
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
        """The position is kept by the valve itself; the interface mode is kept in the actuator's memory."""

    def _go(self, name: str, argument: str) -> str | None:
        here = self.world.valve_position
        target = int(argument) if argument else here % self.positions + 1
        if not 1 <= target <= self.positions:
            return f"{name}{argument} = Bad command"
        if "stuck" in self.flags or target == here:
            return None
        steps = abs(target - here)
        if name == "GO":
            steps = min(steps, self.positions - steps)
        self.target = target
        self.arrives = self.clock.now() + steps * STEP_S
        self.effect("turn", position=target)
        self.world.valve_position = 0  # between two ports: everything is blocked
        return None

    def advance(self) -> None:
        """Arrive, when it is time."""
        if self.world.valve_position == 0 and self.clock.now() >= self.arrives:
            self.world.valve_position = self.target
