"""Tables of real experiments as candidate sets: the same five random rows to start with, fifty experiments in all."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.planners.figures import BUDGET, START, Pair, PoolFigures, mean_figures, pool_figures
from benchmarks.planners.ours import Ours
from benchmarks.planners.peers import PEERS, Choose, Peer
from benchmarks.planners.records import Records, digest
from benchmarks.planners.tables import Table

WHOLE = ("Crossed_barrel",)
"""Tables whose run continues after the best row is found, as its figure is the share of the best 5 % at the end."""

RERUNS = 3
"""How often ours is run on the same starting rows, under as many campaign seeds."""

Results = dict[str, dict[Pair, PoolFigures]]
"""Figures by planner, table and seed."""


def protocol_of(table: Table) -> str:
    """What a result on this table depends on besides planner and seed."""
    return digest("pool", table.digest, table.goal, START, BUDGET, table.name in WHOLE)


def start_rows(table: Table, seed: int) -> list[int]:
    """The random rows all planners start with."""
    rng = np.random.default_rng([seed, zlib.crc32(table.name.encode())])
    return [int(row) for row in rng.choice(len(table.rows), START, replace=False)]


def run(table: Table, seed: int, choose: Choose) -> dict[str, Any]:
    """The rows one planner tried, and the processor time of each of its asks."""
    losses = table.losses
    rows, cpu_s = start_rows(table, seed), []
    while len(rows) < BUDGET and (table.name in WHOLE or losses[rows].min() > losses.min()):
        start = time.process_time()
        row = choose(tuple(rows), losses[rows])
        cpu_s.append(round(time.process_time() - start, 5))
        if row in rows:
            raise ValueError(f"{table.name}, seed {seed}: row {row} was chosen again; a planner takes untested rows")
        rows.append(row)
    return {"rows": rows, "cpu_s": cpu_s}


def run_all(tables: Sequence[Table], planners: Mapping[str, Peer | Ours], seeds: Iterable[int], out: Path) -> None:
    """Run what is not recorded yet, seed by seed, so that a run that is interrupted has some of every table."""
    records = {name: Records(out, "pools", name) for name in planners}
    versions = {name: planner.version for name, planner in planners.items()}
    for seed in seeds:
        for table in tables:
            for name, planner in planners.items():
                key = (versions[name], protocol_of(table), table.name, seed)
                if records[name].find(*key):
                    continue
                make = planner.pool if isinstance(planner, Ours) else planner.make
                result = run(table, seed, make(table, seed))
                records[name].add(*key, **result)
                figures = pool_figures(table.losses, result["rows"])
                shown = f"nbest {figures.nbest:.0f}, auc {figures.auc:.3f}, {sum(result['cpu_s']):.1f} CPU s"
                print(f"{name} {table.name} seed {seed}: {shown}", flush=True)


@dataclass(frozen=True)
class Found:
    """Everything that is recorded.

    Args:
        figures: by planner; of ours, the mean of its reruns on the runs all of them have.
        reruns: of ours, by label: the figures of each rerun.
        cpu: mean CPU seconds of an ask.
        notes: what is recorded and not counted, one sentence each.
    """

    figures: Results
    reruns: Mapping[str, Sequence[Mapping[Pair, PoolFigures]]]
    cpu: Mapping[str, float]
    notes: tuple[str, ...] = ()


def results(tables: Sequence[Table], ours: Mapping[str, Ours], out: Path, reruns: int = RERUNS) -> Found:
    """Figures of everything that is recorded, peers and the given variants of ours."""
    protocols = {table.name: protocol_of(table) for table in tables}
    losses = {table.name: table.losses for table in tables}
    figures: Results = {}
    spread: dict[str, list[dict[Pair, PoolFigures]]] = {}
    cpu: dict[str, float] = {}
    notes: list[str] = []

    def read(name: str, version: str | None) -> tuple[dict[Pair, PoolFigures], list[float]]:
        lines = Records(out, "pools", name).latest(protocols, version)
        found = {pair: pool_figures(losses[pair[0]], line["rows"]) for pair, line in lines.items()}
        return found, [one for line in lines.values() for one in line["cpu_s"]]

    for name in PEERS:
        found, asks = read(name, None)
        if found:
            figures[name], cpu[name] = found, _mean(asks)
    for label, planner in ours.items():
        several, asks = [], []
        for name, rerun in with_reruns({label: planner}, reruns).items():
            older = Records(out, "pools", name).others(protocols, rerun.version)
            if older:
                notes.append(f"{name}: {older} runs of other options or another source of the planner are not counted")
            found, more = read(name, rerun.version)
            several += [found] if found else []
            asks += more
        if several:
            spread[label], cpu[label] = several, _mean(asks)
            shared = set.intersection(*(set(one) for one in several))
            figures[label] = {pair: mean_figures([one[pair] for one in several]) for pair in sorted(shared)}
    return Found(figures, spread, cpu, tuple(notes))


def with_reruns(ours: Mapping[str, Ours], reruns: int) -> dict[str, Ours]:
    """Every variant of ours and its reruns, by the name under which they are recorded."""
    return {
        f"{label}.rerun{number}" if number else label: planner.rerun_as(number)
        for label, planner in ours.items()
        for number in range(reruns)
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def of(found: Results, planner: str, figure: str, tables: Iterable[str] | None = None) -> dict[Pair, float]:
    """One figure of one planner, by table and seed."""
    allowed = None if tables is None else set(tables)
    pairs = found.get(planner, {})
    return {pair: getattr(one, figure) for pair, one in pairs.items() if allowed is None or pair[0] in allowed}
