"""What samples still need, as plain figures: small enough to try thousands of timetables in a second.

A timetable is an order of moves: each begins as soon as all it needs is free and those before it have started. What it
leaves out (containers, calendars, hand-overs, people) the lab's own core knows: an order is only proposed by this, and
tried there (`labwright.engine.portfolio`).
"""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from labwright.engine.batches import MARGIN_S
from labwright.engine.experiment import SITE, Experiment, StepRun
from labwright.engine.lab import LabCore
from labwright.engine.layout import Layout
from labwright.engine.rules import OUT, Plan

SHORT_S = 2 * MARGIN_S
"""A wait is planned to be so much shorter than it may be: a batch begins before it is over, with whom it has."""

SPARE, TIGHT = 0.28, 0.2
"""So much of a limited wait should be left over, as a share, and what it lacks of that costs so much of it."""

LATE_S = 1e-6
"""So much later is only rounding."""


@dataclass(frozen=True)
class Op:
    """A step of a sample, at a station.

    Attributes:
        step: its name.
        kind: of station, as a number.
        takes_s: lab seconds.
        wait_s: how long the sample can wait afterwards.
        recipe: of the batch; empty at a station that works on one sample at a time.
    """

    step: str
    kind: int
    takes_s: float
    wait_s: float = math.inf
    recipe: str = ""


@dataclass(frozen=True)
class Item:
    """A sample.

    Attributes:
        id: of the sample.
        ops: steps that are left and that it has still to be brought to.
        ready_s: from when on it can be brought to the first of them; infinite if a batch must begin before.
        due_s: when the first of them must have started.
        at: the kind of station where it stands; -1 if that is none.
        leaves: whether it is brought out at last.
    """

    id: str
    ops: tuple[Op, ...]
    ready_s: float = 0.0
    due_s: float = math.inf
    at: int = -1
    leaves: bool = True

    @property
    def moves(self) -> int:
        """How often it is still to be moved."""
        return len(self.ops) + self.leaves


@dataclass(frozen=True)
class Load:
    """What is in a station that begins and ends its samples together.

    Attributes:
        kind: of the station.
        places: that are free in it: from when on each.
        free_s: when what it does now ends.
        done: samples, by number, that are brought away then, or already can be.
        waits: samples whose batch has not started, or which are on their way there.
        takes_s: how long their batch takes.
    """

    kind: int
    places: tuple[float, ...]
    free_s: float = 0.0
    done: tuple[int, ...] = ()
    waits: tuple[int, ...] = ()
    takes_s: float = 0.0


@dataclass(frozen=True)
class Shop:
    """Samples, and what there is to make them.

    Attributes:
        items: samples.
        kinds: names of the kinds of station.
        free: from when on each position is free, by kind, where it works on one sample at a time.
        loads: stations that work on batches.
        robots: when each is free.
        move_s: what a move takes.
        now_s: lab time.
    """

    items: tuple[Item, ...]
    kinds: tuple[str, ...]
    free: tuple[tuple[float, ...], ...]
    loads: tuple[Load, ...]
    robots: tuple[float, ...]
    move_s: float
    now_s: float = 0.0

    @property
    def together(self) -> frozenset[int]:
        """Kinds of station that work on batches."""
        return frozenset(load.kind for load in self.loads)


@dataclass(frozen=True)
class Timetable:
    """An order of moves, and what comes of it.

    Attributes:
        order: samples by number, one for each move.
        batch: which samples share a batch, by its number; -1 for those that need none.
        late: limited waits that are not kept.
        late_s: by how much, together.
        makespan_s: lab time at which the last move has ended.
        flow_s: the mean of the ends of all samples: of two that end at the same time the better has less.
        tight_s: by how much, together, waits have less to spare than `SPARE`, which keeps them if steps take longer.
    """

    order: tuple[int, ...]
    batch: tuple[int, ...]
    late: int
    late_s: float
    makespan_s: float
    flow_s: float
    tight_s: float = 0.0
    began_s: tuple[float, ...] = field(default=(), compare=False)
    """Of each move."""
    batches: tuple[tuple[int, float, int], ...] = field(default=(), compare=False)
    """Number, beginning and station, as in `Shop.loads`, of each batch that begins."""

    @property
    def cost_s(self) -> float:
        """The smaller the better; a wait that is not kept is worse than any time."""
        return self.makespan_s + 0.05 * self.flow_s + TIGHT * self.tight_s + 3600.0 * self.late + self.late_s


def timetable(
    shop: Shop, order: Sequence[int], batch: Sequence[int], takes: Sequence[Sequence[float]] | None = None
) -> Timetable | None:
    """Carry moves out in an order; one that cannot be made yet is put off until it can.

    Args:
        shop: samples and stations.
        order: of the moves, as `Timetable.order`.
        batch: of each sample.
        takes: what the steps of each sample take; None for what is expected.

    Returns:
        None if all samples would wait for each other.
    """
    items, move_s, loads = shop.items, shop.move_s, shop.loads
    together = shop.together
    steps_s = takes if takes is not None else [[op.takes_s for op in item.ops] for item in items]
    nxt = [0] * len(items)
    ready = [item.ready_s for item in items]
    due = [item.due_s for item in items]
    spare = [SPARE * (item.due_s - shop.now_s) if item.due_s < math.inf else 0.0 for item in items]
    where = [item.at for item in items]
    inside = [-1] * len(items)
    slots = [list(times) for times in shop.free]
    places: list[list[float]] = []
    run_end: list[float] = []
    left_in: list[int] = []
    last_s: list[float] = []
    forms: list[int] = []
    members: dict[int, list[int]] = {}
    missing: dict[int, int] = {}
    at: dict[int, int] = {}
    for number, item in enumerate(items):
        if any(op.kind in together for op in item.ops):
            missing[batch[number]] = missing.get(batch[number], 0) + 1
    for index, load in enumerate(loads):
        places.append(list(load.places))
        run_end.append(load.free_s)
        left_in.append(len(load.done))
        last_s.append(load.free_s)
        forms.append(-1)
        for one in (*load.done, *load.waits):
            inside[one] = index
        if load.waits:
            mine = batch[load.waits[0]]
            forms[index], at[mine] = mine, index
            members[mine] = list(load.waits)
            missing.setdefault(mine, 0)
            for one in load.waits:
                ready[one] = math.inf
    robots = sorted(shop.robots)
    late, late_s, end_s, flow_s, previous_s = 0, 0.0, shop.now_s, 0.0, shop.now_s
    tight_s = 0.0
    done: list[int] = []
    began: list[float] = []
    batches: list[tuple[int, float, int]] = []
    put_off: list[int] = []

    def begin(index: int) -> None:
        nonlocal late, late_s, tight_s
        mine = forms[index]
        here = members[mine]
        starts_s = max(last_s[index], run_end[index])
        batches.append((mine, starts_s, index))
        lasts_s = 0.0
        for one in here:
            if starts_s + spare[one] > due[one]:
                tight_s += min(spare[one], starts_s + spare[one] - due[one])
                if starts_s - due[one] > LATE_S:
                    late += 1
                    late_s += starts_s - due[one]
            if one in loads[index].waits and nxt[one] == 0:
                lasts_s = max(lasts_s, loads[index].takes_s)
            else:
                lasts_s = max(lasts_s, steps_s[one][nxt[one] - 1])
        ends_s = starts_s + lasts_s
        for one in here:
            ready[one] = ends_s
            before = nxt[one] - 1
            wait_s = items[one].ops[before].wait_s if before >= 0 else math.inf
            due[one] = ends_s + wait_s
            spare[one] = SPARE * wait_s if wait_s < math.inf else 0.0
        run_end[index] = ends_s
        left_in[index] = len(here)
        forms[index] = -1

    def make(one: int) -> bool:
        nonlocal late, late_s, end_s, flow_s, previous_s, tight_s
        begins_s = ready[one]
        if begins_s == math.inf:
            return False
        item = items[one]
        step = nxt[one]
        begins_s = max(begins_s, robots[0], previous_s)
        to = -1
        if step < len(item.ops):
            kind = item.ops[step].kind
            if kind in together:
                mine = batch[one]
                to = at.get(mine, -1)
                if to < 0 or forms[to] != mine:
                    if to >= 0:
                        return False
                    best = (math.inf, 0)
                    for index, load in enumerate(loads):
                        if load.kind == kind and forms[index] < 0 and places[index]:
                            found = max(begins_s, run_end[index], places[index][0]), left_in[index]
                            if found < best:
                                best, to = found, index
                    if to < 0:
                        return False
                    forms[to], at[mine], members[mine] = mine, to, []
                    last_s[to] = max(last_s[to], run_end[to])
                if not places[to]:
                    return False
                begins_s = max(begins_s, places[to].pop(0), run_end[to])
            else:
                if not slots[kind]:
                    return False
                free_s = slots[kind].pop(0)
                if free_s > begins_s:
                    begins_s = free_s
        ends_s = begins_s + move_s
        heapq.heapreplace(robots, ends_s)
        previous_s = begins_s
        here = where[one]
        if inside[one] >= 0:
            index = inside[one]
            insort(places[index], ends_s)
            inside[one] = -1
            left_in[index] -= 1
            last_s[index] = max(last_s[index], ends_s)
            if left_in[index] == 0 and forms[index] >= 0 and not missing[forms[index]]:
                begin(index)
        elif here >= 0:
            insort(slots[here], ends_s)
        nxt[one] = step + 1
        done.append(one)
        began.append(begins_s)
        end_s = max(end_s, ends_s)
        if step >= len(item.ops):
            flow_s += ends_s
            where[one] = -1
            return True
        where[one] = -1 if to >= 0 else item.ops[step].kind
        if to >= 0:
            mine = batch[one]
            inside[one] = to
            members[mine].append(one)
            missing[mine] -= 1
            last_s[to] = max(last_s[to], ends_s)
            ready[one] = math.inf
            if not missing[mine] and left_in[to] == 0:
                begin(to)
            return True
        if ends_s + spare[one] > due[one]:
            tight_s += min(spare[one], ends_s + spare[one] - due[one])
            if ends_s - due[one] > LATE_S:
                late += 1
                late_s += ends_s - due[one]
        ready[one] = ends_s + steps_s[one][step]
        wait_s = item.ops[step].wait_s
        due[one] = ready[one] + wait_s
        spare[one] = SPARE * wait_s if wait_s < math.inf else 0.0
        return True

    for index in range(len(loads)):
        if forms[index] >= 0 and not missing[forms[index]] and left_in[index] == 0:
            begin(index)
    for one in order:
        if one in put_off or not make(one):
            put_off.append(one)
            continue
        while put_off:
            tried: set[int] = set()
            for place, other in enumerate(put_off):
                if other not in tried and make(other):
                    del put_off[place]
                    break
                tried.add(other)
            else:
                break
    if put_off:
        return None
    mean_s = flow_s / max(1, len(items))
    return Timetable(tuple(done), tuple(batch), late, late_s, end_s, mean_s, tight_s, tuple(began), tuple(batches))


def plan_of(shop: Shop, table: Timetable) -> Plan:
    """A timetable as the dispatcher takes it: its order and its batches, without its times."""
    made = [0] * len(shop.items)
    moves: list[tuple[str, str]] = []
    loaded: dict[int, list[str]] = {}
    for one in table.order:
        item, step = shop.items[one], made[one]
        made[one] += 1
        moves.append((item.id, item.ops[step].step if step < len(item.ops) else OUT))
        if step < len(item.ops) and item.ops[step].recipe:
            loaded.setdefault(table.batch[one], []).append(item.id)
    for load in shop.loads:
        for one in load.waits:
            loaded.setdefault(table.batch[one], []).append(shop.items[one].id)
    return Plan(tuple(tuple(ids) for ids in loaded.values()), tuple(moves))


def shop_of(lab: LabCore, now_s: float) -> Shop | None:
    """What is left to be done in a lab; None if it cannot be put into such figures.

    Args:
        lab: its core.
        now_s: lab time.
    """
    layout = lab.dispatcher.layout
    samples = [
        one
        for live in lab.work.live.values()
        for one in live.values()
        if one.brought and not one.given_up and one.state != "held" and one.stands_at
    ]
    worked_at = {site.name for site in layout.sites.values() if site.station}
    if not samples or not layout.carriers or any(worked_at - one.reaches for one in layout.carriers.values()):
        return None  # ways over hand-overs are more than a move
    labware = {one.protocol.labware for one in samples}
    if len(labware) > 1:
        return None
    kind_of: dict[str, int] = {}
    kinds: list[str] = []
    for bench in layout.benches.values():
        if bench.kind not in kind_of:
            kind_of[bench.kind] = len(kinds)
            kinds.append(bench.kind)
        kind_of.setdefault(bench.name, kind_of[bench.kind])
    together = {bench.kind for bench in layout.benches.values() if bench.together}
    stands: dict[str, list[int]] = {}
    leaving: dict[str, list[float]] = {}
    items: list[Item] = []
    for one in samples:
        item = _item(one, kind_of, together, layout, now_s)
        if item is None:
            return None
        carried = next((run for run in one.running if run.carrier), None)
        stands_in = layout.bench_at(one.stands_at if carried is None else carried.move_end)
        left = layout.bench_at(one.stands_at)
        if carried is not None and left is not None:
            leaving.setdefault(left.name, []).append(_ends_s(carried, now_s))
        if stands_in is not None:
            stands.setdefault(stands_in.name, []).append(len(items))
        items.append(item)
    free: list[list[float]] = [[] for _ in kinds]
    loads: list[Load] = []
    ware = next(iter(labware))
    for bench in layout.benches.values():
        sites = layout.sites_at(bench.name, ware)
        here = stands.get(bench.name, [])
        soon = sorted(leaving.get(bench.name, []))
        vacant = (*(now_s for _ in range(len(sites) - len(here) - len(soon))), *soon)
        kind = kind_of[bench.kind]
        if bench.together:
            waits = tuple(number for number in here if items[number].ready_s == math.inf)
            done = tuple(number for number in here if number not in waits)
            free_s = max([now_s, *(items[number].ready_s for number in done if items[number].at >= 0)])
            takes_s = max((_expected_s(samples[number]) for number in waits), default=0.0)
            loads.append(Load(kind, vacant, max([free_s, *soon]), done, waits, takes_s))
        else:
            free[kind] += vacant
    carriers = layout.carriers.values()
    busy_s = {run.carrier: _ends_s(run, now_s) for one in samples for run in one.running if run.carrier}
    robots = tuple(sorted(busy_s.get(one.name, now_s) for one in carriers))
    move_s = max(one.move_s for one in carriers)
    return Shop(
        tuple(items), tuple(kinds), tuple(tuple(sorted(one)) for one in free), tuple(loads), robots, move_s, now_s
    )


def _item(
    experiment: Experiment, kind_of: dict[str, int], together: set[str], layout: Layout, now_s: float
) -> Item | None:
    """A sample in figures; None if it has to be in more than one batch, or at a station that is none of the lab's."""
    left = experiment.left()
    if any(run.spec.station not in kind_of for run in left):
        return None
    carried = next((run for run in experiment.running if run.carrier), None)
    site = experiment.stands_at if carried is None else carried.move_end
    bench = layout.bench_at(site)
    at = -1 if bench is None else kind_of[bench.name]
    ready_s = now_s if carried is None else _ends_s(carried, now_s)
    due_s = math.inf
    batches = 0
    while left and at >= 0 and kind_of[left[0].spec.station] == at:
        run = left.pop(0)
        if bench is not None and bench.together:
            batches += 1
            if not run.active:
                ready_s, due_s = math.inf, experiment.due_s(run)
                break
        ready_s = _ends_s(run, now_s) if run.active else ready_s + run.expected_s
        due_s = math.inf if run.spec.max_wait_s is None else ready_s + run.spec.max_wait_s
    else:
        if left and due_s == math.inf:
            due_s = experiment.due_s(left[0])
    ops: list[Op] = []
    for run in left:
        kind = kind_of[run.spec.station]
        wait_s = math.inf if run.spec.max_wait_s is None else max(0.0, run.spec.max_wait_s - SHORT_S)
        batch = run.spec.station in together or layout.serving_one(run.spec.station).together
        if ops and ops[-1].kind == kind and not batch:
            ops[-1] = replace(ops[-1], takes_s=ops[-1].takes_s + run.expected_s, wait_s=wait_s)
            continue
        batches += batch
        recipe = f"{kind}: {experiment.recipe(f'{SITE}{run.spec.station}')}" if batch else ""
        ops.append(Op(run.spec.name, kind, run.expected_s, wait_s, recipe))
    if batches > 1:
        return None
    return Item(experiment.id, tuple(ops), ready_s, due_s, at, bool(experiment.place or experiment.to_leave))


def _ends_s(run: StepRun, now_s: float) -> float:
    """When a step under way should end, lab time."""
    return max(now_s, (run.ordered_s if run.ordered_s is not None else now_s) + run.expected_s)


def _expected_s(experiment: Experiment) -> float:
    return next((run.expected_s for run in experiment.left()), 0.0)
