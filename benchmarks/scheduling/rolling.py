"""An instance carried out by the engine's own core, on a clock that jumps."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

from benchmarks.scheduling.instances import VIAL, Instance, Job
from labwright.engine.events import Started, Stocked
from labwright.engine.lab import LabCore
from labwright.engine.rehearsal import Bar, Rehearsal, in_the_middle
from labwright.engine.rules import Rule
from labwright.engine.timetabling import planned_anew
from labwright.model.campaign import Objective, PlannerSpec
from labwright.model.latch import LatchScope
from labwright.model.protocol import NumberResult, ProtocolSpec, StepOrder, StepSpec
from labwright.model.space import Real, Space
from labwright.model.spec import CampaignSpec

SPACE = Space(parameters=(Real(name="x", unit="1", low=0, high=1),))
OBJECTIVE = Objective(name="y", goal="max", unit="1")


def protocol(job: Job) -> ProtocolSpec:
    """What is done to a sample."""
    steps = [
        StepSpec(
            name=kind,
            station=kind,
            needs=(job.steps[index - 1][0],) if index else (),
            expected_s=takes_s,
            max_wait_s=job.wait_s(index),
            recipe=("recipe",) if kind == "furnace" else (),
        )
        for index, (kind, takes_s) in enumerate(job.steps)
    ]
    results = (NumberResult(name="y", unit="1"),)
    return ProtocolSpec(
        name="p", version="1", title="P", parameters=(), results=results, steps=tuple(steps), labware=VIAL
    )


def started(number: int, job: Job) -> Started:
    """A campaign of one sample."""
    spec = CampaignSpec(
        name=f"c{number}",
        title="C",
        protocol="p",
        space=SPACE,
        fixed={"recipe": float(job.recipe)},
        objective=OBJECTIVE,
        planner=PlannerSpec(name="random"),
        budget=1,
    )
    return Started(campaign=f"c{number}", spec=spec, protocols=(protocol(job),), container=VIAL, naming=2, engine=3)


ANEW_S = 10 * 60.0
"""An order of moves is planned anew so often, lab seconds; a controller asks after 20 s of wall time."""


@dataclass(frozen=True)
class Rolled:
    """How an instance went.

    Attributes:
        makespan_s: lab seconds until the last sample has left.
        late: limited waits that were not kept.
        bars: all steps and moves.
    """

    makespan_s: float
    late: int
    bars: list[Bar]


def rehearsal(instance: Instance, noise: float = 0.0, seed: int = 0) -> Rehearsal:
    """An instance that has just come: nothing is decided yet.

    Args:
        instance: which.
        noise: a step takes up to this share longer or shorter than the dispatcher expects, by chance.
        seed: of that chance.
    """
    chance = random.Random(seed)  # noqa: S311 - nothing secret

    def takes_s(order: StepOrder) -> float:
        return order.expected_s * (1 + noise * chance.uniform(-1, 1))

    lab = LabCore(instance.layout)
    lab.handle("", Stocked(containers={f"stock_{n}": VIAL for n in range(len(instance.jobs))}), 0.0)
    for number, job in enumerate(instance.jobs):
        lab.handle(f"c{number}", started(number, job), 0.0)
        lab.handle(f"c{number}", in_the_middle(f"c{number}", lab.campaigns[f"c{number}"].state()), 0.0)
    lab.latch(LatchScope())
    lab.grant(0.0)  # they are accepted, and nothing begins yet
    lab.reset(LatchScope())
    return Rehearsal(lab, takes_s)


def roll(instance: Instance, rule: Rule, noise: float = 0.0, seed: int = 0, changes: int = 0) -> Rolled:
    """Carry an instance out; as `rehearsal`.

    Args:
        instance: which.
        rule: of dispatch.
        noise: as there.
        seed: of that chance.
        changes: an order of moves is planned anew every `ANEW_S`, with so many changes; 0 if never.

    Raises:
        AssertionError: some samples came to a halt.
    """
    going = rehearsal(instance, noise, seed)
    lab = going.lab
    lab.dispatcher.rule = rule
    going.go_on()
    anew_s = ANEW_S
    while going.next():
        if changes and rule.plan.moves and going.now_s >= anew_s:
            anew_s = going.now_s + ANEW_S
            rule = lab.dispatcher.rule = planned_anew(lab, going.now_s, rule, changes, seed)
            going.go_on()
    left = [name for name, core in lab.campaigns.items() if not core.over]
    if left:
        raise AssertionError(f"{len(left)} samples came to a halt: {lab.dispatcher.waits(left[0])}")
    return Rolled(going.now_s, _late(instance, going.bars), going.bars)


def _late(instance: Instance, bars: list[Bar]) -> int:
    """Limited waits that were not kept."""
    steps: dict[str, list[Bar]] = {}
    for bar in bars:
        if bar.order.move is None:
            steps.setdefault(bar.order.campaign, []).append(bar)
    late = 0
    for number, job in enumerate(instance.jobs):
        for index, (before, after) in enumerate(itertools.pairwise(steps[f"c{number}"])):
            allowed_s = job.wait_s(index)
            late += allowed_s is not None and after.began_s - before.ended_s > allowed_s + 1e-6
    return late
