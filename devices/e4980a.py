"""Keysight E4980A precision LCR meter over VISA (LAN socket).

Sources: E4980A user's guide, chapter "Remote control" (operation status register, table 8-2: bit 3 list sweep, bit 4
measuring) and "SCPI commands" (LIST subsystem, FETCh data format); PyMeasure 0.16 `AgilentE4980` uses the same list
sweep commands. Quick reference of the SCPI commands there: AMPLitude:ALC, BIAS, CORRection, FUNCtion:DEV, TRIGger.

What another user, or a person at its screen, has set changes the numbers without a word: a bias, a correction or a
cable length of another fixture, deviations in place of values. All that is set, and read back before each sweep.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from ophyd import Component
from ophyd.status import Status

from labwright.hardware import Act, LabDevice, Lines, Reading
from labwright.model.errors import AlarmError, BadReplyError, CommunicationError, DeviceError

MAX_POINTS = 201
LOW_HZ, HIGH_HZ = 20.0, 2e6
SWEEPING, MEASURING = 8, 16
TRIGGER = ":TRIG:IMM;:STAT:OPER:COND?"
POLL_S = 1.0
SWEEP_TIMEOUT_S = 300.0

CABLES_M = (0, 1, 2, 4)
CORRECTIONS = ("OPEN", "SHOR", "LOAD")

READ_BACK = (
    ":FUNC:IMP", ":FUNC:DEV1:MODE", ":FUNC:DEV2:MODE", ":AMPL:ALC", ":VOLT", ":BIAS:STAT", ":CORR:LENG",
    *(f":CORR:{one}:STAT" for one in CORRECTIONS), ":APER", ":LIST:FREQ",
)  # fmt: skip
"""Settings that change the numbers and nothing else."""

OPTIONAL = (
    ":TRIG:DEL",
    ":FUNC:DEV1:MODE",
    ":FUNC:DEV2:MODE",
    ":AMPL:ALC",
    ":BIAS:STAT",
    ":CORR:LENG",
    ":CORR:LOAD:STAT",
)
"""Settings that not every firmware has."""

UNDEFINED_HEADER = "-113"

STATUS = {-1: "no data in the buffer", 1: "overload", 3: "signal source overloaded", 4: "ALC cannot hold the level"}

_DATA, _FLAG = re.compile(r"[+-]\d\.\d{5}E[+-]\d\d"), re.compile(r"[+-]\d")
"""The fixed ASCII form of FETCh; held to it, a lost digit shows."""

_ERROR = re.compile(r'([+-]?\d+),".*"')


class LcrMeter(LabDevice):
    """Triggering it sweeps impedance over `frequencies` and keeps R and X of each point.

    Args:
        frequencies_hz: the points of the sweep, 2 to 201 of them, 20 Hz to 2 MHz.
        voltage_v: test signal level.
        aperture: measurement time of a point, ``SHOR``, ``MED`` or ``LONG``.
        cable_m: length of the cables to the cell, which the instrument corrects: 0, 1, 2 or 4 m.
        corrections: which of ``OPEN``, ``SHOR`` and ``LOAD`` were measured with this fixture, and are used.
        device: name, port, clock and limits, as for every device.
    """

    framing = Lines(send="\n", receive="\n")

    frequency = Component(Reading, unit="Hz", precision=1, kind="normal", value=np.zeros(0))
    resistance = Component(Reading, unit="Ohm", precision=4, value=np.zeros(0), kind="normal")
    reactance = Component(Reading, unit="Ohm", precision=4, value=np.zeros(0), kind="normal")

    def __init__(
        self,
        *,
        frequencies_hz: list[float],
        voltage_v: float = 0.05,
        aperture: str = "MED",
        cable_m: int = 0,
        corrections: Sequence[str] = (),
        **device: Any,
    ) -> None:
        super().__init__(**device)
        frequencies = [float(f"{one:.6E}") for one in frequencies_hz]  # as the instrument will hold them
        if not 2 <= len(frequencies) <= MAX_POINTS:
            raise DeviceError(f"{self.name}: a sweep has 2 to {MAX_POINTS} points, not {len(frequencies)}")
        if not all(LOW_HZ <= one <= HIGH_HZ for one in frequencies):
            raise DeviceError(f"{self.name}: frequencies go from {LOW_HZ:g} to {HIGH_HZ:g} Hz, not {frequencies}")
        if not 0 < voltage_v <= 2.0:
            raise DeviceError(f"{self.name}: test level {voltage_v:g} V is outside 0 to 2 V")
        if aperture not in ("SHOR", "MED", "LONG"):
            raise DeviceError(f"{self.name}: aperture {aperture!r} is none of SHOR, MED, LONG")
        if cable_m not in CABLES_M:
            raise DeviceError(f"{self.name}: cable_m is one of {CABLES_M}, not {cable_m}")
        if strange := sorted(set(corrections) - set(CORRECTIONS)):
            raise DeviceError(f"{self.name}: corrections are of {', '.join(CORRECTIONS)}, not {', '.join(strange)}")
        self._settings = {
            ":FORM": "ASC",
            ":TRIG:SOUR": "BUS",
            ":TRIG:DEL": "0",
            ":INIT:CONT": "1",
            ":FUNC:IMP": "RX",
            ":FUNC:DEV1:MODE": "OFF",
            ":FUNC:DEV2:MODE": "OFF",
            ":FUNC:IMP:RANG:AUTO": "1",
            ":AMPL:ALC": "0",
            ":VOLT": f"{voltage_v:g}",
            ":BIAS:STAT": "0",
            ":CORR:LENG": f"{cable_m}",
            **{f":CORR:{one}:STAT": f"{int(one in corrections)}" for one in CORRECTIONS},
            ":APER": f"{aperture},1",
            ":DISP:PAGE": "LIST",
            ":LIST:MODE": "SEQ",
            ":LIST:FREQ": ",".join(f"{one:.6E}" for one in frequencies),
        }
        self._frequencies = frequencies
        self.frequency.hold(np.asarray(frequencies))
        for signal in (self.resistance, self.reactance):
            signal.hold(np.full(len(frequencies), np.nan))

    def connect(self) -> None:
        """Set up an R-X list sweep that waits for a bus trigger.

        Raises:
            DeviceError: it is no E4980A, or it refuses a setting.
        """
        self.identify("*IDN?", lambda identity: "E4980" in identity, "a Keysight E4980A")
        self.set_up("*CLS")
        self._set_all()

    def _set_all(self) -> None:
        for setting, value in list(self._settings.items()):
            error = self._sent(f"{setting} {value}")
            if setting in OPTIONAL and error.startswith(UNDEFINED_HEADER):
                del self._settings[setting]  # a setting it does not have cannot be wrong
            elif error:
                raise DeviceError(f"{self.name}: {setting + ' ' + value!r} refused: {error}")
        if wrong := self._differs():
            raise DeviceError(f"{self.name}: it does not take its settings: {wrong}")

    def _differs(self) -> str:
        """What the instrument has set otherwise, in words; empty if all is as it should be."""
        wrong = []
        for setting in READ_BACK:
            if setting not in self._settings:
                continue
            found, wanted = self.query(f"{setting}?", _setting), self._settings[setting]
            if not _same(found, wanted):
                wrong.append(f"{setting} is {found}, not {wanted}")
        return "; ".join(wrong)

    def set_up(self, setting: str) -> None:
        """Send a setting and ask for the error queue in one line, so that nothing is refused in silence.

        Raises:
            DeviceError: the instrument's own words.
        """
        if error := self._sent(setting):
            raise DeviceError(f"{self.name}: {setting!r} refused: {error}")

    def _sent(self, setting: str) -> str:
        """Send a setting; what the instrument has against it."""
        return self.command(f"{setting};:SYST:ERR?", _error, repeatable=True)

    def trigger(self) -> Status:
        """Begin a sweep."""
        return self.act(self.sweep, timeout_s=SWEEP_TIMEOUT_S)

    def sweep(self, act: Act) -> None:
        """Measure all points once; the status register is polled, because FETCh would block the line.

        Raises:
            AlarmError: a point without valid data (overload, level not held).
            DeviceError: it does not keep its settings.
        """
        if self._differs():  # another user changed them meanwhile
            self._set_all()
        try:
            self.command(TRIGGER, _integer)
        except CommunicationError:
            # The reply is lost, not necessarily the trigger: the status shows it. Sweeping again would do no harm.
            if not self.query(":STAT:OPER:COND?", _integer) & (SWEEPING | MEASURING):
                self.command(TRIGGER, _integer)
        for _ in act.poll(POLL_S):
            if not self.query(":STAT:OPER:COND?", _integer) & (SWEEPING | MEASURING):
                break
        values = self.query(":FETC?", self._points)
        self.resistance.hold(values[:, 0].copy())
        self.reactance.hold(values[:, 1].copy())

    def halt(self) -> None:
        """End the sweep."""
        self.command(":ABOR;:SYST:ERR?", _error, urgent=True, repeatable=True)

    def _points(self, text: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        parts = text.split(",")
        if len(parts) != 4 * len(self._frequencies):
            raise BadReplyError(f"{len(parts)} numbers where 4 for each of {len(self._frequencies)} points belong")
        for number, part in enumerate(parts):
            if (_DATA if number % 4 < 2 else _FLAG).fullmatch(part) is None:
                raise BadReplyError(f"{part!r}, number {number + 1} of the sweep, is not of the instrument's form")
        points = np.array(parts, dtype=float).reshape(-1, 4)
        for frequency, (r, x, status, _) in zip(self._frequencies, points, strict=True):
            if status != 0 or not np.isfinite([r, x]).all() or abs(r) > 1e37:
                why = STATUS.get(int(status), f"status {status:g}")
                raise AlarmError(f"{self.name}: no valid impedance at {frequency:g} Hz: {why}")
        return points


def _setting(text: str) -> str:
    """A setting as the instrument has it: a word, a number, or several with commas."""
    if re.fullmatch(r"[+-]?[\w.]+(?:E[+-]?\d+)?(?:,[+-]?[\w.]+(?:E[+-]?\d+)?)*", text.strip(), re.IGNORECASE) is None:
        raise BadReplyError(f"{text!r} is no setting")
    return text.strip()


def _same(found: str, wanted: str) -> bool:
    """Whether two settings are the same, however their numbers are written."""
    here, there = found.upper().split(","), wanted.upper().split(",")
    return len(here) == len(there) and all(_same_part(a, b) for a, b in zip(here, there, strict=True))


def _same_part(found: str, wanted: str) -> bool:
    try:
        return math.isclose(float(found), float(wanted), rel_tol=1e-5, abs_tol=1e-9)
    except ValueError:
        return found == wanted or (len(wanted) > 2 and found.startswith(wanted))  # the long form of a word


def _integer(text: str) -> int:
    if not text.lstrip("+-").isdigit():
        raise BadReplyError(f"{text!r} is no whole number")
    return int(text)


def _error(text: str) -> str:
    match = _ERROR.fullmatch(text)
    if match is None:
        raise BadReplyError(f"{text!r} is no entry of an error queue")
    return "" if int(match[1]) == 0 else text
