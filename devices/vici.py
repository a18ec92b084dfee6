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

MULTI_POSITION = 3
"""Actuator mode; 1 and 2 are of valves with two positions."""

MOST_POSITIONS = 40
"""NP takes 2 to 40 (manual, page 17)."""

_MODE = re.compile(r"AM ?(\d)")
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
        Axis, set="go", get="where", unit="", precision=0, limits=(1, MOST_POSITIONS), timeout_s=MOVE_TIMEOUT_S,
        reconcile="by_state",
    )  # fmt: skip

    def __init__(self, *, positions: int, **device: Any) -> None:
        super().__init__(**device)
        if not 2 <= positions <= MOST_POSITIONS:
            raise DeviceError(f"{self.name}: a selector has 2 to {MOST_POSITIONS} positions, not {positions}")
        self.positions = positions
        self.selection.narrow(1, positions)

    def connect(self) -> None:
        """Silence the replies to moves, and check mode and number of positions, which any user can have changed.

        They are not set here: an actuator whose mode or number has changed must find its positions again, by hand.

        Raises:
            DeviceError: it is no multi-position actuator, or has another number of positions.
        """
        self.command("IFM0", repeatable=True)
        self.identify("AM", lambda text: _number(_MODE, text) == MULTI_POSITION, "mode 3, many positions (AM3)")
        self.identify(
            "NP", lambda text: _number(_COUNT, text) == self.positions, f"{self.positions} positions, as the lab says,"
        )

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
        number = _number(pattern, text)
        if number is None:
            raise BadReplyError(f"{text!r} does not look like {pattern.pattern!r}")
        return number

    return parse


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.fullmatch(text)
    return None if match is None else int(match[1])
