"""What a decision costs where 1,000 steps wait for 30 stations: handled, decided and recorded.

`python -m benchmarks.queued [JOURNAL_URL]` fills a laboratory of 30 stations (ten of them work on batches of eight, the
others on one to three samples at a time) with ten campaigns of a hundred samples each, ends one step after the other,
and prints the wall time from the end of a step to the commit of all that follows from it (99th percentile; limit
50 ms), on SQLite or in the journal of that URL. Beside it, the share of the core, and how many stations or positions
were given to two samples at once: none may be.
"""

from __future__ import annotations

import gc
import itertools
import random
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from labwright.engine import LabCore
from labwright.engine.batch import Batch
from labwright.engine.events import ENGINE, Event, RunStep, Started, StepEnded, Stocked, Suggested
from labwright.engine.layout import Bench, Carrier, Layout, Site
from labwright.journal import Journal, journal_file
from labwright.model.campaign import Objective, PlannerSpec, Suggestion
from labwright.model.protocol import NumberResult, ProtocolSpec, StepOutcome, StepSpec
from labwright.model.space import Real, Space
from labwright.model.spec import CampaignSpec

CAMPAIGNS, SAMPLES = 10, 100
STATIONS, OVENS = 30, 10
DECISIONS = 1000
LIMIT_MS = 50.0
VIAL = frozenset({"vial"})
ARMS = 6


def laboratory() -> Layout:
    """30 stations, four arms that reach all of it, and a rack for each sample."""
    chance = random.Random(1)  # noqa: S311
    sites = {f"rack_{number}": Site(f"rack_{number}", "", VIAL) for number in range(2 * CAMPAIGNS * SAMPLES)}
    sites["waste"] = Site("waste", "", VIAL, leaves=True)
    benches = {}
    for number in range(STATIONS):
        oven, name = number < OVENS, f"s{number}"
        slots = 8 if oven else chance.randint(1, 3)
        benches[name] = Bench(name, name, slots, one_recipe=oven, together=oven)
        for slot in range(slots):
            sites[f"{name}_{slot}"] = Site(f"{name}_{slot}", name, VIAL)
    arms = {f"arm_{n}": Carrier(f"arm_{n}", f"arm_{n}", VIAL, 30, frozenset(sites)) for n in range(ARMS)}
    return Layout(sites, benches, arms)


def campaign(number: int) -> Started:
    """A campaign of a hundred samples at once, each with six steps at stations of its own choice."""
    chance = random.Random(number)  # noqa: S311
    steps: list[StepSpec] = []
    for index, station in enumerate(chance.sample(range(STATIONS), 6)):
        needs = (steps[-1].name,) if steps else ()
        takes_s = 3600 if station < OVENS else chance.choice([120, 300, 600])
        steps.append(StepSpec(name=f"w{index}", station=f"s{station}", needs=needs, expected_s=takes_s, recipe=("x",)))
    results = (NumberResult(name="y", unit="1"),)
    protocol = ProtocolSpec(
        name="p", version="1", title="P", parameters=(), results=results, steps=tuple(steps), labware="vial",
        afterwards="leaves",
    )  # fmt: skip
    spec = CampaignSpec(
        name=f"c{number}",
        title="C",
        protocol="p",
        space=Space(parameters=(Real(name="x", unit="1", low=0, high=1),)),
        objective=Objective(name="y", goal="max", unit="1"),
        planner=PlannerSpec(name="random"),
        budget=10 * SAMPLES,
        parallel=SAMPLES,
    )
    return Started(campaign=spec.name, spec=spec, protocols=(protocol,), container="vial", naming=2, engine=ENGINE)


class Queued:
    """A lab's core and its journal; steps end in the order in which they should."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.core = LabCore(laboratory())
        self.now_s = 0.0
        self.lab: Any = SimpleNamespace(clock=SimpleNamespace(now=lambda: self.now_s), instruments="real")
        self.running: dict[str, float] = {}
        self.took_s: list[float] = []
        self.core_s: list[float] = []
        self.busy_s: list[float] = []
        self.doubled = 0
        self.xs = itertools.cycle([0.25, 0.5, 0.75])
        journal.control("benchmark", 0, instruments="real", engine=ENGINE, stations=[f"s{n}" for n in range(STATIONS)])
        racks = {name: "vial" for name in self.core.dispatcher.layout.sites if name.startswith("rack")}
        self.feed("", Stocked(containers=racks))
        for number in range(CAMPAIGNS):
            self.feed(f"c{number}", campaign(number))

    def feed(self, name: str, event: Event) -> None:
        """Take an event, decide, record; then planners answer at once."""
        began_s, busy_s = time.perf_counter(), time.process_time()
        batch = Batch(self.core, self.lab)
        batch.take(name, event)
        batch.grant()
        decided_s = time.perf_counter()
        self.journal.record(batch.kept)
        self.took_s.append(time.perf_counter() - began_s)
        self.core_s.append(decided_s - began_s)
        self.busy_s.append(time.process_time() - busy_s)
        for one in batch.instructions:
            if isinstance(one, RunStep):
                self.running[one.order.step_id] = self.now_s + one.order.expected_s
        self.doubled += self.given_twice()
        for core in list(self.core.campaigns.values()):
            if core.asking:
                self.feed(core.campaign, Suggested(suggestion=Suggestion(params={"x": next(self.xs)}, rationale="r")))

    def given_twice(self) -> int:
        """Stations with two steps that are no batch, and positions with two samples."""
        live = [one for samples in self.core.work.live.values() for one in samples.values()]
        units = [run.unit for one in live for run in one.running if not run.follows]
        places = [one.stands_at for one in live if one.stands_at]
        return len(units) - len(set(units)) + len(places) - len(set(places))

    def run(self) -> None:
        """So many decisions as are measured, after half as many that are not."""
        for number in range(DECISIONS + DECISIONS // 2):
            if number == DECISIONS // 2:
                self.took_s.clear()
                self.core_s.clear()
                self.busy_s.clear()
            step_id = min(self.running, key=lambda key: self.running[key])
            self.now_s = self.running.pop(step_id)
            outcome = StepOutcome(step_id=step_id, state="done", results={"y": 1.0}, started_s=0, ended_s=1)
            self.feed(step_id.split("/", 1)[0], StepEnded(outcome=outcome))

    @property
    def waiting(self) -> int:
        """Samples under way of which no step runs."""
        return sum(not one.running for samples in self.core.work.live.values() for one in samples.values())


def percentile_ms(took_s: list[float], share: float) -> float:
    """Of wall times."""
    return 1000 * sorted(took_s)[int(share * (len(took_s) - 1))]


def main() -> int:
    """Measure and print; 1 if the limit is missed, or anything was given twice."""
    gc.freeze()  # as a controller does: what was imported stays
    with tempfile.TemporaryDirectory(prefix="labwright-queued-") as scratch:
        place = sys.argv[1] if len(sys.argv) > 1 else journal_file(Path(scratch))
        with Journal(place) as journal:
            lab = Queued(journal)
            lab.run()
            p99_ms, core_ms = percentile_ms(lab.took_s, 0.99), percentile_ms(lab.core_s, 0.99)
            print(f"{journal.name.split(':', 1)[0]}: {lab.waiting} samples wait, {len(lab.running)} steps run")
            print(
                f"a decision takes {percentile_ms(lab.took_s, 0.5):.1f} ms (median), {p99_ms:.1f} ms (99th percentile; "
                f"limit {LIMIT_MS:g}) until it is recorded; {core_ms:.1f} ms (99th percentile) of it in the core; "
                f"{percentile_ms(lab.busy_s, 0.99):.1f} ms (99th percentile) of processor time"
            )
            print(f"given to two at once: {lab.doubled}")
    return int(p99_ms > LIMIT_MS or lab.doubled > 0)


if __name__ == "__main__":
    raise SystemExit(main())
