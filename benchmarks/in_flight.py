"""The reference lab's campaign with four samples in flight against one at a time, on the wires, over ten seeds.

`python -m benchmarks.in_flight [SEEDS]` runs whole campaigns of 28 experiments on simulated instruments (stepped clock)
with `parallel` 1 and 4. Printed for each seed are the lab time from the first experiment's first move to the last one's
end (the calibration, which campaigns of a day share, is not in it; with it the ratio is printed too), and after how
many experiments the best composition found has 98.5 % of the optimum's true conductivity for good. Limits: 0.45 of the
lab time, and on the mean of the seeds at most 1.25 times the experiments. Ten seeds say the second to within a fifth
only: `python -m benchmarks.planners in_flight` asks the planner the same without the lab, with as many seeds as wanted.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labwright.clock import SteppedClock
from labwright.engine import CampaignRun, load_campaign
from labwright.journal import Journal, journal_file, schema
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
EXPERIMENTS = 28
IN_FLIGHT = 4
GOAL = 0.985
LIMIT_TIME, LIMIT_EXPERIMENTS = 0.45, 1.25


@dataclass(frozen=True)
class Went:
    """How a campaign went.

    Attributes:
        lab_s: lab time of its experiments.
        whole_s: with its preparations.
        needed: experiments after which the best found stays above the goal; one more than there were if never.
    """

    lab_s: float
    whole_s: float
    needed: int


def campaign(folder: LabFolder, seed: int, parallel: int) -> Went:
    """Carry one out.

    Args:
        folder: the reference lab.
        seed: of planner and world.
        parallel: samples in flight.
    """
    clock = SteppedClock()
    with tempfile.TemporaryDirectory() as folder_of_spec:
        spec = Path(folder_of_spec) / SPEC.name
        spec.write_text(f"{SPEC.read_text()}parallel: {parallel}\n")
        chosen = load_campaign(folder, spec, budget=EXPERIMENTS, seed=seed)
    with (
        tempfile.TemporaryDirectory() as data,
        SimulatedLab(folder.model, clock, resolve, seed=seed) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(Path(data))) as journal,
    ):
        end = CampaignRun(lab, chosen, journal, Path(data)).run()
        steps = [row for row in journal.rows(schema.step) if row["ended_s"] is not None]
    if end.state != "completed":
        raise SystemExit(f"seed {seed}, {parallel} in flight: {end.state}: {end.reason}")
    began_s = min(row["started_s"] for row in steps if row["label"].isdigit())
    ended_s = max(row["ended_s"] for row in steps)
    _, optimum = twin.world.best_possible(chosen.spec.fixed)
    state = end.core.state()
    needed = EXPERIMENTS + 1
    for number in range(len(state.trials), 0, -1):
        best = chosen.planner.best(state.model_copy(update={"trials": state.trials[:number]}))
        if best is None:
            break
        made = {name: float(value) for name, value in best.params.items()}
        if twin.world.truth({**made, **chosen.spec.fixed}) < GOAL * optimum:
            break
        needed = sum(trial.id.isdecimal() for trial in state.trials[:number])
    return Went(ended_s - began_s, ended_s - min(row["started_s"] for row in steps), needed)


def main() -> int:
    """Run and print; 1 if a limit is missed."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    folder = read_lab(ROOT)
    ratios, whole, one, four = [], [], [], []
    print(
        f"seed   lab h, 1   lab h, {IN_FLIGHT}   ratio   with calibration   experiments, 1   experiments, {IN_FLIGHT}"
    )
    for seed in range(seeds):
        alone, many = (campaign(folder, seed, parallel) for parallel in (1, IN_FLIGHT))
        ratios.append(many.lab_s / alone.lab_s)
        whole.append(many.whole_s / alone.whole_s)
        one.append(alone.needed)
        four.append(many.needed)
        print(
            f"{seed:4d}   {alone.lab_s / 3600:8.2f}   {many.lab_s / 3600:8.2f}   {ratios[-1]:.3f}   {whole[-1]:16.3f}"
            f"   {alone.needed:14d}   {many.needed:14d}",
            flush=True,
        )
    more = statistics.mean(four) / statistics.mean(one)
    low, high = _interval(one, four)
    print(
        f"lab time: {max(ratios):.3f} of one at a time at most (limit {LIMIT_TIME}); {max(whole):.3f} with calibration"
    )
    print(
        f"experiments until the optimum: {statistics.mean(four):.1f} against {statistics.mean(one):.1f} on the mean, "
        f"{more:.2f} times (limit {LIMIT_EXPERIMENTS}); with other seeds {low:.2f} to {high:.2f} (90 %)"
    )
    return int(max(ratios) > LIMIT_TIME or more > LIMIT_EXPERIMENTS)


def _interval(one: Sequence[int], four: Sequence[int]) -> tuple[float, float]:
    """Between which ratios nine in ten lie of as many other seeds, by bootstrap of these."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(one), size=(2000, len(one)))
    ratios = np.array(four)[drawn].mean(axis=1) / np.array(one)[drawn].mean(axis=1)
    low, high = np.quantile(ratios, (0.05, 0.95))
    return float(low), float(high)


if __name__ == "__main__":
    raise SystemExit(main())
