"""An order of moves by constraint programming: CP-SAT of OR-Tools, from the extra ``ortools``.

It starts from a timetable that can be carried out, as a complete hint: without one it finds none in time. What it finds
is an order like any other: the lab's own core tries it before it is followed.
"""

from __future__ import annotations

import importlib.util
import math
import random
from dataclasses import dataclass
from typing import Any

from labwright.engine.shop import Shop, Timetable, timetable
from labwright.engine.timetabling import Search
from labwright.model.errors import ConfigError

SPARE_BATCHES = 1
"""So many batches of each recipe it may form more than it is given."""


REPAIRS = 5_000
"""So many changes are tried of an order by which waits are missed."""


def installed() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("ortools") is not None


def _cp_model() -> Any:
    """The module of OR-Tools; half a second, and none of the others need it.

    Raises:
        ConfigError: it is not installed.
    """
    if not installed():
        raise ConfigError(
            "CP-SAT is asked for, but OR-Tools is not installed; install Labwright with the extra `ortools` "
            "(pip install 'labwright[ortools]'), or do not ask for it"
        )
    from ortools.sat.python import cp_model

    return cp_model


@dataclass(frozen=True)
class CpSat:
    """Improves a timetable.

    Attributes:
        within_s: wall seconds after which it takes the best that it has found.
        workers: threads.
        seed: of its search.
    """

    within_s: float = 5.0
    workers: int = 1
    seed: int = 0

    def __call__(self, shop: Shop, start: Timetable) -> Timetable | None:
        """A shorter timetable; None if none was found.

        Where its order makes a sample begin sooner than was thought of, a wait may be missed that the constraints keep:
        then the order is searched, too.

        Raises:
            ConfigError: OR-Tools is not installed.
        """
        cp = _cp_model()
        model = _Model(cp, shop, start)
        solver = self._solver(cp)
        solver.parameters.interleave_search = self.workers == 1  # else one worker searches no neighbourhoods
        if solver.solve(model.model) not in (cp.OPTIMAL, cp.FEASIBLE):
            return None
        found = model.timetable(solver)
        if found is not None and found.late > start.late:
            chance = random.Random(self.seed)  # noqa: S311 - nothing secret
            found = Search(shop, chance).improved(found, changes=REPAIRS)
        return found if found is not None and found.makespan_s < start.makespan_s else None

    def bound_s(self, shop: Shop, start: Timetable) -> tuple[float, float]:
        """Lab time before which no timetable ends, and at which the best that was found does.

        Raises:
            ConfigError: OR-Tools is not installed.
        """
        cp = _cp_model()
        model = _Model(cp, shop, start)
        solver = self._solver(cp)
        solver.solve(model.model)
        unit_s = model.unit_s
        return solver.best_objective_bound * unit_s + shop.now_s, solver.objective_value * unit_s + shop.now_s

    def _solver(self, cp: Any) -> Any:
        solver = cp.CpSolver()
        solver.parameters.max_time_in_seconds = self.within_s
        solver.parameters.num_workers = self.workers
        solver.parameters.random_seed = self.seed
        return solver


class _Model:
    """The constraints: a time for each move, and which samples share a batch."""

    def __init__(self, cp: Any, shop: Shop, start: Timetable) -> None:
        self.shop = shop
        self.model = cp.CpModel()
        self.unit_s = self._unit_s(start)
        self.end = self._units(start.makespan_s - shop.now_s) + 1
        self.move = self._units(shop.move_s)
        self.moves = [
            [self.model.new_int_var(0, self.end, f"move_{one}_{k}") for k in range(item.moves)]
            for one, item in enumerate(shop.items)
        ]
        self.makespan = self.model.new_int_var(0, self.end, "makespan")
        self.joins: dict[tuple[int, int], Any] = {}
        self._steps()
        self._stations()
        self._batches(start)
        self._robots()
        self.model.minimize(self.makespan)
        self._hint(start)

    def _unit_s(self, start: Timetable) -> float:
        """The largest unit of time in which everything is a whole number, or a second."""
        shop = self.shop
        times = [shop.move_s, *(one - shop.now_s for one in start.began_s)]
        times += [op.takes_s for item in shop.items for op in item.ops]
        times += [one - shop.now_s for load in shop.loads for one in (load.free_s, *load.places)]
        times += [load.takes_s for load in shop.loads]
        times += [item.ready_s - shop.now_s for item in shop.items if item.ready_s < math.inf]
        if any(abs(one - round(one)) > 1e-6 for one in times):
            return 1.0
        return float(math.gcd(*(round(one) for one in times)) or 1)

    def _units(self, time_s: float) -> int:
        return math.ceil(time_s / self.unit_s - 1e-9)

    def _from_now(self, time_s: float) -> int:
        return max(0, self._units(time_s - self.shop.now_s))

    def _until(self, time_s: float) -> int:
        """A time that something must not come after, in whole units."""
        return math.floor(time_s / self.unit_s + 1e-9)

    def _steps(self) -> None:
        """Moves of a sample follow each other, and its waits are kept."""
        shop, model = self.shop, self.model
        for item, moves in zip(shop.items, self.moves, strict=True):
            if moves and item.ready_s < math.inf:
                model.add(moves[0] >= self._from_now(item.ready_s))
            if moves:
                model.add(self.makespan >= moves[-1] + self.move)
            here = bool(moves) and bool(item.ops) and item.ready_s < math.inf
            if here and item.due_s < math.inf and item.ops[0].kind not in shop.together:
                model.add(
                    moves[0] + self.move
                    <= max(self._until(item.due_s - shop.now_s), self._from_now(item.ready_s) + self.move)
                )
            for k, op in enumerate(item.ops):
                if k + 1 >= len(moves):
                    continue
                ends = moves[k] + self.move + self._units(op.takes_s)
                model.add(moves[k + 1] >= ends)
                follows = item.ops[k + 1].kind if k + 1 < len(item.ops) else -1
                if op.wait_s < math.inf and follows >= 0 and follows not in shop.together and not op.recipe:
                    model.add(moves[k + 1] + self.move <= ends + self._until(op.wait_s))

    def _stations(self) -> None:
        """A position is taken from when a sample is on its way there until it has been carried away."""
        shop, model = self.shop, self.model
        taken: dict[int, list[Any]] = {}
        places = {kind: len(times) for kind, times in enumerate(shop.free)}
        for kind, times in enumerate(shop.free):
            for free_s in times:
                if (until := self._from_now(free_s)) > 0:
                    taken.setdefault(kind, []).append(model.new_fixed_size_interval_var(0, until, ""))
        for item, moves in zip(shop.items, self.moves, strict=True):
            if item.at >= 0 and item.at not in shop.together:
                places[item.at] += 1
                if moves:
                    taken.setdefault(item.at, []).append(self._interval(0, moves[0] + self.move))
            for k, op in enumerate(item.ops):
                if op.kind not in shop.together and k + 1 < len(moves):
                    taken.setdefault(op.kind, []).append(self._interval(moves[k], moves[k + 1] + self.move))
        for kind, intervals in taken.items():
            if places[kind] == 1:
                model.add_no_overlap(intervals)
            else:
                model.add_cumulative(intervals, [1] * len(intervals), places[kind])

    def _interval(self, start: Any, end: Any) -> Any:
        size = self.model.new_int_var(0, self.end + self.move, "")
        return self.model.new_interval_var(start, size, end, "")

    def _robots(self) -> None:
        shop, model = self.shop, self.model
        intervals = [model.new_fixed_size_interval_var(one, self.move, "") for moves in self.moves for one in moves]
        for free_s in shop.robots:
            if (until := self._from_now(free_s)) > 0:
                intervals.append(model.new_fixed_size_interval_var(0, until, ""))
        if len(shop.robots) == 1:
            model.add_no_overlap(intervals)
        else:
            model.add_cumulative(intervals, [1] * len(intervals), len(shop.robots))

    def _batches(self, start: Timetable) -> None:
        """Samples share batches, and these follow each other at their stations."""
        shop, model = self.shop, self.model
        self.begins: dict[int, Any] = {}
        self.used: dict[int, Any] = {}
        self.at: dict[tuple[int, int], Any] = {}
        self.opens: dict[int, Any] = {}
        self.drained: dict[int, Any] = {}
        by_recipe: dict[str, list[int]] = {}
        self.batched: dict[int, int] = {}
        for one, item in enumerate(shop.items):
            for k, op in enumerate(item.ops):
                if op.recipe:
                    by_recipe.setdefault(op.recipe, []).append(one)
                    self.batched[one] = k
        fixed = self.fixed = {start.batch[load.waits[0]]: index for index, load in enumerate(shop.loads) if load.waits}
        last = max(start.batch, default=-1)
        running: list[list[Any]] = [[] for _ in shop.loads]
        open_: list[list[Any]] = [[] for _ in shop.loads]
        inside: dict[int, list[Any]] = {}
        known: set[int] = set()
        for members in by_recipe.values():
            batches = sorted({start.batch[one] for one in members})
            batches += [last := last + 1 for _ in range(SPARE_BATCHES)]
            takes = self._units(max(shop.items[one].ops[self.batched[one]].takes_s for one in members))
            for batch in batches:
                known.add(batch)
                self._batch(batch, members, takes, fixed.get(batch, -1), running, open_)
            for one in members:
                model.add_exactly_one(self.joins[one, batch] for batch in batches)
        for batch, index in fixed.items():
            if batch not in known:
                self._batch(batch, [], self._units(shop.loads[index].takes_s), index, running, open_)
        for index, load in enumerate(shop.loads):
            if (until := self._from_now(load.free_s)) > 0:
                open_[index].append(model.new_fixed_size_interval_var(0, until, ""))
                running[index].append(model.new_fixed_size_interval_var(0, until, ""))
            model.add_no_overlap(open_[index])
        for index, load in enumerate(shop.loads):
            leaves = [self.moves[one][0] + self.move for one in load.done if self.moves[one]]
            for batch, begins in self.begins.items():
                for left in leaves:
                    if (batch, index) in self.at:
                        model.add(begins >= left).only_enforce_if(self.at[batch, index])
            model.add_no_overlap(running[index])
            for one in (*load.done, *load.waits):
                if self.moves[one]:
                    inside.setdefault(load.kind, []).append(self._interval(0, self.moves[one][0] + self.move))
        for one, k in self.batched.items():
            if k + 1 < len(self.moves[one]):
                kind = shop.items[one].ops[k].kind
                inside.setdefault(kind, []).append(
                    self._interval(self.moves[one][k], self.moves[one][k + 1] + self.move)
                )
        for kind, intervals in inside.items():
            places = sum(
                len(load.places) + len(load.done) + len(load.waits) for load in shop.loads if load.kind == kind
            )
            model.add_cumulative(intervals, [1] * len(intervals), places)

    def _batch(
        self, batch: int, members: list[int], takes: int, index: int, running: list[list[Any]], open_: list[list[Any]]
    ) -> None:
        shop, model = self.shop, self.model
        begins = self.begins[batch] = model.new_int_var(0, self.end, f"begins_{batch}")
        opens = self.opens[batch] = model.new_int_var(0, self.end, f"opens_{batch}")
        drained = self.drained[batch] = model.new_int_var(0, self.end + self.move, f"drained_{batch}")
        used = self.used[batch] = model.new_bool_var(f"used_{batch}")
        model.add(opens <= begins)
        model.add(drained >= begins + takes)
        kinds = {shop.items[one].ops[self.batched[one]].kind for one in members} or {shop.loads[index].kind}
        for place, load in enumerate(shop.loads):
            if load.kind not in kinds:
                continue
            here = self.at[batch, place] = model.new_bool_var("")
            sizes = [model.new_int_var(0, self.end + self.move, "") for _ in range(2)]
            running[place].append(model.new_optional_interval_var(begins, sizes[0], drained, here, ""))
            open_[place].append(model.new_optional_interval_var(opens, sizes[1], begins + takes, here, ""))
            model.add(opens >= self._from_now(load.free_s)).only_enforce_if(here)
        model.add(sum(one for (number, _), one in self.at.items() if number == batch) == used)
        loaded = shop.loads[index].waits if index >= 0 else ()
        if index >= 0:
            model.add(self.at[batch, index] == 1)
        for one in loaded:
            item = shop.items[one]
            if item.due_s < math.inf:
                model.add(begins <= max(0, self._until(item.due_s - shop.now_s)))
            if self.moves[one]:
                model.add(self.moves[one][0] >= begins + takes)
                model.add(drained >= self.moves[one][0] + self.move)
        for one in members:
            joins = self.joins[one, batch] = model.new_bool_var("")
            k, item, moves = self.batched[one], shop.items[one], self.moves[one]
            model.add(moves[k] + self.move <= begins).only_enforce_if(joins)
            model.add(moves[k] >= opens).only_enforce_if(joins)
            if k + 1 < len(moves):
                model.add(moves[k + 1] >= begins + takes).only_enforce_if(joins)
                model.add(moves[k + 1] + self.move <= drained).only_enforce_if(joins)
            if k > 0 and item.ops[k - 1].wait_s < math.inf:
                ends = moves[k - 1] + self.move + self._units(item.ops[k - 1].takes_s)
                model.add(begins <= ends + self._until(item.ops[k - 1].wait_s)).only_enforce_if(joins)
            elif k == 0 and item.due_s < math.inf:
                model.add(begins <= max(0, self._until(item.due_s - shop.now_s))).only_enforce_if(joins)
        all_in = [self.joins[one, batch] for one in members]
        room = max(len(load.places) + len(load.done) + len(load.waits) for load in shop.loads) - len(loaded)
        model.add(sum(all_in) <= room)
        if index < 0:
            model.add_max_equality(used, all_in)

    def _hint(self, start: Timetable) -> None:
        made = [0] * len(self.shop.items)
        begun: dict[int, list[int]] = {}
        for one, began_s in zip(start.order, start.began_s, strict=True):
            at = self._from_now(began_s)
            self.model.add_hint(self.moves[one][made[one]], at)
            if self.batched.get(one) == made[one]:
                begun.setdefault(start.batch[one], []).append(at)
            made[one] += 1
        for (one, batch), joins in self.joins.items():
            self.model.add_hint(joins, start.batch[one] == batch)
        for batch, used in self.used.items():
            self.model.add_hint(used, batch in begun)
            if batch in begun:
                self.model.add_hint(self.opens[batch], min(begun[batch]))
        for batch, begins_s, index in start.batches:
            self.model.add_hint(self.begins[batch], self._from_now(begins_s))
            for (number, place), here in self.at.items():
                if number == batch:
                    self.model.add_hint(here, place == index)

    def timetable(self, solver: Any) -> Timetable | None:
        """What was found, carried out again."""
        when = [(solver.value(one), index) for index, moves in enumerate(self.moves) for one in moves]
        order = [index for _, index in sorted(when)]
        batch = [-1] * len(self.shop.items)
        for index, load in enumerate(self.shop.loads):
            for one in load.waits:
                batch[one] = next(number for number, place in self.fixed.items() if place == index)
        for (one, number), joins in self.joins.items():
            if solver.value(joins):
                batch[one] = number
        return timetable(self.shop, order, batch)
