"""The default planner: what it learns from, and that it finds an optimum on a face of the box."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.model.campaign import CampaignState, PlannerSpec
from labwright.planners import load_planner
from labwright.planners.gp.acquisition import log_expected_improvement
from labwright.planners.gp.planner import GpPlanner
from tests.planners.conftest import new_state, run, value, with_trial

PLANNER = load_planner(PlannerSpec(name="gp"))


@pytest.mark.parametrize("goal", ["max", "min"])
def test_finds_an_optimum_on_a_face_through_noise(goal: str) -> None:
    noise = np.random.default_rng(3).normal(0.0, 0.05, 100)
    state = run(new_state(seed=3, goal=goal), 16, lambda number: float(noise[number]))
    best = PLANNER.best(state)
    assert best is not None
    assert value(**best.params) > 11.85  # type: ignore[arg-type]  # all three are floats
    assert best.params["share"] == 1.0, "the face is reached exactly"
    assert abs(best.predicted.mean) == pytest.approx(value(**best.params), abs=0.15)  # type: ignore[arg-type]


def test_an_optimum_on_a_constraint_is_reached() -> None:
    state = new_state(seed=1)
    for _ in range(12):
        (suggestion,) = PLANNER.ask(state, 1)
        upward = {"k": {"mean": float(suggestion.params["salt"])}}
        state = with_trial(state, params=suggestion.params, status="done", outcomes=upward)
    best = PLANNER.best(state)
    assert best is not None
    assert best.params["salt"] == pytest.approx(2.0, abs=1e-9)
    assert best.params["share"] == 1.0


def test_the_start_counts_failures() -> None:
    state = new_state(n_start=4)
    planner = load_planner(state.planner)
    for suggestion in planner.ask(state, 2):
        state = with_trial(state, params=suggestion.params, status="failed", fail_kind="equipment")
    state = run(state, 2)
    (suggestion,) = planner.ask(state, 1)
    assert suggestion.predicted is not None, "four asked, two of them measured: the model leads"


def test_while_everything_fails_it_goes_on_scanning() -> None:
    state = new_state()
    for _ in range(8):
        (suggestion,) = PLANNER.ask(state, 1)
        assert suggestion.predicted is None
        state = with_trial(state, params=suggestion.params, status="failed", fail_kind="infeasible")
    assert len({tuple(trial.params.values()) for trial in state.trials}) == 8


def test_failed_synthesis_repels_and_failed_equipment_does_not(eight_done: CampaignState) -> None:
    (first,) = PLANNER.ask(eight_done, 1)
    before = PLANNER.predict(eight_done, [first.params])[0].mean
    broken = with_trial(eight_done, params=first.params, status="failed", fail_kind="equipment")
    spoilt = with_trial(eight_done, params=first.params, status="failed", fail_kind="infeasible")
    assert PLANNER.predict(broken, [first.params])[0].mean == before
    assert PLANNER.predict(spoilt, [first.params])[0].mean < before - 1.0
    assert PLANNER.ask(broken, 1)[0].params != first.params
    away = PLANNER.ask(spoilt, 1)[0].params
    distance = np.abs(np.subtract(eight_done.space.to_unit(away), eight_done.space.to_unit(first.params))).max()
    assert distance > 0.02


@pytest.mark.parametrize("status", ["proposed", "running"])
def test_pending_points_are_neither_repeated_nor_crowded(eight_done: CampaignState, status: str) -> None:
    state = eight_done
    for _ in range(4):
        (suggestion,) = PLANNER.ask(state, 1)
        state = with_trial(state, params=suggestion.params, status=status)
    asked = np.array([state.space.to_unit(trial.params) for trial in state.trials[-4:]])
    gaps = [np.abs(asked[i] - asked[j]).max() for i in range(4) for j in range(i)]
    assert min(gaps) > 0.02
    assert PLANNER.best(state) == PLANNER.best(eight_done), "a pending trial is no evidence"


def test_a_batch_is_spread(eight_done: CampaignState) -> None:
    batch = np.array([eight_done.space.to_unit(suggestion.params) for suggestion in PLANNER.ask(eight_done, 4)])
    assert min(np.abs(batch[i] - batch[j]).max() for i in range(4) for j in range(i)) > 0.02


def test_it_learns_from_what_was_made_not_from_what_was_asked() -> None:
    asked = {"salt": 1.0, "carbonate": 0.4, "share": 0.5}
    state = new_state()
    for number, salt in enumerate((0.4, 0.8, 1.2, 1.6)):
        made = {"salt": salt}
        outcomes = {"k": {"mean": 10.0 - number, "sem": 0.01}}
        state = with_trial(state, params=asked, status="done", outcomes=outcomes, measured_params=made)
    low, high = PLANNER.predict(state, [{**asked, "salt": 0.4}, {**asked, "salt": 1.6}])
    assert low.mean == pytest.approx(10.0, abs=0.2)
    assert high.mean == pytest.approx(7.0, abs=0.2)
    best = PLANNER.best(state)
    assert best is not None
    assert best.params == {**asked, "salt": 0.4}


def test_a_lucky_reading_is_not_the_recommendation() -> None:
    state = new_state()
    for number, salt in enumerate(np.linspace(0.3, 1.9, 9)):
        params = {"salt": float(salt), "carbonate": 0.35, "share": 0.9}
        lucky = 3.0 if number == 0 else 0.0
        outcomes = {"k": {"mean": value(**params) + lucky, "sem": 3.0 if lucky else 0.02}}
        state = with_trial(state, params=params, status="done", outcomes=outcomes)
    state = with_trial(
        state,
        params={"salt": 0.31, "carbonate": 0.35, "share": 0.9},
        status="done",
        outcomes={"k": {"mean": 13.0, "sem": 3.0}},
    )
    best = PLANNER.best(state)
    assert best is not None
    assert best.observed_trial_id == "9"
    assert best.observed.mean == 13.0
    assert best.trial_id == "4", "salt 1.1, where all its neighbours say the same"


def test_a_suggestion_says_what_it_expects(eight_done: CampaignState) -> None:
    (suggestion,) = PLANNER.ask(eight_done, 1)
    assert suggestion.predicted is not None
    assert suggestion.predicted == PLANNER.predict(eight_done, [suggestion.params])[0]
    assert "that it comes out above the best so far" in suggestion.rationale
    assert "mS/cm" in suggestion.rationale


def test_a_bound_is_what_counts_where_readings_scatter() -> None:
    state = run(new_state("sobol"), 30)

    def said(sem: float, planner: GpPlanner = PLANNER) -> str:  # type: ignore[assignment]  # it is one
        scattered = [
            trial.model_copy(update={"outcomes": {"k": trial.outcomes["k"].model_copy(update={"sem": sem})}})
            for trial in state.trials
        ]
        (suggestion,) = planner.ask(state.model_copy(update={"trials": tuple(scattered)}), 1)
        return suggestion.rationale

    assert "chosen for its expected improvement" in said(0.001)
    assert "chosen for mean + 2 standard deviations" in said(1.0)
    assert "chosen for mean + 1.5 standard deviations" in said(1.0, GpPlanner(beta=1.5))
    assert "chosen for its expected improvement" in said(1.0, GpPlanner(acquisition="log_ei"))


def test_equal_outcomes_do_not_break_the_scale() -> None:
    state = new_state()
    for _ in range(7):
        (suggestion,) = PLANNER.ask(state, 1)
        state = with_trial(state, params=suggestion.params, status="done", outcomes={"k": {"mean": 4.0}})
    best = PLANNER.best(state)
    assert best is not None
    assert best.predicted.mean == pytest.approx(4.0)


def test_an_ask_after_25_experiments_is_cheap() -> None:
    state = run(new_state("sobol"), 25)
    GpPlanner().ask(state, 1)  # pays for the imports
    begin = time.process_time()
    GpPlanner().ask(state, 1)
    assert time.process_time() - begin < 1.0  # 0.1 s measured; the limit is for a busy machine


@given(st.floats(-1e5, 30), st.floats(1e-6, 1e3))
def test_log_expected_improvement_is_finite_and_right_where_the_plain_formula_holds(u: float, sd: float) -> None:
    value = float(log_expected_improvement(np.array([u * sd]), np.array([sd]), 0.0)[0])
    assert math.isfinite(value)
    if u > -5:
        density = math.exp(-0.5 * u * u) / math.sqrt(2 * math.pi)
        plain = sd * (density + u * 0.5 * math.erfc(-u / math.sqrt(2)))
        assert value == pytest.approx(math.log(plain), abs=1e-6)


def test_log_expected_improvement_rises_with_the_mean() -> None:
    u = np.linspace(-2e4, 20, 20001)
    assert np.all(np.diff(log_expected_improvement(u, np.ones_like(u), 0.0)) > 0)
