"""How the arm carries a vial."""

from __future__ import annotations

from labwright.stations import LabTransport, Plan, StepContext, physical

OPEN, CLOSED = 0, 1


class Carry(LabTransport):
    """Fetch it, and put it down."""

    def carry(self, context: StepContext, start: int, end: int) -> Plan:
        """Repeated after a fault, the empty gripper is opened first."""
        arm = context.device("arm")
        if context.order.attempt > 1:
            yield from physical(context, arm.gripper, OPEN)
        for location, grip in ((start, CLOSED), (end, OPEN)):
            yield from physical(context, arm.location, location)
            yield from physical(context, arm.gripper, grip)
