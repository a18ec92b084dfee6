"""The planner that makes what a person has listed."""

from __future__ import annotations

from typing import Any

import pytest

from labwright.model.campaign import CampaignState, Objective, PlannerSpec, Trial
from labwright.model.errors import ConfigError, PlannerError
from labwright.model.space import Real, Space
from labwright.planners import load_planner

POINTS: list[dict[str, Any]] = [{"x": 1.0}, {"x": 0.5}, {"x": 0.5}]


def state(*trials: Trial, points: Any = POINTS) -> CampaignState:
    return CampaignState(
        space=Space(parameters=(Real(name="x", unit="1", low=0, high=1),)),
        objective=Objective(name="y", goal="max", unit="1"),
        planner=PlannerSpec(name="listed", options={"points": points}),
        trials=trials,
        seed=1,
    )


def test_points_come_in_their_order_each_as_often_as_it_is_listed() -> None:
    made: list[Trial] = []
    for number, point in enumerate(POINTS, start=1):
        now = state(*made)
        (one,) = load_planner(now.planner).ask(now, 1)
        assert (one.params, one.rationale) == (point, f"number {number} of 3 in the list")
        made.append(Trial(id=str(number), params=one.params, status="running"))
    now = state(*made)
    with pytest.raises(PlannerError, match="all 3 experiments of the list were made"):
        load_planner(now.planner).ask(now, 1)


def test_what_a_person_suggests_beside_it_takes_no_place_in_the_list() -> None:
    now = state(Trial(id="1", params={"x": 0.1}, status="running", source="human"))
    assert [one.params for one in load_planner(now.planner).ask(now, 5)] == POINTS


def test_what_is_no_list_is_refused() -> None:
    for points in ([], [{"x": float("nan")}], None):
        with pytest.raises(ConfigError, match="points"):
            load_planner(PlannerSpec(name="listed", options={"points": points}))
    now = state(points=[{"x": 2.0}])
    with pytest.raises(PlannerError, match="experiment 1 of the list is outside the space: x = 2"):
        load_planner(now.planner).ask(now, 1)
