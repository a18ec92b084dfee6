"""Simulated Keysight E4980A: SCPI as in the user's guide, measuring the world's cell."""

from __future__ import annotations

import cmath
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from labwright.simulation import SimInstrument

POINT_S = {"SHOR": 0.02, "MED": 0.1, "LONG": 0.25}

NO_DATA = "+9.90000E+37,+9.90000E+37,-1,+0"

DEFAULTS: dict[str, str] = {
    "AMPL:ALC": "0",
    "APER": "MED,1",
    "BIAS:STAT": "0",
    "BIAS:VOLT": "0",
    "CORR:LENG": "0",
    "CORR:LOAD:STAT": "0",
    "CORR:OPEN:STAT": "0",
    "CORR:SHOR:STAT": "0",
    "CURR": "1.00000E-02",
    "DISP:PAGE": "MEAS",
    "FORM": "ASC",
    "FREQ": "1000",
    "FUNC:DEV1:MODE": "OFF",
    "FUNC:DEV2:MODE": "OFF",
    "FUNC:IMP": "CPD",
    "FUNC:IMP:RANG": "1000",
    "FUNC:IMP:RANG:AUTO": "1",
    "INIT:CONT": "0",
    "LIST:FREQ": "1000",
    "LIST:MODE": "SEQ",
    "TRIG:DEL": "0",
    "TRIG:SOUR": "INT",
    "VOLT": "1",
}
"""Settings after a reset."""

WORDS: dict[str, tuple[str, ...]] = {
    "DISP:PAGE": ("MEAS", "BNUM", "BCO", "LIST", "MSET", "CSET", "LTAB", "LSET", "CAT", "SYST", "SELF", "MLAR"),
    "FORM": ("ASC", "REAL"),
    "FUNC:DEV1:MODE": ("ABS", "PERC", "OFF"),
    "FUNC:DEV2:MODE": ("ABS", "PERC", "OFF"),
    "LIST:MODE": ("SEQ", "STEP"),
    "TRIG:SOUR": ("INT", "HOLD", "EXT", "BUS"),
}
"""Settings that are words."""

RANGES: dict[str, tuple[float, float]] = {
    "BIAS:VOLT": (-40.0, 40.0),
    "CORR:LENG": (0.0, 4.0),
    "CURR": (0.0, 0.1),
    "FREQ": (20.0, 2e6),
    "FUNC:IMP:RANG": (0.1, 1e5),
    "LIST:FREQ": (20.0, 2e6),
    "TRIG:DEL": (0.0, 999.0),
    "VOLT": (0.0, 20.0),
}
"""Settings that are numbers, and what they may be."""

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:E[+-]?\d+)?) ?([A-Z]*)")
_SUFFIX = {"": 1.0, "HZ": 1.0, "KHZ": 1e3, "MHZ": 1e6, "V": 1.0, "MV": 1e-3, "A": 1.0, "MA": 1e-3, "S": 1.0, "M": 1.0}

Parameters = Callable[[complex, float], tuple[float, float]]


def _dissipation(z: complex) -> float:
    return abs(z.real / z.imag) if z.imag else math.inf


PRIMARY: dict[str, Callable[[complex, float], float]] = {
    "CP": lambda z, w: (1 / z).imag / w,
    "CS": lambda z, w: -1 / (w * z.imag),
    "LP": lambda z, w: -1 / (w * (1 / z).imag),
    "LS": lambda z, w: z.imag / w,
}
SECONDARY: dict[str, Callable[[complex, float], float]] = {
    "D": lambda z, w: _dissipation(z),
    "Q": lambda z, w: 1 / _dissipation(z),
    "G": lambda z, w: (1 / z).real,
    "RP": lambda z, w: 1 / (1 / z).real,
    "RS": lambda z, w: z.real,
}
FUNCTIONS: dict[str, Parameters] = {
    "RX": lambda z, w: (z.real, z.imag),
    "ZTD": lambda z, w: (abs(z), math.degrees(cmath.phase(z))),
    "ZTR": lambda z, w: (abs(z), cmath.phase(z)),
    "GB": lambda z, w: ((1 / z).real, (1 / z).imag),
    "YTD": lambda z, w: (abs(1 / z), math.degrees(cmath.phase(1 / z))),
    "YTR": lambda z, w: (abs(1 / z), cmath.phase(1 / z)),
}
"""What a measurement gives, by FUNC:IMP: of the impedance and the angular frequency."""
for _first, _seconds in (("CP", "D Q G RP"), ("CS", "D Q RS"), ("LP", "D Q G RP"), ("LS", "D Q RS")):
    for _second in _seconds.split():
        FUNCTIONS[_first + _second] = lambda z, w, one=PRIMARY[_first], two=SECONDARY[_second]: (one(z, w), two(z, w))  # type: ignore[misc]

EMPTY_REGISTERS = ("*ESR?", "*ESE?", "*STB?", "*SRE?", "*TST?")


class LcrMeter(SimInstrument):
    """An LCR meter clamped to `world.impedance(frequency_hz) -> complex`.

    Args:
        name: as in the lab.
        world: a plant with `impedance`.
        noise: relative standard deviation of a point.
        left: settings another user has left, by their short headers, as in ``{"BIAS:STAT": "1"}``.

    A bias, a correction or a cable length that does not belong to this cell makes its readings wrong.
    """

    send_end = b"\n"
    physical_faults: ClassVar[Sequence[str]] = ("open_cable",)

    def __init__(self, name: str, world: Any, *, noise: float = 5e-4, left: dict[str, str] | None = None) -> None:
        super().__init__(name, world)
        self.noise = noise
        self.errors: list[str] = []
        self.settings = {**DEFAULTS, **(left or {})}
        self.done = self.clock.now()
        self.data = ""

    def answer(self, command: str) -> str | None:
        """Do each unit of `command`; the replies of its queries joined by semicolons.

        A header without a leading colon counts from the path of the one before.
        """
        replies, path = [], ""
        for unit in command.split(";"):
            head, _, argument = unit.strip().partition(" ")
            if not head:
                continue
            if not head.startswith((":", "*")):
                head = path + head
            if not head.startswith("*"):
                path = head[: head.rfind(":") + 1] or ":"
            if (reply := self._unit(head, argument.strip())) is not None:
                replies.append(reply)
        return ";".join(replies) if replies else None

    def power_cycle(self) -> None:
        """Back to its defaults."""
        self._reset()
        self.errors.clear()

    def _reset(self) -> None:
        self.settings = dict(DEFAULTS)
        self.done, self.data = self.clock.now(), ""

    def _unit(self, head: str, argument: str) -> str | None:
        word = _short(head.lstrip(":"))
        fixed = {"*IDN?": "Keysight Technologies,E4980A,MY46200000,A.07.00", "*OPC?": "1", "*OPT?": "0"}
        if word in fixed:
            return fixed[word]
        if word in EMPTY_REGISTERS:
            return "+0"
        if word == "SYST:ERR?":
            return self.errors.pop(0) if self.errors else '+0,"No error"'
        if word == "STAT:OPER:COND?":
            return f"+{24 if self.clock.now() < self.done else 0}"
        if word in ("FETC?", "FETC:IMP?", "FETC:IMP:FORM?"):
            return self._fetch()
        if word.endswith("?") and word[:-1] in self.settings:
            return self.settings[word[:-1]]
        if word == "*RST":
            self._reset()
        elif word == "*CLS":
            self.errors.clear()
        elif word in ("TRIG", "TRIG:IMM", "*TRG"):
            self._measure()
            self.effect("sweep", points=len(self._frequencies()))
        elif word == "ABOR":
            self.done, self.data = self.clock.now(), ""
        elif word in self.settings:
            self._set(word, argument.upper())
        elif word not in ("*OPC", "*WAI", "*ESE", "*SRE"):
            self.not_understood(f"{head} {argument}".strip())
            self.errors.append('-113,"Undefined header"')
        return None

    def _set(self, word: str, argument: str) -> None:
        """Set what can be set; the rest goes into the error queue, and the old setting stays."""
        parts = argument.split(",")
        if word in RANGES:
            numbers = [_value(part) for part in parts]
            if None in numbers:
                self.errors.append('-104,"Data type error"')
            elif not all(RANGES[word][0] <= number <= RANGES[word][1] for number in numbers if number is not None):
                self.errors.append('-222,"Data out of range"')
            else:
                self.settings[word] = ",".join(f"{number:+.5E}" for number in numbers)
        elif word in WORDS or word == "FUNC:IMP":
            known = WORDS.get(word, tuple(FUNCTIONS))
            fits = [one for one in known if one == argument or (len(one) > 2 and argument.startswith(one))]
            self._keep_or_complain(word, fits[0] if fits else None)
        elif word == "APER":
            aperture, times = _short(parts[0]), parts[1] if len(parts) > 1 else "1"
            self._keep_or_complain(word, f"{aperture},{times}" if aperture in POINT_S and times.isdigit() else None)
        else:
            self._keep_or_complain(word, {"ON": "1", "1": "1", "OFF": "0", "0": "0"}.get(argument))

    def _keep_or_complain(self, word: str, value: str | None) -> None:
        if value is None:
            self.errors.append('-224,"Illegal parameter value"')
        else:
            self.settings[word] = value

    def _frequencies(self) -> list[float]:
        text = self.settings["LIST:FREQ"] if self.settings["DISP:PAGE"] == "LIST" else self.settings["FREQ"]
        return [float(one) for one in text.split(",")]

    def _measure(self) -> None:
        frequencies = self._frequencies()
        # A point at a low frequency takes at least some periods.
        aperture_s = POINT_S[self.settings["APER"].split(",")[0]]
        delay_s = float(self.settings["TRIG:DEL"])
        self.done = self.clock.now() + delay_s + sum(max(aperture_s, 6 / one) for one in frequencies)
        self.data = ",".join(self._point(one) for one in frequencies)

    def _point(self, frequency_hz: float) -> str:
        if "open_cable" in self.flags:
            return "+9.90000E+37,+9.90000E+37,+1,+0"
        z = self._as_connected(self.world.impedance(frequency_hz))
        size = abs(z) * self.noise
        z += complex(self.rng.gauss(0, size), self.rng.gauss(0, size))
        one, two = FUNCTIONS[self.settings["FUNC:IMP"]](z, 2 * math.pi * frequency_hz)
        if self.settings["FUNC:DEV1:MODE"] != "OFF":
            one = 0.0  # the deviation from a reference that is as it was left
        if self.settings["FUNC:DEV2:MODE"] != "OFF":
            two = 0.0
        return f"{one:+.5E},{two:+.5E},+0,+0"

    def _as_connected(self, z: complex) -> complex:
        """The impedance with what does not belong to this cell: a bias, another fixture's corrections and cable."""
        if self.settings["BIAS:STAT"] == "1":
            z *= 0.5  # a current flows through the electrodes
        for state in ("CORR:OPEN:STAT", "CORR:SHOR:STAT", "CORR:LOAD:STAT"):
            if self.settings[state] == "1":
                z += 3.0
        return z * (1 + 0.02 * float(self.settings["CORR:LENG"]))

    def _fetch(self) -> str:
        if self.settings["TRIG:SOUR"] == "INT":  # it measures all the time: the last measurement is of now
            self._measure()
            self.done = self.clock.now()
        if self.clock.now() < self.done or not self.data:
            return NO_DATA
        return self.data if self.settings["DISP:PAGE"] == "LIST" else self.data.rsplit(",", 1)[0]


def _value(text: str) -> float | None:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2] not in _SUFFIX:
        return None
    return float(match[1]) * _SUFFIX[match[2]]


def _short(head: str) -> str:
    """The short form of a header: FREQuency:CW -> FREQ, optional nodes left out."""
    nodes = []
    for node in head.upper().rstrip("?").split(":"):
        short = {"SHORT": "SHOR"}.get(node, node if len(node) <= 4 else node[: 3 if node[3] in "AEIOU" else 4])
        if short in ("CW", "LEV", "TYPE"):
            continue
        nodes.append(short if not node.startswith("*") else node)
    return ":".join(nodes) + ("?" if head.endswith("?") else "")
