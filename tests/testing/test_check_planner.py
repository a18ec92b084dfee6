"""`check_planner`: it passes planners that keep the rules and names each rule that is broken."""

from __future__ import annotations

import functools
import itertools
import secrets

import pytest

from labwright.model.campaign import CampaignState, Outcome, PlannerSpec, Suggestion
from labwright.model.errors import PlannerError
from labwright.model.space import Params
from labwright.planners import BUILT_IN, Planner, load_planner
from labwright.planners._proposals import sobol_points
from labwright.planners.protocol import Capability
from labwright.planners.random import RandomPlanner
from labwright.testing import check_planner
from labwright.testing._campaigns import campaigns, needing
from labwright.testing.planning import CHECKS


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name == "gp" else []) for name in BUILT_IN]
)
def test_our_own_planners_keep_the_rules(name: str) -> None:
    make = functools.partial(load_planner, PlannerSpec(name=name))
    assert check_planner(make) == [check.__name__.removeprefix("_") for check in CHECKS]


class Repeats(RandomPlanner):
    """Proposes the first trial again."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        again = [trial.params for trial in state.trials[:1]]
        fresh = super().ask(state, n - len(again)) if n > len(again) else []
        return [*(Suggestion(params=params, rationale="it was good") for params in again), *fresh]


class BreaksConstraints(RandomPlanner):
    """Sees the box and nothing else."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        box = state.space.model_copy(update={"constraints": ()})
        points = itertools.islice(sobol_points(box, state.seed, len(state.trials) + 1), n)
        return [Suggestion(params=params, rationale="in the box") for params in points]


class Dices(RandomPlanner):
    """Another answer each time."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        return super().ask(state.model_copy(update={"seed": secrets.randbelow(2**31)}), n)


class DependsOnTheProcess(RandomPlanner):
    """Another answer in each process: Python hashes strings otherwise in each."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        return super().ask(state.model_copy(update={"seed": abs(hash("seed"))}), n)


class Meddles(RandomPlanner):
    """Writes into the state."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        for trial in state.trials:
            trial.params["x"] = 0.0
        return super().ask(state, n)


class TooFew(RandomPlanner):
    """Never more than one."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        return super().ask(state, 1)


class Boasts(RandomPlanner):
    """Claims what it cannot do, and what nobody can need."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({"two objectives", "telepathy"})  # type: ignore[arg-type]

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        if state.more_objectives:
            raise PlannerError("one objective is enough")
        return super().ask(state, n)


class Talks(RandomPlanner):
    """Writes a novel into each trial."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        return [one.model_copy(update={"rationale": "because " * 500}) for one in super().ask(state, n)]


class WrongUnit(RandomPlanner):
    """Predicts in a unit of its own."""

    def predict(self, state: CampaignState, points: object) -> list[Outcome]:
        found = super().predict(state, points)  # type: ignore[arg-type]
        return [Outcome(mean=1000.0 * one.mean + 500.0, sem=one.sem) for one in found]


class DeafToVetoes(RandomPlanner):
    """Goes where nobody wants it."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        return super().ask(state.model_copy(update={"vetoes": ()}), n)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("planner", "check", "says"),
    [
        (Repeats, "proposes_what_may_be_tried", "which is trial 't0' (done)"),
        (BreaksConstraints, "proposes_what_may_be_tried", "on a mixture: it proposes"),
        (Dices, "proposes_what_may_be_tried", "with the same state read from JSON, it answers otherwise"),
        (DependsOnTheProcess, "proposes_what_may_be_tried", "in a new process the same state gives other suggestions"),
        (Meddles, "proposes_what_may_be_tried", "it changed the state it was given"),
        (TooFew, "gives_as_many_as_asked_for", "asked for 5, it proposes 1"),
        (Boasts, "is_a_planner", "it claims telepathy"),
        (Boasts, "can_do_what_it_claims", "two objectives: it proposes nothing: one objective is enough"),
        (Talks, "is_saved_in_few_bytes", "shorten the rationale"),
        (WrongUnit, "says_what_it_knows", "is it in the objective's unit?"),
        (DeafToVetoes, "keeps_a_veto_on_its_own_choice", "which was vetoed"),
    ],
)
def test_a_planner_that_breaks_a_rule_is_told_which(planner: type[Planner], check: str, says: str) -> None:
    campaigns.cache_clear()  # one of them meddles
    with pytest.raises(AssertionError) as caught:
        check_planner(planner)
    campaigns.cache_clear()
    needing.cache_clear()
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert any(line.startswith(f"{check}: ") and says in line for line in lines), str(caught.value)


def test_a_planner_that_no_other_process_can_make_is_told_so() -> None:
    with pytest.raises(AssertionError, match="give a function of a module"):
        check_planner(lambda: RandomPlanner())


def test_a_slow_planner_is_told_so() -> None:
    with pytest.raises(AssertionError, match="more than 0 s"):
        check_planner(RandomPlanner, seconds=0.0)


def test_the_campaigns_are_what_they_say() -> None:
    for name, state in campaigns().items():
        assert CampaignState.model_validate_json(state.model_dump_json()) == state, name
        asked: list[Params] = [trial.params for trial in state.trials if trial.source != "human"]
        assert not [words for params in asked for words in state.space.violations(params)], name
    assert set(needing()) == set(Capability.__args__)  # type: ignore[attr-defined]
