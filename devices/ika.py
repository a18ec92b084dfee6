"""IKA hotplate stirrer (RCT digital and its family) by the NAMUR commands, on RS-232 (7E1).

Sources: IKA plate (RCT digital) operating instructions, page 28 (NAMUR commands, watchdog functions); IKA RC 2,
page 14; the independent client `ika` 2.0. START, STOP and OUT_SP get no reply, so each is verified by reading back.
"""

from __future__ import annotations

import re
from typing import Any

from ophyd import Component

from labwright.clock import Repeating
from labwright.hardware import Act, Axis, LabDevice, Lines, Reading
from labwright.model.errors import AlarmError, BadReplyError, CommunicationError, DeviceError

PROBE, PLATE, SAFETY, SPEED = 1, 2, 3, 4
"""NAMUR channels: external probe (and set temperature), plate sensor, safety temperature, stirrer."""

JUMP = {PROBE: 2.0, PLATE: 5.0, SAFETY: 0.5, SPEED: 100.0}
"""Change of a reading, by channel, that is asked for twice before it is believed."""

WATCHDOG_S = 60
"""Heater and motor go off by themselves when nothing is heard for so long: a dead controller heats nothing."""

KEEP_ALIVE_S = 20.0
POLL_S = 5.0
BAND_CELSIUS = 0.2
SETTLE_S = 60.0
"""The probe must stay in the band for so long before the temperature counts as reached."""

OVERSHOOT_CELSIUS = 10.0
"""Further above its set-point a plate is out of control."""

TURNING_RPM = 10.0
HEAT_TIMEOUT_S = 3600.0
COLD_AFTER_S = 300.0
"""A heater that is on for so long must have warmed the probe a little, or it is open."""

_NAME = re.compile(r"RCT|RET|RC[ -]?2|C-MAG|IKA")


class Hotplate(LabDevice):
    """`temperature` heats until the external probe is steady, `speed` stirs; a watchdog guards both.

    Args:
        device: name, port, clock and limits, as for every device.
    """

    framing = Lines(send=" \r\n", receive="\n")

    temperature = Component(
        Axis, set="heat", get="probe_celsius", unit="degC", precision=2, limits=(20, 150), timeout_s=HEAT_TIMEOUT_S,
        reconcile="by_state", holds=True,
    )  # fmt: skip
    plate = Component(Reading, get="plate_celsius", unit="degC", precision=1, kind="normal")
    speed = Component(
        Axis, set="stir", get="actual_rpm", unit="rpm", precision=0, limits=(0, 1500), timeout_s=60.0, kind="normal",
        reconcile="by_state", holds=True,
    )  # fmt: skip

    def __init__(self, **device: Any) -> None:
        super().__init__(**device)
        self._beat: Repeating | None = None
        self._lost: CommunicationError | None = None
        self._may_have_tripped = False

    def connect(self) -> None:
        """Find out that it answers; what is switched on stays on, guarded by the watchdog it was given.

        Raises:
            DeviceError: no IKA device answers.
        """
        self.identify(
            "IN_NAME", lambda name: re.search(r"RCT|RET|RC[ -]?2|C-MAG|IKA", name) is not None, "an IKA hotplate"
        )
        self._may_have_tripped = True

    def probe_celsius(self) -> float:
        """Temperature of the external probe."""
        return self._value("IN_PV", PROBE)

    def plate_celsius(self) -> float:
        """Temperature of the plate."""
        return self._value("IN_PV", PLATE)

    def actual_rpm(self) -> float:
        """Speed of the stirrer."""
        return self._value("IN_PV", SPEED)

    def heat(self, act: Act, celsius: float) -> None:
        """Heat to `celsius` and hold; ends when the probe was in the band for a while.

        Raises:
            AlarmError: the plate has switched itself off, or its heater does not heat.
        """
        safety = self._value("IN_SP", SAFETY)
        if celsius > safety - 50:
            raise DeviceError(
                f"{self.name}: {celsius:g} degC needs a safety temperature of at least {celsius + 50:g} degC; the "
                f"screw on the plate is set to {safety:g} degC"
            )
        self._forget_error()
        self._set(PROBE, celsius)
        self._watch()
        self.command(f"START_{PROBE}")
        first, steady_since = self.probe_celsius(), None
        for elapsed_s in act.poll(POLL_S):
            self._raise_if_lost()
            self._raise_if_too_hot(safety)
            probe = self.probe_celsius()
            if probe > celsius + OVERSHOOT_CELSIUS and probe > first + OVERSHOOT_CELSIUS:
                raise AlarmError(f"{self.name}: set to hold {celsius:g} degC, but the probe rose to {probe:.1f} degC")
            if self._value("IN_SP", PROBE) != round(celsius, 1):
                raise AlarmError(f"{self.name}: its set-point is no longer {celsius:g} degC; the knob was turned")
            if abs(probe - celsius) > BAND_CELSIUS:
                steady_since = None
            elif steady_since is None:
                steady_since = elapsed_s
            elif elapsed_s - steady_since >= SETTLE_S:
                return
            if elapsed_s > COLD_AFTER_S and probe < first + 0.1 and probe < celsius - 2:
                raise AlarmError(
                    f"{self.name}: heater on for {elapsed_s:.0f} s, but the probe went from {first:.1f} to only "
                    f"{probe:.1f} degC (heater open, probe out of the block, or watchdog tripped)"
                )

    def stir(self, act: Act, rpm: float) -> None:
        """Stir with `rpm`; 0 stops the motor.

        Raises:
            AlarmError: the motor does not come to speed.
        """
        if rpm == 0:
            self.command(f"STOP_{SPEED}")
        else:
            self._forget_error()
            self._set(SPEED, rpm)
            self._watch()
            self.command(f"START_{SPEED}")
        for elapsed_s in act.poll(1.0):
            here = self.actual_rpm()
            if abs(here - rpm) <= max(10.0, 0.05 * rpm):
                return
            if elapsed_s > 30:
                self._raise_if_too_hot(self._value("IN_SP", SAFETY))
                raise AlarmError(f"{self.name}: set to {rpm:g} rpm, but it turns at {here:g}")

    def halt(self) -> None:
        """Heater and motor off, both are sent even if one fails; the watchdog is fed no more and does the rest."""
        self._unwatch()
        self._may_have_tripped = True  # the watchdog is not fed from now on
        failures = []
        # STOP has no answer that could be checked: each is said twice, and once more is as good as once.
        for channel in (PROBE, SPEED, PROBE, SPEED):
            try:
                self.command(f"STOP_{channel}", urgent=True, repeatable=True)
            except CommunicationError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def make_safe(self) -> None:
        """Everything off, and the watchdog asleep, so that it does not trip on a plate that rests."""
        self.stop()
        self.query("OUT_WD2@0", _echo_of(0))
        self._may_have_tripped = True  # before now; it is reset when it is switched on again

    def _forget_error(self) -> None:
        """Before it is switched on first: an error it holds, such as a watchdog that tripped, would keep it off.

        A motor that turns shows that there is none. RESET switches nothing on.
        """
        if self._may_have_tripped and self.actual_rpm() < TURNING_RPM:
            self.command("RESET", repeatable=True)
        self._may_have_tripped = False

    def _value(self, what: str, channel: int) -> float:
        def parse(text: str) -> float:
            match = re.fullmatch(rf"(-?\d+(?:\.\d+)?) {channel}", text)
            if match is None:
                raise BadReplyError(f"{text!r} is no value of channel {channel}")
            return float(match[1])

        command = f"{what}_{channel}"
        # A set-point needs no second telling: it is compared with what was sent.
        if what == "IN_PV" or channel == SAFETY:
            return self.query_steady(command, parse, JUMP[channel])
        return self.query(command, parse)

    def _set(self, channel: int, value: float) -> None:
        self.command(f"OUT_SP_{channel} {value:.1f}", repeatable=True)
        found = self._value("IN_SP", channel)
        if found != round(value, 1):
            raise DeviceError(f"{self.name}: channel {channel} was set to {value:.1f}, but reads {found:g}")

    def _watch(self) -> None:
        """Arm the watchdog, and feed it from now on."""
        self._feed()
        self._raise_if_lost()
        if self._beat is None:
            self._beat = self.clock.every(KEEP_ALIVE_S, self._feed, f"{self.name} watchdog")

    def _feed(self) -> None:
        try:
            self.query(f"OUT_WD1@{WATCHDOG_S}", _echo_of(WATCHDOG_S))
            self._lost = None
        except CommunicationError as error:
            # The plate switches itself off now; the act that waits for it must report why.
            self._lost = error

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise AlarmError(f"{self.name}: its watchdog could not be fed, so it switches itself off") from self._lost

    def _raise_if_too_hot(self, safety_celsius: float) -> None:
        plate = self.plate_celsius()
        if plate >= safety_celsius:
            raise AlarmError(
                f"{self.name}: over-temperature: the plate is at {plate:.0f} degC, and its safety circuit has switched "
                f"it off at {safety_celsius:.0f} degC; find out why before it is switched on again"
            )

    def _unwatch(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None


def _echo_of(seconds: int) -> Any:
    """Reads the echo of a watchdog command, which has the seconds in it: noise must not pass for a watchdog."""

    def parse(text: str) -> str:
        if re.search(rf"(?<!\d){seconds}(?!\d)", text) is None:
            raise BadReplyError(f"{text!r} does not repeat the watchdog time {seconds} s")
        return text

    return parse
