"""Questions that only a person answers: which are open, and how an answer comes to its campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labwright.engine.deck import DeckQuestion, answer_deck, deck_questions
from labwright.journal import Command, Journal, schema
from labwright.journal.asking import ask_controller, deck_of, wait
from labwright.journal.reading import choose, controller, questions_of
from labwright.model.errors import ConfigError, RefusedError, unknown
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
    """

    campaign: str
    name: str
    means: str
    taken: bool
    withdrawn: tuple[str, ...] = ()
    deck: DeckQuestion | None = None


def open_questions(journal: Journal, *, everything: bool = False) -> list[dict[str, Any]]:
    """Open questions, about samples and about decks; with `everything` those that were answered or withdrawn too."""
    rows = questions_of(journal, *([] if everything else [schema.question.c.state == "open"]))
    return rows + [{**one.row(), "choices": one.choices, "asked_s": one.asked_s} for one in _decks(journal).values()]


def answer_open(journal: Journal, question: str, answer: str, *, by: str, because: str) -> Given:
    """Answer a question: at once where its campaign runs or if it is about a deck, otherwise when it is resumed.

    Raises:
        ConfigError: there is no such question or answer, or the person or the reason is not named.
        RefusedError: it was answered before, or the controller refuses.
        JournalError: the journal refuses.
    """
    if not by.strip() or not because.strip():
        raise ConfigError(
            "--by and --reason must name the person and the reason: the journal records both; nothing was recorded"
        )
    asked = _open_question(journal, question)
    if (deck := _decks(journal).get(question)) is not None:
        if journal.controlled() and deck_of(journal) == deck.instruments:  # it knows what is left there, and forgets it
            deck.check(answer)
            ask_controller(journal, "check_deck", {"question": question, "answer": answer}, by=by, because=because)
        else:
            answer_deck(journal, deck, answer, by=by, because=because)
        return Given(deck.campaign, deck.name, deck.choices[answer], taken=True, deck=deck)
    if answer not in asked["choices"]:
        means = "".join(f"\n  {one}: {what}" for one, what in asked["choices"].items())
        raise ConfigError(f"{unknown(f'answer to {question}', answer, list(asked['choices']))}{means}")
    old = waiting_answers(journal, asked)  # a second thought must not be overtaken by the first
    withdrawn = tuple(said(one) for one in old if journal.withdraw(one.id, f"answered again by {by}"))
    campaign = asked["campaign"]
    number = journal.command(campaign, "answer", {"question": question, "answer": answer}, by=by, because=because)
    told = None
    if controller(journal).may_run(campaign):
        told = wait(journal, number, lambda: choose(journal, campaign)["state"] in OVER)
    if told is not None and told != "done":
        raise RefusedError(f"the controller refuses the answer to {question}: {told}")
    name = str(choose(journal, campaign)["name"])
    return Given(campaign, name, asked["choices"][answer], taken=told is not None, withdrawn=withdrawn)


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
    all_ |= {name: {**one.row(), "choices": one.choices} for name, one in _decks(journal).items()}
    if question in all_:
        if all_[question]["state"] != "open":
            raise RefusedError(f"{question} is no longer open: {became(all_[question])}; nothing was recorded")
        return all_[question]
    known = [name for name, one in all_.items() if one["state"] == "open"]
    raise ConfigError(f"{journal.name}: {unknown('open question', question, known)}")


def became(question: dict[str, Any]) -> str:
    """What became of a question that is no longer open."""
    if question["state"] == "answered":
        return f"answered {question['answer']!r} by {question['by']}, reason: {question['because']}"
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
    return f"{command.payload.get('answer')!r} by {command.by}, reason: {command.because}"
