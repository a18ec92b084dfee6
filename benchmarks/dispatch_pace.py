"""What it costs to decide which step begins: ten campaigns with ten samples each under way, a thousand decisions.

`python -m benchmarks.dispatch_pace` prints the processor time of a decision (99th percentile; limit 5 ms) for ways that
go in one direction and for ways that return and cross, and how many times that of engine 1 it is, which lets every step
begin whose station and positions are free. Engine 1 is measured on ways in one direction: on others it comes to a halt.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from labwright.engine import LabCore
from labwright.engine.dispatch import Begins, Dispatcher
from labwright.engine.events import Event, Removal, RunStep, Start, Started, StepEnded, Suggested
from labwright.engine.experiment import Experiment
from labwright.model.campaign import Objective, PlannerSpec, Suggestion
from labwright.model.protocol import NumberResult, ProtocolSpec, StepOutcome, StepSpec
from labwright.model.space import Real, Space
from labwright.model.spec import CampaignSpec

CAMPAIGNS = 10
SAMPLES = 10
DECISIONS = 1000
LIMIT_MS = 5.0
STOPS = 20
"""Positions of the lab."""

SHARED = {f"station_{number}": (f"device_{number // 2}",) for number in range(8)}


class FirstCome(Dispatcher):
    """Decides as engine 1 does."""

    def ready(self) -> Iterator[Begins]:
        """Whatever is free is taken."""
        for owner in self.work.live:
            for experiment, run in self.first_come(owner):
                yield experiment, run, Start(step_id=run.step_id)

    def removals(self) -> list[tuple[Experiment, Removal]]:
        """Asks for nothing."""
        return []


def way(number: int, *, crossing: bool) -> ProtocolSpec:
    """A protocol of eight moves, a step after each."""
    chance = random.Random(number)  # noqa: S311
    stops = [chance.randrange(STOPS) for _ in range(8)] if crossing else sorted(chance.sample(range(STOPS), 8))
    steps: list[StepSpec] = []
    for index, stop in enumerate(stops):
        before = (steps[-1].name,) if steps else ()
        arm = f"arm_{chance.randrange(4)}"
        steps.append(StepSpec(name=f"move_{index}", station=arm, needs=before, expected_s=1, moves_to=f"stop_{stop}"))
        station = f"station_{chance.randrange(12)}"
        steps.append(StepSpec(name=f"work_{index}", station=station, needs=(f"move_{index}",), expected_s=1))
    steps.append(StepSpec(name="out", station="arm_0", needs=(steps[-1].name,), expected_s=1, leaves=True))
    results = (NumberResult(name="y", unit="1"),)
    return ProtocolSpec(name="p", version="1", title="P", parameters=(), results=results, steps=tuple(steps))


def started(number: int, *, crossing: bool, devices: bool) -> Started:
    """A campaign of ten samples at once."""
    spec = CampaignSpec(
        name=f"c{number}",
        title="C",
        protocol="p",
        space=Space(parameters=(Real(name="x", unit="1", low=0, high=1),)),
        objective=Objective(name="y", goal="max", unit="1"),
        planner=PlannerSpec(name="random"),
        budget=DECISIONS,
        parallel=SAMPLES,
    )
    shared = SHARED if devices else {}
    protocols = (way(number, crossing=crossing),)
    return Started(campaign=spec.name, spec=spec, protocols=protocols, shared=shared, naming=2, engine=2)


class Bench:
    """A lab's core whose steps end in any order."""

    def __init__(self, *, crossing: bool, devices: bool, plain: bool = False) -> None:
        self.lab = LabCore()
        if plain:
            self.lab.dispatcher = FirstCome(self.lab.work, self.lab.dispatcher.held)
        self.running: list[str] = []
        self.took_s: list[float] = []
        for number in range(CAMPAIGNS):
            self._feed(f"c{number}", started(number, crossing=crossing, devices=devices))

    def run(self) -> None:
        """So many decisions as are measured, after as many that are not."""
        chance = random.Random(7)  # noqa: S311
        for number in range(2 * DECISIONS):
            if number == DECISIONS:
                self.took_s.clear()
            step_id = self.running.pop(chance.randrange(len(self.running)))
            outcome = StepOutcome(step_id=step_id, state="done", results={"y": 1.0}, started_s=0, ended_s=1)
            self._feed(step_id.split("/", 1)[0], StepEnded(outcome=outcome))

    def _feed(self, campaign: str, event: Event) -> None:
        decided = self.lab.handle(campaign, event, 0.0)
        before_s = time.process_time()
        granted = self.lab.grant(0.0)
        self.took_s.append(time.process_time() - before_s)
        decided += [one for grant in granted for one in grant.instructions]
        self.running += [one.order.step_id for one in decided if isinstance(one, RunStep)]
        for core in self.lab.campaigns.values():
            if core.asking:
                suggestion = Suggestion(params={"x": 0.5}, rationale="r")
                self._feed(core.campaign, Suggested(suggestion=suggestion))

    def percentile_ms(self, share: float) -> float:
        """Of the processor time of the decisions measured."""
        return 1000 * sorted(self.took_s)[int(share * (len(self.took_s) - 1))]


def measured(*, crossing: bool, devices: bool, plain: bool = False) -> Bench:
    """A bench that has run, with all samples under way."""
    bench = Bench(crossing=crossing, devices=devices, plain=plain)
    bench.run()
    live = sum(len(core.live) for core in bench.lab.campaigns.values())
    assert live == CAMPAIGNS * SAMPLES, live
    return bench


def main() -> int:
    """Measure and print; 1 if the limit is missed."""
    one_way = measured(crossing=False, devices=False)
    plain = measured(crossing=False, devices=False, plain=True)
    crossing = measured(crossing=True, devices=True)
    for name, bench in (("ways in one direction", one_way), ("crossing ways, shared devices", crossing)):
        print(
            f"{name}: a decision takes {bench.percentile_ms(0.5):.2f} ms (median), {bench.percentile_ms(0.99):.2f} ms "
            f"(99th percentile; limit {LIMIT_MS:g}) of processor time"
        )
    ratio = one_way.percentile_ms(0.5) / plain.percentile_ms(0.5)
    print(f"engine 1 on ways in one direction: {plain.percentile_ms(0.5):.2f} ms (median); {ratio:.1f} times that now")
    return int(max(one_way.percentile_ms(0.99), crossing.percentile_ms(0.99)) > LIMIT_MS)


if __name__ == "__main__":
    raise SystemExit(main())
