"""Planners as blop's optimisers, and blop's optimisers as planners."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labwright.model.campaign import CampaignState, Objective, PlannerSpec
from labwright.model.errors import ConfigError
from labwright.model.space import Categorical, Params, Real, Space
from labwright.planners import load_planner
from labwright.planners.exchange import BlopPlanner, LabwrightOptimizer, from_blop, to_blop
from labwright.testing import check_planner
from labwright.testing._campaigns import campaigns
from tests.planners.conftest import new_state, value

needs_blop = pytest.mark.skipif(find_spec("blop") is None, reason="blop is not installed: pip install blop")


def optimizer(state: CampaignState | None = None, **more: Any) -> LabwrightOptimizer:
    given = new_state("sobol") if state is None else state
    return to_blop(load_planner(given.planner), given, **more)


def test_suggested_and_ingested_it_becomes_a_trial() -> None:
    mine = optimizer()
    first, second = mine.suggest(2)
    assert first.keys() == {"_id", "salt", "carbonate", "share"}
    assert first["_id"] != second["_id"]
    assert [trial.status for trial in mine.state.trials] == ["proposed", "proposed"]
    mine.ingest([{"_id": second["_id"], "k": (7.0, 0.1)}, {"_id": first["_id"], "k": np.float64(3.0), "salt": 0.5}])
    one, two = mine.state.trials
    assert (one.status, one.outcomes["k"].mean, one.outcomes["k"].sem) == ("done", 3.0, None)
    assert one.measured_params == {"salt": 0.5}
    assert (two.outcomes["k"].mean, two.outcomes["k"].sem, two.measured_params) == (7.0, 0.1, None)
    ((name, params, outcomes),) = mine.get_best_points()
    assert (name, outcomes) == (second["_id"], {"k": 7.0})
    assert params == {key: second[key] for key in params}
    assert len(mine.suggest()) == len(mine.suggest(None)) == 1


def test_without_an_id_it_is_a_trial_of_somebody_elses() -> None:
    mine = optimizer()
    assert mine.get_best_points() == []
    params = {"salt": np.float64(1.0), "carbonate": 0.4, "share": 0.5}
    mine.ingest([{**params, "k": 1.0}, {"_id": "baseline", **params, "k": 2.0}])
    assert [(trial.id, trial.source) for trial in mine.state.trials] == [("import 0", "import"), ("baseline", "import")]
    assert CampaignState.model_validate_json(mine.state.model_dump_json()) == mine.state
    (registered,) = mine.register_suggestions([{"_id": "mine", **params, "share": 0.6}])
    assert registered["_id"] != "mine"
    assert mine.state.trials[-1].source == "human"


@pytest.mark.parametrize(
    ("point", "says"),
    [
        ({"_id": "0"}, "outcome 'k' is missing"),
        ({"_id": "0", "k": float("nan")}, "not a finite number; report a failure with register_failures"),
        ({"_id": "0", "k": (1.0, float("inf"))}, "not a finite number"),
        ({"k": 1.0, "salt": 1.0}, "parameters missing from .*: carbonate, share"),
    ],
)
def test_what_cannot_be_learnt_is_refused_whole(point: dict[str, Any], says: str) -> None:
    mine = optimizer()
    (other,) = mine.suggest()
    before = mine.state
    with pytest.raises(ConfigError, match=says):
        mine.ingest([{"_id": other["_id"], "k": 1.0}, point])
    assert mine.state == before


def test_failures_are_faults_of_equipment_unless_it_is_told_otherwise() -> None:
    for kind in ("equipment", "infeasible"):
        mine = optimizer(fail_kind=kind)
        mine.register_failures(mine.suggest(2))
        assert [trial.fail_kind for trial in mine.state.trials] == [kind, kind]
    with pytest.raises(ConfigError, match="no trial has the id 'other'"):
        mine.register_failures([{"_id": "other"}])


def test_checkpoints_are_whole_states(tmp_path: Path) -> None:
    path = tmp_path / "campaign.json"
    mine = optimizer(checkpoint=path)
    mine.suggest(3)
    mine.checkpoint()
    assert CampaignState.model_validate_json(path.read_text()) == mine.state
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ConfigError, match="give to_blop a checkpoint="):
        optimizer().checkpoint()


def test_of_several_objectives_those_that_none_beats_are_best() -> None:
    few = campaigns()["eight done"]
    more = Objective(name="second", goal="min", unit="1")
    mine = optimizer(few.model_copy(update={"more_objectives": (more,), "planner": PlannerSpec(name="sobol")}))
    best = {str(name): outcomes for name, _, outcomes in mine.get_best_points()}
    told = {trial.id: {name: one.mean for name, one in trial.outcomes.items()} for trial in few.trials}
    assert 1 <= len(best) < 8
    for name, outcomes in told.items():
        beaten = any(
            other["y"] >= outcomes["y"] and other["second"] <= outcomes["second"] and other != outcomes
            for other in told.values()
        )
        assert (name in best) is not beaten


def test_it_does_not_stop_blop_unasked() -> None:
    assert optimizer().should_stop() == (False, None)


@needs_blop
def test_it_keeps_all_protocols_of_blop() -> None:
    import blop.protocols as theirs

    for protocol in (
        "Optimizer",
        "CanRegisterSuggestions",
        "TrialFaultAware",
        "SupportsStoppingCriteria",
        "Checkpointable",
    ):
        assert isinstance(optimizer(), getattr(theirs, protocol)), protocol


@needs_blop
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")  # blop's and ophyd's own
def test_a_plan_of_blop_runs_on_it(tmp_path: Path) -> None:
    from blop.plans import optimize
    from blop.protocols import OptimizationProblem
    from bluesky import RunEngine
    from ophyd.sim import SynAxis

    axes = [SynAxis(name=name) for name in ("salt", "carbonate", "share")]

    def evaluate(uid: Any, suggestions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{"_id": one["_id"], "k": value(one["salt"], one["carbonate"], one["share"])} for one in suggestions]

    mine = optimizer(checkpoint=tmp_path / "campaign.json")
    problem = OptimizationProblem(optimizer=mine, actuators=axes, sensors=[], evaluation_function=evaluate)
    RunEngine({})(optimize(problem, iterations=3, n_points=2, checkpoint_interval=1))
    assert [trial.status for trial in mine.state.trials] == ["done"] * 6
    assert json.loads((tmp_path / "campaign.json").read_text())["trials"][5]["status"] == "done"


class Climber:
    """As simple an optimiser as can be: a random step from the best it was told. It minds no constraint."""

    def __init__(self, state: CampaignState, seed: int) -> None:
        self._state = state
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._told: list[tuple[float, Params]] = []

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        space = self._state.space
        best = max(self._told, key=lambda one: one[0], default=(0.0, space.from_unit([0.5] * len(space.names))))[1]
        found: list[dict[str, Any]] = []
        for number in range(num_points or 1):
            moved = [min(max(u + self._chance.gauss(0.0, 0.2), 0.0), 1.0) for u in space.to_unit(best)]
            point = space.from_unit(moved)
            floats = {
                one.name: point[one.name] if isinstance(one, Categorical) else np.float64(point[one.name])
                for one in space.parameters
            }
            found.append({"_id": number, **floats})
        return found

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        objective = self._state.objective
        for point in points:
            params = {name: point[name] for name in self._state.space.names}
            self._told.append((objective.merit(point[objective.name]), params))

    def get_best_points(self) -> list[tuple[Any, Mapping[str, Any], Mapping[str, Any]]]:
        return []


class Registering(Climber):
    """One that is told what is pending, and gives fewer points than it is asked for."""

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        return super().suggest(1)

    def register_suggestions(self, suggestions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [{**one, "_id": f"pending {number}"} for number, one in enumerate(suggestions)]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [Climber, Registering])
def test_an_optimiser_of_blops_keeps_the_rules_of_planners(kind: Any) -> None:
    check_planner(functools.partial(from_blop, kind, name="climber"))


def test_what_is_not_allowed_is_moved_and_told() -> None:
    state = campaigns()["on a mixture"]
    planner = from_blop(Climber, capabilities=frozenset({"two objectives"}))
    assert isinstance(planner, BlopPlanner)
    assert planner.capabilities == {"two objectives"}
    (suggestion,) = planner.ask(state, 1)
    assert suggestion.rationale == "chosen by blop, moved to the nearest point that is free"
    assert not state.space.violations(suggestion.params)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"gas": "007", "flow": "1,5"}, "parameter 'flow': '1,5' is not a number; write the decimal point"),
        ({"gas": 7, "flow": 1e400}, "parameter 'flow': inf is not finite"),
        ({"gas": None, "flow": 1.0}, "parameter 'gas': it is empty"),
        ({"gas": 9, "flow": 1.0}, "parameter 'gas': no level '9'"),
    ],
)
def test_points_of_other_programs_are_read_as_cells_of_a_table_are(given: dict[str, Any], says: str) -> None:
    levelled = labelled()
    with pytest.raises(ConfigError, match=says):
        levelled.ingest([{**given, "k": 1.0}])
    levelled.ingest([{"gas": 7, "flow": "1.5", "k": "2.0"}])
    assert [(one.params, one.outcomes["k"].mean) for one in levelled.state.trials] == [
        ({"gas": "007", "flow": 1.5}, 2.0)
    ]
    (point,) = levelled.suggest()
    other = "008" if point["gas"] == "007" else "007"
    with pytest.raises(ConfigError, match=f"gas was suggested as '{point['gas']}', not '{other}'"):
        levelled.ingest([{**point, "gas": other, "k": 1.0}])


def test_names_that_blop_uses_itself_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"space\.parameters\.0\.name: '_id' is also the column of the id of a suggestion"
    ):
        labelled(name="_id")
    with pytest.raises(ConfigError, match="'k' is also the column of the outcome 'k'"):
        labelled(name="k")


def labelled(name: str = "gas") -> LabwrightOptimizer:
    parameters = (Categorical(name=name, levels=("007", "008")), Real(name="flow", unit="ml/s", low=0.0, high=2.0))
    state = CampaignState(
        space=Space(parameters=parameters),
        objective=Objective(name="k", goal="max", unit="1"),
        seed=0,
        planner=PlannerSpec(name="sobol"),
    )
    return to_blop(load_planner(state.planner), state)
