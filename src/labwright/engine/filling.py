"""The first fill of a deck: from the lab's files, or as campaigns of an earlier version have left it."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from labwright.engine.deck import deck_question
from labwright.engine.dirty import DirtyRows
from labwright.engine.events import Relabelled, Stocked
from labwright.engine.inventory import DeckCount, deck_count, from_files, stocks_of, wastes_of
from labwright.engine.material import Material, booked
from labwright.engine.stocks import Stock
from labwright.journal import Journal, schema
from labwright.lab import Lab
from labwright.model.instruments import HERE
from labwright.model.lab import LabModel
from labwright.model.material import StockAt


def left_on(journal: Journal, lab: Lab) -> DeckCount | None:
    """What is left on a lab's deck; None if it is as the lab's files say: it has not been filled yet.

    Instruments that are simulated in this process come back full with it, whatever the journal knows of others.
    """
    if lab.instruments == HERE and not lab.filled:
        return None
    count = left_at(journal, lab.model, lab.instruments)
    return None if count is None else replace(count, now_s=lab.clock.now())


def left_at(journal: Journal, model: LabModel, instruments: str) -> DeckCount | None:
    """What is left on the deck of instruments that outlive their controller; None if it has not been filled yet."""
    count = deck_count(journal, instruments)
    if count is not None or not _newest_on(journal, instruments):
        return count
    filled = first_fill(journal, model, instruments, "")  # what a controller will find there
    if filled is None:
        return None
    material = Material(DirtyRows())
    material.fill(filled)
    return DeckCount(
        instruments, material.stocks, material.wastes, material.holds, filled.inventory, adopted=filled.because
    )


def first_fill(journal: Journal, model: LabModel, instruments: str, by: str, *, new: bool = False) -> Stocked | None:
    """The event that gives a deck its first material; None if it has some, or the lab handles none.

    Where campaigns of an earlier version have run on the deck, what they have left is the first count: nothing is
    taken to be refilled.

    Args:
        journal: of the lab.
        model: what its files say.
        instruments: which deck.
        by: who starts the controller.
        new: whether the deck is new, whatever the journal knows of others of its name.
    """
    if not (model.stocks or model.positions):
        return None
    if not new and deck_count(journal, instruments) is not None:
        return None
    before = booked(stocks_of(journal, instruments), wastes_of(journal, instruments)) if new else {}
    filled = from_files(model).model_copy(update={"by": by, "gone": before})
    if new or not (newest := _newest_on(journal, instruments)):
        return filled
    left = {model.stock_named(name): stock for name, stock in stocks_of(journal, instruments).items()}
    table = schema.position
    taken = journal.rows(table, table.c.instruments == instruments, table.c.campaign == newest)
    gone = {row["name"] for row in taken if row["name"] in model.positions}
    return filled.model_copy(
        update={
            "stocks": {
                name: there if name not in left else _as_left(there, left[name])
                for name, there in filled.stocks.items()
            },
            "containers": {name: "" if name in gone else kind for name, kind in filled.containers.items()},
            "used_up": _used_up(journal, instruments),
            "because": f"as {newest}, of an earlier version, has left it; what was refilled since has to be counted",
        }
    )


def relabelled_by(journal: Journal, model: LabModel, instruments: str, by: str) -> Relabelled | None:
    """The event by which stocks that an earlier release has counted by material are known by their containers.

    None if there are none, or the lab's files name no containers.
    """
    stocks = stocks_of(journal, instruments)
    if not model.stocks or not stocks or any(stock.facts.material for stock in stocks.values()):
        return None
    filled = from_files(model)
    return Relabelled(stocks=filled.stocks, wastes=filled.wastes, by=by)


def _as_left(there: StockAt, left: Stock) -> StockAt:
    """A stock of the lab's files with what a campaign of an earlier release has left of it."""
    return there.model_copy(update={"count": max(0, left.usable) + there.dead, "unknown": left.used.unknown})


def _newest_on(journal: Journal, instruments: str) -> str:
    """Id of the newest campaign on a deck; empty if there was none."""
    table, event = schema.campaign, schema.event
    began = sa.select(sa.func.min(event.c.id)).where(event.c.campaign == table.c.id).scalar_subquery()
    rows = journal.read(sa.select(table.c.id).where(table.c.instruments == instruments).order_by(began.desc()).limit(1))
    return str(rows[0]["id"]) if rows else ""


def _used_up(journal: Journal, instruments: str) -> dict[str, str]:
    """What was used up on a deck, and no person has replaced: by position, the experiment that has."""
    question = deck_question(journal, instruments)
    if question is None:
        return {}
    return {place: f"{question.campaign}/{protocol}" for place, protocol in question.used_up}
