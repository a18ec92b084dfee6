"""What people book by hand: receipts, corrections, moves, what may be used, what becomes of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from labwright.engine.dirty import Held
from labwright.engine.events import Adjusted, Booked, Classified, Disposed, MovedByHand, Received
from labwright.engine.material import Material
from labwright.engine.stocks import Stock
from labwright.engine.work import IllegalEventError, Work
from labwright.model.errors import unknown
from labwright.model.material import OUTSIDE, StockAt, Used, container_place, said

SHELF = "shelf"
POSITION = "position:"
SOURCE = "source:"
SAMPLE = "sample:"


def book(work: Work, event: Booked) -> None:
    """Take what a person has booked.

    Raises:
        IllegalEventError: there is no such thing, it is in use, or the place is taken; all is as before.
    """
    match event:
        case Received():
            _receive(work, event)
        case Adjusted():
            _adjust(work, event)
        case MovedByHand():
            _move(work, event)
        case Classified():
            _classify(work, event)
        case Disposed():
            _dispose(work, event)


def _receive(work: Work, event: Received) -> None:
    material = work.material
    places: dict[str, str] = {}
    for name, there in event.stocks.items():
        place, barcode = there.facts.place, there.facts.barcode
        if name in material.stocks:
            raise IllegalEventError(f"container {name} is booked already; count it, or give the new one another name")
        if place and place in places:
            raise IllegalEventError(f"containers {places[place]} and {name} would both be at {place}")
        for other, stock in material.stocks.items():
            if barcode and stock.facts.barcode == barcode:
                raise IllegalEventError(f"container {name} has the barcode {barcode} of {other}")
        if barcode and barcode in [one.facts.barcode for key, one in event.stocks.items() if key != name]:
            raise IllegalEventError(f"container {name} has the barcode {barcode} of another that comes with it")
        places[place] = name
        _free_place(work, place)
    for name, there in event.stocks.items():
        _make_room(material, there.facts.place)
        _put(material, name, there)
        material.book(name, there.count, there.unknown, "receipt", event)


def _adjust(work: Work, event: Adjusted) -> None:
    stock = _stock(work, event.stock)
    left = stock.count - stock.used.amount + event.change
    if left < 0:
        raise IllegalEventError(
            f"stock {event.stock}: {said(-event.change, stock.unit)} less than the "
            f"{said(left - event.change, stock.unit)} that are known to be there is less than nothing"
        )
    stock.count += event.change
    work.material.book(event.stock, event.change, 0, "adjustment", event)


def _move(work: Work, event: MovedByHand) -> None:
    material = work.material
    if event.to not in (SHELF, OUTSIDE):
        _free_place(work, event.to)
    if event.container.startswith(POSITION):
        _move_from(work, event, event.container.removeprefix(POSITION))
        return
    name, stock = event.container, _stock(work, event.container)
    if (plate := stock.facts.plate) and event.to != SHELF and not event.to.startswith(SOURCE):
        raise IllegalEventError(f"{name} is a well of {plate}, and goes where that goes: move {plate}")
    _refuse_in_use(work, name)
    if stock.facts.position:
        _refuse_sample(work, stock.facts.position)
        material.hold(stock.facts.position, Held(since_s=material.now_s))
    if event.to == OUTSIDE:
        _goes_out(material, name, event)
        return
    _make_room(material, event.to)
    facts = {"place": "" if event.to == SHELF else event.to, "stations": event.stations, "into": event.into}
    _comes_to(material, name, facts, event)
    if event.to.startswith(POSITION):
        material.hold(event.to.removeprefix(POSITION), Held(name, since_s=material.now_s))


def _move_from(work: Work, event: MovedByHand, position: str) -> None:
    """What stands in a position is carried away: an empty container, or what a sample that is over has left."""
    material = work.material
    held = material.holds.get(position)
    if held is None or not held.kind:
        raise IllegalEventError(f"position {position} holds nothing that could be moved")
    if held.kind in material.stocks:
        _move(work, event.model_copy(update={"container": held.kind}))
        return
    _refuse_sample(work, position)
    wells = [name for name, stock in material.stocks.items() if stock.facts.plate == held.kind]
    for name in wells:
        _refuse_in_use(work, name)
    if event.to.startswith(SOURCE):
        raise IllegalEventError(
            f"position {position} holds a {held.kind} of which no content is known; {event.to} needs one"
        )
    work.reservations.free(f"{POSITION}{position}")
    material.hold(position, Held(since_s=material.now_s))
    if event.to.startswith(POSITION):
        material.hold(event.to.removeprefix(POSITION), replace(held, since_s=material.now_s))
    for name in wells:
        if event.to == OUTSIDE:
            _goes_out(material, name, event)
        else:  # whether a device still reaches it, the person says
            _comes_to(material, name, {"place": "", "stations": (), "into": ""}, event)


def _goes_out(material: Material, name: str, event: MovedByHand) -> None:
    """A stock leaves the books, with all that is left of it."""
    stock = material.stocks.pop(name)
    left = Used(amount=stock.count - stock.used.amount, unknown=-stock.used.unknown)
    material.enter(container_place(name), OUTSIDE, left, stock.facts, event, "move")
    material.dirty.stocks.add(name)


def _comes_to(material: Material, name: str, facts: Mapping[str, object], event: MovedByHand) -> None:
    """A stock is elsewhere now."""
    stock = material.stocks[name]
    material.stocks[name] = replace(stock, facts=stock.facts.model_copy(update=facts))
    material.dirty.stocks.add(name)
    material.enter(container_place(name), container_place(name), Used(), stock.facts, event, "move")


def _classify(work: Work, event: Classified) -> None:
    if event.what.startswith(SAMPLE):
        campaign, _, label = event.what.removeprefix(SAMPLE).rpartition("/")
        experiment = work.of(campaign).get(label)
        if experiment is not None and event.status == "released":
            experiment.doubts, experiment.quarantine = [], ""
        held = "" if event.status == "released" else event.because
        work.dirty.samples[campaign, label] = {"quarantine": held, "by": event.by, "because": event.because}
        return
    stock = _stock(work, event.what)
    stock.facts = stock.facts.model_copy(update={"status": event.status})
    if event.status == "released":
        stock.doubts = []
    work.material.dirty.stocks.add(event.what)


def _dispose(work: Work, event: Disposed) -> None:
    campaign, _, label = event.sample.rpartition("/")
    if work.has(campaign, label):
        raise IllegalEventError(f"sample {event.sample} is under way; stop it first (labwright campaign stop --sample)")
    for position, held in list(work.material.holds.items()):
        if held.kind and not held.used_up and (held.campaign, held.label) == (campaign, label):
            work.reservations.free(f"{POSITION}{position}")
            work.material.hold(position, Held(since_s=work.material.now_s))
    work.dirty.samples[campaign, label] = {
        "disposition": event.disposition, "place": "", "by": event.by, "because": event.because,
    }  # fmt: skip


def _stock(work: Work, name: str) -> Stock:
    stock = work.material.stocks.get(name)
    if stock is None:
        raise IllegalEventError(unknown("stock", name, list(work.material.stocks)))
    return stock


def _refuse_in_use(work: Work, name: str) -> None:
    """A container from which samples under way may still take stays where it is."""
    for live in work.live.values():
        for experiment in live.values():
            if name in (*experiment.takes.values(), *experiment.promised):
                raise IllegalEventError(f"stock {name} is reserved for experiment {experiment.id}, which is under way")


def _refuse_sample(work: Work, position: str) -> None:
    holder = work.reservations.taken.get(f"{POSITION}{position}")
    whose = f"{holder.owner}/{holder.label}" if holder is not None and work.has(holder.owner, holder.label) else ""
    live = [experiment for experiments in work.live.values() for experiment in experiments.values()]
    whose = whose or next((one.id for one in live if one.stands_at == position), "")
    if whose:
        raise IllegalEventError(f"position {position} is in use by experiment {whose}, which is under way")


def _free_place(work: Work, place: str) -> None:
    """Refuse a position that is taken, and a source that is in use."""
    if place.startswith(POSITION):
        position = place.removeprefix(POSITION)
        held = work.material.holds.get(position)
        if held is None:
            raise IllegalEventError(unknown("position", position, list(work.material.holds)))
        if held.kind:
            raise IllegalEventError(f"position {position} holds {held.kind}; move that first")
        _refuse_sample(work, position)
    for name, stock in work.material.stocks.items():
        if place and stock.facts.place == place:
            _refuse_in_use(work, name)


def _make_room(material: Material, place: str) -> None:
    """What was at a source where another container comes goes on the shelf."""
    for name, stock in list(material.stocks.items()):
        if place.startswith(SOURCE) and stock.facts.place == place:
            facts = stock.facts.model_copy(update={"place": "", "stations": (), "into": ""})
            material.stocks[name] = replace(stock, facts=facts)
            material.dirty.stocks.add(name)


def _put(material: Material, name: str, there: StockAt) -> None:
    material.stocks[name] = Stock.of(there, 0, material.now_s)
    if position := there.facts.position:
        material.hold(position, Held(name, since_s=material.now_s))
