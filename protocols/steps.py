"""Moves that several protocols share."""

from __future__ import annotations

from typing import Any

from labwright.stations import Plan, StepContext, physical

OPEN, CLOSED = 0, 1

BEFORE_CARRY = (
    "put the container back to where this step takes it from, and see that the gripper is empty and nothing is in the "
    "arm's way; the whole move is made again"
)
BEFORE_DOSE = (
    "leave the vial on the balance as it is; what was dispensed and weighed before the fault counts, and only what is "
    "missing is dispensed"
)
BEFORE_STIR = "leave the vial on the hotplate; the whole step is done again"
BEFORE_FINISH = "leave what is in the cell as it is: its last filling is measured once more"
BEFORE_CELL = "leave the sample at the cell; what was drawn before the fault counts, and the rest is measured again"


def carry(context: StepContext, arm: Any, start: str, end: str) -> Plan:
    """Carry the container at `start` to `end`; repeated after a fault, the empty gripper is opened first."""
    if context.order.attempt > 1:
        yield from physical(context, arm.gripper, OPEN)
    for place, grip in ((start, CLOSED), (end, OPEN)):
        yield from physical(context, arm.location, context.lab.transports["arm"].reaches[place])
        yield from physical(context, arm.gripper, grip)
