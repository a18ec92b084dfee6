"""The reference lab's campaign on the wires, over ten seeds: how near the optimum, and how far ahead of chance.

`python -m benchmarks.campaign_seeds [SEEDS]` runs whole campaigns of 25 experiments on simulated instruments (stepped
clock), planner and random, and prints the true conductivity of the best composition found after 13 and 25 experiments
as a share of the optimum. Limits: within 1.5 % after 25 in all seeds, after 13 in eight of ten, random behind in eight.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from labwright.clock import SteppedClock
from labwright.engine import CampaignRun, load_campaign
from labwright.journal import Journal, journal_file
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.planners import Planner
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
LOOKS = (13, 25)
GOAL = 0.985


def campaign(folder: LabFolder, planner: str, seed: int, recommend: Planner | None) -> dict[int, float]:
    """Share of the optimum's true value after 13 and after 25 experiments.

    Args:
        folder: the reference lab.
        planner: who chooses.
        seed: of planner and world.
        recommend: who names the best composition found; the same for all, so that only the choosing differs.
    """
    chosen = load_campaign(folder, SPEC, budget=max(LOOKS), seed=seed, planner=planner)
    recommend = recommend or chosen.planner
    clock = SteppedClock()
    with (
        tempfile.TemporaryDirectory() as data,
        SimulatedLab(folder.model, clock, resolve, seed=seed) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(Path(data))) as journal,
    ):
        end = CampaignRun(lab, chosen, journal, Path(data)).run()
    if end.state != "completed":
        raise SystemExit(f"seed {seed}, {planner}: {end.state}: {end.reason}")
    _, optimum = twin.world.best_possible(chosen.spec.fixed)
    state = end.core.state()
    shares = {}
    for look in LOOKS:
        best = recommend.best(state.model_copy(update={"trials": state.trials[:look]}))
        if best is None:
            raise SystemExit(f"seed {seed}, {planner}: nothing was measured in {look} experiments")
        made = {name: float(value) for name, value in best.params.items()}
        shares[look] = twin.world.truth({**made, **chosen.spec.fixed}) / optimum
    return shares


def main() -> int:
    """Run and print; 1 if a limit is missed."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    folder = read_lab(ROOT)
    good = dict.fromkeys(LOOKS, 0)
    behind = dict.fromkeys(LOOKS, 0)
    print("true conductivity of the best composition found / optimum")
    print("seed   planner 13   planner 25   random 13   random 25")
    for seed in range(seeds):
        ours = campaign(folder, "gp", seed, None)
        chance = campaign(folder, "random", seed, None)
        for look in LOOKS:
            good[look] += ours[look] >= GOAL
            behind[look] += chance[look] < ours[look]
        print(f"{seed:4d}   {ours[13]:10.4f}   {ours[25]:10.4f}   {chance[13]:9.4f}   {chance[25]:9.4f}", flush=True)
    print(f"within 1.5 %: {good[13]} of {seeds} after 13, {good[25]} of {seeds} after 25 (limits 8 and 10 of 10)")
    print(f"random behind: {behind[13]} of {seeds} after 13, {behind[25]} of {seeds} after 25 (limit 8 of 10)")
    return int(good[25] < seeds or good[13] < 0.8 * seeds or behind[25] < 0.8 * seeds)


if __name__ == "__main__":
    raise SystemExit(main())
