"""Base of simulated instruments: bytes in, bytes out, physics advanced only when somebody looks."""

from __future__ import annotations

import logging
import random
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from labwright.clock import LabClock
from labwright.model.errors import ConfigError, unknown
from labwright.simulation.faults import WIRE_FAULTS, Fault, WireFaults

_log = logging.getLogger(__name__)


class World:
    """What the instruments of one lab share: matter, heat, places.

    Args:
        clock: the lab clock.
        seed: of everything random in the lab.
    """

    def __init__(self, clock: LabClock, seed: int) -> None:
        self.clock = clock
        self.seed = seed

    def truth(self, parameters: Mapping[str, float]) -> float | None:
        """The true objective at `parameters`, which only a simulation can know; None if this one does not."""
        return None

    def best_possible(self, fixed: Mapping[str, float]) -> tuple[dict[str, float], float] | None:
        """Where the true optimum is, and its value, the parameters in `fixed` given; None if not known."""
        return None

    def made(self) -> list[dict[str, float]] | None:
        """The true parameters of every finished sample, in their order; None if not known."""
        return None

    def rng(self, name: str) -> random.Random:
        """Random numbers of their own for `name`, so that one instrument's draws do not shift another's."""
        return random.Random(f"{self.seed}:{name}")  # noqa: S311 - noise, not secrets


class Simulated:
    """What all simulated instruments share, whatever wire they are on.

    Args:
        name: as in the lab.
        world: what it acts on.
    """

    wire_kinds: ClassVar[Sequence[str]] = WIRE_FAULTS
    """Faults its wire can have."""

    physical_faults: ClassVar[Sequence[str]] = ()
    """Faults of the instrument itself, by name; while one is on, `flags` holds its value."""

    def __init__(self, name: str, world: Any) -> None:
        self.name = name
        self.world = world
        self.clock: LabClock = world.clock
        self.rng: random.Random = world.rng(name)
        self.wire_faults = WireFaults(world.rng(f"{name}:wire"))
        self.flags: dict[str, float] = {}
        self.unknown: Counter[str] = Counter()
        """Commands nobody understood: the best sign that simulator and driver disagree."""

    def power_cycle(self) -> None:
        """Forget what a real one forgets when its power is cut and returns."""

    def add_fault(self, fault: Fault) -> None:
        """Put `fault` on this instrument.

        Raises:
            ConfigError: it knows no such fault.
        """
        if fault.kind == "power_cycle":
            self.power_cycle()
        elif fault.kind in self.wire_kinds:
            self.wire_faults.add(fault)
        elif fault.kind in self.physical_faults:
            self.flags[fault.kind] = fault.value
        else:
            raise ConfigError(f"{self.name}: {unknown('fault', fault.kind, self.faults())}")

    def clear_faults(self) -> None:
        """Take all faults off."""
        self.wire_faults.clear()
        self.flags.clear()

    def faults(self) -> list[str]:
        """The kinds of fault it knows."""
        return [*self.wire_kinds, *self.physical_faults, "power_cycle"]

    def not_understood(self, command: str) -> None:
        """Count a command this instrument does not know."""
        self.unknown[command] += 1


class SimInstrument(Simulated):
    """A simulated instrument on a wire that carries text commands.

    Args:
        name: as in the lab.
        world: what it acts on.

    Subclasses override `answer`, and where an instrument frames its messages otherwise, `split` and `encode`.
    """

    send_end: ClassVar[bytes] = b"\r\n"
    """What ends a reply."""

    receive_end: ClassVar[bytes] = b"\n"
    """What ends a command."""

    def __init__(self, name: str, world: Any) -> None:
        super().__init__(name, world)
        self.commands: Counter[str] = Counter()
        self.broken = ""
        """The first mistake of the simulator itself: where, and what."""

    @classmethod
    def split(cls, buffer: bytes) -> tuple[str, int] | None:
        """The first whole command in `buffer` and the bytes it took; None while it is incomplete."""
        end = buffer.find(cls.receive_end)
        if end < 0:
            return None
        return buffer[:end].decode("latin-1").strip("\r\n "), end + len(cls.receive_end)

    def encode(self, reply: str) -> bytes:
        """The bytes that carry `reply`."""
        return reply.encode("latin-1") + self.send_end

    def answer(self, command: str) -> str | None:
        """Do `command`; the reply's text, or None to stay silent (not for me, or no reply to this command)."""
        raise NotImplementedError

    def handle(self, command: str) -> bytes | None:
        """Do `command`; the reply's bytes, or None to stay silent."""
        self.commands[command.split(" ")[0]] += 1
        try:
            reply = self.answer(command)
        except Exception as error:  # noqa: BLE001 - a simulator is somebody's code; its mistake is told once, in words
            if not self.broken:
                where = traceback.extract_tb(error.__traceback__)[-1]
                self.broken = f"{where.filename}:{where.lineno}: {type(error).__name__}: {error}"
                _log.error("SIMULATED %s fails at %r and is silent: %s", self.name, command, self.broken)
            return None
        return None if reply is None else self.encode(reply)
