"""What people book by hand: receipts, corrections, moves, what may be used, what becomes of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labwright.cli.inventory import deck_named
from labwright.cli.output import console, counted, emit
from labwright.cli.samples import sample_named
from labwright.engine.events import BOOKED
from labwright.engine.hand_entries import book_alone, checked
from labwright.engine.inventory import stocks_of
from labwright.journal import Journal, instruments_words
from labwright.journal.asking import ask_controller, deck_of, refuse_unnamed
from labwright.lab import read_lab
from labwright.lab.stock_csv import read_row, read_stocks
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.lab import LabModel
from labwright.model.material import SHOWN, StockAt
from labwright.model.quantities import amount
from labwright.model.words import what_is_wrong

Wanted = Callable[[LabModel, Journal, str], Mapping[str, Any]]
"""Makes an entry, without who books it, from the lab, its journal and the deck."""


@dataclass(frozen=True)
class Who:
    """Whose entry it is, and where.

    Attributes:
        root: of the lab.
        place: of its journal.
        instruments: which deck; the only one if empty.
        by: the person.
        because: why.
        json: whether a program reads what is said.
    """

    root: Path
    place: str | Path
    instruments: str
    by: str
    because: str
    json: bool


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
        stocks = stocks_of(journal, deck)
        key = _stock_named(model, stocks, name)
        unit = stocks[key].unit
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
        return {"kind": "classified", "what": _stock_named(model, stocks_of(journal, deck), what), "status": status}

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
        here = deck_of(journal)
        if here and who.instruments not in ("", here):
            raise RefusedError(
                f"a controller runs on {instruments_words(here)}; what {instruments_words(who.instruments)} have can "
                "be booked when it has ended"
            )
        deck = here or deck_named(journal, who.instruments)
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


def _stock_named(model: LabModel, stocks: Mapping[str, Any], name: str) -> str:
    """The container of a stock: by its name, or the source at which it stands.

    Raises:
        ConfigError: there is none.
    """
    at_source = [key for key, stock in stocks.items() if stock.facts.source == name]
    if name not in stocks and not at_source:
        raise ConfigError(unknown("stock", name, [*stocks, *model.sources]))
    return name if name in stocks else at_source[0]
