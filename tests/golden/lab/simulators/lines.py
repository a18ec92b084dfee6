"""Simulated instruments that speak lines."""

from __future__ import annotations

from typing import Any

from labwright.simulation import SimInstrument

UL_PER_S = 100.0
MOVE_S = 0.5


class Instrument(SimInstrument):
    """What they share."""

    send_end = b"\n"

    def answer(self, command: str) -> str | None:
        """Do `command`."""
        self.advance()
        word, _, value = command.partition(" ")
        if word == "ID?":
            return type(self).__name__.upper()
        if word == "STATE?":
            return self.state()
        if word == "STOP":
            self.stop()
            return "OK"
        reply = self.do(word, value)
        if reply is None:
            self.not_understood(command)
        return reply or "ERR"

    def state(self) -> str:
        """stands, runs or stalled."""
        return "stands"

    def stop(self) -> None:
        """At once."""

    def do(self, word: str, value: str) -> str | None:
        """The instrument's own commands; None if it does not know it."""
        raise NotImplementedError


class Pump(Instrument):
    """``SET 100`` clears the counter, ``RUN`` gives, ``COUNT?``; under the fault it stalls after so much."""

    physical_faults = ("stall",)
    keeps = ("wanted_ul", "count_ul", "stalled")

    def __init__(self, name: str, world: Any, *, ink: str) -> None:
        super().__init__(name, world)
        self.ink = ink
        self.wanted_ul = self.count_ul = self.left_ul = 0.0
        self.stalled = False
        self.updated = self.clock.now()
        world.sources.append(self.advance)

    def do(self, word: str, value: str) -> str | None:
        """Set, run, count."""
        if word == "SET":
            self.wanted_ul, self.count_ul, self.left_ul, self.stalled = float(value), 0.0, 0.0, False
        elif word == "RUN":
            self.left_ul = self.wanted_ul
            self.effect("give", volume_ul=self.wanted_ul)
        elif word == "COUNT?":
            return f"{self.count_ul:.2f}"
        else:
            return None
        return "OK"

    def state(self) -> str:
        """As its motor is."""
        return "stalled" if self.stalled else "runs" if self.left_ul > 0 else "stands"

    def stop(self) -> None:
        """It stands."""
        self.left_ul = 0.0

    def advance(self) -> None:
        """Give what has come out since."""
        now = self.clock.now()
        moved = min(self.left_ul, (now - self.updated) * UL_PER_S)
        self.updated = now
        if moved > 0 and "stall" in self.flags and self.count_ul + moved >= self.flags["stall"]:
            moved, self.stalled = max(0.0, self.flags["stall"] - self.count_ul), True
        self.left_ul = 0.0 if self.stalled else self.left_ul - moved
        self.count_ul += moved
        if moved > 0:
            self.world.pour(self.ink, moved, "bench")

    def power_cycle(self) -> None:
        """It stands; the counter stays."""
        self.advance()
        self.left_ul = 0.0


class Arm(Instrument):
    """``GO 21``, ``AT?``, ``GRIP 1``, ``GRIP?``; under the fault it never arrives."""

    physical_faults = ("crawls",)
    keeps = ("at", "closed")

    def __init__(self, name: str, world: Any, *, locations: dict[int, str]) -> None:
        super().__init__(name, world)
        self.locations = locations
        self.at, self.closed = 24, 0
        self.arrives_s = self.clock.now()

    def do(self, word: str, value: str) -> str | None:
        """Go, grip."""
        if word == "GO":
            self.at = int(value)
            self.arrives_s = self.clock.now() + MOVE_S
        elif word == "GRIP":
            if int(value) != self.closed:
                self.closed = int(value)
                self.effect("grip", closed=self.closed, place=self.locations[self.at])
                self.world.grip(self.locations[self.at], bool(self.closed))
        elif word in ("AT?", "GRIP?"):
            return str(self.at if word == "AT?" else self.closed)
        else:
            return None
        return "OK"

    def state(self) -> str:
        """Whether it has arrived."""
        return "runs" if "crawls" in self.flags or self.clock.now() < self.arrives_s else "stands"


class Stirrer(Instrument):
    """``STIR 500``, ``RPM?``."""

    physical_faults = ("stuck",)

    def __init__(self, name: str, world: Any) -> None:
        super().__init__(name, world)
        self.rpm = 0
        self.updated = self.clock.now()
        world.sources.append(self.advance)

    def do(self, word: str, value: str) -> str | None:
        """Stir."""
        if word == "STIR":
            self.rpm = int(value)
            self.effect("stir", rpm=self.rpm)
            return "OK"
        return str(self.rpm) if word == "RPM?" else None

    def state(self) -> str:
        """Stuck or not."""
        return "stalled" if "stuck" in self.flags else "stands"

    def stop(self) -> None:
        """It stands."""
        self.advance()
        self.rpm = 0

    def advance(self) -> None:
        """Stir since then."""
        now = self.clock.now()
        if self.rpm:
            self.world.stir(now - self.updated)
        self.updated = now

    def power_cycle(self) -> None:
        """It stands."""
        self.stop()


class Meter(Instrument):
    """``LOOK?``; under the fault its lamp is out."""

    physical_faults = ("dark",)

    def do(self, word: str, value: str) -> str | None:
        """Look."""
        if word != "LOOK?":
            return None
        if "dark" in self.flags:
            return "DARK"
        self.effect("look")
        return " ".join(f"{one:.4f}" for one in self.world.look())


class Dropper(Instrument):
    """``DROP 50``; it says OK and no more."""

    def do(self, word: str, value: str) -> str | None:
        """Drop."""
        if word != "DROP":
            return None
        self.effect("drop", volume_ul=float(value))
        self.world.pour("water", float(value), "light")
        return "OK"
