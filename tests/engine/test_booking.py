"""Which stock is taken, what waits for what, and what people book by hand: by the core, over the tables it writes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from labwright.engine import validate_state
from labwright.engine.events import (
    Adjusted,
    Answered,
    Booked,
    Classified,
    Disposed,
    MovedByHand,
    Noted,
    Received,
    Recounted,
    Relabelled,
    Stocked,
    Suggested,
)
from labwright.engine.inventory import from_files
from labwright.engine.snapshots import dumped
from labwright.engine.stocks import Stock
from labwright.engine.work import IllegalEventError
from labwright.lab import read_lab
from labwright.model.campaign import Suggestion
from labwright.model.material import StockAt, StockFacts, Used, WasteAt
from tests.engine.test_material import ML, STOCKED, Deck, started

ROOT = Path(__file__).parents[2]

NOW_S = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()


def water(source: str, ml: int = 10, **facts: Any) -> StockAt:
    place = f"source:{source}" if source else ""
    stations = ("meter",) if source else ()
    return StockAt(
        facts=StockFacts(material="water", lot="W", place=place, stations=stations, **facts),
        count=ml * ML,
        dead=ML // 2,
    )


def filled(wastes: dict[str, WasteAt] | None = None, **stocks: StockAt) -> Deck:
    deck = Deck()
    deck.now_s = NOW_S
    known = {"drain": WasteAt(capacity=50 * ML, station="meter")} if wastes is None else wastes
    deck.take("", STOCKED.model_copy(update={"stocks": stocks, "wastes": known}))
    deck.events.clear()
    return deck


def book(deck: Deck, event: Booked) -> None:
    deck.take("", event)
    validate_state(deck.lab)


def refused(deck: Deck, event: Booked | Recounted | Stocked, words: str) -> None:
    before = dumped(deck.lab, whole=True)
    with pytest.raises(IllegalEventError, match=words):
        deck.lab.handle("", event, deck.now_s)
    assert dumped(deck.lab, whole=True) == before


def taken(deck: Deck, campaign: str, label: str = "0001") -> dict[str, str]:
    return deck.lab.campaign(campaign).live[label].takes


def test_what_expires_first_is_used_first_and_what_has_expired_never() -> None:
    days = {"old": date(2026, 11, 26), "soon": date(2026, 11, 27), "late": date(2027, 1, 1)}
    deck = filled(None, **{name: water(f"tap_{name}", expires=day) for name, day in days.items()})
    deck.take("a", started("a", parallel=3))
    for _ in range(3):
        deck.suggest("a", 4.0)
    core = deck.lab.campaign("a")
    assert [one.takes["water"] for one in core.live.values()] == ["soon", "soon", "late"]
    fetch = deck.orders["a/0001/fetch"].order
    assert fetch.sources == {}, "the arm dispenses nothing"
    deck.end("a/0001/fetch")
    assert deck.orders["a/0001/measure"].order.sources == {"water": "tap_soon"}
    deck.now_s = datetime(2027, 1, 2, tzinfo=UTC).timestamp()
    deck.take("b", started("b"))
    deck.suggest("b", 1.0)
    short = deck.lab.campaign("b").short
    assert "stock late has expired on 2027-01-01" in short
    deck.take("", Recounted(containers={"rack_1": "vial"}, by="Kim", because="put there"))
    book(deck, Received(stocks={"new": water("tap_new", 2)}, by="Kim", because="delivered"))
    assert taken(deck, "b") == {"water": "new"}, "it waited, and began by itself"
    assert deck.lab.campaign("b").short == ""


@pytest.mark.parametrize(
    ("zone", "last_s"),
    [
        ("UTC", datetime(2027, 1, 2, tzinfo=UTC).timestamp()),
        ("Asia/Tokyo", datetime(2027, 1, 1, 15, tzinfo=UTC).timestamp()),
        ("America/Los_Angeles", datetime(2027, 1, 2, 8, tzinfo=UTC).timestamp()),
    ],
)
def test_a_lot_is_used_until_its_last_day_ends_where_the_lab_is(zone: str, last_s: float) -> None:
    there = water("tap", expires=date(2027, 1, 1))
    stock = Stock.of(there.model_copy(update={"facts": there.facts.model_copy(update={"zone": zone})}), 0, 0.0)
    assert stock.barred(last_s - 1) == ""
    assert stock.barred(last_s) == "has expired on 2027-01-01"


def test_the_lab_says_in_which_zone_its_days_are() -> None:
    model = read_lab(ROOT).model.model_copy(update={"zone": "Asia/Tokyo"})
    assert {stock.facts.zone for stock in from_files(model).stocks.values()} == {"Asia/Tokyo"}


def test_opened_first_is_used_first_among_equals_and_a_shelf_gives_nothing() -> None:
    deck = filled(
        shelf=water("", opened=date(2025, 1, 1)),
        second=water("tap_2", opened=date(2026, 3, 1)),
        first=water("tap_1", opened=date(2026, 2, 1)),
    )
    deck.take("a", started("a", parallel=3, budget=3))
    for _ in range(3):
        deck.suggest("a", 8.0)
    core = deck.lab.campaign("a")
    assert [one.takes["water"] for one in core.live.values()] == ["first", "second"]
    assert "stock first is used up" in core.short
    assert "stock shelf is at no source" in core.short
    book(deck, MovedByHand(container="shelf", to="source:tap_3", stations=("meter",), by="Kim", because="connected"))
    assert taken(deck, "a", "0003") == {"water": "shelf"}


def test_a_doubtful_step_quarantines_what_it_took_from_until_a_person_has_answered() -> None:
    deck = filled(water=water("tap", 20))
    for name in ("a", "b"):
        deck.take(name, started(name))
    deck.suggest("a", 2.0)
    deck.end("a/0001/fetch")
    deck.end("a/0001/measure", "unknown", used=Used(amount=ML // 2, unknown=ML), doubt=3)
    deck.suggest("b", 2.0)
    core = deck.lab.campaign("b")
    assert "stock water is quarantined until a person has looked at step a/0001/measure" in core.short
    assert deck.tables["sample", "a", "0001"]["quarantine"] == "a/0001/measure"
    deck.take("a", Answered(question="a:q1", answer="done", by="Kim", because="looked"))
    assert (core.short, taken(deck, "b")) == ("", {"water": "water"})
    assert deck.tables["sample", "a", "0001"]["quarantine"] == ""


def test_what_a_person_quarantines_is_used_again_when_a_person_releases_it() -> None:
    deck = filled(water=water("tap"))
    book(deck, Classified(what="water", status="quarantined", by="Kim", because="cloudy"))
    deck.take("a", started("a"))
    deck.suggest("a", 1.0)
    assert "stock water is quarantined" in deck.lab.campaign("a").short
    book(deck, Classified(what="water", status="released", by="Ann", because="filtered"))
    assert taken(deck, "a") == {"water": "water"}


def test_a_waste_without_room_keeps_an_experiment_waiting_until_it_is_emptied() -> None:
    deck = filled({"drain": WasteAt(capacity=3 * ML, station="meter")}, rinse=water("tap", into="drain"))
    deck.take("a", started("a", parallel=2))
    deck.suggest("a", 2.0)
    deck.end("a/0001/fetch")
    deck.end("a/0001/measure", used=Used(amount=2 * ML))
    assert deck.tables["waste", "real", "drain"]["level"] == 2 * ML
    deck.suggest("a", 2.0)
    core = deck.lab.campaign("a")
    assert core.short.startswith("waste drain is full: room for 2 ml is needed, 1 ml of 3 ml is left")
    deck.take("", Recounted(counts={"drain": 0}, by="Kim", because="emptied"))
    assert (core.tried, core.short) == (2, "")
    deck.adds_up()
    entries = [row for row in deck.ledger if "waste:drain" in (row["taken_from"], row["put_into"])]
    assert [(row["taken_from"], row["put_into"], row["amount"]) for row in entries] == [
        ("container:rinse", "waste:drain", 2 * ML),
        ("waste:drain", "outside", 2 * ML),
    ]


def test_room_in_a_waste_is_promised_for_what_is_drawn_from_the_sample() -> None:
    deck = filled({"drain": WasteAt(capacity=5 * ML, station="meter")}, water=water("tap"))
    deck.take("a", started("a", parallel=2))
    uses = {"water": 4 * ML, "drain": 3 * ML}
    deck.take("a", Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r"), uses=uses))
    deck.take("a", Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r"), uses=uses))
    core = deck.lab.campaign("a")
    assert "waste drain is full: room for 3 ml is needed, 2 ml of 5 ml is left" in core.short
    deck.end("a/0001/fetch")
    order = deck.orders["a/0001/measure"].order
    outcome = {"tap": Used(amount=4 * ML), "drain": Used(amount=ML)}
    deck.lab.material.use(core.live["0001"], deck.lab.work.find(order.step_id)[1], outcome)
    assert core.live["0001"].contents == {"nL": 3 * ML}, "what was put in, less what was drawn"
    assert deck.lab.material.wastes["drain"].promised == 2 * ML
    deck.end("a/0001/measure")
    deck.end("a/0001/out")
    assert core.tried == 2, "what it has not drawn is free again"
    deck.adds_up()


def test_what_waits_too_long_ends_its_campaign() -> None:
    deck = filled(water=water("tap", 2))
    deck.take("a", started("a", material_wait_s=600))
    deck.suggest("a", 5.0)
    core = deck.lab.campaign("a")
    assert deck.lab.dispatcher.wake_s == deck.now_s + 600
    deck.now_s += 598
    deck.take("a", Noted(words="n"))
    assert core.phase == "running"
    deck.now_s += 5
    deck.take("a", Noted(words="n"))
    assert (core.phase, core.tried) == ("completed", 0)
    assert core.reason.startswith("stock water is used up: 5 ml are needed, 1.5 ml are left")


def test_a_preparation_is_promised_its_material_too() -> None:
    deck = filled(water=water("tap", 5))
    first = started("a", prepare=("calibrate",), budget=1)
    deck.take("a", first.model_copy(update={"prepares": {"calibrate": {"water": 6 * ML}}}))
    core = deck.lab.campaign("a")
    assert core.short.startswith("stock water is used up: 6 ml are needed, 4.5 ml are left")
    book(deck, Adjusted(stock="water", change=3 * ML, by="Kim", because="misread"))
    assert deck.lab.material.stocks["water"].promised == 6 * ML
    assert deck.orders["a/calibrate/cal"].order.sources == {"water": "tap"}
    deck.end("a/calibrate/cal", used=Used(amount=ML))
    assert deck.lab.material.stocks["water"].promised == 0
    deck.adds_up()


def test_receipts_corrections_and_moves_are_entries_with_a_name_and_a_reason() -> None:
    deck = filled(water=water("tap"))
    book(deck, Received(stocks={"more": water("tap", 3, barcode="0815")}, by="Kim", because="delivered"))
    assert (deck.lab.material.stocks["water"].facts.place, deck.lab.material.find("tap")) == ("", "more")
    book(deck, Adjusted(stock="more", change=-ML, by="Kim", because="spilt"))
    book(deck, MovedByHand(container="water", to="outside", by="Kim", because="returned"))
    assert "water" not in deck.lab.material.stocks
    assert ("stock", "real", "water") not in deck.tables
    booked = [row for row in deck.ledger if row["why"] in ("receipt", "adjustment", "move")]
    assert [(row["taken_from"], row["put_into"], row["amount"], row["by"], row["because"]) for row in booked] == [
        ("outside", "container:more", 3 * ML, "Kim", "delivered"),
        ("container:more", "outside", ML, "Kim", "spilt"),
        ("container:water", "outside", 10 * ML, "Kim", "returned"),
    ]
    deck.adds_up()


def test_what_cannot_be_booked_is_refused_and_changes_nothing() -> None:
    deck = filled(water=water("tap", barcode="0815"))
    deck.take("a", started("a"))
    deck.suggest("a", 1.0)
    name = {"by": "Kim", "because": "x"}
    refused(deck, Received(stocks={"water": water("", 1)}, **name), "container water is booked already")
    refused(deck, Received(stocks={"b": water("", 1, barcode="0815")}, **name), "has the barcode 0815 of water")
    refused(deck, Received(stocks={"b": water("tap", 1)}, **name), "water is reserved for experiment a/0001")
    refused(
        deck, Received(stocks={"b": water("x", 1), "c": water("x", 1)}, **name), "b and c would both be at source:x"
    )
    refused(
        deck, Adjusted(stock="water", change=-11 * ML, **name), "11 ml less than the 10 ml that are known to be there"
    )
    refused(deck, Adjusted(stock="watre", change=1, **name), "no stock 'watre'; did you mean 'water'")
    refused(deck, MovedByHand(container="water", to="outside", **name), "water is reserved for experiment a/0001")
    refused(
        deck, MovedByHand(container="position:rack_1", to="position:rack_2", **name), "rack_2 holds vial; move that"
    )
    refused(deck, MovedByHand(container="position:rack_1", to="position:balance", **name), "balance is in use by")
    refused(deck, Disposed(sample="a/0001", disposition="disposed", **name), "sample a/0001 is under way")


def test_a_sample_left_in_the_lab_is_disposed_of_and_its_place_is_free() -> None:
    deck = filled(water=water("tap"))
    deck.take("a", started("a", budget=1))
    deck.suggest("a", 1.0)
    deck.end("a/0001/fetch")
    deck.end("a/0001/measure", used=Used(amount=ML))
    assert deck.tables["sample", "a", "0001"]["disposition"] == "under way"
    deck.end("a/0001/out", "failed")
    deck.end("a/0001/out", "failed") if "a/0001/out" in deck.orders else None
    row = deck.tables["sample", "a", "0001"]
    assert (row["disposition"], row["place"]) == ("in the lab", "balance")
    book(deck, Disposed(sample="a/0001", disposition="disposed", by="Kim", because="measured"))
    row = deck.tables["sample", "a", "0001"]
    assert (row["disposition"], row["place"], row["by"]) == ("disposed", "", "Kim")
    assert deck.holds("balance")[0] == ""


def test_stocks_that_an_earlier_release_counted_by_material_are_known_by_their_containers() -> None:
    """Also with an experiment under way, which that release has promised some of the material."""
    deck = Deck()
    deck.ledger.clear()
    earlier = STOCKED.model_copy(update={"stocks": {}, "wastes": {}, "lots_nl": {"water": 10 * ML}})
    deck.take("", earlier)
    first = started("a", budget=2)
    deck.take("a", first.model_copy(update={"engine": 3, "counted": ("water",)}))
    deck.suggest("a", 2.0)
    deck.end("a/0001/fetch")
    deck.lab.material.use(
        deck.lab.campaign("a").live["0001"], deck.lab.work.find("a/0001/measure")[1], {"water": Used(amount=ML)}
    )
    drain = {"drain": WasteAt(capacity=50 * ML, station="meter")}
    deck.take("", Relabelled(stocks={"water-1": water("tap")}, wastes=drain, by="Bo"))
    stock = deck.lab.material.stocks["water-1"]
    assert list(deck.lab.material.stocks) == ["water-1"]
    assert (stock.facts.material, stock.count, stock.used, stock.promised) == ("water", 10 * ML, Used(amount=ML), ML)
    deck.end_with("a/0001/measure", "done", {"water": Used(amount=2 * ML)})  # as that release's station names it
    deck.end("a/0001/out")
    assert (stock.used, stock.promised) == (Used(amount=2 * ML), 0)
    assert ("stock", "real", "water") not in deck.tables
    relabelled = [row for row in deck.ledger if row["why"] == "relabelled"]
    assert [(row["taken_from"], row["put_into"], row["amount"]) for row in relabelled] == [
        ("container:water", "container:water-1", 9 * ML)
    ]
    validate_state(deck.lab)
