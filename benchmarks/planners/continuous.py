"""Functions on the unit cube: all planners start with the same points and see readings of the same scatter."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.planners.askers import ASKERS, Ask, Asker, ours
from benchmarks.planners.figures import Pair, median_ratio, ratio_of
from benchmarks.planners.functions import FUNCTIONS, Function
from benchmarks.planners.ours import Ours
from benchmarks.planners.records import Records, digest

FOUND = 0.05
"""A regret below which a run is in the region of the optimum; the lesser optimum of Hartmann6 has 0.119."""

Regrets = dict[str, dict[Pair, float]]
"""Final regret by planner, function and seed."""


def protocol_of(function: Function, batch: int = 1) -> str:
    """What a result on this function depends on besides optimiser and seed."""
    place = [0.3 + 0.05 * number for number in range(function.dimensions)]
    value = round(function.at(np.array(place)), 9)
    return digest("function", value, function.start, function.budget, function.noise, batch)


def start_points(function: Function, seed: int) -> np.ndarray:
    """The Latin hypercube all planners start with, shape (start, d)."""
    from scipy.stats import qmc

    rng = np.random.default_rng([seed, zlib.crc32(function.name.encode())])
    return np.asarray(qmc.LatinHypercube(function.dimensions, rng=rng).random(function.start))


def minimise(function: Function, seed: int, ask: Ask, batch: int = 1) -> dict[str, Any]:
    """One run: the final regret, and the processor time of each ask.

    The regret is that of the TRUE value at the point with the best reading, as that is the point a user would take.
    """
    x = start_points(function, seed)
    true = np.array([function.at(point) for point in x])
    scatter = function.noise * np.random.default_rng([seed, 7]).normal(size=function.budget + batch)
    cpu_s = []
    while len(x) < function.budget:
        start = time.process_time()
        more = ask(x, true + scatter[: len(x)], min(batch, function.budget - len(x)))
        cpu_s.append(round(time.process_time() - start, 5))
        x = np.vstack([x, more])
        true = np.append(true, [function.at(point) for point in more])
    taken = int(np.argmin(true + scatter[: len(x)]))
    return {"regret": float(true[taken] - function.least), "cpu_s": cpu_s}


def run_all(
    planners: Mapping[str, Asker | Ours],
    seeds: Iterable[int],
    out: Path,
    functions: Sequence[Function] = FUNCTIONS,
    bench: str = "continuous",
    batch: int = 1,
) -> None:
    """Run what is not there yet, seed by seed."""
    records = {name: Records(out, bench, name) for name in planners}
    versions = {name: planner.version for name, planner in planners.items()}
    for seed in seeds:
        for function in functions:
            for name, planner in planners.items():
                key = (versions[name], protocol_of(function, batch), function.name, seed)
                if records[name].find(*key):
                    continue
                asker = ours(planner) if isinstance(planner, Ours) else planner
                ask = asker.make(function.dimensions, seed, function.noise > 0)
                result = minimise(function, seed, ask, batch)
                records[name].add(*key, **result)
                shown = f"regret {result['regret']:.4f}, {sum(result['cpu_s']):.1f} CPU s"
                print(f"{bench} {name} {function.name} seed {seed}: {shown}", flush=True)


def results(
    variants: Mapping[str, Ours],
    out: Path,
    functions: Sequence[Function] = FUNCTIONS,
    bench: str = "continuous",
    batch: int = 1,
) -> tuple[Regrets, dict[str, float]]:
    """Final regrets of everything that is recorded, and the mean CPU seconds of an ask."""
    protocols = {function.name: protocol_of(function, batch) for function in functions}
    found: Regrets = {}
    cpu: dict[str, float] = {}
    for name in (*ASKERS, *variants):
        lines = Records(out, bench, name).latest(protocols, variants[name].version if name in variants else None)
        if lines:
            found[name] = {pair: line["regret"] for pair, line in lines.items()}
            cpu[name] = float(np.mean([one for line in lines.values() for one in line["cpu_s"]]))
    return found, cpu


def of(found: Regrets, planner: str, function: str, like: str | None = None) -> list[float]:
    """Regrets on one function, only of seeds that `like` has too."""
    mine = found.get(planner, {})
    seeds = {pair for pair in mine if pair[0] == function} & set(found.get(like or planner, {}))
    return [mine[pair] for pair in sorted(seeds)]


def ratio(found: Regrets, planner: str, other: str, function: str) -> float | None:
    """Median regret over the other's, on the seeds both have; None if there are none."""
    mine, theirs = of(found, planner, function, other), of(found, other, function, planner)
    return median_ratio(mine, theirs) if mine and theirs else None


def mean_ratio(found: Regrets, planner: str, other: str, function: Function) -> tuple[float, float, float] | None:
    """Mean regret over the other's with its 90 % interval, on the seeds both have; None if there are none."""
    mine, theirs = ({pair: value for pair, value in found.get(name, {}).items() if pair[0] == function.name}
                    for name in (planner, other))  # fmt: skip
    whole = ratio_of(mine, theirs)
    return None if whole is None else whole.arithmetic


def found_optimum(found: Regrets, planner: str, function: Function) -> tuple[float, float, int] | None:
    """Share of runs that end nearer than `FOUND` to the optimum, its standard error, and how many runs."""
    regrets = of(found, planner, function.name)
    if not regrets:
        return None
    share = float(np.mean([regret < FOUND for regret in regrets]))
    return share, float(np.sqrt(share * (1 - share) / len(regrets))), len(regrets)


def report(found: Regrets, cpu: Mapping[str, float], labels: Sequence[str], functions: Sequence[Function]) -> None:
    """Median and mean final regrets, and ours over each by medians."""
    names = [function.name for function in functions]
    print("\nmedian final true regret (seeds)")
    print(f"{'planner':<16}" + "".join(f"{name:>20}" for name in names) + f"{'CPU s/ask':>11}")
    for planner in found:
        each = {name: of(found, planner, name) for name in names}
        cells = [f"{np.median(some):.4g} ({len(some)})" if some else "-" for some in each.values()]
        print(f"{planner:<16}" + "".join(f"{cell:>20}" for cell in cells) + f"{cpu[planner]:>11.3f}")
    print(f"\nmean final true regret, and the share of runs below {FOUND:g}")
    print(f"{'planner':<16}" + "".join(f"{name:>20}" for name in names))
    for planner in found:
        cells = []
        for function in functions:
            share = found_optimum(found, planner, function)
            mean = np.mean(of(found, planner, function.name)) if share else np.nan
            cells.append(f"{mean:.4g} ({share[0]:.2f})" if share else "-")
        print(f"{planner:<16}" + "".join(f"{cell:>20}" for cell in cells))
    for label in labels:
        for planner in found:
            if label in found and planner != label:
                ratios = {name: ratio(found, label, planner, name) for name in names}
                shown = " ".join(f"{name} {value:.3g}" for name, value in ratios.items() if value is not None)
                print(f"{label} / {planner}, medians: {shown}")
