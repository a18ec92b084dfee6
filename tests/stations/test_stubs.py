"""Our stubs against Bluesky's."""

from collections.abc import Generator
from typing import Any

import bluesky.plan_stubs as bps
import pytest
from ophyd.sim import SynAxis, SynSignal

from labwright.stations.stubs import trigger_and_read

STARTED = SynSignal(func=lambda: 1.0, name="started")
READ = type("Reads", (), {"name": "reads", "parent": None, "read": None, "describe": None})()
AXIS = SynAxis(name="axis")


def messages(plan: Generator[Any, Any, Any], fails: Any) -> tuple[list[tuple[str, Any]], Any]:
    """What a plan asks for, where reading one of its devices fails; and what it returns or raises."""
    asked: list[tuple[str, Any]] = []
    message = next(plan)
    while True:
        asked.append((message.command, message.obj))
        try:
            if message.command == "read" and message.obj is fails:
                message = plan.throw(OSError("no answer"))
            else:
                message = plan.send({message.obj.name: {"value": 1}} if message.command == "read" else None)
        except StopIteration as end:
            return asked, end.value
        except OSError as error:
            return asked, str(error)


@pytest.mark.parametrize("fails", [None, STARTED, READ])
@pytest.mark.parametrize("devices", [[STARTED], [READ], [STARTED, READ, AXIS, AXIS.readback]])
def test_reading_asks_for_the_same_as_blueskys_plan(devices: list[Any], fails: Any) -> None:
    ours = messages(trigger_and_read(devices, "primary"), fails)
    assert ours == messages(iter(bps.trigger_and_read(devices, "primary")), fails)
    assert ours[0][-1][0] == ("drop" if fails in devices else "save")
