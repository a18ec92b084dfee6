"""Several experiments in flight: how many more are needed than one at a time, until the goal is reached.

A campaign begins with nothing. With four in flight the planner is asked for an experiment as soon as the oldest of the
four before has ended, so it knows the outcomes of all but the last three. Counted is the experiment, in the order in
which they begin, that first reaches the goal: the best row of a table, 98.5 % of the best conductivity, or a small
regret on a function.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.electrolyte_planner import CELSIUS, RELATIVE_NOISE, REPLICATES, SPACE, true_conductivity
from benchmarks.planners.askers import cube
from benchmarks.planners.campaigns import CLOSE
from benchmarks.planners.figures import BUDGET, NOT_FOUND, Pair, Ratio, ratio_of
from benchmarks.planners.functions import FUNCTIONS, Function
from benchmarks.planners.ours import Ours
from benchmarks.planners.records import Records, digest
from benchmarks.planners.tables import Table
from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Trial
from labwright.model.space import Params, Space
from labwright.planners import load_planner
from protocols.formulation import MOLALITY_LIMIT
from simulators.electrolyte import optimum

FLIGHTS = (1, 3, 4)
"""Experiments in flight."""

CLOSE_TO = {"Branin": 3.0, "Hartmann6": 0.5, "Levy4": 3.0, "Ackley6_noisy": 5.0}
"""Regret on a function at which its goal is reached."""


@dataclass(frozen=True)
class Case:
    """What is searched in flight.

    Attributes:
        name: of it.
        space: where.
        goal: whether outcomes are to be large or small.
        read: a reading at a point and its standard error, from a source of chance.
        reached: whether a point is good enough.
        protocol: what a result depends on besides planner and seed.
        budget: most experiments.
    """

    name: str
    space: Space
    goal: str
    read: Callable[[Params, np.random.Generator], tuple[float, float | None]]
    reached: Callable[[Params], bool]
    protocol: str
    budget: int = BUDGET


def cases(tables: Sequence[Table], names: Sequence[str] = ()) -> list[Case]:
    """The reference lab's composition, the functions, and tables; those named, all without."""
    found = [_electrolyte(), *map(_function, FUNCTIONS), *map(_table, tables)]
    return [case for case in found if case.name in names or not names]


def run(planner: Ours, case: Case, seed: int, in_flight: int) -> int:
    """Experiments until the goal; `NOT_FOUND` if it is not reached."""
    rng = np.random.default_rng([seed, zlib.crc32(case.name.encode())])
    spec = PlannerSpec(name=planner.name, options=dict(planner.options))
    objective = Objective.model_validate({"name": "y", "goal": case.goal, "unit": "1"})
    state = CampaignState(space=case.space, objective=objective, seed=planner.campaign_seed(seed), planner=spec)
    chosen = load_planner(spec)
    made: list[Trial] = []
    for number in range(1, case.budget + 1):
        known = max(0, number - in_flight)
        under_way = [one.model_copy(update={"status": "running", "outcomes": {}}) for one in made[known:]]
        (suggestion,) = chosen.ask(state.model_copy(update={"trials": (*made[:known], *under_way)}), 1)
        if case.reached(suggestion.params):
            return number
        mean, sem = case.read(suggestion.params, rng)
        outcomes = {"y": Outcome(mean=mean, sem=sem)}
        made.append(Trial(id=str(number), params=suggestion.params, status="done", outcomes=outcomes))
    return NOT_FOUND


def run_all(variants: Mapping[str, Ours], chosen: Sequence[Case], seeds: Iterable[int], out: Path) -> None:
    """Run what is not recorded yet."""
    for seed in seeds:
        for case in chosen:
            for name, planner in variants.items():
                records = Records(out, "in_flight", name)
                for in_flight in FLIGHTS:
                    key = (planner.version, case.protocol, _key(case.name, in_flight), seed)
                    if not records.find(*key):
                        needed = run(planner, case, seed, in_flight)
                        records.add(*key, needed=needed)
                        print(f"{case.name} {name} seed {seed}, {in_flight} in flight: {needed}", flush=True)


def results(variants: Mapping[str, Ours], chosen: Sequence[Case], out: Path) -> dict[str, dict[int, dict[Pair, float]]]:
    """Experiments needed, by planner, experiments in flight, case and seed."""
    found: dict[str, dict[int, dict[Pair, float]]] = {}
    for name, planner in variants.items():
        for in_flight in FLIGHTS:
            protocols = {_key(case.name, in_flight): case.protocol for case in chosen}
            lines = Records(out, "in_flight", name).latest(protocols, planner.version)
            needed = {(_case(key), seed): float(line["needed"]) for (key, seed), line in lines.items()}
            found.setdefault(name, {})[in_flight] = needed
    return found


def against_one(found: Mapping[int, Mapping[Pair, float]], in_flight: int, cases: Sequence[str] = ()) -> Ratio | None:
    """Experiments in flight over those one at a time, on the runs that both have."""
    some, one = (
        {pair: value for pair, value in found[n].items() if pair[0] in cases or not cases} for n in (in_flight, 1)
    )
    return ratio_of(some, one)


def report(found: Mapping[str, Mapping[int, Mapping[Pair, float]]]) -> None:
    """Means, and the ratio to one at a time with its 90 % interval."""
    for name, flights in found.items():
        print(f"\n{name}: mean experiments to the goal, by how many are in flight; ratio to one at a time [90 %]")
        for case in dict.fromkeys(case for case, _ in flights[1]):
            cells = []
            for in_flight in FLIGHTS:
                values = [value for (which, _), value in flights[in_flight].items() if which == case]
                ratio = against_one(flights, in_flight, (case,)) if in_flight > 1 else None
                words = "" if ratio is None else " {:.2f} [{:.2f}, {:.2f}]".format(*ratio.arithmetic)
                cells.append(f"{in_flight}: {np.mean(values) if values else math.nan:5.1f}{words}")
            seeds = sum(which == case for which, _ in flights[1])
            print(f"{case:<16}{'   '.join(cells)}   ({seeds} seeds)")
        for in_flight in FLIGHTS[1:]:
            whole = against_one(flights, in_flight)
            if whole is not None:
                words = "{:.2f} [{:.2f}, {:.2f}]".format(*whole.geometric)
                print(f"all cases, {in_flight} in flight: {words} (geometric mean of the cases)")


def _electrolyte() -> Case:
    steps = {"molality": 0.01, "ec_fraction": 0.005, "dmc_share": 0.01}
    parameters = tuple(one.model_copy(update={"step": steps[one.name]}) for one in SPACE.parameters)
    best = optimum(CELSIUS, [MOLALITY_LIMIT]).conductivity_ms_per_cm

    def read(params: Params, rng: np.random.Generator) -> tuple[float, float | None]:
        readings = true_conductivity(params) * (1 + RELATIVE_NOISE * rng.normal(size=REPLICATES))
        return float(readings.mean()), float(readings.std(ddof=1)) / math.sqrt(REPLICATES)

    return Case(
        "electrolyte",
        Space(parameters=parameters, constraints=SPACE.constraints),
        "max",
        read,
        lambda params: true_conductivity(params) >= CLOSE * best,
        digest("in flight", "electrolyte", CLOSE, RELATIVE_NOISE, REPLICATES, CELSIUS),
    )


def _function(function: Function) -> Case:
    space = cube(function.dimensions)

    def true(params: Params) -> float:
        return function.at(np.array(space.to_unit(params)))

    def read(params: Params, rng: np.random.Generator) -> tuple[float, float | None]:
        return true(params) + function.noise * float(rng.normal()), function.noise or None

    close = CLOSE_TO[function.name]
    return Case(
        function.name,
        space,
        "min",
        read,
        lambda params: true(params) - function.least <= close,
        digest("in flight", function.name, function.dimensions, function.noise, close),
    )


def _table(table: Table) -> Case:
    place = {tuple(row.values()): number for number, row in enumerate(table.rows)}
    losses = table.losses

    def row(params: Params) -> int:
        return place[tuple(params.values())]

    return Case(
        table.name,
        table.pool,
        table.goal,
        lambda params, _: (float(table.y[row(params)]), None),
        lambda params: bool(losses[row(params)] <= losses.min()),
        digest("in flight", table.digest, table.goal),
        min(BUDGET, len(table.rows)),
    )


def _key(case: str, in_flight: int) -> str:
    return f"{case} {in_flight}"


def _case(key: str) -> str:
    return key.rpartition(" ")[0]
