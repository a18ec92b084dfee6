"""The default planner against random search on the electrolyte's conductivity, without any instruments.

``python -m benchmarks.electrolyte_planner [--first-seed 0] [--seeds 10] [--experiments 25]``. Each experiment is a
triplicate at 27 °C with 1.9 % noise on each reading, the median repeatability of the real robot's record. Printed is
the TRUE conductivity of what the planner recommends, as a fraction of the best there is inside the same constraint.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence

import numpy as np

from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Trial
from labwright.model.space import Params, Real, Space
from labwright.planners import load_planner
from protocols.formulation import MOLALITY_LIMIT
from simulators.electrolyte import conductivity_ms_per_cm, optimum

CELSIUS = 27.0
RELATIVE_NOISE = 0.019
REPLICATES = 3
HALF_WAY = 13  # the real campaign measured its best design as its 13th
GOAL = 0.985

SPACE = Space(
    parameters=(
        Real(name="molality", low=0.14, high=2.0, unit="mol/kg"),
        Real(name="ec_fraction", low=0.30, high=0.50, unit="1"),
        Real(name="dmc_share", low=0.0, high=1.0, unit="1"),
    ),
    constraints=(MOLALITY_LIMIT,),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run both planners on every seed and print what they reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--experiments", type=int, default=25)
    options = parser.parse_args(arguments)
    best = optimum(CELSIUS, [MOLALITY_LIMIT]).conductivity_ms_per_cm
    print(f"optimum {best:.3f} mS/cm; goal {GOAL:.1%} of it; columns: after {HALF_WAY} and {options.experiments}")
    print("seed   gp          random         CPU s per gp ask")
    table = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        begin = time.process_time()
        gp = run("gp", seed, options.experiments, best)
        per_ask = (time.process_time() - begin) / options.experiments
        random = run("random", seed, options.experiments, best)
        table.append((*gp, *random))
        print(f"{seed:4d}   {gp[0]:.4f} {gp[1]:.4f}  {random[0]:.4f} {random[1]:.4f}  {per_ask:.2f}")
    figures = np.array(table)
    early, late = ((figures[:, column] >= GOAL).sum() for column in (0, 1))
    print(f"gp reaches the goal after {HALF_WAY} in {early} of {len(table)}, after {options.experiments} in {late}")
    won = [(figures[:, column] > figures[:, column + 2]).sum() for column in (0, 1)]
    print(f"gp is ahead of random after {HALF_WAY} in {won[0]}, after {options.experiments} in {won[1]}")
    print("median  " + "  ".join(f"{value:.4f}" for value in np.median(figures, axis=0)))


def run(planner_name: str, seed: int, experiments: int, best: float) -> tuple[float, float]:
    """The recommendation's true conductivity over the optimum's, half-way and at the end."""
    spec = PlannerSpec(name=planner_name)
    planner = load_planner(spec)
    objective = Objective(name="conductivity", goal="max", unit="mS/cm")
    state = CampaignState(space=SPACE, objective=objective, seed=seed, planner=spec)
    rng = np.random.default_rng([seed, 19])
    reached = []
    for number in range(1, experiments + 1):
        (suggestion,) = planner.ask(state, 1)
        readings = true_conductivity(suggestion.params) * (1 + RELATIVE_NOISE * rng.normal(size=REPLICATES))
        outcome = Outcome(mean=float(readings.mean()), sem=float(readings.std(ddof=1)) / math.sqrt(REPLICATES))
        trial = Trial(id=str(number), params=suggestion.params, status="done", outcomes={"conductivity": outcome})
        state = state.model_copy(update={"trials": (*state.trials, trial)})
        if number in (min(HALF_WAY, experiments), experiments):
            recommendation = planner.best(state)
            assert recommendation is not None
            reached.append(true_conductivity(recommendation.params) / best)
    return reached[0], reached[-1]


def true_conductivity(params: Params) -> float:
    """In mS/cm at 27 °C, without noise."""
    return conductivity_ms_per_cm(**{name: float(value) for name, value in params.items()}, celsius=CELSIUS)


if __name__ == "__main__":
    main()
