"""What only a person can answer: each question parks one sample, and its station where a step waits for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from labwright.engine.events import Answered
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.tables import Row, Touched
from labwright.model.protocol import StepOutcome


@dataclass
class Question:
    """Something only a person can answer; it parks one sample.

    Attributes:
        id: in the journal.
        label: of the experiment.
        step_id: the step that waits for it.
        doubt: number of the operation in doubt; None if none is.
        text: what is asked.
        choices: answers, and what each means.
    """

    id: str
    label: str
    step_id: str
    doubt: int | None
    text: str
    choices: dict[str, str]

    def row(self, campaign: str, answered: Answered | None = None, withdrawn: str = "") -> Row:
        """As it is kept."""
        return {
            "id": self.id,
            "campaign": campaign,
            "label": self.label,
            "step_id": self.step_id,
            "intent": "" if self.doubt is None else f"{self.step_id}#{self.doubt}",
            "text": self.text,
            "choices": orjson.dumps(self.choices).decode(),
            "state": "answered" if answered else "withdrawn" if withdrawn else "open",
            "answer": answered.answer if answered else "",
            "by": answered.by if answered else "",
            "because": answered.because if answered else withdrawn,
        }


@dataclass
class Questions:
    """What waits for a person.

    Attributes:
        touched: told what has changed.
        open: by id.
        asked: how many there were.
    """

    touched: Touched = field(default_factory=Touched)
    open: dict[str, Question] = field(default_factory=dict)
    asked: int = 0

    def of_step(self, campaign: str, one: Experiment, run: StepRun, outcome: StepOutcome) -> Question:
        """Ask what is to be done about a step that did not end well."""
        choices = {"again": "do it (again), because it has not happened or is mended"}
        if outcome.doubt is not None and not outcome.value_lost:
            choices["done"] = "it has happened; go on after it"
        choices["abandon"] = f"give sample {one.sample} up; its container was taken out of the lab by hand"
        return self._ask(campaign, one, run.step_id, outcome.doubt, f"{run.step_id}: {outcome.error}", choices)

    def of_removal(self, campaign: str, one: Experiment) -> Question:
        """Ask for a sample that was given up to be taken out of the way of others."""
        text = (
            f"sample {one.sample} was given up ({one.given_up}) and stands at {one.stands_at}, where others must pass"
        )
        choices = {"removed": f"its container was taken out of {one.stands_at}"}
        return self._ask(campaign, one, "", None, text, choices)

    def answered(self, campaign: str, event: Answered) -> None:
        """A question is open no more."""
        self.touched.questions[event.question] = self.open.pop(event.question).row(campaign, event)

    def withdraw(self, campaign: str, one: Experiment, why: str) -> None:
        """Ask nothing about a sample any more."""
        for key in [key for key, question in self.open.items() if question.label == one.label]:
            self.touched.questions[key] = self.open.pop(key).row(campaign, withdrawn=why)

    def about(self, one: Experiment) -> bool:
        """Whether a sample waits for a person."""
        return any(question.label == one.label for question in self.open.values())

    def _ask(
        self, campaign: str, one: Experiment, step_id: str, doubt: int | None, text: str, choices: dict[str, str]
    ) -> Question:
        self.asked += 1
        question = Question(f"{campaign}?{self.asked}", one.label, step_id, doubt, text, choices)
        self.open[question.id] = question
        self.touched.questions[question.id] = question.row(campaign)
        return question
