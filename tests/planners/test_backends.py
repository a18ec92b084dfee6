"""Planners on other libraries. Each is skipped, with the line that installs it, where its library is missing."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from labwright.model.campaign import CampaignState, Objective, PlannerSpec
from labwright.model.errors import ConfigError, PlannerError
from labwright.planners import BACKENDS, Planner, load_planner
from labwright.planners.protocol import needs
from labwright.planners.registry import lacking
from labwright.testing import check_planner
from labwright.testing._campaigns import campaigns, needing
from tests.planners.conftest import new_state, run, value, with_trial

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "baybe": ("baybe", {}),
    "botorch": ("botorch", {}),
    "botorch qLogEI": ("botorch", {"acquisition": "qLogEI"}),
    "optuna gp": ("optuna", {"sampler": "gp"}),
    "optuna tpe": ("optuna", {"sampler": "tpe"}),
    "skopt": ("skopt", {"acquisition": "EI"}),
}

REQUIRED = os.environ.get("LABWRIGHT_REQUIRE_BACKENDS")


def missing(name: str) -> list[str]:
    return [module for module in BACKENDS[name] if find_spec(module) is None]


def needing_library(variant: str) -> Any:
    name, _ = VARIANTS[variant]
    words = f"{', '.join(missing(name))} is not installed: pip install 'labwright[{name}]'"
    if name == "skopt":
        words = "slow: make test-backends"
    skip = (bool(missing(name)) or name == "skopt") and not REQUIRED
    return pytest.param(variant, marks=[pytest.mark.backends, pytest.mark.skipif(skip, reason=words)])


def variants(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("variant", [needing_library(name) for name in names or VARIANTS])


def spec(variant: str, **more: Any) -> PlannerSpec:
    name, options = VARIANTS[variant]
    return PlannerSpec(name=name, options={**options, **more})


def make(variant: str) -> Planner:
    return load_planner(spec(variant))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@variants()
def test_keeps_the_rules_of_all_planners(variant: str) -> None:
    check_planner(functools.partial(make, variant), seconds=120.0)


@pytest.mark.slow
@pytest.mark.timeout(600)
@variants("baybe", "botorch", "botorch qLogEI", "optuna gp")
@pytest.mark.parametrize("goal", ["max", "min"])
def test_finds_an_optimum_on_a_face(variant: str, goal: str) -> None:
    state = new_state("sobol", seed=3, goal=goal).model_copy(update={"planner": spec(variant)})
    state = run(state, 16)
    assert max(value(**trial.params) for trial in state.trials) > 11.7  # type: ignore[arg-type]  # all three are floats


@pytest.mark.slow
@pytest.mark.timeout(600)
@variants("baybe", "botorch", "optuna gp")
def test_seeks_a_target_rather_than_the_most(variant: str) -> None:
    state = campaigns()["eight done"]
    wanted = Objective(name="y", goal="target", unit="mS", target=0.8)
    planner = make(variant)
    state = state.model_copy(update={"objective": wanted})
    for _ in range(5):
        (suggestion,) = planner.ask(state, 1)
        measured = {"y": {"mean": _smooth(state, suggestion.params)}, "second": {"mean": 0}, "third": {"mean": 0}}
        state = with_trial(state, params=suggestion.params, status="done", outcomes=measured)
    near = 0.1 if variant == "optuna gp" else 0.02  # Optuna has no objective of an outcome: it models the distance
    assert max(wanted.merit(trial.outcomes["y"].mean) for trial in state.trials[8:]) > -near


@pytest.mark.slow
@pytest.mark.timeout(600)
@variants("botorch", "optuna gp")
def test_limits_on_outcomes_keep_it_where_they_are_kept(variant: str) -> None:
    """The more of x the better, but what is measured beside it must stay below 0.4, and it grows with x."""
    limit = {"name": "second", "unit": "1", "high": 0.4}
    state = campaigns()["eight done"]
    trials = [trial.model_dump() for trial in state.trials]
    for trial in trials:
        share = (float(trial["params"]["x"]) + 2.0) / 5.0
        trial["outcomes"] = {"y": {"mean": share}, "second": {"mean": share}}
    state = CampaignState.model_validate({**state.model_dump(), "trials": trials, "outcome_limits": [limit]})
    (suggestion,) = make(variant).ask(state, 1)
    assert (float(suggestion.params["x"]) + 2.0) / 5.0 == pytest.approx(0.4, abs=0.12)


@pytest.mark.slow
@pytest.mark.timeout(600)
@variants("baybe", "botorch", "optuna gp", "optuna tpe")
def test_keeps_away_from_what_failed_and_from_what_is_pending(variant: str) -> None:
    state, planner = campaigns()["eight done"], make(variant)
    (first,) = planner.ask(state, 1)
    spoilt = with_trial(state, params=first.params, status="failed", fail_kind="infeasible")
    running = with_trial(state, params=first.params, status="running")
    broken = with_trial(state, params=first.params, status="failed", fail_kind="equipment")
    for other in (spoilt, running, broken):
        assert planner.ask(other, 1)[0].params != first.params


@variants("botorch")
def test_common_chance_and_settings_are_left_as_they_were(variant: str) -> None:
    import random

    import numpy as np
    import torch

    planner, state = make(variant), campaigns()["eight done"]
    planner.ask(state, 1)
    torch.manual_seed(5)
    threads, python, common, chance = (
        torch.get_num_threads(),
        random.getstate(),
        np.random.get_state()[1].tolist(),  # type: ignore[index]
        torch.get_rng_state(),
    )
    planner.ask(state, 1)
    assert torch.get_num_threads() == threads
    assert random.getstate() == python
    assert np.random.get_state()[1].tolist() == common  # type: ignore[index]
    assert bool((torch.get_rng_state() == chance).all())
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("name", list(BACKENDS))
def test_a_missing_library_is_told_with_the_line_that_installs_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labwright.planners.extras.find_spec", lambda module: None)
    with pytest.raises(PlannerError) as caught:
        load_planner(PlannerSpec(name=name))
    assert f"pip install 'labwright[{name}]'" in str(caught.value)
    assert f"needs the package {BACKENDS[name][0]}" in str(caught.value)


def test_the_tree_estimator_does_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labwright.planners.extras.find_spec", lambda module: None if module == "torch" else object())
    assert load_planner(PlannerSpec(name="optuna", options={"sampler": "tpe"})).name == "optuna"
    with pytest.raises(PlannerError, match="needs the package torch"):
        load_planner(PlannerSpec(name="optuna"))


def test_a_wrong_option_is_told_whether_or_not_the_library_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labwright.planners.extras.find_spec", lambda module: object())
    with pytest.raises(ConfigError, match="did you mean 'sampler'"):
        load_planner(PlannerSpec(name="optuna", options={"sample": "tpe"}))
    with pytest.raises(ConfigError, match="acquisition: must be 'qLogNEI' or 'qLogEI'"):
        load_planner(PlannerSpec(name="botorch", options={"acquisition": "UCB"}))


def test_the_start_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labwright.planners.extras.find_spec", lambda module: object())
    code = (
        "import sys\n"
        "from labwright.planners import extras, registry\n"
        "extras.find_spec = lambda module: object()\n"
        "from labwright.model.campaign import CampaignState, PlannerSpec\n"
        "state = CampaignState.model_validate_json(sys.stdin.read())\n"
        "for name in registry.BACKENDS:\n"
        "    registry.load_planner(PlannerSpec(name=name)).ask(state, 2)\n"
        "print({'torch', 'botorch', 'optuna', 'baybe'} & set(sys.modules))\n"
    )
    given = new_state("sobol").model_dump_json()
    done = subprocess.run([sys.executable, "-c", code], input=given, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_what_they_lack_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labwright.planners.extras.find_spec", lambda module: object())
    state = needing()["outcome limits"]
    assert "takes no account of outcome limits" in lacking(load_planner(PlannerSpec(name="baybe")), needs(state))
    assert lacking(load_planner(PlannerSpec(name="botorch")), needs(state)) == ""


def _smooth(state: CampaignState, params: Any) -> float:
    from labwright.testing._campaigns import _value

    return round(_value(state.space, params, 0), 6)
