"""Base of simulated instruments: bytes in, bytes out, physics advanced only when a command comes."""

from __future__ import annotations

import logging
import random
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from labwright.clock import LabClock
from labwright.lab.classes import place_of
from labwright.model.errors import ConfigError, unknown
from labwright.simulation.faults import WIRE_FAULTS, Fault, WireFaults
from labwright.simulation.kept import EffectsLog, KeptState

_log = logging.getLogger(__name__)


class World:
    """What the instruments of one lab share: matter, heat, places.

    Args:
        clock: the lab clock.
        seed: of everything random in the lab.
        scatter: whether anything scatters; without, what is done twice comes out the same twice.
    """

    def __init__(self, clock: LabClock, seed: int, *, scatter: bool = True) -> None:
        self.clock = clock
        self.seed = seed
        self.scatter = scatter

    def truth(self, parameters: Mapping[str, Any]) -> float | None:
        """The true objective at `parameters`, as a protocol gets them, which only a simulation can know; else None."""
        return None

    def best_possible(self, fixed: Mapping[str, Any]) -> tuple[dict[str, Any], float] | None:
        """Where the true optimum is, and its value, the parameters in `fixed` given; None if not known."""
        return None

    def made(self) -> list[dict[str, float]] | None:
        """The true parameters of every finished sample, in their order; None if not known."""
        return None

    def kept(self) -> dict[str, Any] | None:
        """Matter, places and heat as JSON, for a simulation that is started again; None if it is not stored.

        The lab time it holds for belongs under ``lab_time_s``.
        """
        return None

    def restore(self, kept: dict[str, Any]) -> None:
        """Continue from what `kept` returned, after a power cut: matter is where it was, no machine runs."""

    def rng(self, name: str) -> random.Random:
        """Random numbers of their own for `name`, so that one instrument's draws do not shift another's."""
        kind = random.Random if self.scatter else _Steady
        return kind(f"{self.seed}:{name}")


class _Steady(random.Random):
    """Random numbers, but what scatters around a mean is the mean."""

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """The mean."""
        return mu


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

    keeps: ClassVar[tuple[str, ...]] = ()
    """Attributes, in JSON, that the real instrument keeps without power."""

    def __init__(self, name: str, world: Any) -> None:
        self.name = name
        self.world = world
        self.clock: LabClock = world.clock
        self.rng: random.Random = world.rng(name)
        self.wire_faults = WireFaults(world.rng(f"{name}:wire"))
        self.flags: dict[str, float] = {}
        self.commands: Counter[str] = Counter()
        """How often each command came, by its first word."""
        self.unknown: Counter[str] = Counter()
        """Commands that were not understood: the best sign that simulator and driver disagree."""
        self.broken = ""
        """The first mistake of the simulator itself: where, and what."""
        self._log: EffectsLog | None = None
        self._state: KeptState | None = None

    def attach(self, log: EffectsLog | None, state: KeptState | None) -> None:
        """Log effects and store state from now on; what was stored before is restored, as after a power cut."""
        self._log, self._state = log, state
        kept = state.read(self.name) if state is not None else None
        if kept is not None:
            for attribute in self.keeps:
                if attribute in kept:
                    setattr(self, attribute, kept[attribute])
            self.restored()
        self.keep()

    def effect(self, kind: str, **data: Any) -> None:
        """Something physical happens now; it is on the disk before the instrument answers."""
        if self._log is not None:
            self._log.write({"device": self.name, "effect": kind, "lab_time_s": self.clock.now(), **data})

    def keep(self) -> bool:
        """Store what outlasts a power cut, if it has changed; returns whether it had."""
        if self._state is None or not self.keeps:
            return False
        return self._state.write(self.name, {attribute: getattr(self, attribute) for attribute in self.keeps})

    def restored(self) -> None:
        """Stored attributes have their values again; override to bring the others into line."""

    def advance(self) -> None:
        """Let the instrument's own physics run up to now; called now and then while state is stored."""

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

    def failed(self, error: Exception, doing: str) -> None:
        """The simulator itself made a mistake: it is reported once, with its place, and the instrument is silent."""
        if self.broken:
            return
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = place_of(error) or f"{frame.filename}:{frame.lineno}: "
        self.broken = f"{place}{type(error).__name__}: {error}"
        _log.error("SIMULATED %s fails %s and is silent: %s", self.name, doing, self.broken)

    @classmethod
    def mistakes(cls) -> list[str]:
        """What is wrong with the simulator itself, as far as its class shows it."""
        found = [
            f"{name} is {value!r}; write a list of names, as in {name} = ({value!r},)"
            for name, value in (("physical_faults", cls.physical_faults), ("keeps", cls.keeps))
            if isinstance(value, str)
        ]
        return found


@dataclass(frozen=True)
class Later:
    """A reply that comes only when something has happened; until then the instrument takes no other command.

    Attributes:
        at_s: lab time at which `reply` is called.
        reply: the reply's text, None for silence, or that it takes longer still.

    On a stepped clock, which waits for a driver that waits for a reply, lab time stands still meanwhile.
    """

    at_s: float
    reply: Callable[[], str | Later | None]


class SimInstrument(Simulated):
    """A simulated instrument on a wire that carries text commands.

    Args:
        name: as in the lab.
        world: what it acts on.

    Subclasses override `answer`, and where an instrument frames its messages otherwise, `split` and `encode`.
    """

    send_end: ClassVar[bytes | str] = b"\r\n"
    """What ends a reply; bytes, or text of which each character is a byte."""

    receive_end: ClassVar[bytes | str] = b"\n"
    """What ends a command; as `send_end`."""

    drop_after_s: ClassVar[float | None] = None
    """Wall seconds of silence after which an incomplete command is dropped; None if the instrument waits for ever."""

    @classmethod
    def split(cls, buffer: bytes) -> tuple[str, int] | None:
        """The first whole command in `buffer` and the bytes it took; None while it is incomplete."""
        ending = _bytes(cls.receive_end)
        end = buffer.find(ending)
        if end < 0:
            return None
        return buffer[:end].decode("latin-1").strip("\r\n "), end + len(ending)

    def encode(self, reply: str) -> bytes:
        """The bytes that carry `reply`."""
        return reply.encode("latin-1") + _bytes(self.send_end)

    @classmethod
    def mistakes(cls) -> list[str]:
        """What is wrong with the simulator itself, as far as its class shows it."""
        found = super().mistakes()
        for name, value in (("send_end", cls.send_end), ("receive_end", cls.receive_end)):
            if not isinstance(value, (bytes, str)) or not value:
                found.append(f'{name} is {value!r}; write the line end as text or bytes, as in {name} = "\\r\\n"')
        if cls.answer is SimInstrument.answer and cls.handle is SimInstrument.handle:
            found.append("it has no answer(command) that gives its replies")
        return found

    def answer(self, command: str) -> str | Later | None:
        """Do `command`; the reply's text, None to stay silent (not for me, or no reply to this command), or `Later`."""
        raise NotImplementedError

    def handle(self, command: str) -> bytes | Later | None:
        """Do `command`; the reply's bytes, None to stay silent, or `Later`."""
        self.commands[command.split(" ")[0]] += 1
        return self._replied(command, lambda: self.answer(command))

    def finish(self, command: str, later: Later) -> bytes | Later | None:
        """What `command` is answered now that its time has come; as `handle`."""
        return self._replied(command, later.reply)

    def _replied(self, command: str, reply: Callable[[], str | Later | None]) -> bytes | Later | None:
        try:
            text = reply()
            return text if text is None or isinstance(text, Later) else self.encode(text)
        except Exception as error:  # noqa: BLE001 - a simulator is its author's code; its mistake is reported once, in words
            self.failed(error, f"at {command!r}")
            return None


def _bytes(ending: bytes | str) -> bytes:
    return ending.encode("latin-1") if isinstance(ending, str) else ending
