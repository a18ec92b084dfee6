"""New Era NE-1000 syringe pump on RS-232, several on one line by address, in safe mode (CRC and watchdog).

Sources: NE-1000 user manual, publ. 1200-01, section 10 (RS-232 communications: basic and safe mode, commands,
status, alarms, errors) and appendix (syringe diameters, rate limits); the independent client nesp-lib 2.0.0.
Check vector of the manual for the CRC: the packet of ``SAF0`` is ``02 08 'SAF0' 55 43 03``.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ophyd import Component

from labwright.hardware import Act, Axis, LabDevice
from labwright.model.errors import AlarmError, BadReplyError, CommunicationError, DeviceError

STX, ETX = 0x02, 0x03

SAFE_TIMEOUT_S = 60
"""The pump stops itself when it hears nothing for so long: a dead controller cannot flood a vial."""

POLL_S = 1.0

COUNTER_UL = 2.0
"""The counter shows whole microlitres (tens of them from 10 ml on), and the motor ends a step early or late."""

MOVING = "IWX"
"""Status letters of a motor that turns: infusing, withdrawing, purging."""

ALARMS = {
    "R": "power was reset",
    "S": "the motor stalled (blocked line, closed valve or end of the syringe)",
    "T": "safe mode heard nothing in time and stopped the pump",
    "E": "its pumping program is wrong",
    "O": "its program phase is out of range",
}
ERRORS = {
    "": "unknown command",
    "NA": "not applicable now",
    "OOR": "out of range",
    "COM": "bad packet",
    "IGN": "ignored",
}

_DISPENSED = re.compile(r"I(\d+\.\d*|\d*\.\d+)W(\d+\.\d*|\d*\.\d+)(UL|ML)")
_VOLUME = re.compile(r"(\d+\.\d*|\d*\.\d+)(UL|ML)")


@dataclass(frozen=True)
class SafePackets:
    """Safe mode: STX, length, data, CRC-CCITT (initially 0, high byte first), ETX; the length counts itself to ETX."""

    def encode(self, command: str) -> bytes:
        """A safe mode packet."""
        data = command.encode("ascii")
        return bytes([STX, len(data) + 4]) + data + binascii.crc_hqx(data, 0).to_bytes(2, "big") + bytes([ETX])

    def split(self, buffer: bytes) -> tuple[str, int] | None:
        """The first whole packet, its CRC checked."""
        if buffer and buffer[0] != STX:
            raise BadReplyError(f"reply {buffer!r} does not start with STX")
        if len(buffer) < 2 or len(buffer) < buffer[1] + 1:
            return None
        length = buffer[1]
        data, crc, end = buffer[2 : length - 2], buffer[length - 2 : length], buffer[length]
        if length < 4 or end != ETX or int.from_bytes(crc, "big") != binascii.crc_hqx(data, 0):
            raise BadReplyError(f"packet {buffer[: length + 1]!r} is damaged (length, CRC or ETX)")
        return data.decode("latin-1"), length + 1


class Answer(NamedTuple):
    """A reply taken apart: status letter (I infusing, W withdrawing, S stopped, P paused, ...), alarm, data."""

    status: str
    alarm: str
    data: str


class SyringePump(LabDevice):
    """An NE-1000; setting `volume` dispenses (or withdraws) that many microlitres and waits until it is done.

    Args:
        address: its number on the line, 0 to 99.
        diameter_mm: inner diameter of the syringe.
        rate_ml_per_min: pumping rate.
        direction: ``infuse`` out of the syringe or ``withdraw`` into it.
        device: name, port, clock and limits, as for every device.
    """

    framing = SafePackets()

    volume = Component(
        Axis, set="pump", get="pumped_ul", unit="ul", precision=0, limits=(1, 9_999), timeout_s="pump_timeout_s",
        reconcile="by_counter", ready="ready", counter="pumped_ul", quiet="rest", tolerance=COUNTER_UL,
    )  # fmt: skip

    def __init__(
        self,
        *,
        address: int,
        diameter_mm: float,
        rate_ml_per_min: float,
        direction: Literal["infuse", "withdraw"] = "infuse",
        **device: Any,
    ) -> None:
        if not 0 <= address <= 99:
            raise DeviceError(f"NE-1000 addresses run from 0 to 99, not {address}")
        self.address = address
        self.diameter_mm = diameter_mm
        self.rate_ml_per_min = rate_ml_per_min
        self._infuse = direction == "infuse"
        super().__init__(**device)

    def connect(self) -> None:
        """Switch to safe mode, and set syringe and units; a pump that is pumping has them, and pumps on.

        Raises:
            DeviceError: it does not answer, or it is no NE-1000.
        """
        safe_mode = f"SAF{SAFE_TIMEOUT_S}"
        try:
            self.ask(safe_mode)  # the reply already comes in the new mode
        except AlarmError:
            self.ask(safe_mode)  # an alarm of the past is told once, in place of the first answer
        version = self.ask("VER").data
        if not version.startswith("NE"):
            raise DeviceError(f"{self.name}: expected a New Era pump at address {self.address}, got {version!r}")
        if self.ask("").status in MOVING:
            return
        for setting in (f"DIA{number(self.diameter_mm)}", "VOLML", f"RAT{number(self.rate_ml_per_min)}MM"):
            self.ask(setting)

    def pump_timeout_s(self, volume_ul: float) -> float:
        """Lab seconds the act may take: twice the time at the set rate, and ten for the talking."""
        return 2 * self.pumping_s(volume_ul) + 10

    def pumping_s(self, volume_ul: float) -> float:
        """Lab seconds the pump needs for `volume_ul` at its rate."""
        return volume_ul / 1000 / self.rate_ml_per_min * 60

    def ready(self, volume_ul: float) -> None:
        """Clear the counter and set direction and volume, so that RUN pumps `volume_ul` and the counter tells how much.

        Raises:
            DeviceError: it is pumping, or has another volume than it was told.
        """
        status = self.wake()
        if status in MOVING:
            raise DeviceError(f"{self.name}: it is pumping already; wait for it, or stop it first")
        if status != "S":
            self.ask("STP", errors_allowed=("NA",))  # paused: RUN would go on with the old volume
        counter = "INF" if self._infuse else "WDR"
        for setting in (f"CLD{counter}", f"DIR{counter}", f"VOL{number(volume_ul / 1000)}"):
            self.ask(setting)
        set_to = self.ask("VOL", parse=_volume_ul)
        if abs(set_to - volume_ul) > 1:
            raise DeviceError(f"{self.name}: told to pump {volume_ul:g} ul, but the pump has {set_to:g} ul set")

    def pump(self, act: Act, volume_ul: float) -> None:
        """Pump once what `ready` has set.

        Raises:
            AlarmError: the pump's own alarm.
            DeviceError: it stopped short of the volume.
        """
        self.run()
        act.sleep(self.pumping_s(volume_ul) + 0.1)  # a breath, so that the first look finds it done
        for _ in act.poll(POLL_S):
            answer = self.ask("")
            if answer.status == "S":
                break
        pumped = self.pumped_ul()
        if abs(pumped - volume_ul) > COUNTER_UL:
            raise DeviceError(f"{self.name}: stopped after {pumped:g} of {volume_ul:g} ul without an alarm")

    def rest(self, act: Act) -> None:
        """Wait until the motor stands.

        An answer proves that nothing sent before it is still to come: the line keeps the order of bytes, and the pump
        answers one packet before it takes the next.
        """
        for _ in act.poll(POLL_S):
            if self.wake() not in MOVING:
                return

    def run(self) -> None:
        """Start; never sent twice: when the reply is lost, the pump itself is asked whether it runs.

        Raises:
            CommunicationError: the pump does not say, or says that it never started.
        """
        try:
            self.command(f"{self.address:02d}RUN", self._parse())
        except CommunicationError as lost:
            if self.ask("").status not in MOVING and self.pumped_ul() == 0:
                raise CommunicationError(f"{self.name}: RUN did not reach the pump, nothing was pumped") from lost

    def pumped_ul(self) -> float:
        """Microlitres pumped since the last `pump` began, as the pump counts them."""
        return self.ask("DIS", parse=self._dispensed_ul)

    def wake(self) -> str:
        """The pump's status letter, after taking the alarm it may hold.

        A watchdog that tripped and a motor that stalled are told once and mean that it stands. A pump that lost its
        power is back in basic mode, where nothing it says is understood: it is connected anew.
        """
        try:
            return str(self.ask("").status)
        except AlarmError as alarm:
            if ALARMS["R"] in str(alarm):
                self.connect()
        except CommunicationError:
            self.connect()
        return str(self.ask("").status)

    def halt(self) -> None:
        """Stop pumping: the first STP pauses, the second ends the program."""
        for _ in range(2):
            try:
                self.ask("STP", urgent=True, errors_allowed=("NA",))
            except AlarmError:
                # An alarm means that it stands already; the reply that told it has cleared it.
                self.ask("STP", urgent=True, errors_allowed=("NA",))

    def ask(
        self, command: str, *, parse: Any = None, errors_allowed: tuple[str, ...] = (), urgent: bool = False
    ) -> Any:
        """Send a command that is harmless to repeat; its Answer, or what `parse` makes of the data.

        Raises:
            AlarmError: the pump's own alarm, which this reply has cleared.
            DeviceError: the pump refused the command.
        """
        full = self._parse(errors_allowed)
        reader = full if parse is None else lambda text: parse(full(text).data)
        return self.command(f"{self.address:02d}{command}", reader, repeatable=True, urgent=urgent)

    def _parse(self, errors_allowed: tuple[str, ...] = ()) -> Any:
        def parse(text: str) -> Answer:
            if len(text) < 3 or text[:2] != f"{self.address:02d}" or text[2] not in "IWSPTUXA":
                raise BadReplyError(f"{text!r} is no reply of pump {self.address}")
            status, data = text[2], text[3:]
            if status == "A":
                raise AlarmError(f"{self.name}: alarm {data}: {ALARMS.get(data[1:], 'unknown')}")
            if data.startswith("?") and data[1:] == "COM":
                raise BadReplyError("the pump received a damaged packet")
            if data.startswith("?") and data[1:] not in errors_allowed:
                raise DeviceError(f"{self.name}: refused: {data} ({ERRORS.get(data[1:], 'unknown error')})")
            return Answer(status, "", data)

        return parse

    def _dispensed_ul(self, data: str) -> float:
        match = _DISPENSED.fullmatch(data)
        if match is None:
            raise BadReplyError(f"{data!r} is no dispensed volume")
        infused, withdrawn, unit = match.groups()
        return float(infused if self._infuse else withdrawn) * (1000 if unit == "ML" else 1)


def _volume_ul(data: str) -> float:
    match = _VOLUME.fullmatch(data)
    if match is None:
        raise BadReplyError(f"{data!r} is no volume")
    return float(match[1]) * (1000 if match[2] == "ML" else 1)


def number(value: float) -> str:
    """A number as the pump takes it: at most four digits and a point, at most three decimals.

    Raises:
        DeviceError: it does not fit.
    """
    for decimals in (3, 2, 1, 0):
        text = f"{value:.{decimals}f}"
        if len(text.replace(".", "")) <= 4:
            return text if decimals else f"{text}."
    raise DeviceError(f"{value:g} does not fit into the pump's four digits")
