"""Stocks, wastes and positions: what is there, and what people count, receive, correct and move."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from labwright.answers.material import Booked, ContainerRow, Counted, DeckLeft, Forecast, Labels
from labwright.engine import by_hand
from labwright.engine.by_hand import Wanted, deck_booked, entry
from labwright.engine.inventory import DeckCount, deck_count
from labwright.engine.recounting import counted_as, recount_of
from labwright.facts.labels import label_facts
from labwright.facts.stocks import container_rows, forecast_facts, stock_facts
from labwright.journal import Journal
from labwright.journal.asking import deck_of, refuse_no_controller
from labwright.model.lab import LabModel
from labwright.service import commanding
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, commanded, items_of
from labwright.service.gate import Asker
from labwright.service.lab import Reason
from labwright.service.once import Answer
from labwright.service.rights import Action, Resource
from labwright.service.state import Asking, Here, Service

Wants = Callable[[], Wanted]
"""Makes an entry; what cannot be read is refused only then, and so remembered."""

Look = Callable[[Journal, LabModel], tuple[dict[str, Any], dict[str, Any]]]

router = APIRouter(prefix="/v1/inventory", route_class=StrictRoute, tags=["inventory"])

STOCK = Resource("stock")

Word = Annotated[str, Field(min_length=1, max_length=200)]
Deck = Annotated[str, Query(max_length=1000, description="which deck, if the journal knows several")]
Column = Literal["labware", "material", "lot", "quantity", "barcode", "opened", "expires", "status", "place"]


class Booking(Body):
    """Something that a person books.

    Attributes:
        because: why.
        instruments: which deck; that of the controller if empty.
    """

    because: Reason
    instruments: Annotated[str, Field(max_length=1000)] = ""


class Count(Booking):
    """What a person has counted.

    Attributes:
        what: ``STOCK=AMOUNT``, ``POSITION=CONTAINER`` or ``POSITION=empty``.
        from_file: all that inventory.yaml says, but for what is named.
    """

    what: Annotated[list[Word], Field(max_length=1000)] = []
    from_file: bool = False


class Receive(Booking):
    """Containers that have come: all are booked, or none.

    Attributes:
        containers: the columns of each (``labware``, ``material``, ``quantity``; ``lot``, ...), by its name.
    """

    containers: Annotated[
        dict[Word, dict[Column, Annotated[str, Field(max_length=200)]]], Field(min_length=1, max_length=1000)
    ]


class Adjust(Booking):
    """A correction of what is known of a stock.

    Attributes:
        stock: its container, its source, or its material if one alone holds that.
        change: an amount with a sign, ``-0.5mL``.
    """

    stock: Word
    change: Word


class Move(Booking):
    """A container was put elsewhere.

    Attributes:
        container: its name, or the position of what stands there.
        to: a position, a source, ``shelf``, or ``outside``.
    """

    container: Word
    to: Word


class Classify(Booking):
    """A stock may be used, or may not.

    Attributes:
        stock: its container, or the source at which it stands.
    """

    stock: Word


@router.get("", name="list", responses=answers(DeckLeft))
def inventory(service: Here, asker: Asking, instruments: Deck = "") -> dict[str, Any]:
    """What is left of each stock, what is in each waste, and what each position holds; amounts in the smallest unit."""
    service.gate.need(asker, "stock.read", STOCK)
    with service.records.reading() as journal:
        return stock_facts(journal, instruments)


@router.get("/containers", responses=answers(items_of(ContainerRow)))
def containers(service: Here, asker: Asking, instruments: Deck = "") -> dict[str, Any]:
    """What each container holds, in the columns that `labwright inventory import` reads."""
    service.gate.need(asker, "stock.read", STOCK)
    with service.records.reading() as journal:
        return {"items": container_rows(journal, instruments)}


@router.get("/forecast", responses=answers(Forecast))
def forecast(service: Here, asker: Asking, instruments: Deck = "") -> dict[str, Any]:
    """How long each stock, waste and kind of container lasts for the campaigns under way."""
    service.gate.need(asker, "stock.read", STOCK)
    with service.records.reading() as journal:
        return forecast_facts(journal, instruments)


@router.get("/labels", responses=answers(Labels))
def labels(
    service: Here,
    asker: Asking,
    instruments: Deck = "",
    name: Annotated[list[str], Query(max_length=1000, description="of a container; again for more; all without")] = [],  # noqa: B006 - FastAPI's way
) -> dict[str, Any]:
    """Labels for containers, as SVG at their true size, and what the code on each says."""
    service.gate.need(asker, "stock.read", STOCK)
    with service.records.reading() as journal:
        return label_facts(journal, instruments, name)


@router.post("/count", responses=commanded(Counted))
async def count(service: Here, asker: Asking, request: Request, body: Count) -> Response:
    """Record what a person has counted or refilled."""
    await service.gate.needs(asker, "stock.book", STOCK)

    def look(journal: Journal, model: LabModel) -> tuple[dict[str, Any], dict[str, Any]]:
        _, deck = deck_booked(journal, body.instruments)
        known = deck_count(journal, deck) or DeckCount(deck)
        amounts, containers = by_hand.counted(model, known, body.what, from_file=body.from_file)
        counts = {name: one.count for name, one in amounts.items()}
        recount_of(model, known, counts, containers, by=asker.who.id, because=body.because)
        units = {name: one.unit for name, one in amounts.items()}
        payload = {"counts": counts, "containers": containers}
        return payload, {"instruments": deck, "counts": counts, "units": units, "containers": containers}

    async def work(key: str) -> Answer:
        model = await to_thread.run_sync(service.files.model)
        payload, facts = await service.records.in_thread(_once_looked, "recount", key, look, model)
        return await _asked(service, asker, "recount", payload, {"counted": facts}, body.because, key)

    return await service.once.do(request, asker, _entry(asker, "stock.book", "stock/", body), work)


@router.post("/receive", responses=commanded(Booked))
async def receive(service: Here, asker: Asking, request: Request, body: Receive) -> Response:
    """Book containers that have come; what stood at the source of one goes on the shelf."""
    rows: dict[str, dict[str, str]] = {
        name: {str(column): text for column, text in row.items()} for name, row in body.containers.items()
    }
    return await _book(service, asker, request, body, lambda: by_hand.received(rows))


@router.post("/adjust", responses=commanded(Booked))
async def adjust(service: Here, asker: Asking, request: Request, body: Adjust) -> Response:
    """Correct what is known of a stock by an entry of its own."""
    return await _book(service, asker, request, body, lambda: by_hand.adjusted(body.stock, body.change))


@router.post("/move", responses=commanded(Booked))
async def move(service: Here, asker: Asking, request: Request, body: Move) -> Response:
    """Book that a person has put a container elsewhere."""
    return await _book(service, asker, request, body, lambda: by_hand.moved(body.container, body.to))


@router.post("/release", responses=commanded(Booked))
async def release(service: Here, asker: Asking, request: Request, body: Classify) -> Response:
    """Book that a quarantined stock may be used: a person has looked."""
    return await _book(service, asker, request, body, lambda: by_hand.classified(body.stock, "released"))


@router.post("/quarantine", responses=commanded(Booked))
async def quarantine(service: Here, asker: Asking, request: Request, body: Classify) -> Response:
    """Book that nothing of a stock may be used, and why."""
    return await _book(service, asker, request, body, lambda: by_hand.classified(body.stock, "quarantined"))


async def _book(service: Service, asker: Asker, request: Request, body: Booking, wanted: Wants) -> Response:
    await service.gate.needs(asker, "stock.book", STOCK)
    return await book(service, asker, request, body, wanted, "stock.book", "stock/")


async def book(
    service: Service, asker: Asker, request: Request, body: Booking, wanted: Wants, action: Action, target: str
) -> Response:
    """Book something, through the controller, once it was held against the lab.

    Args:
        service: with the journal and the lab's files.
        asker: who books it; may do so.
        request: with its Idempotency-Key.
        body: with the reason.
        wanted: makes the entry.
        action: for the audit trail.
        target: for that, too.
    """

    def look(journal: Journal, model: LabModel) -> tuple[dict[str, Any], dict[str, Any]]:
        _, deck = deck_booked(journal, body.instruments)
        event = entry(wanted(), model, journal, deck, by=asker.who.id, because=body.because)
        payload = {"event": event.model_dump(mode="json", exclude={"by", "because"})}
        return payload, {"instruments": deck, **event.model_dump(mode="json")}

    async def work(key: str) -> Answer:
        model = await to_thread.run_sync(service.files.model)
        payload, facts = await service.records.in_thread(_once_looked, "book", key, look, model)
        return await _asked(service, asker, "book", payload, {"booked": facts}, body.because, key)

    return await service.once.do(request, asker, _entry(asker, action, target, body), work)


def _once_looked(journal: Journal, kind: str, key: str, look: Look, model: LabModel) -> tuple[Mapping[str, Any], Any]:
    """What is sent, and shown; as it was sent, if it was sent before: it may have changed what is looked at."""
    if (before := commanding.of_key(journal, key)) is not None:
        return _sent(journal, commanding.payload_of(before), before, model)
    refuse_no_controller(journal, kind)
    return look(journal, model)


def _sent(
    journal: Journal, payload: dict[str, Any], command: Mapping[str, Any], model: LabModel
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was sent before an answer was lost, and what is shown of it."""
    deck = deck_of(journal)
    if "event" in payload:
        return payload, {
            "instruments": deck, **payload["event"], "by": command["by"], "because": command["because"]
        }  # fmt: skip
    known = deck_count(journal, deck) or DeckCount(deck)
    units = {name: counted_as(model, known, name)[1] for name in payload["counts"]}
    return payload, {"instruments": deck, **payload, "units": units}


async def _asked(
    service: Service,
    asker: Asker,
    kind: str,
    payload: Mapping[str, Any],
    more: Mapping[str, Any],
    because: str,
    key: str,
) -> Answer:
    answer = await commanding.command(
        service, "", kind, payload, by=asker.who.id, because=because, key=key, trace=asker.trace
    )
    return dataclasses.replace(answer, body={**answer.body, **more})


def _entry(asker: Asker, action: Action, target: str, body: Booking) -> Entry:
    after = body.model_dump(mode="json", exclude={"because"})
    return Entry(asker.who.id, action, target, via=asker.who.key, after=after, because=body.because, trace=asker.trace)
