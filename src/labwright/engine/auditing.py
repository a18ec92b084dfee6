"""Whether a deck's ledger adds up, and agrees with what else the journal says of containers, samples and wastes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from labwright.engine.tracing import summed
from labwright.journal import Journal, schema
from labwright.model.lab import LabModel
from labwright.model.material import OUTSIDE, container_place, said, sample_place, waste_place
from labwright.model.quantities import Counted
from labwright.model.rows import Row

MOVE = "to-"
"""What begins the name of a move that the dispatcher has made."""


@dataclass(frozen=True)
class _Deck:
    """A deck as its tables have it at one moment."""

    entries: list[Row]
    stocks: list[Row]
    wastes: list[Row]
    positions: list[Row]
    samples: list[Row]
    moves: list[Row]
    balance: Counter[tuple[str, Counted]] = field(init=False, default_factory=Counter)
    doubt: Counter[str] = field(init=False, default_factory=Counter)


def audit(journal: Journal, instruments: str, model: LabModel | None = None) -> list[str]:
    """Where the ledger of a deck does not add up, or the deck's tables disagree; in words. A controller may run.

    Held are: conservation, nothing below zero, the capacity of containers and wastes, one container in one place,
    and that a sample stands where its last confirmed move has brought it.

    Args:
        journal: only read.
        instruments: which deck.
        model: the lab, for the capacity of its labware; it is left out if None.
    """
    deck = _read(journal, instruments)
    for flow in summed(deck.entries):
        for place, sign in ((flow.put_into, 1), (flow.taken_from, -1)):
            deck.balance[place, flow.unit] += sign * flow.amount
            deck.doubt[place] += sign * flow.unknown
    return [
        *_below_zero(deck),
        *_stocks(deck),
        *_wastes(deck),
        *_places(deck),
        *_moves(deck),
        *(_capacity(deck, model) if model is not None else ()),
    ]


def _read(journal: Journal, instruments: str) -> _Deck:
    step, sample = schema.step, schema.sample
    here = [
        sa.select(table).where(table.c.instruments == instruments)
        for table in (schema.ledger, schema.stock, schema.waste, schema.position, schema.sample)
    ]
    moves = sa.select(step).where(
        step.c.state == "done",
        step.c.name.like(f"{MOVE}%"),
        step.c.campaign.in_(sa.select(sample.c.campaign).where(sample.c.instruments == instruments)),
    )
    return _Deck(*journal.read_together(*here, moves))


def _below_zero(deck: _Deck) -> Iterator[str]:
    for (place, unit), left in deck.balance.items():
        if left < 0 and place != OUTSIDE:
            yield f"{place} holds {said(left, unit)}: more has left it than was ever there"


def _stocks(deck: _Deck) -> Iterator[str]:
    for row in deck.stocks:
        place, unit, left = container_place(row["name"]), row["unit"], row["count"] - row["used"]
        if deck.balance[place, unit] != left:
            entries, count = said(deck.balance[place, unit], unit), said(left, unit)
            yield f"{place} does not add up: {entries} are there by its entries, {count} by its count"
        if -deck.doubt[place] != row["unknown"]:
            entries = said(-deck.doubt[place], unit)
            yield f"{place}: {said(row['unknown'], unit)} may be gone by its count, {entries} by its entries"
        if min(row["reserved"], row["unknown"]) < 0:
            yield f"{place}: less than nothing is reserved, or in doubt"


def _wastes(deck: _Deck) -> Iterator[str]:
    for row in deck.wastes:
        place, unit = waste_place(row["name"]), row["unit"]
        if deck.balance[place, unit] != row["level"]:
            entries = said(deck.balance[place, unit], unit)
            level = said(row["level"], unit)
            yield f"{place} does not add up: {entries} are in it by its entries, {level} by its level"
        if row["capacity"] is not None and row["level"] > row["capacity"]:
            yield f"{place} holds {said(row['level'], unit)}, and can hold {said(row['capacity'], unit)}"


def _places(deck: _Deck) -> Iterator[str]:
    """One container in one place."""
    stocks = {row["name"] for row in deck.stocks}
    yield from _twice("container", ((row["holds"], row["name"]) for row in deck.positions if row["holds"] in stocks))
    samples = ((f"{row['campaign']}/{row['label']}", row["name"]) for row in deck.positions if _of_sample(row))
    yield from _twice("sample", samples)


def _twice(what: str, found: Iterable[tuple[str, str]]) -> Iterator[str]:
    at: dict[str, str] = {}
    for name, position in found:
        if (first := at.setdefault(name, position)) != position:
            yield f"{what} {name} stands in {first} and in {position}"


def _moves(deck: _Deck) -> Iterator[str]:
    """A sample stands where its last confirmed move has brought it."""
    standing = {(row["campaign"], row["label"]): row["name"] for row in deck.positions if _of_sample(row)}
    last: dict[tuple[str, str], Row] = {}
    for row in deck.moves:
        key = (row["campaign"], row["label"])
        if row["ended_s"] is not None and (key not in last or row["ended_s"] > last[key]["ended_s"]):
            last[key] = row
    for row in deck.samples:
        key = (row["campaign"], row["label"])
        name, at = "/".join(key), standing.get(key, "")
        if row["disposition"] in ("under way", "in the lab") and row["labware"] and row["place"] and at != row["place"]:
            yield f"sample {name} is at {row['place']}, its container at {at or 'no position'}"
        if at and key in last and (end := str(last[key]["name"]).removeprefix(MOVE)) != at:
            yield f"sample {name} stands in {at}, but its last move went to {end}"


def _of_sample(position: Mapping[str, Any]) -> bool:
    return bool(position["holds"] and position["campaign"] and not position["used_up"])


def _capacity(deck: _Deck, model: LabModel) -> Iterator[str]:
    """Containers that would have run over."""
    kinds = {container_place(name): container.labware for name, container in model.vessels.items()}
    kinds |= {sample_place(f"{row['campaign']}/{row['label']}"): row["labware"] for row in deck.samples}
    for place, kind in kinds.items():
        capacity_ul = model.labware[kind].capacity_ul if kind in model.labware else None
        if capacity_ul is not None and deck.balance[place, "nL"] > 1000 * capacity_ul:
            room = said(1000 * capacity_ul, "nL")
            yield f"{place}: {said(deck.balance[place, 'nL'], 'nL')} in a {kind}, which holds {room}"
