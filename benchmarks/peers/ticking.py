"""A loop that ticks at 10 Hz and begins what it can: EOS' greedy scheduler, imitated by its documentation.

Nothing of EOS is in here. What its user guide says (*Scheduling*, *Protocols*, *Campaigns*), and what is made of it:

- a task starts as soon as the tasks before it are done and its devices are free; it gets all its devices, or none;
- protocol runs are gone through by priority in each cycle; all have the same here, so in the order of submission;
- of the devices of a type the one used least is taken ("load balances between available eligible devices");
- with ``hold`` a device stays with a run until a later task of it has used it: so a sample blocks where it stands;
- the orchestrator's loop has a rate of 10 Hz: at a tick it sees that a task has ended, and starts what follows.

It has no batches, no recipes, and no longest time to wait. EOS' own costs (its database, a process for each task) are
not here either: this is what the tick and the rule alone cost.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.scheduling.instances import MOVE_S, SLOTS, Instance, Job

TICK_S = 0.1
ROBOT = "robot"


@dataclass(frozen=True)
class Task:
    """Part of a run; it comes after the one before it.

    Attributes:
        takes_s: seconds.
        needs: types of device that it takes, one of each.
        holds: those of them that stay with the run when it is done.
        uses: types of device that the run holds, and gives back when it is done.
        step: of the sample, counted from 0; None for a move.
    """

    takes_s: float
    needs: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    step: int | None = None


@dataclass
class Run:
    """A run of a protocol.

    Attributes:
        tasks: in their order.
        number: of them that have begun.
        busy: whether the last of these still runs.
        held: devices by type.
        taken: devices of the running task alone.
        began_s: of each task.
        ended_s: of each task, as the loop has seen it.
    """

    tasks: Sequence[Task]
    number: int = 0
    busy: bool = False
    held: dict[str, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    began_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether all is done."""
        return self.number == len(self.tasks) and not self.busy


class Loop:
    """Runs of protocols over devices, decided on once a tick.

    Args:
        devices: names by type.
        runs: in the order of their submission.
    """

    def __init__(self, devices: dict[str, tuple[str, ...]], runs: Sequence[Run]) -> None:
        self.devices = devices
        self.runs = runs
        self.used: Counter[str] = Counter()
        self.free = {name for names in devices.values() for name in names}

    @property
    def over(self) -> bool:
        """Whether all runs are."""
        return all(run.over for run in self.runs)

    def end(self, run: Run, now_s: float) -> None:
        """A run's task has ended, and the loop sees it at this tick."""
        task = run.tasks[run.number - 1]
        run.busy = False
        run.ended_s.append(now_s)
        for kind, name in run.taken.items():
            if kind in task.holds:
                run.held[kind] = name
            else:
                self.free.add(name)
        run.taken = {}
        for kind in task.uses:
            self.free.add(run.held.pop(kind))

    def cycle(self, now_s: float) -> list[Run]:
        """Start what can be started at this tick; the runs whose task has begun."""
        begun = []
        for run in self.runs:
            if run.busy or run.over:
                continue
            chosen = self._choose(run.tasks[run.number].needs)
            if chosen is None:
                continue
            self.used.update(chosen.values())
            self.free -= set(chosen.values())
            run.taken, run.busy = chosen, True
            run.number += 1
            run.began_s.append(now_s)
            begun.append(run)
        return begun

    def _choose(self, needs: tuple[str, ...]) -> dict[str, str] | None:
        chosen = {}
        for kind in needs:
            free = [name for name in self.devices[kind] if name in self.free]
            if not free:
                return None
            chosen[kind] = min(free, key=lambda name: self.used[name])
        return chosen


def simulate(loop: Loop) -> float:
    """On a clock that jumps from one tick at which something has ended to the next; when all is done, seconds.

    Raises:
        RuntimeError: nothing runs, and nothing can begin.
    """
    tick = 0
    ends: dict[int, list[Run]] = {}
    while True:
        for run in ends.pop(tick, ()):
            loop.end(run, tick * TICK_S)
        for run in loop.cycle(tick * TICK_S):
            takes_s = run.tasks[run.number - 1].takes_s
            # A task that takes nothing has ended at the next tick: within one nothing is looked at twice.
            ends.setdefault(tick + max(1, math.ceil(takes_s / TICK_S - 1e-9)), []).append(run)
        if loop.over:
            return tick * TICK_S
        if not ends:
            raise RuntimeError(f"{sum(not run.over for run in loop.runs)} runs came to a halt")
        tick = min(ends)


def tick_by_tick(loop: Loop) -> list[float]:
    """In real time, each task a thread that does nothing; when each was carried out, seconds."""
    called: list[float] = []
    tasks: dict[int, threading.Thread] = {}
    began_s = time.perf_counter()
    tick = 0
    while not loop.over:
        now_s = time.perf_counter() - began_s
        for number in [number for number, task in tasks.items() if not task.is_alive()]:
            del tasks[number]
            loop.end(loop.runs[number], now_s)
        begun = {id(run) for run in loop.cycle(now_s)}
        for number, run in enumerate(loop.runs):
            if id(run) in begun:
                tasks[number] = threading.Thread(target=lambda: called.append(time.perf_counter()))
                tasks[number].start()
        tick += 1
        time.sleep(max(0.0, began_s + tick * TICK_S - time.perf_counter()))
    return called


def noop_loop(stations: int, samples: int) -> Loop:
    """Samples with a no-op step at each station, one after the other."""
    names = tuple(f"s{number}" for number in range(stations))
    runs = [Run([Task(0.0, needs=(name,)) for name in names]) for _ in range(samples)]
    return Loop({name: (name,) for name in names}, runs)


def loop_of(instance: Instance, *, mixed: bool = False) -> Loop:
    """A generated laboratory as EOS can express it: tasks that hold devices, and moves between them.

    Args:
        instance: which.
        mixed: a furnace is as many devices as it has slots, each with a recipe of its own, which is more than the
            laboratory can do. Else it is one device, and bakes one sample at a time.
    """
    devices = {
        kind: tuple(
            f"{kind}_{which}_{slot}"
            for which in range(number)
            for slot in range(SLOTS if mixed and kind == "furnace" else 1)
        )
        for kind, number in instance.stations.items()
    }
    devices[ROBOT] = tuple(f"{ROBOT}_{number}" for number in range(instance.robots))
    return Loop(devices, [Run(_tasks(job)) for job in instance.jobs])


def _tasks(job: Job) -> list[Task]:
    """Moves and steps: to a station, which is held until the sample has been carried away from it."""
    tasks = []
    before: tuple[str, ...] = ()
    for index, (kind, takes_s) in enumerate(job.steps):
        tasks.append(Task(MOVE_S, needs=(ROBOT, kind), holds=(kind,), uses=before))
        tasks.append(Task(takes_s, step=index))
        before = (kind,)
    tasks.append(Task(MOVE_S, needs=(ROBOT,), uses=before))
    return tasks


def late(instance: Instance, loop: Loop) -> int:
    """Limited waits that were not kept, counted as for our own roll-outs."""
    count = 0
    for job, run in zip(instance.jobs, loop.runs, strict=True):
        spans = [
            (began_s, ended_s)
            for task, began_s, ended_s in zip(run.tasks, run.began_s, run.ended_s, strict=True)
            if task.step is not None
        ]
        for index, ((_, ended_s), (began_s, _)) in enumerate(itertools.pairwise(spans)):
            allowed_s = job.wait_s(index)
            count += allowed_s is not None and began_s - ended_s > allowed_s + TICK_S
    return count
