"""New Era NE-1000 syringe pump on RS-232, several on one line by address, in safe mode (CRC and watchdog).

Sources: NE-1000 user manual, publ. 1200-01, section 10 (RS-232 communications: basic and safe mode, commands,
status, alarms, errors) and appendix (syringe diameters, rate limits); the independent client nesp-lib 2.0.0.
Check vector of the manual for the CRC: the packet of ``SAF0`` is ``02 08 'SAF0' 55 43 03``.

The pump remembers over power cuts what any other user has set: "all data changed from RS-232 is stored in the
non-volatile memory", and rate, volume and direction belong to "the currently selected Program Phase". RUN carries out
the whole program, so the driver makes phase 1 pump and phase 2 stop, and reads everything back before each dose.
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

MOVING = "IWXTU"
"""Status letters of a pump that pumps or will by itself: infusing, withdrawing, purging, in a timed pause, waiting for
its trigger."""

ALARMS = {
    "R": "power was reset",
    "S": "the motor stalled (blocked line, closed valve or end of the syringe)",
    "T": "safe mode received no command in time and stopped the pump",
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
_SETTING = re.compile(r"(\d+\.?\d*|\.\d+)?([A-Z]*)")
"""A setting as the pump reports it: a number, a unit or word, or both."""

_BASIC = re.compile(rb"\x02(\d\d[IWSPTUXA][ -~]*)\x03")
"""A reply in basic mode. As a safe mode packet it would be 48 bytes long or more, as no reply of this pump is."""

BASIC = "in basic mode: "
"""Marks such a reply for the parser."""


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
        if (basic := _BASIC.match(buffer)) is not None:
            return BASIC + basic[1].decode("ascii"), basic.end()
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
        delivers="delivered_ul",
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
        self._direction = "INF" if self._infuse else "WDR"
        super().__init__(**device)

    def connect(self) -> None:
        """Switch to safe mode, and set syringe, units and program; a pump that is pumping has them, and pumps on.

        Raises:
            DeviceError: it does not answer, it is no NE-1000, or its memory does not take a setting.
        """
        self._safe_mode()
        version = self.ask("VER").data  # its CRC is right, so this is no noise
        if not version.startswith("NE"):
            raise DeviceError(f"{self.name}: expected a New Era pump at address {self.address}, got {version!r}")
        if self.ask("").status not in MOVING:
            self._set_up()

    def _safe_mode(self, *, urgent: bool = False) -> None:
        safe_mode = f"SAF{SAFE_TIMEOUT_S}"
        try:
            self.ask(safe_mode, urgent=urgent)  # the reply already comes in the new mode
        except AlarmError:
            self.ask(safe_mode, urgent=urgent)  # a past alarm is reported once, in place of the first answer

    def pump_timeout_s(self, volume_ul: float) -> float:
        """Lab seconds the act may take: twice the time at the set rate, and ten for the talking."""
        return 2 * self.pumping_s(volume_ul) + 10

    def pumping_s(self, volume_ul: float) -> float:
        """Lab seconds the pump needs for `volume_ul` at its rate."""
        return volume_ul / 1000 / self.rate_ml_per_min * 60

    def ready(self, volume_ul: float) -> None:
        """Clear the counter and set the volume, so that RUN pumps `volume_ul` and the counter shows how much.

        Everything else that RUN depends on is read back too: another user, or a person at the keypad, may have changed
        it since the last dose.

        Raises:
            DeviceError: it is pumping, or its memory does not take a setting.
        """
        status = self.wake()
        if status in MOVING:
            raise DeviceError(f"{self.name}: it is pumping already; wait for it, or stop it first")
        if status != "S":
            self.ask("STP", errors_allowed=("NA",))  # paused: RUN would resume the old volume
        self._set_up()
        self.ask(f"CLD{self._direction}")
        self._hold("VOL", number(volume_ul / 1000), "ML", phase=1)

    def _set_up(self) -> None:
        """Make the memory hold one phase that pumps, and nothing after it; phase 1 is selected afterwards.

        What is there already is not written again: the memory wears out.

        Raises:
            DeviceError: the memory does not hold what was set.
        """
        self._hold("DIA", number(self.diameter_mm))
        # With 1, a program that a power cut interrupted starts again by itself when power returns.
        self._hold("PF", "0", optional=True)
        if self._select(2):
            self._hold("FUN", "", "STP", phase=2)
            self._select(1)
            self._hold("FUN", "", "RAT", phase=1)
        # The unit of all volumes follows from the diameter, unless it was set.
        if not self.ask("VOL").data.endswith("ML"):
            self.ask("VOLML")
        self._hold("RAT", number(self.rate_ml_per_min), "MM", phase=1)
        self._hold("DIR", "", self._direction, phase=1)

    def _select(self, phase: int) -> bool:
        """Select a program phase; False if this model has no program (it does not know the command)."""
        if self.ask(f"PHN{phase}", errors_allowed=("",)).data == "?":
            return False
        found = self.ask("PHN").data
        if not found.isdigit() or int(found) != phase:
            raise DeviceError(f"{self.name}: phase {phase} of its program was selected, but it says {found!r}")
        return True

    def _hold(self, setting: str, value: str, word: str = "", *, phase: int = 0, optional: bool = False) -> None:
        """Make the memory hold a setting, and read it back.

        Args:
            setting: its command.
            value: the number, as the pump takes it; empty for a setting that is a word.
            word: the unit, or the word.
            phase: to which it belongs, for the message; 0 if to none.
            optional: whether there are models without this setting.
        """
        wanted = (float(value) if value else None, word)
        found = self.ask(setting, errors_allowed=("", "NA")).data
        if found == "?" and optional:
            return
        if _setting(found) == wanted:
            return
        # VOL takes its unit in a command of its own.
        self.ask(f"{setting}{value}" if setting == "VOL" else f"{setting}{value}{word}")
        found = self.ask(setting).data
        if _setting(found) != wanted:
            where = f"phase {phase}: " if phase else ""
            raise DeviceError(
                f"{self.name}: {where}{setting} was set to {value}{word}, but the pump's memory has {found!r}; nothing "
                "was pumped. Set it at the keypad, or look whether the keypad is locked"
            )

    def delivered_ul(self, volume_ul: float) -> float:
        """What the pump makes of a volume: it takes four digits."""
        return 1000 * float(number(volume_ul / 1000))

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

        A watchdog that tripped and a motor that stalled are reported once and mean that it stands. A pump that lost its
        power may be back in basic mode: it is connected again.
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
        """Stop pumping: the first STP pauses, the second ends the program.

        Raises:
            DeviceError: it pumps all the same.
        """
        for _ in range(2):
            status = self._stp()
        if status in MOVING:
            raise DeviceError(f"{self.name}: its status is still {status} after STP was sent twice; it may be pumping")

    def _stp(self) -> str:
        """Send STP; the status afterwards.

        The reply that reports an alarm has cleared it, but has stopped nothing. A pump that lost its power may be in
        basic mode, and may have started its program again by itself. All other alarms mean that it stands.
        """
        try:
            return str(self.ask("STP", urgent=True, errors_allowed=("NA",)).status)
        except AlarmError as alarm:
            if ALARMS["R"] in str(alarm):
                self._safe_mode(urgent=True)
        try:
            return str(self.ask("STP", urgent=True, errors_allowed=("NA",)).status)
        except AlarmError as alarm:
            # On a slow line the watchdog trips again between two packets.
            if ALARMS["R"] in str(alarm):
                raise
            return "S"

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
            basic, text = text.startswith(BASIC), text.removeprefix(BASIC)
            if len(text) < 3 or text[:2] != f"{self.address:02d}" or text[2] not in "IWSPTUXA":
                raise BadReplyError(f"{text!r} is no reply of pump {self.address}")
            status, data = text[2], text[3:]
            if basic:
                raise AlarmError(f"{self.name}: alarm ?R: {ALARMS['R']}; it replied {text!r} in basic mode")
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


def _setting(data: str) -> tuple[float | None, str] | None:
    """A setting as number and word; None if it is neither, as an error of the pump is."""
    match = _SETTING.fullmatch(data)
    if match is None:
        return None
    return (None if match[1] is None else float(match[1])), match[2]


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
