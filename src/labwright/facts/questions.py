"""Questions that only a person can answer, as JSON."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa

from labwright.engine.answering import open_questions, said, waiting_answers
from labwright.journal import Journal, schema


def question_facts(
    journal: Journal, *, everything: bool = False, label: tuple[str, str] | None = None
) -> list[dict[str, Any]]:
    """Open questions, about samples and decks, and task cards; with `everything` those that are no longer open too.

    Args:
        journal: that has them.
        everything: those that were answered or withdrawn too.
        label: campaign and label of the experiment that they are about; all if None.
    """
    return [
        {**one, "asked_s": _asked_s(journal, one), "kept": _kept_words(journal, one)}
        for one in open_questions(journal, everything=everything)
        if label is None or (one["campaign"], one["label"]) == label
    ]


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
