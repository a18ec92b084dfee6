"""The core's ways, one by one: several samples, branches, loops, faults, questions, stocks, durations."""

from __future__ import annotations

from typing import Any

import pytest

from labwright.engine import LabCore, validate_state
from labwright.engine.core import IllegalEventError
from labwright.engine.events import (
    Answered,
    Ask,
    AskPerson,
    DrainAsked,
    Event,
    Finish,
    Infeasible,
    Instruction,
    Noted,
    PauseAsked,
    PauseStations,
    Proposed,
    ResumeAsked,
    Resumed,
    RunStep,
    Settle,
    StepEnded,
    StopAsked,
    Suggested,
    Vetoed,
)
from labwright.engine.tables import take_changes
from labwright.model.campaign import Suggestion, Trial, Veto
from labwright.model.material import Part, Used
from labwright.model.protocol import NumberResult, ProtocolSpec, Repeat, StepOutcome, StepSpec, When
from labwright.model.spec import StopRule
from labwright.model.states import IllegalTransitionError
from tests.engine.alone import Alone
from tests.engine.test_machine import PREPARE, PROTOCOL, started


def protocol(*steps: StepSpec, results: tuple[str, ...] = ()) -> ProtocolSpec:
    promised = tuple(NumberResult(name=name, unit="1") for name in results)
    return PROTOCOL.model_copy(update={"steps": steps, "results": promised})


class Lab:
    """A core, and who does what it says."""

    def __init__(self, spec: ProtocolSpec, *, budget: int = 2, parallel: int = 1, **more: Any) -> None:
        first = started(parallel, budget, StopRule(), spec)
        campaign = first.spec.model_copy(update={"prepare": ()})
        self.core = Alone()
        self.running: dict[str, RunStep] = {}
        self.last: list[Instruction] = []
        self.feed(first.model_copy(update={"spec": campaign, **more}))

    def feed(self, event: Event) -> list[Instruction]:
        self.last = self.core.handle(event)
        validate_state(self.core.lab)
        for one in self.last:
            if isinstance(one, RunStep):
                self.running[one.order.step_id.rsplit("/", 1)[0][-4:] + "/" + one.order.step_id.rsplit("/", 1)[1]] = one
        return self.last

    def suggest(self, **uses_ml: float) -> None:
        assert self.core.asking, "nobody is asked"
        self.feed(Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r"), uses_ml=uses_ml))

    def end(self, name: str, state: Any = "done", seconds: float = 1.0, **more: Any) -> list[Instruction]:
        order = self.running.pop(name).order
        bare = more.pop("bare", False)
        doubt, kind = more.pop("doubt", None), more.pop("kind", None if state == "done" else "equipment")
        used, part = more.pop("used", {}), more.pop("part", None)
        found = StepOutcome(
            step_id=order.step_id,
            state=state,
            results=({} if bare else {"y": 1.0, **more}) if state == "done" else {},
            fail_kind=kind,
            error=f"{state}!",
            doubt=doubt,
            used=used,
            part=part,
            started_s=0,
            ended_s=seconds,
        )
        return self.feed(StepEnded(outcome=found))

    def answer(self, answer: str) -> list[Instruction]:
        (question,) = self.core.open_questions
        return self.feed(Answered(question=question.id, answer=answer, by="Kim", because="looked"))


STEP = StepSpec(name="a", station="s", expected_s=1)


def test_two_samples_share_the_lab_and_never_a_position() -> None:
    lab = Lab(PROTOCOL, parallel=2)
    lab.suggest()
    lab.suggest()
    assert set(lab.running) == {"0001/fetch"}, "one arm"
    lab.end("0001/fetch")
    assert set(lab.running) == {"0001/mix", "0001/rinse"}, "the second waits for the bench"
    waits = lab.core.waits_for()
    assert "c-1/0002/fetch for position bench, which 0001 has" in waits
    lab.end("0001/mix")
    lab.end("0001/warm")
    lab.end("0001/rinse")
    assert set(lab.running) == {"0001/bring"}
    lab.end("0001/bring")
    assert set(lab.running) == {"0001/measure", "0002/fetch"}, "the bench is free as soon as it has left"


def test_a_loop_ends_when_its_condition_holds_or_its_bound_is_reached() -> None:
    stir = StepSpec(name="stir", station="s", expected_s=1)
    until = Repeat(back_to="stir", until=When(result="look.rsd", op="<", value=0.1), at_most=3)
    look = StepSpec(name="look", station="s", needs=("stir",), expected_s=1, repeat=until)
    lab = Lab(protocol(stir, look, results=("y",)), budget=1)
    lab.suggest()
    for tail in ("", "~2", "~3"):
        lab.end(f"0001/stir{tail}", bare=True)
        assert lab.core.trials[0].status == "running"
        lab.end(f"0001/look{tail}", rsd=0.5, y=1.0 + len(tail))
    assert lab.last == [Finish("completed", "the budget of 1 experiments is spent")]
    assert lab.core.trials[0].outcomes["y"].mean == 3.0, "of the last round"
    again = Lab(protocol(stir, look, results=("y",)), budget=1)
    again.suggest()
    again.end("0001/stir", bare=True)
    again.end("0001/look", rsd=0.05, y=1.0)
    assert again.core.over


def test_a_branch_is_taken_or_skipped_and_a_result_that_is_missing_is_told() -> None:
    dilute = StepSpec(name="dilute", station="s", needs=("a",), expected_s=1, when=When(result="a.c", op=">", value=1))
    end = StepSpec(name="end", station="s", needs=("dilute",), expected_s=1)
    for value, wanted in ((2.0, "0001/dilute"), (1.0, "0001/end")):
        lab = Lab(protocol(STEP, dilute, end))
        lab.suggest()
        lab.end("0001/a", c=value)
        assert set(lab.running) == {wanted}
    lab = Lab(protocol(STEP, dilute, end))
    lab.suggest()
    lab.end("0001/a", other=1.0)
    assert lab.core.phase == "failed"
    assert "step dilute: a.c > 1: step 'a' found no number 'c' (it found y, other)" in lab.core.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"needs": ("b",)}, "needs 'b', which is no step before it"),
        ({"when": When(result="b.x", op="<", value=1)}, "when 'b', which is no step before it"),
        ({"repeat": Repeat(back_to="b", until=When(result="a.x", op="<", value=1), at_most=2)}, "goes back to 'b'"),
    ],
)
def test_steps_that_refer_to_what_is_not_there_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ProtocolSpec.model_validate({**PROTOCOL.model_dump(), "steps": [{**STEP.model_dump(), **change}]})


def test_a_step_is_tried_again_as_often_as_it_may_and_then_a_person_is_asked() -> None:
    lab = Lab(protocol(STEP.model_copy(update={"retries": 2, "on_failure": "ask"})))
    lab.suggest()
    for attempt in (2, 3):
        (again,) = lab.end("0001/a", "failed")
        assert isinstance(again, RunStep)
        assert (again.order.attempt, again.again, again.order.resumed) == (attempt, True, True)
    (asked,) = lab.end("0001/a", "failed")
    assert isinstance(asked, AskPerson)
    assert set(lab.core.open_questions[0].choices) == {"again", "abandon"}
    (again,) = lab.answer("again")
    assert isinstance(again, RunStep)
    assert again.again
    lab.end("0001/a")
    assert lab.core.tried == 1


def test_what_is_in_doubt_is_never_tried_again_by_itself() -> None:
    lab = Lab(protocol(STEP.model_copy(update={"retries": 5})))
    lab.suggest()
    (asked,) = lab.end("0001/a", "unknown", doubt=3, kind=None)
    assert isinstance(asked, AskPerson)
    with pytest.raises(IllegalEventError, match="did you mean 'abandon'"):
        lab.feed(Answered(question="c-1?1", answer="abandn", by="Kim", because=""))
    with pytest.raises(IllegalEventError, match=r"no open question 'c-1\?9'"):
        lab.feed(Answered(question="c-1?9", answer="done", by="Kim", because=""))
    settled, again = lab.answer("done")
    assert settled == Settle("c-1/0001/a", 3, "confirmed", "Kim", "looked")
    assert isinstance(again, RunStep)
    assert not again.again, "what was read before is not read anew"


def test_a_question_parks_one_sample_and_the_others_go_on() -> None:
    lab = Lab(protocol(STEP, StepSpec(name="b", station="t", needs=("a",), expected_s=1)), parallel=2, budget=3)
    lab.suggest()
    lab.suggest()
    lab.end("0001/a")
    lab.end("0001/b", "unknown", doubt=0, kind=None)
    assert lab.core.live["0001"].state == "held"
    lab.end("0002/a")
    assert "c-1/0002/b for station t, which c-1/0001/b has" in lab.core.waits_for(), (
        "what hangs there is in nobody's way"
    )
    lab.answer("abandon")
    assert "0002/b" in lab.running


def test_a_failed_synthesis_teaches_the_planner_and_a_fault_does_not() -> None:
    out = StepSpec(name="out", station="s", needs=("a",), expected_s=1, leaves=True, always=True)
    lab = Lab(protocol(STEP.model_copy(update={"on_failure": "abandon"}), out, results=("y",)), budget=3)
    lab.suggest()
    lab.end("0001/a", "failed", kind="infeasible")
    assert set(lab.running) == {"0001/out"}, "it is brought out all the same"
    lab.end("0001/out")
    lab.suggest()
    lab.end("0002/a", "failed")
    lab.end("0002/out")
    first, second = lab.core.state().trials
    assert (first.status, first.fail_kind) == ("failed", "infeasible")
    assert (second.status, second.fail_kind) == ("failed", "equipment")
    assert lab.core.phase == "running"


def test_a_measured_value_survives_what_happens_to_its_sample_afterwards() -> None:
    out = StepSpec(name="out", station="s", needs=("a",), expected_s=1, leaves=True)
    lab = Lab(protocol(STEP, out, results=("y",)))
    lab.suggest()
    lab.end("0001/a", y=4.0)
    lab.end("0001/out", "failed")
    assert lab.core.phase == "failed"
    assert lab.core.trials[0].outcomes["y"].mean == 4.0


def test_pause_starts_nothing_and_drain_starts_no_experiment() -> None:
    two = protocol(STEP, StepSpec(name="b", station="s", needs=("a",), expected_s=1))
    lab = Lab(two)
    lab.suggest()
    assert lab.feed(PauseAsked(by="Kim")) == [PauseStations(on=True)]
    assert lab.end("0001/a") == []
    lab.feed(DrainAsked(by="Kim", because="lunch"))
    assert lab.core.paused, "only a person lets it go on"
    pause, step = lab.feed(ResumeAsked(by="Kim"))
    assert pause == PauseStations(on=False)
    assert isinstance(step, RunStep)
    assert lab.end("0001/b") == [Finish("completed", "drained by Kim: lunch")]


def test_a_stop_withdraws_questions_and_a_resumed_stop_ends() -> None:
    lab = Lab(protocol(STEP, StepSpec(name="b", station="t", expected_s=1)))
    lab.suggest()
    lab.end("0001/a", "unknown", doubt=0, kind=None)
    lab.feed(StopAsked(why="enough"))
    assert lab.core.open_questions == []
    lab.feed(Resumed(epoch=2))
    assert lab.core.phase == "stopped"


def test_a_stop_leaves_no_way_out_waiting() -> None:
    out = StepSpec(name="out", station="t", needs=("a",), expected_s=1, leaves=True, always=True)
    lab = Lab(protocol(STEP.model_copy(update={"on_failure": "abandon"}), out), parallel=2)
    lab.suggest()
    lab.feed(PauseAsked(by="Kim"))
    lab.end("0001/a", "failed")
    assert lab.core.live["0001"].given_up
    lab.feed(StopAsked(why="enough"))
    assert lab.core.phase == "stopped"


def test_stocks_are_promised_used_and_never_overdrawn() -> None:
    lab = Lab(protocol(STEP), budget=9, parallel=2)
    lab.suggest(water=3.0)
    lab.suggest(water=3.0)
    lab.core.changes()
    lab.end("0001/a")
    changes = lab.core.changes()
    stock = changes["stock", "real", "water"]
    assert stock is not None
    assert (stock["count"] - stock["used"], stock["reserved"]) == (4_500_000, 3_000_000)
    spent = next(row for (table, *_), row in changes.items() if table == "ledger")
    assert spent is not None
    assert (spent["taken_from"], spent["put_into"]) == ("container:water", "sample:c-1/0001")
    assert (spent["amount"], spent["unknown"], spent["unit"]) == (3_000_000, 0, "nL")
    lab.suggest(water=3.0)
    assert lab.core.phase == "running"
    (waits,) = (one for one in lab.core.waits_for() if one.startswith("material: "))
    assert "stock water is used up: 3 ml are needed, 1.5 ml are left" in waits, "the other may leave some"
    lab.core.lab.attended = False
    lab.end("0002/a")
    assert (lab.core.phase, lab.core.tried) == ("completed", 2), "none is left, and no person is there to refill it"
    assert "stock water is used up: 3 ml are needed, 1.5 ml are left" in lab.core.reason


def test_counted_stocks_are_used_as_operations_confirm_and_promises_are_released() -> None:
    lab = Lab(protocol(STEP, results=("y",)), budget=3, counted=("water",))
    resources = lab.core.material
    lab.suggest(water=2.0)
    assert (resources.left("water"), resources.stocks["water"].promised / 1e6) == ("7.500 ml", 2.0)
    lab.end("0001/a", "failed", used={"water": Used(amount=500_000, unknown=1_000_000)})
    assert (resources.left("water"), resources.stocks["water"].promised / 1e6) == ("7.000 ml", 0.0), (
        "it is over: charged what came"
    )
    assert resources.stocks["water"].used == Used(amount=500_000, unknown=1_000_000)
    entries = [row for key, row in lab.core.changes().items() if key[0] == "ledger" and row]
    assert [(row["amount"], row["unknown"], row["step_id"]) for row in entries] == [(500_000, 1_000_000, "c-1/0001/a")]


def test_a_step_that_is_repeated_is_charged_all_it_took() -> None:
    step = STEP.model_copy(update={"on_failure": "ask"})
    lab = Lab(protocol(step, results=("y",)), counted=("water",))
    lab.suggest(water=2.0)
    lab.end("0001/a", "failed", used={"water": Used(amount=1_500_000)})
    assert lab.core.material.stocks["water"].promised / 1e6 == 0.5
    lab.answer("again")
    lab.end("0001/a", used={"water": Used(amount=3_500_000)})
    assert (lab.core.material.left("water"), lab.core.material.stocks["water"].promised / 1e6) == ("4.000 ml", 0.0)


def test_a_half_dose_is_settled_by_its_count_whatever_the_answer() -> None:
    step = STEP.model_copy(update={"on_failure": "ask"})
    part = Part(
        what="pump.volume", unit="ul", asked=105.2, counted=24.0, stock="water", amount=105_200, counted_amount=24_000
    )
    after = {"rest": 24_000, "take": 24_000, "again": 24_000, "abandon": 24_000, "done": 0}
    for answer, used_nl in after.items():
        lab = Lab(protocol(step, results=("y",)), counted=("water",))
        lab.suggest(water=2.0)
        lab.end("0001/a", "unknown", doubt=3, part=part, used={"water": Used(unknown=105_200)})
        (question,) = lab.core.open_questions
        assert list(question.choices) == ["rest", "take", "again", "done", "abandon"]
        assert "pump.volume: 24 ul of 105.2 ul are counted; 7.500 ml of water are left by the ledger" in question.text
        settled = [str(one) for one in lab.answer(answer) if isinstance(one, Settle)]
        follow = {"rest": "24 rest", "again": "24 again"}.get(answer, "24 taken")
        assert settled == [f"settle c-1/0001/a#3 confirmed{'' if answer == 'done' else f' {follow}'}"]
        assert lab.core.material.stocks["water"].used.amount == used_nl, answer
        assert lab.core.material.stocks["water"].used.unknown == (105_200 if answer == "done" else 0)
    cannot = part.model_copy(update={"no_rest": "pump.volume: 2 ul is outside 5 to 3000 ul; nothing was sent"})
    lab = Lab(protocol(step, results=("y",)), counted=("water",))
    lab.suggest()
    lab.end("0001/a", "failed", doubt=3, part=cannot)
    (question,) = lab.core.open_questions
    assert list(question.choices) == ["take", "again", "done", "abandon"]
    assert "the rest cannot be done by itself: pump.volume: 2 ul is outside 5 to 3000 ul" in question.text


def test_a_campaign_ends_in_time_when_preparations_have_eaten_the_stock() -> None:
    lab = Lab(protocol(STEP, results=("y",)), budget=3, counted=("water",), lots_ml={"water": 8.0})
    prepared = Alone()
    first = started(1, 3, StopRule(), protocol(STEP, results=("y",)))
    prepared.handle(first.model_copy(update={"counted": ("water",), "lots_ml": {"water": 8.0}}))
    (order,) = [run for one in prepared.live.values() for run in one.running]
    used = {"water": Used(amount=5_500_000, unknown=1_000_000)}
    done = StepOutcome(step_id=order.step_id, state="done", used=used, started_s=0, ended_s=1)
    prepared.handle(StepEnded(outcome=done))
    prepared.lab.attended = False
    prepared.handle(Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r"), uses_ml={"water": 2.0}))
    assert (prepared.phase, prepared.tried) == ("completed", 0)
    assert prepared.reason == (
        "stock water is used up: 2 ml are needed, 1.5 ml are left (5.5 ml were taken, 1 ml may have been); "
        "refill it and count it: labwright inventory count STOCK=AMOUNT"
    )
    lab.core.lab.attended = False
    lab.suggest()  # nothing was declared, and still it was pumped
    lab.end("0001/a", used={"water": Used(amount=8_000_001)})
    lab.suggest()
    assert lab.core.phase == "completed"
    assert "stock water is used up" in lab.core.reason


def test_campaigns_of_earlier_releases_use_what_was_promised() -> None:
    lab = Lab(protocol(STEP, results=("y",)))
    lab.suggest(water=2.0)
    lab.end("0001/a", used={"water": Used(amount=500_000)})
    assert lab.core.material.left("water") == "5.500 ml"


def test_what_a_step_takes_is_learnt() -> None:
    lab = Lab(protocol(STEP), budget=9, learnt_s={"p/a": 7.0})
    for _ in range(3):
        lab.suggest()
        assert lab.running["000" + str(lab.core.tried) + "/a"].order.expected_s == 7.0
        lab.end(f"000{lab.core.tried}/a", seconds=20.0)
    lab.suggest()
    assert lab.running["0004/a"].order.expected_s == 20.0


def test_the_planner_is_told_the_state_it_was_asked_on() -> None:
    lab = Lab(protocol(STEP), parallel=2, budget=9)
    lab.suggest()
    (ask,) = [one for one in lab.last if isinstance(one, Ask)]
    assert [trial.status for trial in ask.state.trials] == ["running"]
    lab.end("0001/a")
    assert [trial.status for trial in ask.state.trials] == ["running"]


def test_a_change_of_state_that_is_not_drawn_is_refused() -> None:
    lab = Lab(protocol(STEP))
    lab.suggest()
    with pytest.raises(IllegalTransitionError, match="step c-1/0001/a is running and cannot become ready"):
        lab.core.live["0001"].steps["a"].become("ready")


def test_preparations_are_no_experiments() -> None:
    assert PREPARE.name == "calibrate"
    core = Alone()
    core.handle(started(1, 1, StopRule()))
    assert core.tried == 0
    assert core.trials == []


def test_what_a_campaign_is_like_is_written_once() -> None:
    """D15: with a pool of 10,000 candidates the spec is most of a megabyte."""
    lab = Lab(protocol(STEP, results=("y",)), budget=5)
    changes = lab.core.changes()
    spec, row = changes["campaign_spec", "c-1"], changes["campaign", "c-1"]
    assert spec == {"campaign": "c-1", "spec": lab.core.spec.model_dump_json()}
    assert row is not None
    lab.suggest()
    later = lab.core.changes()
    assert later["campaign", "c-1"] == {**row, "tried": 1}
    assert not any(table == "campaign_spec" for table, *_ in later)


def test_what_tables_were_not_told_changes_nothing_for_a_sample() -> None:
    """D12: the core keeps its own list of what an event has changed."""
    lab = Lab(STAYS_BEHIND, budget=2)
    lab.suggest()
    lab.end("0001/fetch")
    lab.end("0001/warm", "failed", kind="infeasible")
    assert [question.label for question in lab.core.open_questions] == ["0001"]
    lab.feed(Noted(words="the journal is back"))
    assert lab.core.live["0001"].state == "held"
    lab.answer("removed")
    assert "0001" not in lab.core.live


STAYS_BEHIND = protocol(
    StepSpec(name="fetch", station="arm", expected_s=1, moves_to="bench"),
    StepSpec(name="warm", station="oven", needs=("fetch",), expected_s=1),
)

THERE_AND_BACK = protocol(
    StepSpec(name="to_balance", station="arm", expected_s=1, moves_to="balance"),
    StepSpec(name="to_plate", station="arm", needs=("to_balance",), expected_s=1, moves_to="plate"),
    StepSpec(name="stir", station="plate", needs=("to_plate",), expected_s=1),
    StepSpec(name="weigh_again", station="arm", needs=("stir",), expected_s=1, moves_to="balance"),
    StepSpec(name="out", station="arm", needs=("weigh_again",), expected_s=1, leaves=True),
    results=("y",),
)


def test_two_samples_whose_ways_cross_do_not_wait_for_each_other_for_ever() -> None:
    lab = Lab(THERE_AND_BACK, budget=2, parallel=2)
    lab.suggest()
    lab.suggest()
    for _ in range(20):
        for name in list(lab.running):
            lab.end(name)
    assert lab.core.phase == "completed"


@pytest.mark.parametrize("what", ["proposed", "vetoed", "infeasible"])
def test_what_is_proposed_vetoed_or_infeasible_is_in_the_tables(what: str) -> None:
    lab = Lab(protocol(STEP, results=("y",)), budget=5)
    lab.core.changes()
    point = Suggestion(params={"x": 0.2}, rationale="wanted")
    events: dict[str, Event] = {
        "proposed": Proposed(suggestion=point, by="Kim"),
        "vetoed": Vetoed(veto=Veto(params={"x": 0.9}, reach=0.1, by="Kim"), by="Kim"),
        "infeasible": Infeasible(suggestion=point, reason="too rich"),
    }
    if what != "infeasible":
        lab.suggest()
        lab.core.changes()
    lab.feed(events[what])
    changes = lab.core.changes()
    if what == "vetoed":
        row = changes["veto", "c-1", 1]
        assert row == {"campaign": "c-1", "n": 1, "params": '{"x":0.9}', "reach": 0.1, "by": "Kim", "because": ""}
        return
    n, status = (2, "proposed") if what == "proposed" else (1, "failed")
    trial = changes["trial", "c-1", n]
    assert trial is not None
    assert (trial["id"], trial["status"], trial["label"]) == (f"p{n - 1 or 1}", status, "")
    assert trial["source"] == ("human" if what == "proposed" else "planner")
    assert Trial.model_validate_json(trial["trial"]) == lab.core.trials[n - 1]


def test_a_proposal_that_begins_is_called_by_its_experiment_in_the_tables_too() -> None:
    lab = Lab(protocol(STEP, results=("y",)), budget=5)
    lab.suggest()
    lab.feed(Proposed(suggestion=Suggestion(params={"x": 0.2}, rationale="wanted"), by="Kim"))
    lab.core.changes()
    lab.end("0001/a")
    changes = lab.core.changes()
    first, second = changes["trial", "c-1", 1], changes["trial", "c-1", 2]
    assert first is not None
    assert second is not None
    assert (first["id"], first["status"], first["label"]) == ("0001", "done", "0001")
    assert (second["id"], second["status"], second["label"]) == ("0002", "running", "0002")
    row = changes["campaign", "c-1"]
    assert row is not None
    assert (row["best"], row["objectives"][:13]) == (1.0, '[{"name":"y",')
    assert {row[:2] for row in changes if row[0] == "trial"} == {("trial", "c-1")}


def test_the_cost_of_an_event_in_rows_does_not_grow_with_the_campaign() -> None:
    """D15: as many rows at the hundredth experiment as at the third, whatever was tried before."""
    lab = Lab(protocol(STEP, results=("y",)), budget=100)
    written = []
    for number in range(1, 100):
        lab.suggest()
        lab.end(f"{number:04d}/a")
        written.append(sorted(key[0] for key in lab.core.changes()))
    assert written[2] == written[-1]


def test_a_resumed_campaign_writes_all_its_trials_anew() -> None:
    """A journal of an earlier release holds those only that had an experiment."""
    lab = Lab(protocol(STEP, results=("y",)), budget=5, engine=1)
    lab.feed(Infeasible(suggestion=Suggestion(params={"x": 0.2}, rationale="r"), reason="too rich"))
    lab.suggest()
    lab.core.changes()
    lab.feed(Resumed(epoch=2))
    assert {key[2] for key in lab.core.changes() if key[0] == "trial"} == {1, 2}


def test_campaigns_in_one_lab_get_each_their_own_rows() -> None:
    lab = LabCore()
    for name in ("c-1", "d-1"):
        first = started(1, 3, StopRule(), protocol(STEP, results=("y",)))
        spec = first.spec.model_copy(update={"prepare": (), "name": name[0]})
        lab.handle(name, first.model_copy(update={"campaign": name, "spec": spec, "lots_ml": {"water": 7.5}}), 5.0)
    assert lab.instruments == "real"
    for name in ("c-1", "d-1"):
        lab.handle(name, Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r")), 6.0)
    lab.grant(6.0)
    changes = take_changes(lab)
    for name in ("c-1", "d-1"):
        row, trial, step = changes["campaign", name], changes["trial", name, 1], changes["step", f"{name}/0001/a"]
        assert row is not None
        assert (row["id"], row["name"], row["tried"], row["began_s"], row["ended_s"]) == (name, name[0], 1, 5.0, None)
        assert row["planner"] == "random"
        assert trial is not None
        assert trial["campaign"] == name
        assert step is not None
        assert (step["campaign"], step["state"]) == (name, "running" if name == "c-1" else "waiting")
        assert ("campaign_spec", name) in changes
    station = changes["reservation", "real", "station:s"]
    assert station is not None
    assert (station["campaign"], station["label"], station["step_id"]) == ("c-1", "0001", "c-1/0001/a")
    lab.handle("d-1", StopAsked(why="enough"), 7.0)
    ended = take_changes(lab)
    assert ("campaign", "c-1") not in ended
    row = ended["campaign", "d-1"]
    assert row is not None
    assert (row["state"], row["ended_s"]) == ("stopped", 7.0)


def test_a_preparation_that_cannot_be_made_ends_the_campaign_and_is_not_begun_for_ever() -> None:
    core = Alone()
    first = started(1, 2, StopRule(), protocol(STEP, results=("y",)))
    (order,) = [one.order for one in core.handle(first) if isinstance(one, RunStep)]
    outcome = StepOutcome(
        step_id=order.step_id, state="failed", fail_kind="infeasible", error="no such stock", started_s=0, ended_s=1
    )
    told = core.handle(StepEnded(outcome=outcome))
    assert not [one for one in told if isinstance(one, RunStep)]
    assert (core.phase, core.reason) == ("failed", "preparation calibrate, step cal: no such stock")
