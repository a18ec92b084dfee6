"""What people type or send of what they have done by hand, as entries: before the lab's files have completed them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from labwright.engine.events import BOOKED, Booked
from labwright.engine.hand_entries import checked
from labwright.engine.inventory import DeckCount, stocks_of
from labwright.engine.recounting import counted_as, decks
from labwright.engine.stocks import Stock, named
from labwright.journal import Journal, instruments_words
from labwright.journal.asking import deck_of
from labwright.lab.stock_csv import read_row
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.lab import LabModel
from labwright.model.material import SHOWN, StockAt
from labwright.model.quantities import Amount, Counted, amount
from labwright.model.words import what_is_wrong

EMPTY = "empty"
"""What a position holds that holds nothing, as people write it."""

Wanted = Callable[[Journal, str], Mapping[str, Any]]
"""Makes an entry, without who books it, from the journal and the deck."""


def entry(wanted: Wanted, model: LabModel, journal: Journal, deck: str, *, by: str, because: str) -> Booked:
    """What a person books, held against the lab and its journal; nothing is recorded.

    Args:
        wanted: the entry.
        model: the lab.
        journal: opened to be read.
        deck: on which it is booked.
        by: the person.
        because: why.

    Raises:
        ConfigError: it does not fit the lab, or names what is not there.
        RefusedError: the sample is under way.
    """
    given = wanted(journal, deck)
    try:
        event = BOOKED.validate_python({**given, "by": by, "because": because})
    except ValidationError as error:
        raise ConfigError(what_is_wrong(error)) from error
    return checked(model, journal, deck, event)


def received(rows: Mapping[str, Mapping[str, str]]) -> Wanted:
    """Containers that have come: the columns of each, by its name.

    Raises:
        ConfigError: every row that is wrong.
    """
    wrong = []
    stocks: dict[str, StockAt] = {}
    for name, row in rows.items():
        try:
            stocks[name] = read_row({**row, "container": name})
        except ConfigError as error:
            wrong.append(f"container {name}: {error}" if len(rows) > 1 else str(error))
    if wrong:
        raise ConfigError("; ".join(wrong))
    return of_stocks(stocks)


def of_stocks(stocks: Mapping[str, StockAt]) -> Wanted:
    """Containers that have come, already read."""
    dumped = {name: there.model_dump(mode="json") for name, there in stocks.items()}
    return lambda journal, deck: {"kind": "received", "stocks": dumped}


def adjusted(name: str, change: str) -> Wanted:
    """What is known of a stock is corrected, by an amount that may have a sign: ``-0.5mL``."""

    def wanted(journal: Journal, deck: str) -> Mapping[str, Any]:
        key, stock = stock_named(journal, deck, name)
        unit = stock.unit
        sign, text = (-1, change[1:]) if change[:1] == "-" else (1, change.removeprefix("+"))
        try:
            found = amount(f"{text} {SHOWN[unit][1]}" if text.replace(".", "", 1).isdecimal() else text)
        except ValueError as error:
            raise ConfigError(f"{change}: {error}") from error
        if found.unit != unit:
            raise ConfigError(f"{change}: {key} is counted in {unit}; give it in {SHOWN[unit][1]}")
        return {"kind": "adjusted", "stock": key, "change": sign * found.count}

    return wanted


def moved(container: str, to: str) -> Wanted:
    """A container was put elsewhere."""
    return lambda journal, deck: {"kind": "moved_by_hand", "container": container, "to": to}


def classified(stock: str, status: str) -> Wanted:
    """A stock may be used, or may not."""
    return lambda journal, deck: {
        "kind": "classified", "what": stock_named(journal, deck, stock)[0], "status": status
    }  # fmt: skip


def classified_sample(sample: str, status: str) -> Wanted:
    """A sample may be used, or may not.

    Args:
        sample: as CAMPAIGN/LABEL.
        status: ``released`` or ``quarantined``.
    """
    return lambda journal, deck: {"kind": "classified", "what": f"sample:{sample}", "status": status}


def disposed(sample: str, disposition: str) -> Wanted:
    """What has become of a sample that is over.

    Args:
        sample: as CAMPAIGN/LABEL.
        disposition: in the words that samples have.
    """
    return lambda journal, deck: {"kind": "disposed", "sample": sample, "disposition": disposition}


def stock_named(journal: Journal, deck: str, name: str) -> tuple[str, Stock]:
    """A stock by its container, the source at which it is, or its material if one alone holds that.

    Raises:
        ConfigError: there is none, or there are several.
    """
    stocks = stocks_of(journal, deck)
    found = named(stocks, name)
    if len(found) > 1:
        raise ConfigError(f"several containers hold {name}: {', '.join(found)}; name the one that is meant")
    if not found:
        sources = [stock.facts.source for stock in stocks.values() if stock.facts.source]
        raise ConfigError(unknown("stock", name, [*stocks, *sources]))
    return found[0], stocks[found[0]]


def counted(
    model: LabModel, known: DeckCount, what: Sequence[str], *, from_file: bool
) -> tuple[dict[str, Amount], dict[str, str]]:
    """How much there is by stock or waste, and containers by position, from ``NAME=AMOUNT`` and ``POSITION=CONTAINER``.

    Args:
        model: the lab.
        known: what its deck has.
        what: the words.
        from_file: all that inventory.yaml says, but for what is named.

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


def deck_booked(journal: Journal, instruments: str = "") -> tuple[bool, str]:
    """Whether a controller runs, and the deck that is meant: its own, the one named, or the only one.

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: a controller runs on another, or the journal knows several, or none.
    """
    here = deck_of(journal)
    if here and instruments not in ("", here):
        raise RefusedError(
            f"a controller runs on {instruments_words(here)}; for {instruments_words(instruments)} nothing can be "
            "counted or booked before it has ended"
        )
    return bool(here), here or deck_named(journal, instruments)


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
