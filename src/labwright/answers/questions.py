"""Questions that only a person can answer, and task cards."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from labwright.answers.base import Answered, Sometimes, plain, plain_open
from labwright.answers.lab import Command


@plain_open
class Reading(TypedDict, total=False):
    """What is to be read for a task card; its further fields are those of a protocol's parameter.

    Attributes:
        name: by which it is sent.
        allowed: values, in words.
    """

    name: str
    allowed: str


@plain
class Task(TypedDict, total=False):
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
    readings: list[Reading]


@plain_open
class Editable(TypedDict, total=False):
    """A value that a step can be repeated with; its further fields are those of a protocol's parameter.

    Attributes:
        name: by which it is sent.
        allowed: values, in words.
        value: the present one.
    """

    name: str
    allowed: str
    value: Any


class AskedQuestion(Answered):
    """A question that only a person can answer, or the card of a step that a person does.

    Attributes:
        id: of it.
        campaign: that waits for it; may be empty.
        label: of the experiment; empty if it is about a deck.
        step_id: the step that waits for it; may be empty.
        intent: the operation in doubt; empty if none is.
        text: what is asked.
        choices: what each answer means.
        state: ``open``, or what has become of it.
        answer: that was given; empty before.
        by: who has answered.
        because: what that person has seen and done.
        due_s: lab time until which it is to be answered; null if it may wait.
        unanswered: what is done if no person answers in time: ``park``, and ``parked`` once that is done.
        kind: ``question``, or ``task`` for the card of a step that a person does.
        task: what such a card says; null for a question.
        readings: what was read when it was signed.
        parameters: values with which the step can be repeated that has failed; empty if it can only be as it was.
        edited: values with which it was repeated.
    """

    id: str
    campaign: str = ""
    label: str = ""
    step_id: str = ""
    intent: str = ""
    text: str
    choices: dict[str, str]
    state: str = "open"
    answer: str = ""
    by: str = ""
    because: str = ""
    due_s: Sometimes[float | None] = None
    unanswered: Sometimes[str] = ""
    kind: Sometimes[str] = "question"
    task: Sometimes[Task | None] = None
    readings: Sometimes[dict[str, Any]] = {}
    parameters: Sometimes[list[Editable]] = []
    edited: Sometimes[dict[str, Any]] = {}


class Question(AskedQuestion):
    """A question or a task card, as they are listed.

    Attributes:
        asked_s: wall time since when it is open; null if that is not known.
        kept: answers that take effect when its campaign is resumed, in words; empty if there are none.
    """

    asked_s: float | None = None
    kept: str = ""


class QuestionAnswered(Command):
    """What came of an answer.

    Attributes:
        campaign: that has waited for it; may be empty.
        means: what the answer means.
        readings: what was read, as it is recorded.
        parameters: other values that the step is repeated with.
    """

    campaign: str = ""
    means: str = ""
    readings: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
