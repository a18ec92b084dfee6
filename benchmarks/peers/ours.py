"""What is held beside the peers: the engine's own pace, and its core on the generated laboratories."""

from __future__ import annotations

import itertools
import statistics
import tempfile
from pathlib import Path

from benchmarks.engine_pace import STATIONS, make_lab, run, steady
from benchmarks.scheduling.instances import Instance
from benchmarks.scheduling.rolling import rehearsal, roll
from labwright.engine.portfolio import choose
from labwright.engine.rules import FIRST
from labwright.journal import journal_file

ALONE, MANY = 30, 100
"""Samples one after another, and twenty at a time."""


def pace(rounds: int) -> tuple[list[float], list[float]]:
    """Steps a second over ten stations, and milliseconds a step of a single sample, by round; the journal is SQLite."""
    steps_per_s, step_ms = [], []
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_lab(Path(scratch) / "lab")
        for _ in range(rounds):
            data = Path(tempfile.mkdtemp(dir=scratch))
            alone = run(folder, data, journal_file(data), budget=ALONE, parallel=1)
            # Within an experiment: between two there is a planner's answer.
            pairs = itertools.pairwise(wall_s for wall_s, _ in alone)
            gaps = [1000 * (after - before) for number, (before, after) in enumerate(pairs) if (number + 1) % STATIONS]
            step_ms.append(statistics.median(gaps))
            data = Path(tempfile.mkdtemp(dir=scratch))
            many = run(folder, data, journal_file(data), budget=MANY, parallel=2 * STATIONS)
            steps_per_s.append(steady(many)[0])
    return steps_per_s, step_ms


def first_come(instance: Instance) -> tuple[float, int]:
    """Lab seconds under the rule that serves who came first, and waits that were not kept."""
    rolled = roll(instance, FIRST)
    return rolled.makespan_s, rolled.late


def chosen(instance: Instance, rollouts: int, seed: int) -> tuple[float, int]:
    """The same under the rule that so many roll-outs choose."""
    rolled = roll(instance, choose(lambda: rehearsal(instance), rollouts, seed).rule)
    return rolled.makespan_s, rolled.late
