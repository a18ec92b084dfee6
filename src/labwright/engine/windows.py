"""Whether stations can be used now, and for how long: what begins must be over before people want them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

from labwright.engine.events import Carried
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.layout import Layout
from labwright.engine.outlook import MOVES_WAIT, SHORTER, Outlook
from labwright.engine.work import Work
from labwright.model.availability import HORIZON_S, Closure
from labwright.model.waiting import Waiting

AHEAD = 30
"""So many times that a station opens are looked ahead at, for a step whose sample can wait only so long after it."""


@dataclass
class Windows:
    """Looks at the calendar of the stations.

    Attributes:
        work: the samples under way.
        layout: of the lab.
        wake_s: lab time at which a step may begin that waits for a station to open; infinite if none does.
        words: what the samples of each owner wait for, since `look_anew`.
    """

    work: Work
    layout: Layout
    wake_s: float = math.inf
    words: dict[str, dict[str, None]] = field(default_factory=dict)

    @property
    def now_s(self) -> float:
        """Lab time."""
        return self.work.material.now_s

    def look_anew(self) -> None:
        """Another look at what can begin."""
        self.wake_s = math.inf
        self.words = {}

    def shut(self, station: str, takes_s: float, *, carried: bool = False, by: str = "") -> Closure | None:
        """Why a station cannot be used for so long from now on, but for a person who has it; None if it can."""
        known = self.layout.calendar.get(station)
        until_s = self.now_s + max(takes_s, 1e-3)
        return None if known is None else known.closed(self.now_s, until_s, carried=carried, by=by)

    def opens_in_s(self, station: str, takes_s: float) -> float:
        """In how many lab seconds a station can be used for so long; 0 if it can now, infinite if never."""
        known = self.layout.calendar.get(station)
        return 0.0 if known is None else known.opens_s(self.now_s, takes_s) - self.now_s

    def step(self, experiment: Experiment, run: StepRun, station: str) -> Waiting | None:
        """A step that cannot begin at a station, since it would not be over before that is closed."""
        return self._waits(experiment, run, station, run.expected_s)

    def nowhere(self, experiment: Experiment, run: StepRun) -> Waiting | None:
        """A step that needs its sample brought, which it can be to none of its stations."""
        shut = self.all_shut(run) if self.layout.calendar else set()
        if not shut or len(shut) < len(self.layout.serving(run.spec.station)):
            return None
        return self.opens(experiment, run)

    def opens(self, experiment: Experiment, run: StepRun) -> Waiting | None:
        """A step that waits for the first of its stations to open that are shut; None if none is."""
        found = None
        first_s = math.inf
        for bench in self.layout.serving(run.spec.station):
            needs_s = self._move_s + run.expected_s
            if (closure := self.shut(bench.name, needs_s)) is None:
                continue
            opens_s = self.layout.calendar[bench.name].opens_s(self.now_s, needs_s)
            if found is None or opens_s < first_s:
                found, first_s = f"station {bench.name}: {closure.words}", opens_s
        return None if found is None else self._waiting(experiment, run, found, first_s)

    def all_shut(self, run: StepRun) -> set[str]:
        """Stations to which no sample can be brought for a step now."""
        return {
            bench.name
            for bench in self.layout.serving(run.spec.station)
            if self.shut(bench.name, self._move_s + run.expected_s) is not None
        }

    def in_time_later(self, experiment: Experiment, run: StepRun) -> Waiting | None:
        """A step whose sample would come too late to a station, and would not once another has opened again.

        Args:
            experiment: the sample.
            run: the step.
        """
        times = self._times(experiment, run) if self.layout.calendar else []
        if not times:
            return None
        but = experiment.id if experiment.moved or experiment.booked else ""
        alone = bool(Outlook(self.work, self.layout, self.now_s, alone=True).too_late(experiment, run))
        if not alone and Outlook(self.work, self._always_open, self.now_s, but=but).too_late(experiment, run):
            return None  # only others are in its way
        for at_s, words in times:
            if not Outlook(self.work, self.layout, at_s, but=but, alone=alone).too_late(experiment, run):
                return self._waiting(experiment, run, words, at_s)
        at_s, words = times[0]  # it is not known now when, since others are in its way too
        return self._waiting(experiment, run, words, at_s)

    @cached_property
    def _always_open(self) -> Layout:
        return replace(self.layout, calendar={})

    def times_s(self, experiment: Experiment, run: StepRun) -> list[float]:
        """Lab times at which it may be better to begin a step than now."""
        return [at_s for at_s, _ in self._times(experiment, run)]

    def _times(self, experiment: Experiment, run: StepRun) -> list[tuple[float, str]]:
        """When it may be better to begin a step than now, with what is waited for."""
        found: list[tuple[float, str]] = []
        carriers = [carrier.station for carrier in self.layout.carriers.values()]
        early_s = 0.0  # when what follows may begin at the earliest, from the beginning of the step
        most_s = 0.0
        for one in experiment.from_now(run):
            aside = experiment.meanwhile(one) if experiment.protocol.leaves_some_out else []
            benches = (bench for each in (one, *aside) for bench in self.layout.serving(each.spec.station))
            for station in dict.fromkeys((*(bench.name for bench in benches), *carriers)):
                known, at_s = self.layout.calendar.get(station), self.now_s
                for _ in range(AHEAD if known is not None else 0):
                    closure = known.closed(at_s, math.inf) if known is not None else None
                    if closure is None or (at_s := closure.ends_s) > self.now_s + HORIZON_S:
                        break
                    words = f"station {station}: {closure.words}"
                    for begins_s in (at_s + (1 + MOVES_WAIT) * self._move_s - most_s, at_s, at_s + early_s):
                        found.append((begins_s - early_s + 1.0, words))
            if one.spec.max_wait_s is None:
                break
            early_s += SHORTER * one.expected_s
            most_s = one.spec.max_wait_s
        return sorted(one for one in found if one[0] > self.now_s)[: 3 * AHEAD]

    def move(self, experiment: Experiment, run: StepRun, carried: Carried) -> Waiting | None:
        """A move that cannot begin: people work where it begins or ends, or would before the step after it is over."""
        if not self.layout.calendar:
            return None
        move, takes_s = carried.move, carried.expected_s
        if (waits := self._waits(experiment, run, carried.station, takes_s)) is not None:
            return waits
        for position in (move.start, move.end):
            bench = self.layout.bench_at(position)
            if bench is not None:
                waits = self._waits(experiment, run, bench.name, takes_s, carried=True)
                if waits is not None:
                    return waits
        site = carried.booked.get(run.spec.name) or experiment.booked.get(run.spec.name, "")
        if (bench := self.layout.bench_at(site)) is not None:
            return self._waits(experiment, run, bench.name, takes_s + run.expected_s)
        return None

    @property
    def _move_s(self) -> float:
        return max((one.move_s for one in self.layout.carriers.values()), default=0.0)

    def _waits(
        self, experiment: Experiment, run: StepRun, station: str, takes_s: float, *, carried: bool = False
    ) -> Waiting | None:
        by = _by_hand_of(experiment)
        if (closure := self.shut(station, takes_s, carried=carried, by=by)) is None:
            return None
        opens_s = self.layout.calendar[station].opens_s(self.now_s, takes_s, carried=carried, by=by)
        return self._waiting(experiment, run, f"station {station}: {closure.words}", opens_s)

    def _waiting(self, experiment: Experiment, run: StepRun, words: str, opens_s: float) -> Waiting:
        self.wake_s = min(self.wake_s, opens_s)
        self.words.setdefault(experiment.owner, {})[words] = None
        return Waiting(run.step_id, experiment.owner, experiment.label, "closed", words, "", "")


def _by_hand_of(experiment: Experiment) -> str:
    """The person who does by hand what an experiment is; empty if it is none of that."""
    work = experiment.protocol.by_hand
    return "" if work is None else work.by
