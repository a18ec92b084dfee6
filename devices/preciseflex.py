"""Brooks PreciseFlex arm by the TCS text protocol (PC mode) on TCP port 10100.

Sources: the published source of Precise Automation's TCP Command Server 3.0C1 (`Cmd.gpl`, `Globals.gpl`: commands,
replies, states of the controller); the independent driver of PyLabRobot 0.2 (`arms/precise_flex`: error codes). A move
is over when `wherej` shows the angles that `locAngles` gives for the target, power is on when `hp` says so: nothing
blocks the connection, and `halt` always gets through.

Speed, acceleration and path of a motion profile, the master speed and the gripper's positions are the controller's, and
any other client can have changed them; so they are set and read back before each act.
"""

from __future__ import annotations

from typing import Any

from ophyd import Component

from labwright.hardware import Act, Axis, LabDevice, Lines
from labwright.model.errors import AlarmError, BadReplyError, CommunicationError, DeviceError

PROFILE = 1
POLL_S = 0.5
TOLERANCE = 0.5
"""Degrees (millimetres for the rail axes) within which a joint has arrived."""

MOVE_TIMEOUT_S = 60.0
GRIP_TIMEOUT_S = 45.0
POWER_TIMEOUT_S = 30.0
"""Lab seconds until power must be on; the controller enables amplifiers, commutates and releases brakes first."""

HOME_TIMEOUT_S = 20.0
NOT_HOMED = "-1021"
UNKNOWN_COMMAND = "-2805"
GRIP_S = 1.0

READY = (20, 21)
"""States of the controller in which its power is on, and a program or this connection may have the arm."""

STATES = {
    0: "power off, initializing",
    1: "power off, fatal error",
    2: "power off, restarting after a fault",
    3: "power going down",
    4: "power going down after a fault",
    5: "power off, a fault occurred",
    6: "power off, waiting for the request for power to go away",
    7: "power off",
    8: "enabling amplifiers",
    9: "performing commutation",
    10: "enabling servos and releasing brakes",
    11: "power on, waiting for auto mode",
    12: "power on, in auto mode",
    15: "hard emergency stop",
    28: "homing",
    29: "moved by hand from a virtual pendant",
    31: "moved by hand from the pendant",
}
"""States of the controller (DataID 234) by what `sysState` answers; labels as in the command server's source."""

FAILED = (1, 15)
"""States in which power will not come by itself."""

ERRORS = {
    "-1009": "no robot attached",
    "-1021": "robot not homed",
    "-1025": "timeout enabling power",
    "-1028": "hard emergency stop",
    "-1045": "soft emergency stop",
    "-1046": "power not enabled",
    "-1600": "power off requested",
    "-3100": "hard envelope error: the arm hit something, or is overloaded",
}
"""Frequent errors of the controller; in PC mode it answers the bare code."""

OPEN, CLOSED = 0, 1


class Arm(LabDevice):
    """`location` moves to a taught location by its number; `gripper` closes (1) on a vial or opens (0).

    Args:
        speed_percent: speed, acceleration and deceleration of all moves, in percent of the arm's own.
        open_mm: how far the gripper opens; None leaves what the controller has.
        closed_mm: how far the gripper closes; None leaves what the controller has.
        device: name, port, clock and limits, as for every device.
    """

    framing = Lines(send="\n", receive="\r\n")

    # Both may be said again where the arm stands: it moves to where it is, and grips what it holds. The gripper is not
    # closed by hand: a carry drives to its vial with the gripper open, as the one before has left it.
    location = Component(
        Axis, set="move", get="near", unit="", precision=0, limits=(0, 99), timeout_s=MOVE_TIMEOUT_S,
        reconcile="by_state",
    )  # fmt: skip
    gripper = Component(
        Axis, set="grip", get="gripped", unit="", precision=0, limits=(0, 1), timeout_s=GRIP_TIMEOUT_S,
        reconcile="by_state", not_by_hand="the next move takes it for granted that the gripper is open and empty",
    )  # fmt: skip

    def __init__(
        self,
        *,
        speed_percent: float = 50.0,
        open_mm: float | None = None,
        closed_mm: float | None = None,
        **device: Any,
    ) -> None:
        super().__init__(**device)
        if not 1 <= speed_percent <= 100:
            raise DeviceError(f"{self.name}: speed_percent is 1 to 100, not {speed_percent:g}")
        # Speed 2 (Cartesian) 0, ramps 0.1 s; wait until within 10 of the end, take the joint path (straight 0).
        self._profile = [speed_percent, 0.0, speed_percent, speed_percent, 0.1, 0.1, 10.0, 0.0]
        self._grip_mm = {OPEN: open_mm, CLOSED: closed_mm}
        self._at = 0
        self._grip = OPEN

    def connect(self) -> None:
        """PC mode. Power waits for the first act, and homing until the arm asks for it: connecting must move nothing.

        Raises:
            DeviceError: no command server answers.
        """
        self.command("mode 0", self._done, repeatable=True)
        self.query("version", self._done)

    def near(self) -> int:
        """Number of the location the arm was last sent to and has reached; 0 anywhere else."""
        return self._at if self._at and self._arrived(self._angles_of(self._at)) else 0

    def gripped(self) -> int:
        """1 if the gripper was last closed, 0 if opened."""
        return self._grip

    def move(self, act: Act, location: float) -> None:
        """Move to a taught location (1 to 99).

        Raises:
            AlarmError: the arm stopped on the way: its own error code, or the controller's state (fault, emergency
                stop, power off).
        """
        index = round(location)
        if index < 1:
            raise DeviceError(f"{self.name}: location {location:g} does not exist; taught locations start at 1")
        self._make_ready(act)
        self._hold("mspeed", [100.0])
        self._hold(f"Profile {PROFILE}", self._profile)
        self._at = 0
        target = self._angles_of(index)
        try:
            homed = self.command(f"move {index} {PROFILE}", self._homed)
        except CommunicationError:
            # The reply is lost, not necessarily the move; where the arm ends shows it.
            if not self._moving_to(act, target):
                raise
            homed = True
        if not homed:
            self.command("home", self._done, timeout_s=HOME_TIMEOUT_S)  # it moves: said once
            self.command(f"move {index} {PROFILE}", self._done)
        for _ in act.poll(POLL_S):
            if self._arrived(target):
                self._at = index
                return
            self._raise_unless_ready(f"on its way to location {index}")

    def grip(self, act: Act, closed: float) -> None:
        """Close on a vial, or open.

        Raises:
            AlarmError: the gripper closed on nothing, or the arm lost its power.
        """
        self._make_ready(act)
        width_mm = self._grip_mm[CLOSED if closed else OPEN]
        if width_mm is not None:
            self._hold("GripClosePos" if closed else "GripOpenPos", [width_mm])
        self.command(f"gripper {2 if closed else 1}", self._done, repeatable=True)
        act.sleep(GRIP_S)
        self._raise_unless_ready(f"while its gripper {'closed' if closed else 'opened'}")
        if closed and self.query("IsFullyClosed", self._done).strip() == "-1":
            raise AlarmError(f"{self.name}: the gripper closed on nothing at location {self._at}; is the vial there?")
        self._grip = CLOSED if closed else OPEN

    def halt(self) -> None:
        """Stop the motion; power stays on, and what is gripped stays gripped."""
        self.command("halt", self._done, urgent=True, repeatable=True)

    def _make_ready(self, act: Act) -> None:
        """Power on and attached; an arm that is so already is left alone.

        Raises:
            AlarmError: power does not come, with the state of the controller.
        """
        if not self._has_power():
            started_s = act.elapsed_s()
            self.command("hp 1", self._done, repeatable=True)  # answered at once; power takes seconds
            for elapsed_s in act.poll(POLL_S):
                if self._has_power():
                    break
                state = self._state()
                if state in FAILED or elapsed_s > started_s + POWER_TIMEOUT_S:
                    raise AlarmError(f"{self.name}: no power: {_state_in_words(state)}; look at the arm and clear it")
        if self.query("attach", self._done).strip() in ("", "0"):
            self.command("attach 1", self._done, repeatable=True)

    def _has_power(self) -> bool:
        return self.query("hp", self._done).strip() == "1"

    def _state(self) -> int:
        """State of the controller; `sysState` always succeeds, whatever has happened to the arm."""
        text = self.query("sysState", self._done).strip()
        if not text.isdigit():
            raise BadReplyError(f"{text!r} is no state of the controller")
        return int(text)

    def _raise_unless_ready(self, doing: str) -> None:
        state = self._state()
        if state not in READY:
            raise AlarmError(f"{self.name}: stopped {doing}: {_state_in_words(state)}; look at the arm and clear it")

    def _hold(self, setting: str, values: list[float]) -> None:
        """Make the controller hold a setting; what it holds already is not sent again.

        A command server that does not know the setting has none that could be wrong.

        Raises:
            DeviceError: it holds another one afterwards.
        """

        def read() -> list[float]:
            numbers = self.query(setting, self._numbers)
            return numbers[len(numbers) - len(values) :]  # an index comes before the values

        found = self.query(setting, self._numbers_if_known)
        if not found or _same(found[len(found) - len(values) :], values):
            return
        self.command(f"{setting} {' '.join(f'{one:g}' for one in values)}", self._done, repeatable=True)
        found = read()
        if not _same(found, values):
            raise DeviceError(f"{self.name}: {setting} was set to {values}, but the controller has {found}")

    def _numbers_if_known(self, text: str) -> list[float]:
        return [] if text.split(" ")[0] == UNKNOWN_COMMAND else self._numbers(text)

    def _numbers(self, text: str) -> list[float]:
        """The numbers of a reply; True and False of a property are -1 and 0."""
        words = self._done(text).replace("True", "-1").replace("False", "0").split()
        return [float(word) for word in words]

    def _homed(self, text: str) -> bool:
        """Whether a move was taken; False if the arm has to be homed first."""
        if text.split(" ")[0] == NOT_HOMED:
            return False
        self._done(text)
        return True

    def _angles_of(self, index: int) -> list[float]:
        parts = self.query(f"locAngles {index}", self._done).split()
        if len(parts) < 3 or parts[0] != "1":
            raise DeviceError(f"{self.name}: location {index} was never taught as joint angles")
        return [float(part) for part in parts[2:]]

    def _arrived(self, target: list[float]) -> bool:
        return _close([float(part) for part in self.query("wherej", self._done).split()], target)

    def _moving_to(self, act: Act, target: list[float]) -> bool:
        before = self.query("wherej", self._done)
        act.sleep(POLL_S)
        return self.query("wherej", self._done) != before or self._arrived(target)

    def _done(self, text: str) -> str:
        code, _, data = text.partition(" ")
        if code != "0" and not (code.startswith("-") and code[1:].isdigit()):
            raise BadReplyError(f"{text!r} does not begin with a reply code, which is 0 or negative")
        if code != "0":
            words = data or ERRORS.get(code, "see the error codes of the controller")
            raise AlarmError(f"{self.name}: error {code}: {words}")
        return data


def _state_in_words(state: int) -> str:
    return f"{STATES.get(state, 'a state this driver does not know')} (system state {state})"


def _same(found: list[float], wanted: list[float]) -> bool:
    """Whether the controller has what was set, to its three decimals."""
    return len(found) == len(wanted) and all(abs(a - b) < 2e-3 for a, b in zip(found, wanted, strict=True))


def _close(here: list[float], there: list[float]) -> bool:
    """Whether all joints but the gripper (the last) agree."""
    if len(here) != len(there):
        raise BadReplyError(f"{len(here)} joint angles where {len(there)} were expected")
    return all(abs(a - b) <= TOLERANCE for a, b in zip(here[:-1], there[:-1], strict=True))
