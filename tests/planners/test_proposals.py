"""What planners remember between asks makes them faster, never different."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.model.campaign import CampaignState, PlannerSpec, Trial, Veto
from labwright.model.errors import PlannerError
from labwright.model.space import Categorical, Integer, Real, Space
from labwright.planners import load_planner
from labwright.planners._proposals import _LAST, _before_blocks, vetoed
from tests.planners.conftest import new_state


def campaign(name: str, seed: int, count: int) -> CampaignState:
    """With points that `name` itself would propose among its trials."""
    state = new_state(name, seed=seed)
    chance = random.Random(seed)  # noqa: S311 - no secret
    params = [suggestion.params for suggestion in load_planner(state.planner).ask(state, count)]
    trials = [Trial(id=str(place), params=one, status="running") for place, one in enumerate(params)]
    return state.model_copy(update={"trials": tuple(chance.sample(trials, count))})


def fresh_answer(state: CampaignState, n: int) -> str:
    _LAST.__init__()  # type: ignore[misc]  # as in a process that was never asked
    _before_blocks.cache_clear()
    return str(load_planner(state.planner).ask(state, n))


@pytest.mark.parametrize("name", ["random", "sobol"])
@settings(max_examples=15)
@given(asks=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 200), st.booleans()), min_size=2, max_size=5))
def test_asks_in_any_order_are_answered_as_in_a_new_process(name: str, asks: list[tuple[int, int, bool]]) -> None:
    whole = [campaign(name, seed, 200) for seed in (0, 1)]
    states = []
    for which, count, turned in asks:
        trials = whole[which].trials[:count]
        states.append(whole[which].model_copy(update={"trials": trials[::-1] if turned else trials}))
    expected = [fresh_answer(state, 3) for state in states]
    assert [str(load_planner(state.planner).ask(state, 3)) for state in states] == expected


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_an_ask_does_not_grow_with_the_campaign(name: str) -> None:
    planner = load_planner(PlannerSpec(name=name))

    def seconds(count: int) -> float:
        state, shortest = campaign("random", 0, count), 1.0
        for turn in range(20):
            last = state.trials[-1].model_copy(update={"rationale": str(turn)})
            state = state.model_copy(update={"trials": (*state.trials[:-1], last)})
            begin = time.process_time()
            planner.ask(state, 1)
            shortest = min(shortest, time.process_time() - begin) if turn else shortest
        return shortest

    assert seconds(5000) < 6 * seconds(50)  # at most twice as measured; it was fiftyfold when each ask read all trials


VETOED = Space(
    parameters=(
        Real(name="rate", low=0.01, high=100.0, unit="1", log=True),
        Integer(name="rinses", low=1, high=11),
        Categorical(name="salt", levels=("LiPF6", "LiFSI")),
    )
)


@pytest.mark.parametrize(
    ("veto", "params", "applies"),
    [
        ({"rate": 1.0, "rinses": 3, "salt": "LiFSI"}, {"rate": 1.0, "rinses": 3, "salt": "LiFSI"}, True),
        ({"rate": 1.0, "rinses": 3, "salt": "LiFSI"}, {"rate": 1.0, "rinses": 4, "salt": "LiFSI"}, False),
        ({"salt": "LiFSI"}, {"rate": 50.0, "rinses": 11, "salt": "LiFSI"}, True),
        ({"salt": "LiFSI", "rate": 1.0}, {"rate": 1.0, "rinses": 11, "salt": "LiPF6"}, False),
        ({"rate": 1.0, "reach": 0.25}, {"rate": 9.9, "rinses": 1, "salt": "LiPF6"}, True),
        ({"rate": 1.0, "reach": 0.25}, {"rate": 10.1, "rinses": 1, "salt": "LiPF6"}, False),
        ({"rinses": 6, "reach": 0.1}, {"rate": 1.0, "rinses": 7, "salt": "LiPF6"}, True),
        ({"rinses": 6, "reach": 0.1}, {"rate": 1.0, "rinses": 8, "salt": "LiPF6"}, False),
    ],
)
def test_a_veto_reaches_so_far(veto: dict[str, Any], params: dict[str, Any], applies: bool) -> None:
    one = Veto(reach=veto.pop("reach", 0.0), params=veto)
    state = new_state("sobol").model_copy(update={"space": VETOED, "vetoes": (one,)})
    assert vetoed(state, params) is applies
    assert not vetoed(state.model_copy(update={"vetoes": ()}), params)


@pytest.mark.parametrize("name", ["random", "sobol"])
def test_what_is_vetoed_is_not_proposed(name: str) -> None:
    veto = Veto(params={"salt": 0.4, "share": 0.5}, reach=0.5)
    state = new_state(name).model_copy(update={"vetoes": (veto,)})
    proposed = [one.params for one in load_planner(state.planner).ask(state, 20)]
    assert all(float(params["salt"]) > 0.4 + 0.5 * 1.86 for params in proposed)
    nothing = state.model_copy(update={"vetoes": (Veto(params={"salt": 1.0}, reach=1.0),)})
    with pytest.raises(PlannerError, match="no point untried and not vetoed found"):
        load_planner(state.planner).ask(nothing, 1)


def test_a_pool_of_which_all_is_tried_or_vetoed_is_exhausted() -> None:
    space = Space(parameters=(Integer(name="rinses", low=1, high=4),))
    state = new_state("random").model_copy(update={"space": space, "vetoes": (Veto(params={"rinses": 2}),)})
    proposed = load_planner(state.planner).ask(state, 3)
    assert sorted(float(one.params["rinses"]) for one in proposed) == [1, 3, 4]
    with pytest.raises(PlannerError, match="not vetoed"):
        load_planner(state.planner).ask(state, 4)
