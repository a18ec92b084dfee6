"""A failed step is left out, or repeated with other values, by a person: where it is safe, and as the record says."""

from __future__ import annotations

from typing import Any

import pytest

from labwright.engine import LabCore
from labwright.engine.events import EVENTS, Answered, Overdue, StepEnded, Suggested, Vetoed
from labwright.engine.questions import Question
from labwright.engine.snapshots import dumped
from labwright.engine.work import IllegalEventError
from labwright.model.campaign import Suggestion, Veto
from labwright.model.material import Part, Used
from labwright.model.protocol import AskWithin, Manual, StepSpec
from tests.engine.moving import Deck, layout, started, step, way
from tests.engine.test_lab_machine import ended

ROW = layout(("mixer", 1, "own"), ("meter", 1, "own"))
MIX, MEASURE = step("mixer", on_failure="ask"), step("meter", on_failure="ask")


def deck(*steps: StepSpec, **changes: Any) -> Deck:
    more: dict[str, Any] = {key: changes.pop(key) for key in ("optional", "reads") if key in changes}
    reads: dict[str, Any] = {"reads": {"p": {"mixer": ("x",), "meter": ("x",)}}}
    begun = started("c", way(*steps), **{"budget": 1, "parallel": 1, **changes})
    return Deck(ROW, begun.model_copy(update=reads | more))


def fail(lab: Deck, name: str, **more: Any) -> Question:
    """A step ends with a fault, when it comes to it; the question about it."""
    step_id = f"c/0001/{name}"
    while step_id not in lab.running:
        assert lab.next(), f"{step_id} never begins"
    order = lab.running.pop(step_id)
    outcome = ended(order, more.pop("state", "failed"), fault="equipment").outcome
    lab.take({"c": StepEnded(outcome=outcome.model_copy(update={"ended_s": lab.now_s, **more}))})
    (question,) = lab.lab.work.questions.open.values()
    return question


def answer(lab: Deck, answer: str, **parameters: float) -> None:
    (question,) = lab.lab.work.questions.open.values()
    lab.take({"c": Answered(question=question.id, answer=answer, by="Kim", because="looked", closeouts=True,
                            parameters=parameters)})  # fmt: skip


def same_when_read_again(lab: Deck) -> None:
    again = LabCore()
    for campaign, event, at_s in lab.log:
        again.handle(campaign, EVENTS.validate_json(event.model_dump_json()), at_s)
    assert dumped(again, whole=True) == dumped(lab.lab, whole=True)


def test_a_step_that_no_other_needs_is_left_out_and_the_sample_continues() -> None:
    lab = deck(MIX, MEASURE)
    question = fail(lab, "mixer")
    assert question.choices["skip"].startswith("Leave this step out; sample c-0001 continues with step meter")
    answer(lab, "skip")
    run = lab.lab.campaigns["c"].live["0001"].steps["mixer"]
    assert (run.state, run.error) == ("skipped", "failed; left out by Kim: looked")
    lab.run()
    (trial,) = lab.lab.campaigns["c"].trials
    assert (trial.status, lab.phases()) == ("done", ["completed"])
    assert not any("/mixer" in line for line in lab.told[2:]), "it is not done after all"
    same_when_read_again(lab)


@pytest.mark.parametrize(
    ("mixer", "more"),
    [
        (MIX, {"state": "unknown"}),
        (MIX, {"doubt": 3}),
        (MIX, {"used": {"water": Used(amount=5)}}),
        (MIX.model_copy(update={"holds": True}), {}),
        (MIX.model_copy(update={"always": True}), {}),
    ],
    ids=["in doubt", "an operation in doubt", "something was taken", "the station holds it", "closes out"],
)
def test_what_cannot_be_left_out_without_harm_is_not_offered(mixer: StepSpec, more: dict[str, Any]) -> None:
    lab = deck(mixer, MEASURE, optional={"p": ("mixer",)})
    assert "skip" not in fail(lab, "mixer", **more).choices


def test_what_another_step_needs_cannot_be_left_out() -> None:
    lab = deck(MIX, MEASURE, optional={"p": ()})
    question = fail(lab, "mixer")
    with pytest.raises(IllegalEventError, match="skip"):
        answer(lab, "skip")
    assert question.id in lab.lab.work.questions.open


def test_a_campaign_of_an_earlier_release_is_asked_as_it_was() -> None:
    lab = deck(MIX, MEASURE, optional={}, reads={})
    question = fail(lab, "mixer")
    assert (list(question.choices), question.parameters) == (["again", "abandon"], ())


def test_a_sample_without_a_result_by_a_step_that_was_left_out_is_given_up_and_nothing_is_told() -> None:
    lab = deck(MIX, MEASURE, optional={"p": ("mixer", "meter")}, budget=2)
    lab.on_end = lambda step_id: None
    fail(lab, "mixer")
    answer(lab, "skip")
    fail(lab, "meter")
    answer(lab, "skip")
    trial = lab.lab.campaigns["c"].trials[0]
    assert (trial.status, trial.outcomes) == ("failed", {})
    assert "step mixer was skipped: failed; left out by Kim: looked" in trial.rationale
    lab.run()
    assert lab.lab.campaigns["c"].trials[1].status == "done"


def test_a_sample_that_stands_aside_continues_without_the_step() -> None:
    mixer = step("mixer", on_failure="ask", ask=AskWithin(within_s=60))
    lab = deck(mixer, MEASURE)
    question = fail(lab, "mixer", fault="sample")
    lab.now_s = lab.lab.work.questions.due_s or 0.0
    lab.take({"c": Overdue(question=question.id)})
    lab.run()
    assert lab.lab.campaigns["c"].live["0001"].stands_at == "rack_1"
    answer(lab, "skip")
    lab.run()
    assert (lab.phases(), lab.lab.campaigns["c"].trials[0].status) == (["completed"], "done")
    same_when_read_again(lab)


def test_a_step_is_repeated_with_another_value_and_the_trial_says_what_was_asked_of_it() -> None:
    lab = deck(MIX, MEASURE)
    (offered,) = fail(lab, "mixer").parameters
    assert (offered["name"], offered["value"], offered["allowed"]) == ("x", 0.5, "0 to 1")
    answer(lab, "again", x=0.25)
    order = lab.running["c/0001/mixer"]
    assert (order.parameters, order.attempt) == ({"x": 0.25}, 2)
    lab.run()
    (trial,) = lab.lab.campaigns["c"].trials
    assert (trial.params, trial.status, trial.predicted) == ({"x": 0.25}, "done", None)
    (edit,) = trial.edits
    assert (edit.step, edit.params, edit.before, edit.by, edit.because) == (
        "mixer", {"x": 0.25}, {"x": 0.5}, "Kim", "looked"
    )  # fmt: skip
    same_when_read_again(lab)


@pytest.mark.parametrize(
    "more",
    [{"kept": 1}, {"kept": None}, {"state": "unknown", "kept": 1}, {"doubt": 3, "kept": 1}],
    ids=["something happened", "not known", "in doubt", "an operation in doubt"],
)
def test_nothing_is_repeated_with_other_values_of_which_something_has_happened(more: dict[str, Any]) -> None:
    lab = deck(MIX, MEASURE)
    assert fail(lab, "mixer", **more).parameters == ()
    with pytest.raises(IllegalEventError, match="x"):
        answer(lab, "again", x=0.25)


def test_an_operation_of_which_its_device_has_counted_nothing_has_not_happened() -> None:
    part = Part(what="pump.volume", unit="ml", asked=2, before=0, counted=0, stock="", amount=0, counted_amount=0)
    lab = deck(MIX, MEASURE)
    assert fail(lab, "mixer", state="unknown", doubt=3, kept=1, part=part).parameters
    answer(lab, "again", x=0.25)
    assert lab.running["c/0001/mixer"].parameters == {"x": 0.25}
    counted = part.model_copy(update={"counted": 1.0})
    lab = deck(MIX, MEASURE)
    assert not fail(lab, "mixer", state="unknown", doubt=3, kept=1, part=counted).parameters


def test_a_value_by_which_something_was_made_stays() -> None:
    lab = deck(MIX, MEASURE)
    assert fail(lab, "meter").parameters == (), "the mixer has gone by x"
    lab = deck(MIX, MEASURE, reads={"p": {"mixer": (), "meter": ("x",)}})
    assert fail(lab, "meter").parameters
    lab = deck(MIX, MEASURE, reads={"p": {"meter": ("x",)}})
    assert fail(lab, "meter").parameters == (), "it is not known what the mixer has gone by"


def test_values_that_samples_share_and_those_of_cards_stay() -> None:
    lab = deck(step("mixer", on_failure="ask", recipe=("x",)), MEASURE)
    assert fail(lab, "mixer").parameters == ()
    lab = deck(step("mixer", on_failure="ask", manual=Manual(task="Mix")), MEASURE)
    assert fail(lab, "mixer").parameters == ()


def test_of_a_step_whose_plan_cannot_be_read_only_fixed_values_change() -> None:
    lab = deck(MIX, MEASURE, reads={"p": {}})
    assert fail(lab, "mixer").parameters == ()


@pytest.mark.parametrize(("x", "words"), [(1.5, "outside 0 to 1"), (0.3, "veto")])
def test_what_may_not_be_tried_is_not_tried_by_an_edit(x: float, words: str) -> None:
    lab = deck(MIX, MEASURE)
    question = fail(lab, "mixer")
    lab.take({"c": Vetoed(veto=Veto(params={"x": 0.3}, reach=0.01, by="Kim"), by="Kim")})
    before = dumped(lab.lab)
    with pytest.raises(IllegalEventError, match=words):
        answer(lab, "again", x=x)
    assert dumped(lab.lab) == before
    assert question.id in lab.lab.work.questions.open


def test_other_values_go_with_again_alone_and_no_others_than_those_offered() -> None:
    lab = deck(MIX, MEASURE)
    fail(lab, "mixer")
    for how, given in (("abandon", {"x": 0.2}), ("skip", {"x": 0.2}), ("again", {"y": 0.2})):
        with pytest.raises(IllegalEventError):
            answer(lab, how, **given)
    assert lab.lab.campaigns["c"].questions


def test_the_planner_learns_from_what_was_asked_in_the_end() -> None:
    lab = deck(MIX, MEASURE, budget=2)
    fail(lab, "mixer")
    answer(lab, "again", x=0.25)
    lab.take({"c": Suggested(suggestion=Suggestion(params={"x": 0.9}, rationale="r"))}) if lab.lab.campaigns[
        "c"
    ].asking else None
    lab.run()
    assert [one.params["x"] for one in lab.lab.campaigns["c"].state().trials] == [0.25, 0.5]
