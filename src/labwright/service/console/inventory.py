"""Inventory: what is left of each material, how long it lasts, what is in the wastes, and booking by hand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from labwright.facts.labels import label_facts
from labwright.facts.stocks import forecast_facts, stock_facts
from labwright.journal.status import lab_time_s
from labwright.model.errors import ConfigError, RefusedError
from labwright.model.quantities import Amount
from labwright.model.unit_signs import with_signs
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.page import PageRoute, Shown
from labwright.service.console.saying import said_of_stocks
from labwright.service.gate import Asker
from labwright.service.rights import can
from labwright.service.state import Asking, Here, Service
from labwright.service.stocks import STOCK

router = APIRouter(include_in_schema=False, route_class=PageRoute)


def inventory(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """What a deck has left."""
    service.gate.need(asker, "stock.read", STOCK)
    with service.records.reading() as journal:
        try:
            deck = stock_facts(journal)
            ahead = forecast_facts(journal)
            now_s = lab_time_s(journal, ahead["instruments"])
            lasting = {one["what"]: {**one, "in_s": _in_s(one["until_s"], now_s)} for one in ahead["items"]}
            why_not = ""
        except (ConfigError, RefusedError) as error:  # nothing was counted here yet, or there are several decks
            deck, lasting, why_not = {"stocks": [], "wastes": [], "positions": []}, {}, str(error)
        said = said_of_stocks(service, asker, journal)
    data: dict[str, Any] = {
        "deck": deck,
        "lasting": lasting,
        "kinds": [one for one in lasting.values() if one["kind"] not in ("material", "waste")],
        "amount": amount_words,
        "under_way": bool(lasting),
        "why_not": why_not,
        "said": said,
        "books": bool(can(asker.who, "stock.book", STOCK)),
    }
    return Shown(words("inventory"), "inventory", data, ("stocks", "wastes", "notes"))


@router.get("/inventory/labels.svg")
def labels(service: Here, asker: Asking, name: Annotated[list[str], Query(max_length=1000)] = []) -> Response:  # noqa: B006 - FastAPI's way
    """Labels for containers, to be printed at their true size."""
    service.gate.need(asker, "stock.read", STOCK)
    with service.records.reading() as journal:
        sheet = str(label_facts(journal, "", name)["svg"])
    policy = "default-src 'none'; frame-ancestors 'none'"
    return Response(sheet, media_type="image/svg+xml", headers={"Content-Security-Policy": policy})


def _in_s(until_s: float | None, now_s: float | None) -> float | None:
    """Lab seconds until something runs out; None if it lasts, or that is not known."""
    return None if until_s is None or now_s is None else max(0.0, until_s - now_s)


def amount_words(count: float, unit: str) -> str:
    """An amount as people read it; less than nothing with its sign."""
    if not round(count):
        return "0"  # nothing is nothing in any unit
    text = with_signs(str(Amount(count=abs(round(count)), unit=unit)))
    return f"−{text}" if count < 0 else text


page(router, "/inventory", inventory)
