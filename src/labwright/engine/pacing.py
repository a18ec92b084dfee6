"""When another sample may begin: not while it would only wait for a station, since its planner knows more later.

Each sample on its way is one whose outcome the planner does not know when it chooses the next. Where the samples that
are under way keep a station busy for longer than another would need to get there, that one could begin later and come
in time. This is asked at each event of the campaign, so what is certain to come before the next event counts as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from labwright.engine.experiment import Experiment, StepRun
from labwright.model.protocol import ProtocolSpec

BLIND = ("listed", "random", "sobol")
"""Planners that take no account of outcomes, and gain nothing by waiting for them."""

LONGER = 1.25
"""What a sample may take of the time it is expected to need: a station must not stand still for want of it."""


def would_only_wait(
    live: Collection[Experiment],
    protocol: ProtocolSpec,
    expected_s: Mapping[str, float],
    slots: Mapping[str, int],
    now_s: float,
) -> bool:
    """Whether another sample that began now would only wait for a station that others keep busy.

    Args:
        live: experiments of the campaign under way.
        protocol: that each carries out.
        expected_s: what its steps take, lab seconds, by name, where other than it declares.
        slots: how many samples a station works on at once, by the name that the protocol has for it.
        now_s: lab time.
    """
    under_way = [one for one in live if one.state != "held" and not one.given_up]
    runs = [run for one in under_way for run in one.steps.values() if run.state not in ("done", "failed", "skipped")]
    # What can start now has not started yet where a step has just ended.
    at_work = [run for run in runs if run.state == "running"] + [run for one in under_way for run in one.startable()]
    next_s = min((_left_s(run, now_s) for run in at_work), default=0.0)
    move_s = max((run.expected_s for one in live for run in one.steps.values() if run.carrier), default=0.0)
    lead_s = 0.0
    for step in protocol.steps:
        if step.sample:
            lead_s += move_s
        busy_s = sum(_left_s(run, now_s) for run in runs if not run.carrier and run.spec.station == step.station)
        if busy_s / slots.get(step.station, 1) - next_s > LONGER * lead_s:
            return True
        lead_s += expected_s.get(step.name, step.expected_s)
    return False


def pace_s(protocol: ProtocolSpec, expected_s: Mapping[str, float], slots: Mapping[str, int], parallel: int) -> float:
    """How long a campaign needs for each further experiment, lab seconds, if it has the lab for itself.

    Args:
        protocol: that each carries out.
        expected_s: what its steps take, lab seconds, by name, where other than it declares.
        slots: how many samples a station works on at once, by the name that the protocol has for it.
        parallel: how many samples may be on their way at once.
    """
    busy_s: dict[str, float] = {}
    for step in protocol.steps:
        takes_s = expected_s.get(step.name, step.expected_s)
        busy_s[step.station] = busy_s.get(step.station, 0.0) + takes_s
    alone_s = max((takes_s / slots.get(station, 1) for station, takes_s in busy_s.items()), default=0.0)
    return max(alone_s, sum(busy_s.values()) / parallel)


def _left_s(run: StepRun, now_s: float) -> float:
    """What is expected to be left of a step, lab seconds."""
    if run.state == "running" and run.ordered_s is not None:
        return max(0.0, run.ordered_s + run.expected_s - now_s)
    return run.expected_s
