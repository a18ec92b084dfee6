"""What is done about a step that has failed: by class of fault, with a deadline, and with what closes out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from labwright.engine import LabCore
from labwright.engine.events import (
    EVENTS,
    Answered,
    Classified,
    Overdue,
    PauseAsked,
    Resumed,
    SampleStopAsked,
    Started,
    StopAsked,
)
from labwright.engine.snapshots import dumped
from labwright.model.latch import LatchScope
from labwright.model.protocol import AskWithin, ProtocolSpec, StepSpec
from tests.engine.moving import Deck, layout, started, step, way

ROW = layout(("mixer", 1, "own"), ("meter", 1, "own"))
MIX, MEASURE = step("mixer", on_failure="ask"), step("meter", on_failure="ask")


def deck(*steps: StepSpec, plan: Any = ROW, **changes: Any) -> Deck:
    return Deck(plan, begun("c", way(*steps), **changes))


def begun(campaign: str, protocol: ProtocolSpec, **changes: Any) -> Started:
    return started(campaign, protocol, **{"budget": 1, **changes}).model_copy(update={"engine": 4})


def fail(lab: Deck, name: str, fault: str = "equipment", label: str = "0001") -> None:
    """A step ends with a fault, when it comes to it."""
    step_id = f"c/{label}/{name}"
    while step_id not in lab.running:
        assert lab.next(), f"{step_id} never begins"
    lab.end(step_id, "failed", fault)


def answer(lab: Deck, answer: str) -> None:
    (question,) = lab.lab.work.questions.open.values()
    answered = Answered(question=question.id, answer=answer, by="Kim", because="looked", closeouts=True)
    lab.take({question.owner: answered})


def pass_deadline(lab: Deck) -> None:
    questions = lab.lab.work.questions
    due_s = questions.due_s
    assert due_s is not None
    lab.now_s = due_s
    lab.take({one.owner: Overdue(question=one.id) for one in questions.due(due_s)})


def began(lab: Deck, name: str) -> bool:
    return any(line.split(" ")[1].endswith(f"/{name}") for line in lab.told)


@pytest.mark.parametrize("fault", ["equipment", "timeout", "refused", "sample", "plan"])
@pytest.mark.parametrize("policy", ["ask", "abandon", "stop", "skip", "quarantine"])
def test_each_class_of_fault_has_its_policy(fault: str, policy: str) -> None:
    last = step("store", "meter")
    others = "ask" if policy == "abandon" else "abandon"
    lab = deck(step("mixer", on_failure={fault: policy, "otherwise": others}), MEASURE, last, budget=2, parallel=1)
    fail(lab, "mixer", fault)
    core = lab.lab.campaigns["c"]
    assert bool(core.questions) == (policy == "ask")
    assert (core.phase == "draining") == (policy == "stop")
    lab.run()
    if policy == "skip":
        assert began(lab, "store")
        assert core.trials[0].status == "done"
    else:
        assert core.trials[0].status == ("running" if policy == "ask" else "failed")
    assert (core.tried == 2) == (policy in ("abandon", "skip", "quarantine")), "the campaign goes on"


@pytest.mark.parametrize("fault", ["refused", "sample", "plan"])
def test_only_what_may_be_gone_the_next_time_is_tried_again_by_itself(fault: str) -> None:
    lab = deck(step("mixer", retries=2, on_failure="abandon"), MEASURE)
    fail(lab, "mixer", "timeout")
    fail(lab, "mixer", "equipment")
    fail(lab, "mixer", "equipment")
    assert lab.lab.campaigns["c"].live["0001"].given_up, "twice is enough"
    lab = deck(step("mixer", retries=2, on_failure="abandon"), MEASURE)
    fail(lab, "mixer", fault)
    assert lab.lab.campaigns["c"].live["0001"].given_up


def test_what_is_in_doubt_is_asked_whatever_the_policy_is() -> None:
    lab = deck(step("mixer", on_failure="skip"), MEASURE)
    while "c/0001/mixer" not in lab.running:
        assert lab.next()
    lab.end("c/0001/mixer", "unknown")
    assert [one.doubt for one in lab.lab.work.questions.open.values()] == [3]


def test_a_sample_that_lacks_a_result_by_a_skipped_step_is_given_up_alone() -> None:
    lab = deck(step("mixer", on_failure="skip"), budget=2, parallel=1)
    fail(lab, "mixer", "sample")
    core = lab.lab.campaigns["c"]
    assert (core.trials[0].status, core.phase) == ("failed", "running")
    assert "step mixer was skipped" in core.trials[0].rationale
    lab.run()
    assert core.trials[1].status == "done"


def test_a_quarantined_sample_goes_back_to_its_place_and_not_out_of_the_lab() -> None:
    lab = deck(step("mixer", on_failure="quarantine"), MEASURE, budget=2, parallel=1)
    fail(lab, "mixer", "sample")
    experiment = lab.lab.campaigns["c"].live["0001"]
    lab.run()
    assert (experiment.stands_at, experiment.state, experiment.disposition) == ("rack_1", "abandoned", "in the lab")
    assert "step mixer" in experiment.quarantine
    assert lab.phases() == ["completed"]
    assert lab.lab.campaigns["c"].trials[1].status == "done"


def test_a_quarantined_sample_that_a_person_releases_at_once_is_kept_in_the_lab_all_the_same() -> None:
    lab = deck(step("mixer", on_failure="quarantine"), MEASURE)
    fail(lab, "mixer", "sample")
    experiment = lab.lab.campaigns["c"].live["0001"]
    lab.take({"": Classified(what="sample:c/0001", status="released", by="Kim", because="it is clear")})
    lab.run()
    assert (experiment.stands_at, experiment.quarantine, experiment.doubts) == ("rack_1", "", [])


ASKED = step("mixer", on_failure="ask", ask=AskWithin(within_s=1800))


def test_after_the_deadline_a_sample_at_fault_steps_aside_and_comes_back_when_a_person_says_so() -> None:
    lab = deck(ASKED, MEASURE, budget=2, parallel=2)
    fail(lab, "mixer", "sample")
    lab.run()
    assert not began(lab, "meter"), "the second waits for the mixer"
    pass_deadline(lab)
    lab.run()
    experiment = lab.lab.campaigns["c"].live["0001"]
    assert (experiment.stands_at, experiment.state) == ("rack_1", "held")
    assert lab.lab.campaigns["c"].trials[1].status == "done", "the mixer is free for the other"
    (question,) = lab.lab.work.questions.open.values()
    assert question.then == "parked"
    assert "brought back to rack_1" in question.text
    answer(lab, "again")
    lab.run()
    assert [one.status for one in lab.lab.campaigns["c"].trials] == ["done", "done"]


def test_a_sample_aside_that_is_given_up_is_brought_out_by_itself() -> None:
    lab = deck(ASKED, MEASURE)
    fail(lab, "mixer", "sample")
    pass_deadline(lab)
    lab.run()
    answer(lab, "abandon")
    lab.run()
    assert lab.told[-1].endswith("to-waste at arm_1")
    assert lab.phases() == ["completed"]


@pytest.mark.parametrize("fault", ["equipment", "timeout", "refused"])
def test_after_the_deadline_nothing_is_moved_at_a_station_that_may_be_at_fault(fault: str) -> None:
    lab = deck(ASKED, MEASURE, budget=2, parallel=2)
    fail(lab, "mixer", fault)
    told = len(lab.told)
    pass_deadline(lab)
    lab.run()
    assert not [line for line in lab.told[told:] if "0001" in line]
    assert lab.lab.campaigns["c"].live["0001"].stands_at == "mixer_here"
    (question,) = lab.lab.work.questions.open.values()
    assert "stays where it is" in question.text
    answer(lab, "again")
    lab.run()
    assert lab.phases() == ["completed"]


def test_a_sample_whose_filling_a_station_holds_stays_there() -> None:
    fill = step("fill", "mixer", holds=True)
    lab = deck(fill, step("look", "mixer", on_failure="ask", ask=AskWithin(within_s=60)), MEASURE)
    fail(lab, "look", "sample")
    pass_deadline(lab)
    lab.run()
    assert lab.lab.campaigns["c"].live["0001"].stands_at == "mixer_here"


def test_the_journal_alone_says_what_a_passed_deadline_has_done() -> None:
    lab = deck(ASKED, MEASURE, budget=2, parallel=2)
    fail(lab, "mixer", "sample")
    pass_deadline(lab)
    lab.run()
    again = LabCore()
    for campaign, event, at_s in lab.log:
        again.handle(campaign, EVENTS.validate_json(event.model_dump_json()), at_s)
    assert dumped(again, whole=True) == dumped(lab.lab, whole=True)


def test_samples_that_would_only_get_stuck_at_a_lost_station_do_not_begin() -> None:
    lab = deck(MIX, MEASURE, budget=4, parallel=3)
    fail(lab, "meter")
    core = lab.lab.campaigns["c"]
    assert (core.tried, core.lost) == (3, "")
    lab.take({"c": SampleStopAsked(label="0003", why="bad")})
    assert core.lost == f"station meter: a person must answer {next(iter(core.questions))}"
    lab.run()
    assert core.tried == 3
    assert core.lost in core.waits_for()
    assert "c/0002/mixer" in str(lab.told), "those under way go on as far as they need it not"
    answer(lab, "again")
    lab.run()
    assert (core.tried, core.lost) == (4, "")


def test_another_station_of_the_kind_serves_meanwhile() -> None:
    plan = layout(("mixer", 1, "own"), ("m1:meter", 1, "own"), ("m2:meter", 1, "own"))
    lab = deck(MIX, MEASURE, plan=plan, budget=4, parallel=2)
    fail(lab, "meter")
    lab.run()
    core = lab.lab.campaigns["c"]
    assert (core.tried, core.lost) == (4, "")
    assert {key: one.state for key, one in core.live.items()} == {"0001": "held"}


def test_no_sample_begins_for_a_station_that_is_stopped() -> None:
    lab = deck(MIX, MEASURE, budget=2, parallel=1)
    lab.lab.latch(LatchScope("station", station="meter"))
    lab.take({"c": SampleStopAsked(label="0001", why="bad")})
    lab.run()
    core = lab.lab.campaigns["c"]
    assert (core.tried, core.lost) == (1, "station meter: a person must reset the stop of station meter")
    lab.lab.reset(LatchScope("station", station="meter"))
    lab.take({})
    lab.run()
    assert core.trials[1].status == "done"


CLOSE = step("close", "mixer", sample=False, always=True)


def stop(lab: Deck, **more: Any) -> None:
    lab.take({"c": StopAsked(why="enough", **more)})


@pytest.mark.parametrize("policy", ["ask", "abandon", "stop", "skip", "quarantine"])
def test_what_closes_out_is_done_after_every_policy(policy: str) -> None:
    lab = deck(step("mixer", on_failure=policy), CLOSE)
    fail(lab, "mixer")
    if policy == "ask":
        answer(lab, "abandon")
    lab.run()
    assert began(lab, "close")
    assert lab.lab.campaigns["c"].over


def test_what_closes_out_is_done_after_a_stop_and_before_the_campaign_ends() -> None:
    lab = deck(MIX, MEASURE, CLOSE, budget=3, parallel=3)
    while "c/0002/mixer" not in lab.running:
        lab.next()
    stop(lab, closeouts=True)
    assert lab.phases() == ["draining"]
    for key in list(lab.running):
        lab.end(key, "stopped")
    lab.run()
    assert began(lab, "close")
    assert lab.phases() == ["stopped"]
    assert not began(lab, "to-waste"), "the containers stay where they stand"


@pytest.mark.parametrize("how", [{"now": True}, {}])
def test_a_stop_now_and_one_of_an_earlier_release_close_nothing_out(how: dict[str, bool]) -> None:
    lab = deck(MIX, CLOSE)
    while not lab.running:
        lab.next()
    stop(lab, **how)
    for key in list(lab.running):
        lab.end(key, "stopped")
    lab.run()
    assert not began(lab, "close")
    assert lab.phases() == ["stopped"]


def test_a_second_stop_does_not_wait_for_what_closes_out() -> None:
    lab = deck(MIX, CLOSE)
    while not lab.running:
        lab.next()
    stop(lab, closeouts=True)
    for key in list(lab.running):
        lab.end(key, "stopped")
    assert "c/0001/close" in lab.running
    stop(lab, closeouts=True)
    lab.end("c/0001/close", "stopped")
    assert lab.phases() == ["stopped"]


def test_a_paused_campaign_that_is_stopped_begins_nothing() -> None:
    lab = deck(MIX, CLOSE)
    while not lab.running:
        lab.next()
    lab.take({"c": PauseAsked(by="Kim")})
    stop(lab, closeouts=True)
    for key in list(lab.running):
        lab.end(key, "stopped")
    assert not began(lab, "close")


def test_what_closes_out_goes_on_with_another_controller() -> None:
    lab = deck(MIX, CLOSE)
    while not lab.running:
        lab.next()
    stop(lab, closeouts=True)
    for key in list(lab.running):
        lab.end(key, "stopped")
    lab.running.clear()
    lab.take({"c": Resumed(epoch=2, engine=4)})
    assert list(lab.running) == ["c/0001/close"]
    lab.end("c/0001/close")
    assert lab.phases() == ["stopped"]


def test_a_question_about_a_sample_that_is_stopped_is_withdrawn_where_it_steps_aside() -> None:
    lab = deck(ASKED, MEASURE, CLOSE)
    fail(lab, "mixer", "sample")
    pass_deadline(lab)
    lab.take({"c": SampleStopAsked(label="0001", why="bad")})
    assert not lab.lab.work.questions.open
    lab.run()
    assert began(lab, "close")
    assert lab.phases() == ["completed"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("asks", "no policy 'asks'; did you mean 'ask'?"),
        ({"equipmnt": "ask"}, "no class of fault 'equipmnt'; did you mean 'equipment'?"),
        ({"infeasible": "skip"}, "a sample that cannot be made is always given up"),
        ({"unknown": "skip"}, "what may or may not have happened is always asked about"),
        ({"sample": "retry"}, "sample: no policy 'retry'"),
        ({}, "no class of fault is named"),
    ],
)
def test_a_policy_that_is_none_is_refused_in_words(given: Any, words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        StepSpec(name="a", station="s", expected_s=1, on_failure=given)
    assert words in str(raised.value)


@pytest.mark.parametrize("given", [{"within_s": 0}, {"within_s": -1}, {"within_s": 60, "then": "again"}])
def test_a_deadline_can_only_park_and_takes_time(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AskWithin(**given)
