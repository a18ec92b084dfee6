"""What people book by hand: receipts, corrections, moves, what may be used, what becomes of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labwright.cli.inventory import deck_booked
from labwright.cli.options import Who
from labwright.cli.output import console, counted, emit
from labwright.cli.samples import sample_named
from labwright.engine.events import BOOKED
from labwright.engine.hand_entries import book_alone, checked
from labwright.engine.inventory import stocks_of
from labwright.engine.stocks import Stock, named
from labwright.journal import Journal, instruments_words
from labwright.journal.asking import ask_controller, refuse_unnamed
from labwright.lab import read_lab
from labwright.lab.stock_csv import read_row, read_stocks
from labwright.model.errors import ConfigError, unknown
from labwright.model.lab import LabModel
from labwright.model.material import SHOWN, StockAt
from labwright.model.quantities import amount
from labwright.model.words import what_is_wrong

Wanted = Callable[[LabModel, Journal, str], Mapping[str, Any]]
"""Makes an entry, without who books it, from the lab, its journal and the deck."""


def receive(who: Who, container: str, given: Mapping[str, str]) -> None:
    """Book a container that has come, with what is in it.

    Raises:
        ConfigError: it does not fit the lab.
        RefusedError: its place is taken, or it is booked already.
    """

    def wanted(model: LabModel, journal: Journal, deck: str) -> Mapping[str, Any]:
        there = read_row({**given, "container": container})
        return {"kind": "received", "stocks": _dumped({container: there})}

    _book(who, wanted, f"{container} received: {given['quantity']} of {given['material']}")


def receive_all(who: Who, file: Path) -> None:
    """Book all containers of a CSV file, or none.

    Raises:
        ConfigError: every mistake in it, with its line.
        RefusedError: a place is taken, or a container is booked already.
    """
    stocks = read_stocks(file)

    def wanted(model: LabModel, journal: Journal, deck: str) -> Mapping[str, Any]:
        return {"kind": "received", "stocks": _dumped(stocks)}

    _book(who, wanted, f"{counted(len(stocks), 'container')} received: {', '.join(stocks)}")


def adjust(who: Who, what: str) -> None:
    """Correct what is known of a stock, by an amount that may have a sign: ``rinse=-0.5mL``.

    Raises:
        ConfigError: there is no such stock, or it is no amount.
        RefusedError: less than nothing would be left.
    """
    name, equals, change = what.partition("=")
    if not equals or not change:
        raise ConfigError(f"{what!r} is not STOCK=CHANGE, such as rinse=-0.5mL")

    def wanted(model: LabModel, journal: Journal, deck: str) -> Mapping[str, Any]:
        key, stock = _stock_named(journal, deck, name)
        unit = stock.unit
        sign, text = (-1, change[1:]) if change[:1] == "-" else (1, change.removeprefix("+"))
        try:
            found = amount(f"{text} {SHOWN[unit][1]}" if text.replace(".", "", 1).isdecimal() else text)
        except ValueError as error:
            raise ConfigError(f"{change}: {error}") from error
        if found.unit != unit:
            raise ConfigError(f"{change}: {key} is counted in {unit}; give it in {SHOWN[unit][1]}")
        return {"kind": "adjusted", "stock": key, "change": sign * found.count}

    _book(who, wanted, f"{name} adjusted by {change}")


def move(who: Who, container: str, to: str) -> None:
    """Book that a person has put a container elsewhere.

    Raises:
        ConfigError: there is no such container or place, or it does not fit.
        RefusedError: it is in use, or the place is taken.
    """
    _book(who, lambda *_: {"kind": "moved_by_hand", "container": container, "to": to}, f"{container} moved to {to}")


def classify(who: Who, what: str, status: str) -> None:
    """Book that a stock may be used, or may not.

    Raises:
        ConfigError: there is no such stock.
    """

    def wanted(model: LabModel, journal: Journal, deck: str) -> Mapping[str, Any]:
        return {"kind": "classified", "what": _stock_named(journal, deck, what)[0], "status": status}

    _book(who, wanted, f"{what} is {status}")


def classify_sample(who: Who, sample: str, status: str) -> None:
    """Book that a sample may be used, or may not.

    Raises:
        ConfigError: there is no such sample.
        RefusedError: it is under way.
    """

    def wanted(model: LabModel, journal: Journal, deck: str) -> Mapping[str, Any]:
        return {"kind": "classified", "what": f"sample:{sample_named(journal, sample)}", "status": status}

    _book(who, wanted, f"{sample} is {status}")


def dispose(who: Who, sample: str, disposition: str) -> None:
    """Book what has become of a sample that is over.

    Raises:
        ConfigError: there is no such sample.
        RefusedError: it is under way.
    """

    def wanted(model: LabModel, journal: Journal, deck: str) -> Mapping[str, Any]:
        return {"kind": "disposed", "sample": sample_named(journal, sample), "disposition": disposition}

    _book(who, wanted, f"{sample} is {disposition}")


def _book(who: Who, wanted: Wanted, said: str) -> None:
    """Record an entry; through the controller if one runs."""
    refuse_unnamed(who.by, who.because)
    model = read_lab(who.root).model
    with Journal(who.place) as journal:
        here, deck = deck_booked(journal, who)
        entry = wanted(model, journal, deck)
        try:
            event = BOOKED.validate_python({**entry, "by": who.by, "because": who.because})
        except ValidationError as error:
            raise ConfigError(what_is_wrong(error)) from error
        event = checked(model, journal, deck, event)
        if here:
            payload = event.model_dump(mode="json", exclude={"by", "because"})
            ask_controller(journal, "book", {"event": payload}, by=who.by, because=who.because)
        else:
            book_alone(journal, model, deck, event)
    if who.json:
        emit({"instruments": deck, **event.model_dump(mode="json")})
        return
    console.print(f"Booked by {who.by} on {instruments_words(deck)}: {said}", style="bold", markup=False)


def _dumped(stocks: Mapping[str, StockAt]) -> dict[str, Any]:
    return {name: there.model_dump(mode="json") for name, there in stocks.items()}


def _stock_named(journal: Journal, deck: str, name: str) -> tuple[str, Stock]:
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
