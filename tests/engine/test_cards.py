"""Task cards in the core: one for each step of a person's, whatever happens to it, and what a signature does."""

from __future__ import annotations

import random
from typing import Any

import pytest

from labwright.engine import validate_state
from labwright.engine.core import IllegalEventError
from labwright.engine.events import (
    ENGINE,
    EVENTS,
    Answered,
    AskPerson,
    Event,
    Finish,
    Instruction,
    PauseAsked,
    ResumeAsked,
    Resumed,
    RunStep,
    SampleStopAsked,
    Signed,
    StepEnded,
    StopAsked,
    Suggested,
    decisions,
)
from labwright.engine.questions import Question
from labwright.engine.snapshots import dumped, loaded
from labwright.model.campaign import Suggestion, Trial
from labwright.model.protocol import StepOrder
from labwright.model.spec import StopRule
from tests.engine.alone import Alone
from tests.engine.test_machine import BY_HAND, outcome, started, written


class Walk:
    """A campaign with steps that people do, to which anything may happen.

    Args:
        seed: of what happens.
        parallel: samples on their way at once.
    """

    def __init__(self, seed: int, parallel: int = 2) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - the same walk each time
        self.core = Alone()
        self.running: dict[str, StepOrder] = {}
        self.at_s: list[float] = []
        """When each event was handled."""
        self.signed = 0
        self.over = False
        self.feed(started(parallel, 3, StopRule(), BY_HAND))

    def feed(self, event: Event) -> list[Instruction]:
        now_s = 10.0 * len(self.at_s)
        instructions = self.core.handle(event, now_s)
        self.at_s += [now_s] * (len(self.core.events) - len(self.at_s))
        self.take(instructions)
        validate_state(self.core.lab)
        return instructions

    def take(self, instructions: list[Instruction]) -> None:
        for one in instructions:
            if isinstance(one, RunStep):
                self.running[one.order.step_id] = one.order
            elif isinstance(one, Signed):
                assert self.running.pop(one.outcome.step_id, None) is not None
            elif isinstance(one, Finish):
                self.over = True

    def end(self, state: str = "done", **more: Any) -> None:
        """A station of devices ends a step; where people work, it only ends when it is stopped."""
        by_hand = {card.step_id for card in self.core.cards}
        devices = sorted(set(self.running) - by_hand)
        if not devices:
            return
        order = self.running.pop(self.draw.choice(devices))
        found = {"y": 0.5, "z": 0.5, "rsd": 0.1} if order.step == "measure" and state == "done" else {}
        self.feed(outcome(order, state, found, **more))

    def sign(self, card: Question, answer: str = "done", torque: float | None = None) -> list[Instruction]:
        self.signed += 1
        readings = {} if torque is None else {"torque": torque}
        return self.feed(Answered(question=card.id, answer=answer, by="Kim", because="seen", readings=readings))

    def step(self) -> None:
        """Something happens that can happen now."""
        core, draw = self.core, self.draw
        may = ["end"] * 6 + ["crash", "snapshot"]
        may += ["suggest"] * 20 if core.asking else []
        may += ["sign"] * 6 if core.cards else []
        may += ["stopped"] if core.cards else []
        may += ["answer"] * 4 if core.questions else []
        may += ["resume"] * 3 if core.paused else ["pause"]
        may += ["stop sample"] if core.live and draw.random() < 0.3 else []
        may += ["stop"] if draw.random() < 0.03 else []
        match draw.choice(may):
            case "end":
                self.end(*(["failed"] if draw.random() < 0.1 else []))
            case "suggest":
                suggestion = Suggestion(params={"x": draw.random()}, rationale="r")
                self.feed(Suggested(suggestion=suggestion, uses_ml={"water": 2.0}))
            case "sign":
                card = draw.choice(core.cards)
                if draw.random() < 0.2:
                    self.sign(card, "failed")
                else:
                    self.sign(card, torque=draw.uniform(0.5, 2) if card.readings else None)
            case "stopped":
                card = draw.choice(core.cards)
                order = self.running.pop(card.step_id)
                self.feed(outcome(order, "stopped", kind="aborted"))
                assert card.id not in self.core.lab.work.questions.cards
            case "answer":
                asked = draw.choice(core.open_questions)
                answer = draw.choice(sorted(asked.choices))
                self.feed(Answered(question=asked.id, answer=answer, by="Kim", because="looked", closeouts=True))
            case "pause":
                if not core.stop_asked:
                    self.feed(PauseAsked(by="Kim"))
            case "resume":
                self.feed(ResumeAsked(by="Kim"))
            case "stop sample":
                label = draw.choice(sorted(core.live))
                if not core.live[label].given_up:
                    self.feed(SampleStopAsked(label=label, why="spilt", by="Kim"))
            case "stop":
                self.feed(StopAsked(why="enough", now=draw.random() < 0.5, closeouts=draw.random() < 0.5))
            case "snapshot":
                state = dumped(core.lab)
                first = self.core.events[0]
                trials = [Trial.model_validate(one.model_dump()) for one in core.trials]
                assert dumped(loaded(state, lambda _: first, lambda _, n: trials[:n])) == state  # type: ignore[arg-type,return-value]
            case "crash":
                self.crash()

    def crash(self) -> None:
        """The controller dies; the next one reads the events, has the same cards, and opens no second one."""
        again, tables = Alone(), dict[tuple[str | int, ...], Any]()
        for event, at_s in zip(self.core.events, self.at_s, strict=True):
            again.take(EVENTS.validate_json(event.model_dump_json()), at_s)
        assert again.snapshot() == self.core.snapshot()
        written(tables, again)
        then = {card.id: card.step_id for card in self.core.cards}
        rows = [row for key, row in tables.items() if key[0] == "question" and row["state"] == "open"]
        assert {row["id"]: row["step_id"] for row in rows if row["kind"] == "task"} == then
        again.events = self.core.events
        self.core = again
        self.running.clear()
        instructions = self.feed(Resumed(epoch=len(self.at_s), engine=ENGINE))
        opened = {one.question for one in instructions if isinstance(one, AskPerson)}
        assert not opened & set(then), "a card is opened a second time"
        left = {card.step_id for card in self.core.cards}
        assert left <= set(self.running), "a station does not know of a card that is open"
        if not self.core.stop_asked:
            assert set(then.values()) <= left


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_each_step_of_a_persons_has_one_card_until_it_has_ended(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(120):
        if walk.over:
            break
        walk.step()


def to_the_card(walk: Walk) -> Question:
    """The campaign up to its first card."""
    while not walk.core.cards:
        if walk.core.asking:
            walk.feed(Suggested(suggestion=Suggestion(params={"x": 0.25}, rationale="r"), uses_ml={"water": 2.0}))
        else:
            walk.end()
    return walk.core.cards[0]


def crimping(walk: Walk) -> Question:
    """The card of a step at which something is read."""
    card = to_the_card(walk)
    walk.sign(card)
    return to_the_card(walk)


def test_a_card_says_what_to_do_for_which_sample_and_what_to_read() -> None:
    walk = Walk(0, parallel=1)
    card = crimping(walk)
    assert card.task is not None
    assert (card.kind, card.step_id, list(card.choices)) == ("task", "c-1/0001/mix", ["done", "failed"])
    assert card.task.task == "Crimp c-1-0001 at 0.25."
    assert (card.task.sample, card.task.station, card.task.position) == ("c-1-0001", "bench", "bench")
    assert "Reading torque: 0.5 to 2 N.m" in card.text
    assert "Expected to take 1 s; waits since" in card.text
    assert card.task.since_s == walk.core.lab.now_s


def test_a_signature_is_what_the_step_has_found_and_its_station_is_free() -> None:
    walk = Walk(0, parallel=1)
    card = crimping(walk)
    instructions = walk.sign(card, torque=1)
    (experiment,) = walk.core.live.values()
    assert experiment.found["mix"] == {"torque": 1.0, "signed_by": "Kim"}
    assert isinstance(experiment.found["mix"]["torque"], float)
    assert str(instructions[0]) == "signed c-1/0001/mix done"
    row = walk.core.changes()["question", card.id]
    assert row is not None
    assert (row["state"], row["answer"], row["by"], row["readings"]) == ("answered", "done", "Kim", '{"torque":1}')


@pytest.mark.parametrize(
    ("answer", "readings", "why"),
    [
        ("done", {}, r"torque is missing \(0.5 to 2 N.m\)"),
        ("done", {"torque": 2.5}, r"torque = 2.5 N.m is outside 0.5 to 2 N.m"),
        ("done", {"torque": "1"}, "torque = '1' is not a finite number"),
        ("done", {"torque": True}, "torque = True is not a finite number"),
        ("done", {"torque": 1.0, "torc": 1.0}, "no reading 'torc'; did you mean 'torque'"),
        ("failed", {"torque": 1.0}, "what was not done has no readings, leave torque out"),
        ("again", {"torque": 1.0}, "no answer to .* 'again'"),
    ],
)
def test_a_signature_that_is_not_as_the_card_wants_it_changes_nothing(
    answer: str, readings: dict[str, Any], why: str
) -> None:
    walk = Walk(0, parallel=1)
    card = crimping(walk)
    before = walk.core.snapshot()
    with pytest.raises(IllegalEventError, match=why):
        walk.core.take(Answered(question=card.id, answer=answer, by="Kim", because="seen", readings=readings))
    assert walk.core.snapshot() == before


def test_what_cannot_be_done_follows_the_policy_of_its_step() -> None:
    walk = Walk(0, parallel=1)
    card = to_the_card(walk)
    walk.sign(card, "failed")
    (asked,) = walk.core.open_questions  # `fetch` asks, `mix` gives the sample up
    assert asked.text.startswith("c-1/0001/fetch: Kim could not do it: seen")
    walk.feed(Answered(question=asked.id, answer="again", by="Kim", because="mended"))
    (again,) = walk.core.cards
    assert (again.step_id, again.id) == (card.step_id, "c-1?3")
    walk.sign(again)
    walk.sign(to_the_card(walk), "failed")
    assert walk.core.trials[0].status == "failed"
    assert not walk.core.cards


def test_a_card_is_withdrawn_when_its_sample_is_stopped() -> None:
    walk = Walk(0, parallel=1)
    card = to_the_card(walk)
    walk.feed(SampleStopAsked(label="0001", why="spilt", by="Kim"))
    assert walk.core.cards == []
    row = walk.core.changes()["question", card.id]
    assert row is not None
    assert (row["state"], row["because"]) == ("withdrawn", "spilt")
    with pytest.raises(IllegalEventError, match="no open question"):
        walk.core.take(Answered(question=card.id, answer="done", by="Kim", because="late"))


def test_what_is_read_again_decides_the_same() -> None:
    walk = Walk(3)
    for _ in range(80):
        if walk.over:
            break
        walk.step()
    assert walk.signed > 3
    first, second = Alone(), Alone()
    for event, at_s in zip(walk.core.events, walk.at_s, strict=True):
        kept = event.model_dump_json()
        said = [decisions(one.take(EVENTS.validate_json(kept), at_s)) for one in (first, second)]
        assert said[0] == said[1]
    assert first.snapshot() == second.snapshot() == walk.core.snapshot()


def test_a_simulated_person_is_named_where_the_station_ends_the_step() -> None:
    walk = Walk(0, parallel=1)
    card = crimping(walk)
    order = walk.running.pop(card.step_id)
    ended = outcome(order, results={"torque": 1.5, "signed_by": "simulated person"})
    assert isinstance(ended, StepEnded)
    walk.feed(ended)
    row = walk.core.changes()["question", card.id]
    assert row is not None
    assert (row["state"], row["by"], row["readings"]) == ("answered", "simulated person", '{"torque":1.5}')
