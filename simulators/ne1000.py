"""Simulated NE-1000 syringe pump: basic and safe mode, as the manual (publ. 1200-01, section 10) has it."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

from labwright.simulation import SimInstrument

STX, ETX = 0x02, 0x03

RATE_UNITS_ML_PER_S = {"UM": 1e-3 / 60, "MM": 1 / 60, "UH": 1e-3 / 3600, "MH": 1 / 3600}

MAX_SPEED_CM_PER_MIN = 5.1005
MIN_SPEED_CM_PER_MIN = 0.004205 / 60


class PumpPlant(Protocol):
    """What a pump needs of its world."""

    def pump(self, name: str, volume_ml: float) -> bool:
        """Move liquid out of (positive) or into (negative) the syringe; False if the line is blocked."""


class SyringePump(SimInstrument):
    """An NE-1000 on a multi-drop line.

    Args:
        name: as in the lab.
        world: a plant with `pump`.
        address: its number on the line.
        gain_error: relative error of the delivered volume that stays the same (syringe, drive).
        scatter: relative standard deviation of each delivery.
    """

    physical_faults: ClassVar[Sequence[str]] = ("stall",)
    keeps = ("counters",)

    def __init__(
        self, name: str, world: Any, *, address: int, gain_error: float | None = None, scatter: float = 0.004
    ) -> None:
        super().__init__(name, world)
        self.address = address
        self.gain = 1 + (self.rng.gauss(0, 0.01) if gain_error is None else gain_error)
        self.scatter = scatter
        self.diameter_mm = 26.59
        self.rate = (1.0, "MM")
        self.direction = 1
        self.volume_ml = 0.0
        self.volume_unit: str | None = None
        self.dispensed = {1: 0.0, -1: 0.0}
        """Millilitres counted since cleared, by direction; kept over a power cut, as the real one keeps them."""
        self.status = "S"
        self.alarm = "R"
        self.safe_timeout_s = 0
        self.left_ml = 0.0
        self.updated = self.heard = self.clock.now()
        self._delivery = 1.0

    @property
    def counters(self) -> dict[str, float]:
        """What is counted, as JSON."""
        return {"INF": self.dispensed[1], "WDR": self.dispensed[-1]}

    @counters.setter
    def counters(self, kept: dict[str, float]) -> None:
        self.dispensed = {1: kept["INF"], -1: kept["WDR"]}

    @classmethod
    def split(cls, buffer: bytes) -> tuple[str, int] | None:
        """A safe mode packet or a basic command, told apart by the first byte."""
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
        text = command.lstrip("\x02\x03").replace(" ", "").upper()
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
        """Back to basic mode, stopped, with the alarm of a reset; the counters are kept."""
        self.advance()
        self.status, self.alarm, self.safe_timeout_s = "S", "R", 0

    def _reply(self, data: str) -> str:
        return f"{self.address:02d}{self.status}{data}"

    def _do(self, text: str) -> str:
        if not text:
            return ""
        name, argument = text[:3], text[3:]
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
        if self.status in "IW":
            return "?NA"
        value = _parse(argument)
        if value is None or not 0.1 <= value <= 50:
            return "?OOR"
        self.diameter_mm = value
        return ""

    def _do_rat(self, argument: str) -> str:
        if not argument:
            return _number(self.rate[0]) + self.rate[1]
        value, unit = (
            (_parse(argument[:-2]), argument[-2:])
            if argument[-2:] in RATE_UNITS_ML_PER_S
            else (
                _parse(argument),
                self.rate[1],
            )
        )
        area_cm2 = 3.141592653589793 * (self.diameter_mm / 20) ** 2
        if value is None:
            return "?"
        speed_cm_per_min = value * RATE_UNITS_ML_PER_S[unit] * 60 / area_cm2
        if not MIN_SPEED_CM_PER_MIN <= speed_cm_per_min <= MAX_SPEED_CM_PER_MIN:
            return "?OOR"
        self.rate = (value, unit)
        return ""

    def _do_vol(self, argument: str) -> str:
        unit = self.volume_unit or ("UL" if self.diameter_mm <= 14.0 else "ML")
        if argument in ("UL", "ML"):
            self.volume_unit = argument
            return ""
        if not argument:
            return _number(self.volume_ml * (1000 if unit == "UL" else 1)) + unit
        value = _parse(argument)
        if value is None or value < 0:
            return "?OOR"
        if self.status in "IW":
            return "?NA"
        self.volume_ml = value / (1000 if unit == "UL" else 1)
        return ""

    def _do_dir(self, argument: str) -> str:
        if not argument:
            return "INF" if self.direction > 0 else "WDR"
        if argument == "REV":
            self.direction = -self.direction
        elif argument in ("INF", "WDR"):
            self.direction = 1 if argument == "INF" else -1
        else:
            return "?OOR"
        return ""

    def _do_run(self, argument: str) -> str:
        if self.status in "IW":
            return "?NA"
        if self.status != "P" or not self.left_ml:
            self.left_ml = self.volume_ml or float("inf")  # volume 0 means continuous
            volume_ul = round(self.volume_ml * 1000, 6) or None
            self.effect("run", volume_ul=volume_ul, direction="INF" if self.direction > 0 else "WDR")
        self._delivery = self.gain * (1 + self.rng.gauss(0, self.scatter))
        self.status = "I" if self.direction > 0 else "W"
        return ""

    def _do_stp(self, argument: str) -> str:
        if self.status in "IW":
            self.status = "P"
        elif self.status == "P":
            self.status, self.left_ml = "S", 0.0
        else:
            return "?NA"
        return ""

    def _do_dis(self, argument: str) -> str:
        unit = self.volume_unit or ("UL" if self.diameter_mm <= 14.0 else "ML")
        factor = 1000 if unit == "UL" else 1
        return f"I{_number(self.dispensed[1] * factor)}W{_number(self.dispensed[-1] * factor)}{unit}"

    def _do_cld(self, argument: str) -> str:
        if self.status in "IW":
            return "?NA"
        if argument not in ("INF", "WDR"):
            return "?OOR"
        self.dispensed[1 if argument == "INF" else -1] = 0.0
        return ""

    def advance(self) -> None:
        """Move what the motor has moved since somebody last looked."""
        now = self.clock.now()
        pumping = self.status in "IW"
        until = min(now, self.heard + self.safe_timeout_s) if self.safe_timeout_s else now
        if pumping:
            rate_ml_per_s = self.rate[0] * RATE_UNITS_ML_PER_S[self.rate[1]]
            moved = min(self.left_ml, max(0.0, until - self.updated) * rate_ml_per_s)
            # Relative to left_ml, so that rounding of the time cannot leave a billionth of a drop.
            done = self.left_ml - moved <= 1e-9
            flows = "stall" not in self.flags and self.world.pump(self.name, self.direction * moved * self._delivery)
            if not flows:
                self.status, self.alarm, self.left_ml = "S", "S", 0.0
            else:
                self.dispensed[self.direction] += moved
                self.left_ml = 0.0 if done else self.left_ml - moved
                if done:
                    self.status = "S"
        if self.safe_timeout_s and now > self.heard + self.safe_timeout_s and not self.alarm:
            self.alarm = "T"
            if self.status in "IW":
                self.status, self.left_ml = "S", 0.0
        self.updated = now


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
