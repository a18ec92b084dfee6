"""The campaign's state: plain JSON, and refused where it contradicts itself."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Trial
from labwright.model.space import Categorical, Integer, Params, Real, Space

SPACE = Space(
    parameters=(
        Real(name="molality", low=0.1, high=2.0, unit="mol/kg"),
        Integer(name="rinses", low=1, high=3),
        Categorical(name="salt", levels=("LiPF6", "LiFSI")),
    )
)
PARAMS: Params = {"molality": 1.0, "rinses": 2, "salt": "LiPF6"}


def state(*trials: Trial) -> CampaignState:
    objective = Objective(name="conductivity", goal="max", unit="mS/cm")
    return CampaignState(space=SPACE, objective=objective, trials=trials, seed=1, planner=PlannerSpec(name="sobol"))


def test_a_state_is_plain_json_and_comes_back_equal() -> None:
    done = Trial(
        id="1",
        params=PARAMS,
        status="done",
        outcomes={"conductivity": Outcome(mean=10.5, sem=0.1)},
        measured_params={"molality": 1.003},
    )
    before = state(done, Trial(id="2", params=PARAMS, status="failed", fail_kind="equipment"))
    after = CampaignState.model_validate(json.loads(before.model_dump_json()))
    assert after == before
    assert after.trials[0].params == PARAMS
    assert {name: type(value) for name, value in after.trials[0].params.items()} == {
        "molality": float,
        "rinses": int,
        "salt": str,
    }
    assert after.trials[0].made == {**PARAMS, "molality": 1.003}
    assert after.trials[1].made == PARAMS


def test_only_proposed_and_running_are_pending() -> None:
    pending = {
        status: Trial(id="1", params={}, status=status, fail_kind="aborted" if status == "failed" else None).pending
        for status in ("proposed", "running", "done", "failed", "abandoned")
    }
    assert [status for status, yes in pending.items() if yes] == ["proposed", "running"]


@pytest.mark.parametrize(
    ("trials", "says"),
    [
        ([{"id": "1", "params": PARAMS, "status": "failed"}], "infeasible, equipment or aborted"),
        ([{"id": "1", "params": PARAMS, "status": "running", "fail_kind": "aborted"}], "any other has none"),
        ([{"id": "1", "params": PARAMS, "status": "done"}], "'1' is done but has no outcome 'conductivity'"),
        ([{"id": "1", "params": PARAMS, "status": "running"}] * 2, "'1' is there twice"),
        ([{"id": "1", "params": {**PARAMS, "molarity": 1.0}, "status": "running"}], "did you mean 'molality'?"),
        ([{"id": "1", "params": {"molality": 1.0}, "status": "running"}], "'rinses' is missing"),
        ([{"id": "1", "params": {**PARAMS, "molality": float("nan")}, "status": "running"}], "finite number"),
        ([{"id": "1", "params": {**PARAMS, "molality": True}, "status": "running"}], "valid"),
    ],
)
def test_a_state_that_contradicts_itself_is_refused(trials: list[object], says: str) -> None:
    good = state().model_dump()
    with pytest.raises(ValidationError) as caught:
        CampaignState.model_validate({**good, "trials": trials})
    assert says in str(caught.value)


@pytest.mark.parametrize("outcome", [{"mean": float("inf")}, {"mean": 1.0, "sem": -0.1}, {"mean": 1.0, "std": 1.0}])
def test_an_outcome_is_finite_and_its_error_positive(outcome: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Outcome.model_validate(outcome)
