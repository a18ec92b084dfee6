"""Lower bounds of the makespan: no timetable whatever is shorter than the largest of these.

``job``: the longest sample by itself. ``KIND``: for a kind of station, of any part of the samples that pass it: the
least any of them has before it, the work of all of them on as many stations as there are, and the least that comes
after it; a station that a sample has to be carried to or from is blocked for the move. For furnaces the work is that of
the fewest batches. ``robots``: all moves, and what the robots are idle at least until the first step has ended, and
before the last one has.
"""

from __future__ import annotations

import math

from benchmarks.scheduling.instances import KINDS, MOVE_S, SLOTS, Instance, Job


def bounds(instance: Instance) -> dict[str, float]:
    """Each bound by its name, lab seconds."""
    found = {"job": max(job.total_s for job in instance.jobs)}
    found["robots"] = _robots(instance)
    for kind in KINDS:
        number = instance.stations[kind]
        cuts = [cut for job in instance.jobs if (cut := _cut(job, kind)) is not None]
        if not cuts:
            continue
        found[kind] = _parts(cuts, number) if kind != "furnace" else _furnaces(instance, cuts, number)
    return found


def lower_bound(instance: Instance) -> tuple[str, float]:
    """The largest bound: its name, and lab seconds."""
    return max(bounds(instance).items(), key=lambda one: one[1])


def _cut(job: Job, kind: str) -> tuple[float, float, float] | None:
    """What comes before a step at a kind of station, the step with its unloading, and what comes after; lab seconds."""
    for index, (name, takes_s) in enumerate(job.steps):
        if name == kind:
            before_s = sum(t for _, t in job.steps[:index]) + (index + 1) * MOVE_S
            after_s = sum(t for _, t in job.steps[index + 1 :]) + (len(job.steps) - index - 1) * MOVE_S
            return before_s, takes_s + MOVE_S, after_s
    return None


def _robots(instance: Instance) -> float:
    """All moves, and the times at which there is nothing to be moved.

    Until a first step has ended, samples can only be brought to their first stations: one to each of these. And after
    the last sample was brought to a station, it is worked on and brought out; meanwhile samples are only brought out:
    one from each station where a sample may end.
    """
    moves = sum(len(job.steps) + 1 for job in instance.jobs)
    robots = instance.robots
    firsts = {job.steps[0][0] for job in instance.jobs}
    lasts = {job.steps[-1][0] for job in instance.jobs}
    first_s = MOVE_S + min(job.steps[0][1] for job in instance.jobs)
    last_s = min(job.steps[-1][1] for job in instance.jobs) + MOVE_S
    loads = sum(instance.stations[kind] * (SLOTS if kind == "furnace" else 1) for kind in firsts)
    outs = sum(instance.stations[kind] * (SLOTS if kind == "furnace" else 1) for kind in lasts)
    idle_s = max(0.0, robots * first_s - loads * MOVE_S)
    if any(len(job.steps) > 1 for job in instance.jobs):  # else the two times may be the same
        idle_s += max(0.0, robots * last_s - outs * MOVE_S)
    return (moves * MOVE_S + idle_s) / robots


def _parts(cuts: list[tuple[float, float, float]], number: int) -> float:
    """The largest bound of those samples that have at least so much before a kind of station, and so much after it.

    It holds for any part of the samples: leaving the others out makes no timetable longer.
    """
    heads = sorted({before_s for before_s, _, _ in cuts})
    tails = sorted({after_s for _, _, after_s in cuts})
    parts = ([cut for cut in cuts if cut[0] >= head_s and cut[2] >= tail_s] for head_s in heads for tail_s in tails)
    return max(_machines(part, number) for part in parts if part)


def _machines(cuts: list[tuple[float, float, float]], number: int) -> float:
    """Work of a kind of station: the machines begin no earlier than the smallest heads, and end before the tails.

    Each machine is idle before its first sample comes and after its last one has left: the `number` smallest heads and
    tails, one for each machine. While one is loaded, too, for the station is empty during the move, but from the second
    on its robot may come from elsewhere: only the unloading counts.
    """
    heads = sorted(before_s for before_s, _, _ in cuts)[:number]
    tails = sorted(after_s for _, _, after_s in cuts)[:number]
    used = min(number, len(cuts))
    work_s = sum(takes_s for _, takes_s, _ in cuts)
    loading_s = MOVE_S * max(0, len(cuts) - used)
    return (sum(heads) + work_s + loading_s + sum(tails)) / used


def _furnaces(instance: Instance, cuts: list[tuple[float, float, float]], number: int) -> float:
    """The fewest batches of each recipe, on furnaces that are loaded and unloaded one by one."""
    work_s = 0.0
    batches = 0
    for recipe in {job.recipe for job in instance.jobs}:
        count = math.ceil(sum(job.recipe == recipe for job in instance.jobs) / SLOTS)
        batches += count
        work_s += count * (60.0 * recipe + 2 * MOVE_S)
    used = min(number, batches)
    heads = sorted(before_s - MOVE_S for before_s, _, _ in cuts)[:used]
    tails = sorted(after_s for _, _, after_s in cuts)[:used]
    return (sum(heads) + work_s + sum(tails)) / used
