"""Mettler Toledo balance that speaks MT-SICS (XS, XPR, WXS and others), on RS-232.

Sources: MT-SICS reference manual 11781363 (APW), commands @, I2, I4, M21, S, SI, Z, ZI, T; the independent client
of PyLabRobot quotes the same manual. One source says the reply to SI starts with S; replies are read by both.
Give its port a time-out of 2 s: ORNL's EPICS support, tried on an ML4002E, "often didn't get a reply within 1 s".

The unit is the balance's own, and stays as the last user has set it. It is set by M21, which many balances do not know;
what counts is the unit that stands beside each weight.
"""

from __future__ import annotations

import re
from typing import Any

from ophyd import Component
from ophyd.status import Status

from labwright.hardware import Act, LabDevice, Lines, Reading
from labwright.model.errors import AlarmError, BadReplyError, DeviceError

POLL_S = 0.5
STABLE_TIMEOUT_S = 30.0

_WEIGHT = re.compile(r"SI? ([SD]) (?=.{10} \S+$) *(-?\d+\.?\d*) (\S+)")
"""The value is right-aligned in ten characters; counted, a lost digit shows."""

OTHER_UNITS = (
    "kg",
    "mg",
    "ug",
    "ct",
    "N",
    "lb",
    "oz",
    "ozt",
    "GN",
    "dwt",
    "mom",
    "msg",
    "tlh",
    "tls",
    "tlt",
    "PCS",
    "%",
)
"""Units a weight can have that is not in grams; anything else is a damaged reply."""

_ERRORS = {
    "ES": "syntax error, the balance did not recognise the command (or it came damaged)",
    "ET": "transmission error, the balance received damaged bytes",
    "EL": "logical error, the balance cannot execute the command",
}


class Balance(LabDevice):
    """Triggering it waits for a stable weight and keeps it in `mass`.

    Args:
        device: name, port, clock and limits, as for every device.
    """

    framing = Lines(send="\r\n", receive="\r\n")

    mass = Component(Reading, unit="g", precision=4)

    def connect(self) -> None:
        """Reset to the state after switching on, and weigh in grams.

        Raises:
            DeviceError: no MT-SICS balance answers, or it weighs in another unit that cannot be changed.
        """
        self.command("@", self._expect("I4 A"), repeatable=True)
        if not self.command("M21 0 0", self._unit_was_set, repeatable=True):
            self.query("SI", self._in_grams)

    def trigger(self) -> Status:
        """Begin to weigh; ends when the weight is stable."""
        return self.act(self.weigh, timeout_s=STABLE_TIMEOUT_S)

    def weigh(self, act: Act) -> None:
        """Wait for a stable weight, asked for with SI, so that the line never waits for the pan.

        Raises:
            AlarmError: overload, underload, or the balance's own error.
        """
        for _ in act.poll(POLL_S):
            stable, grams = self.query("SI", self._weight)
            if stable:
                self.mass.hold(grams)
                return

    def _weight(self, text: str) -> tuple[bool, float]:
        self._check(text)
        match = _WEIGHT.fullmatch(text)
        if match is None or (match[3] != "g" and match[3] not in OTHER_UNITS):
            raise BadReplyError(f"{text!r} is no weight")
        if match[3] != "g":
            raise DeviceError(
                f"{self.name}: it weighs in {match[3]}, not in g ({text!r}); set its unit to g, at the balance if it "
                "does not know the command M21"
            )
        return match[1] == "S", float(match[2])

    def _unit_was_set(self, text: str) -> bool:
        """Whether M21 set the unit; False if this balance does not know it, or its unit cannot be changed."""
        if text in ("ES", "EL", "M21 I", "M21 L"):
            return False
        self._check(text)
        if text != "M21 A":
            raise BadReplyError(f"{text!r} is no reply to M21")
        return True

    def _in_grams(self, text: str) -> bool:
        """Whether it is seen that the weight is in grams; a pan that is overloaded or busy shows no unit."""
        if text in ("S +", "SI +", "S -", "SI -", "S I", "SI I"):
            return False
        self._weight(text)
        return True

    def _expect(self, start: str) -> Any:
        def parse(text: str) -> str:
            self._check(text)
            if not text.startswith(start):
                raise BadReplyError(f"{text!r} does not begin with {start!r}")
            return text

        return parse

    def _check(self, text: str) -> None:
        if text in ("S +", "SI +"):
            raise AlarmError(f"{self.name}: overload, take something off the pan")
        if text in ("S -", "SI -"):
            raise AlarmError(f"{self.name}: underload, the pan is missing or lifted")
        if text in ("ES", "ET", "S I", "SI I"):
            # A damaged command, or the balance busy with another: the port asks again.
            raise BadReplyError(_ERRORS.get(text, "the balance is busy"))
        if text in _ERRORS:
            raise DeviceError(f"{self.name}: {_ERRORS[text]}")
        if text.startswith("S S Error"):
            raise AlarmError(f"{self.name}: balance error {text.removeprefix('S S Error').strip()}")
