"""What only a person can answer: each question parks one sample, and its station where a step waits for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import orjson

from labwright.engine.dirty import DirtyRows
from labwright.engine.events import Answered
from labwright.engine.experiment import Experiment, StepRun
from labwright.model.figures import lasting, when
from labwright.model.material import Part
from labwright.model.protocol import FaultClass, StepOutcome
from labwright.model.rows import Row

NOT_THE_STATIONS: tuple[FaultClass | None, ...] = ("sample", "plan")
"""Classes of fault after which a station can work on other samples."""


@dataclass
class Question:
    """Something only a person can answer; it parks one sample.

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
        }


@dataclass
class Questions:
    """What waits for a person.

    Attributes:
        dirty: collects what has changed.
        open: by id.
        asked: how many there were, by campaign.
        marks: what stands between a campaign's id and the number, where it is not ``:q``.
    """

    dirty: DirtyRows
    open: dict[str, Question] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)

    def of_step(
        self, experiment: Experiment, run: StepRun, outcome: StepOutcome, left: str = "", now_s: float = 0.0
    ) -> Question:
        """Ask what is to be done about a step that has failed.

        Args:
            experiment: the step's.
            run: the step.
            outcome: how it ended.
            left: what the ledger has left of the stock that the operation in doubt takes from, in words.
            now_s: lab time.
        """
        part = outcome.part if outcome.doubt is not None else None
        again = "Repeat the operation (it did not happen)" if outcome.doubt is not None else "Repeat the step"
        choices = _part_choices(part) if part is not None else {"again": f"{again}, once the fault is fixed"}
        if outcome.doubt is not None and not outcome.value_lost:
            whole = f", all {_amount(part.asked, part.unit)} of it" if part is not None else ""
            choices["done"] = f"It did happen{whole}; continue after it"
        if experiment.preparation:
            choices["abandon"] = "Give this preparation up and end the campaign; you have put everything back by hand"
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
        ask = run.spec.ask
        due_s = now_s + ask.within_s if ask is not None else None
        if ask is not None and due_s is not None:
            text += f"\nTo be answered within {lasting(ask.within_s)}, by {when(due_s)} (lab time); then it is parked"
        question = self._ask(experiment, run.step_id, outcome.doubt, text, choices, part)
        question.movable = outcome.doubt is None and outcome.fault in NOT_THE_STATIONS
        question.due_s, question.then = due_s, ask.then if ask is not None else ""
        self.dirty.questions[question.id] = question.row()
        return question

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
            text = f"sample {experiment.sample} and others wait for what the other has, so none can go on"
            text = f"sample {experiment.sample} cannot go on: {why}" if why else text
            where = f"; its container is at {at}" if at else ""
            out = "you have taken its container out of the lab by hand" if at else "the others go on"
            return self._ask(experiment, "", None, f"{text}{where}", {"removed": f"Give it up; {out}"})
        text = f"sample {experiment.sample} was given up ({experiment.given_up})"
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
                f"sample {experiment.sample} waits for {where}, which was stopped in the middle of {left}; its "
                "container may be in a gripper, where it came from, or where it was to go: take it out"
            )
            choices = {"removed": f"its container was taken out, and nothing is in the way of {where}"}
            return self._ask(experiment, "", None, text, choices, frees=resource)
        what = f"the container of {left} was left" if left else "a container stands that is no sample's"
        text = f"sample {experiment.sample} waits for {where}, where {what}; take it out"
        choices = {"removed": f"its container was taken out of {where}"}
        return self._ask(experiment, "", None, text, choices, frees=resource)

    def answered(self, event: Answered) -> None:
        """A question is open no more."""
        self.dirty.questions[event.question] = self.open.pop(event.question).row(event)

    @property
    def to_be_emptied(self) -> frozenset[str]:
        """Positions that a person is asked to take a container from."""
        return frozenset(question.frees.removeprefix("position:") for question in self.open.values() if question.frees)

    def withdraw(self, experiment: Experiment, why: str, *, but: Collection[str] = ()) -> None:
        """Ask nothing about a sample any more, but about these of its steps, by their ids."""
        for key in [key for key, question in self.open.items() if question.about(experiment)]:
            if self.open[key].step_id in but:
                continue
            self.dirty.questions[key] = self.open.pop(key).row(withdrawn=why)

    def withdraw_step(self, step_id: str, why: str) -> None:
        """Ask nothing about a step any more."""
        for key in [key for key, question in self.open.items() if question.step_id == step_id]:
            self.dirty.questions[key] = self.open.pop(key).row(withdrawn=why)

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
        owner = experiment.owner
        number = self.asked[owner] = self.asked.get(owner, 0) + 1
        key = f"{owner}{self.marks.get(owner, ':q')}{number}"
        question = Question(key, owner, experiment.label, step_id, doubt, text, choices, part, frees)
        self.open[key] = question
        self.dirty.questions[key] = question.row()
        return question


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
