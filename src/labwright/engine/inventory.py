"""What the journal says of a deck's material, so that a campaign begins where the one before has ended."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import orjson
import sqlalchemy as sa

from labwright.engine.dirty import Held
from labwright.engine.events import Recounted, Stocked
from labwright.engine.lab import LabCore
from labwright.engine.material import Lot
from labwright.engine.reservations import Reservation
from labwright.journal import Journal, instruments_words, schema
from labwright.model.instruments import HERE
from labwright.model.lab import LabModel
from labwright.model.material import Used, nanolitres
from labwright.model.protocol import Prepared, ProtocolSpec


@dataclass(frozen=True)
class DeckCount:
    """What a deck has left.

    Attributes:
        instruments: which deck.
        lots: by stock.
        holds: what each position holds.
        inventory: hash of what the lab's files said of it when it was counted last.
        adopted: where the numbers are from, if no controller has recorded them yet; empty otherwise.
        prepared: preparations whose results campaigns share.
        preparing: names of protocols with which a campaign makes such a preparation just now.
        now_s: lab time at which it is asked; where no controller runs, that at which one would start.
    """

    instruments: str
    lots: Mapping[str, Lot] = field(default_factory=dict)
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
    lots, holds = lots_of(journal, instruments), _holds(journal, instruments)
    return DeckCount(instruments, lots, holds, payload["inventory"], prepared=_prepared(journal, instruments))


def restore_material(journal: Journal, lab: LabCore) -> None:
    """Let a core that has handled the events of some campaigns have what all campaigns have left on its deck.

    What it has promised to the experiments under way is what it has found out itself.
    """
    material, live = lab.material, lab.work.has
    if (count := deck_count(journal, lab.instruments)) is not None:
        found = material.lots
        material.lots = {name: replace(lot, promised_nl=0) for name, lot in count.lots.items()}
        for name, lot in found.items():
            material.lots.setdefault(name, Lot()).promised_nl = lot.promised_nl
        order = {name: number for number, name in enumerate(material.holds)}  # as it was filled
        holds = sorted(count.holds.items(), key=lambda one: order.get(one[0], len(order)))
        material.holds = dict(holds)
    prepared = count.prepared if count is not None else ()
    if count is None and lab.instruments != HERE:  # which are new, and no fill of them says so
        prepared = _prepared(journal, lab.instruments)
    lab.work.preparations = {one.protocol: one for one in prepared}
    table = schema.reservation
    for row in journal.rows(table, table.c.instruments == lab.instruments):
        resource, owner, label = row["resource"], row["campaign"], row["label"]
        if resource.startswith("position:") and not live(owner, label) and resource not in lab.reservations.taken:
            lab.reservations.taken[resource] = Reservation(owner, label, "", row["state"])


def from_files(model: LabModel) -> Stocked:
    """What the lab's files say is there, as the first fill of a deck."""
    return Stocked(
        lots_nl={name: nanolitres(stock.volume_ml) for name, stock in model.stocks.items()},
        dead_nl={name: nanolitres(stock.reserve_ml) for name, stock in model.stocks.items()},
        containers={name: position.holds for name, position in model.positions.items()},
        inventory=inventory_sha256(model),
        because="the first fill, as inventory.yaml has it",
    )


def inventory_sha256(model: LabModel) -> str:
    """Hash of what the lab's files say of stocks and containers."""
    stocks = {name: (stock.volume_ml, stock.reserve_ml) for name, stock in model.stocks.items()}
    holds = {name: position.holds for name, position in model.positions.items()}
    return hashlib.sha256(orjson.dumps([stocks, holds], option=orjson.OPT_SORT_KEYS)).hexdigest()


def inventory_words(count: DeckCount, model: LabModel) -> str:
    """What a person should know of a deck's count: that the files have changed since, or what it was taken from."""
    if count.adopted:
        return f"{instruments_words(count.instruments)}: what is left is taken {count.adopted}"
    if count.inventory == inventory_sha256(model):
        return ""
    now = from_files(model)
    stocks = [name for name, nl in now.lots_nl.items() if name not in count.lots or count.lots[name].count_nl != nl]
    places = [name for name, kind in now.containers.items() if count.holds.get(name, Held()).kind != kind]
    return (
        f"inventory.yaml has changed since the material of {instruments_words(count.instruments)} was counted last, "
        f"and says otherwise of {', '.join([*stocks, *places]) or 'what must stay'}. It is the first fill only, and is "
        "not taken by itself: count what is there (labwright inventory recount STOCK=ML POSITION=CONTAINER), or take "
        "all that it says (labwright inventory recount --from-file)"
    )


def recount_of(
    model: LabModel, lots_ml: Mapping[str, float], containers: Mapping[str, str], *, by: str, because: str
) -> Recounted:
    """What a person has counted, as an event; what steps under way have used by then is not in it yet."""
    dead = {name: nanolitres(model.stocks[name].reserve_ml) for name in lots_ml if name in model.stocks}
    return Recounted(
        lots_nl={name: nanolitres(ml) for name, ml in lots_ml.items()},
        dead_nl=dead,
        containers=dict(containers),
        inventory=inventory_sha256(model),
        by=by,
        because=because,
    )


def lots_of(journal: Journal, instruments: str) -> dict[str, Lot]:
    """The stocks of a deck as the tables have them."""
    table = schema.lot
    rows = journal.rows(table, table.c.instruments == instruments, order=table.c.name)
    return {
        row["name"]: Lot(
            row["count_nl"],
            row["dead_nl"],
            Used(nl=row["used_nl"], unknown_nl=row["unknown_nl"]),
            row["reserved_nl"],
            row["since_s"],
        )
        for row in rows
    }


def _prepared(journal: Journal, instruments: str) -> tuple[Prepared, ...]:
    table = schema.preparation
    rows = journal.rows(table, table.c.instruments == instruments, order=table.c.protocol)
    names = Prepared.model_fields
    return tuple(
        Prepared.model_validate({**{name: row[name] for name in names}, "results": orjson.loads(row["results"])})
        for row in rows
    )


def _holds(journal: Journal, instruments: str) -> dict[str, Held]:
    table = schema.position
    rows = journal.rows(table, table.c.instruments == instruments, order=table.c.name)
    return {
        row["name"]: Held(row["holds"], row["campaign"], row["label"], row["since_s"], bool(row["used_up"]))
        for row in rows
    }
