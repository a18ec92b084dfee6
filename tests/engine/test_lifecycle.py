"""Who may start, and what is asked about the deck: from journals written event by event, without a lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from labwright.engine import unfinished
from labwright.engine.deck import answer_deck, deck_question, deck_questions
from labwright.engine.events import Ask, Event, Instruction, RunStep, decisions
from labwright.engine.lifecycle import Decision, close, decide, refuse_doubtful_deck, take_up
from labwright.journal import Journal, NewEvent
from labwright.model.errors import ConfigError, RefusedError
from labwright.model.instruments import HERE
from labwright.model.protocol import ProtocolSpec, StepSpec
from labwright.report import newest
from tests.engine.alone import Alone
from tests.engine.test_core import PREPARE, PROTOCOL, ended, started, suggested

MOVES = PROTOCOL.model_copy(
    update={
        "steps": (
            StepSpec(name="fetch", station="arm", expected_s=1, moves_to="balance"),
            StepSpec(name="measure", station="b", needs=("fetch",), expected_s=1),
            StepSpec(name="out", station="arm", needs=("measure",), expected_s=1, leaves=True),
        )
    }
)
THERE = "/srv/simulation/endpoints.json"
A, B = "a-20260101-000000-0001", "b-20260102-000000-0001"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as one:
        one.control("Bo")
        yield one


def write(
    journal: Journal,
    campaign: str,
    instruments: str = "real",
    *,
    until: str = "",
    failed: str = "",
    protocol: ProtocolSpec = MOVES,
    prepare: tuple[str, ...] = (),
    preparation: ProtocolSpec = PREPARE,
    name: str = "",
) -> None:
    """A campaign of one experiment, to its end, or `until` a step is under way; its step `failed` fails."""
    core = Alone()

    def take(event: Event) -> list[Instruction]:
        instructions = core.handle(event)
        kept = orjson.dumps(decisions(instructions))
        new = NewEvent(campaign, event.kind, event.model_dump_json().encode(), kept, 0.0, core.changes())
        journal.record([new])
        return instructions

    first = started(campaign, budget=1, prepare=prepare)
    update: dict[str, Any] = {
        "spec": first.spec.model_copy(update={"name": name or campaign.partition("-")[0]}),
        "instruments": instruments,
    }
    if protocol is not MOVES:
        update["places"] = ()
    update |= {"simulated": instruments != "real", "protocols": (protocol, preparation), "naming": 2}
    pending = take(first.model_copy(update=update))
    while pending:
        one = pending.pop(0)
        if isinstance(one, Ask):
            pending += take(suggested())
        elif isinstance(one, RunStep) and one.order.step == until:
            return
        elif isinstance(one, RunStep):
            found = {"y": 1.0} if one.order.step == "measure" else {}
            pending += take(ended(one, "failed") if one.order.step == failed else ended(one, "done", **found))


def test_a_deck_that_was_left_in_order_asks_nothing(journal: Journal) -> None:
    assert deck_question(journal, "real") is None
    write(journal, A)
    assert deck_question(journal, "real") is None
    refuse_doubtful_deck(journal, "real", [MOVES])


def test_a_sample_that_a_failed_campaign_left_behind_is_asked_for(journal: Journal) -> None:
    write(journal, A, failed="measure")
    question = deck_question(journal, "real")
    assert question is not None
    assert "failed (experiment 0001, step measure: failed)" in question.text
    assert f"sample {A}-0001, taken from rack_1; last known location: balance; step measure failed" in question.text
    assert question.look_at == ("rack_1", "balance")
    with pytest.raises(RefusedError, match=rf"question answer {A}:deck clear --data \S+ --by NAME --reason TEXT"):
        refuse_doubtful_deck(journal, "real", [MOVES])
    refuse_doubtful_deck(journal, "real", [PREPARE])  # moves nothing
    for other in (HERE, THERE):
        assert deck_question(journal, other) is None


@pytest.mark.parametrize(
    ("until", "words"), [("fetch", "it may be in the gripper, or already at balance"), ("out", "")]
)
def test_a_container_on_its_way_is_in_doubt(journal: Journal, until: str, words: str) -> None:
    write(journal, A, until=until)
    question = deck_question(journal, "real")
    assert question is not None
    assert question.interrupted
    assert f"step {until} was under way: it may be in the gripper" in question.text
    assert words in question.text
    assert "given up and cannot be resumed" in question.choices["clear"]
    assert deck_questions(journal, running=[A]) == [], "a controller works on it"


def test_a_campaign_is_known_by_the_name_it_was_started_with_whatever_its_id_is(
    journal: Journal, tmp_path: Path
) -> None:
    write(journal, "k9", name="cells", failed="measure")
    write(journal, "k10", name="cells", until="measure")
    question = deck_question(journal, "real")
    assert question is not None
    assert (question.campaign, question.name) == ("k10", "cells")
    assert question.text.endswith(f"labwright campaign run cells. To give it up: l{question.text.rpartition(': l')[2]}")
    assert decide(journal, "cells", "real") == Decision(resume="k10")
    write(journal, "k1", name="cells", until="measure")
    assert unfinished(journal, "cells") == "k1", "the newest by what the journal has, not by its letters"
    assert newest(tmp_path, "cells").campaign == "k1"
    with pytest.raises(ConfigError, match=r"no campaign 'cell'; did you mean 'cells'"):
        newest(tmp_path, "cell")


def test_containers_of_a_preparation_are_in_doubt_too(journal: Journal) -> None:
    write(journal, A, until="cal", prepare=("calibrate",))
    question = deck_question(journal, "real")
    assert question is not None
    assert "containers of preparation calibrate" in question.text


def test_what_a_preparation_has_used_up_is_asked_for_before_the_next_campaign_moves(journal: Journal) -> None:
    standards = PREPARE.model_copy(update={"uses_up": ("standard_weak", "standard_strong")})
    write(journal, A, prepare=("calibrate",), preparation=standards)
    question = deck_question(journal, "real")
    assert question is not None
    assert (question.doubts, question.interrupted) == ((), False)
    assert "used up: standard_weak (for calibrate), standard_strong (for calibrate). Replace it" in question.text
    assert "in doubt" not in question.text
    assert question.choices["clear"].endswith("; what was used up is replaced")
    with pytest.raises(RefusedError, match=r"completed \(the budget of 1 .*\s.* used up: standard_weak"):
        refuse_doubtful_deck(journal, "real", [MOVES])
    refuse_doubtful_deck(journal, "real", [PREPARE])  # moves nothing
    assert deck_question(journal, THERE) is None
    answer_deck(journal, question, "clear", by="Ann", because="fresh standards")
    refuse_doubtful_deck(journal, "real", [MOVES])
    write(journal, B, preparation=standards)  # known to the campaign, but not made by it
    assert deck_question(journal, "real") is None


def test_an_interrupted_campaign_that_used_something_up_can_be_resumed(journal: Journal) -> None:
    standards = PREPARE.model_copy(update={"uses_up": ("standard_weak",)})
    write(journal, A, prepare=("calibrate",), preparation=standards, until="fetch")
    question = deck_question(journal, "real")
    assert question is not None
    assert "To give it up: look at the gripper, rack_1, balance" in question.text
    assert "used up: standard_weak (for calibrate)" in question.text
    assert decide(journal, "a", "real") == Decision(resume=A)


def test_what_moved_nothing_asks_nothing_and_answers_nothing(journal: Journal) -> None:
    still = PROTOCOL.model_copy(update={"steps": (StepSpec(name="measure", station="b", expected_s=1),)})
    write(journal, A, failed="measure", protocol=still)
    assert deck_question(journal, "real") is None, "without places and moves it handles no container"
    write(journal, B, until="fetch")
    write(journal, "c-20260103-000000-0001", protocol=still)
    question = deck_question(journal, "real")
    assert question is not None
    assert question.campaign == B


def test_an_answer_needs_no_controller_and_waits_for_none(journal: Journal, tmp_path: Path) -> None:
    write(journal, A, failed="measure")
    with Journal(tmp_path / "journal.sqlite") as person:  # beside a controller that works on something else
        question = deck_question(person, "real")
        assert question is not None
        answer_deck(person, question, "clear", by="Ann", because="taken away")
        assert deck_question(person, "real") is None
        with pytest.raises(RefusedError, match="answered by another person meanwhile"):
            answer_deck(person, question, "clear", by="Kim", because="me too")
    assert deck_question(journal, "real") is None
    *_, last = journal.events(A)
    assert (last.kind, last.payload["by"], last.payload["because"]) == ("deck_checked", "Ann", "taken away")


def test_an_interrupted_campaign_is_given_up_only_where_no_controller_runs(journal: Journal, tmp_path: Path) -> None:
    write(journal, A, until="measure")
    with Journal(tmp_path / "journal.sqlite") as person:
        question = deck_question(person, "real")
        assert question is not None
        with pytest.raises(RefusedError, match="another controller runs"):
            answer_deck(person, question, "clear", by="Ann", because="taken away")
        assert unfinished(person) == A
        journal.close()
        answer_deck(person, question, "clear", by="Ann", because="taken away")
        assert unfinished(person) is None
        assert deck_question(person, "real") is None


def test_an_interrupted_campaign_is_resumed_on_its_own_instruments_only(journal: Journal) -> None:
    write(journal, A, until="measure")
    assert decide(journal, "a", "real") == Decision(resume=A)
    assert decide(journal, "b", "real") == Decision()
    assert decide(journal, "a", HERE) == Decision(), "a simulation of its own has nothing to do with it"
    assert decide(journal, "a", HERE, new=True) == Decision()
    with pytest.raises(
        RefusedError, match=rf"{A} was interrupted in the middle, and its samples are at the real instr"
    ):
        decide(journal, "a", THERE)
    assert decide(journal, "a", THERE, new=True) == Decision(), "it is left as it is"
    assert decide(journal, "a", "real", new=True).close[0][0] == A
    assert unfinished(journal) == A, "to decide changes nothing"
    close(journal, decide(journal, "a", "real", new=True), "Bo")
    assert unfinished(journal) is None


def test_what_a_simulation_in_this_process_left_is_closed(journal: Journal) -> None:
    write(journal, A, HERE, until="measure")
    for instruments in (HERE, "real"):
        (closed,) = decide(journal, "a", instruments).close
        assert closed[0] == A
    assert deck_question(journal, HERE) is None


def test_what_others_have_moved_since_keeps_a_campaign_from_being_resumed(journal: Journal) -> None:
    write(journal, A, until="measure")
    write(journal, "b-20260102-000000-0001", THERE)
    assert decide(journal, "a", "real").resume == A
    write(journal, B)
    assert decide(journal, "a", "real").resume == A, "its controller carried out both, and knows where its samples are"
    assert list(take_up(journal, "real").resume) == [A]
    journal.control("Cy")
    write(journal, "b-20260103-000000-0001")
    with pytest.raises(RefusedError, match=rf"{A} was interrupted, and cannot be resumed: b-20260103"):
        decide(journal, "a", "real")
