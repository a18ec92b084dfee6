"""A lab decides the same whatever ran before in its process, and in whichever order sets are walked there."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from labwright.engine.layout import Layout
from labwright.engine.rules import Rule
from labwright.model.protocol import ProtocolSpec, StepOrder
from tests.engine.moving import Deck, layout, started, step, way
from tests.engine.test_windows import shut

ROOT = Path(__file__).parents[2]
PROGRAM = "from tests.engine.test_same_decisions import decided; print(decided(), end='')"


def decided(seeds: range = range(2)) -> str:
    """What was decided in a few labs by chance, with their events."""
    told = []
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311 - nothing secret
        deck = Deck(_plan(chance), rule=Rule(batch_wait_s=chance.choice([0.0, 1200.0])))
        deck.takes_s = _about(chance)
        for number in range(3):
            deck.take({f"c{number}": started(f"c{number}", _protocol(chance), budget=3, parallel=2)})
        deck.run()
        told += [*deck.told, *(f"{at_s:g} {campaign} {event}" for campaign, event, at_s in deck.log)]
    return "\n".join(told)


def _about(chance: random.Random) -> Callable[[StepOrder], float]:
    return lambda order: order.expected_s * chance.uniform(0.8, 1.2)


def _plan(chance: random.Random) -> Layout:
    plan = layout(("m", 1, "own"), ("o", 3, "batch"), ("x_1:x", 1, "own"), ("x_2:x", 2, "own"), arms=2, move_s=60.0)
    hours = {name: chance.uniform(0.0, 4.0) for name in ("m", "x_1", "x_2", "arm_1", "arm_2")}
    return replace(plan, calendar={name: shut(name, (first, first + 1.0)) for name, first in hours.items()})


def _protocol(chance: random.Random) -> ProtocolSpec:
    steps = []
    for name in chance.sample(["m", "o", "x"], 3):
        limit_s = chance.choice([None, 1800.0, 4000.0])
        steps.append(step(name, takes_s=chance.choice([300.0, 1800.0]), max_wait_s=limit_s, recipe=("x",)))
        steps.append(step(f"rinse_{name}", "sink", takes_s=120.0, sample=False))
    return way(*steps)


def test_the_same_labs_decide_the_same_in_any_process() -> None:
    first = decided()
    assert len(first.splitlines()) > 400
    assert decided(range(1, 2)) in first, "what ran before in this process plays no part"
    again = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert again.stdout == first
