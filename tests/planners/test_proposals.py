"""What planners remember between asks makes them faster, never different."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.model.campaign import CampaignState, PlannerSpec, Trial
from labwright.planners import load_planner
from labwright.planners._proposals import _LAST, _before_blocks
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
