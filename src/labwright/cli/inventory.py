"""`labwright inventory list`, `count` and `export`: what a deck has left, and what a person has counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labwright.cli.options import Who
from labwright.cli.output import console, counted, emit, table
from labwright.cli.sites import Place, done, seen
from labwright.cli.words import when
from labwright.engine.by_hand import EMPTY, deck_booked
from labwright.engine.by_hand import counted as read_counts
from labwright.engine.inventory import DeckCount, deck_count
from labwright.engine.recounting import recount_alone, recount_of
from labwright.facts.stocks import container_rows, stock_facts
from labwright.journal import Journal, instruments_words
from labwright.journal.asking import ask_controller, refuse_unnamed
from labwright.lab import read_lab
from labwright.lab.stock_csv import written
from labwright.model.errors import ConfigError
from labwright.model.material import said
from labwright.model.quantities import Amount


def list_inventory(place: Place, instruments: str, *, json: bool) -> None:
    """What a deck has left.

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: it knows several, or none.
    """
    facts = seen(
        place, lambda journal: stock_facts(journal, instruments), lambda client: client.inventory.list(instruments)
    ).facts
    deck = facts["instruments"]
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


def recount(who: Who, what: Sequence[str], *, from_file: bool) -> None:
    """Record what a person has counted; through the controller if one runs.

    Raises:
        ConfigError: the person, the reason or what was counted is not named, or not known.
        RefusedError: it is in use.
    """
    refuse_unnamed(who.by, who.because)

    def here(journal: Journal) -> dict[str, Any]:
        model = read_lab(who.root).model
        runs, deck = deck_booked(journal, who.instruments)
        known = deck_count(journal, deck) or DeckCount(deck)
        amounts, containers = read_counts(model, known, what, from_file=from_file)
        counts = {name: one.count for name, one in amounts.items()}
        named = {"by": who.by, "because": who.because}
        recount_of(model, known, counts, containers, **named)  # says what is wrong before anything waits
        if runs:
            ask_controller(journal, "recount", {"counts": counts, "containers": containers}, **named)
        else:
            recount_alone(journal, model, deck, counts, containers, **named)
        return {
            "instruments": deck,
            "counts": counts,
            "units": {name: one.unit for name, one in amounts.items()},
            "containers": containers,
        }

    facts = done(
        who.place, here,
        lambda client: client.inventory.count(what, who.because, from_file=from_file, instruments=who.instruments),
    )  # fmt: skip
    units = facts.pop("units")
    if who.json:
        emit({**facts, "by": who.by, "reason": who.because})
        return
    words = [f"{name} {Amount(count=one, unit=units[name])}" for name, one in facts["counts"].items()]
    words += [f"{name} {kind or EMPTY}" for name, kind in facts["containers"].items()]
    on = instruments_words(facts["instruments"])
    console.print(f"Counted by {who.by} on {on}: {', '.join(words)}", style="bold", markup=False)


def _words(position: dict[str, Any]) -> str:
    whose = f"{position['campaign']}/{position['experiment']}"
    if not position["campaign"]:
        return "unused" if position["holds"] else ""
    if not position["holds"]:
        return f"taken by {whose}"
    return f"used up by {whose}" if position["used_up"] else f"sample of {whose}"


def _when(at_s: float | None) -> str:
    return when(at_s) if at_s is not None else ""


def export_inventory(place: Place, instruments: str, file: Path, *, json: bool) -> None:
    """Write what each container holds as CSV, as `labwright inventory import` reads it.

    Raises:
        ConfigError: the journal does not know the deck, or the file cannot be written.
        RefusedError: it knows several, or none.
    """
    rows = seen(
        place,
        lambda journal: container_rows(journal, instruments),
        lambda client: client.inventory.containers(instruments),
    ).facts
    try:
        written(rows, file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error
    if json:
        emit({"instruments": instruments, "file": str(file), "containers": len(rows)})
        return
    console.print(f"{counted(len(rows), 'container')} in {file}", style="bold", markup=False)
