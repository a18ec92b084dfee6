"""What samples under way will need, and when: whether one more could begin whose waits are limited.

A step after which its sample can wait only so long must not begin before it is certain that what follows will be free
in time. Keeping a position empty for it meanwhile would waste half of a lab. So the way of all samples under way is
laid out, the furthest first, over what stations there are: when each is free again, and which batches form. A sample
that begins comes after all of them, and must meet its limits there even if everything else takes a quarter longer than
expected, and it itself a quarter less. Steps that are done without the sample are laid out as well: between two with
it the sample waits for them, and others wait for their stations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from labwright.engine.experiment import SITE, Experiment, StepRun
from labwright.engine.layout import Bench, Layout
from labwright.engine.openings import ALWAYS, Opening, Openings
from labwright.engine.work import Work

LONGER, SHORTER = 1.25, 0.75
"""What a step may take of its expected time."""

MOVES_WAIT = 1.0
"""A move may wait so many times its own time for a transport."""


@dataclass
class _Batch:
    """A batch that forms, or will.

    Attributes:
        recipe: of its samples.
        vacant: positions left in it.
        opens_s: from when on it can be loaded.
        closes_s: when it begins at the latest, since a sample in it cannot wait any longer.
        begins_s: when it will begin, if no other joins it.
        takes_s: how long it takes.
    """

    recipe: str
    vacant: int
    opens_s: float
    closes_s: float = math.inf
    begins_s: float = 0.0
    takes_s: float = 0.0


@dataclass
class _Unit:
    """One that works on a sample at a time, or on a batch."""

    bench: Bench
    size: int
    free_s: float = 0.0
    drained_s: float = 0.0
    batch: _Batch | None = None


@dataclass
class Outlook:
    """The ways of the samples under way, laid out over the stations.

    Attributes:
        work: the samples under way.
        layout: of the lab.
        now_s: lab time.
        but: id of a sample that is left out.
        alone: whether all samples are.
    """

    work: Work
    layout: Layout
    now_s: float
    but: str = ""
    alone: bool = False
    _units: dict[str, list[_Unit]] = field(default_factory=dict)
    _laid_out: set[str] = field(default_factory=set)
    _move_s: float = 0.0
    _openings: Openings = field(init=False)

    def __post_init__(self) -> None:
        self._openings = Openings(self.layout)
        self._move_s = max((one.move_s for one in self.layout.carriers.values()), default=0.0)
        under_way = [
            experiment
            for live in self.work.live.values()
            for experiment in live.values()
            if experiment.brought and not experiment.given_up and (experiment.moved or experiment.booked)
            if experiment.id != self.but and not self.alone
        ]
        for experiment in sorted(under_way, key=lambda one: (len(one.left()), one.turn)):
            self.begins(experiment)

    def too_late(self, experiment: Experiment, run: StepRun) -> str:
        """The station at which a sample could not begin in time, if it began a step now; empty if it can.

        Args:
            experiment: the sample.
            run: a step after which it can wait only so long.
        """
        return self._lay_out(experiment, experiment.from_now(run), check=True)

    def arrives(self, experiment: Experiment, run: StepRun, later: StepRun) -> tuple[float, float]:
        """When a sample can come to a later step if it begins one now: at the earliest, and at the latest; lab time.

        Args:
            experiment: the sample.
            run: the step that it would begin.
            later: a step after it.
        """
        early_s = late_s = self.now_s
        at = self.layout.bench_at(experiment.stands_at)
        steps = experiment.from_now(run)
        for one in steps[: steps.index(later)]:
            unit = min(self._of(one.spec.station, experiment), key=lambda unit: unit.free_s, default=None)
            there = Bench(one.spec.station, one.spec.station) if unit is None else unit.bench
            free_s = self.now_s if unit is None else unit.free_s
            late_s = self._in_hours_s(self._opening(experiment, one, at, there), late_s, free_s)
            late_s += LONGER * self.left_s(one)
            early_s += SHORTER * self.left_s(one)
            at = there
        benches = self.layout.serving(later.spec.station)
        return early_s, max(self._in_hours_s(self._opening(experiment, later, at, one), late_s) for one in benches)

    def drained_s(self, bench: Bench) -> float:
        """When all that is in a station, but what waits for its batch, will have left at the latest; lab time."""
        units = self._units.get(bench.kind, [])
        return next((unit.drained_s for unit in units if unit.bench == bench), self.now_s)

    def begins(self, experiment: Experiment) -> None:
        """A sample begins, or is under way: others come after it."""
        if experiment.id not in self._laid_out:
            self._laid_out.add(experiment.id)
            self._lay_out(experiment, experiment.left())

    def _lay_out(self, experiment: Experiment, left: list[StepRun], *, check: bool = False) -> str:
        """Lay a sample's way out, from where it is.

        Args:
            experiment: the sample.
            left: its steps that are left and need it, the one at work first.
            check: lay nothing out, only find out where it would be too late.

        Returns:
            the station where it would be too late; empty if it is nowhere.
        """
        late_s = early_s = self.now_s  # when the step before has ended, at the latest and at the earliest
        # Where it asks whether a step can begin now, that one is not late: to begin it later makes nothing better.
        due_s = experiment.due_s(left[0]) if left and not check else math.inf
        limited = True
        here: _Unit | None = None
        at = self.layout.bench_at(experiment.stands_at)
        if at is not None and not check and left and not (left[0].active or left[0].spec.station in (at.name, at.kind)):
            units = [unit for unit in self._of(at.kind, experiment) if unit.bench == at]
            here = min(units, key=lambda unit: unit.free_s, default=None)  # it is done here, and waits to be carried on
        standing = here is not None
        aside = (
            {run.spec.name: experiment.meanwhile(run) for run in left} if experiment.protocol.leaves_some_out else {}
        )
        for run in left:
            if not limited and check:
                return ""
            if not run.spec.sample:  # it asks whether that can begin now
                late_s, early_s = late_s + LONGER * self.left_s(run), early_s + SHORTER * self.left_s(run)
                due_s = math.inf if run.spec.max_wait_s is None else early_s + run.spec.max_wait_s
                limited = run.spec.max_wait_s is not None
                aside = {name: [one for one in some if one is not run] for name, some in aside.items()}
                continue
            held_s = early_s
            if some := aside.get(run.spec.name):
                shut = any(
                    bench.name in self.layout.calendar
                    for one in some
                    for bench in self.layout.serving(one.spec.station)
                )
                held_s = self._meanwhile_s(experiment, some, late_s if shut else early_s)
                late_s = self._meanwhile_s(experiment, some, late_s, check=check)
            joined = self._join(experiment, run, at, late_s, due_s, check=check)
            if joined is None:
                return run.spec.station
            unit, begins_s = joined
            if (
                check
                and due_s < math.inf
                and self._shut_too_long(experiment, run, at, unit, (early_s, held_s, late_s), due_s)
            ):
                return run.spec.station
            if here is not None and not check:
                here.free_s = max(here.free_s, begins_s)  # it was in the way until then
                if standing:
                    here.drained_s = max(here.drained_s, begins_s)
            takes_s = self.left_s(run)
            late_s = begins_s + LONGER * takes_s
            early_s = max(early_s, self.now_s) + SHORTER * takes_s
            limited = run.spec.max_wait_s is not None
            due_s = early_s + run.spec.max_wait_s if run.spec.max_wait_s is not None else math.inf
            here, standing = unit, run.active
            at = unit.bench
        if here is not None and not check:
            here.free_s = max(here.free_s, self._in_hours_s(self._opening(experiment, None, at, None), late_s))
        if experiment.protocol.leaves_some_out and not check:
            done = {one.step_id for some in aside.values() for one in some}
            self._meanwhile_s(
                experiment, [one for one in experiment.meanwhile() if one.step_id not in done], late_s, check=False
            )
        return ""

    def _meanwhile_s(self, experiment: Experiment, some: list[StepRun], late_s: float, *, check: bool = True) -> float:
        """When steps without the sample have ended at the latest, and the sample can be carried on, lab time.

        Args:
            experiment: the sample.
            some: these steps, each after those it needs.
            late_s: when the step with the sample before them has ended.
            check: lay nothing out.
        """
        ends_s: dict[str, float] = {}
        for run in some:
            unit = min(self._of(run.spec.station, experiment), key=lambda one: one.free_s)
            begins_s = max(late_s, unit.free_s, *(ends_s.get(name, 0.0) for name in run.spec.needs))
            if run.active or all(experiment.steps[name].settled for name in run.spec.needs):
                begins_s = self.now_s if run.active else max(self.now_s, unit.free_s)
            if (known := self.layout.calendar.get(unit.bench.name)) is not None and not run.active:
                begins_s = known.opens_s(begins_s, self.left_s(run))
            ends_s[run.spec.name] = begins_s + LONGER * self.left_s(run)
            if not check:
                unit.free_s = max(unit.free_s, ends_s[run.spec.name])
        return max(late_s, *ends_s.values()) if ends_s else late_s

    def _shut_too_long(
        self,
        experiment: Experiment,
        run: StepRun,
        at: Bench | None,
        unit: _Unit,
        ready_s: tuple[float, float, float],
        due_s: float,
    ) -> bool:
        """Whether a sample may have to wait too long until all is open that it needs to go on.

        Args:
            experiment: the sample.
            run: its next step.
            at: where the step before it was.
            unit: where it is done.
            ready_s: when the step before has ended at the earliest; when the steps without the sample after it have
                ended then at the latest; and when they have in any case, lab time.
            due_s: until when it can wait, if that has ended at the earliest.
        """
        early_s, held_s, late_s = ready_s
        opening = self._opening(experiment, run, at, unit.bench)
        if opening is ALWAYS and held_s <= early_s:
            return False
        # Others may be in its way until then, or until any time before.
        free_s = max(held_s, self._free_s(unit, experiment, run, early_s))
        waits_s = max(opening.from_s(free_s) - early_s, opening.longest_s(free_s, late_s))
        return waits_s + (self._carried_s if at != unit.bench else 0.0) > due_s - early_s

    def _opening(self, experiment: Experiment, run: StepRun | None, at: Bench | None, there: Bench | None) -> Opening:
        """What must be open for a step and the move to it, or, where it is none, for the way out."""
        if not self.layout.calendar:
            return ALWAYS
        takes_s = 0.0 if run is None else self.left_s(run)
        return self._openings.of(at, there, experiment.protocol.labware, self._carried_s, takes_s)

    def _in_hours_s(self, opening: Opening, late_s: float, free_s: float = -math.inf) -> float:
        """When a sample can begin a step elsewhere at the latest.

        Args:
            opening: what must be open.
            late_s: when the step before has ended, lab time.
            free_s: when nothing else is in its way.
        """
        begins_s = max(late_s + self._carried_s, free_s)
        return begins_s if opening is ALWAYS else opening.from_s(max(late_s, free_s)) + self._carried_s

    @property
    def _carried_s(self) -> float:
        return (1 + MOVES_WAIT) * self._move_s

    def left_s(self, run: StepRun) -> float:
        """What is expected to be left of a step, lab seconds."""
        if run.state in ("running", "unknown") and run.ordered_s is not None:
            return max(0.0, run.ordered_s + run.expected_s - self.now_s)
        return run.expected_s

    def _join(
        self, experiment: Experiment, run: StepRun, at: Bench | None, late_s: float, due_s: float, *, check: bool
    ) -> tuple[_Unit, float] | None:
        """The unit that takes a step first, and when at the latest; None if that is too late."""
        units = self._of(run.spec.station, experiment)
        if not units:
            return _Unit(Bench(run.spec.station, run.spec.station), 1), late_s
        mine = [unit for unit in units if unit.bench == at]
        if run.active and mine:
            unit = min(mine, key=lambda one: one.free_s)
            unit.free_s = max(unit.free_s, self.now_s + LONGER * self.left_s(run))
            return unit, self.now_s
        begins_s, unit = min(
            ((self._begins_s(one, experiment, run, at, late_s), one) for one in mine or units), key=lambda one: one[0]
        )
        if check:
            # What the sample's own steps take does not count: its wait begins when they have ended.
            arrives_s = min(late_s if at == unit.bench else late_s + self._carried_s, due_s)
            return (unit, begins_s) if self._free_s(unit, experiment, run, arrives_s) <= due_s else None
        self._take(unit, experiment, run, begins_s, due_s)
        return unit, begins_s

    def _begins_s(self, unit: _Unit, experiment: Experiment, run: StepRun, at: Bench | None, late_s: float) -> float:
        """When a unit can begin a step at the latest, in its hours."""
        moves = at != unit.bench
        arrives_s = late_s + self._carried_s if moves else late_s
        free_s = self._free_s(unit, experiment, run, arrives_s)
        opening = self._opening(experiment, run, at, unit.bench)
        if moves:
            return self._in_hours_s(opening, late_s, free_s)
        return opening.from_s(max(late_s, free_s))

    def _free_s(self, unit: _Unit, experiment: Experiment, run: StepRun, arrives_s: float) -> float:
        """When other samples leave a unit free for a step at the latest."""
        if not unit.bench.together:
            return unit.free_s
        recipe = experiment.recipe(f"{SITE}{run.spec.station}")
        batch = unit.batch
        if batch is not None and batch.recipe == recipe and batch.vacant > 0 and arrives_s <= batch.closes_s:
            return batch.opens_s
        return unit.free_s

    def _take(self, unit: _Unit, experiment: Experiment, run: StepRun, begins_s: float, due_s: float) -> None:
        """A unit takes a step."""
        if not unit.bench.together:
            unit.free_s = begins_s + LONGER * self.left_s(run)
            return
        recipe = experiment.recipe(f"{SITE}{run.spec.station}")
        batch = unit.batch
        if batch is None or batch.recipe != recipe or batch.vacant <= 0 or begins_s > batch.closes_s:
            batch = unit.batch = _Batch(recipe, unit.size, begins_s)
        batch.vacant -= 1
        batch.closes_s = min(batch.closes_s, due_s)
        batch.begins_s = max(batch.begins_s, begins_s)
        batch.takes_s = max(batch.takes_s, LONGER * self.left_s(run))
        unit.free_s = max(unit.free_s, min(batch.begins_s, batch.closes_s) + batch.takes_s)

    def _of(self, station: str, experiment: Experiment) -> list[_Unit]:
        """Units of all stations that a step may mean."""
        known = self._units.get(station)
        if known is None:
            known = self._units[station] = []
            for bench in self.layout.serving(station):
                sites = self.layout.sites_at(bench.name, experiment.protocol.labware)
                if bench.together:
                    known.append(_Unit(bench, max(1, len(sites)), self.now_s))
                else:
                    known += [_Unit(bench, 1, self.now_s) for _ in sites or ("",)]
            for alias in {name for unit in known for name in (unit.bench.name, unit.bench.kind)}:
                self._units.setdefault(alias, [unit for unit in known if alias in (unit.bench.name, unit.bench.kind)])
        return known
