"""What the journal says of a deck's material, so that a campaign begins where the one before has ended."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.engine.dirty import Held
from labwright.engine.events import Stocked
from labwright.engine.lab import LabCore
from labwright.engine.reservations import Reservation
from labwright.engine.stocks import Stock, Waste
from labwright.journal import Journal, instruments_words, schema
from labwright.model.instruments import HERE
from labwright.model.lab import LabModel
from labwright.model.material import NL_PER_ML, StockAt, StockFacts, Used, WasteAt
from labwright.model.protocol import Prepared, ProtocolSpec


@dataclass(frozen=True)
class DeckCount:
    """What a deck has left.

    Attributes:
        instruments: which deck.
        stocks: by container; by material where an earlier release has counted them.
        wastes: by name.
        holds: what each position holds.
        inventory: hash of what the lab's files said of it when it was counted last.
        adopted: where the numbers are from, if no controller has recorded them yet; empty otherwise.
        prepared: preparations whose results campaigns share.
        preparing: names of protocols with which a campaign makes such a preparation just now.
        now_s: lab time at which it is asked; where no controller runs, that at which one would start.
    """

    instruments: str
    stocks: Mapping[str, Stock] = field(default_factory=dict)
    wastes: Mapping[str, Waste] = field(default_factory=dict)
    holds: Mapping[str, Held] = field(default_factory=dict)
    inventory: str = ""
    adopted: str = ""
    prepared: tuple[Prepared, ...] = ()
    preparing: Collection[str] = ()
    now_s: float = field(default_factory=time.time)

    def need_not_make(self, protocol: ProtocolSpec, lab_sha256: str) -> bool:
        """Whether a campaign that starts now need not make this preparation: another has, or is making it."""
        known = any(one.holds(protocol, lab_sha256, self.now_s) for one in self.prepared)
        return bool(protocol.valid_s) and (known or protocol.name in self.preparing)

    def fresh(self, kind: str) -> list[str]:
        """Positions that hold an unused container of a kind."""
        return [name for name, held in self.holds.items() if held.fresh and held.kind == kind]


def deck_count(journal: Journal, instruments: str) -> DeckCount | None:
    """What a deck has left; None if it has not been filled since the journal follows what it has."""
    table = schema.event
    counts = sa.select(table.c.kind, table.c.payload).where(
        table.c.campaign == "", table.c.instruments == instruments, table.c.kind.in_(("stocked", "recounted"))
    )
    newest = journal.read(counts.order_by(table.c.id.desc()).limit(1))
    if not newest:
        return None
    payload = orjson.loads(newest[0]["payload"])
    return DeckCount(
        instruments,
        stocks_of(journal, instruments),
        wastes_of(journal, instruments),
        _holds(journal, instruments),
        payload["inventory"],
        prepared=prepared_on(journal, instruments),
    )


def restore_material(journal: Journal, lab: LabCore) -> None:
    """Let a core that has handled the events of some campaigns have what all campaigns have left on its deck.

    What it has promised to the experiments under way is what it has found out itself.
    """
    material, live = lab.material, lab.work.has
    if (count := deck_count(journal, lab.instruments)) is not None:
        stocks, wastes = material.stocks, material.wastes
        material.filled = any(stock.facts.material for stock in count.stocks.values())
        material.stocks = {name: replace(stock, promised=0) for name, stock in count.stocks.items()}
        material.wastes = {name: replace(waste, promised=0) for name, waste in count.wastes.items()}
        for name, stock in stocks.items():
            material.stocks.setdefault(material.find(name), Stock()).promised += stock.promised
        for name, waste in wastes.items():
            material.wastes.setdefault(name, waste).promised = waste.promised
        order = {name: number for number, name in enumerate(material.holds)}  # as it was filled
        holds = sorted(count.holds.items(), key=lambda one: order.get(one[0], len(order)))
        material.holds = dict(holds)
    prepared = count.prepared if count is not None else ()
    if count is None and lab.instruments != HERE:  # which are new, and no fill of them says so
        prepared = prepared_on(journal, lab.instruments)
    lab.work.preparations = {one.protocol: one for one in prepared}
    table = schema.reservation
    for row in journal.rows(table, table.c.instruments == lab.instruments):
        resource, owner, label = row["resource"], row["campaign"], row["label"]
        if resource.startswith("position:") and not live(owner, label) and resource not in lab.reservations.taken:
            lab.reservations.taken[resource] = Reservation(owner, label, "", row["state"])


def from_files(model: LabModel) -> Stocked:
    """What the lab's files say is there, as the first fill of a deck."""
    return Stocked(
        stocks={name: StockAt(facts=one.facts, count=one.count, dead=one.dead) for name, one in model.stocks.items()},
        wastes={
            name: WasteAt(capacity=waste.capacity.count, unit=waste.capacity.unit, station=waste.station)
            for name, waste in model.wastes.items()
        },
        containers={name: position.holds for name, position in model.positions.items()},
        inventory=inventory_sha256(model),
        because="the first fill, as inventory.yaml has it",
    )


def inventory_sha256(model: LabModel) -> str:
    """Hash of what the lab's files say of stocks and containers."""
    dispensed = {name: stock for name, stock in model.stocks.items() if stock.facts.source}
    materials = Counter(stock.material for stock in dispensed.values())
    stocks: dict[str, Any] = {}
    for name, stock in dispensed.items():  # as it was written when a material had one stock, of liquids alone
        key = stock.material if materials[stock.material] == 1 else name
        sizes = (stock.count / NL_PER_ML, stock.dead / NL_PER_ML)
        stocks[key] = sizes if stock.unit == "nL" else (stock.count, stock.unit)
    holds = {name: position.holds for name, position in model.positions.items()}
    return hashlib.sha256(orjson.dumps([stocks, holds], option=orjson.OPT_SORT_KEYS)).hexdigest()


def inventory_words(count: DeckCount, model: LabModel) -> str:
    """What a person should know of a deck's count: that the files have changed since, or what it was taken from."""
    if count.adopted:
        return f"{instruments_words(count.instruments)}: what is left is taken {count.adopted}"
    if count.inventory == inventory_sha256(model):
        return ""
    now = from_files(model)
    stocks = []
    for name, there in now.stocks.items():
        known = count.stocks.get(name) or count.stocks.get(there.facts.material)
        if known is None or known.count != there.count:
            stocks.append(name)
    places = [name for name, kind in now.containers.items() if count.holds.get(name, Held()).kind != kind]
    return (
        f"inventory.yaml has changed since the material of {instruments_words(count.instruments)} was counted last, "
        f"and says otherwise of {', '.join([*stocks, *places]) or 'what must stay'}. It is the first fill only, and is "
        "not taken by itself: count what is there (labwright inventory count STOCK=AMOUNT POSITION=CONTAINER), or take "
        "all that it says (labwright inventory count --from-file)"
    )


def stocks_of(journal: Journal, instruments: str) -> dict[str, Stock]:
    """The stocks of a deck as the tables have them."""
    table = schema.stock
    rows = journal.rows(table, table.c.instruments == instruments, order=table.c.name)
    return {
        row["name"]: Stock(
            row["count"],
            row["dead"],
            Used(amount=row["used"], unknown=row["unknown"]),
            row["reserved"],
            row["since_s"],
            StockFacts.model_validate_json(row["facts"]) if row["facts"] else StockFacts(),
            orjson.loads(row["doubts"]) if row["doubts"] else [],
        )
        for row in rows
    }


def wastes_of(journal: Journal, instruments: str) -> dict[str, Waste]:
    """The wastes of a deck as the tables have them."""
    table = schema.waste
    rows = journal.rows(table, table.c.instruments == instruments, order=table.c.name)
    names = ("capacity", "unit", "level", "unknown", "station")
    return {row["name"]: Waste(**{name: row[name] for name in names}, promised=row["reserved"]) for row in rows}


def prepared_on(journal: Journal, instruments: str) -> tuple[Prepared, ...]:
    """Preparations on a deck whose results campaigns share."""
    table = schema.preparation
    rows = journal.rows(table, table.c.instruments == instruments, order=table.c.protocol)
    names = [name for name in Prepared.model_fields if name in table.c]
    return tuple(
        Prepared.model_validate(
            {
                **{name: row[name] for name in names},
                "results": orjson.loads(row["results"]),
                "stations": _stations(journal, row["campaign"], row["protocol"]),
            }
        )
        for row in rows
    )


def _stations(journal: Journal, campaign: str, protocol: str) -> tuple[str, ...]:
    """Stations of a protocol, as a campaign has started with it; none if that is not known."""
    event = schema.event
    first = sa.select(event.c.payload).where(event.c.campaign == campaign, event.c.kind == "started")
    for row in journal.read(first.order_by(event.c.id).limit(1)):
        for one in orjson.loads(row["payload"]).get("protocols", ()):
            if one["name"] == protocol:
                return tuple(sorted({str(step["station"]) for step in one["steps"]}))
    return ()


def _holds(journal: Journal, instruments: str) -> dict[str, Held]:
    table = schema.position
    rows = journal.rows(table, table.c.instruments == instruments, order=table.c.name)
    return {
        row["name"]: Held(row["holds"], row["campaign"], row["label"], row["since_s"], bool(row["used_up"]))
        for row in rows
    }
