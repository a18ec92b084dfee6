"""What laboratories add: syntheses that fail, several experiments at once, two objectives, a choice of material.

And what thinking costs: processor time of one ask with many trials behind it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.planners import continuous
from benchmarks.planners.askers import ASKERS, Ask, Asker, cube, ours
from benchmarks.planners.figures import ratio_of
from benchmarks.planners.functions import BRANIN_LEAST, HARTMANN6, Function, branin, currin
from benchmarks.planners.libraries import library, seed_of, version_of
from benchmarks.planners.ours import Ours, ours_ask
from benchmarks.planners.peers import botorch_model, skopt_dimensions
from benchmarks.planners.records import Records, digest
from labwright.model.campaign import Objective, Outcome
from labwright.model.judging import hypervolume
from labwright.model.space import Categorical, Real, Space

Run = Callable[[int], dict[str, Any]]
"""From a seed to what is stored."""

BATCH = 4
HOLES = Function("Branin_with_holes", 2, branin, BRANIN_LEAST, 6, 40)
MIXED_START, MIXED_BUDGET = 6, 45
PAIR_START, PAIR_BUDGET = 6, 36
CPU_TRIALS = (200, 1000)
CPU_DIMENSIONS = 6
CPU_REPEATS = {200: 3, 1000: 1}
SEQUENTIAL = dataclasses.replace(HARTMANN6, name="Hartmann6_58", budget=58)


def fails(unit: np.ndarray) -> bool:
    """Whether the synthesis yields nothing: a disc and a corner, a quarter of the square, two of three optima in it."""
    disc = float(((unit - (0.543, 0.152)) ** 2).sum()) < 0.25**2
    return disc or (float(unit[0]) < 0.3 and float(unit[1]) > 0.7)


def with_holes(seed: int, ask: Callable[[np.ndarray, list[float | None]], np.ndarray]) -> dict[str, Any]:
    """Failures in the 34 asks, and the final regret; an experiment that fails yields nothing."""
    x = continuous.start_points(HOLES, seed)
    y: list[float | None] = [None if fails(point) else branin(point) for point in x]
    while len(x) < HOLES.budget:
        point = ask(x, y)
        x = np.vstack([x, point])
        y.append(None if fails(point) else branin(point))
    values = [value for value in y if value is not None]
    regret = min(values) - BRANIN_LEAST if values else float("inf")
    return {"failures": sum(value is None for value in y[HOLES.start :]), "regret": regret}


def holes_of_ours(planner: Ours) -> Run:
    """Ours is given the failures."""
    space = cube(2)

    def run(seed: int) -> dict[str, Any]:
        def ask(x: np.ndarray, y: list[float | None]) -> np.ndarray:
            points = [space.from_unit(point.tolist()) for point in x]
            (suggestion,) = ours_ask(planner.state(space, points, y, seed), 1)
            return np.array(space.to_unit(suggestion.params))

        return with_holes(seed, ask)

    return run


def holes_of(asker: Asker, worst: bool) -> Run:
    """A peer, which knows no failures: they are dropped, or count as the worst value so far."""

    def run(seed: int) -> dict[str, Any]:
        inner = asker.make(2, seed, False)

        def ask(x: np.ndarray, y: list[float | None]) -> np.ndarray:
            good = np.array([value is not None for value in y])
            values = np.array([value for value in y if value is not None])
            if not worst:
                return inner(x[good], values, 1)[0]
            filled = np.array([values.max() if value is None else value for value in y])
            return inner(x, filled, 1)[0]

        return with_holes(seed, ask)

    return run


LEVELS = {"A": ((0.0, 0.0), 3.0), "B": ((2.0, 1.0), 0.0), "C": ((-2.0, 2.0), 6.0), "D": ((1.0, -3.0), 4.0)}
"""Each material moves Branin and lifts it; the least is Branin's own, with B."""

MIXED_SPACE = Space(
    parameters=(
        Real(name="x0", low=0, high=1, unit="1"),
        Real(name="x1", low=0, high=1, unit="1"),
        Categorical(name="material", levels=tuple(LEVELS)),
    )
)


def mixed_at(params: Mapping[str, Any]) -> float:
    """True value."""
    shift, lift = LEVELS[str(params["material"])]
    return branin(np.array([params["x0"], params["x1"]]), shift) + lift


def mixed(seed: int, ask: Callable[[list[dict[str, Any]], list[float]], dict[str, Any]]) -> dict[str, Any]:
    """Final regret on two numbers and a material."""
    start = continuous.start_points(dataclasses.replace(HOLES, name="mixed", dimensions=3, start=MIXED_START), seed)
    points = [MIXED_SPACE.from_unit(point.tolist()) for point in start]
    values = [mixed_at(point) for point in points]
    while len(points) < MIXED_BUDGET:
        points.append(ask(points, values))
        values.append(mixed_at(points[-1]))
    return {"regret": min(values) - BRANIN_LEAST}


def mixed_of_ours(planner: Ours) -> Run:
    """Ours knows categories."""

    def run(seed: int) -> dict[str, Any]:
        return mixed(seed, lambda x, y: dict(ours_ask(planner.state(MIXED_SPACE, x, y, seed), 1)[0].params))

    return run


def mixed_random(seed: int) -> dict[str, Any]:
    """Chance."""
    return mixed(seed, lambda x, _: MIXED_SPACE.from_unit(np.random.default_rng([seed, len(x)]).random(3).tolist()))


def mixed_skopt_gp(seed: int) -> dict[str, Any]:
    """Skopt's Gaussian process and expected improvement with its own categorical dimension."""
    settings = {"acq_func": "EI", "n_initial_points": MIXED_START, "random_state": seed}
    optimizer = library("skopt").Optimizer(skopt_dimensions(MIXED_SPACE.parameters), "GP", **settings)
    known = 0

    def ask(points: list[dict[str, Any]], values: list[float]) -> dict[str, Any]:
        nonlocal known
        optimizer.tell([list(point.values()) for point in points[known:]], values[known:])
        known = len(points)
        return dict(zip(MIXED_SPACE.names, optimizer.ask(), strict=True))

    return mixed(seed, ask)


def mixed_optuna_tpe(seed: int) -> dict[str, Any]:
    """Optuna's TPESampler with its own categorical distribution."""
    optuna = library("optuna")
    distributions = {
        "x0": optuna.distributions.FloatDistribution(0.0, 1.0),
        "x1": optuna.distributions.FloatDistribution(0.0, 1.0),
        "material": optuna.distributions.CategoricalDistribution(tuple(LEVELS)),
    }

    def ask(points: list[dict[str, Any]], values: list[float]) -> dict[str, Any]:
        sampler = optuna.samplers.TPESampler(seed=seed_of(seed, len(points), "optuna"), n_startup_trials=2)
        study = optuna.create_study(sampler=sampler)
        for point, value in zip(points, values, strict=True):
            study.add_trial(optuna.trial.create_trial(params=point, distributions=distributions, value=value))
        return dict(study.ask(distributions).params)

    return mixed(seed, ask)


PAIR_REFERENCE = (18.0, 6.0)
PAIR_TRUE = 59.36011874867746
"""Hypervolume of the whole front under that reference; both as in botorch's BraninCurrin."""


def two_objectives(seed: int, ask: Ask) -> dict[str, Any]:
    """Share of the true hypervolume of Branin and Currin, both to be small."""
    x = continuous.start_points(dataclasses.replace(HOLES, name="pair", start=PAIR_START), seed)
    y = np.array([(branin(point), currin(point)) for point in x])
    while len(x) < PAIR_BUDGET:
        point = ask(x, y, 1)[0]
        x, y = np.vstack([x, point]), np.vstack([y, (branin(point), currin(point))])
    merits = [(-a, -b) for a, b in y.tolist()]
    return {"share": hypervolume(merits, (-PAIR_REFERENCE[0], -PAIR_REFERENCE[1])) / PAIR_TRUE}


def pair_random(seed: int) -> dict[str, Any]:
    """Chance."""
    return two_objectives(seed, ASKERS["random"].make(2, seed, False))


def pair_botorch(seed: int) -> dict[str, Any]:
    """Botorch's qLogNoisyExpectedHypervolumeImprovement on two Gaussian processes."""
    torch, optimize = library("torch"), library("botorch.optim").optimize_acqf
    improvement = library("botorch.acquisition.multi_objective.logei").qLogNoisyExpectedHypervolumeImprovement
    bounds = torch.stack([torch.zeros(2), torch.ones(2)]).double()

    def ask(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
        torch.manual_seed(seed_of(seed, len(y), "botorch"))
        points = torch.tensor(x, dtype=torch.double)
        model = botorch_model(points, -torch.tensor(y, dtype=torch.double))
        reference = [-value for value in PAIR_REFERENCE]
        chosen = improvement(model, ref_point=reference, X_baseline=points, prune_baseline=True)
        found, _ = optimize(chosen, bounds=bounds, q=n, num_restarts=8, raw_samples=256)
        return np.array(found.detach().numpy())

    return two_objectives(seed, ask)


def pair_optuna_gp(seed: int) -> dict[str, Any]:
    """Optuna's GPSampler with two directions."""
    optuna = library("optuna")
    distributions = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in ("x0", "x1")}

    def ask(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
        sampler = optuna.samplers.GPSampler(
            seed=seed_of(seed, len(y), "optuna"), n_startup_trials=2, deterministic_objective=True
        )
        study = optuna.create_study(sampler=sampler, directions=["minimize", "minimize"])
        for point, values in zip(x, y, strict=True):
            params = dict(zip(distributions, map(float, point), strict=True))
            measured = {"params": params, "distributions": distributions, "values": [float(one) for one in values]}
            study.add_trial(optuna.trial.create_trial(**measured))
        return np.array([list(study.ask(distributions).params.values()) for _ in range(n)])

    return two_objectives(seed, ask)


def pair_of_ours(planner: Ours) -> Run:
    """Ours with two objectives, both to be small, counted from the same reference."""
    space = cube(2)
    names = ("y", "z")
    objectives = [
        Objective(name=name, goal="min", unit="1", reference=end)
        for name, end in zip(names, PAIR_REFERENCE, strict=True)
    ]

    def run(seed: int) -> dict[str, Any]:
        def ask(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
            points = [space.from_unit(list(map(float, point))) for point in x]
            state = planner.state(space, points, [0.0] * len(points), seed)
            trials = tuple(
                trial.model_copy(
                    update={
                        "outcomes": {name: Outcome(mean=float(one)) for name, one in zip(names, values, strict=True)}
                    }
                )
                for trial, values in zip(state.trials, y, strict=True)
            )
            state = state.model_copy(
                update={"objective": objectives[0], "more_objectives": (objectives[1],), "trials": trials}
            )
            return np.array([space.to_unit(one.params) for one in ours_ask(state, n)])

        return two_objectives(seed, ask)

    return run


def cpu_of(asker: Asker, trials: int) -> dict[str, Any]:
    """CPU seconds of one ask, fitting included, with so many random trials of Hartmann6 behind it; the median."""
    took = []
    for repeat in range(CPU_REPEATS[trials]):
        x = np.random.default_rng([repeat, trials]).random((trials, CPU_DIMENSIONS))
        y = np.array([HARTMANN6.at(point) for point in x])
        ask = asker.make(CPU_DIMENSIONS, repeat, False)
        start = time.process_time()
        ask(x, y, 1)
        took.append(time.process_time() - start)
    return {"cpu_s": float(np.median(took))}


_OPTUNA, _SKOPT, _BOTORCH = (f"{name} {version_of(name)}" for name in ("optuna", "skopt", "botorch"))

PEERS: dict[str, dict[str, tuple[str, Run]]] = {
    "holes": {
        "random": ("r1", holes_of(ASKERS["random"], worst=True)),
        "skopt_ei_drop": (_SKOPT, holes_of(ASKERS["skopt_ei"], worst=False)),
    },
    "mixed": {
        "random": ("r1", mixed_random),
        "skopt_gp": (_SKOPT, mixed_skopt_gp),
        "optuna_tpe": (_OPTUNA, mixed_optuna_tpe),
    },
    "pair": {
        "random": ("r1", pair_random),
        "optuna_gp": (_OPTUNA, pair_optuna_gp),
        "botorch": (_BOTORCH, pair_botorch),
    },
}
"""By case and peer: its version, and its run."""

OURS: dict[str, Callable[[Ours], Run]] = {"holes": holes_of_ours, "mixed": mixed_of_ours, "pair": pair_of_ours}
"""What ours can do of them."""

PROTOCOLS = {
    "holes": digest("holes", HOLES.start, HOLES.budget),
    "mixed": digest("mixed", LEVELS, MIXED_START, MIXED_BUDGET),
    "pair": digest("pair", PAIR_START, PAIR_BUDGET, PAIR_REFERENCE),
    **{f"cpu_{trials}": digest("cpu", trials, CPU_DIMENSIONS, CPU_REPEATS[trials]) for trials in CPU_TRIALS},
}
"""What results depend on besides planner and seed."""

Found = dict[str, dict[str, list[dict[str, Any]]]]
"""What is recorded, by case and planner, in the order of the seeds."""


def run_all(names: Sequence[str], variants: Mapping[str, Ours], seeds: Iterable[int], out: Path) -> None:
    """Run what is not recorded yet of failures, mixed and two objectives, and of the batches.

    Args:
        names: of planners, peers and ours; ``"skopt_ei"`` stands for all of skopt's, and so for every library.
        variants: ours.
        seeds: of each.
        out: folder for the results.
    """
    seeds = list(seeds)
    askers = {name: ASKERS[name] for name in ("random", "skopt_ei", "botorch_logei") if name in names}
    both: dict[str, Asker | Ours] = {**askers, **variants}
    for seed in seeds:
        for case, peers in PEERS.items():
            chosen_peers = {
                name: peer for name, peer in peers.items() if _library(name) in {_library(one) for one in names}
            }
            if case in OURS:
                chosen_peers |= {name: (planner.version, OURS[case](planner)) for name, planner in variants.items()}
            for name, (version, run) in chosen_peers.items():
                _record(out, case, name, version, seed, run)
        continuous.run_all(both, [seed], out, (SEQUENTIAL,), "batch", 1)
        continuous.run_all(both, [seed], out, (SEQUENTIAL,), "batch", BATCH)


def run_cpu(names: Sequence[str], variants: Mapping[str, Ours], out: Path) -> None:
    """Measure what is not recorded yet of processor time."""
    askers = {name: asker for name, asker in ASKERS.items() if name in names and name != "random"}
    timed = {name: (asker.version, asker) for name, asker in askers.items()}
    timed |= {name: (planner.version, ours(planner)) for name, planner in variants.items()}
    for trials in CPU_TRIALS:
        for name, (version, asker) in timed.items():
            _record(out, f"cpu_{trials}", name, version, 0, lambda _, a=asker, n=trials: cpu_of(a, n))  # type: ignore[misc]


def _record(out: Path, case: str, name: str, version: str, seed: int, run: Run) -> None:
    records = Records(out, "special", name)
    key = (version, PROTOCOLS[case], case, seed)
    if records.find(*key):
        return
    result = run(seed)
    records.add(*key, **result)
    shown = ", ".join(f"{what} {value:.4g}" for what, value in result.items())
    print(f"{case} {name} seed {seed}: {shown}", flush=True)


def _library(name: str) -> str:
    return name.partition("_")[0]


def results(variants: Mapping[str, Ours], out: Path) -> Found:
    """Everything that is recorded, batches not included."""
    found: Found = {}
    peers = {name for case in PEERS.values() for name in case} | set(ASKERS)
    for case, protocol in PROTOCOLS.items():
        for name in sorted(peers) + list(variants):
            version = variants[name].version if name in variants else None
            lines = Records(out, "special", name).latest({case: protocol}, version)
            if lines:
                found.setdefault(case, {})[name] = [lines[pair] for pair in sorted(lines)]
    return found


@dataclasses.dataclass(frozen=True)
class Batch:
    """Regret on Hartmann6 one experiment at a time and four at once, on the seeds that have both.

    Args:
        single: mean, median, and share of runs below `continuous.FOUND`, one at a time.
        four: the same, four at once.
        ratio: mean over mean, with its 90 % interval.
        seeds: how many.
    """

    single: tuple[float, float, float]
    four: tuple[float, float, float]
    ratio: tuple[float, float, float]
    seeds: int


def batches(variants: Mapping[str, Ours], out: Path) -> dict[str, Batch]:
    """One after another against four at once, by planner."""
    single, _ = continuous.results(variants, out, (SEQUENTIAL,), "batch", 1)
    four, _ = continuous.results(variants, out, (SEQUENTIAL,), "batch", BATCH)
    answer = {}
    for name in single:
        ratio = ratio_of(four.get(name, {}), single[name])
        if ratio is not None:
            both = sorted(set(single[name]) & set(four[name]))
            one, several = (_summary([some[name][pair] for pair in both]) for some in (single, four))
            answer[name] = Batch(one, several, ratio.arithmetic, ratio.pairs)
    return answer


def _summary(regrets: Sequence[float]) -> tuple[float, float, float]:
    below = [regret < continuous.FOUND for regret in regrets]
    return float(np.mean(regrets)), float(np.median(regrets)), float(np.mean(below))


def median(found: Found, case: str, planner: str, what: str) -> float | None:
    """Median of one figure; None if it was not run."""
    lines = found.get(case, {}).get(planner)
    return float(np.median([line[what] for line in lines])) if lines else None


def report(found: Found, batch: Mapping[str, Batch]) -> None:
    """Medians of everything."""
    words = {
        "holes": ("failures", "regret"),
        "mixed": ("regret",),
        "pair": ("share",),
        **{f"cpu_{trials}": ("cpu_s",) for trials in CPU_TRIALS},
    }
    for case, figures in words.items():
        if case in found:
            print(f"\n{case}: median {', '.join(figures)} (seeds)")
            for name, lines in found[case].items():
                shown = "  ".join(f"{median(found, case, name, figure):10.4g}" for figure in figures)
                print(f"{name:<16}{shown}  ({len(lines)})")
    if batch:
        print(
            f"\nbatch: regret on Hartmann6 after {SEQUENTIAL.budget}: mean, median, share below {continuous.FOUND:g}; "
            f"one at a time, then {BATCH} at once; mean over mean"
        )
        for name, both in batch.items():
            parts = "  ".join("{:8.4f}{:8.4f}{:6.2f}".format(*some) for some in (both.single, both.four))
            value, low, high = both.ratio
            print(f"{name:<16}{parts}  {value:6.2f} [{low:.2f}, {high:.2f}]  ({both.seeds} seeds)")
