"""`labwright inventory show` and `recount`: what a deck has left, and what a person has counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labwright.cli.output import console, emit, table
from labwright.cli.words import when
from labwright.engine.inventory import DeckCount, deck_count
from labwright.engine.recounting import check_counted, decks, recount_alone
from labwright.journal import Journal, instruments_words
from labwright.journal.asking import ask_controller, deck_of
from labwright.lab import read_lab
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.figures import figure
from labwright.model.lab import LabModel
from labwright.model.material import NL_PER_ML
from labwright.model.numbers import number

EMPTY = "empty"
"""What a position holds that holds nothing, on a command line."""


def show_inventory(place: str | Path, instruments: str, *, json: bool) -> None:
    """What a deck has left.

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: it knows several, or none.
    """
    with Journal.reading(place) as journal:
        deck = _deck(journal, instruments)
        count = deck_count(journal, deck) or DeckCount(deck)
    stocks: list[dict[str, Any]] = [
        {
            "stock": name,
            "counted_ml": lot.count_nl / NL_PER_ML,
            "counted_s": lot.since_s,
            "used_ml": lot.used.nl / NL_PER_ML,
            "unknown_ml": lot.used.unknown_nl / NL_PER_ML,
            "reserved_ml": lot.promised_nl / NL_PER_ML,
            "left_ml": (lot.count_nl - lot.used.nl) / NL_PER_ML,
            "usable_ml": lot.usable_nl / NL_PER_ML,
        }
        for name, lot in count.lots.items()
    ]
    positions: list[dict[str, Any]] = [
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
    ]
    if json:
        emit({"instruments": deck, "stocks": stocks, "positions": positions})
        return
    amounts = ("counted_ml", "used_ml", "unknown_ml", "reserved_ml", "left_ml", "usable_ml")
    table(
        f"Stocks of {instruments_words(deck)}",
        (
            "stock",
            "counted / ml",
            "used since / ml",
            "in doubt / ml",
            "reserved / ml",
            "left / ml",
            "usable / ml",
            "counted",
        ),
        [(one["stock"], *(figure(one[name]) for name in amounts), _when(one["counted_s"])) for one in stocks],
        json=False,
    )
    table(
        "\nPositions",
        ("position", "holds", "", "since (UTC)"),
        [(one["position"], one["holds"] or EMPTY, _words(one), _when(one["since_s"])) for one in positions],
        json=False,
    )


def recount(
    root: Path,
    place: str | Path,
    instruments: str,
    what: Sequence[str],
    *,
    from_file: bool,
    by: str,
    because: str,
    json: bool,
) -> None:
    """Record what a person has counted; through the controller if one runs.

    Raises:
        ConfigError: the person, the reason or what was counted is not named, or not known.
        RefusedError: it is in use.
    """
    if not by.strip() or not because.strip():
        raise ConfigError("--by and --reason must name the person and the reason: the journal records both")
    model = read_lab(root).model
    lots_ml, containers = _counted(model, what, from_file=from_file)
    check_counted(model, lots_ml, containers)
    with Journal(place) as journal:
        here = deck_of(journal)
        if here and instruments not in ("", here):
            raise RefusedError(
                f"a controller runs on {instruments_words(here)}; what {instruments_words(instruments)} have can be "
                "counted when it has ended"
            )
        deck = here or _deck(journal, instruments)
        if here:
            counted = {"lots_ml": lots_ml, "containers": containers}
            ask_controller(journal, "recount", counted, by=by, because=because)
        else:
            recount_alone(journal, model, deck, lots_ml, containers, by=by, because=because)
    if json:
        emit({"instruments": deck, "lots_ml": lots_ml, "containers": containers, "by": by, "reason": because})
        return
    said = [f"{name} {figure(ml)} ml" for name, ml in lots_ml.items()]
    said += [f"{name} {kind or EMPTY}" for name, kind in containers.items()]
    console.print(f"Counted by {by} on {instruments_words(deck)}: {', '.join(said)}", style="bold", markup=False)


def _counted(model: LabModel, what: Sequence[str], *, from_file: bool) -> tuple[dict[str, float], dict[str, str]]:
    """Millilitres by stock and containers by position.

    Raises:
        ConfigError: every word that is none.
    """
    lots_ml = {name: stock.volume_ml for name, stock in model.stocks.items()} if from_file else {}
    containers = {name: position.holds for name, position in model.positions.items()} if from_file else {}
    wrong = []
    for word in what:
        name, equals, text = word.partition("=")
        if not equals or not text:
            wrong.append(f"{word!r} is not STOCK=ML or POSITION=CONTAINER")
        elif name in model.positions:
            containers[name] = "" if text == EMPTY else text
        elif name not in model.stocks:
            wrong.append(unknown("stock or position", name, [*model.stocks, *model.positions]))
        else:
            try:
                lots_ml[name] = number(text)
            except ConfigError as error:
                wrong.append(f"{name}: {error}; give it in ml, without the unit")
                continue
            if lots_ml[name] < 0:
                wrong.append(f"{name}: {text} ml is less than nothing")
    if not wrong and not lots_ml and not containers:
        wrong.append("nothing was counted: give STOCK=ML, POSITION=CONTAINER, POSITION=empty, or --from-file")
    if wrong:
        raise ConfigError("; ".join(wrong))
    return lots_ml, containers


def _deck(journal: Journal, instruments: str) -> str:
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
