"""Better orders of moves by local search: something is changed, and kept if the timetable is not much worse for it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from labwright.engine.lab import LabCore
from labwright.engine.rehearsal import Bar
from labwright.engine.rules import Plan, Rule
from labwright.engine.shop import Shop, Timetable, plan_of, shop_of, timetable

MORE = 12
"""So many times as much is tried where a wait would be missed."""

MEMORY = 150
"""A change is accepted if the order is no worse than the one accepted so many changes ago."""


def as_rolled(shop: Shop, bars: Sequence[Bar]) -> Timetable | None:
    """The order of moves, and the batches, of a roll-out."""
    number = {item.id: index for index, item in enumerate(shop.items)}
    order: list[int] = []
    together: dict[tuple[str, float], list[int]] = {}
    kinds = shop.together
    batched = {(index, op.step) for index, item in enumerate(shop.items) for op in item.ops if op.kind in kinds}
    for bar in sorted(bars, key=lambda one: one.began_s):
        one = number.get(f"{bar.order.campaign}/{bar.order.label}")
        if one is None:
            continue
        if bar.order.move is not None:
            order.append(one)
        elif (one, bar.order.step) in batched:
            together.setdefault((bar.station, bar.began_s), []).append(one)
    batch = _loaded(shop)
    for members in together.values():
        mine = next((batch[one] for one in members if batch[one] >= 0), max(batch, default=-1) + 1)
        for one in members:
            batch[one] = mine
    return timetable(shop, _complete(shop, order), _all_in(shop, batch))


def as_planned(shop: Shop, plan: Plan) -> Timetable | None:
    """What is left of a plan: the moves that are still to be made, in its order; what it does not know comes last."""
    number = {item.id: index for index, item in enumerate(shop.items)}
    order = [number[sample] for sample, _ in plan.moves if sample in number]
    batch = _loaded(shop)
    for place, ids in enumerate(plan.batches):
        members = [one for sample in ids if (one := number.get(sample)) is not None]
        needs = [one for one in members if batch[one] >= 0 or any(op.recipe for op in shop.items[one].ops)]
        mine = next((batch[one] for one in needs if batch[one] >= 0), len(shop.loads) + place)
        for one in needs:
            batch[one] = mine if batch[one] < 0 else batch[one]
    return timetable(shop, _complete(shop, order), _all_in(shop, batch))


def _never() -> bool:
    return False


Improves = Callable[[Shop, Timetable], Timetable | None]
"""Makes a timetable better; None if it cannot."""


@dataclass(frozen=True)
class OrdersOfMoves:
    """Plans orders of moves for a portfolio of rules.

    Attributes:
        changes: how many are tried for each.
        seed: of them.
        enough: whether to stop.
        improves: what else makes them better, if there is something.
        times: how often the best is searched again.
    """

    changes: int = 20_000
    seed: int = 0
    enough: Callable[[], bool] = _never
    improves: Improves | None = None
    times: int = 2

    def __call__(self, lab: LabCore, now_s: float, bars: Sequence[Bar], plan: Plan) -> Iterator[Plan]:
        """Orders of moves, each better than the one before.

        Args:
            lab: the samples under way.
            now_s: lab time.
            bars: steps of a roll-out from there.
            plan: the plan so far.
        """
        shop = shop_of(lab, now_s)
        if shop is None:
            return
        starts = [as_rolled(shop, bars), as_planned(shop, plan) if plan.moves else None]
        found = min((one for one in starts if one is not None), key=lambda one: one.cost_s, default=None)
        if found is None:
            return
        best_s = math.inf
        for number in range(self.times):
            chance = random.Random(f"{self.seed}/{number}")  # noqa: S311 - nothing secret
            search = Search(shop, chance)
            found = search.improved(found, self.enough, self.changes)
            if self.improves is not None and (other := self.improves(shop, found)) is not None:
                other = search.improved(other, self.enough, self.changes)
                found = min(found, other, key=lambda one: one.cost_s)
            if found.cost_s < best_s:
                best_s = found.cost_s
                yield plan_of(shop, found)


def planned_anew(lab: LabCore, now_s: float, rule: Rule, changes: int, seed: int = 0) -> Rule:
    """A rule whose moves are planned, after some of them were made and steps took longer or less than expected.

    Args:
        lab: the samples under way.
        now_s: lab time.
        rule: the rule so far.
        changes: how many are tried; `MORE` times as many where a wait would be missed.
        seed: of them.
    """
    shop = shop_of(lab, now_s)
    start = None if shop is None else as_planned(shop, rule.plan)
    if shop is None or start is None:
        return rule
    changes *= MORE if start.late else 1
    found = Search(shop, random.Random(seed)).improved(start, changes=changes)  # noqa: S311 - nothing secret
    return replace(rule, plan=plan_of(shop, found))


def _loaded(shop: Shop) -> list[int]:
    batch = [-1] * len(shop.items)
    for index, load in enumerate(shop.loads):
        for one in load.waits:
            batch[one] = index
    return batch


def _all_in(shop: Shop, batch: list[int]) -> list[int]:
    """Every sample that needs a batch has one."""
    kinds = shop.together
    for index, item in enumerate(shop.items):
        if batch[index] < 0 and any(op.kind in kinds for op in item.ops):
            batch[index] = max(max(batch), len(shop.loads) - 1) + 1
    return batch


def _complete(shop: Shop, order: list[int]) -> list[int]:
    """As many moves of each sample as it needs: those that are under way are not made again."""
    found: list[int] = []
    count = [item.moves for item in shop.items]
    for one in reversed(order):
        if count[one] > 0:
            count[one] -= 1
            found.append(one)
    found.reverse()
    return [*found, *(one for one, rest in enumerate(count) for _ in range(rest))]


@dataclass
class Search:
    """Looks for a better timetable.

    Attributes:
        shop: samples and stations.
        chance: of the changes.
        scenarios: what the steps of each sample may take, besides what is expected.
    """

    shop: Shop
    chance: random.Random
    scenarios: Sequence[Sequence[Sequence[float]]] = ()
    tried: int = 0

    def cost_s(self, order: Sequence[int], batch: Sequence[int], better_s: float) -> tuple[float, Timetable] | None:
        """What a timetable is worth; None if it is not better than that, or cannot be carried out."""
        first = timetable(self.shop, order, batch)
        self.tried += 1
        if first is None or first.cost_s > better_s:
            return None
        if not self.scenarios:
            return first.cost_s, first
        costs = [first.cost_s]
        for takes in self.scenarios:
            other = timetable(self.shop, first.order, batch, takes)
            if other is None:
                return None
            costs.append(other.cost_s)
        return sum(costs) / len(costs), first

    def improved(self, start: Timetable, enough: Callable[[], bool] = _never, changes: int = 1_000_000) -> Timetable:
        """The best that was found.

        Args:
            start: to begin with.
            enough: whether to stop.
            changes: after so many it stops, too.
        """
        found = self.cost_s(start.order, start.batch, float("inf"))
        assert found is not None  # noqa: S101 - a timetable can be carried out
        here_s, here = found
        best_s, best = here_s, here
        memory = [here_s] * MEMORY
        for number in range(changes):
            if number % 16 == 0 and enough():
                break
            order, batch = self._changed(here)
            limit_s = max(memory[number % MEMORY], here_s)
            found = self.cost_s(order, batch, limit_s if not self.scenarios else float("inf"))
            if found is not None and found[0] <= limit_s:
                here_s, here = found
                if here_s < best_s:
                    best_s, best = here_s, here
            memory[number % MEMORY] = here_s
        return best

    def _changed(self, here: Timetable) -> tuple[list[int], list[int]]:
        chance = self.chance
        order, batch = list(here.order), list(here.batch)
        kind = chance.random()
        if kind < 0.55:  # a move comes earlier or later
            place = chance.randrange(len(order))
            far = chance.choice((3, 8, 20))
            other = min(len(order) - 1, max(0, place + chance.randint(-far, far)))
            order.insert(other, order.pop(place))
        elif kind < 0.75:  # a sample comes earlier or later, altogether
            one = order[chance.randrange(len(order))]
            places = [place for place, other in enumerate(order) if other == one]
            some = places[: chance.randint(1, len(places))] if chance.random() < 0.5 else places
            by = chance.randint(-12, 12)
            for place in reversed(some):
                order.pop(place)
            for place in some:
                order.insert(min(len(order), max(0, place + by)), one)
        elif kind < 0.85:  # two samples change places
            one, other = chance.choice(order), chance.choice(order)
            if chance.random() < 0.6:
                alike = self._alike(one)
                other = chance.choice(alike) if alike else other
                if alike and not self._loaded & {one, other}:
                    batch[one], batch[other] = batch[other], batch[one]
            count = {one: self.shop.items[one].moves, other: self.shop.items[other].moves}
            swap = {one: other, other: one}
            for place, entry in enumerate(order):
                if entry in swap and one != other:
                    new = swap[entry] if count[swap[entry]] else entry
                    count[new] -= 1
                    order[place] = new
        elif kind < 0.95 or max(batch, default=-1) < 0:
            self._rebatch(batch)
        else:
            self._other_batches(order, batch)
        return order, batch

    def _other_batches(self, order: list[int], batch: list[int]) -> None:
        """A batch comes altogether before another that came before it, or takes its samples in."""
        known = sorted(set(batch) - {-1})
        if len(known) < 2:
            return
        one, other = self.chance.sample(known, 2)
        members = [index for index, mine in enumerate(batch) if mine == other]
        alike = [index for index, mine in enumerate(batch) if mine == one]
        if self.chance.random() < 0.3:
            fits = len(members) + len(alike) <= self._places and not self._loaded.intersection(members)
            if fits and self._recipe(members[0]) == self._recipe(alike[0]):
                for index in members:
                    batch[index] = one
            return
        count = dict.fromkeys((*members, *alike), 0)
        last = {index: self._loads_at(index) for index in count} if self.chance.random() < 0.5 else {}
        places = []
        for place, entry in enumerate(order):
            if entry in count:
                if count[entry] <= last.get(entry, len(order)):
                    places.append(place)
                count[entry] += 1
        entries = [order[place] for place in places]
        for place, entry in zip(places, sorted(entries, key=lambda entry: batch[entry] != one), strict=True):
            order[place] = entry

    @cached_property
    def _loaded(self) -> frozenset[int]:
        """Samples that are in a station already: their batch is known."""
        return frozenset(one for load in self.shop.loads for one in load.waits)

    def _loads_at(self, one: int) -> int:
        """Which of a sample's moves brings it to its batch; -1 if none does."""
        return next((step for step, op in enumerate(self.shop.items[one].ops) if op.recipe), -1)

    @cached_property
    def _places(self) -> int:
        """In the largest station that works on batches."""
        return max(len(load.places) + len(load.done) + len(load.waits) for load in self.shop.loads)

    def _recipe(self, one: int) -> str:
        return next((op.recipe for op in self.shop.items[one].ops if op.recipe), "")

    def _alike(self, one: int) -> list[int]:
        mine = self._recipe(one)
        return [other for other in range(len(self.shop.items)) if other != one and mine and self._recipe(other) == mine]

    def _rebatch(self, batch: list[int]) -> None:
        """A sample goes into another batch, or into one of its own."""
        one = self.chance.randrange(len(batch))
        if not self._recipe(one) or one in self._loaded:
            return
        others = sorted({batch[other] for other in self._alike(one)} - {batch[one]})
        if not others or self.chance.random() < 0.15:
            batch[one] = max(batch) + 1
            return
        other = self.chance.choice(others)
        if batch.count(other) < self._places:
            batch[one] = other
        else:
            mine = [index for index, its in enumerate(batch) if its == other and index not in self._loaded]
            swap = self.chance.choice(mine or [one])
            batch[one], batch[swap] = batch[swap], batch[one]
