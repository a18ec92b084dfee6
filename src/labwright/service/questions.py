"""Questions that only a person can answer, and task cards that only a person can sign."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import orjson
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from labwright.answers.questions import Question, QuestionAnswered
from labwright.engine.answering import answer_payload, open_questions, refuse_unknown_answer, waiting_answers
from labwright.engine.deck import deck_questions
from labwright.facts.questions import question_facts
from labwright.journal import Journal
from labwright.journal.asking import deck_of, refuse_no_controller
from labwright.journal.reading import controller
from labwright.model.base import Name
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.service import commanding
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, commanded, items_of
from labwright.service.lab import LAB, Reason
from labwright.service.once import Answer
from labwright.service.state import Asking, Here

router = APIRouter(prefix="/v1/questions", route_class=StrictRoute, tags=["questions"])


Read = (
    StrictBool
    | StrictInt
    | Annotated[StrictFloat, Field(allow_inf_nan=False)]
    | Annotated[StrictStr, Field(max_length=10_000)]
)
"""What was read: JSON has no NaN, and none is taken."""


class GivenAnswer(Body):
    """An answer.

    Attributes:
        answer: one of the question's choices.
        because: what was seen and done.
        readings: of a task card that is done: a value, or a number with its unit in one text, as ``"1.2 N.m"``.
        parameters: other values to repeat a step with (answer ``again``), by the names under the question's
            ``parameters``; given as readings are.
    """

    answer: Annotated[str, Field(min_length=1, max_length=200)]
    because: Reason
    readings: Annotated[dict[Name, Read], Field(max_length=200)] = {}
    parameters: Annotated[dict[Name, Read], Field(max_length=200)] = {}


@router.get("", name="list", responses=answers(items_of(Question)))
def questions(
    service: Here,
    asker: Asking,
    everything: Annotated[bool, Query(description="those that were answered or withdrawn, too")] = False,
) -> dict[str, Any]:
    """Open questions and task cards (``kind``), with what may be answered and what that means.

    ``task`` says of a card what is to be done, for which sample and where, and what is to be read. ``parameters`` says
    of a step that has failed with which other values it can be repeated.
    """
    service.gate.need(asker, "lab.read", LAB)
    with service.records.reading() as journal:
        return {"items": question_facts(journal, everything=everything)}


@router.post("/{question}/answer", responses=commanded(QuestionAnswered))
async def answer(service: Here, asker: Asking, request: Request, question: str, body: GivenAnswer) -> Response:
    """Answer a question, or sign a task card; the lab does what the choice says."""
    await service.gate.needs(asker, "question.answer", LAB)
    values = {"readings": body.readings, "parameters": body.parameters}
    said = {"question": question, "answer": body.answer, **{name: one for name, one in values.items() if one}}

    async def work(key: str) -> Answer:
        of, means = await service.records.in_thread(_meaning, question, body.answer)
        campaign, kind, payload, before = await service.records.in_thread(_command_for, question, body, key)
        for number in before:  # a second thought must not be overtaken by the first
            await to_thread.run_sync(service.records.withdraw, number, f"answered again by {asker.who.id}")
        answer = await commanding.command(
            service, campaign, kind, payload, by=asker.who.id, because=body.because, key=key, trace=asker.trace
        )
        given = {name: payload.get(name, {}) for name in values}
        return dataclasses.replace(answer, body={**answer.body, "campaign": of, "means": means, **given})

    entry = Entry(
        asker.who.id, "question.answer", f"question/{question}", via=asker.who.key, after=said,
        because=body.because, trace=asker.trace,
    )  # fmt: skip
    return await service.once.do(request, asker, entry, work)


def _meaning(journal: Journal, question: str, answer: str) -> tuple[str, str]:
    """The campaign of a question, and what an answer to it means; empty where there is none."""
    known = {str(one["id"]): one for one in open_questions(journal, everything=True)}
    one = known.get(question, {})
    return str(one.get("campaign", "")), str(one.get("choices", {}).get(answer, ""))


def _command_for(
    journal: Journal, question: str, body: GivenAnswer, key: str
) -> tuple[str, str, dict[str, Any], list[int]]:
    """Campaign, kind and payload of the command that answers a question; and answers before it that were not taken.

    Raises:
        ConfigError: there is no such open question, or it has no such answer, or a value is not allowed.
        RefusedError: no controller runs that could take the answer.
    """
    answer = body.answer
    if (before := commanding.of_key(journal, key)) is not None:
        return str(before["campaign"]), str(before["kind"]), orjson.loads(before["payload"]), []
    refuse_no_controller(journal, "answer")
    decks = {one.id: one for one in deck_questions(journal)}
    known = {str(one["id"]): one for one in open_questions(journal)}
    if question not in known:
        raise ConfigError(unknown("open question", question, list(known)))
    refuse_unknown_answer(known[question], answer)
    payload = answer_payload(known[question], answer, body.readings, body.parameters)
    if question in decks:
        if deck_of(journal) != decks[question].instruments:
            raise RefusedError(f"{question} is about other instruments than those the controller runs on")
        return "", "check_deck", payload, []
    campaign = str(known[question]["campaign"])
    if not controller(journal).may_run(campaign):
        raise RefusedError(f"{campaign} was interrupted, and no controller has resumed it; its questions wait for that")
    return campaign, "answer", payload, [one.id for one in waiting_answers(journal, known[question])]
