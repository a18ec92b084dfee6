"""Questions that only a person can answer."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from labwright.engine.answering import open_questions, waiting_answers
from labwright.engine.deck import deck_questions
from labwright.facts.questions import question_facts
from labwright.journal import Journal
from labwright.journal.asking import deck_of, refuse_no_controller
from labwright.journal.reading import controller
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.service import commanding
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.lab import LAB, Reason
from labwright.service.once import Answer
from labwright.service.state import Asking, Here

router = APIRouter(prefix="/v1/questions", route_class=StrictRoute, tags=["questions"])


class Answered(Body):
    """An answer.

    Attributes:
        answer: one of the question's choices.
        because: what was seen and done.
    """

    answer: Annotated[str, Field(min_length=1, max_length=200)]
    because: Reason


@router.get("")
def questions(
    service: Here,
    asker: Asking,
    everything: Annotated[bool, Query(description="those that were answered or withdrawn, too")] = False,
) -> dict[str, Any]:
    """Open questions, with what may be answered and what that means."""
    service.gate.need(asker, "lab.read", LAB)
    with service.records.reading() as journal:
        return {"items": question_facts(journal, everything=everything)}


@router.post("/{question}/answer")
async def answer(service: Here, asker: Asking, request: Request, question: str, body: Answered) -> Response:
    """Answer a question; the lab does what the choice says."""
    await service.gate.needs(asker, "question.answer", LAB)
    payload = {"question": question, "answer": body.answer}

    async def work(key: str) -> Answer:
        of, means = await service.records.in_thread(_meaning, question, body.answer)
        campaign, kind, before = await service.records.in_thread(_command_for, question, body.answer, key)
        for number in before:  # a second thought must not be overtaken by the first
            await to_thread.run_sync(service.records.withdraw, number, f"answered again by {asker.who.id}")
        answer = await commanding.command(
            service, campaign, kind, payload, by=asker.who.id, because=body.because, key=key, trace=asker.trace
        )
        return dataclasses.replace(answer, body={**answer.body, "campaign": of, "means": means})

    entry = Entry(
        asker.who.id, "question.answer", f"question/{question}", via=asker.who.key, after=payload,
        because=body.because, trace=asker.trace,
    )  # fmt: skip
    return await service.once.do(request, asker, entry, work)


def _meaning(journal: Journal, question: str, answer: str) -> tuple[str, str]:
    """The campaign of a question, and what an answer to it means; empty where there is none."""
    known = {str(one["id"]): one for one in open_questions(journal, everything=True)}
    one = known.get(question, {})
    return str(one.get("campaign", "")), str(one.get("choices", {}).get(answer, ""))


def _command_for(journal: Journal, question: str, answer: str, key: str) -> tuple[str, str, list[int]]:
    """The campaign and the kind of the command that answers a question; and answers before it that were not taken.

    Raises:
        ConfigError: there is no such open question, or it has no such answer.
        RefusedError: no controller runs that could take the answer.
    """
    if (before := commanding.of_key(journal, key)) is not None:
        return str(before["campaign"]), str(before["kind"]), []
    refuse_no_controller(journal, "answer")
    decks = {one.id: one for one in deck_questions(journal)}
    known = {str(one["id"]): one for one in open_questions(journal)}
    if question not in known:
        raise ConfigError(unknown("open question", question, list(known)))
    if answer not in known[question]["choices"]:
        raise ConfigError(unknown(f"answer to {question}", answer, list(known[question]["choices"])))
    if question in decks:
        if deck_of(journal) != decks[question].instruments:
            raise RefusedError(f"{question} is about other instruments than those the controller runs on")
        return "", "check_deck", []
    campaign = str(known[question]["campaign"])
    if not controller(journal).may_run(campaign):
        raise RefusedError(f"{campaign} was interrupted, and no controller has resumed it; its questions wait for that")
    return campaign, "answer", [one.id for one in waiting_answers(journal, known[question])]
