"""What is said about pausing in one breath."""

from __future__ import annotations

import pytest

from labwright.engine import validate_state
from labwright.engine.controller import last_word_first
from labwright.engine.core import IllegalEventError
from labwright.engine.events import Finish, PauseAsked, PauseStations, ResumeAsked, StepEnded, StopAsked
from labwright.model.protocol import StepOutcome
from tests.engine.alone import Alone
from tests.engine.test_core import started, suggested

ON, OFF, OTHER = PauseStations(on=True), PauseStations(on=False), Finish(state="completed", reason="")


def test_the_last_word_on_pausing_holds_and_comes_first() -> None:
    assert last_word_first([OFF, OTHER, ON]) == [ON, OTHER], "told to go on and then to pause: paused"
    assert last_word_first([ON, OTHER, OFF]) == [OFF, OTHER]
    assert last_word_first([OTHER]) == [OTHER]


def test_the_last_experiment_can_be_paused_and_only_a_person_lets_it_end() -> None:
    core = Alone()
    core.handle(started(budget=1))
    core.handle(suggested())
    assert core.phase == "draining", "the budget is spent, and its last experiment under way"
    assert core.handle(PauseAsked(by="Ann")) == [PauseStations(on=True)]
    assert (core.phase, core.paused, core.status) == ("draining", True, "draining, paused")
    assert core.changes()["campaign", core.campaign]["state"] == "draining, paused"  # type: ignore[index]
    assert "labwright campaign resume" in core.waits_for()
    validate_state(core.lab)
    run = next(run for one in core.live.values() for run in one.running)
    done = StepOutcome(step_id=run.step_id, state="done", results={"y": 1.0}, started_s=0, ended_s=1)
    assert core.handle(StepEnded(outcome=done)) == [], "nothing begins, and it does not end"
    validate_state(core.lab)
    with pytest.raises(IllegalEventError, match="draining, paused"):
        core.handle(PauseAsked(by="Bo"))
    assert core.handle(ResumeAsked(by="Ann"))[0] == PauseStations(on=False)
    assert not core.paused


def test_what_is_being_stopped_is_not_paused() -> None:
    core = Alone()
    core.handle(started(budget=3))
    core.handle(suggested())
    core.handle(PauseAsked(by="Ann"))
    core.handle(StopAsked(why="enough"))
    assert (core.phase, core.paused) == ("draining", False)
    with pytest.raises(IllegalEventError):
        core.handle(PauseAsked(by="Ann"))
    with pytest.raises(IllegalEventError):
        core.handle(ResumeAsked(by="Ann"))
