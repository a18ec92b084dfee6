"""Generated laboratories: samples that are dispensed, mixed, baked in batches, ground, and measured.

Route of a sample: dispense, mix (two of three), furnace, grind (half), XRD, SEM (a third), electrochemistry (a third).
The furnaces have eight slots and one recipe at a time, of 60, 90 or 120 minutes; robots need two minutes for a move;
there is no place to set a sample aside, so it blocks where it is. After dispensing a sample may wait 45 minutes for the
mixer, and 90 minutes for the furnace after what was before it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from labwright.engine.layout import Bench, Carrier, Layout, Site

MINUTE = 60.0
MOVE_S = 2 * MINUTE
BEFORE_MIX_S = 45 * MINUTE
BEFORE_FURNACE_S = 90 * MINUTE
SLOTS = 8
RECIPES = (60, 90, 120)
VIAL = "vial"

KINDS = ("dispense", "mix", "furnace", "grind", "xrd", "sem", "echem")

SIZES: dict[int, tuple[tuple[int, ...], int]] = {
    10: ((2, 1, 2, 1, 2, 1, 2), 1),
    25: ((2, 1, 2, 1, 2, 1, 2), 1),
    50: ((3, 2, 3, 2, 4, 2, 3), 1),
    100: ((3, 2, 4, 2, 4, 3, 4), 2),
    200: ((5, 3, 5, 3, 7, 3, 6), 2),
}
"""By number of samples: stations of each kind, and robots."""

_MINUTES = {"dispense": (6, 15), "mix": (10, 20), "grind": (6, 14), "xrd": (15, 30), "sem": (20, 40), "echem": (30, 60)}


@dataclass(frozen=True)
class Job:
    """A sample.

    Attributes:
        steps: kind of station and lab seconds of each, in their order.
        recipe: minutes in the furnace.
    """

    steps: tuple[tuple[str, float], ...]
    recipe: int

    @property
    def total_s(self) -> float:
        """All steps, and the moves between them, in and out."""
        return sum(takes_s for _, takes_s in self.steps) + (len(self.steps) + 1) * MOVE_S

    def wait_s(self, index: int) -> float | None:
        """How long it may wait after a step at most, lab seconds."""
        following = self.steps[index + 1][0] if index + 1 < len(self.steps) else ""
        return {"mix": BEFORE_MIX_S, "furnace": BEFORE_FURNACE_S}.get(following)


@dataclass(frozen=True)
class Instance:
    """Samples, and the lab that makes them.

    Attributes:
        jobs: samples.
        stations: how many of each kind.
        robots: how many.
    """

    jobs: tuple[Job, ...]
    stations: dict[str, int]
    robots: int

    @property
    def layout(self) -> Layout:
        """The lab as the dispatcher sees it."""
        vial = frozenset({VIAL})
        sites = {f"stock_{number}": Site(f"stock_{number}", "", vial) for number in range(len(self.jobs))}
        sites["out"] = Site("out", "", vial, leaves=True)
        benches = {}
        for kind, number in self.stations.items():
            for which in range(1, number + 1):
                name = f"{kind}_{which}"
                batch = kind == "furnace"
                benches[name] = Bench(name, kind, SLOTS if batch else 1, one_recipe=batch, together=batch)
                for slot in range(SLOTS if batch else 1):
                    sites[f"{name}_{slot}"] = Site(f"{name}_{slot}", name, vial)
        names = [f"robot_{number}" for number in range(1, self.robots + 1)]
        carriers = {name: Carrier(name, name, vial, MOVE_S, frozenset(sites)) for name in names}
        return Layout(sites, benches, carriers)


def instance(samples: int, seed: int) -> Instance:
    """A lab of a size that `SIZES` has, and samples by chance."""
    numbers, robots = SIZES[samples]
    chance = random.Random(1000 * samples + seed)  # noqa: S311 - nothing secret
    jobs = []
    for _ in range(samples):
        recipe = chance.choice(RECIPES)
        route = ["dispense", "mix", "furnace", "grind", "xrd", "sem", "echem"]
        kept = {"mix": 2 / 3, "grind": 1 / 2, "sem": 1 / 3, "echem": 1 / 3}
        route = [kind for kind in route if chance.random() < kept.get(kind, 1.0)]
        steps = [
            (kind, recipe * MINUTE if kind == "furnace" else MINUTE * chance.randint(*_MINUTES[kind])) for kind in route
        ]
        jobs.append(Job(tuple(steps), recipe))
    return Instance(tuple(jobs), dict(zip(KINDS, numbers, strict=True)), robots)
