"""What only a person can answer: each question parks one sample, and its station where a step waits for it.

A task card is asked in the same way: a step that a person does, which lasts until that person has signed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import NAMESPACE_OID, uuid5

import orjson

from labwright.engine.dirty import DirtyRows
from labwright.engine.events import Answered
from labwright.engine.experiment import Experiment, StepRun
from labwright.model.figures import lasting, spelled, when
from labwright.model.manual import DONE, FAILED, Manual
from labwright.model.material import Part
from labwright.model.protocol import FaultClass, Policy, ProtocolParameter, StepOutcome
from labwright.model.rows import Row

NOT_THE_STATIONS: tuple[FaultClass | None, ...] = ("sample", "plan")
"""Classes of fault after which a station can work on other samples."""


@dataclass
class Task:
    """What a card says of the step that a person does.

    Attributes:
        task: what to do, with the parameters of the experiment.
        who: who may sign, in words; empty for any person who may answer questions.
        sample: id of the sample.
        container: the kind it is in; empty if none is handled.
        position: where it stands; empty if that is not known.
        station: where the person works.
        expected_s: how long it should take, lab seconds.
        since_s: lab time since which it waits.
        readings: what is read and typed in.
    """

    task: str
    who: str
    sample: str
    container: str
    position: str
    station: str
    expected_s: float
    since_s: float
    readings: tuple[ProtocolParameter, ...]

    @property
    def words(self) -> str:
        """All that a person should know, in lines."""
        where = f" at {self.position}" if self.position else ""
        container = f" ({self.container})" if self.container else ""
        lines = [self.task, f"Sample {self.sample}{container}{where}; station {self.station}"]
        lines += [f"Expected to take {lasting(self.expected_s)}; waits since {when(self.since_s)} (lab time)"]
        lines += [f"To be signed by: {self.who}"] if self.who else []
        for one in self.readings:
            said = f" ({one.description})" if one.description else ""
            lines.append(f"Reading {one.name}{said}: {one.allowed}")
        return "\n".join(lines)

    def row(self) -> Row:
        """It as JSON."""
        readings = [{**one.model_dump(mode="json"), "allowed": one.allowed} for one in self.readings]
        return {**vars(self), "readings": readings}


@dataclass(frozen=True)
class Offered:
    """What else a person can decide about a step that has failed.

    Attributes:
        skip: what it means to leave the step out; empty if it cannot be.
        parameters: those with whose values it can be repeated, with the present ones under ``value``.
    """

    skip: str = ""
    parameters: tuple[Row, ...] = ()


@dataclass
class Question:
    """Something only a person can answer; it parks one sample, unless it is a task card.

    Attributes:
        id: in the journal.
        owner: id of the campaign.
        label: of the experiment.
        step_id: the step that waits for it.
        doubt: number of the operation in doubt; None if none is.
        part: how much of it its device has counted; None if that is not known.
        frees: the position, or another resource, that is free when it is answered, if it is about what another
            experiment has left there.
        text: what is asked.
        choices: answers, and what each means.
        due_s: lab time until which it is to be answered; None if it may wait.
        then: what is done if no person has: ``park``, and ``parked`` once that is done; empty if it may wait.
        movable: whether nothing about its station or in it was at fault, so that its sample may be taken away.
        task: what a person does, if it is the card of a step.
        parameters: those with whose values the step can be repeated, with the present ones under ``value``.
    """

    id: str
    owner: str
    label: str
    step_id: str
    doubt: int | None
    text: str
    choices: dict[str, str]
    part: Part | None = None
    frees: str = ""
    due_s: float | None = None
    then: str = ""
    movable: bool = False
    task: Task | None = None
    parameters: tuple[Row, ...] = ()

    @property
    def kind(self) -> str:
        """Question or task."""
        return "question" if self.task is None else "task"

    @property
    def readings(self) -> list[str] | None:
        """Names of what is read, if it is a task card; None if it is a question."""
        return None if self.task is None else [one.name for one in self.task.readings]

    def about(self, experiment: Experiment) -> bool:
        """Whether it parks this experiment."""
        return self.label == experiment.label and self.owner == experiment.owner

    def row(self, answered: Answered | None = None, withdrawn: str = "") -> Row:
        """The row of the journal's table."""
        return {
            "id": self.id,
            "campaign": self.owner,
            "label": self.label,
            "step_id": self.step_id,
            "intent": "" if self.doubt is None else f"{self.step_id}#{self.doubt}",
            "text": self.text,
            "choices": orjson.dumps(self.choices).decode(),
            "state": "answered" if answered else "withdrawn" if withdrawn else "open",
            "answer": answered.answer if answered else "",
            "by": answered.by if answered else "",
            "because": answered.because if answered else withdrawn,
            "due_s": self.due_s,
            "unanswered": self.then,
            "kind": self.kind,
            "task": orjson.dumps(self.task.row()).decode() if self.task is not None else "",
            "readings": orjson.dumps(answered.readings).decode() if answered and self.task is not None else "",
            "parameters": orjson.dumps(self.parameters).decode() if self.parameters else "",
            "edited": orjson.dumps(answered.parameters).decode() if answered and answered.parameters else "",
        }


@dataclass
class Questions:
    """What waits for a person.

    Attributes:
        dirty: collects what has changed.
        open: questions, by id.
        cards: task cards, by id.
        asked: how many there were, by campaign.
        marks: what stands between a campaign's id and the number, where it is not ``:q``.
    """

    dirty: DirtyRows
    open: dict[str, Question] = field(default_factory=dict)
    cards: dict[str, Question] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)

    def of_step(
        self,
        experiment: Experiment,
        run: StepRun,
        outcome: StepOutcome,
        left: str = "",
        now_s: float = 0.0,
        offered: Offered = Offered(),
    ) -> Question:
        """Ask what is to be done about a step that has failed.

        Args:
            experiment: the step's.
            run: the step.
            outcome: how it ended.
            left: what the ledger has left of the stock that the operation in doubt takes from, in words.
            now_s: lab time.
            offered: what else can be done about it.
        """
        part = outcome.part if outcome.doubt is not None else None
        again = "Repeat the operation (it did not happen)" if outcome.doubt is not None else "Repeat the step"
        choices = _part_choices(part) if part is not None else {"again": f"{again}, once the fault is fixed"}
        if outcome.doubt is not None and not outcome.value_lost:
            whole = f", all {_amount(part.asked, part.unit)} of it" if part is not None else ""
            choices["done"] = f"It did happen{whole}; continue after it"
        if offered.skip:
            choices["skip"] = offered.skip
        if experiment.preparation:
            choices["abandon"] = "Give this preparation up and end the campaign; you have put everything back by hand"
        elif experiment.protocol.by_hand is not None:
            choices["abandon"] = (
                f"Give it up: it is not tried again; you have looked, and station {run.station} can work"
            )
        else:
            choices["abandon"] = (
                f"Give sample {experiment.sample} up; you have taken its container out of the lab by hand"
            )
        text = f"{run.step_id}: {outcome.error}"
        if part is not None:
            text += f"\n{_counted(part)}"
            text += f"; {left} of {part.stock} are left by the ledger" if left else ""
        if run.spec.before_again and outcome.doubt is None:
            text += f"\nBefore you answer 'again': {run.spec.before_again}"
        if offered.parameters:
            names = ", ".join(f"{one['name']} = {spelled(one['value'])}" for one in offered.parameters)
            text += f"\nIt can be repeated with other values (now {names})"
        ask = run.spec.ask
        due_s = now_s + ask.within_s if ask is not None else None
        if ask is not None and due_s is not None:
            text += f"\nTo be answered within {lasting(ask.within_s)}, by {when(due_s)} (lab time); then it is parked"
        question = self._ask(experiment, run.step_id, outcome.doubt, text, choices, part)
        question.movable = outcome.doubt is None and outcome.fault in NOT_THE_STATIONS
        question.due_s, question.then = due_s, ask.then if ask is not None else ""
        question.parameters = offered.parameters
        self.dirty.questions[question.id] = question.row()
        return question

    def of_task(self, experiment: Experiment, run: StepRun, manual: Manual, now_s: float) -> Question:
        """Give a person the card of a step.

        Args:
            experiment: the step's.
            run: the step.
            manual: what is to be done.
            now_s: lab time.
        """
        container = experiment.protocol.labware
        at = {"sample": experiment.sample, "container": container, "position": experiment.stands_at}
        text = manual.text(at, experiment.parameters)
        task = Task(
            text, manual.who, experiment.sample, container, experiment.stands_at, run.station, run.expected_s, now_s,
            manual.readings,
        )  # fmt: skip
        readings = ", ".join(one.name for one in manual.readings)
        done = f"It is done, and here are the readings {readings}" if readings else "It is done"
        policy = _POLICIES[run.spec.policy("equipment")]
        choices = {DONE: done, FAILED: f"It cannot be done; {policy}"}
        words = f"{run.step_id}: {task.words}"
        card = Question(self._next(experiment), experiment.owner, experiment.label, run.step_id, None, words, choices)
        card.task = task
        self.cards[card.id] = card
        self.dirty.questions[card.id] = card.row()
        return card

    def card_of(self, step_id: str) -> Question | None:
        """The card of a step; None if none is open."""
        return next((card for card in self.cards.values() if card.step_id == step_id), None)

    def parked(self, question: Question, experiment: Experiment, *, aside: bool) -> None:
        """No person has answered a question in time: it says what was done, and stays open.

        Args:
            question: about a step that has failed.
            experiment: whose step it is.
            aside: whether the sample leaves the step's station.
        """
        question.then = "parked"
        where = (
            f"the sample is brought back to {experiment.place}, and its station is left to others"
            if aside
            else "the sample stays where it is, and its station is kept from others"
        )
        question.text += f"\nNo person has answered in time: it is parked, {where}"
        if aside:
            question.choices["abandon"] = f"Give sample {experiment.sample} up; it is brought out of the lab by itself"
        self.dirty.questions[question.id] = question.row()

    def due(self, now_s: float) -> list[Question]:
        """Open questions whose deadline has passed, in the order in which they were asked."""
        return [one for one in self.open.values() if one.then == "park" and (one.due_s or 0.0) <= now_s]

    @property
    def due_s(self) -> float | None:
        """Lab time at which the next deadline passes; None if none can."""
        return min(
            (one.due_s for one in self.open.values() if one.then == "park" and one.due_s is not None), default=None
        )

    def of_removal(self, experiment: Experiment, why: str = "") -> Question:
        """Ask for a sample to be taken out of the way of others: it was given up, or each waits for the other.

        Args:
            experiment: whose sample it is.
            why: why it cannot go on, if it is neither.
        """
        at = experiment.stands_at
        if not experiment.given_up or why:
            text = f"{_what(experiment)} and others wait for what the other has, so none can go on"
            text = f"{_what(experiment)} cannot go on: {why}" if why else text
            where = f"; its container is at {at}" if at else ""
            out = "you have taken its container out of the lab by hand" if at else "the others go on"
            return self._ask(experiment, "", None, f"{text}{where}", {"removed": f"Give it up; {out}"})
        text = f"{_what(experiment)} was given up ({experiment.given_up})"
        if experiment.engine > 1 and experiment.in_gripper:
            text += f" while it was carried; it may be in the gripper, at {at}, or where it was to go: take it out"
            return self._ask(
                experiment, "", None, text, {"removed": "its container was taken out, and none is gripped"}
            )
        text += f" and is at {at}, where others must pass"
        return self._ask(experiment, "", None, text, {"removed": f"its container was taken out of {at}"})

    def of_left_behind(self, experiment: Experiment, resource: str, left: str) -> Question:
        """Ask for what stands where a sample must pass, of an experiment that is over."""
        where = resource.replace(":", " ")
        if resource.startswith("station:"):
            text = (
                f"{_what(experiment)} waits for {where}, which was stopped in the middle of {left}; its "
                "container may be in a gripper, where it came from, or where it was to go: take it out"
            )
            choices = {"removed": f"its container was taken out, and nothing is in the way of {where}"}
            return self._ask(experiment, "", None, text, choices, frees=resource)
        what = f"the container of {left} was left" if left else "a container stands that is no sample's"
        text = f"{_what(experiment)} waits for {where}, where {what}; take it out"
        choices = {"removed": f"its container was taken out of {where}"}
        return self._ask(experiment, "", None, text, choices, frees=resource)

    def answered(self, event: Answered) -> None:
        """A question, or a card, is open no more."""
        asked = self.cards if event.question in self.cards else self.open
        self.dirty.questions[event.question] = asked.pop(event.question).row(event)

    @property
    def to_be_emptied(self) -> frozenset[str]:
        """Positions that a person is asked to take a container from."""
        return frozenset(question.frees.removeprefix("position:") for question in self.open.values() if question.frees)

    def withdraw(self, experiment: Experiment, why: str, *, but: Collection[str] = ()) -> None:
        """Ask nothing about a sample any more, but about these of its steps, by their ids."""
        for asked in (self.open, self.cards):
            for key in [key for key, question in asked.items() if question.about(experiment)]:
                if asked[key].step_id in but:
                    continue
                self.dirty.questions[key] = asked.pop(key).row(withdrawn=why)

    def withdraw_step(self, step_id: str, why: str) -> None:
        """Ask nothing about a step any more."""
        for asked in (self.open, self.cards):
            for key in [key for key, question in asked.items() if question.step_id == step_id]:
                self.dirty.questions[key] = asked.pop(key).row(withdrawn=why)

    def leave_out(self, owner: str) -> None:
        """Know nothing of what is asked about an owner's samples."""
        self.open = {key: one for key, one in self.open.items() if one.owner != owner}
        self.cards = {key: one for key, one in self.cards.items() if one.owner != owner}

    def forget(self, owner: str) -> None:
        """A campaign is over: nothing is asked about it any more."""
        self.asked.pop(owner, None)
        self.marks.pop(owner, None)

    def about(self, experiment: Experiment) -> bool:
        """Whether a sample waits for a person."""
        return any(question.about(experiment) for question in self.open.values())

    def _ask(
        self,
        experiment: Experiment,
        step_id: str,
        doubt: int | None,
        text: str,
        choices: dict[str, str],
        part: Part | None = None,
        frees: str = "",
    ) -> Question:
        key = self._next(experiment)
        question = Question(key, experiment.owner, experiment.label, step_id, doubt, text, choices, part, frees)
        self.open[key] = question
        self.dirty.questions[key] = question.row()
        return question

    def _next(self, experiment: Experiment) -> str:
        """The id of the next question, or card."""
        owner = experiment.owner
        number = self.asked[owner] = self.asked.get(owner, 0) + 1
        return f"{owner}{self.marks.get(owner, ':q')}{number}"


def _what(experiment: Experiment) -> str:
    """What waits, in words: a sample, or what a person does by hand."""
    work = experiment.protocol.by_hand
    return f"sample {experiment.sample}" if work is None else f"what is done by hand ({work.what})"


def run_of(signed: Answered) -> str:
    """The uid of the run of a step whose card is signed: the same when the same signature is taken once more."""
    return str(uuid5(NAMESPACE_OID, f"labwright:{signed.question}:{signed.answer}:{signed.by}:{signed.readings}"))


_POLICIES: dict[Policy, str] = {
    "ask": "you are asked what is to become of the sample",
    "abandon": "the sample is given up",
    "stop": "the sample is given up, and the campaign ends",
    "skip": "the sample goes on without this step",
    "quarantine": "the sample is set aside until a person has released it",
}
"""What becomes of a step that a person cannot do."""


def _part_choices(part: Part) -> dict[str, str]:
    """What can be done about an operation that was done in part: each answer, and what it does to this sample."""
    asked, done = _amount(part.asked, part.unit), _amount(part.done, part.unit)
    choices = {}
    if not part.no_rest:
        rest = _amount(part.rest, part.unit)
        choices["rest"] = f"Do the missing {rest} now; with the {done} counted so far that makes the {asked} asked for"
    choices["take"] = f"Take it as it is: nothing more is added, {done} are recorded instead of {asked}; continue"
    both = _amount(part.done + part.asked, part.unit)
    choices["again"] = f"Do all {asked} once more, on top of the {done} counted: {both} in all, once the fault is fixed"
    return choices


def _counted(part: Part) -> str:
    """How much was done, in numbers."""
    words = f"{part.what}: {_amount(part.done, part.unit)} of {_amount(part.asked, part.unit)} are counted"
    return f"{words}; the rest cannot be done by itself: {part.no_rest}" if part.no_rest else words


def _amount(value: float, unit: str) -> str:
    number = f"{value:.6g}"
    return number if unit in ("", "1") else f"{number} {unit}"
