"""When the default planner measures again what it measured already: by hand-made campaigns, and by noisy ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Suggestion, Trial, Veto
from labwright.model.space import Categorical, Params, Pool, Real, Space
from labwright.planners import load_planner
from labwright.planners._proposals import key_of

ROWS = tuple((round(0.05 * step, 6),) for step in range(21))
LINE = Space(parameters=(Real(name="a", low=0.0, high=1.0, unit="1"),), pool=Pool(file="rows.csv", rows=ROWS))
MOST = Objective(name="y", goal="max", unit="g")


def hills(a: float) -> float:
    """Two narrow hills of nearly the same height, 5 at 0.25 and 5.1 at 0.75, on a plain."""
    return 5.0 * float(np.exp(-(((a - 0.25) / 0.1) ** 2))) + 5.1 * float(np.exp(-(((a - 0.75) / 0.1) ** 2)))


def seen(sem: float | None, *, space: Space = LINE, **options: Any) -> CampaignState:
    """All rows but the first and the last, whose neighbours are bad; every reading as it should be."""
    trials = tuple(
        Trial(id=f"t{step}", params={"a": row[0]}, status="done", outcomes={"y": Outcome(mean=hills(row[0]), sem=sem)})
        for step, row in enumerate(ROWS[1:-1], start=1)
    )
    planner = PlannerSpec(name="gp", options={"n_start": 5, **options})
    return CampaignState(space=space, objective=MOST, trials=trials, seed=3, planner=planner)


def asked(state: CampaignState, n: int = 1) -> list[Suggestion]:
    return load_planner(state.planner).ask(state, n)


def test_two_that_lead_and_scatter_are_told_apart_before_a_new_one_is_tried() -> None:
    (suggestion,) = asked(seen(0.4))
    assert suggestion.params["a"] in (0.25, 0.75)
    repeated, rival = ("t5", "t15") if suggestion.params["a"] == 0.25 else ("t15", "t5")
    assert suggestion.rationale.startswith(
        f"a repeat of experiment {repeated}: it may be better than experiment {rival} by "
    )
    assert " g; expected to add " in suggestion.rationale
    assert suggestion.predicted is not None
    assert asked(seen(0.4)) == [suggestion]


@pytest.mark.parametrize(
    "state", [seen(None), seen(0.0), seen(0.4, repeats=False)], ids=["no error told", "an error of 0", "not wanted"]
)
def test_without_scatter_or_where_it_is_not_wanted_nothing_is_repeated(state: CampaignState) -> None:
    (suggestion,) = asked(state)
    assert suggestion.params["a"] in (0.0, 1.0)


def test_readings_that_came_out_different_tell_of_scatter_as_well() -> None:
    state = seen(None)
    again = tuple(
        Trial(id=f"r{place}", params=trial.params, status="done",
              outcomes={"y": Outcome(mean=trial.outcomes["y"].mean + (-1) ** place)})
        for place, trial in enumerate(state.trials)
    )  # fmt: skip
    (suggestion,) = asked(state.model_copy(update={"trials": (*state.trials, *again)}))
    assert suggestion.rationale.startswith("a repeat of experiment ")


def test_what_is_vetoed_under_way_or_given_up_is_not_repeated() -> None:
    (first,) = asked(seen(0.4))
    vetoed = seen(0.4).model_copy(update={"vetoes": (Veto(params=first.params, by="Kim"),)})
    assert asked(vetoed)[0].params != first.params
    for status in ("running", "abandoned"):
        busy = Trial.model_validate({"id": "busy", "params": first.params, "status": status})
        state = seen(0.4)
        (other,) = asked(state.model_copy(update={"trials": (*state.trials, busy)}))
        assert other.params != first.params
    several = [key_of(LINE, one.params) for one in asked(seen(0.4), 2)]
    assert len(set(several)) == 2


def test_what_the_space_no_longer_holds_is_not_repeated() -> None:
    smaller = LINE.model_copy(update={"pool": Pool(file="rows.csv", rows=ROWS[:1] + ROWS[-1:])})
    (suggestion,) = asked(seen(0.4, space=smaller))
    assert suggestion.params["a"] in (0.0, 1.0)


@pytest.mark.soak
def test_what_is_recommended_is_no_worse_for_repeats() -> None:
    """Twenty seeds of two categories whose readings scatter by a tenth of the range; 26 experiments on 30 points."""
    rng = np.random.default_rng(6)
    first, second = rng.normal(size=6), rng.normal(size=5)
    true = {
        (a, b): float(first[i] + second[j] + 0.5 * rng.normal())
        for i, a in enumerate("ABCDEF")
        for j, b in enumerate("UVWXY")
    }
    space = Space(
        parameters=(Categorical(name="a", levels=tuple("ABCDEF")), Categorical(name="b", levels=tuple("UVWXY")))
    )
    wide = max(true.values()) - min(true.values())

    def value(params: Params) -> float:
        return true[str(params["a"]), str(params["b"])]

    def regret(seed: int, repeats: bool) -> tuple[float, int]:
        noise = np.random.default_rng([seed, 3])
        planner = PlannerSpec(name="gp", options={"repeats": repeats})
        state = CampaignState(space=space, objective=MOST, seed=seed, planner=planner)
        for number in range(26):
            (suggestion,) = asked(state)
            outcome = Outcome(mean=value(suggestion.params) + 0.1 * wide * float(noise.normal()), sem=0.1 * wide)
            trial = Trial(id=str(number), params=suggestion.params, status="done", outcomes={"y": outcome})
            state = state.model_copy(update={"trials": (*state.trials, trial)})
        best = load_planner(planner).best(state)
        assert best is not None
        tried = {key_of(space, trial.params) for trial in state.trials}
        return (max(true.values()) - value(best.params)) / wide, len(state.trials) - len(tried)

    with_, without = ([regret(seed, repeats) for seed in range(20)] for repeats in (True, False))
    assert all(repeats == 0 for _, repeats in without)
    assert np.mean([repeats for _, repeats in with_]) >= 1
    assert np.mean([one for one, _ in with_]) <= np.mean([one for one, _ in without])
