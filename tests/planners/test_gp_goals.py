"""What the default planner takes account of beyond one number to be made large: by campaigns on known functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from labwright.model.campaign import (
    CampaignState,
    Cost,
    Earlier,
    Fidelity,
    Objective,
    Outcome,
    OutcomeLimit,
    PlannerSpec,
    Trial,
)
from labwright.model.judging import front, hypervolume
from labwright.model.space import Categorical, Ordinal, Params, Real, Space
from labwright.planners import load_planner
from labwright.planners.gp.features import features
from labwright.planners.gp.outlook import look
from labwright.planners.gp.weighing import _incumbent, weigh

SQUARE = Space(parameters=(Real(name="a", low=0.0, high=1.0, unit="1"), Real(name="b", low=0.0, high=1.0, unit="1")))
MOST = Objective(name="y", goal="max", unit="g")

Outcomes = Callable[[Params], "dict[str, float] | None"]


def state_of(space: Space = SQUARE, objective: Objective = MOST, seed: int = 1, **more: Any) -> CampaignState:
    planner = PlannerSpec(name="gp", options={"n_start": 5})
    return CampaignState(space=space, objective=objective, seed=seed, planner=planner, **more)


def run(state: CampaignState, experiments: int, outcomes: Outcomes) -> CampaignState:
    planner = load_planner(state.planner)
    for number in range(len(state.trials), len(state.trials) + experiments):
        (suggestion,) = planner.ask(state, 1)
        found = outcomes(suggestion.params)
        how: dict[str, object] = {"status": "failed", "fail_kind": "infeasible"}
        if found is not None:
            how = {"status": "done", "outcomes": {name: Outcome(mean=value) for name, value in found.items()}}
        trial = Trial.model_validate({"id": str(number), "params": suggestion.params, **how})
        state = state.model_copy(update={"trials": (*state.trials, trial)})
    return state


def hill(params: Params) -> float:
    return 10.0 - 30.0 * (float(params["a"]) - 0.7) ** 2 - 20.0 * (float(params["b"]) - 0.3) ** 2


def test_a_target_is_met_and_not_passed() -> None:
    wanted = Objective(name="y", goal="target", target=5.0, unit="g")
    state = run(state_of(objective=wanted), 14, lambda params: {"y": hill(params)})
    best = load_planner(state.planner).best(state)
    assert best is not None
    assert best.observed.mean == pytest.approx(5.0, abs=0.2)


def test_a_range_is_entered() -> None:
    wanted = Objective(name="y", goal="range", low=8.0, high=8.5, unit="g")
    state = run(state_of(objective=wanted), 14, lambda params: {"y": hill(params)})
    assert any(8.0 <= trial.outcomes["y"].mean <= 8.5 for trial in state.trials)


def test_a_measured_limit_is_kept_by_the_best() -> None:
    limit = OutcomeLimit(name="heat", unit="K", high=0.5)
    state = state_of(outcome_limits=(limit,))
    # the top of the hill, a = 0.7, is too hot
    state = run(state, 18, lambda params: {"y": hill(params), "heat": float(params["a"])})
    best = load_planner(state.planner).best(state)
    assert best is not None
    assert float(best.params["a"]) <= 0.5
    assert best.observed.mean > hill({"a": 0.5, "b": 0.3}) - 0.4
    later = [float(trial.params["a"]) for trial in state.trials[8:]]
    assert sum(a > 0.52 for a in later) <= 4, "it goes on looking where the limit is broken"


def test_where_syntheses_fail_it_soon_no_longer_asks() -> None:
    def failing(params: Params) -> bool:
        return math.hypot(float(params["a"]) - 0.7, float(params["b"]) - 0.3) < 0.2

    state = run(state_of(), 30, lambda params: None if failing(params) else {"y": hill(params)})
    failed = [trial for trial in state.trials[5:] if trial.status == "failed"]
    assert len(failed) <= 4
    best = load_planner(state.planner).best(state)
    assert best is not None
    assert best.observed.mean > 8.4, "the rim of the hole: 8.8 to 9.2"


def test_two_objectives_give_a_front() -> None:
    other = Objective(name="z", goal="min", unit="K")
    state = state_of(more_objectives=(other,))

    # The front lies on a = b: y = 1 - (1 - t)^2, z = t^2.
    def outcomes(params: Params) -> dict[str, float]:
        a, b = float(params["a"]), float(params["b"])
        return {"y": 1 - (1 - a) ** 2 - (a - b) ** 2, "z": a**2 + (a - b) ** 2}

    state = run(state, 22, outcomes)
    values = [(trial.outcomes["y"].mean, -trial.outcomes["z"].mean) for trial in state.trials]
    whole = hypervolume([(1 - (1 - t) ** 2, -(t**2)) for t in map(float, np.linspace(0, 1, 200))], (0.0, -1.0))
    assert hypervolume(values, (0.0, -1.0)) > 0.93 * whole
    assert len(front(state.objectives, state.trials)) >= 8


def test_dear_experiments_have_to_be_worth_it() -> None:
    dear = Cost(unit="min", base=1.0, per={"a": 20.0})
    spent = {}
    for name, cost in (("free", None), ("dear", dear)):
        state = run(state_of(cost=cost), 16, lambda params: {"y": hill(params)})
        spent[name] = sum(dear.of(trial.params) for trial in state.trials)
        assert max(trial.outcomes["y"].mean for trial in state.trials) > 9.5
    assert spent["dear"] < 0.95 * spent["free"]


def test_cheap_experiments_show_the_way_to_the_dear_ones() -> None:
    space = Space(parameters=(*SQUARE.parameters, Ordinal(name="minutes", values=(1.0, 10.0), unit="min")))
    state = state_of(
        space=space,
        fidelity=Fidelity(parameter="minutes", target=10.0),
        cost=Cost(unit="min", base=0.0, per={"minutes": 1.0}),
    )
    state = run(state, 26, lambda params: {"y": hill(params) - 0.1 * (10.0 - float(params["minutes"]))})
    cheap = [trial for trial in state.trials if trial.params["minutes"] == 1.0]
    dear = [trial for trial in state.trials if trial.params["minutes"] == 10.0]
    assert len(cheap) > len(dear) > 0
    assert max(trial.outcomes["y"].mean for trial in dear) > 9.0
    best = load_planner(state.planner).best(state)
    assert best is not None
    assert best.params["minutes"] == 10.0, "what counts is the dear one"


def test_an_earlier_campaign_saves_experiments_if_it_is_alike() -> None:
    shifted = run(
        state_of(seed=7), 16, lambda params: {"y": 3.0 + 0.5 * hill({**params, "a": float(params["a"]) + 0.05})}
    )
    earlier = Earlier(name="last month", trials=shifted.trials)
    cold = run(state_of(seed=2), 9, lambda params: {"y": hill(params)})
    warm = run(state_of(seed=2, earlier=(earlier,)), 9, lambda params: {"y": hill(params)})
    best = [max(trial.outcomes["y"].mean for trial in state.trials) for state in (cold, warm)]
    assert best[1] >= best[0] - 0.05
    (first,) = load_planner(warm.planner).ask(warm.model_copy(update={"trials": warm.trials[:5]}), 1)
    assert hill(first.params) > 9.0, "the first that the model has a say in is near the top"


def test_an_earlier_campaign_that_is_the_contrary_says_where_not_to_look() -> None:
    grid: list[Params] = [{"a": a / 4, "b": b / 4} for a in range(5) for b in range(5)]
    contrary = tuple(
        Trial(id=str(number), params=params, status="done", outcomes={"y": Outcome(mean=-hill(params))})
        for number, params in enumerate(grid)
    )
    state = run(state_of(seed=2), 5, lambda params: {"y": hill(params)})
    warm = state.model_copy(update={"earlier": (Earlier(name="upside down", trials=contrary),)})
    model = look(warm, limits=False).goals[0].model
    knowing = [(one, weight) for one, weight in zip(model.members, model.weights, strict=True) if one.data.earlier]
    assert sum(weight for _, weight in knowing) > 0.5, "it foretells this campaign better than nothing does"
    assert all(np.tanh(one.theta[one.data.lengths]) < 0 for one, _ in knowing)


def test_a_pending_cheap_experiment_is_not_the_best() -> None:
    space = Space(parameters=(*SQUARE.parameters, Ordinal(name="minutes", values=(1.0, 10.0), unit="min")))
    state = state_of(space=space, fidelity=Fidelity(parameter="minutes", target=10.0))
    for number in range(8):
        params: Params = {"a": number / 8, "b": 0.3, "minutes": 1.0 if number % 2 else 10.0}
        value = hill(params) + (50.0 if number % 2 else 0.0)
        trial = Trial(id=str(number), params=params, status="done", outcomes={"y": Outcome(mean=value)})
        state = state.model_copy(update={"trials": (*state.trials, trial)})
    alone = weigh(look(state), "auto", 1.0)
    cheap = features(space, [{"a": 0.7, "b": 0.3, "minutes": 1.0}])
    waiting = alone.allowing_for(cheap, np.random.default_rng(1))
    outlook = waiting.pending.goals[0]
    best = outlook.scale.to_model(np.array([max(hill(t.params) for t in state.trials[::2])]))[0]
    incumbents = [_incumbent(waiting, place) for place in range(len(outlook.model.members))]
    assert max(one for one in incumbents if one is not None) < best + 0.5


def test_descriptors_let_it_guess_a_level_never_tried() -> None:
    levels = tuple(f"solvent{number}" for number in range(8))
    polar = {level: {"polarity": float(number)} for number, level in enumerate(levels)}
    space = Space(parameters=(Categorical(name="solvent", levels=levels, descriptors=polar), SQUARE.parameters[1]))
    state = state_of(space=space)
    for number, level in enumerate(("solvent0", "solvent2", "solvent4", "solvent7", "solvent0", "solvent3")):
        b = 0.1 + 0.15 * number
        value = polar[level]["polarity"] - 5 * (b - 0.3) ** 2
        trial = Trial(
            id=str(number), params={"solvent": level, "b": b}, status="done", outcomes={"y": Outcome(mean=value)}
        )
        state = state.model_copy(update={"trials": (*state.trials, trial)})
    low, high = load_planner(state.planner).predict(
        state, [{"solvent": "solvent1", "b": 0.3}, {"solvent": "solvent6", "b": 0.3}]
    )
    assert high.mean > low.mean + 1.0


def test_an_explanation_knows_what_matters() -> None:
    space = Space(parameters=(*SQUARE.parameters, Real(name="idle", low=0.0, high=1.0, unit="1")))
    state = run(state_of(space=space), 16, lambda params: {"y": hill(params)})
    told = load_planner(state.planner).explain(state)
    assert [one.parameter for one in told.sensitivities][-1] == "idle"
    assert told.sensitivities[-1].share < 0.1
    assert told.sensitivities[0].share > 0.4
    assert len(told.left_out) == 16
    assert {one.parameter for one in told.slices} == {"a", "b", "idle"}
    assert "depends most on" in told.words


def test_it_advises_to_stop_once_repeats_scatter_more_than_is_to_be_gained() -> None:
    noise = np.random.default_rng(5).normal(0.0, 0.3, 200)
    numbers = iter(range(200))
    state = state_of()
    planner = load_planner(state.planner)
    assert planner.advise_stop(state) is None
    stopped = []
    for _ in range(30):
        state = run(state, 1, lambda params: {"y": hill(params) + float(noise[next(numbers)])})
        advice = planner.advise_stop(state)
        stopped.append(advice is not None and advice.stop)
    assert not any(stopped[:11]), "six experiments for each of two parameters come first"
    assert any(stopped), "after 30 experiments on a smooth hill there is nothing more to gain"


def test_advice_says_why_in_words_and_numbers() -> None:
    state = run(state_of(), 8, lambda params: {"y": hill(params)})
    early = load_planner(state.planner).advise_stop(state)
    assert early is not None
    assert not early.stop
    assert early.reason.startswith("8 of the 12 experiments are done that the advice requires; ")
    state = run(state, 14, lambda params: {"y": hill(params)})
    late = load_planner(state.planner).advise_stop(state)
    assert late is not None
    assert late.stop
    assert late.chance is not None
    assert late.chance <= 0.5
    values = [trial.outcomes["y"].mean for trial in state.trials]
    assert late.tolerance == pytest.approx(0.05 * (max(values) - min(values)))
    notable = 0.2 * (late.tolerance or 0)
    assert f"improved the best by no more than {notable:.3g} g; the probability that a point is better" in late.reason
    assert f"by more than {late.tolerance:.3g} g is {late.chance:.0%} (limit 50%)" in late.reason
    assert load_planner(state.planner).advise_stop(state) == late


def test_advice_waits_while_experiments_bring_something_better() -> None:
    values = iter(float(number) for number in range(40))
    state = run(state_of(), 14, lambda params: {"y": next(values)})
    advice = load_planner(state.planner).advise_stop(state)
    assert advice is not None
    assert not advice.stop
    assert (
        "the last 0 experiments improved the best by no more than 0.13 g; the advice requires 5 in a row"
        in advice.reason
    )


def test_advice_takes_a_gain_below_the_error_of_a_reading_for_none() -> None:
    state = run(state_of(), 12, lambda params: {"y": hill(params)})
    told = tuple(one.model_copy(update={"outcomes": {"y": Outcome(mean=one.outcomes["y"].mean, sem=3.0)}})
                 for one in state.trials)  # fmt: skip
    advice = load_planner(state.planner).advise_stop(state.model_copy(update={"trials": told}))
    assert advice is not None
    assert advice.tolerance == 3.0
