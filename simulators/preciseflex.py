"""Simulated PreciseFlex arm: the TCS text protocol in PC mode, and a gripper that carries the world's vials.

Replies as in the published source of the TCP Command Server (Precise Automation, `Cmd.gpl`, `Globals.gpl`): a command
that fails in the controller is answered by the bare code, one that the server refuses by code and words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from labwright.simulation import Later, SimInstrument

JOINTS = 6
MOVE_S = 4.0
POWER_S = 3.0
"""Seconds until power is on: amplifiers, commutation, brakes."""

NOT_ATTACHED = "-1009"
NOT_HOMED = "-1021"
POWER_TIMEOUT = "-1025"
NO_POWER = "-1046"
UNKNOWN = "-2805 *Unknown command*"
NO_ARGUMENT = "-2801 *Warning No Parameters"
ILLEGAL_MOVE = "-2802 *Warning Illegal move command*"
BAD_JOINTS = "-2803 *Warning Invalid joint angles*"
BAD_ARGUMENT = "-202"

FAULT, WAITING_FOR_POWER, ENABLING, HARD_STOP, READY, ATTACHED = 5, 7, 10, 15, 20, 21
"""States of the controller (DataID 234)."""


class Arm(SimInstrument):
    """An arm with one gripper.

    Args:
        name: as in the lab.
        world: a plant with `grip(position) -> bool`, `release(position)` and `holding`.
        locations: position in the lab by number of the taught location.

    Faults: ``robot_error`` is a fault of the controller, ``estop`` a pressed emergency stop; both cut the power.
    """

    send_end = b"\r\n"
    physical_faults: ClassVar[Sequence[str]] = ("robot_error", "estop")
    keeps = ("joints", "at", "closed")

    def __init__(self, name: str, world: Any, *, locations: dict[int, str]) -> None:
        super().__init__(name, world)
        self.locations = dict(locations)
        self.attached = self.homed = False
        self.closed = False
        self.at = 0
        self.profiles: dict[int, list[float]] = {}
        """Speed, speed 2, acceleration, deceleration, their ramps, range and straightness; any client changes them."""
        self.monitor_speed = 100.0
        self.grip_mm = {"open": 95.0, "closed": 75.0}
        self._power_at: float | None = None
        self._start = self._target = _angles(0)
        self._begin = self._end = self.clock.now()

    def answer(self, command: str) -> str | Later | None:
        """Do `command`."""
        self.advance()
        word, *arguments = command.split() or [""]
        action: Callable[[list[str]], str | Later] | None = getattr(self, f"_do_{word.lower()}", None)
        if action is None:
            self.not_understood(command)
            return UNKNOWN
        return action(arguments)

    def advance(self) -> None:
        """A fault and an emergency stop cut the power by themselves: the arm stops where it is."""
        if self.flags:
            self._do_halt([])
            self._power_at = None
            self.attached = False

    @property
    def power(self) -> bool:
        """Whether high power is on."""
        return self._power_at is not None and self.clock.now() >= self._power_at

    @property
    def joints(self) -> list[float]:
        """Where its joints are now; its brakes hold them there without power."""
        return self._here()

    @joints.setter
    def joints(self, angles: list[float]) -> None:
        self._start = self._target = angles

    def restored(self) -> None:
        """It stands where it was, at no location if it was on its way."""
        if self.at != -1 and self._target != _angles(self.at):
            self.at = -1

    def power_cycle(self) -> None:
        """Power off, detached, not homed; the gripper holds by its spring."""
        self._do_halt([])
        self._power_at = None
        self.attached = self.homed = False

    def _do_mode(self, arguments: list[str]) -> str:
        return "0" if arguments else "0 0"

    def _do_version(self, arguments: list[str]) -> str:
        return "0 TCP Command Server 3.0C1 05-27-2021"

    def _do_sysstate(self, arguments: list[str]) -> str:
        return f"0 {self._system_state()}"

    def _do_state(self, arguments: list[str]) -> str:
        return f"0 {3 if self.clock.now() < self._end else 1}"

    def _system_state(self) -> int:
        if "estop" in self.flags:
            return HARD_STOP
        if "robot_error" in self.flags:
            return FAULT
        if self.power:
            return ATTACHED if self.attached else READY
        return WAITING_FOR_POWER if self._power_at is None else ENABLING

    def _do_hp(self, arguments: list[str]) -> str | Later:
        if not arguments:
            return f"0 {int(self.power)}"
        if arguments[0] == "0":
            self._power_at, self.attached = None, False
            return "0"
        wait_s = float(arguments[1]) if len(arguments) > 1 else 0.0
        now = self.clock.now()
        if self._power_at is None and not self.flags:
            self._power_at = now + POWER_S
        if not wait_s or self.power:
            return "0"
        at_s = now + wait_s if wait_s > 0 else float("inf")
        if self._power_at is not None:
            at_s = min(at_s, self._power_at)

        def on_in_time() -> str:  # as it was then: on a busy machine the reply comes later
            return "0" if self._power_at is not None and self._power_at <= at_s else POWER_TIMEOUT

        return Later(at_s, on_in_time)

    def _do_attach(self, arguments: list[str]) -> str:
        if not arguments:
            return f"0 {int(self.attached)}"
        if arguments[0] != "0" and not self.power:
            return NO_POWER
        self.attached = arguments[0] != "0"
        return "0"

    def _do_home(self, arguments: list[str]) -> str:
        if not self.attached:
            return NOT_ATTACHED
        self.homed = True
        return "0"

    def _do_movetosafe(self, arguments: list[str]) -> str:
        return self._move(0)

    def _do_move(self, arguments: list[str]) -> str:
        if len(arguments) < 2:
            return ILLEGAL_MOVE if arguments else NO_ARGUMENT
        return self._move(int(arguments[0])) if arguments[0].isdigit() else BAD_ARGUMENT

    def _do_movej(self, arguments: list[str]) -> str:
        try:
            target = [float(one) for one in arguments[1:]]
        except ValueError:
            return BAD_JOINTS
        if len(target) < JOINTS - 1:
            return BAD_JOINTS
        self._target = [*target, *self._here()[len(target) :]]
        return self._move(None)

    def _do_waitforeom(self, arguments: list[str]) -> str | Later:
        return Later(self._end, lambda: "0") if self.clock.now() < self._end else "0"

    def _do_wherej(self, arguments: list[str]) -> str:
        return "0 " + " ".join(_number(angle) for angle in self._here())

    def _do_wherec(self, arguments: list[str]) -> str:
        x, y, z, yaw, *_ = self._here()
        return "0 " + " ".join(_number(one) for one in (x, y, z, yaw, 90.0, -180.0)) + " 1"

    def _do_locangles(self, arguments: list[str]) -> str:
        if not arguments or not arguments[0].isdigit():
            return BAD_ARGUMENT
        return f"0 1 {arguments[0]} " + " ".join(_number(angle) for angle in _angles(int(arguments[0])))

    def _do_profile(self, arguments: list[str]) -> str:
        if not arguments:
            return NO_ARGUMENT
        profile = self._profile(arguments[0])
        if len(arguments) == 1:
            return f"0 {arguments[0]} " + " ".join(_number(value) for value in profile)
        if len(arguments) != 1 + len(profile):
            return "-2800 *Warning Parameter Mismatch*"
        profile[:] = [float(one) for one in arguments[1:]]
        return "0"

    def _do_speed(self, arguments: list[str]) -> str:
        if not arguments:
            return NO_ARGUMENT
        profile = self._profile(arguments[0])
        if len(arguments) == 1:
            return f"0 {arguments[0]} {_number(profile[0])}"
        profile[0] = float(arguments[1])
        return "0"

    def _do_mspeed(self, arguments: list[str]) -> str:
        if not arguments:
            return f"0 {_number(self.monitor_speed)}"
        self.monitor_speed = float(arguments[0])
        return "0"

    def _profile(self, number: str) -> list[float]:
        return self.profiles.setdefault(int(number), [50.0, 0.0, 50.0, 50.0, 0.1, 0.1, 10.0, 0.0])

    def _do_gripclosepos(self, arguments: list[str]) -> str:
        return self._grip_position("closed", arguments)

    def _do_gripopenpos(self, arguments: list[str]) -> str:
        return self._grip_position("open", arguments)

    def _grip_position(self, which: str, arguments: list[str]) -> str:
        if not arguments:
            return f"0 {_number(self.grip_mm[which])}"
        self.grip_mm[which] = float(arguments[0])
        return "0"

    def _do_gripper(self, arguments: list[str]) -> str:
        if not self.attached:
            return NOT_ATTACHED
        position = self.locations.get(self.at, "") if self.clock.now() >= self._end else ""
        closes = arguments == ["2"]
        if arguments not in (["1"], ["2"]):
            return BAD_ARGUMENT
        if closes != self.closed:
            self.effect("grip" if closes else "release", location=self.at, position=position)
        self.closed = closes
        if closes:
            self.world.grip(position)
        else:
            self.world.release(position)
        return "0"

    def _do_isfullyclosed(self, arguments: list[str]) -> str:
        return f"0 {-1 if self.closed and self.world.holding is None else 0}"

    def _do_halt(self, arguments: list[str]) -> str:
        if self.clock.now() < self._end:
            self._target = self._here()
            self._end = self.clock.now()
            self.at = -1
        return "0"

    def _do_exit(self, arguments: list[str]) -> str:
        return "0"

    def _do_nop(self, arguments: list[str]) -> str:
        return "0"

    def _move(self, index: int | None) -> str:
        if not self.attached:
            return NOT_ATTACHED
        if not self.homed:
            return NOT_HOMED
        self._start = self._here()
        if index is not None:
            self._target = _angles(index)
        self.at = -1 if index is None else index
        self._begin = self.clock.now()
        far = max(abs(a - b) for a, b in zip(self._start, self._target, strict=True)) > 0.01
        self._end = self._begin + (MOVE_S if far else 0.0)
        if far:
            self.effect("move", location=self.at)
        return "0"

    def _here(self) -> list[float]:
        now = self.clock.now()
        if now >= self._end:
            return self._target
        share = (now - self._begin) / (self._end - self._begin)
        return [a + share * (b - a) for a, b in zip(self._start, self._target, strict=True)]


def _number(value: float) -> str:
    """A number as the server writes it: three decimals at most, no zeros at the end."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _angles(index: int) -> list[float]:
    """Joint angles taught for a location: some far-apart numbers, the same for ever."""
    return [
        100.0 + 3.7 * index % 300,
        -60.0 + (17.0 * index) % 120,
        90.0 + (29.0 * index) % 150,
        -90.0 + (41.0 * index) % 180,
        85.0,
        0.0,
    ]
