"""`labwright question list` and `answer`: what only a person can decide, and the task cards of steps that people do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labwright.cli.output import console, counted, emit, table
from labwright.cli.sites import Place, done, seen
from labwright.cli.words import answer_command, edits_words, readings_of, when
from labwright.engine.answering import Given, answer_open, became
from labwright.facts.questions import question_facts
from labwright.journal import instruments_words
from labwright.journal.asking import refuse_unnamed
from labwright.model.errors import ConfigError
from labwright.model.figures import spelled

if TYPE_CHECKING:
    from labwright.client import Client


def list_questions(place: Place, *, everything: bool, json: bool) -> None:
    """Open questions and task cards, or all there were."""
    found = seen(
        place,
        lambda journal: question_facts(journal, everything=everything),
        lambda client: client.questions.facts(everything=everything),
    )
    rows, name, option = found.facts, found.name, found.option
    if json:
        for one in rows:
            emit(one)
        return
    if not rows:
        console.print(
            f"{name}: no {'question was ever asked' if everything else 'open questions or task cards'}", markup=False
        )
        return
    shown = [
        (
            one["id"],
            one["kind"],
            when(one["asked_s"]) if one["asked_s"] else "",
            one["text"],
            "\n".join([*(f"{answer}: {means}" for answer, means in one["choices"].items()), *edits_words(one)]),
            one["state"] if one["state"] == "open" else became(one),
            one["kept"],
        )
        for one in rows
    ]
    columns = ("question", "kind", "asked (UTC)", "what is asked", "answers", "state", "recorded answer")
    cards = sum(one["kind"] == "task" for one in rows)
    open_ = "" if everything else "open "
    counts = [counted(len(rows) - cards, f"{open_}question")] if len(rows) > cards else []
    counts += [counted(cards, f"{open_}task card")] if cards else []
    table(f"{name}: {', '.join(counts)}", columns, shown, json=False)
    for one in rows:
        if one["state"] == "open":
            print(answer_command(one["id"], option, readings_of(one)))  # noqa: T201 - to be copied, so no table may wrap it


def answer_question(
    place: Place,
    question: str,
    answer: str,
    *,
    readings: Sequence[str],
    parameters: Sequence[str] = (),
    by: str,
    because: str,
    json: bool,
) -> None:
    """Answer a question or sign a task card, and say what comes of it.

    Args:
        place: of the journal, or a service.
        question: its id.
        answer: one of its choices.
        readings: of a task card that is done, each as ``NAME=VALUE``.
        parameters: other values to repeat a step with, each as ``NAME=VALUE``.
        by: the person.
        because: what that person has seen or done.
        json: whether a program reads what comes of it.

    Raises:
        ConfigError: there is no such question, answer or value, or the person or the reason is not named.
        RefusedError: it was answered before, or the controller refuses.
    """
    typed = _typed("--reading", readings, "torque=1.2")
    changed = _typed("--set", parameters, "hold_s=120")

    def there(client: Client) -> Given:
        refuse_unnamed(by, because)
        facts = client.questions.answer(question, answer, because, readings=typed, parameters=changed)
        read, edited = facts["readings"], facts.get("parameters", {})
        return Given(facts["campaign"], "", facts["means"], taken=True, readings=read, parameters=edited)

    given = done(
        place,
        lambda journal: answer_open(
            journal, question, answer, by=by, because=because, readings=typed, parameters=changed
        ),
        there,
    )
    for words in given.withdrawn:
        console.print(f"the answer {words} was not taken yet and is withdrawn", markup=False)
    if json:
        said = {"question": question, "answer": answer, "campaign": given.campaign, "taken": given.taken}
        emit({**said, "readings": given.readings, "parameters": given.parameters})
        return
    if given.deck is not None:
        given_up = f"{given.campaign} is given up. " if given.deck.interrupted else ""
        words = (
            f"{question} is answered and recorded. {given_up}The next campaign on "
            f"{instruments_words(given.deck.instruments)} may start: labwright campaign run NAME"
        )
    elif given.taken:
        values = {**given.readings, **given.parameters}
        read = "".join(f"; {name} = {spelled(value)}" for name, value in values.items())
        words = f"{question} is answered: {given.means}{read}"
    else:
        words = (
            f"Answer recorded for {question} ({given.means}). No controller runs this campaign now; the answer takes "
            f"effect when the campaign is resumed: labwright campaign run {given.name}"
        )
    console.print(words, style="bold", markup=False)


def _typed(option: str, given: Sequence[str], example: str) -> dict[str, str]:
    """Values as they were typed.

    Args:
        option: that they were given with.
        given: each as ``NAME=VALUE``.
        example: of one.

    Raises:
        ConfigError: one is not NAME=VALUE, or is given twice.
    """
    found: dict[str, str] = {}
    for words in given:
        name, equals, value = words.partition("=")
        if not (equals and name.strip()):
            raise ConfigError(f"{option} {words}: write NAME=VALUE, as in {option} {example}; nothing was recorded")
        if name.strip() in found:
            raise ConfigError(f"{option} {name.strip()} is given twice; nothing was recorded")
        found[name.strip()] = value.strip()
    return found
