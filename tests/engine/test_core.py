"""The core: pure, replayable, and strict about what can happen when."""

from typing import Any, Literal

import pytest

from labwright.engine.core import IllegalEventError
from labwright.engine.events import (
    EVENTS,
    Ask,
    Event,
    Finish,
    Infeasible,
    Instruction,
    NotSuggested,
    RunStep,
    Started,
    StepEnded,
    StopAsked,
    StopStations,
    Suggested,
)
from labwright.model.campaign import FailKind, Objective, PlannerSpec, Suggestion
from labwright.model.protocol import NumberParameter, NumberResult, ProtocolSpec, StepOutcome, StepSpec
from labwright.model.space import Real, Space
from labwright.model.spec import CampaignSpec, StopRule
from tests.engine.alone import Alone

PROTOCOL = ProtocolSpec(
    name="p",
    version="1",
    title="P",
    parameters=(NumberParameter(name="x", unit="1", low=0, high=1),),
    results=(NumberResult(name="y", unit="1", uncertainty="y_sem"),),
    steps=(
        StepSpec(name="mix", station="a", expected_s=1),
        StepSpec(name="rinse", station="b", expected_s=1),
        StepSpec(name="measure", station="b", needs=("mix", "rinse"), expected_s=1),
    ),
)
PREPARE = ProtocolSpec(
    name="calibrate",
    version="1",
    title="C",
    parameters=(),
    results=(),
    steps=(StepSpec(name="cal", station="b", expected_s=1),),
)


def started(campaign: str = "c-1", **changes: Any) -> Started:
    fields: dict[str, Any] = {"objective": Objective(name="y", goal="max", unit="1"), "budget": 2, **changes}
    spec = CampaignSpec(
        name="c",
        title="C",
        protocol="p",
        space=Space(parameters=(Real(name="x", unit="1", low=0, high=1),)),
        planner=PlannerSpec(name="random"),
        **fields,
    )
    return Started(
        campaign=campaign,
        spec=spec,
        protocols=(PROTOCOL, PREPARE),
        places=tuple(f"rack_{number}" for number in range(1, 7)),
    )


def suggested(x: float = 0.5) -> Suggested:
    return Suggested(suggestion=Suggestion(params={"x": x}, rationale="because"))


State = Literal["done", "failed", "stopped", "unknown"]


def ended(instruction: RunStep, state: State = "done", **results: Any) -> StepEnded:
    kinds: dict[State, FailKind | None] = {"done": None, "failed": "equipment", "stopped": "aborted", "unknown": None}
    outcome = StepOutcome(
        step_id=instruction.order.step_id,
        state=state,
        results=results,
        fail_kind=kinds[state],
        error=state,
        started_s=0,
        ended_s=1,
    )
    return StepEnded(outcome=outcome)


def run_through(one: Alone, values: list[float], **changes: Any) -> tuple[list[Event], list[Instruction]]:
    """Drive a campaign whose every step succeeds; events fed and last instructions."""
    fed: list[Event] = [started(**changes)]
    pending = list(one.handle(fed[0]))
    left = list(values)
    last = pending
    while pending:
        instruction = pending.pop(0)
        if isinstance(instruction, Ask):
            event: Event = suggested()
        elif isinstance(instruction, RunStep):
            measured: dict[str, Any] = {"y": left.pop(0)} if left and instruction.order.step == "measure" else {}
            event = ended(instruction, "done", **measured)
        else:
            return fed, [instruction]
        fed.append(event)
        last = one.handle(event)
        pending += last
    return fed, last


def test_steps_start_when_their_needs_are_done_and_their_station_is_free() -> None:
    one = Alone()
    (ask,) = one.handle(started())
    assert isinstance(ask, Ask)
    mix, rinse = one.handle(suggested())
    assert isinstance(mix, RunStep)
    assert isinstance(rinse, RunStep)
    assert [(mix.station, mix.order.step), (rinse.station, rinse.order.step)] == [("a", "mix"), ("b", "rinse")]
    assert one.handle(ended(mix, mass=2.0)) == []
    (measure,) = one.handle(ended(rinse))
    assert isinstance(measure, RunStep)
    assert measure.order.results == {"mix": {"mass": 2.0}, "rinse": {}}
    assert measure.order.place == "rack_1"


def test_the_budget_ends_it_and_the_trials_carry_the_outcomes() -> None:
    one = Alone()
    _, last = run_through(one, [1.0, 2.0])
    assert last == [Finish("completed", "the budget of 2 experiments is spent")]
    assert [trial.outcomes["y"].mean for trial in one.trials] == [1.0, 2.0]
    assert one.over


@pytest.mark.parametrize(
    ("rule", "values", "reason"),
    [
        (StopRule(target=1.5), [1.0, 1.6, 9.0], "target"),
        (StopRule(no_better_for=2), [3.0, 1.0, 2.0, 9.0], "nothing better"),
    ],
)
def test_stop_rules(rule: StopRule, values: list[float], reason: str) -> None:
    one = Alone()
    _, (finish,) = run_through(one, values, budget=9, stop=rule)
    assert isinstance(finish, Finish)
    assert finish.state == "completed"
    assert reason in finish.reason
    assert len(one.trials) == len(values) - 1


def test_preparations_come_first_and_their_results_reach_every_step() -> None:
    one = Alone()
    (cal,) = one.handle(started(prepare=("calibrate",), budget=1))
    assert isinstance(cal, RunStep)
    assert cal.order.experiment == 0
    (ask,) = one.handle(ended(cal, constant=1.04))
    assert isinstance(ask, Ask)
    mix, _ = one.handle(suggested())
    assert isinstance(mix, RunStep)
    assert mix.order.calibrations == {"calibrate": {"constant": 1.04}}


def test_a_fault_waits_for_the_other_station_and_then_fails_the_campaign() -> None:
    one = Alone()
    one.handle(started())
    mix, rinse = one.handle(suggested())
    assert isinstance(mix, RunStep)
    assert isinstance(rinse, RunStep)
    assert one.handle(ended(mix, "failed")) == []
    (finish,) = one.handle(ended(rinse))
    assert isinstance(finish, Finish)
    assert finish.state == "failed"
    assert "experiment 0001, step mix: failed" in finish.reason
    assert one.trials[0].fail_kind == "equipment"


def test_stop_lets_the_running_step_end_and_starts_no_other() -> None:
    one = Alone()
    one.handle(started())
    mix, rinse = one.handle(suggested())
    assert isinstance(mix, RunStep)
    assert isinstance(rinse, RunStep)
    assert one.handle(StopAsked(why="Ctrl-C")) == [StopStations("Ctrl-C", now=False)]
    assert one.handle(ended(mix)) == []
    assert one.handle(ended(rinse)) == [Finish("stopped", "Ctrl-C")]
    assert one.trials[0].status == "abandoned"


def test_what_cannot_be_made_is_recorded_and_not_counted() -> None:
    one = Alone()
    one.handle(started(budget=1))
    suggestion = Suggestion(params={"x": 0.1}, rationale="r")
    (again,) = one.handle(Infeasible(suggestion=suggestion, reason="too rich"))
    assert isinstance(again, Ask)
    assert again.state.trials[0].fail_kind == "infeasible"
    assert one.tried == 0


def test_a_planner_that_never_suggests_the_feasible_ends_it() -> None:
    one = Alone()
    one.handle(started(budget=1))
    suggestion = Suggestion(params={"x": 0.1}, rationale="r")
    last: list[Instruction] = []
    while not one.over:
        last = one.handle(Infeasible(suggestion=suggestion, reason="too rich"))
    assert isinstance(last[0], Finish)
    assert "space.constraints" in last[0].reason


def test_a_protocol_that_breaks_its_promise_fails_the_campaign_and_its_journal_can_still_be_replayed() -> None:
    one, again = Alone(), Alone()
    events, (finish,) = run_through(one, [])
    assert finish == Finish("failed", "protocol p promised y; found nothing")
    assert (one.trials[0].status, one.trials[0].fail_kind) == ("failed", "equipment")
    for event in events:
        again.handle(EVENTS.validate_json(event.model_dump_json()))
    assert again.state() == one.state()


def test_no_suggestion_ends_it_in_words() -> None:
    one = Alone()
    one.handle(started())
    assert one.handle(NotSuggested(reason="space exhausted")) == [
        Finish("failed", "no further suggestion: space exhausted")
    ]


def test_replaying_the_events_as_json_gives_the_same_state() -> None:
    one, again = Alone(), Alone()
    events, _ = run_through(one, [1.0, 2.0])
    for event in events:
        again.handle(EVENTS.validate_json(event.model_dump_json()))
    assert again.snapshot() == one.snapshot()


def test_events_that_cannot_happen_are_refused() -> None:
    one = Alone()
    with pytest.raises(IllegalEventError, match="phase 'draft'"):
        one.handle(suggested())
    one.handle(started())
    with pytest.raises(IllegalEventError, match="started"):
        one.handle(started("c-2"))
    mix, _ = one.handle(suggested())
    assert isinstance(mix, RunStep)
    with pytest.raises(IllegalEventError, match="suggested"):
        one.handle(suggested())
    one.handle(ended(mix))
    with pytest.raises(IllegalEventError, match="does not run"):
        one.handle(ended(mix))
    run_through(ready := Alone(), [1.0, 2.0])
    with pytest.raises(IllegalEventError, match="completed"):
        ready.handle(StopAsked(why="late"))
