"""A person has counted what a deck has: recorded where no controller runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import sqlalchemy as sa

from labwright.engine.events import ENGINE, Booked, Recounted
from labwright.engine.inventory import DeckCount, deck_count, inventory_sha256
from labwright.engine.lab import LabCore
from labwright.engine.recording import recorded
from labwright.engine.recovery import rebuilt_lab, used_so_far
from labwright.engine.stocks import Stock, Waste, named
from labwright.engine.tables import take_changes
from labwright.engine.work import IllegalEventError
from labwright.journal import Journal, StepJournal, instruments_words, schema
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.instruments import HERE
from labwright.model.lab import LabModel
from labwright.model.material import StockAt, Used
from labwright.model.quantities import Counted
from labwright.model.states import OVER


class Known(Protocol):
    """What a deck is known to have."""

    @property
    def stocks(self) -> Mapping[str, Stock]:
        """By name."""

    @property
    def wastes(self) -> Mapping[str, Waste]:
        """By name."""


def recount_of(
    model: LabModel,
    material: Known,
    counts: Mapping[str, int],
    containers: Mapping[str, str],
    *,
    by: str,
    because: str,
) -> Recounted:
    """What a person has counted, as an event; what steps under way have used by then is not in it yet.

    Args:
        model: the lab, as its files have it.
        material: what its deck is known to have.
        counts: by container, source, material or waste, in the smallest unit.
        containers: by position; empty where none is.
        by: the person.
        because: why.

    Raises:
        ConfigError: every name that is not known.
    """
    wrong = []
    stocks: dict[str, StockAt] = {}
    others: dict[str, int] = {}
    for name, count in counts.items():
        try:
            key, _ = counted_as(model, material, name)
        except ConfigError as error:
            wrong.append(str(error))
            continue
        if key in model.stocks:
            stocks[key] = StockAt(facts=model.stocks[key].facts, count=count, dead=min(model.stocks[key].dead, count))
        else:
            others[key] = count
    wrong += [unknown("position", name, list(model.positions)) for name in containers if name not in model.positions]
    for name, held in containers.items():
        kind = _kind(model, material, held)
        if held and kind not in model.labware:
            wrong.append(unknown("labware or container", held, [*model.labware, *model.containers]))
        elif held and name in model.positions and kind not in model.positions[name].takes:
            wrong.append(f"position {name} takes {', '.join(model.positions[name].takes)}, not a {kind}")
    if wrong:
        raise ConfigError("; ".join(wrong))
    return Recounted(
        counts=others,
        stocks=stocks,
        containers=dict(containers),
        inventory=inventory_sha256(model),
        by=by,
        because=because,
    )


def counted_as(model: LabModel, material: Known, name: str) -> tuple[str, Counted]:
    """The stock or waste that a person counts, and its smallest unit: what the deck has goes before the lab's files.

    Raises:
        ConfigError: there is none, several are meant, or another container is now where the lab's files have it.
    """
    if name in material.wastes:
        return name, material.wastes[name].unit
    found = named(material.stocks, name)
    if len(found) > 1:
        raise ConfigError(f"several containers hold {name}: {', '.join(found)}; name the one that was counted")
    if found and material.stocks[found[0]].facts.material:
        return found[0], material.stocks[found[0]].unit
    if key := model.stock_named(name):  # that the books do not have, or that an earlier release has by its material
        place = model.stocks[key].facts.place
        for other, stock in material.stocks.items():
            if place and stock.facts.place == place:
                raise ConfigError(
                    f"{key} is not in the books any more, and {other} is now at {place}; receive it under a name of "
                    "its own (labwright inventory receive)"
                )
        return key, model.stocks[key].unit
    if found:
        return found[0], material.stocks[found[0]].unit
    if name in model.wastes:
        return name, model.wastes[name].capacity.unit
    known = [*material.stocks, *model.stocks, *model.sources, *material.wastes]
    raise ConfigError(unknown("stock or waste", name, list(dict.fromkeys(known))))


def _kind(model: LabModel, material: Known, held: str) -> str:
    """The kind of labware of what a position holds."""
    if held in model.containers:
        return model.containers[held].labware
    return material.stocks[held].facts.labware if held in material.stocks else held


def under_way_used(lab: LabCore, steps: StepJournal) -> dict[str, dict[str, Used]]:
    """What the steps under way have taken of the stocks by now, by step and stock."""
    return {key: used for core in lab.campaigns.values() for key, used in used_so_far(steps, core).items()}


def recount_alone(
    journal: Journal,
    model: LabModel,
    instruments: str,
    counts: Mapping[str, int],
    containers: Mapping[str, str],
    *,
    by: str,
    because: str,
) -> None:
    """Record what a person has counted, where no controller runs.

    Raises:
        ConfigError: the lab has no such stock, position or container.
        RefusedError: a controller runs, the deck was never filled, or what is counted is in use by a campaign that was
            interrupted.
    """

    def counted(count: DeckCount, lab: LabCore) -> Recounted:
        event = recount_of(model, count, counts, containers, by=by, because=because)
        return event.model_copy(update={"used": under_way_used(lab, StepJournal(journal))})

    record_alone(journal, instruments, counted, by)


def record_alone(
    journal: Journal, instruments: str, made: Callable[[DeckCount, LabCore], Recounted | Booked], by: str
) -> None:
    """Record what a person says of a deck, where no controller runs.

    Args:
        journal: of the lab.
        instruments: which deck.
        made: makes the event, from what the deck has and its core with the campaigns that are not over.
        by: the person.

    Raises:
        ConfigError: there is no such thing.
        RefusedError: a controller runs, the deck was never filled, or it is about what an interrupted campaign uses.
    """
    journal.claim()
    if instruments == HERE:
        raise RefusedError("instruments simulated in a process that has ended are gone; the next ones come back full")
    count = deck_count(journal, instruments)
    if count is None:
        raise RefusedError(
            f"{instruments_words(instruments)}: nothing was recorded yet of what is there. The first campaign takes "
            "what inventory.yaml says: write it there"
        )
    table = schema.campaign
    open_ = journal.rows(table, table.c.instruments == instruments, table.c.state.not_in(OVER))
    lab = rebuilt_lab(journal, *(str(row["id"]) for row in open_), instruments=instruments)
    event, now_s = made(count, lab), time.time()
    try:
        lab.handle("", event, now_s)
    except IllegalEventError as error:
        names = ", ".join(str(row["id"]) for row in open_)
        interrupted = f". {names} was interrupted: resume it first" if open_ else ""
        raise RefusedError(f"{error}{interrupted}; nothing was recorded") from error
    journal.control(by, instruments=instruments, engine=ENGINE)
    journal.record([recorded(event, now_s, take_changes(lab), lab.instruments)])


def decks(journal: Journal) -> list[str]:
    """Decks whose material the journal knows, those of processes that have ended left out."""
    event = schema.event
    filled = sa.select(event.c.instruments).where(event.c.campaign == "", event.c.kind == "stocked").distinct()
    return sorted(str(row["instruments"]) for row in journal.read(filled))
