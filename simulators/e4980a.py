"""Simulated Keysight E4980A: SCPI as in the user's guide, measuring the world's cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from labwright.simulation import SimInstrument

POINT_S = {"SHOR": 0.02, "MED": 0.1, "LONG": 0.25}

NO_DATA = "+9.90000E+37,+9.90000E+37,-1,+0"


class LcrMeter(SimInstrument):
    """An LCR meter clamped to `world.impedance(frequency_hz) -> complex`.

    Args:
        name: as in the lab.
        world: a plant with `impedance`.
        noise: relative standard deviation of a point.
    """

    send_end = b"\n"
    physical_faults: ClassVar[Sequence[str]] = ("open_cable",)

    def __init__(self, name: str, world: Any, *, noise: float = 5e-4) -> None:
        super().__init__(name, world)
        self.noise = noise
        self.errors: list[str] = []
        self.settings: dict[str, str] = {
            "VOLT": "1",
            "APER": "MED,1",
            "FREQ": "1000",
            "FUNC:IMP": "CPD",
            "LIST:FREQ": "1000",
            "TRIG:SOUR": "INT",
        }
        self.page = "MEAS"
        self.done = self.clock.now()
        self.data = ""

    def answer(self, command: str) -> str | None:
        """Do each unit of `command`; the replies of its queries joined by semicolons."""
        replies = [reply for unit in command.split(";") if (reply := self._unit(unit.strip())) is not None]
        return ";".join(replies) if replies else None

    def power_cycle(self) -> None:
        """Back to its defaults."""
        log, state = self._log, self._state
        self.__init__(self.name, self.world, noise=self.noise)  # type: ignore[misc]  # a restart is a new instrument
        self._log, self._state = log, state

    def _unit(self, unit: str) -> str | None:
        head, _, argument = unit.lstrip(":").partition(" ")
        word = _short(head)
        if word == "*IDN?":
            return "Keysight Technologies,E4980A,MY46200000,A.07.00"
        if word in ("*CLS", "*RST"):
            self.errors.clear()
        elif word == "*OPC?":
            return "1"
        elif word == "SYST:ERR?":
            return self.errors.pop(0) if self.errors else '+0,"No error"'
        elif word == "STAT:OPER:COND?":
            return f"+{24 if self.clock.now() < self.done else 0}"
        elif word in ("FETC?", "FETC:IMP?", "FETC:IMP:FORM?"):
            return self._fetch()
        elif word in ("TRIG", "TRIG:IMM", "*TRG"):
            self._measure()
        elif word == "ABOR":
            self.done, self.data = self.clock.now(), ""
        elif word == "DISP:PAGE":
            self.page = argument.upper()
        elif word.endswith("?") and word[:-1] in self.settings:
            return self.settings[word[:-1]]
        elif word in ("FORM", "INIT:CONT", "FUNC:IMP:RANG:AUTO", "LIST:MODE"):
            pass
        elif word in self.settings:
            self.settings[word] = argument
        else:
            self.not_understood(unit)
            self.errors.append('-113,"Undefined header"')
        return None

    def _frequencies(self) -> list[float]:
        text = self.settings["LIST:FREQ"] if self.page == "LIST" else self.settings["FREQ"]
        return [float(one) for one in text.split(",")]

    def _measure(self) -> None:
        frequencies = self._frequencies()
        self.effect("sweep", points=len(frequencies))
        # A point at a low frequency takes at least some periods.
        aperture_s = POINT_S[self.settings["APER"].split(",")[0].upper()[:4].replace("SHORT", "SHOR")]
        self.done = self.clock.now() + sum(max(aperture_s, 6 / one) for one in frequencies)
        self.data = ",".join(self._point(one) for one in frequencies)

    def _point(self, frequency_hz: float) -> str:
        if "open_cable" in self.flags:
            return "+9.90000E+37,+9.90000E+37,+1,+0"
        z = self.world.impedance(frequency_hz)
        size = abs(z) * self.noise
        r, x = z.real + self.rng.gauss(0, size), z.imag + self.rng.gauss(0, size)
        if self.settings["FUNC:IMP"].upper() != "RX":
            r, x = -1 / (2 * 3.141592653589793 * frequency_hz * x), abs(r / x)  # capacitance and dissipation
        return f"{r:+.5E},{x:+.5E},+0,+0"

    def _fetch(self) -> str:
        if not self.data and self.settings["TRIG:SOUR"].upper() == "INT":
            self._measure()
            self.done = self.clock.now()
        if self.clock.now() < self.done or not self.data:
            return NO_DATA
        return self.data if self.page == "LIST" else self.data.rsplit(",", 1)[0]


def _short(head: str) -> str:
    """The short form of a header: FREQuency:CW -> FREQ, optional nodes left out."""
    nodes = []
    for node in head.upper().rstrip("?").split(":"):
        short = {"SHORT": "SHOR"}.get(node, node if len(node) <= 4 else node[: 3 if node[3] in "AEIOU" else 4])
        if short in ("CW", "LEV", "TYPE"):
            continue
        nodes.append(short if not node.startswith("*") else node)
    return ":".join(nodes) + ("?" if head.endswith("?") else "")
