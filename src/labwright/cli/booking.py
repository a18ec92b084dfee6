"""What people book by hand: receipts, corrections, moves, what may be used, what becomes of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labwright.cli.options import Who
from labwright.cli.output import console, counted, emit
from labwright.cli.sites import done
from labwright.client import Client
from labwright.engine import by_hand
from labwright.engine.by_hand import Wanted, deck_booked, entry
from labwright.engine.hand_entries import book_alone
from labwright.facts.samples import sample_named
from labwright.journal import Journal, instruments_words
from labwright.journal.asking import ask_controller, refuse_unnamed
from labwright.lab import read_lab
from labwright.lab.stock_csv import read_stocks
from labwright.model.errors import ConfigError
from labwright.model.material import StockAt
from labwright.model.quantities import Amount

There = Callable[[Client], dict[str, Any]]
"""Books it at a service."""


def receive(who: Who, container: str, given: Mapping[str, str]) -> None:
    """Book a container that has come, with what is in it.

    Raises:
        ConfigError: it does not fit the lab.
        RefusedError: its place is taken, or it is booked already.
    """
    wanted = by_hand.received({container: given})
    there: There = lambda client: client.inventory.receive({container: given}, who.because, who.instruments)  # noqa: E731
    _book(who, wanted, there, f"{container} received: {given['quantity']} of {given['material']}")


def receive_all(who: Who, file: Path) -> None:
    """Book all containers of a CSV file, or none.

    Raises:
        ConfigError: every mistake in it, with its line.
        RefusedError: a place is taken, or a container is booked already.
    """
    stocks = read_stocks(file)
    rows = {name: _row(there) for name, there in stocks.items()}
    said = f"{counted(len(stocks), 'container')} received: {', '.join(stocks)}"
    there: There = lambda client: client.inventory.receive(rows, who.because, who.instruments)  # noqa: E731
    _book(who, by_hand.of_stocks(stocks), there, said)


def adjust(who: Who, what: str) -> None:
    """Correct what is known of a stock, by an amount that may have a sign: ``rinse=-0.5mL``.

    Raises:
        ConfigError: there is no such stock, or it is no amount.
        RefusedError: less than nothing would be left.
    """
    name, equals, change = what.partition("=")
    if not equals or not change:
        raise ConfigError(f"{what!r} is not STOCK=CHANGE, such as rinse=-0.5mL")
    there: There = lambda client: client.inventory.adjust(name, change, who.because, who.instruments)  # noqa: E731
    _book(who, by_hand.adjusted(name, change), there, f"{name} adjusted by {change}")


def move(who: Who, container: str, to: str) -> None:
    """Book that a person has put a container elsewhere.

    Raises:
        ConfigError: there is no such container or place, or it does not fit.
        RefusedError: it is in use, or the place is taken.
    """
    there: There = lambda client: client.inventory.move(container, to, who.because, who.instruments)  # noqa: E731
    _book(who, by_hand.moved(container, to), there, f"{container} moved to {to}")


def classify(who: Who, what: str, status: str) -> None:
    """Book that a stock may be used, or may not.

    Raises:
        ConfigError: there is no such stock.
    """
    there: There = lambda client: client.inventory.classify(what, status, who.because, who.instruments)  # noqa: E731
    _book(who, by_hand.classified(what, status), there, f"{what} is {status}")


def classify_sample(who: Who, sample: str, status: str) -> None:
    """Book that a sample may be used, or may not.

    Raises:
        ConfigError: there is no such sample.
        RefusedError: it is under way.
    """

    def wanted(journal: Journal, deck: str) -> Mapping[str, Any]:
        return by_hand.classified_sample(sample_named(journal, sample), status)(journal, deck)

    there: There = lambda client: client.samples.classify(sample, status, who.because, who.instruments)  # noqa: E731
    _book(who, wanted, there, f"{sample} is {status}")


def dispose(who: Who, sample: str, disposition: str) -> None:
    """Book what has become of a sample that is over.

    Raises:
        ConfigError: there is no such sample.
        RefusedError: it is under way.
    """

    def wanted(journal: Journal, deck: str) -> Mapping[str, Any]:
        return by_hand.disposed(sample_named(journal, sample), disposition)(journal, deck)

    there: There = lambda client: client.samples.dispose(sample, who.because, disposition, who.instruments)  # noqa: E731
    _book(who, wanted, there, f"{sample} is {disposition}")


def _book(who: Who, wanted: Wanted, there: There, said: str) -> None:
    """Record an entry; through the controller if one runs."""
    refuse_unnamed(who.by, who.because)

    def here(journal: Journal) -> dict[str, Any]:
        model = read_lab(who.root).model
        runs, deck = deck_booked(journal, who.instruments)
        event = entry(wanted, model, journal, deck, by=who.by, because=who.because)
        if runs:
            payload = event.model_dump(mode="json", exclude={"by", "because"})
            ask_controller(journal, "book", {"event": payload}, by=who.by, because=who.because)
        else:
            book_alone(journal, model, deck, event)
        return {"instruments": deck, **event.model_dump(mode="json")}

    booked = done(who.place, here, there)
    if who.json:
        emit(booked)
        return
    on = instruments_words(booked["instruments"])
    console.print(f"Booked by {who.by} on {on}: {said}", style="bold", markup=False)


def _row(there: StockAt) -> dict[str, str]:
    """A container as its row in a file has it."""
    facts = there.facts
    days = {name: day.isoformat() for name in ("opened", "expires") if (day := getattr(facts, name)) is not None}
    return {
        "labware": facts.labware,
        "material": facts.material,
        "lot": facts.lot,
        "quantity": str(Amount(count=there.count, unit=facts.unit)),
        "barcode": facts.barcode,
        "status": facts.status,
        "place": facts.place,
        **days,
    }
