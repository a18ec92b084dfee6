"""Stocks, wastes and positions of a deck, as JSON."""

from __future__ import annotations

from typing import Any

from labwright.engine.booking import SHELF
from labwright.engine.by_hand import deck_named
from labwright.engine.forecasting import forecast
from labwright.engine.inventory import DeckCount, deck_count, stocks_of
from labwright.journal import Journal
from labwright.model.quantities import Amount


def stock_facts(journal: Journal, instruments: str = "") -> dict[str, Any]:
    """What a deck has left; amounts in the smallest unit.

    Args:
        journal: opened to be read.
        instruments: which deck; the only one if empty.

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: it knows several, or none.
    """
    deck = deck_named(journal, instruments)
    count = deck_count(journal, deck) or DeckCount(deck)
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


def container_rows(journal: Journal, instruments: str = "") -> list[dict[str, str]]:
    """What each container holds, in the columns that `labwright inventory import` reads.

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: it knows several, or none.
    """
    stocks = stocks_of(journal, deck_named(journal, instruments))
    return [
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


def forecast_facts(journal: Journal, instruments: str = "") -> dict[str, Any]:
    """How long each material, waste and kind of container lasts for the campaigns that are not over (``items``).

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: it knows several, or none.
    """
    deck = deck_named(journal, instruments)
    return {"instruments": deck, "items": [{**vars(one), "lasts": one.lasts} for one in forecast(journal, deck)]}
