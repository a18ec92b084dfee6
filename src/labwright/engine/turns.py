"""Samples that are moved in a planned order: whose turn it is, and which batch each joins.

A plan says in which order moves are made, not when. A sample waits while another that comes before it has not been
moved yet; but not for one that is out of order, or takes much longer than it should: a plan must not stop a lab.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.layout import Bench, Layout
from labwright.engine.rules import FIRST, OUT, Rule
from labwright.engine.work import Work

LONGER = 1.25
"""A sample is waited for until its step has taken so many times what it should."""


@dataclass
class Turns:
    """Keeps the planned order.

    Attributes:
        work: the samples under way.
        layout: of the lab.
        held: owners none of whose steps may begin.
        rule: by which the dispatcher chooses.
        lifted: whether no sample is kept waiting, since nothing else would begin.
        wake_s: lab time from when on a sample is not waited for any more; infinite if none is.
    """

    work: Work
    layout: Layout
    held: Callable[[], Collection[str]] = tuple
    rule: Rule = FIRST
    lifted: bool = False
    wake_s: float = math.inf
    _missed: dict[str, bool] = field(default_factory=dict)
    _closes_s: dict[int, float] = field(default_factory=dict)
    _first: dict[bool, tuple[float, Experiment | None]] = field(default_factory=dict)

    def look_anew(self, rule: Rule) -> None:
        """What was found before is no longer right."""
        self.rule = rule
        self.wake_s = math.inf
        self.begins()

    def begins(self) -> None:
        """A move has started: it is the turn of the next."""
        for known in (self._first, self._missed, self._closes_s):
            known.clear()

    @property
    def holds(self) -> bool:
        """Whether there is a planned order."""
        return bool(self.rule.plan.moves)

    def planned(self, experiment: Experiment) -> bool:
        """Whether the order of a sample's moves is planned."""
        return self.holds and self.next(experiment) < math.inf

    def next(self, experiment: Experiment) -> float:
        """The place of a sample's next move in the order; infinite if it has none, or has missed its batch."""
        if not self.rule.plan.moves or self.has_missed(experiment):
            return math.inf
        return self.rule.plan.turn(experiment.id, next_move(self.layout, experiment))

    def before(self, experiment: Experiment) -> Experiment | None:
        """The sample that is moved before this one; None if it is its turn, or it has none."""
        if not self.holds or self.lifted:
            return None
        mine = self.next(experiment)
        if mine == math.inf:
            return None
        order = True
        if not self.rule.strict and not self._begins_a_chain(experiment):
            if not is_bound(experiment):
                return self._at_its_station(experiment, mine)
            order = False
        first, other = self._whose(order)
        if other is None or other is experiment or mine <= first:
            return None
        self.wake_s = min(self.wake_s, self._until_s(other))
        return other

    def _at_its_station(self, experiment: Experiment, mine: float) -> Experiment | None:
        """The first sample that is brought to the same kind of station before this one."""
        kind = self._kind(experiment)
        if not kind:
            return None
        for one in self._waited_for():
            if (
                one is not experiment
                and self.next(one) < mine
                and self._kind(one) == kind
                and not any(r.active for r in one.left())
            ):
                return one
        return None

    def _kind(self, experiment: Experiment) -> str:
        step = next_move(self.layout, experiment)
        run = experiment.steps.get(step)
        return "" if run is None else run.spec.station

    def _begins_a_chain(self, experiment: Experiment) -> bool:
        return not is_bound(experiment) and any(run.spec.max_wait_s is not None for run in experiment.left())

    def _whose(self, order: bool) -> tuple[float, Experiment | None]:
        """The first place in the order that is still to come, and whose it is.

        Args:
            order: of all moves; else of those whose samples cannot wait for ever.
        """
        if order not in self._first:
            found: tuple[float, Experiment | None] = (math.inf, None)
            for one in self._waited_for():
                if (mine := self.next(one)) < found[0] and (order or is_bound(one)):
                    found = mine, one
            self._first[order] = found
        return self._first[order]

    def _waited_for(self) -> Iterator[Experiment]:
        now_s = self.work.material.now_s
        held = self.held()
        for owner, live in self.work.live.items():
            for one in live.values() if owner not in held else ():
                if one.given_up or one.state == "held" or one.parks:
                    continue
                if self._until_s(one) > now_s:
                    yield one

    def _until_s(self, experiment: Experiment) -> float:
        """Until when a sample is waited for, lab time."""
        return max((_long_since_s(run) for run in experiment.running), default=math.inf)

    def joins(self, experiment: Experiment, bench: Bench, forms: dict[str, set[int | None]]) -> bool:
        """Whether a sample may be put into a station for its batch.

        Args:
            experiment: the sample.
            bench: the station; it can be loaded.
            forms: planned batches that form, by station.
        """
        mine = self.rule.plan.of.get(experiment.id)
        here = forms.get(bench.name)
        if mine is None or self.has_missed(experiment):
            return True  # into any
        if here:
            return mine in here
        return not any(mine in batches for batches in forms.values())

    def has_missed(self, experiment: Experiment) -> bool:
        """Whether the batch that was planned for a sample has started without it, or will."""
        known = self._missed.get(experiment.id)
        if known is None:
            known = self._missed[experiment.id] = self._misses(experiment)
        return known

    def _misses(self, experiment: Experiment) -> bool:
        mine = self.rule.plan.of.get(experiment.id)
        if mine is None or (batched := self._batched(experiment)) is None:
            return False
        if mine not in self._closes_s:
            self._closes_s[mine] = self._closing_s(mine)
        if experiment.moved or experiment.booked:
            return self._closes_s[mine] == -math.inf
        arrives_s = self.work.material.now_s + self._move_s
        for run in experiment.left():
            if run is batched:
                break
            arrives_s += run.expected_s + self._move_s
        return arrives_s > self._closes_s[mine]

    def _closing_s(self, number: int) -> float:
        """When a planned batch begins at the latest, lab time; minus infinity if it has started."""
        ids = self.rule.plan.batches[number]
        closes_s = math.inf
        found = 0
        for live in self.work.live.values():
            for one in live.values():
                if one.id not in ids:
                    continue
                found += 1
                batched = self._batched(one)
                if batched is None:
                    return -math.inf
                if one.moved or one.booked:
                    closes_s = min(closes_s, self._can_wait_s(one, batched))
        return closes_s if found == len(ids) else -math.inf

    def _can_wait_s(self, experiment: Experiment, batched: StepRun) -> float:
        """Until when a sample can wait for its batch, if its steps take what they should, lab time."""
        ends_s, wait_s = self.work.material.now_s, math.inf
        for run in experiment.left():
            if run is batched:
                break
            begun_s = run.ordered_s if run.active and run.ordered_s is not None else ends_s
            ends_s = max(ends_s, begun_s + run.expected_s)
            wait_s = math.inf if run.spec.max_wait_s is None else run.spec.max_wait_s
        return min(experiment.due_s(batched), ends_s + wait_s)

    def _batched(self, experiment: Experiment) -> StepRun | None:
        """The step of a sample that is left and has not started, of those that are done in batches."""
        for run in experiment.left():
            if not run.active and any(bench.together for bench in self.layout.serving(run.spec.station)):
                return run
        return None

    @property
    def _move_s(self) -> float:
        return max((one.move_s for one in self.layout.carriers.values()), default=0.0)


def is_bound(experiment: Experiment) -> bool:
    """Whether a sample cannot wait for ever before its next move."""
    left = experiment.left()
    if left and left[0].active:
        return left[0].spec.max_wait_s is not None
    return bool(left) and experiment.due_s(left[0]) < math.inf


def _long_since_s(run: StepRun) -> float:
    """When a step has taken much longer than it should, lab time."""
    return math.inf if run.ordered_s is None else run.ordered_s + LONGER * run.expected_s + 1.0


def next_move(layout: Layout, experiment: Experiment) -> str:
    """The step that a sample is brought to next; ``out`` where none is left."""
    carried = next((run for run in experiment.running if run.carrier), None)
    here = layout.bench_at(experiment.stands_at if carried is None else carried.move_end)
    names = () if here is None else (here.kind, here.name)
    left = experiment.left()
    while left and (left[0].active or left[0].spec.station in names):
        left.pop(0)
    return left[0].spec.name if left else OUT
