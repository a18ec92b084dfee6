"""VICI Valco multi-position selector valve with a universal actuator (EUH, EUD, EUT), on RS-232.

Sources: VICI universal actuator manual (technical note 415), pages 14 to 19 (commands AM, NP, CP, GO, IFM, VR);
the independent driver of flowchem uses the same commands.
"""

from __future__ import annotations

import re
from typing import Any

from ophyd import Component

from labwright.hardware import Act, Axis, LabDevice, Lines
from labwright.model.errors import AlarmError, BadReplyError, DeviceError

POLL_S = 0.2
MOVE_TIMEOUT_S = 10.0

_POSITION = re.compile(r"CP(\d{1,2})")
_COUNT = re.compile(r"NP(\d{1,2})")


class SelectorValve(LabDevice):
    """Setting `selection` turns the valve and waits until it reports that position.

    Args:
        positions: how many the valve has; checked against the actuator.
        device: name, port, clock and limits, as for every device.
    """

    framing = Lines(send="\r", receive="\r")
    cannot_halt = "the actuator knows no stop; a turn ends by itself within a second, on a port"

    selection = Component(
        Axis, set="go", get="where", unit="", precision=0, limits=(1, 20), timeout_s=MOVE_TIMEOUT_S,
        reconcile="by_state",
    )  # fmt: skip

    def __init__(self, *, positions: int, **device: Any) -> None:
        super().__init__(**device)
        self.positions = positions
        self.selection.narrow(1, positions)

    def connect(self) -> None:
        """Silence the replies to moves, and check the number of positions.

        Raises:
            DeviceError: the actuator has another number of positions.
        """
        self.command("IFM0", repeatable=True)
        found = self.query("NP", _number_of(_COUNT))
        if found != self.positions:
            raise DeviceError(f"{self.name}: the actuator has {found} positions, the lab says {self.positions}")

    def where(self) -> int:
        """The position the actuator reports."""
        return self.query("CP", _number_of(_POSITION))

    def go(self, act: Act, position: float) -> None:
        """Turn to `position` by the shortest way.

        Raises:
            AlarmError: the valve stays elsewhere (stuck).
        """
        target = round(position)
        if target != position:
            raise DeviceError(f"{self.name}: {position:g} is no whole position")
        self.command(f"GO{target:02d}", repeatable=True)
        for elapsed_s in act.poll(POLL_S):
            here = self.where()
            if here == target:
                return
            if elapsed_s > MOVE_TIMEOUT_S / 2:
                raise AlarmError(f"{self.name}: sent to position {target}, but it stays at {here} (stuck?)")


def _number_of(pattern: re.Pattern[str]) -> Any:
    def parse(text: str) -> int:
        match = pattern.fullmatch(text)
        if match is None:
            raise BadReplyError(f"{text!r} does not look like {pattern.pattern!r}")
        return int(match[1])

    return parse
