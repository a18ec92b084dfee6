"""`labwright inventory list` and `count`: what a deck has left, and what a person has counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labwright.cli.options import Who
from labwright.cli.output import console, counted, emit, table
from labwright.cli.words import when
from labwright.engine.booking import SHELF
from labwright.engine.inventory import DeckCount, deck_count, stocks_of
from labwright.engine.recounting import counted_as, decks, recount_alone, recount_of
from labwright.journal import Journal, instruments_words
from labwright.journal.asking import ask_controller, deck_of, refuse_unnamed
from labwright.lab import read_lab
from labwright.lab.stock_csv import written
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.lab import LabModel
from labwright.model.material import SHOWN, said
from labwright.model.quantities import Amount, Counted, amount

EMPTY = "empty"
"""What a position holds that holds nothing, on a command line."""


def list_inventory(place: str | Path, instruments: str, *, json: bool) -> None:
    """What a deck has left.

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: it knows several, or none.
    """
    with Journal.reading(place) as journal:
        deck = deck_named(journal, instruments)
        count = deck_count(journal, deck) or DeckCount(deck)
    facts = inventory_facts(count)
    if json:
        emit(facts)
        return
    amounts = ("left", "usable", "reserved", "unknown")
    table(
        f"Stocks of {instruments_words(deck)}",
        ("stock", "material", "at", "left", "usable", "reserved", "in doubt", "use until", "", "counted"),
        [
            (
                one["stock"],
                one["material"],
                " ".join(filter(None, (one["place"], f"in {one['plate']}" if one["plate"] else ""))) or "shelf",
                *(said(one[name], one["unit"]) for name in amounts),
                one["expires"] or "",
                one["barred"],
                _when(one["counted_s"]),
            )
            for one in facts["stocks"]
        ],
        json=False,
    )
    if facts["wastes"]:
        table(
            "\nWastes",
            ("waste", "station", "in it", "in doubt", "reserved", "room"),
            [
                (
                    one["waste"],
                    one["station"],
                    *(said(one[name], one["unit"]) for name in ("level", "unknown", "reserved")),
                    "" if one["room"] is None else said(one["room"], one["unit"]),
                )
                for one in facts["wastes"]
            ],
            json=False,
        )
    table(
        "\nPositions",
        ("position", "holds", "", "since (UTC)"),
        [(one["position"], one["holds"] or EMPTY, _words(one), _when(one["since_s"])) for one in facts["positions"]],
        json=False,
    )


def inventory_facts(count: DeckCount) -> dict[str, Any]:
    """What a deck has left, as JSON; amounts in the smallest unit."""
    return {
        "instruments": count.instruments,
        "stocks": [
            {
                "stock": name,
                "material": stock.facts.material or name,
                "lot": stock.facts.lot,
                "place": stock.facts.place,
                "plate": stock.facts.plate,
                "unit": stock.unit,
                "counted": stock.count,
                "counted_s": stock.since_s,
                "used": stock.used.amount,
                "unknown": stock.used.unknown,
                "reserved": stock.promised,
                "left": stock.count - stock.used.amount,
                "usable": stock.usable,
                "expires": stock.facts.expires.isoformat() if stock.facts.expires else None,
                "barred": stock.barred(count.now_s),
            }
            for name, stock in sorted(count.stocks.items())
        ],
        "wastes": [
            {
                "waste": name,
                "station": waste.station,
                "unit": waste.unit,
                "capacity": waste.capacity,
                "level": waste.level,
                "unknown": waste.unknown,
                "reserved": waste.promised,
                "room": waste.room,
            }
            for name, waste in sorted(count.wastes.items())
        ],
        "positions": [
            {
                "position": name,
                "holds": held.kind,
                "campaign": held.campaign,
                "experiment": held.label,
                "used_up": held.used_up,
                "unused": held.fresh,
                "since_s": held.since_s,
            }
            for name, held in sorted(count.holds.items(), key=lambda one: (len(one[0]), one[0]))
        ],
    }


def recount(who: Who, what: Sequence[str], *, from_file: bool) -> None:
    """Record what a person has counted; through the controller if one runs.

    Raises:
        ConfigError: the person, the reason or what was counted is not named, or not known.
        RefusedError: it is in use.
    """
    refuse_unnamed(who.by, who.because)
    model = read_lab(who.root).model
    with Journal(who.place) as journal:
        here, deck = deck_booked(journal, who)
        known = deck_count(journal, deck) or DeckCount(deck)
        counted, containers = _counted(model, known, what, from_file=from_file)
        counts = {name: one.count for name, one in counted.items()}
        named = {"by": who.by, "because": who.because}
        recount_of(model, known, counts, containers, **named)  # says what is wrong before anything waits
        if here:
            ask_controller(journal, "recount", {"counts": counts, "containers": containers}, **named)
        else:
            recount_alone(journal, model, deck, counts, containers, **named)
    if who.json:
        emit({"instruments": deck, "counts": counts, "containers": containers, "by": who.by, "reason": who.because})
        return
    words = [f"{name} {one}" for name, one in counted.items()]
    words += [f"{name} {kind or EMPTY}" for name, kind in containers.items()]
    console.print(f"Counted by {who.by} on {instruments_words(deck)}: {', '.join(words)}", style="bold", markup=False)


def deck_booked(journal: Journal, who: Who) -> tuple[bool, str]:
    """Whether a controller runs, and the deck that is meant: its own, the one named, or the only one.

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: a controller runs on another, or the journal knows several, or none.
    """
    here = deck_of(journal)
    if here and who.instruments not in ("", here):
        raise RefusedError(
            f"a controller runs on {instruments_words(here)}; for {instruments_words(who.instruments)} nothing can be "
            "counted or booked before it has ended"
        )
    return bool(here), here or deck_named(journal, who.instruments)


def _counted(
    model: LabModel, known: DeckCount, what: Sequence[str], *, from_file: bool
) -> tuple[dict[str, Amount], dict[str, str]]:
    """How much there is by stock or waste, and containers by position.

    Raises:
        ConfigError: every word that is none.
    """
    counts = {name: Amount(count=one.count, unit=one.unit) for name, one in model.stocks.items()} if from_file else {}
    containers = {name: position.holds for name, position in model.positions.items()} if from_file else {}
    wrong = []
    for word in what:
        name, equals, text = word.partition("=")
        if not equals or not text:
            wrong.append(f"{word!r} is not STOCK=AMOUNT or POSITION=CONTAINER")
        elif name in model.positions:
            containers[name] = "" if text == EMPTY else text
        else:
            try:
                key, unit = counted_as(model, known, name)
                counts[key] = amount_in(unit, text)
            except ConfigError as error:
                wrong.append(str(error))
            except ValueError as error:
                wrong.append(f"{name}: {error}")
    if not wrong and not counts and not containers:
        wrong.append("nothing was counted: give STOCK=AMOUNT, POSITION=CONTAINER, POSITION=empty, or --from-file")
    if wrong:
        raise ConfigError("; ".join(wrong))
    return counts, containers


def amount_in(unit: Counted, text: str) -> Amount:
    """Read an amount; a number alone is in millilitres, milligrams or pieces.

    Args:
        unit: the smallest unit of what is counted.
        text: as a person writes it, ``58 mL`` or ``58``.

    Raises:
        ValueError: it is none, or one of another kind of unit.
    """
    bare = text.replace(".", "", 1).replace("-", "", 1).isdecimal()
    found = amount(f"{text} {SHOWN[unit][1]}" if bare else text)
    if found.unit != unit:
        raise ValueError(f"{text!r} is counted in {found.unit}, this in {unit}; give it in {SHOWN[unit][1]}")
    return found


def deck_named(journal: Journal, instruments: str) -> str:
    """The deck that is meant: the one named, or the only one."""
    known = decks(journal)
    if instruments and instruments not in known:
        raise ConfigError(unknown("instruments with a count", instruments, known))
    if not known:
        raise RefusedError(
            f"{journal.name}: no deck was filled yet; the first campaign takes what inventory.yaml says is there"
        )
    if not instruments and len(known) > 1:
        raise RefusedError(f"{journal.name} knows several decks; name one with --instruments: {', '.join(known)}")
    return instruments or known[0]


def _words(position: dict[str, Any]) -> str:
    whose = f"{position['campaign']}/{position['experiment']}"
    if not position["campaign"]:
        return "unused" if position["holds"] else ""
    if not position["holds"]:
        return f"taken by {whose}"
    return f"used up by {whose}" if position["used_up"] else f"sample of {whose}"


def _when(at_s: float | None) -> str:
    return when(at_s) if at_s is not None else ""


def export_inventory(place: str | Path, instruments: str, file: Path, *, json: bool) -> None:
    """Write what each container holds as CSV, as `labwright inventory import` reads it.

    Raises:
        ConfigError: the journal does not know the deck, or the file cannot be written.
        RefusedError: it knows several, or none.
    """
    with Journal.reading(place) as journal:
        stocks = stocks_of(journal, deck_named(journal, instruments))
    rows = [
        {
            "container": name,
            "labware": stock.facts.labware,
            "material": stock.facts.material or name,
            "lot": stock.facts.lot,
            "quantity": str(Amount(count=max(0, stock.count - stock.used.amount), unit=stock.unit)),
            "barcode": stock.facts.barcode,
            "opened": stock.facts.opened.isoformat() if stock.facts.opened else "",
            "expires": stock.facts.expires.isoformat() if stock.facts.expires else "",
            "status": stock.facts.status,
            "place": stock.facts.place or SHELF,
        }
        for name, stock in sorted(stocks.items())
    ]
    try:
        written(rows, file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error
    if json:
        emit({"instruments": instruments, "file": str(file), "containers": len(rows)})
        return
    console.print(f"{counted(len(rows), 'container')} in {file}", style="bold", markup=False)
