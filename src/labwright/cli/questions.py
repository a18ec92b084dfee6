"""`labwright question list` and `answer`: what only a person can decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.cli.output import console, counted, emit, table
from labwright.cli.words import answer_command, when
from labwright.engine.deck import DeckQuestion, answer_deck, deck_questions
from labwright.journal import Command, Journal, instruments_words, place_option, schema
from labwright.journal.asking import wait
from labwright.journal.reading import choose, controller, questions_of
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.states import OVER


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
            one["state"] if one["state"] == "open" else _became(one),
            one["kept"],
        )
        for one in rows
    ]
    columns = ("question", "asked (UTC)", "what is asked", "answers", "state", "recorded answer")
    table(f"{name}: {counted(len(rows), 'question' if everything else 'open question')}", columns, shown, json=False)
    for one in rows:
        if one["state"] == "open":
            print(answer_command(one["id"], option))  # noqa: T201 - to be copied, so no table may wrap it


def open_questions(journal: Journal, *, everything: bool = False) -> list[dict[str, Any]]:
    """Open questions, about samples and about decks; with `everything` those that were answered or withdrawn too."""
    rows = questions_of(journal, *([] if everything else [schema.question.c.state == "open"]))
    return rows + [{**one.row(), "choices": one.choices, "asked_s": one.asked_s} for one in _decks(journal).values()]


def answer_question(place: str | Path, question: str, answer: str, *, by: str, because: str, json: bool) -> None:
    """Answer a question: at once where its campaign runs or if it is about a deck, otherwise when it is resumed.

    Raises:
        ConfigError: there is no such question or answer, or the person or the reason is not named.
        RefusedError: it was answered before, or the controller refuses.
    """
    if not by.strip() or not because.strip():
        raise ConfigError(
            "--by and --reason must name the person and the reason: the journal records both; nothing was recorded"
        )
    with Journal(place) as journal:
        asked = _open_question(journal, question)
        if (deck := _decks(journal).get(question)) is not None:
            answer_deck(journal, deck, answer, by=by, because=because)
            _say_deck(deck, answer, json=json)
            return
        if answer not in asked["choices"]:
            means = "".join(f"\n  {one}: {what}" for one, what in asked["choices"].items())
            raise ConfigError(f"{unknown(f'answer to {question}', answer, list(asked['choices']))}{means}")
        for old in _waiting(journal, asked):  # a second thought must not be overtaken by the first
            if journal.withdraw(old.id, f"answered again by {by}"):
                console.print(f"the answer {_said(old)} was not taken yet and is withdrawn", markup=False)
        campaign = asked["campaign"]
        number = journal.command(campaign, "answer", {"question": question, "answer": answer}, by=by, because=because)
        here = controller(journal)
        told = (
            wait(journal, number, lambda: choose(journal, campaign)["state"] in OVER)
            if here.may_run(campaign)
            else None
        )
        name = choose(journal, campaign)["name"]
    if told is not None and told != "done":
        raise RefusedError(f"the controller refuses the answer to {question}: {told}")
    if json:
        emit({"question": question, "answer": answer, "campaign": campaign, "taken": told is not None})
    elif told is not None:
        console.print(f"{question} is answered: {asked['choices'][answer]}", style="bold", markup=False)
    else:
        console.print(
            f"Answer recorded for {question} ({asked['choices'][answer]}). No controller runs this campaign now; the "
            f"answer takes effect when the campaign is resumed: labwright campaign run {name}",
            style="bold",
            markup=False,
        )


def _decks(journal: Journal) -> dict[str, DeckQuestion]:
    """Questions about decks, by id."""
    return {one.id: one for one in deck_questions(journal, running=controller(journal).campaigns)}


def _say_deck(deck: DeckQuestion, answer: str, *, json: bool) -> None:
    if json:
        emit({"question": deck.id, "answer": answer, "campaign": deck.campaign, "taken": True})
        return
    given_up = f"{deck.campaign} is given up. " if deck.interrupted else ""
    console.print(
        f"{deck.id} is answered and recorded. {given_up}The next campaign on {instruments_words(deck.instruments)} may "
        "start: labwright campaign run NAME",
        style="bold",
        markup=False,
    )


def _open_question(journal: Journal, question: str) -> dict[str, Any]:
    """The open question of this id.

    Raises:
        ConfigError: there is none.
        RefusedError: it is no longer open.
    """
    all_ = {one["id"]: one for one in questions_of(journal)}
    all_ |= {name: {**one.row(), "choices": one.choices} for name, one in _decks(journal).items()}
    if question in all_:
        if all_[question]["state"] != "open":
            raise RefusedError(f"{question} is no longer open: {_became(all_[question])}; nothing was recorded")
        return all_[question]
    known = [name for name, one in all_.items() if one["state"] == "open"]
    raise ConfigError(f"{journal.name}: {unknown('open question', question, known)}")


def _became(question: dict[str, Any]) -> str:
    """What became of a question that is no longer open."""
    if question["state"] == "answered":
        return f"answered {question['answer']!r} by {question['by']}, reason: {question['because']}"
    return f"{question['state']}: {question['because']}"


def _waiting(journal: Journal, question: dict[str, Any]) -> list[Command]:
    """Answers to a question that no controller has taken yet."""
    waiting = journal.waiting_commands(question["campaign"])
    return [
        one
        for one in waiting
        if one.kind == "answer" and isinstance(one.payload, dict) and one.payload.get("question") == question["id"]
    ]


def _kept_words(journal: Journal, question: dict[str, Any]) -> str:
    return "\n".join(f"{_said(one)}; takes effect when the campaign is resumed" for one in _waiting(journal, question))


def _said(command: Command) -> str:
    return f"{command.payload.get('answer')!r} by {command.by}, reason: {command.because}"


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
