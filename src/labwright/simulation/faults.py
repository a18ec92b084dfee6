"""Faults that can be put on a simulated instrument, and what they do to the bytes of a reply."""

from __future__ import annotations

import fnmatch
import random
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from pydantic import Field

from labwright.model.base import Frozen

WireFault = Literal["drop_byte", "garbage", "no_reply", "truncate", "slow", "disconnect"]
WIRE_FAULTS: tuple[str, ...] = get_args(WireFault)


class Fault(Frozen):
    """One fault.

    Attributes:
        kind: one of the wire faults, or a physical fault the instrument knows (stall, stuck, drift, ...).
        count: how many replies it spoils; ignored by physical faults, which stay until cleared.
        value: its size where it has one: wall seconds for ``slow``, the instrument's unit for a physical fault.
        match: only commands like this pattern (shell style) are spoiled.
    """

    kind: str
    count: Annotated[int, Field(ge=1)] = 1
    value: float = 0.0
    match: str = "*"


@dataclass
class WireFaults:
    """The wire faults waiting on one instrument."""

    rng: random.Random
    waiting: list[tuple[Fault, int]] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Spoil the next replies by `fault`."""
        self.waiting.append((fault, fault.count))

    def clear(self) -> None:
        """Spoil nothing any more."""
        self.waiting.clear()

    def take(self, command: str) -> Fault | None:
        """The fault for the reply to `command`, used up by one."""
        for index, (fault, left) in enumerate(self.waiting):
            if fnmatch.fnmatchcase(command, fault.match):
                if left > 1:
                    self.waiting[index] = (fault, left - 1)
                else:
                    del self.waiting[index]
                return fault
        return None

    def spoil(self, fault: Fault, reply: bytes) -> bytes:
        """What is left of `reply`."""
        if fault.kind == "no_reply":
            return b""
        if fault.kind == "truncate":
            return reply[: max(1, len(reply) // 2)]
        if fault.kind == "drop_byte":
            at = self.rng.randrange(len(reply))
            return reply[:at] + reply[at + 1 :]
        if fault.kind == "garbage":
            return bytes(self.rng.choice(b"\x00\x7f\xfe#~") for _ in range(5)) + reply
        return reply
