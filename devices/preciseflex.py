"""Brooks PreciseFlex arm by the TCS text protocol (PC mode) on TCP port 10100.

Sources: Brooks TCP Command Server (TCS) user manual as quoted in the independent driver of PyLabRobot 0.2
(`arms/precise_flex`: commands, reply form ``<code> [data]``, error codes). A move is over when `wherej` shows the
angles that `locAngles` tells for the target; so nothing blocks the connection, and `halt` always gets through.
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
HOME_TIMEOUT_S = 20.0
NOT_HOMED = "-1021"
GRIP_S = 1.0

OPEN, CLOSED = 0, 1


class Arm(LabDevice):
    """`location` moves to a taught location by its number; `gripper` closes (1) on a vial or opens (0).

    Args:
        device: name, port, clock and limits, as for every device.
    """

    framing = Lines(send="\n", receive="\r\n")

    # Both may be said again where the arm stands: it moves to where it is, and grips what it holds.
    location = Component(
        Axis, set="move", get="near", unit="", precision=0, limits=(0, 99), timeout_s=MOVE_TIMEOUT_S,
        reconcile="by_state",
    )  # fmt: skip
    gripper = Component(
        Axis, set="grip", get="gripped", unit="", precision=0, limits=(0, 1), timeout_s=10.0, reconcile="by_state"
    )

    def __init__(self, **device: Any) -> None:
        super().__init__(**device)
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
            AlarmError: the arm stopped on the way, with its own error code.
        """
        index = round(location)
        if index < 1:
            raise DeviceError(f"{self.name}: location {location:g} does not exist; taught locations start at 1")
        self._make_ready()
        self._at = 0
        target = self._angles_of(index)
        try:
            homed = self.command(f"move {index} {PROFILE}", self._homed)
        except CommunicationError:
            # The reply is lost, not necessarily the move; where the arm ends tells.
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
            self.query("sysState", self._done)

    def grip(self, act: Act, closed: float) -> None:
        """Close on a vial, or open.

        Raises:
            AlarmError: the gripper closed on nothing.
        """
        self._make_ready()
        self.command(f"gripper {2 if closed else 1}", self._done, repeatable=True)
        act.sleep(GRIP_S)
        if closed and self.query("IsFullyClosed", self._done).strip() == "-1":
            raise AlarmError(f"{self.name}: the gripper closed on nothing at location {self._at}; is the vial there?")
        self._grip = CLOSED if closed else OPEN

    def halt(self) -> None:
        """Stop the motion; power stays on, and what is gripped stays gripped."""
        self.command("halt", self._done, urgent=True, repeatable=True)

    def _make_ready(self) -> None:
        """Power on and attached; an arm that is so already is left alone."""
        if self.query("hp", self._done).strip() != "1":
            self.command("hp 1", self._done, repeatable=True)
        if self.query("attach", self._done).strip() in ("", "0"):
            self.command("attach 1", self._done, repeatable=True)

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
        if not code.lstrip("-").isdigit():
            raise BadReplyError(f"{text!r} does not begin with a reply code")
        if code != "0":
            raise AlarmError(f"{self.name}: error {code} {data}".rstrip())
        return data


def _close(here: list[float], there: list[float]) -> bool:
    """Whether all joints but the gripper (the last) agree."""
    if len(here) != len(there):
        raise BadReplyError(f"{len(here)} joint angles where {len(there)} were expected")
    return all(abs(a - b) <= TOLERANCE for a, b in zip(here[:-1], there[:-1], strict=True))
