"""Questions that only a person answers: which are open, and how an answer comes to its campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from labwright.engine.deck import DeckQuestion, answer_deck, deck_questions
from labwright.journal import Command, Journal, schema
from labwright.journal.asking import ask_controller, deck_of, wait
from labwright.journal.reading import choose, controller, questions_of
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.figures import spelled
from labwright.model.manual import DONE, Manual, read_in
from labwright.model.protocol_parameters import ProtocolParameter
from labwright.model.states import OVER


@dataclass(frozen=True)
class Given:
    """An answer that was given.

    Attributes:
        campaign: id of its campaign.
        name: of that campaign, as a command line takes it.
        means: what the answer means.
        taken: whether it has taken effect; if not, it does when the campaign is resumed.
        withdrawn: earlier answers that no controller had taken, in words.
        deck: the question, where it was about a deck.
        readings: of a task card that was signed.
        parameters: other values that a step is repeated with.
    """

    campaign: str
    name: str
    means: str
    taken: bool
    withdrawn: tuple[str, ...] = ()
    deck: DeckQuestion | None = None
    readings: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


def open_questions(journal: Journal, *, everything: bool = False) -> list[dict[str, Any]]:
    """Open questions, about samples and about decks; with `everything` those that were answered or withdrawn too."""
    rows = questions_of(journal, *([] if everything else [schema.question.c.state == "open"]))
    return rows + [{**_of_deck(one), "asked_s": one.asked_s} for one in _decks(journal).values()]


def answer_open(
    journal: Journal,
    question: str,
    answer: str,
    *,
    by: str,
    because: str,
    readings: Mapping[str, Any] = {},
    parameters: Mapping[str, Any] = {},
) -> Given:
    """Answer a question: at once where its campaign runs or if it is about a deck, otherwise when it is resumed.

    Args:
        journal: that has it.
        question: its id; or a task card's, which is signed.
        answer: one of its choices.
        by: the person.
        because: what that person has seen or done.
        readings: of a task card that is done: values, or a number with its unit as it is typed.
        parameters: other values to repeat a step with, as readings are given.

    Raises:
        ConfigError: there is no such question or answer, or the person or the reason is not named, or a reading or
            another value is unknown, missing or not allowed; nothing was recorded.
        RefusedError: it was answered before, or the controller refuses.
        JournalError: the journal refuses.
    """
    if not by.strip() or not because.strip():
        raise ConfigError(
            "--by and --reason must name the person and the reason: the journal records both; nothing was recorded"
        )
    asked = _open_question(journal, question)
    refuse_unknown_answer(asked, answer)
    payload = answer_payload(asked, answer, readings, parameters)
    if (deck := _decks(journal).get(question)) is not None:
        if journal.controlled() and deck_of(journal) == deck.instruments:  # it knows what is left there, and forgets it
            deck.check(answer)
            ask_controller(journal, "check_deck", {"question": question, "answer": answer}, by=by, because=because)
        else:
            answer_deck(journal, deck, answer, by=by, because=because)
        return Given(deck.campaign, deck.name, deck.choices[answer], taken=True, deck=deck)
    old = waiting_answers(journal, asked)  # a second thought must not be overtaken by the first
    withdrawn = tuple(said(one) for one in old if journal.withdraw(one.id, f"answered again by {by}"))
    campaign = asked["campaign"]
    number = journal.command(campaign, "answer", payload, by=by, because=because)
    told = None
    if controller(journal).may_run(campaign):
        told = wait(journal, number, lambda: choose(journal, campaign)["state"] in OVER)
    if told is not None and told != "done":
        raise RefusedError(f"the controller refuses the answer to {question}: {told}")
    name = str(choose(journal, campaign)["name"])
    return Given(
        campaign,
        name,
        asked["choices"][answer],
        taken=told is not None,
        withdrawn=withdrawn,
        readings=payload.get("readings", {}),
        parameters=payload.get("parameters", {}),
    )


def refuse_unknown_answer(asked: Mapping[str, Any], answer: str) -> None:
    """Refuse an answer that a question does not have.

    Raises:
        ConfigError: with those that it has.
    """
    if answer not in asked["choices"]:
        means = "".join(f"\n  {one}: {words}" for one, words in asked["choices"].items())
        what = f"answer to {asked['id']}"
        raise ConfigError(f"{unknown(what, answer, list(asked['choices']))}{means}")


def answer_payload(
    asked: Mapping[str, Any], answer: str, readings: Mapping[str, Any], parameters: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """What the controller is asked for an answer, its values checked here, where the person can correct them.

    Args:
        asked: the question, or task card, as `open_questions` has it.
        answer: one of its choices.
        readings: as they were typed.
        parameters: other values to repeat a step with, as they were typed.

    Raises:
        ConfigError: a reading, or another value, is unknown, missing or not allowed, or nothing is read there;
            nothing was recorded.
    """
    payload: dict[str, Any] = {"question": asked["id"], "answer": answer}
    if asked["kind"] != "task":
        wrong = [f"{asked['id']} is no task card, and has no readings; leave {', '.join(readings)} out"]
        wrong = wrong if readings else []
    elif answer != DONE:
        wrong = [f"what was not done has no readings; leave {', '.join(readings)} out"] if readings else []
    else:
        declared = [{key: value for key, value in one.items() if key != "allowed"} for one in asked["task"]["readings"]]
        manual = Manual.model_validate({"task": "its card", "readings": declared})
        payload["readings"], wrong = read_in(manual.readings, readings)
        said = {words.split(" ", 1)[0].rstrip(":") for words in wrong}
        wrong += [one for one in manual.wrong(payload["readings"]) if one.split(" ", 1)[0].rstrip(":") not in said]
    if parameters:
        payload["parameters"], strange = _edited(asked, answer, parameters)
        wrong += strange
    if wrong:
        raise ConfigError(f"{asked['id']}: {'; '.join(wrong)}; nothing was recorded")
    return payload


def _edited(asked: Mapping[str, Any], answer: str, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Other values to repeat a step with, of the declared types; and what is wrong with them, one sentence each."""
    offered = [{k: v for k, v in one.items() if k not in ("allowed", "value")} for one in asked.get("parameters") or ()]
    known = [one["name"] for one in offered]
    if not known:
        return {}, [f"the step cannot be repeated with other values; leave {', '.join(parameters)} out"]
    if answer != "again":
        return {}, [f"other values go with the answer 'again'; leave {', '.join(parameters)} out"]
    if strange := [name for name in parameters if name not in known]:
        return {}, [unknown("value that it can be repeated with", name, known) for name in strange]
    declared = _PARAMETERS.validate_python([one for one in offered if one["name"] in parameters])
    typed, wrong = read_in(declared, parameters)
    said = {words.split(" ", 1)[0].rstrip(":") for words in wrong}
    wrong += [words for one in declared if one.name not in said for words in one.violations(typed[one.name])]
    return {one.name: one.taken(typed[one.name]) for one in declared}, wrong


_PARAMETERS: TypeAdapter[list[ProtocolParameter]] = TypeAdapter(list[ProtocolParameter])


def _of_deck(deck: DeckQuestion) -> dict[str, Any]:
    """A question about a deck, as the others are listed."""
    return {**deck.row(), "choices": deck.choices, "kind": "question", "task": None, "readings": {}, **_NO_EDIT}


_NO_EDIT: dict[str, Any] = {"parameters": [], "edited": {}}


def _decks(journal: Journal) -> dict[str, DeckQuestion]:
    """Questions about decks, by id."""
    return {one.id: one for one in deck_questions(journal, running=controller(journal).under_way)}


def _open_question(journal: Journal, question: str) -> dict[str, Any]:
    """The open question of this id.

    Raises:
        ConfigError: there is none.
        RefusedError: it is no longer open.
    """
    all_ = {one["id"]: one for one in questions_of(journal)}
    all_ |= {name: _of_deck(one) for name, one in _decks(journal).items()}
    if question in all_:
        if all_[question]["state"] != "open":
            raise RefusedError(f"{question} is no longer open: {became(all_[question])}; nothing was recorded")
        return all_[question]
    known = [name for name, one in all_.items() if one["state"] == "open"]
    raise ConfigError(f"{journal.name}: {unknown('open question', question, known)}")


def became(question: dict[str, Any]) -> str:
    """What became of a question that is no longer open."""
    if question["state"] == "answered":
        given = {**question["readings"], **question.get("edited", {})}
        read = ", ".join(f"{name} = {spelled(value)}" for name, value in given.items())
        with_ = f" with {read}" if read else ""
        return f"answered {question['answer']!r}{with_} by {question['by']}, reason: {question['because']}"
    return f"{question['state']}: {question['because']}"


def waiting_answers(journal: Journal, question: dict[str, Any]) -> list[Command]:
    """Answers to a question that no controller has taken yet."""
    waiting = journal.waiting_commands(question["campaign"])
    return [
        one
        for one in waiting
        if one.kind == "answer" and isinstance(one.payload, dict) and one.payload.get("question") == question["id"]
    ]


def said(command: Command) -> str:
    """An answer that no controller has taken yet, in words."""
    read = {**(command.payload.get("readings") or {}), **(command.payload.get("parameters") or {})}
    words = f" with {', '.join(f'{name} = {spelled(value)}' for name, value in read.items())}" if read else ""
    return f"{command.payload.get('answer')!r}{words} by {command.by}, reason: {command.because}"
