"""Simulated NE-1000 syringe pump: basic and safe mode, as the manual (publ. 1200-01, section 10) has it."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

from labwright.simulation import SimInstrument

STX, ETX = 0x02, 0x03

PHASES = 41
"""Program phases in the pump's memory."""

FUNCTIONS = ("RAT", "STP", "PAS", "JMP", "LPS", "LOP")
"""Phase functions this simulator carries out; of the pump's others it answers that they are out of range."""

RUNNING = "IWT"
"""Status letters of a program that is under way: infusing, withdrawing, in a timed pause."""

RATE_UNITS_ML_PER_S = {"UM": 1e-3 / 60, "MM": 1 / 60, "UH": 1e-3 / 3600, "MH": 1 / 3600}

MAX_SPEED_CM_PER_MIN = 5.1005
MIN_SPEED_CM_PER_MIN = 0.004205 / 60


class PumpPlant(Protocol):
    """What a pump needs of its world."""

    def pump(self, name: str, volume_ml: float) -> bool:
        """Move liquid out of (positive) or into (negative) the syringe; False if the line is blocked."""


@dataclass
class Phase:
    """A phase of the pumping program.

    Attributes:
        function: what it does, one of `FUNCTIONS`.
        number: of seconds (PAS), of the next phase (JMP) or of repetitions (LOP).
        rate: value of the pumping rate.
        rate_unit: UM, MM, UH or MH.
        volume_ml: to be pumped; 0 is without end.
        direction: 1 infuses, -1 withdraws.
    """

    function: str = "STP"
    number: int = 0
    rate: float = 1.0
    rate_unit: str = "MM"
    volume_ml: float = 0.0
    direction: int = 1


class SyringePump(SimInstrument):
    """An NE-1000 on a multi-drop line, with a pumping program of 41 phases in memory that outlasts a power cut.

    Args:
        name: as in the lab.
        world: a plant with `pump`.
        address: its number on the line.
        gain_error: relative error of the delivered volume that stays the same (syringe, drive).
        scatter: relative standard deviation of each delivery.
        memory: what another user has left in it, as `memory` has it.
    """

    physical_faults: ClassVar[Sequence[str]] = ("stall",)
    keeps = ("counters", "memory")
    drop_after_s = 0.5  # manual, page 34: an incomplete packet is dropped half a second after its last byte

    def __init__(
        self,
        name: str,
        world: Any,
        *,
        address: int,
        gain_error: float | None = None,
        scatter: float = 0.004,
        memory: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(name, world)
        self.address = address
        self.gain = 1 + (self.rng.gauss(0, 0.01) if gain_error is None else gain_error)
        self.scatter = scatter
        self.diameter_mm = 26.59
        self.volume_unit: str | None = None
        self.power_failure = 0
        """1: a program that a power cut interrupts starts again by itself when power returns."""
        self.phases = {1: Phase("RAT")}
        """Those that were ever set; all others stop."""
        self.selected = 1
        if memory is not None:
            self.memory = memory
        self.dispensed = {1: 0.0, -1: 0.0}
        """Millilitres counted since cleared, by direction; they outlast a power cut, as in the real one."""
        self.status = "S"
        self.alarm = "R"
        self.safe_timeout_s = 0
        self.left_ml = 0.0
        self.left_s = 0.0
        self.running = 1
        """The phase that is carried out."""
        self._loops: dict[int, int] = {}
        self._loop_start = 1
        self.updated = self.heard = self.clock.now()
        self._delivery = 1.0

    @property
    def memory(self) -> dict[str, Any]:
        """The non-volatile memory, as JSON: `diameter_mm`, `volume_unit`, `power_failure`, `selected`, `phases`."""
        return {
            "diameter_mm": self.diameter_mm,
            "volume_unit": self.volume_unit,
            "power_failure": self.power_failure,
            "selected": self.selected,
            "phases": {str(number): asdict(phase) for number, phase in self.phases.items()},
        }

    @memory.setter
    def memory(self, left: dict[str, Any]) -> None:
        self.diameter_mm = left.get("diameter_mm", self.diameter_mm)
        self.volume_unit = left.get("volume_unit", self.volume_unit)
        self.power_failure = left.get("power_failure", self.power_failure)
        self.selected = left.get("selected", self.selected)
        for number, phase in left.get("phases", {}).items():
            self.phases[int(number)] = Phase(**phase)

    @property
    def phase(self) -> Phase:
        """The selected phase; rate, volume, direction and function are set and reported of it alone."""
        return self.phases.setdefault(self.selected, Phase())

    @property
    def counters(self) -> dict[str, float]:
        """What is counted, as JSON."""
        return {"INF": self.dispensed[1], "WDR": self.dispensed[-1]}

    @counters.setter
    def counters(self, kept: dict[str, float]) -> None:
        self.dispensed = {1: kept["INF"], -1: kept["WDR"]}

    @classmethod
    def split(cls, buffer: bytes) -> tuple[str, int] | None:
        """A safe mode packet or a basic command; the first byte shows which."""
        if not buffer:
            return None
        if buffer[0] == STX:
            if len(buffer) < 2 or len(buffer) < buffer[1] + 1:
                return None
            length = buffer[1]
            data = buffer[2 : length - 2]
            good = length >= 4 and buffer[length - 2 : length] == binascii.crc_hqx(data, 0).to_bytes(2, "big")
            return ("\x02" if good else "\x03") + data.decode("latin-1"), max(length, 1) + 1
        end = buffer.find(b"\r")
        return None if end < 0 else (buffer[:end].decode("latin-1"), end + 1)

    def encode(self, reply: str) -> bytes:
        """The reply in the mode the pump is in."""
        data = reply.encode("latin-1")
        if self.safe_timeout_s:
            return bytes([STX, len(data) + 4]) + data + binascii.crc_hqx(data, 0).to_bytes(2, "big") + bytes([ETX])
        return bytes([STX]) + data + bytes([ETX])

    def answer(self, command: str) -> str | None:
        """Do `command` if it carries this pump's address (none means 0)."""
        damaged, safe = command.startswith("\x03"), command.startswith("\x02")
        # "Stripped of all space and control characters, and converted to upper case" (manual, page 33).
        text = "".join(one for one in command if one.isprintable() and one != " ").upper()
        digits = len(text) - len(text.lstrip("0123456789"))
        if int(text[: min(digits, 2)] or 0) != self.address:
            return None
        text = text[min(digits, 2) :]
        if self.safe_timeout_s and not safe and not damaged:
            return None  # in safe mode a basic command is noise
        self.advance()
        if damaged:
            return self._reply("?COM")
        self.heard = self.clock.now()
        if self.alarm:
            alarm, self.alarm = self.alarm, ""
            if not text.startswith("SAF"):
                return f"{self.address:02d}A?{alarm}"
        return self._reply(self._do(text))

    def power_cycle(self) -> None:
        """Back to basic mode, stopped, with the alarm of a reset; the memory and the counters stay."""
        self.advance()
        interrupted = self.status in "IWT"
        self.status, self.alarm, self.safe_timeout_s = "S", "R", 0
        if interrupted and self.power_failure:
            self._begin(1)

    def _reply(self, data: str) -> str:
        return f"{self.address:02d}{self.status}{data}"

    def _do(self, text: str) -> str:
        if not text:
            return ""
        letters = len(text) - len(text.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        length = min(letters, 3)  # PF has two letters, all others three
        name, argument = text[:length], text[length:]
        action: Callable[[str], str] | None = getattr(self, f"_do_{name.lower()}", None)
        if action is None:
            self.not_understood(text)
            return "?"
        return action(argument)

    def _do_ver(self, argument: str) -> str:
        return "NE1000V3.923"

    def _do_saf(self, argument: str) -> str:
        if not argument:
            return f"{self.safe_timeout_s}"
        if not argument.isdigit() or int(argument) > 255:
            return "?OOR"
        self.safe_timeout_s = int(argument)
        return ""

    def _do_dia(self, argument: str) -> str:
        if not argument:
            return _number(self.diameter_mm)
        if self.status in RUNNING:
            return "?NA"
        value = _parse(argument)
        if value is None or not 0.1 <= value <= 50:
            return "?OOR"
        self.diameter_mm = value
        return ""

    def _do_phn(self, argument: str) -> str:
        if not argument:
            return str(self.selected)
        if not argument.isdigit() or not 1 <= int(argument) <= PHASES:
            return "?OOR"
        self.selected = int(argument)
        return ""

    def _do_fun(self, argument: str) -> str:
        phase = self.phase
        if not argument:
            return phase.function + (f"{phase.number:02d}" if phase.function in ("PAS", "JMP", "LOP") else "")
        if self.status in RUNNING:
            return "?NA"
        function, number = argument[:3], argument[3:]
        if function not in FUNCTIONS:
            self.not_understood(f"FUN{argument}")
            return "?OOR"
        if function in ("PAS", "JMP", "LOP") and not number.isdigit():
            return "?OOR"
        phase.function, phase.number = function, int(number or 0)
        return ""

    def _do_pf(self, argument: str) -> str:
        if not argument:
            return str(self.power_failure)
        if argument not in ("0", "1"):
            return "?OOR"
        self.power_failure = int(argument)
        return ""

    def _do_rat(self, argument: str) -> str:
        phase = self.phase
        if phase.function != "RAT":
            return "?NA"
        if not argument:
            return _number(phase.rate) + phase.rate_unit
        with_unit = argument[-2:] in RATE_UNITS_ML_PER_S
        value = _parse(argument[:-2] if with_unit else argument)
        unit = argument[-2:] if with_unit else phase.rate_unit
        area_cm2 = 3.141592653589793 * (self.diameter_mm / 20) ** 2
        if value is None:
            return "?"
        speed_cm_per_min = value * RATE_UNITS_ML_PER_S[unit] * 60 / area_cm2
        if not MIN_SPEED_CM_PER_MIN <= speed_cm_per_min <= MAX_SPEED_CM_PER_MIN:
            return "?OOR"
        phase.rate, phase.rate_unit = value, unit
        return ""

    def _do_vol(self, argument: str) -> str:
        phase, unit = self.phase, self._volume_unit()
        if argument in ("UL", "ML"):
            self.volume_unit = argument
            return ""
        if phase.function != "RAT":
            return "?NA"
        if not argument:
            return _number(phase.volume_ml * (1000 if unit == "UL" else 1)) + unit
        value = _parse(argument)
        if value is None or value < 0:
            return "?OOR"
        if self.status in "IW":
            return "?NA"
        phase.volume_ml = value / (1000 if unit == "UL" else 1)
        return ""

    def _do_dir(self, argument: str) -> str:
        phase = self.phase
        if phase.function != "RAT":
            return "?NA"
        if not argument:
            return "INF" if phase.direction > 0 else "WDR"
        if argument == "REV":
            phase.direction = -phase.direction
        elif argument in ("INF", "WDR"):
            phase.direction = 1 if argument == "INF" else -1
        else:
            return "?OOR"
        return ""

    def _do_run(self, argument: str) -> str:
        if self.status in RUNNING:
            return "?NA"
        if argument and not (argument.isdigit() and 1 <= int(argument) <= PHASES):
            return "?OOR"
        self._delivery = self.gain * (1 + self.rng.gauss(0, self.scatter))
        if self.status == "P" and (self.left_ml or self.left_s):
            self.status = self._status_of(self.phases[self.running])
        else:
            self._begin(int(argument or 1))
        return ""

    def _do_stp(self, argument: str) -> str:
        if self.status in RUNNING:
            self.status = "P"
        elif self.status == "P":
            self._end()
        else:
            return "?NA"
        return ""

    def _do_dis(self, argument: str) -> str:
        unit = self._volume_unit()
        factor = 1000 if unit == "UL" else 1
        return f"I{_number(self.dispensed[1] * factor)}W{_number(self.dispensed[-1] * factor)}{unit}"

    def _do_cld(self, argument: str) -> str:
        if self.status in RUNNING:
            return "?NA"
        if argument not in ("INF", "WDR"):
            return "?OOR"
        self.dispensed[1 if argument == "INF" else -1] = 0.0
        return ""

    def advance(self) -> None:
        """Carry out what the program has done since the last look."""
        now = self.clock.now()
        until = min(now, self.heard + self.safe_timeout_s) if self.safe_timeout_s else now
        while self.status in RUNNING and self.updated < until:
            if self.status == "T":
                self._pause(until)
            else:
                self._pump(until)
        if self.safe_timeout_s and now > self.heard + self.safe_timeout_s and not self.alarm:
            self.alarm = "T"
            if self.status in RUNNING:
                self._end()
        self.updated = now

    def _pump(self, until: float) -> None:
        phase = self.phases[self.running]
        rate_ml_per_s = phase.rate * RATE_UNITS_ML_PER_S[phase.rate_unit]
        moved = min(self.left_ml, (until - self.updated) * rate_ml_per_s)
        # Relative to left_ml, so that rounding of the time cannot leave a billionth of a drop.
        done = self.left_ml - moved <= 1e-9
        if "stall" in self.flags or not self.world.pump(self.name, phase.direction * moved * self._delivery):
            self.alarm = "S"
            self._end()
            return
        self.dispensed[phase.direction] += moved
        self.left_ml = 0.0 if done else self.left_ml - moved
        self.updated = min(until, self.updated + moved / rate_ml_per_s) if done else until
        if done:
            self._begin(self.running + 1)

    def _pause(self, until: float) -> None:
        passed = min(self.left_s, until - self.updated)
        self.left_s -= passed
        self.updated += passed
        if self.left_s <= 0:
            self._begin(self.running + 1)

    def _begin(self, number: int) -> None:
        """Start phase `number`, or what it leads to, until one takes time or the program ends."""
        for _ in range(1000):  # a program that only jumps would never come to an end
            phase = self.phases.get(number, Phase())
            if number > PHASES or phase.function == "STP":
                break
            self.running = number
            if phase.function == "RAT":
                self.left_ml = phase.volume_ml or float("inf")  # volume 0 means continuous
                volume_ul = round(phase.volume_ml * 1000, 6) or None
                self.effect("run", volume_ul=volume_ul, direction="INF" if phase.direction > 0 else "WDR")
                self.status = self._status_of(phase)
                return
            if phase.function == "PAS" and phase.number:
                self.left_s, self.status = float(phase.number), "T"
                return
            if phase.function == "LPS":
                self._loop_start = number
            elif phase.function == "LOP":
                self._loops[number] = self._loops.get(number, 0) + 1
                if self._loops[number] < phase.number:
                    number = self._loop_start
                    continue
                del self._loops[number]
            number = phase.number if phase.function == "JMP" else number + 1
        self._end()

    def _end(self) -> None:
        self.status, self.left_ml, self.left_s = "S", 0.0, 0.0
        self._loops.clear()
        self._loop_start = 1

    @staticmethod
    def _status_of(phase: Phase) -> str:
        return "T" if phase.function == "PAS" else "I" if phase.direction > 0 else "W"

    def _volume_unit(self) -> str:
        return self.volume_unit or ("UL" if self.diameter_mm <= 14.0 else "ML")


def _number(value: float) -> str:
    for decimals in (3, 2, 1):
        text = f"{value:.{decimals}f}"
        if len(text) <= 5:
            return text
    return f"{value:.0f}."


def _parse(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
