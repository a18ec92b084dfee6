"""A campaign is extended, under way or run out: it makes more experiments, and nothing of it is done twice."""

from __future__ import annotations

from typing import Any

import pytest

from labwright.engine import CampaignCore, validate_state
from labwright.engine.core import IllegalEventError
from labwright.engine.events import ENGINE, DrainAsked, Extended, PauseAsked, ResumeAsked, Resumed, StopAsked, Suggested
from labwright.engine.snapshots import dumped
from labwright.engine.tables import take_changes
from labwright.model.campaign import StopAdvice, Suggestion
from labwright.model.spec import StopRule
from tests.engine.test_dispatch import Rehearsal, move, way, work
from tests.engine.test_lab_machine import started

THERE = way(move("s0", "a"), work("s1", "mixer"), move("out"))


def resumed() -> Resumed:
    return Resumed(epoch=2, by="Bo", engine=ENGINE)


def extended(budget: int) -> Extended:
    return Extended(budget=budget, by="Ann", because="it still rises")


def core_of(lab: Rehearsal) -> CampaignCore:
    return lab.lab.campaigns["c0"]


def test_one_that_only_finishes_what_its_budget_has_left_goes_on() -> None:
    lab = Rehearsal(started("c0", THERE, budget=1))
    core = core_of(lab)
    assert (core.phase, core.reason) == ("draining", "the budget of 1 experiments is spent")
    lab.feed("c0", extended(3))
    assert (core.phase, core.reason) == ("running", "")
    assert take_changes(lab.lab)["campaign", "c0"]["budget"] == 3  # type: ignore[index]
    assert dumped(lab.replayed(), whole=True) == dumped(lab.lab, whole=True)
    lab.answer()
    lab.run()
    assert (core.phase, core.tried) == ("completed", 3)
    assert core.reason == "the budget of 3 experiments is spent"
    assert [one.status for one in core.trials] == ["done"] * 3


def test_a_paused_one_goes_on_when_it_is_resumed() -> None:
    lab = Rehearsal(started("c0", THERE, budget=1))
    lab.feed("c0", PauseAsked(by="Ann", because=""))
    lab.feed("c0", extended(2))
    core = core_of(lab)
    assert (core.status, core.asking) == ("paused", 0)
    lab.feed("c0", ResumeAsked(by="Ann", because=""))
    lab.answer()
    lab.run()
    assert (core.phase, core.tried) == ("completed", 2)


def test_a_person_s_drain_is_not_undone_and_no_budget_shrinks() -> None:
    lab = Rehearsal(started("c0", THERE, budget=3))
    with pytest.raises(IllegalEventError, match="its budget is 3 experiments already"):
        lab.feed("c0", extended(3))
    lab.feed("c0", DrainAsked(by="Ann", because="enough"))
    with pytest.raises(IllegalEventError, match="drained by Ann: enough"):
        lab.feed("c0", extended(9))
    assert core_of(lab).budget == 3


def over(budget: int = 1, **changes: Any) -> Rehearsal:
    lab = Rehearsal(started("c0", THERE, budget=budget, **changes))
    lab.run()
    assert core_of(lab).over
    take_changes(lab.lab)
    return lab


def test_one_that_has_run_out_goes_on_once_a_controller_resumes_it() -> None:
    lab = over()
    core = core_of(lab)
    lab.feed("c0", extended(3))
    assert (core.phase, core.reason, core.ended_s, core.asking) == ("running", "", None, 0)
    row = take_changes(lab.lab)["campaign", "c0"]
    assert row is not None
    assert (row["state"], row["budget"], row["ended_s"]) == ("running", 3, None)
    assert core.waits_for() == ["a controller that takes it up"]
    validate_state(lab.lab)
    lab.feed("c0", extended(4))  # another person wants more, before one runs
    lab.feed("c0", resumed())
    assert core.asking == 2
    assert dumped(lab.replayed(), whole=True) == dumped(lab.lab, whole=True)
    lab.answer()
    lab.run()
    assert (core.phase, core.tried, core.reason) == ("completed", 4, "the budget of 4 experiments is spent")
    assert [(one.id, one.status) for one in core.trials] == [(f"{n:04d}", "done") for n in (1, 2, 3, 4)]
    lab.feed("c0", extended(5))
    lab.feed("c0", resumed())
    lab.answer()
    lab.run()
    assert (core.phase, core.tried) == ("completed", 5)


def test_what_is_over_and_cannot_go_on() -> None:
    lab = over(2)
    with pytest.raises(IllegalEventError, match="it has made 2 experiments already; name more than that"):
        lab.feed("c0", extended(2))
    for how, words in (
        (DrainAsked(by="Ann", because="enough"), "it is completed: drained by Ann: enough. Only a campaign that has"),
        (StopAsked(why="stopped by Ann"), "it is stopped: stopped by Ann. Only a campaign that has run out goes on"),
    ):
        ended = Rehearsal(started("c0", THERE, budget=3))
        ended.feed("c0", how)
        ended.run()
        before = dumped(ended.lab, whole=True)
        with pytest.raises(IllegalEventError, match=f"{words}.*warm_start"):
            ended.feed("c0", extended(9))
        assert dumped(ended.lab, whole=True) == before


def test_a_target_that_is_reached_is_said_and_a_rule_on_what_came_in_a_row_begins_anew() -> None:
    lab = over(9, stop=StopRule(target=0.05))
    assert "the target of 0.05 is reached" in core_of(lab).reason
    with pytest.raises(IllegalEventError, match="its stop rule would end it at once: the target of 0"):
        lab.feed("c0", extended(9))
    lab = over(9, stop=StopRule(no_better_for=2))
    core = core_of(lab)
    assert (core.tried, core.reason) == (3, "2 experiments in a row brought nothing better")
    lab.feed("c0", extended(9))
    lab.feed("c0", resumed())
    lab.answer()
    lab.run()
    assert (core.tried, core.reason) == (5, "2 experiments in a row brought nothing better")


def test_the_planner_s_advice_ends_it_again_only_after_another_experiment() -> None:
    advice = StopAdvice(stop=True, reason="flat", expected_gain=0.0, noise=1.0, regret_bound=0.0)

    def advise() -> None:
        lab.feed("c0", Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r"), advice=advice))

    lab = Rehearsal(started("c0", THERE, budget=9, stop=StopRule(regret_below=0.1)))
    core = core_of(lab)
    while lab.running:
        lab.end(min(lab.running))
    advise()
    assert (core.phase, core.tried) == ("completed", 1)
    lab.feed("c0", extended(9))
    lab.feed("c0", resumed())
    advise()
    assert (core.phase, core.tried) == ("running", 2)
    while lab.running:
        lab.end(min(lab.running))
    advise()
    assert (core.phase, core.tried) == ("completed", 2)


def test_a_lab_that_has_forgotten_it_takes_it_back() -> None:
    """As a controller does that has worked on others since, and as a restart reads its events."""
    lab = Rehearsal(started("c0", THERE, budget=1))
    lab.run()
    again = lab.replayed("c0")
    again.dirty.clear()
    lab.lab.forget("c0")
    lab.feed("c1", started("c1", THERE, budget=1))
    lab.answer()
    lab.lab.take_back("c0", again)
    lab.feed("c0", extended(2))
    lab.feed("c0", resumed())
    lab.answer()
    lab.run()
    assert lab.phases() == ["completed", "completed"]
    assert [one.id for one in core_of(lab).trials] == ["0001", "0002"]
    take_changes(lab.lab)
