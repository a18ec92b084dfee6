"""Whether a protocol fits into the hours of its stations at all: what does not would only wait for ever."""

from __future__ import annotations

from labwright.engine.dirty import DirtyRows
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.layout import Layout
from labwright.engine.material import Material
from labwright.engine.outlook import Outlook
from labwright.engine.questions import Questions
from labwright.engine.reservations import Reservations
from labwright.engine.windows import Windows
from labwright.engine.work import Work
from labwright.model.figures import lasting
from labwright.model.protocol import ProtocolSpec


def never_in_time(protocol: ProtocolSpec, layout: Layout, now_s: float) -> str:
    """The first step after which a sample would wait too long whenever it begins, in words; empty if there is none.

    Args:
        protocol: by which samples are made.
        layout: of the lab, with its calendar.
        now_s: lab time from which on it is looked ahead.
    """
    if not (layout.calendar and protocol.brought and protocol.limits_waits):
        return ""
    dirty = DirtyRows()
    work = Work(dirty, Reservations(dirty), Material(dirty), Questions(dirty))
    work.material.now_s = now_s
    alone = Experiment("", "", 1, "", "", "", protocol, {})
    alone.begin({})
    windows = Windows(work, layout)
    before: StepRun | None = None
    for run in alone.left():
        follows = before is not None and before.spec.max_wait_s is not None
        if run.spec.max_wait_s is not None and not follows:
            times_s = [now_s, *windows.times_s(alone, run)]
            late = [Outlook(work, layout, at_s, alone=True).too_late(alone, run) for at_s in times_s]
            if all(late):
                waits = lasting(run.spec.max_wait_s)
                return (
                    f"step {run.spec.name}: whenever it begins, its sample comes too late to station {late[0]}, which "
                    f"it can wait {waits} for (max_wait_s): between the hours of the stations there is no time for all "
                    "of these steps; give the calendars longer hours, or the step a longer wait"
                )
        before = run
    return ""
