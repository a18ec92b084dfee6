"""A small smooth problem whose optimum lies on a face of the box, and a campaign on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Trial
from labwright.model.space import LinearLE, Real, Space
from labwright.planners import load_planner

Value = Callable[..., float]


def value(salt: float, carbonate: float, share: float) -> float:
    """Largest, 12, at salt 1.1, carbonate 0.35, share 1."""
    return 12.0 - 5.0 * (salt - 1.1) ** 2 - 20.0 * (carbonate - 0.35) ** 2 - 3.0 * (1.0 - share)


def new_state(planner: str = "gp", seed: int = 0, goal: str = "max", **options: object) -> CampaignState:
    space = Space(
        parameters=(
            Real(name="salt", low=0.14, high=2.0, unit="mol/kg"),
            Real(name="carbonate", low=0.3, high=0.5, unit="1"),
            Real(name="share", low=0.0, high=1.0, unit="1"),
        ),
        constraints=(LinearLE(coefficients={"salt": 1.0, "share": -0.5}, bound=1.5),),
    )
    objective = Objective.model_validate({"name": "k", "goal": goal, "unit": "mS/cm"})
    return CampaignState(
        space=space, objective=objective, seed=seed, planner=PlannerSpec(name=planner, options=options)
    )


def with_trial(state: CampaignState, **fields: object) -> CampaignState:
    trial = Trial.model_validate({"id": str(len(state.trials)), **fields})
    return state.model_copy(update={"trials": (*state.trials, trial)})


def run(state: CampaignState, experiments: int, noise: Callable[[int], float] = lambda _: 0.0) -> CampaignState:
    """Let the state's planner do experiments one after another."""
    planner = load_planner(state.planner)
    sign = 1 if state.objective.goal == "max" else -1
    for number in range(len(state.trials), len(state.trials) + experiments):
        (suggestion,) = planner.ask(state, 1)
        measured = sign * value(**suggestion.params) + noise(number)  # type: ignore[arg-type]  # all three are floats
        outcome = Outcome(mean=measured, sem=0.05)
        state = with_trial(state, params=suggestion.params, status="done", outcomes={"k": outcome})
    return state


@pytest.fixture(scope="session")
def eight_done() -> CampaignState:
    """Eight experiments of the gp planner, five of them led by its model."""
    return run(new_state(), 8)
