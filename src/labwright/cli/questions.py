"""`labwright question list` and `answer`: what only a person can decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.cli.output import console, counted, emit, table
from labwright.cli.words import answer_command, when
from labwright.engine.answering import answer_open, became, open_questions, said, waiting_answers
from labwright.journal import Journal, instruments_words, place_option, schema


def list_questions(place: str | Path, *, everything: bool, json: bool) -> None:
    """Open questions, or all there were."""
    with Journal.reading(place) as journal:
        rows = [
            {**one, "asked_s": _asked_s(journal, one), "kept": _kept_words(journal, one)}
            for one in open_questions(journal, everything=everything)
        ]
        name, option = journal.name, place_option(journal)
    if json:
        for one in rows:
            emit(one)
        return
    if not rows:
        console.print(f"{name}: no {'question was ever asked' if everything else 'open questions'}", markup=False)
        return
    shown = [
        (
            one["id"],
            when(one["asked_s"]) if one["asked_s"] else "",
            one["text"],
            "\n".join(f"{answer}: {means}" for answer, means in one["choices"].items()),
            one["state"] if one["state"] == "open" else became(one),
            one["kept"],
        )
        for one in rows
    ]
    columns = ("question", "asked (UTC)", "what is asked", "answers", "state", "recorded answer")
    table(f"{name}: {counted(len(rows), 'question' if everything else 'open question')}", columns, shown, json=False)
    for one in rows:
        if one["state"] == "open":
            print(answer_command(one["id"], option))  # noqa: T201 - to be copied, so no table may wrap it


def answer_question(place: str | Path, question: str, answer: str, *, by: str, because: str, json: bool) -> None:
    """Answer a question, and say what comes of it.

    Raises:
        ConfigError: there is no such question or answer, or the person or the reason is not named.
        RefusedError: it was answered before, or the controller refuses.
    """
    with Journal(place) as journal:
        given = answer_open(journal, question, answer, by=by, because=because)
    for words in given.withdrawn:
        console.print(f"the answer {words} was not taken yet and is withdrawn", markup=False)
    if json:
        emit({"question": question, "answer": answer, "campaign": given.campaign, "taken": given.taken})
        return
    if given.deck is not None:
        given_up = f"{given.campaign} is given up. " if given.deck.interrupted else ""
        words = (
            f"{question} is answered and recorded. {given_up}The next campaign on "
            f"{instruments_words(given.deck.instruments)} may start: labwright campaign run NAME"
        )
    elif given.taken:
        words = f"{question} is answered: {given.means}"
    else:
        words = (
            f"Answer recorded for {question} ({given.means}). No controller runs this campaign now; the answer takes "
            f"effect when the campaign is resumed: labwright campaign run {given.name}"
        )
    console.print(words, style="bold", markup=False)


def _kept_words(journal: Journal, question: dict[str, Any]) -> str:
    return "\n".join(
        f"{said(one)}; takes effect when the campaign is resumed" for one in waiting_answers(journal, question)
    )


def _asked_s(journal: Journal, question: dict[str, Any]) -> float | None:
    """Wall time of the event that the question came from."""
    if "asked_s" in question:
        return float(question["asked_s"])
    event = schema.event
    decided = orjson.dumps(f"question {question['id']}").decode()
    rows = journal.read(
        sa.select(event.c.wall_time_s)
        .where(event.c.campaign == question["campaign"], event.c.decisions.contains(decided, autoescape=True))
        .limit(1)
    )
    return float(rows[0]["wall_time_s"]) if rows else None
