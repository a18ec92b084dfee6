"""Plan stubs that protocols use besides Bluesky's own.

They give messages as they are: each of Bluesky's stubs writes down the call stack, which took a tenth of a campaign's
processor time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from bluesky.protocols import Triggerable
from bluesky.utils import Msg, separate_devices

from labwright.model.errors import OutOfRangeError
from labwright.stations.protocol import Plan, StepContext

_groups = itertools.count()
_message: Any = Msg
_separate: Any = separate_devices


def physical(context: StepContext, target: Any, value: float) -> Plan:
    """Set `target` to `value` once, wait until it is done, and place a checkpoint.

    The checkpoint right after prevents a deferred pause from repeating it; nothing starts once a stop was asked for.

    Args:
        context: the step's.
        target: an axis: something with `set`.
        value: in the axis' unit.

    Returns:
        what was really set: `value`, or less where it was cut short and a person has taken the counted part as it is.
    """
    context.checkpoint()
    group = f"physical-{next(_groups)}"
    outcome = yield _message("set", target, value, group=group)
    yield _message("wait", None, group=group)
    yield _message("checkpoint")
    done = getattr(outcome, "value", None)
    return value if done is None else done


def observe(context: StepContext, *devices: Any, stream: str = "primary") -> Plan:
    """Trigger and read `devices` into one event of `stream`; returns the readings' values by data key."""
    context.checkpoint()
    readings = yield from trigger_and_read(devices, stream)
    yield _message("checkpoint")
    return {key: one["value"] for key, one in readings.items()}


def look(context: StepContext, thing: Any, stream: str = "primary") -> Plan:
    """Read `thing`, which nothing triggers, into one event of `stream`; returns its values by data key."""
    context.checkpoint()
    yield _message("create", None, name=stream)
    try:
        readings = (yield _message("read", thing)) or {}
    except Exception:
        yield _message("drop")
        raise
    yield _message("save")
    return {key: one["value"] for key, one in readings.items()}


def trigger_and_read(devices: Iterable[Any], stream: str) -> Generator[Msg, Any, Mapping[str, Mapping[str, Any]]]:
    """Bluesky's plan of that name, but for rewinding, which stations refuse: the readings by data key.

    Args:
        devices: those that can be triggered are, all at once; then all are read.
        stream: what the event belongs to.
    """
    wanted = _separate(devices)
    group = f"trigger-{next(_groups)}"
    triggered = [device for device in wanted if isinstance(device, Triggerable)]
    for device in triggered:
        yield _message("trigger", device, group=group)
    if triggered:
        yield _message("wait", None, group=group)
    yield _message("create", None, name=stream)
    readings: dict[str, Mapping[str, Any]] = {}
    try:
        for device in wanted:
            readings.update((yield _message("read", device)) or {})
    except Exception:
        yield _message("drop")
        raise
    yield _message("save")
    return readings


def wait_s(seconds: float) -> Plan:
    """Wait `seconds` of lab time.

    Raises:
        OutOfRangeError: no finite number, or a negative one.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise OutOfRangeError(f"cannot wait {seconds} s; look at the lab's constants")
    yield _message("sleep", None, seconds)
