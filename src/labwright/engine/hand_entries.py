"""What people book by hand, held against the lab's files and its journal before it is recorded."""

from __future__ import annotations

from labwright.engine.booking import POSITION, SAMPLE, SHELF, SOURCE
from labwright.engine.events import Booked, Classified, Disposed, MovedByHand, Received
from labwright.engine.inventory import deck_count, stocks_of
from labwright.engine.recounting import record_alone
from labwright.journal import Journal, schema
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.lab import LabModel
from labwright.model.material import OUTSIDE, StockAt, StockFacts, said
from labwright.model.supplies import well_name


def book_alone(journal: Journal, model: LabModel, instruments: str, event: Booked) -> None:
    """Record what a person books, where no controller runs.

    Raises:
        ConfigError: there is no such thing in the lab.
        RefusedError: a controller runs, the deck was never filled, or it is in use.
    """
    record_alone(journal, instruments, lambda count, lab: checked(model, journal, instruments, event), event.by)


def checked(model: LabModel, journal: Journal, instruments: str, event: Booked) -> Booked:
    """What a person books, completed with what the lab's files say of places.

    Args:
        model: the lab.
        journal: that knows its samples.
        instruments: which deck.
        event: as the person wants it.

    Raises:
        ConfigError: everything that the lab has not, or that does not fit.
        RefusedError: the sample is not over.
    """
    if isinstance(event, Received):
        return event.model_copy(update={"stocks": _received(model, event)})
    if isinstance(event, MovedByHand):
        return _moved(model, journal, instruments, event)
    if isinstance(event, Disposed):
        _sample(journal, event.sample)
    if isinstance(event, Classified) and event.what.startswith(SAMPLE):
        _sample(journal, event.what.removeprefix(SAMPLE))
    return event


def _received(model: LabModel, event: Received) -> dict[str, StockAt]:
    wrong: list[str] = []
    stocks = {}
    for name, given in event.stocks.items():
        facts = given.facts
        labware = model.labware.get(facts.labware)
        if labware is not None and labware.wells is not None:
            facts = facts.model_copy(update={"plate": name.rpartition(".")[0]})
        there = given.model_copy(update={"facts": facts.model_copy(update={"zone": model.zone})})
        mistakes = [f"container {name}: {words}" for words in _mistakes(model, name, there)]
        wrong += mistakes
        if not mistakes:
            at = {"stations": (), "into": ""} if not facts.source else _at_source(model, facts.source)
            dead_ul = model.labware[facts.labware].dead_ul if facts.labware else 0.0
            dead = round(1000 * dead_ul) if facts.unit == "nL" else 0
            stocks[name] = there.model_copy(
                update={"facts": facts.model_copy(update=at), "dead": min(max(there.dead, dead), there.count)}
            )
    if wrong:
        raise ConfigError("; ".join(wrong))
    return stocks


def _mistakes(model: LabModel, name: str, there: StockAt) -> list[str]:
    facts = there.facts
    wrong = []
    if facts.material not in model.materials:
        wrong.append(unknown("material", facts.material, list(model.materials)))
    if facts.labware not in model.labware:
        wrong.append(unknown("labware", facts.labware, list(model.labware)))
        return wrong
    wells = model.labware[facts.labware].wells
    if wells is not None and not (facts.plate and wells.has(name.removeprefix(well_name(facts.plate, "")))):
        wrong.append(f"a {facts.labware} has wells A1 to {wells.last}; book each one as PLATE.WELL, as {name}.A1")
    capacity_ul = model.labware[facts.labware].capacity_ul
    if facts.unit == "nL" and capacity_ul is not None and there.count > 1000 * capacity_ul:
        room = said(1000 * capacity_ul, facts.unit)
        wrong.append(f"{said(there.count, facts.unit)} in a {facts.labware}, which holds {room}")
    wrong += _place_mistakes(model, facts.place, facts.labware)
    if facts.source in model.sources and (given := model.material_of(model.sources[facts.source])) != facts.material:
        wrong.append(f"source {facts.source} gives {given}, and this is {facts.material}")
    return wrong


def _place_mistakes(model: LabModel, place: str, labware: str) -> list[str]:
    if place.startswith(SOURCE) and (source := place.removeprefix(SOURCE)) not in model.sources:
        return [unknown("source", source, list(model.sources))]
    if place.startswith(POSITION):
        position = place.removeprefix(POSITION)
        if position not in model.positions:
            return [unknown("position", position, list(model.positions))]
        if labware and labware not in (takes := model.positions[position].takes):
            return [f"position {position} takes {', '.join(takes)}, not a {labware}"]
    return []


def _at_source(model: LabModel, name: str) -> dict[str, object]:
    """What is known of a stock by its source."""
    source = model.sources[name]
    return {"stations": model.kinds_of(model.stations_of(source)), "into": source.into}


def _moved(model: LabModel, journal: Journal, instruments: str, event: MovedByHand) -> MovedByHand:
    stocks = stocks_of(journal, instruments)
    name, count = event.container, deck_count(journal, instruments)
    if name not in stocks and name in model.positions:
        name = f"{POSITION}{name}"
    elif name in model.containers and name not in stocks and count is not None:  # a plate: its wells are stocks
        name = next((f"{POSITION}{at}" for at, one in count.holds.items() if one.kind == name), name)
    held = ""
    if name.startswith(POSITION) and count is not None and name.removeprefix(POSITION) in count.holds:
        held = count.holds[name.removeprefix(POSITION)].kind
    elif name not in stocks:
        raise ConfigError(unknown("container or position", event.container, [*stocks, *model.positions]))
    facts = stocks[name].facts if name in stocks else stocks[held].facts if held in stocks else StockFacts()
    to = _to(model, event.to)
    kind = model.containers[held].labware if held in model.containers else held
    wrong = _place_mistakes(model, to, facts.labware or kind)
    if to.startswith(SOURCE) and not wrong:
        given = model.material_of(model.sources[to.removeprefix(SOURCE)])
        if facts.material and given != facts.material:
            wrong.append(f"{to.removeprefix(SOURCE)} gives {given}, and {event.container} holds {facts.material}")
    if wrong:
        raise ConfigError("; ".join(wrong))
    at = _at_source(model, to.removeprefix(SOURCE)) if to.startswith(SOURCE) else {"stations": (), "into": ""}
    return event.model_copy(update={"container": name, "to": to, **at})


def _to(model: LabModel, to: str) -> str:
    """A place as the ledger calls it, from what a person writes."""
    if to in (SHELF, OUTSIDE) or ":" in to:
        return to
    if to in model.positions and to in model.sources:
        raise ConfigError(f"{to} is a position and a source; write {POSITION}{to} or {SOURCE}{to}")
    if to not in model.positions and to not in model.sources:
        raise ConfigError(unknown("position or source", to, [*model.positions, *model.sources, SHELF, OUTSIDE]))
    return f"{POSITION}{to}" if to in model.positions else f"{SOURCE}{to}"


def _sample(journal: Journal, name: str) -> None:
    campaign, _, label = name.rpartition("/")
    table = schema.sample
    rows = journal.rows(table, table.c.campaign == campaign, table.c.label == label)
    if not rows:
        raise ConfigError(f"no sample {name!r}; they are CAMPAIGN/LABEL, as labwright sample list shows them")
    if rows[0]["disposition"] == "under way":
        raise RefusedError(f"sample {name} is under way; nothing was recorded")
