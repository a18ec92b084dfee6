"""Several objectives, limits, cost, advice to stop, and what people want and do not want: the core alone."""

from typing import Any

import pytest

from labwright.engine.core import IllegalEventError
from labwright.engine.events import EVENTS, Ask, DrainAsked, Event, Instruction, Proposed, RunStep, Suggested, Vetoed
from labwright.engine.oracle import validate_state
from labwright.model.campaign import Objective, Outcome, StopAdvice, Suggestion, Veto
from labwright.model.spec import StopRule
from tests.engine.alone import Alone
from tests.engine.test_core import ended, run_through, started, suggested

NEAR: dict[str, Any] = {"name": "y", "goal": "target", "target": 5.0, "unit": "1"}


def begun(**changes: Any) -> Alone:
    one = Alone()
    one.handle(started(**changes))
    return one


def advised(gain: float, regret: float = 1.0, x: float = 0.5, *, stop: bool = False) -> Suggested:
    advice = StopAdvice(stop=stop, reason="nothing more to gain", expected_gain=gain, noise=0.2, regret_bound=regret)
    return Suggested(suggestion=Suggestion(params={"x": x}, rationale="because"), advice=advice)


def proposed(x: float, **more: Any) -> Proposed:
    words = Suggestion(params={"x": x}, rationale="suggested by Kim: a hunch")
    return Proposed(suggestion=words, by="Kim", because="a hunch", **more)


def carry_out(core: Alone, instructions: list[Instruction], **results: Any) -> list[Instruction]:
    """Let every step end well; what is to be done after the last."""
    pending = list(instructions)
    while pending and isinstance(pending[0], RunStep):
        step = pending.pop(0)
        assert isinstance(step, RunStep)
        pending += core.handle(ended(step, "done", **(results if step.order.step == "measure" else {})))
        validate_state(core.lab)
    return pending


def test_trials_carry_all_outcomes_and_the_planner_sees_all_of_the_problem() -> None:
    core = begun(
        more_objectives=[{"name": "z", "goal": "min", "unit": "1"}],
        outcome_limits=[{"name": "w", "unit": "1", "low": 0}],
        cost={"unit": "min", "base": 3, "per": {"x": 2}},
        fidelity={"parameter": "x", "target": 0.5},
    )
    (ask,) = carry_out(core, core.handle(suggested(0.5)), y=1.0, y_sem=0.1, z=2.0, w=3.0)
    assert isinstance(ask, Ask)
    state = ask.state
    assert state.trials[0].outcomes == {
        "y": Outcome(mean=1, sem=0.1),
        "z": Outcome(mean=2),
        "w": Outcome(mean=3),
    }
    assert state.trials[0].cost == 4.0
    assert [one.name for one in state.objectives] == ["y", "z"]
    assert state.outcome_limits[0].name == "w"
    assert state.cost is not None
    assert state.fidelity is not None
    assert type(state).model_validate_json(state.model_dump_json()) == state


def test_an_outcome_that_is_asked_for_and_not_found_fails_the_campaign() -> None:
    core = begun(more_objectives=[{"name": "z", "goal": "min", "unit": "1"}])
    carry_out(core, core.handle(suggested()), y=1.0)
    assert core.phase == "failed"
    assert "promised z" in core.reason


@pytest.mark.parametrize(
    ("changes", "values", "reason", "best"),
    [
        ({"objective": NEAR, "stop": {"target": 5.2}}, [3.0, 9.0, 5.1], "target of 5.2", 5.1),
        ({"objective": NEAR, "stop": {"target": 5.2}}, [3.0, 9.0, 4.85], "target of 5.2", 4.85),
        ({"objective": NEAR, "stop": {"no_better_for": 2}}, [4.0, 7.0, 3.5], "2 experiments in a row", 4.0),
        (
            {"objective": {"name": "y", "goal": "range", "low": 1, "high": 2, "unit": "1"}, "stop": {"target": 1.5}},
            [3.0, 1.1],
            "target of 1.5",
            1.1,
        ),
        ({"cost": {"unit": "min", "base": 10}, "stop": {"cost": 25}}, [1.0, 2.0, 1.0], "30 min are spent, of 25", 2.0),
        (
            {"outcome_limits": [{"name": "y", "unit": "1", "high": 5}], "stop": {"target": 4}},
            [9.0, 4.5],
            "target of 4",
            4.5,
        ),
    ],
)
def test_stop_rules_go_by_merit_and_by_what_counts(
    changes: dict[str, Any], values: list[float], reason: str, best: float
) -> None:
    core = Alone()
    run_through(core, values, budget=6, **changes)
    assert core.phase == "completed"
    assert reason in core.reason
    assert core.best == best
    assert len([one for one in core.trials if one.status == "done"]) == len(values)


def test_with_several_objectives_whatever_no_other_beats_is_better() -> None:
    core = begun(budget=3, more_objectives=[{"name": "z", "goal": "min", "unit": "1"}], stop={"no_better_for": 2})
    for y, z in ((1.0, 5.0), (0.5, 4.0), (0.4, 4.5)):
        carry_out(core, core.handle(suggested()), y=y, z=z)
    assert core.best == 1.0
    assert core.stopping.since_best == 1
    assert core.on_front == 2
    assert begun().on_front is None


def test_expectations_below_the_noise_for_some_rounds_end_it() -> None:
    core = begun(budget=3, stop={"gain_below_noise_for": 2})
    for gain in (0.1, 0.3, 0.1):
        carry_out(core, core.handle(advised(gain)), y=1.0)
    assert "budget" in core.reason, "the second was above, so the count began anew"

    core = begun(budget=3, stop={"gain_below_noise_for": 2})
    carry_out(core, core.handle(advised(0.1)), y=1.0)
    core.handle(advised(0.1))
    assert core.phase == "completed"
    assert "less than a repeat scatters (0.2), 2 times in a row" in core.reason
    assert len(core.trials) == 1, "what would not be worth it is not begun"


def test_the_planners_own_advice_ends_it_where_it_is_asked_for() -> None:
    core = begun(budget=4, stop={"advised_for": 2})
    for stop in (True, False, True):
        carry_out(core, core.handle(advised(1.0, stop=stop)), y=1.0)
    core.handle(advised(1.0, stop=True))
    assert core.phase == "completed"
    assert core.reason == "the planner advised 2 times in a row to stop: nothing more to gain"

    core = begun(budget=2, stop={"regret_below": 0.3})
    for _ in range(2):
        carry_out(core, core.handle(advised(1.0, stop=True)), y=1.0)
    assert "budget" in core.reason, "nobody asked for it"


def test_a_small_regret_ends_it_and_replay_comes_out_the_same() -> None:
    events: list[Event] = [started(stop={"regret_below": 0.3}), advised(1.0, regret=0.2)]
    core, again = Alone(), Alone()
    for event in events:
        core.handle(event)
        again.handle(EVENTS.validate_json(event.model_dump_json()))
    assert core.phase == "completed"
    assert "no more than 0.2 (95 %" in core.reason
    assert core.snapshot() == again.snapshot()


def test_a_persons_experiment_comes_before_the_planners() -> None:
    core = begun(budget=3)
    first = core.handle(suggested())
    core.handle(proposed(0.9))
    core.handle(proposed(0.8))
    assert [(one.status, one.source) for one in core.trials[1:]] == [("proposed", "human")] * 2
    with pytest.raises(IllegalEventError, match="budget of 3 experiments is spent or promised"):
        core.handle(proposed(0.7))
    with pytest.raises(IllegalEventError, match=r"x = 1\.5"):
        core.handle(proposed(1.5))
    steps = carry_out(core, first, y=1.0)
    assert [str(one) for one in steps] == ["finish completed"]
    assert [one.params["x"] for one in core.trials] == [0.5, 0.9, 0.8]
    assert [one.status for one in core.trials] == ["done"] * 3
    assert core.trials[1].rationale == "suggested by Kim: a hunch"


def test_an_answer_that_knew_nothing_of_it_is_not_wanted_and_the_planner_is_asked_again() -> None:
    core = begun(budget=3)
    steps = core.handle(proposed(0.9))
    assert [type(one) for one in steps] == [RunStep, RunStep]
    assert core.handle(suggested(0.1)) == []
    assert [one.params["x"] for one in core.trials] == [0.9]
    (ask,) = carry_out(core, steps, y=1.0)
    assert isinstance(ask, Ask)
    assert ask.state.trials[0].source == "human"


def test_a_person_can_take_it_back_and_a_drain_does() -> None:
    core = begun(budget=5)
    core.handle(suggested())
    core.handle(proposed(0.9))
    core.handle(proposed(0.8))
    with pytest.raises(IllegalEventError, match="no proposal that has not started '0001'"):
        core.handle(Vetoed(trial="0001", by="Kim"))
    core.handle(Vetoed(trial="0002", by="Kim", because="no gas"))
    assert (core.trials[1].status, core.trials[1].rationale) == ("abandoned", "vetoed by Kim: no gas")
    core.handle(DrainAsked(by="Kim"))
    assert core.trials[2].status == "abandoned"
    with pytest.raises(IllegalEventError, match="draining"):
        core.handle(proposed(0.7))
    validate_state(core.lab)


def test_what_is_vetoed_is_not_tried_whoever_wants_it() -> None:
    core = begun(budget=3)
    core.handle(suggested(0.1))
    core.handle(proposed(0.52))
    core.handle(Vetoed(veto=Veto(params={"x": 0.5}, reach=0.05, by="Kim", because="it smells"), by="Kim"))
    assert core.trials[1].status == "abandoned", "it lies in reach"
    with pytest.raises(IllegalEventError, match="vetoed by Kim: it smells"):
        core.handle(proposed(0.5))
    with pytest.raises(IllegalEventError, match="no parameter 'z'"):
        core.handle(Vetoed(veto=Veto(params={"z": 0.5})))

    core = begun(budget=3)
    core.handle(Vetoed(veto=Veto(params={"x": 0.5}, by="Kim", because="it smells"), by="Kim"))
    (ask,) = core.handle(suggested(0.2))  # made before the veto was known: asked again
    assert isinstance(ask, Ask)
    assert ask.state.vetoes[0].because == "it smells"
    for _ in range(20):
        assert core.phase == "running"
        core.handle(suggested(0.5))
    assert core.phase == "failed"
    assert "20 suggestions in a row are vetoed" in core.reason
    assert {one.status for one in core.trials} == {"abandoned"}


def test_a_veto_is_on_one_thing() -> None:
    with pytest.raises(ValueError, match="give one of both"):
        Vetoed(by="Kim")


def test_old_events_are_still_understood() -> None:
    old = started().model_dump(mode="json")
    for key in ("more_objectives", "outcome_limits", "cost", "fidelity", "warm_start"):
        del old["spec"][key]
    for key in ("gain_below_noise_for", "advised_for", "regret_below", "cost"):
        del old["spec"]["stop"][key]
    del old["earlier"]
    core = Alone()
    core.handle(EVENTS.validate_python(old))
    assert core.spec.stop == StopRule()
    assert core.spec.objectives == (Objective(name="y", goal="max", unit="1"),)
