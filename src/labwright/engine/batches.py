"""Stations whose samples begin and end together: who is in a batch, and when it begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from labwright.engine.events import Start
from labwright.engine.experiment import SITE, Experiment, StepRun
from labwright.engine.layout import Bench, Layout
from labwright.engine.rules import Rule
from labwright.engine.safety import Safety
from labwright.engine.turns import Turns
from labwright.engine.work import Work
from labwright.model.availability import HORIZON_S
from labwright.model.waiting import Waiting

MARGIN_S = 5.0
"""A batch begins so many lab seconds before a sample in it must not wait any longer."""

Obstacle = Callable[[Experiment, StepRun, Start, dict[str, Experiment]], Waiting | None]


@dataclass
class _Load:
    """What is in a station, or on its way there.

    Attributes:
        members: samples that wait for the batch to begin.
        coming: samples for which a position is kept.
        others: samples that are done, or that a person must look at first: nothing begins with them inside.
        vacant: positions that are free.
    """

    members: list[tuple[Experiment, StepRun]]
    coming: list[Experiment]
    others: list[Experiment]
    vacant: int


@dataclass
class Batches:
    """Decides about batches.

    Attributes:
        work: the samples under way.
        layout: of the lab.
        safety: says who waits for whom.
        turns: which samples are to share a batch, where their moves are planned.
        wake_s: lab time at which a batch begins though nothing happens; None if none does.
        why: why a batch has started now, in words, by the id of the sample that leads it; if several could be in it.
    """

    work: Work
    layout: Layout
    safety: Safety
    turns: Turns
    wake_s: float | None = None
    why: dict[str, str] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether a station begins and ends its samples together."""
        return any(bench.together for bench in self.layout.benches.values())

    def waiting(self, experiment: Experiment, run: StepRun, bench: Bench) -> Waiting:
        """A sample waits for its batch to begin."""
        holder = self.work.reservations.taken.get(f"station:{bench.name}")
        step = (run.step_id, experiment.owner, experiment.label)
        if holder is not None:
            return Waiting.for_resource(*step, f"station:{bench.name}", holder.owner, holder.label, holder.step_id)
        for position in self.strange(bench):
            return Waiting.for_resource(*step, position, "", "")
        return Waiting(*step, "batch", bench.name, experiment.owner, experiment.label)

    def strange(self, bench: Bench) -> list[str]:
        """Positions, by ``position:NAME``, with a container that is no sample's: no batch begins with it inside."""
        taken, holds = self.work.reservations.taken, self.work.material.holds
        return [
            f"position:{name}"
            for name in self.layout.sites_of(bench.name)
            if f"position:{name}" not in taken and (held := holds.get(name)) is not None and held.kind
        ]

    def before(self, station: str, *, coming: bool = True) -> set[str]:
        """Ids of samples that must go on before a batch can begin.

        Args:
            station: by its own name.
            coming: those included that it waits for as long as something happens by itself.
        """
        load = self._load(self.layout.serving_one(station), self._under_way())
        return {experiment.id for experiment in (*(load.coming if coming else ()), *load.others)}

    def starting(
        self, rule: Rule, obstacle: Obstacle, kept: dict[str, Experiment], *, waits: bool = True
    ) -> Iterator[tuple[Experiment, Start]]:
        """Batches that begin now: for each a step that leads, and those that follow it.

        Args:
            rule: by which is dispatched.
            obstacle: says what a step waits for.
            kept: what is kept for older samples.
            waits: whether batches wait for samples on their way; not where nothing else would bring these on.
        """
        self.wake_s = None
        under_way = self._under_way()
        for bench in self.layout.benches.values():
            if not bench.together or f"station:{bench.name}" in self.work.reservations.taken:
                continue
            load = self._load(bench, under_way)
            if not load.members or load.others or self.strange(bench):
                continue
            leader = self._leader(load)
            if leader is None:
                continue
            if not waits:
                load.coming = []
            begins_s = self._begins_s(bench, load, rule)
            now_s = self.work.material.now_s
            begins_s = self._before_it_closes_s(bench, load, begins_s)
            if begins_s == math.inf:
                continue
            if begins_s > now_s:
                self.wake_s = begins_s if self.wake_s is None else min(self.wake_s, begins_s)
                continue
            named = bench.name if bench.name != leader[1].spec.station else ""
            start = Start(step_id=leader[1].step_id, station=named, batch=leader[1].step_id)
            if obstacle(*leader, start, kept) is not None:
                continue
            if len(self.layout.sites_of(bench.name)) > 1:
                self.why[leader[0].id] = self._why_now(load, waits=waits)
            for experiment, run in sorted(load.members, key=lambda one: one[0] is not leader[0]):
                named = bench.name if bench.name != run.spec.station else ""
                yield experiment, Start(step_id=run.step_id, station=named, batch=leader[1].step_id)

    def _under_way(self) -> list[Experiment]:
        """Samples that have something, or that may be bound to a station."""
        live = (one for samples in self.work.live.values() for one in samples.values())
        return [one for one in live if one.moved or one.booked or one.protocol.limits_waits]

    def _load(self, bench: Bench, under_way: list[Experiment]) -> _Load:
        sites = set(self.layout.sites_of(bench.name))
        load = _Load([], [], [], len(sites))
        bound: list[Experiment] = []
        for experiment in under_way:
            if experiment.stands_at in sites:
                load.vacant -= 1
                run = experiment.pending_at(bench.kind, bench.name)
                if run is not None and experiment.state != "held":
                    load.members.append((experiment, run))
                else:
                    load.others.append(experiment)
            elif experiment.brought and experiment.state != "held" and not experiment.given_up:
                if any(site in sites for site in experiment.booked.values()):
                    load.vacant -= 1
                    load.coming.append(experiment)
                elif self._bound(experiment, bench):
                    bound.append(experiment)
        load.members.sort(key=lambda one: one[0].turn)
        inside = {experiment.id for experiment, _ in load.members}
        load.coming = [one for one in load.coming if not self._follows(one, bench, inside)]
        if load.members and self.work.something_runs:  # else those that are bound wait for it to begin
            first, run = load.members[0]
            recipe = first.recipe(f"{SITE}{run.spec.station}")
            alike = [one for one in bound if recipe and one.recipe(f"{SITE}{run.spec.station}") == recipe]
            alike = [one for one in alike if inside.isdisjoint(self._awaited(one))]
            if (plan := self.turns.rule.plan).moves:
                planned = {plan.of.get(one.id) for one, _ in load.members}
                alike = [one for one in alike if plan.of.get(one.id) in planned and not self.turns.has_missed(one)]
            load.coming += alike[: max(0, load.vacant)]
        return load

    def _follows(self, experiment: Experiment, bench: Bench, inside: set[str]) -> bool:
        """Whether a sample cannot come before those in a batch make room for it elsewhere, or come to its own batch."""
        if not inside.isdisjoint(self._awaited(experiment)):
            return True
        if self._bound(experiment, bench):  # what it needs later does not count
            steps = [run.spec for run in experiment.left()]
            here = next((at for at, step in enumerate(steps) if step.station in (bench.kind, bench.name)), 0)
            needs = {resource for step in steps[: here + 1] for resource in experiment.needs(step)}
            lacks = self.work.reservations.not_free(experiment, needs)
            holders = {holder for one in lacks for holder in self.work.reservations.holders(one)}
            return not inside.isdisjoint(holders)
        return not inside.isdisjoint(one.id for one in self.safety.all_ahead(experiment))

    def _awaited(self, experiment: Experiment) -> set[str]:
        """Ids of samples that must come before the batch begins in which a sample waits, and before theirs do."""
        found: set[str] = set()
        todo = [experiment]
        while todo:
            one = todo.pop()
            bench = self.layout.bench_at(one.stands_at)
            if bench is None or not bench.together or f"station:{bench.name}" in self.work.reservations.taken:
                continue
            if one.pending_at(bench.kind, bench.name) is None:
                continue
            sites = self.layout.sites_of(bench.name)
            coming = [
                other
                for other in self._under_way()
                if other.id not in found and other.stands_at not in sites and other.state != "held"
                if not other.given_up and any(site in sites for site in other.booked.values())
            ]
            found |= {other.id for other in coming}
            todo += coming
        return found

    def _bound(self, experiment: Experiment, bench: Bench) -> bool:
        """Whether a sample is on its way to a kind of station and cannot stop before."""
        return any(
            run.spec.station in (bench.kind, bench.name) and experiment.bound_to(run) for run in experiment.left()
        )

    def _leader(self, load: _Load) -> tuple[Experiment, StepRun] | None:
        """The sample whose step the operations of the batch are recorded with; None if it must be waited for.

        A batch that failed is led by the same one again: its journal knows what was done.
        """
        led = {run.batch for _, run in load.members if run.batch}
        for experiment, run in load.members:
            if run.step_id in led:
                return experiment, run
        if any(self._waits_for_person(step_id) for step_id in led):
            return None
        return load.members[0]

    def _waits_for_person(self, step_id: str) -> bool:
        return any(question.step_id == step_id for question in self.work.questions.open.values())

    def _begins_s(self, bench: Bench, load: _Load, rule: Rule) -> float:
        """When a batch begins at the latest, if nothing else happens."""
        due_s = self._due_s(load)
        if load.coming:
            return due_s
        if (waits_s := self._planned_s(bench, load, rule)) is not None:
            return min(due_s, waits_s)
        wait_s = max(rule.batch_wait_s, bench.batch_wait_s)
        if load.vacant <= 0 or not wait_s:
            return 0.0
        since_s = min(_since_s(experiment) for experiment, _ in load.members)
        left_s = since_s + wait_s - self.work.material.now_s
        if left_s <= 0 or not self._could_join(bench, load, left_s):
            return 0.0
        return min(due_s, since_s + wait_s)

    def _due_s(self, load: _Load) -> float:
        """When the first sample of a batch must not wait any longer, with a margin; lab time."""
        return min((experiment.due_s(run) for experiment, run in load.members), default=math.inf) - MARGIN_S

    def _why_now(self, load: _Load, *, waits: bool) -> str:
        """Why a batch begins now, in words."""
        if load.vacant <= 0:
            return "its batch is full"
        if self._due_s(load) <= self.work.material.now_s:
            return "a sample of its batch must not wait any longer"
        if not waits:
            return "nothing under way would bring another sample to its batch"
        return "its batch waits for no other sample"

    def _before_it_closes_s(self, bench: Bench, load: _Load, begins_s: float) -> float:
        """When a batch begins that would be over too late for its station if it waited for others."""
        known, now_s = self.layout.calendar.get(bench.name), self.work.material.now_s
        if known is None or begins_s <= now_s:
            return begins_s
        takes_s = max(run.expected_s for _, run in load.members)
        closure = known.closed(now_s, min(begins_s, now_s + HORIZON_S) + takes_s)
        last_s = begins_s if closure is None else closure.starts_s - takes_s
        return min(begins_s, last_s) if last_s >= now_s else begins_s

    def _planned_s(self, bench: Bench, load: _Load, rule: Rule) -> float | None:
        """Until when a planned batch waits for the rest of its samples; None if there is no such batch."""
        plan = rule.plan
        mine = {plan.of.get(experiment.id) for experiment, _ in load.members}
        if not plan.batches or None in mine or load.vacant <= 0:
            return 0.0 if plan.batches and None not in mine else None
        inside = {experiment.id for experiment, _ in load.members}
        rest = [
            one
            for live in self.work.live.values()
            for one in live.values()
            if plan.of.get(one.id) in mine and one.id not in inside and not one.given_up and one.state != "held"
            if self._before_s(one, bench) is not None and not self.turns.has_missed(one)
        ]
        if not rest:
            return 0.0
        since_s = max(_since_s(experiment) for experiment, _ in load.members)
        until_s = since_s + rule.batch_wait_s
        return until_s if until_s > self.work.material.now_s else 0.0

    def _could_join(self, bench: Bench, load: _Load, within_s: float) -> bool:
        """Whether another sample can come before long."""
        first, run = load.members[0]
        recipe = first.recipe(f"{SITE}{run.spec.station}")
        inside = {experiment.id for experiment, _ in load.members}
        for live in self.work.live.values():
            for experiment in live.values():
                if experiment.id in inside or experiment.given_up or experiment.state == "held":
                    continue
                before_s = self._before_s(experiment, bench)
                if before_s is not None and before_s <= within_s:
                    names = {bench.kind, bench.name}
                    if any(experiment.recipe(f"{SITE}{name}") == recipe for name in names):
                        return True
        return False

    def _before_s(self, experiment: Experiment, bench: Bench) -> float | None:
        """What the steps should take before the one at a station; None if it needs none there."""
        before_s = 0.0
        for run in experiment.steps.values():
            if run.state in ("done", "failed", "skipped") or run.carrier:
                continue
            if run.spec.station in (bench.kind, bench.name):
                return before_s if not run.active else None
            before_s += run.expected_s
        return None


def _since_s(experiment: Experiment) -> float:
    """Since when a sample is where it is, lab time."""
    move = experiment.steps.get(f"to-{experiment.stands_at}")
    return (move.ended_s if move is not None else experiment.began_s) or 0.0
