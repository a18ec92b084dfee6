"""`labwright question list` and `answer`: what only a person can decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labwright.cli.output import console, counted, emit, table
from labwright.cli.sites import Place, done, seen
from labwright.cli.words import answer_command, when
from labwright.engine.answering import Given, answer_open, became
from labwright.facts.questions import question_facts
from labwright.journal import instruments_words
from labwright.journal.asking import refuse_unnamed

if TYPE_CHECKING:
    from labwright.client import Client


def list_questions(place: Place, *, everything: bool, json: bool) -> None:
    """Open questions, or all there were."""
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


def answer_question(place: Place, question: str, answer: str, *, by: str, because: str, json: bool) -> None:
    """Answer a question, and say what comes of it.

    Raises:
        ConfigError: there is no such question or answer, or the person or the reason is not named.
        RefusedError: it was answered before, or the controller refuses.
    """

    def there(client: Client) -> Given:
        refuse_unnamed(by, because)
        facts = client.questions.answer(question, answer, because)
        return Given(facts["campaign"], "", facts["means"], taken=True)

    given = done(place, lambda journal: answer_open(journal, question, answer, by=by, because=because), there)
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
