"""Moves that several protocols share."""

from __future__ import annotations

from typing import Any

from labwright.stations import Plan, StepContext, physical

OPEN, CLOSED = 0, 1


def carry(context: StepContext, arm: Any, start: str, end: str) -> Plan:
    """Take what stands at `start` to `end`."""
    for place, grip in ((start, CLOSED), (end, OPEN)):
        yield from physical(context, arm.location, context.lab.positions[place].arm_location)
        yield from physical(context, arm.gripper, grip)
