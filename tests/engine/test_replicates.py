"""Replicates as a declared part of a campaign's design."""

from collections.abc import Callable
from typing import Any

import pytest

from labwright.engine.events import Ask, Event, Instruction, Proposed, RunStep, Vetoed
from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Suggestion, Trial, Veto
from labwright.model.judging import replicated, within
from labwright.model.space import Real, Space
from labwright.model.spec import BatchSpec
from labwright.planners import load_planner
from labwright.report import html
from tests.engine.alone import Alone
from tests.engine.test_core import ended, started, suggested
from tests.report.test_page import record


class Made:
    """A campaign whose planner proposes 0.1, 0.2, ... and whose steps all end well, one after the other."""

    def __init__(self, batch: BatchSpec | None = None, **changes: Any) -> None:
        first = started(**changes)
        first = first.model_copy(update={"spec": first.spec.model_copy(update={"batch": batch})})
        self.lab = Alone()
        self.answers: Callable[[int], Event] = lambda number: suggested(number / 10)
        self.asks: list[Ask] = []
        self.running: list[RunStep] = []
        self.take(self.lab.handle(first))

    def take(self, instructions: list[Instruction]) -> None:
        self.running += [one for one in instructions if isinstance(one, RunStep)]
        self.asks += (new := [one for one in instructions if isinstance(one, Ask)])
        for _ in new:
            self.take(self.lab.handle(self.answers(len(self.asks))))

    def go_on(self, steps: int = 1000) -> None:
        while self.running and steps:
            steps -= 1
            now = self.running.pop(0)
            found = {"y": float(now.order.experiment)} if now.order.step == "measure" else {}
            self.take(self.lab.handle(ended(now, "done", **found)))

    @property
    def made(self) -> list[tuple[str, Any]]:
        return [(trial.id, trial.params["x"]) for trial in self.lab.core.trials]


@pytest.mark.parametrize("parallel", [1, 3])
def test_each_point_is_made_so_many_times_and_each_experiment_has_its_number(parallel: int) -> None:
    campaign = Made(budget=6, replicates=3, parallel=parallel)
    campaign.go_on()
    assert campaign.made == [*((f"000{n}", 0.1) for n in (1, 2, 3)), *((f"000{n}", 0.2) for n in (4, 5, 6))]
    assert len(campaign.asks) == 2
    trials = campaign.lab.core.trials
    assert [trial.outcomes["y"].mean for trial in trials] == [1, 2, 3, 4, 5, 6]
    assert [trial.rationale for trial in trials[:2]] == ["because", "replicate 2 of 3; because"]
    assert campaign.lab.core.phase == "completed"


def test_the_planner_is_asked_when_all_replicates_have_begun_and_knows_those_under_way() -> None:
    campaign = Made(budget=9, replicates=2, parallel=3)
    assert campaign.made == [("0001", 0.1), ("0002", 0.1), ("0003", 0.2)]
    assert [trial.pending for trial in campaign.asks[1].state.trials] == [True, True]


def test_no_more_is_made_than_the_budget_allows() -> None:
    campaign = Made(budget=4, replicates=3)
    campaign.go_on()
    assert campaign.made[-1] == ("0004", 0.2)
    assert campaign.lab.core.phase == "completed"


def test_a_person_comes_before_replicates_and_is_made_once() -> None:
    campaign = Made(budget=4, replicates=3)
    wanted = Suggestion(params={"x": 0.9}, rationale="a person")
    campaign.take(campaign.lab.handle(Proposed(suggestion=wanted, uses_ml={}, by="Ann", because="b")))
    campaign.go_on()
    assert [x for _, x in campaign.made] == [0.1, 0.9, 0.1, 0.1]
    assert [name for name, _ in campaign.made] == ["0001", "0002", "0003", "0004"]


def test_a_person_may_take_what_was_left_for_replicates() -> None:
    campaign = Made(budget=2, replicates=3)
    wanted = Suggestion(params={"x": 0.9}, rationale="a person")
    campaign.take(campaign.lab.handle(Proposed(suggestion=wanted, uses_ml={}, by="Ann", because="b")))
    campaign.go_on()
    assert [x for _, x in campaign.made] == [0.1, 0.9]
    assert campaign.lab.core.phase == "completed"


def test_what_cannot_be_made_and_what_is_vetoed_is_not_made_again() -> None:
    campaign = Made(budget=6, replicates=3)
    campaign.take(campaign.lab.handle(Vetoed(veto=Veto(params={"x": 0.1}), by="Ann", because="it smells")))
    campaign.go_on()
    assert [x for _, x in campaign.made] == [0.1, 0.2, 0.2, 0.2, 0.3, 0.3]

    campaign = Made(budget=4, replicates=3)
    failed = ended(campaign.running.pop(0), "failed")
    cannot = failed.outcome.model_copy(update={"fail_kind": "infeasible"})
    campaign.take(campaign.lab.handle(failed.model_copy(update={"outcome": cannot})))
    campaign.go_on()
    assert [x for _, x in campaign.made] == [0.1, 0.2, 0.2, 0.2]


def test_replicates_are_no_points_of_the_initial_design() -> None:
    space = Space(parameters=(Real(name="x", unit="1", low=0, high=1), Real(name="y", unit="1", low=0, high=1)))
    spec = PlannerSpec(name="gp")
    planner = load_planner(spec)
    state = CampaignState(space=space, objective=Objective(name="z", goal="max", unit="1"), seed=1, planner=spec)
    for number in range(3):
        (one,) = planner.ask(state, 1)
        assert one.rationale == f"initial design, Sobol point {number + 1}"
        more = tuple(
            Trial(id=f"{number}{n}", params=one.params, status="done", outcomes={"z": Outcome(mean=number + n / 10)})
            for n in range(3)
        )
        state = state.model_copy(update={"trials": (*state.trials, *more)})
    (one,) = planner.ask(state, 1)
    assert "expected" in one.rationale


def test_the_report_shows_mean_and_spread_within_replicates() -> None:
    one = record([{"y": 1.0}, {"y": 3.0}, {"y": 8.0}, {"y": 8.5}], replicates=2)
    points = replicated(one.done)
    assert [figure for point in points for figure in point.spread("y")] == pytest.approx(
        [2.0, 2**0.5, 8.25, 0.125**0.5]
    )
    assert within(points, "y") == pytest.approx(((2 + 0.125) / 2) ** 0.5)
    page = html(one).partition("Replicates")[2].partition("</table>")[0]
    assert "standard deviation of 1.03 within its replicates" in page
    assert "<td>0001, 0002</td>" in page
    assert "Replicates" not in html(record([{"y": 1.0}, {"y": 3.0}]))
