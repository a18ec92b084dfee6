"""Plan stubs that protocols use besides Bluesky's own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import bluesky.plan_stubs as bps

from labwright.model.errors import OutOfRangeError
from labwright.stations.protocol import Plan, StepContext

_groups = itertools.count()


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
    outcome = yield from bps.abs_set(target, value, group=group)
    yield from bps.wait(group=group)
    yield from bps.checkpoint()
    done = getattr(outcome, "value", None)
    return value if done is None else done


def observe(context: StepContext, *devices: Any, stream: str = "primary") -> Plan:
    """Trigger and read `devices` into one event of `stream`; returns the readings' values by data key."""
    context.checkpoint()
    readings: Mapping[str, Mapping[str, Any]] = yield from bps.trigger_and_read(list(devices), name=stream)
    yield from bps.checkpoint()
    return {key: one["value"] for key, one in readings.items()}


def wait_s(seconds: float) -> Plan:
    """Wait `seconds` of lab time.

    Raises:
        OutOfRangeError: no finite number, or a negative one.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise OutOfRangeError(f"cannot wait {seconds} s; look at the lab's constants")
    yield from bps.sleep(seconds)
