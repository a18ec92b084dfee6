"""Simulated PreciseFlex arm: the TCS text protocol, and a gripper that carries the world's vials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from labwright.simulation import SimInstrument

JOINTS = 6
MOVE_S = 4.0

NOT_ATTACHED = "-1009 *No robot attached*"
NOT_HOMED = "-1021 *Robot not homed*"
NO_POWER = "-1046 *Power not enabled*"
UNKNOWN = "-714 *Unknown command*"
BAD_ARGUMENT = "-202 *Invalid argument*"
ENVELOPE = "-3100 *Hard envelope error*"


class Arm(SimInstrument):
    """An arm with one gripper.

    Args:
        name: as in the lab.
        world: a plant with `grip(position) -> bool`, `release(position)` and `holding`.
        locations: position in the lab by number of the taught location.
    """

    send_end = b"\r\n"
    physical_faults: ClassVar[Sequence[str]] = ("robot_error",)
    keeps = ("joints", "at", "closed")

    def __init__(self, name: str, world: Any, *, locations: dict[int, str]) -> None:
        super().__init__(name, world)
        self.locations = dict(locations)
        self.power = self.attached = self.homed = False
        self.closed = False
        self.at = 0
        self._start = self._target = _angles(0)
        self._begin = self._end = self.clock.now()

    def answer(self, command: str) -> str | None:
        """Do `command`."""
        word, *arguments = command.split()
        action: Callable[[list[str]], str] | None = getattr(self, f"_do_{word.lower()}", None)
        if action is None:
            self.not_understood(command)
            return UNKNOWN
        return action(arguments)

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
        self.power = self.attached = self.homed = False

    def _do_mode(self, arguments: list[str]) -> str:
        return "0" if arguments else "0 0"

    def _do_version(self, arguments: list[str]) -> str:
        return "0 TCS 3.0C PF400"

    def _do_sysstate(self, arguments: list[str]) -> str:
        if "robot_error" in self.flags:
            self._do_halt([])
            return ENVELOPE
        return "0 21"

    def _do_hp(self, arguments: list[str]) -> str:
        if not arguments:
            return f"0 {int(self.power)}"
        self.power = arguments[0] == "1"
        return "0"

    def _do_attach(self, arguments: list[str]) -> str:
        if not arguments:
            return f"0 {-1 if self.attached else 0}"
        if arguments[0] == "1" and not self.power:
            return NO_POWER
        self.attached = arguments[0] == "1"
        return "0"

    def _do_home(self, arguments: list[str]) -> str:
        if not self.attached:
            return NOT_ATTACHED
        self.homed = True
        return "0"

    def _do_movetosafe(self, arguments: list[str]) -> str:
        return self._move(0)

    def _do_move(self, arguments: list[str]) -> str:
        return self._move(int(arguments[0])) if arguments and arguments[0].isdigit() else BAD_ARGUMENT

    def _do_movej(self, arguments: list[str]) -> str:
        if len(arguments) < JOINTS:
            return BAD_ARGUMENT
        self._target = [float(one) for one in arguments[1:]]
        return self._move(None)

    def _do_waitforeom(self, arguments: list[str]) -> str:
        """Reply at once: a command that waits would hold the wire; drivers here poll `wherej` instead."""
        return "0"

    def _do_wherej(self, arguments: list[str]) -> str:
        return "0 " + " ".join(f"{angle:.3f}" for angle in self._here())

    def _do_wherec(self, arguments: list[str]) -> str:
        x, y, z, yaw, *_ = self._here()
        return f"0 {x:.3f} {y:.3f} {z:.3f} {yaw:.3f} 90.000 -180.000 1"

    def _do_locangles(self, arguments: list[str]) -> str:
        if not arguments or not arguments[0].isdigit():
            return BAD_ARGUMENT
        return f"0 1 {arguments[0]} " + " ".join(f"{angle:.3f}" for angle in _angles(int(arguments[0])))

    def _do_speed(self, arguments: list[str]) -> str:
        return "0" if len(arguments) > 1 else "0 50"

    def _do_gripclosepos(self, arguments: list[str]) -> str:
        return "0" if arguments else "0 75.0"

    def _do_gripopenpos(self, arguments: list[str]) -> str:
        return "0" if arguments else "0 95.0"

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
        if "robot_error" in self.flags:
            return ENVELOPE
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
