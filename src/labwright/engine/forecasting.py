"""How long each material, waste and kind of container lasts, by what the campaigns under way have taken so far."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from labwright.engine.inventory import DeckCount, deck_count
from labwright.journal import Journal, schema
from labwright.model.quantities import Counted
from labwright.model.states import OVER


@dataclass(frozen=True)
class Forecast:
    """How long something lasts.

    Attributes:
        what: a material, a waste, or a kind of container.
        kind: which of these.
        unit: the smallest unit.
        left: what another experiment can be promised: of a waste, its room.
        each: what one experiment takes, the mean over those that are over and the campaigns under way.
        wanted: what the experiments that are left would take.
        lasts_for: experiments that it lasts for; None if it is not known yet what one takes.
        until_s: lab time at which it runs out at the present pace; None if it lasts, or the pace is not known.
    """

    what: str
    kind: str
    unit: Counted
    left: int
    each: float
    wanted: float
    lasts_for: int | None
    until_s: float | None

    @property
    def lasts(self) -> bool:
        """Whether it lasts for all that the campaigns under way still want."""
        return self.left >= self.wanted


@dataclass(frozen=True)
class _Demand:
    """What one campaign under way takes.

    Attributes:
        left: experiments that it may still make.
        each: what one takes, by material, waste and kind of container.
        every_s: lab seconds from one to the next; None if that is not known yet.
    """

    left: int
    each: Mapping[str, float]
    every_s: float | None


def forecast(journal: Journal, instruments: str) -> list[Forecast]:
    """How long what a deck has lasts for the campaigns that are not over; empty if there are none."""
    count = deck_count(journal, instruments)
    if count is None:
        return []
    table, event = schema.campaign, schema.event
    open_ = journal.rows(table, table.c.instruments == instruments, table.c.state.not_in(OVER))
    newest = sa.select(sa.func.max(event.c.lab_time_s).label("now_s")).where(event.c.instruments == instruments)
    now_s = journal.read(newest)[0]["now_s"] or 0.0
    demands = [_demand(journal, dict(row)) for row in open_]
    found = []
    for what, (kind, unit, left) in _there(count).items():
        taking = [one for one in demands if one.each.get(what)]
        if not taking:
            continue
        wanted = sum(one.left * one.each[what] for one in taking)
        experiments = sum(one.left for one in taking)
        each = wanted / experiments if experiments else taking[0].each[what]
        paces = [one.each[what] / one.every_s for one in taking if one.every_s and one.left]
        until_s = now_s + left / sum(paces) if paces and left < wanted else None
        found.append(Forecast(what, kind, unit, left, each, wanted, int(max(0, left) / each), until_s))
    return found


def takes(journal: Journal, campaign: str) -> dict[str, float]:
    """What one experiment of a campaign has taken on the mean, by material, waste and kind of container."""
    (row,) = journal.rows(schema.campaign, schema.campaign.c.id == campaign)
    return dict(_demand(journal, dict(row)).each)


def _there(count: DeckCount) -> dict[str, tuple[str, Counted, int]]:
    """What there is of each material, waste and kind of container: its kind, unit, and how much can be promised."""
    found: dict[str, tuple[str, Counted, int]] = {}
    for name, stock in count.stocks.items():
        material = stock.facts.material or name
        if stock.facts.position or (stock.facts.material and not stock.facts.source):
            continue  # a standard, or on the shelf
        free = 0 if stock.barred(count.now_s) else max(0, stock.free)
        before = found[material][2] if material in found else 0
        found[material] = "material", stock.unit, before + free
    for name, waste in count.wastes.items():
        if waste.room is not None:
            found[name] = "waste", waste.unit, max(0, waste.room)
    named = {*count.stocks, *(stock.facts.plate for stock in count.stocks.values()), ""}
    fresh = Counter(held.kind for held in count.holds.values() if held.kind not in named and held.fresh)
    kinds = {held.kind for held in count.holds.values()} - named
    return found | {kind: ("container", "pieces", fresh[kind]) for kind in kinds}


def _demand(journal: Journal, campaign: dict[str, object]) -> _Demand:
    """What a campaign's experiments that are over have taken, on the mean."""
    owner, ledger, experiment, sample = str(campaign["id"]), schema.ledger, schema.experiment, schema.sample
    labels = {
        row["label"]: row["began_s"]
        for row in journal.rows(experiment, experiment.c.campaign == owner)
        if row["label"].isdecimal()
    }
    over = {
        row["label"]
        for row in journal.rows(experiment, experiment.c.campaign == owner, experiment.c.state == "complete")
        if row["label"] in labels
    }
    taken: dict[str, float] = defaultdict(float)
    for row in journal.rows(ledger, ledger.c.campaign == owner):
        if row["label"] not in over:
            continue
        if row["taken_from"].startswith("container:"):
            taken[row["material"]] += row["amount"] / len(over)
        if row["put_into"].startswith("waste:"):
            taken[row["put_into"].removeprefix("waste:")] += row["amount"] / len(over)
    labware = {row["labware"] for row in journal.rows(sample, sample.c.campaign == owner) if row["label"] in labels}
    taken |= {kind: 1.0 for kind in labware if kind}
    began = sorted(one for one in labels.values() if one is not None)
    every_s = (began[-1] - began[0]) / (len(began) - 1) if len(began) > 1 else None
    return _Demand(int(str(campaign["budget"])) - int(str(campaign["tried"])), taken, every_s)
