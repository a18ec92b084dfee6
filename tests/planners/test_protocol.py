"""What holds for every planner."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.model.campaign import CampaignState, PlannerSpec
from labwright.model.errors import ConfigError, PlannerError
from labwright.model.space import Categorical, Integer, LinearLE, Real, Space
from labwright.planners import BUILT_IN, Planner, load_planner
from labwright.planners.protocol import Capability
from labwright.planners.registry import lacking
from tests.planners.conftest import new_state, run, with_trial

every_planner = pytest.mark.parametrize("name", BUILT_IN)


def test_importing_planners_loads_no_heavy_library() -> None:
    heavy = "{'skopt', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)"
    code = f"import sys, labwright.planners; found = {heavy}; sys.exit(repr(found) if found else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@every_planner
def test_loads_by_name_and_keeps_the_protocol(name: str) -> None:
    planner = load_planner(PlannerSpec(name=name))
    assert isinstance(planner, Planner)
    assert planner.name == name


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("gpp", {}, "no planner 'gpp'; did you mean 'gp'?"),
        ("gp", {"n_strat": 5}, "no option of planner 'gp' 'n_strat'; did you mean 'n_start'?"),
        ("random", {"n_start": 5}, "no option of planner 'random' 'n_start' (known: none)"),
        ("gp", {"n_start": 0}, "n_start: input should be greater than or equal to 2"),
    ],
)
def test_an_unknown_planner_or_option_is_refused_in_words(name: str, options: dict[str, int], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_planner(PlannerSpec(name=name, options=options))
    assert says in str(caught.value)


@every_planner
def test_the_same_state_gives_the_same_answer_in_another_process(name: str) -> None:
    state = run(new_state(name, seed=5), 8)
    here = load_planner(state.planner).ask(state, 2)
    code = (
        "import sys\n"
        "from labwright.model.campaign import CampaignState\n"
        "from labwright.planners import load_planner\n"
        "state = CampaignState.model_validate_json(sys.stdin.read())\n"
        "for suggestion in load_planner(state.planner).ask(state, 2):\n"
        "    print(suggestion.model_dump_json())\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    there = subprocess.run(command, input=state.model_dump_json(), capture_output=True, text=True, check=False)
    assert there.stderr == ""
    assert there.stdout.splitlines() == [suggestion.model_dump_json() for suggestion in here]


@every_planner
def test_another_seed_gives_other_points(name: str) -> None:
    planner = load_planner(PlannerSpec(name=name))
    assert planner.ask(new_state(name, seed=1), 1) != planner.ask(new_state(name, seed=2), 1)


@every_planner
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), done=st.integers(0, 9), n=st.integers(1, 4))
def test_proposals_keep_the_space_and_are_new(name: str, seed: int, done: int, n: int) -> None:
    options = {"n_start": 4} if name == "gp" else {}
    state = new_state(name, seed=seed)
    state = run(state.model_copy(update={"planner": PlannerSpec(name=name, options=options)}), done)
    proposals = [suggestion.params for suggestion in load_planner(state.planner).ask(state, n)]
    assert len(proposals) == n
    for params in proposals:
        state.space.check(params)
    points = [tuple(params.values()) for params in proposals + [trial.params for trial in state.trials]]
    assert len(set(points)) == len(points)


@every_planner
def test_every_point_of_a_finite_space_is_asked_once_and_then_no_more(name: str) -> None:
    space = Space(
        parameters=(
            Integer(name="rinses", low=1, high=3),
            Categorical(name="salt", levels=("LiPF6", "LiFSI")),
            Real(name="ec", low=0.3, high=0.5, unit="1", step=0.1),
        ),
        constraints=(LinearLE(coefficients={"rinses": 1.0, "ec": 10.0}, bound=7.0),),
    )
    state = new_state(name).model_copy(update={"space": space})
    planner = load_planner(state.planner)
    for number in range(16):  # 18 points, of which the constraint forbids rinses 3 with ec 0.5
        (suggestion,) = planner.ask(state, 1)
        space.check(suggestion.params)
        outcome = {"k": {"mean": float(number % 5)}}
        state = with_trial(state, params=suggestion.params, status="done", outcomes=outcome)
    assert len({tuple(trial.params.items()) for trial in state.trials}) == 16
    with pytest.raises(PlannerError, match=r"exhausted|every point of the space"):
        planner.ask(state, 1)


@every_planner
def test_constraints_that_leave_nothing_are_told(name: str) -> None:
    state = new_state(name)
    space = state.space.model_copy(update={"constraints": (LinearLE(coefficients={"salt": 1.0}, bound=0.1),)})
    with pytest.raises(PlannerError, match="break the constraints"):
        load_planner(state.planner).ask(state.model_copy(update={"space": space}), 1)


def test_sobol_goes_on_where_the_trials_end() -> None:
    state = new_state("sobol")
    planner = load_planner(state.planner)
    at_once = [suggestion.params for suggestion in planner.ask(state, 6)]
    assert [trial.params for trial in run(state, 6).trials] == at_once


@every_planner
def test_nothing_done_gives_no_best_and_no_prediction(name: str) -> None:
    state = new_state(name)
    planner = load_planner(state.planner)
    assert planner.best(state) is None
    assert planner.predict(state, []) == []
    with pytest.raises(PlannerError, match="no trial is done"):
        planner.predict(state, [{"salt": 1.0, "carbonate": 0.4, "share": 0.5}])


def test_planners_say_the_same_about_the_same_trials(eight_done: CampaignState) -> None:
    bests = [load_planner(PlannerSpec(name=name)).best(eight_done) for name in BUILT_IN]
    assert bests[0] is not None
    assert bests[0] == bests[1] == bests[2]


@pytest.mark.parametrize(
    ("wanted", "advice"),
    [
        (frozenset({"more objectives"}), "choose baybe, botorch, optuna"),
        (frozenset({"more objectives", "cost"}), "no planner takes account of all of it: leave something out"),
    ],
)
def test_who_is_refused_is_told_which_planners_would_do(wanted: frozenset[Capability], advice: str) -> None:
    words = lacking(load_planner(PlannerSpec(name="gp")), wanted)
    assert words.startswith("planner 'gp' takes no account of more objectives; ")
    assert words.endswith(advice)
