"""What the lab has: containers at its positions, and what is left of its stocks; it outlives every campaign."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from labwright.engine.dirty import DirtyRows, Held, Transfer
from labwright.engine.events import Gone, Recounted, Relabelled, Stocked
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.stocks import Stock, Waste, named, no_room
from labwright.model.material import (
    NL_PER_ML,
    OUTSIDE,
    StockAt,
    StockFacts,
    Used,
    container_place,
    nanolitres,
    said,
    sample_place,
    waste_place,
)

CONTAINER = "container"
"""The kind of a container of which no more is known."""


REFILL = "; refill it and count it: labwright inventory count STOCK=AMOUNT"
REPLACE = "replace it and say so: labwright inventory count POSITION=CONTAINER"


def no_container(kind: str) -> str:
    """That no position holds such a container any more, in words."""
    return (
        f"no position holds an unused {kind} any more; put some in and say where: labwright inventory count "
        f"POSITION={kind}"
    )


class Named(Protocol):
    """An event of which it is known who has recorded it, and why."""

    @property
    def by(self) -> str:
        """The person."""

    @property
    def because(self) -> str:
        """Why."""


@dataclass(frozen=True)
class Allotment:
    """What an experiment is promised.

    Attributes:
        takes: the stock that each material is taken of.
        amounts: by stock or waste, in its smallest unit.
        lacking: what does not last for it, in words; empty if all does.
    """

    takes: dict[str, str] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)
    lacking: str = ""


@dataclass
class Material:
    """Containers, stocks and wastes.

    Attributes:
        dirty: collects what has changed.
        stocks: by the name of their container; in journals of earlier releases by material.
        wastes: by name.
        holds: what each position holds, in the order in which containers are used.
        counted: sources and wastes whose use is counted by confirmed operations; of others an experiment takes what
            was promised.
        now_s: lab time.
        entries: in the ledger so far, by campaign.
        filled: whether all stocks that there are are known, by their containers.
    """

    dirty: DirtyRows
    stocks: dict[str, Stock] = field(default_factory=dict)
    wastes: dict[str, Waste] = field(default_factory=dict)
    holds: dict[str, Held] = field(default_factory=dict)
    counted: frozenset[str] = frozenset()
    now_s: float = 0.0
    entries: dict[str, int] = field(default_factory=dict)
    filled: bool = False
    _where: dict[str, str] = field(default_factory=dict)
    """Where the container of each experiment stands that is under way or was given up, by its id."""

    def find(self, name: str) -> str:
        """The stock or waste that is meant by a source, a container or a material; the name itself if none is."""
        return name if name in self.wastes else next(iter(named(self.stocks, name)), name)

    def fill(self, event: Stocked) -> None:
        """All that is there now, whatever was there before."""
        booked = dict(event.stocks)
        self.filled = bool(booked)
        for name, there_nl in event.lots_nl.items():  # as earlier releases name them: by material
            booked[name] = StockAt(
                count=there_nl, dead=event.dead_nl.get(name, 0), unknown=event.unknown_nl.get(name, 0)
            )
        for place, gone in (event.gone or self._booked()).items():
            self.enter(place, OUTSIDE, Used(amount=gone.amount, unknown=gone.unknown), gone.facts, event, "gone")
        before, self.stocks = self.stocks, {}
        for name, there in booked.items():
            self.stocks[name] = Stock.of(there, 0, self.now_s)
        for name, stock in before.items():  # what is promised of it stays so, under its new name
            self.dirty.stocks.add(name)
            if stock.promised:
                self.stocks.setdefault(self.find(name), Stock(since_s=self.now_s)).promised += stock.promised
        for name, there in booked.items():
            self.book(name, there.count, there.unknown, "first fill", event)
        self.wastes = {
            name: Waste.of(there, self.wastes[name].promised if name in self.wastes else 0)
            for name, there in event.wastes.items()
        }
        self.dirty.wastes.update(self.wastes)
        for name, waste in self.wastes.items():
            if waste.level:
                self.enter(OUTSIDE, waste_place(name), Used(amount=waste.level), StockFacts(unit=waste.unit), event)
        self._where.clear()
        for position in [one for one in self.holds if one not in event.containers]:
            self.hold(position, Held(since_s=self.now_s))
        self.holds = {position: self.holds.get(position, Held()) for position in event.containers}
        for position, kind in event.containers.items():
            campaign, _, label = event.used_up.get(position, "").partition("/")
            self.hold(position, Held(kind, campaign, label, self.now_s, used_up=bool(campaign)))

    def _booked(self) -> dict[str, Gone]:
        """What the books have in each container and waste."""
        return booked(self.stocks, self.wastes)

    def recount(self, event: Recounted) -> None:
        """A person has counted: what is found more or less than was known is an entry of its own."""
        for name, there_nl in event.lots_nl.items():
            self._recount(self.find(name), there_nl, event.dead_nl.get(name), event)
        for name, there in event.counts.items():
            key = self.find(name)
            if key in self.wastes:
                self._recount_waste(key, there, event)
            else:
                self._recount(key, there, None, event)
        for name, booked in event.stocks.items():
            key = self._earlier(name, booked.facts)
            known = self.stocks.setdefault(key, Stock(since_s=self.now_s))
            if not known.facts.material and key == name:
                known.facts = booked.facts
            self._recount(key, booked.count, booked.dead, event)
        self._where = {one: position for one, position in self._where.items() if position not in event.containers}
        for position, kind in event.containers.items():
            self.hold(position, Held(kind, since_s=self.now_s))
            if kind not in event.counts and kind not in event.stocks:
                self._replace(kind, event)

    def relabel(self, event: Relabelled) -> None:
        """Stocks that an earlier release has named by their materials are named by their containers from now on."""
        self.filled = True
        for name, booked in event.stocks.items():
            before = self.stocks.pop(self._earlier(name, booked.facts), None)
            if before is None:
                self.stocks[name] = Stock.of(booked, 0, self.now_s)
                self.book(name, booked.count, 0, "first fill", event)
                continue
            self.stocks[name] = replace(before, facts=booked.facts)
            self.dirty.stocks.update((name, booked.facts.material))
            left = Used(amount=before.count - before.used.amount, unknown=-before.used.unknown)
            earlier = container_place(booked.facts.material)
            self.enter(earlier, container_place(name), left, booked.facts, event, "relabelled")
        for name, there in event.wastes.items():
            self.wastes.setdefault(name, Waste.of(there, 0))
            self.dirty.wastes.add(name)

    def _earlier(self, name: str, facts: StockFacts) -> str:
        """The name of a stock, which is its material where an earlier release has counted it."""
        earlier = self.stocks.get(facts.material)
        return facts.material if name not in self.stocks and earlier and not earlier.facts.material else name

    def _recount(self, name: str, there: int, dead: int | None, event: Named) -> None:
        before = self.stocks.get(name, Stock())
        dead = before.dead if dead is None else dead
        self.stocks[name] = Stock(there, dead, Used(), before.promised, self.now_s, before.facts)
        known = before.count - before.used.amount
        self.book(name, there - known, -before.used.unknown, "recount", event)

    def _recount_waste(self, name: str, there: int, event: Recounted) -> None:
        waste = self.wastes[name]
        more = Used(amount=there - waste.level, unknown=-waste.unknown)
        waste.level, waste.unknown = there, 0
        self.dirty.wastes.add(name)
        self.enter(OUTSIDE, waste_place(name), more, StockFacts(unit=waste.unit), event, "recount")

    def _replace(self, name: str, event: Named) -> None:
        """A container that had been used was replaced: it is as full as when it was counted last."""
        if name in self.stocks and self.stocks[name].used:
            self._recount(name, self.stocks[name].count, None, event)

    def begin_full(self, places: Iterable[str], lots_ml: Mapping[str, float]) -> None:
        """A campaign of an earlier version begins: whatever was there before, its event says what there is."""
        self.holds = {place: Held(CONTAINER) for place in places}
        self.stocks = {stock: Stock(nanolitres(ml), since_s=self.now_s) for stock, ml in lots_ml.items()}
        self.dirty.stocks.update(lots_ml)

    def allot(self, uses: Mapping[str, int], stations: Collection[str] = ()) -> Allotment:
        """What an experiment would be promised: of each material what expires first, of what was opened first.

        Args:
            uses: what it takes of each material, and adds to each waste, in the smallest unit.
            stations: that carry it out; from any if none are named.
        """
        takes: dict[str, str] = {}
        amounts: dict[str, int] = {}
        lacking = []
        for name, amount in uses.items():
            if name in self.wastes:
                amounts[name] = amounts.get(name, 0) + amount
                continue
            key, words = self._first_with(name, amount, stations)
            if words:
                lacking.append(words)
                continue
            takes[name], amounts[key] = key, amounts.get(key, 0) + amount
            if into := self._into(key):
                amounts[into] = amounts.get(into, 0) + amount
        for name, amount in amounts.items():
            if name in self.wastes and (room := self.wastes[name].room) is not None and amount > room:
                lacking.append(no_room(name, amount, self.wastes[name]))
        if not lacking:
            lacking += [self._lacks(key, uses) for key, stock in self.stocks.items() if stock.overdrawn][:1]
        return Allotment(takes, amounts, "; ".join(lacking))

    def short_of(self, material: str, amount: int, stations: Collection[str]) -> Iterator[str]:
        """In words, that a material does not last for so much of it, in its smallest unit."""
        of_it = self._of(material, stations)
        barred = [f"stock {key} {words}" for key, one in of_it if (words := one.barred(self.now_s))]
        free = sum(max(0, one.free) for _, one in of_it if not one.barred(self.now_s))
        if free < amount:
            unit = of_it[0][1].unit if of_it else "nL"
            left = f"{said(free, unit)} can be used" if of_it else "was never counted there"
            yield f"{material}: may need {said(amount, unit)}, {'; '.join([left, *barred])}"

    def goes_into(self, material: str) -> str:
        """The waste that takes what is dispensed of a material; empty if its sample does."""
        return next((one.facts.into for _, one in self._of(material, ()) if one.facts.into), "")

    def _of(self, material: str, stations: Collection[str]) -> list[tuple[str, Stock]]:
        """Stocks of a material that these stations can dispense, what is used first first."""
        of_it = [
            (key, stock)
            for key, stock in self.stocks.items()
            if (stock.facts.material or key) == material and not stock.facts.position and stock.serves(stations)
        ]
        return sorted(of_it, key=lambda one: one[1].order)

    def _first_with(self, material: str, amount: int, stations: Collection[str]) -> tuple[str, str]:
        """The stock that has enough of a material, and otherwise in words why none has."""
        candidates = self._of(material, stations)
        if not candidates:
            return material, f"no stock of {material} is there" if self.filled else ""
        words = []
        for key, stock in candidates:
            if stock.since_s is None:
                return key, ""
            if barred := stock.barred(self.now_s):
                words.append(f"stock {key} {barred}")
            elif stock.free < amount:
                words.append(self._lacks(key, {material: amount}))
            else:
                return key, ""
        return candidates[0][0], "; ".join(words)

    def promise(self, amounts: Mapping[str, int]) -> None:
        """Promise stocks and room in wastes to an experiment."""
        for name, amount in amounts.items():
            self._promise(self.find(name), amount)

    def allot_again(self, experiment: Experiment, uses: Mapping[str, int], stations: Collection[str]) -> Allotment:
        """What an experiment under way would be promised if it took other amounts: of the stocks that it has, for one.

        Args:
            experiment: under way.
            uses: what it takes of each material in all, and adds to each waste, in the smallest unit.
            stations: that carry it out.
        """
        takes, amounts, lacking = dict(experiment.takes), dict[str, int](), []
        for name, amount in uses.items():
            key = name
            if name not in self.wastes and (key := takes.get(name, "")) not in self.stocks:
                key, words = self._first_with(name, amount, stations)
                lacking += [words] if words else []
                takes[name] = key
            amounts[key] = amounts.get(key, 0) + amount
            if into := self._into(key):
                amounts[into] = amounts.get(into, 0) + amount
        for key, amount in amounts.items():
            more = amount - sum(one for name, one in experiment.promised.items() if self.find(name) == key)
            if more <= 0:
                continue
            if (waste := self.wastes.get(key)) is not None:
                lacking += [no_room(key, more, waste)] if waste.room is not None and more > waste.room else []
            elif (stock := self.stocks.get(key)) is not None and stock.since_s is not None:
                if barred := stock.barred(self.now_s):
                    lacking.append(f"stock {key} {barred}")
                elif stock.free < more:
                    lacking.append(self._lacks(key, {stock.facts.material or key: more}))
        return Allotment(takes, amounts, "; ".join(dict.fromkeys(lacking)))

    def promise_again(self, experiment: Experiment, allotted: Allotment) -> None:
        """An experiment under way takes other amounts than it was promised."""
        self.release(experiment)
        experiment.takes, experiment.promised = allotted.takes, dict(allotted.amounts)
        for name in experiment.promised:
            self._promise(self.find(name), self._still_promised(experiment, name))

    def close(self, experiment: Experiment) -> None:
        """An experiment is over: what it was promised and has not taken is free again."""
        for name, amount in experiment.promised.items():
            key = self.find(name)
            self._promise(key, -self._still_promised(experiment, name))
            if key in self.wastes:
                amount -= sum(of for one, of in experiment.promised.items() if self._into(one) == key)
            if amount and not self._is_counted(key):
                self._flow(experiment, "", key, Used(amount=amount))
        experiment.promised = {}
        if not experiment.given_up:
            self._where.pop(experiment.id, None)

    def release(self, experiment: Experiment) -> None:
        """Nothing is promised to an experiment any more; what it has taken stays taken."""
        for name in experiment.promised:
            self._promise(self.find(name), -self._still_promised(experiment, name))

    def use(self, experiment: Experiment, run: StepRun, used: Mapping[str, Used]) -> None:
        """Count what a step has taken so far of the stocks: confirmed, and perhaps.

        Args:
            experiment: the step's.
            run: the step.
            used: by source, and by waste what was taken out of the sample; all of this step's attempts.
        """
        for name, now in used.items():
            more, key = now - run.used.get(name, Used()), self.find(name)
            if not more or not self._is_counted(key):
                continue
            before = {one: self._still_promised(experiment, one) for one in experiment.promised}
            run.used[name] = now
            experiment.used[key] = experiment.used.get(key, Used()) + more
            if into := self._into(key):
                experiment.used[into] = experiment.used.get(into, Used()) + more
            for one, still in before.items():
                if (now_still := self._still_promised(experiment, one)) != still:
                    self._promise(self.find(one), now_still - still)
            self._flow(experiment, run.step_id, key, more)

    def doubt(self, experiment: Experiment, run: StepRun) -> None:
        """A step has failed, or it is not known what became of it: what it took from is used by no other meanwhile."""
        experiment.doubts = sorted({*experiment.doubts, run.step_id})
        for name in run.used:
            if (stock := self.stocks.get(self.find(name))) is not None and stock.facts.material:
                stock.doubts = sorted({*stock.doubts, run.step_id})
                self.dirty.stocks.add(self.find(name))

    def looked_into(self, experiment: Experiment, step_id: str) -> None:
        """A person has looked what became of a step, or it has ended well after all."""
        experiment.doubts = [one for one in experiment.doubts if one != step_id]
        for name, stock in self.stocks.items():
            if step_id in stock.doubts:
                stock.doubts.remove(step_id)
                self.dirty.stocks.add(name)

    def left(self, name: str) -> str:
        """What is left of a stock, without what is promised or may be gone, in words; empty if it was never counted."""
        stock = self.stocks.get(self.find(name))
        if stock is None or stock.since_s is None:
            return ""
        return f"{stock.usable / NL_PER_ML:.3f} ml" if stock.unit == "nL" else said(stock.usable, stock.unit)

    def sources(self, experiment: Experiment, station: str) -> dict[str, str]:
        """The sources from which an experiment takes its materials at a station."""
        taken = {name: self.stocks[key].facts for name, key in experiment.takes.items() if key in self.stocks}
        return {name: facts.source for name, facts in taken.items() if facts.source and station in facts.stations}

    def follow(self, experiment: Experiment) -> None:
        """A sample's container stands where the sample stands, and no more where it stood."""
        if experiment.engine == 1 or experiment.preparation:
            return  # in earlier journals only the place that it was taken from is known; of a preparation, nothing
        before, now = self._where.get(experiment.id, ""), experiment.stands_at
        if before == now:
            return
        kind = self.holds.get(before or now, Held()).kind or CONTAINER
        whose = Held("", experiment.owner, experiment.label, self.now_s)
        if before and self._is_of(before, experiment):
            self.hold(before, whose)
        self._where.pop(experiment.id, None)
        if now:
            self.hold(now, replace(whose, kind=kind))
            self._where[experiment.id] = now

    def use_up(self, experiment: Experiment) -> None:
        """What an experiment's protocol uses up is used up."""
        for position in experiment.protocol.uses_up:
            held = self.holds.get(position, Held(CONTAINER))
            self.hold(position, Held(held.kind, experiment.owner, experiment.label, self.now_s, used_up=True))
            stock = self.stocks.get(held.kind)
            if stock is not None and stock.facts.position == position:
                self._flow(experiment, "", held.kind, Used(amount=stock.count - stock.used.amount))

    def used_up(self, experiment: Experiment) -> str:
        """What an experiment needs that another has used up, in words; empty if nothing."""
        return used_up_words(experiment.protocol.uses_up, self.holds, experiment)

    def looked_at(self, campaign: str, event: Named) -> None:
        """A person has looked at the deck: what a campaign left is taken out, and what it has used up is replaced."""
        for experiment, position in list(self._where.items()):
            if experiment.startswith(f"{campaign}/"):
                del self._where[experiment]
                self.hold(position, replace(self.holds[position], kind="", since_s=self.now_s))
        for position, held in list(self.holds.items()):
            if held.used_up and held.campaign == campaign:
                self.hold(position, Held(held.kind, since_s=self.now_s))
                self._replace(held.kind, event)

    def removed(self, experiment: str) -> None:
        """A person has taken out what an experiment that is over had left.

        Args:
            experiment: its id.
        """
        position = self._where.pop(experiment, "")
        if position and f"{self.holds[position].campaign}/{self.holds[position].label}" == experiment:
            self.hold(position, replace(self.holds[position], kind="", since_s=self.now_s))

    def cleared(self, position: str) -> None:
        """A person has taken out what stood at a position, and was no sample's."""
        if self.holds.get(position, Held()).kind:
            self.hold(position, Held(since_s=self.now_s))

    def next_place(self, kind: str, places: Collection[str] = (), but: Collection[str] = ()) -> str:
        """The next position with an empty container; empty if there is none.

        Args:
            kind: of container.
            places: where it may be, in campaigns of earlier versions that name no kind.
            but: positions from which none is taken.
        """
        for place, held in self.holds.items():
            if held.fresh and place not in but and (held.kind == kind if kind else place in places):
                return place
        return ""

    def take_place(self, experiment: Experiment) -> None:
        """A container is taken from its position, as campaigns of the first engine did when an experiment began."""
        if experiment.place:
            self.hold(experiment.place, Held("", experiment.owner, experiment.label, self.now_s))

    def _lacks(self, key: str, uses: Mapping[str, int]) -> str:
        stock = self.stocks[key]
        unit = stock.unit
        needed = uses.get(stock.facts.material or key, 0)
        words = [f"{said(stock.used.amount, unit)} were taken"] if self._is_counted(key) else []
        words += [f"{said(stock.used.unknown, unit)} may have been"] if stock.used.unknown else []
        if stock.promised:
            words.append(f"{said(stock.promised, unit)} are reserved for samples under way")
        there = f"{said(needed, unit)} are needed, {said(stock.free, unit)} are left"
        return f"stock {key} is used up: {there}" + (f" ({', '.join(words)})" if words else "")

    def _is_counted(self, key: str) -> bool:
        return key in self.counted or any(self.find(name) == key for name in self.counted)

    def _still_promised(self, experiment: Experiment, name: str) -> int:
        """What an experiment may still take of what it was promised."""
        promised, key = experiment.promised.get(name, 0), self.find(name)
        if not self._is_counted(key):
            return promised
        used = (one.most for other, one in experiment.used.items() if self.find(other) == key)
        return max(0, promised - sum(used))

    def _promise(self, key: str, amount: int) -> None:
        if key in self.wastes:
            self.wastes[key].promised += amount
            self.dirty.wastes.add(key)
            return
        self.stocks.setdefault(key, Stock()).promised += amount
        self.dirty.stocks.add(key)

    def _flow(self, experiment: Experiment, step_id: str, key: str, more: Used) -> None:
        """What an experiment has taken enters its sample, or a waste."""
        sample = sample_place(experiment.id)
        if key in self.wastes:
            facts = StockFacts(unit=self.wastes[key].unit)
            self._draw(experiment, facts, more, step_id)
            self._waste(key, more)
            self.enter(sample, waste_place(key), more, facts, experiment, step_id=step_id)
            return
        stock = self.stocks.setdefault(key, Stock())
        stock.used += more
        self.dirty.stocks.add(key)
        if stock.facts.into:
            self._waste(stock.facts.into, more)
        else:
            experiment.contents[stock.unit] = experiment.contents.get(stock.unit, 0) + more.amount
        into = waste_place(stock.facts.into) if stock.facts.into else sample
        self.enter(container_place(key), into, more, self._facts(key), experiment, step_id=step_id)

    def _draw(self, experiment: Experiment, facts: StockFacts, more: Used, step_id: str) -> None:
        """Take out of a sample; what was in it without being counted is entered first."""
        there = experiment.contents.get(facts.unit, 0)
        if (uncounted := more.amount - there) > 0:
            sample = sample_place(experiment.id)
            self.enter(OUTSIDE, sample, Used(amount=uncounted), facts, experiment, "not counted before", step_id)
            there += uncounted
        experiment.contents[facts.unit] = there - more.amount

    def _into(self, name: str) -> str:
        """The waste that takes what is dispensed of a stock; empty if its sample does."""
        stock = self.stocks.get(self.find(name))
        return stock.facts.into if stock is not None else ""

    def _waste(self, name: str, more: Used) -> None:
        if (waste := self.wastes.get(name)) is not None:
            waste.level += more.amount
            waste.unknown += more.unknown
            self.dirty.wastes.add(name)

    def _facts(self, key: str) -> StockFacts:
        """Of a stock; of one that an earlier release has booked its material is all that is known."""
        facts = self.stocks[key].facts
        return facts if facts.material else facts.model_copy(update={"material": key})

    def book(self, key: str, more: int, unknown: int, why: str, event: Named) -> None:
        """A person has found more of a stock, or less, than was known."""
        change = Used(amount=more, unknown=-unknown)
        self.dirty.stocks.add(key)
        self.enter(OUTSIDE, container_place(key), change, self._facts(key), event, why)

    def enter(
        self,
        taken_from: str,
        put_into: str,
        more: Used,
        facts: StockFacts,
        source: Experiment | Named,
        why: str = "",
        step_id: str = "",
    ) -> None:
        """An entry of the ledger: of an experiment's, or of what a person has booked."""
        ends = (taken_from, put_into, more.amount, more.unknown, facts)
        if isinstance(source, Experiment):
            why = why or ("preparation" if source.preparation else "experiment")
            number = self._number(source.owner)
            self.dirty.transfers.append(
                Transfer(number, *ends, source.owner, source.label, step_id, why, at_s=self.now_s)
            )
        else:
            number = self._number("")
            why = why or "first fill"
            self.dirty.transfers.append(Transfer(number, *ends, "", "", "", why, source.by, source.because, self.now_s))

    def _number(self, campaign: str) -> int:
        self.entries[campaign] = self.entries.get(campaign, 0) + 1
        return self.entries[campaign]

    def hold(self, position: str, held: Held) -> None:
        """A position holds something else now."""
        self.holds[position] = held
        self.dirty.positions[position] = held

    def _is_of(self, position: str, experiment: Experiment) -> bool:
        held = self.holds.get(position, Held())
        return (held.campaign, held.label) == (experiment.owner, experiment.label)


def booked(stocks: Mapping[str, Stock], wastes: Mapping[str, Waste]) -> dict[str, Gone]:
    """What the books have in each container and waste, as places of the ledger."""
    found = {}
    for name, stock in stocks.items():
        facts = stock.facts if stock.facts.material else stock.facts.model_copy(update={"material": name})
        left = stock.count - stock.used.amount
        found[container_place(name)] = Gone(facts=facts, amount=left, unknown=-stock.used.unknown)
    for name, waste in wastes.items():
        found[waste_place(name)] = Gone(facts=StockFacts(unit=waste.unit), amount=waste.level, unknown=waste.unknown)
    return {place: gone for place, gone in found.items() if gone.amount or gone.unknown}


def used_up_words(positions: Iterable[str], holds: Mapping[str, Held], asks: Experiment | None = None) -> str:
    """Which of these positions hold nothing that can be used, in words; empty if all do.

    Args:
        positions: whose containers serve once.
        holds: what stands where; nothing is said of positions that are not in it.
        asks: whose own use does not count, and whose journal names no other campaign; None if no experiment's.
    """
    words = []
    for position in positions:
        held = holds.get(position)
        if held is None or held.fresh or (asks and (held.campaign, held.label) == (asks.owner, asks.label)):
            continue
        if not held.kind:
            words.append(f"position {position} holds nothing")
        else:
            by = "" if asks else f" by {held.campaign}/{held.label}"
            words.append(f"what position {position} holds ({held.kind}) is used up{by}")
    return "; ".join(words)
