"""Tables of real experiments as pools: everyone begins with the same five random rows and may do fifty experiments."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.planners.figures import BUDGET, START, Pair, PoolFigures, pool_figures, ratio_of
from benchmarks.planners.ours import Ours
from benchmarks.planners.peers import PEERS, Choose, Peer
from benchmarks.planners.records import Records, digest
from benchmarks.planners.tables import Table

WHOLE = ("Crossed_barrel",)
"""Tables whose run goes on after the best row is found, as the share of the best 5 % at the end is asked for."""

Results = dict[str, dict[Pair, PoolFigures]]
"""Figures by planner, table and seed."""


def protocol_of(table: Table) -> str:
    """What a result on this table depends on besides planner and seed."""
    return digest("pool", table.digest, table.goal, START, BUDGET, table.name in WHOLE)


def start_rows(table: Table, seed: int) -> list[int]:
    """The random rows everyone begins with."""
    rng = np.random.default_rng([seed, zlib.crc32(table.name.encode())])
    return [int(row) for row in rng.choice(len(table.rows), START, replace=False)]


def run(table: Table, seed: int, choose: Choose) -> dict[str, Any]:
    """The rows one planner tried, and the processor time of each of its asks."""
    losses = table.losses
    rows, cpu_s = start_rows(table, seed), []
    while len(rows) < BUDGET and (table.name in WHOLE or losses[rows].min() > losses.min()):
        begin = time.process_time()
        row = choose(tuple(rows), losses[rows])
        cpu_s.append(round(time.process_time() - begin, 5))
        if row in rows:
            raise ValueError(f"{table.name}, seed {seed}: row {row} was chosen again; a planner takes untested rows")
        rows.append(row)
    return {"rows": rows, "cpu_s": cpu_s}


def run_all(tables: Sequence[Table], planners: Mapping[str, Peer | Ours], seeds: Iterable[int], out: Path) -> None:
    """Run what is not there yet, seed by seed, so that a run that is ended early has a part of everything."""
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


def results(tables: Sequence[Table], ours: Mapping[str, Ours], out: Path) -> tuple[Results, dict[str, float]]:
    """Figures of everything that is kept, peers and the given variants of ours, and the mean CPU seconds of an ask."""
    protocols = {table.name: protocol_of(table) for table in tables}
    losses = {table.name: table.losses for table in tables}
    found: Results = {}
    cpu: dict[str, float] = {}
    for name in (*PEERS, *ours):
        lines = Records(out, "pools", name).latest(protocols, ours[name].version if name in ours else None)
        if lines:
            found[name] = {pair: pool_figures(losses[pair[0]], line["rows"]) for pair, line in lines.items()}
            asks = [one for line in lines.values() for one in line["cpu_s"]]
            cpu[name] = float(np.mean(asks)) if asks else 0.0
    return found, cpu


def of(found: Results, planner: str, figure: str, tables: Iterable[str] | None = None) -> dict[Pair, float]:
    """One figure of one planner, by table and seed."""
    allowed = None if tables is None else set(tables)
    pairs = found.get(planner, {})
    return {pair: getattr(one, figure) for pair, one in pairs.items() if allowed is None or pair[0] in allowed}


def report(found: Results, cpu: Mapping[str, float], tables: Sequence[str], ours: Sequence[str]) -> None:
    """Every planner on every table, then ratios of ours to each."""
    for figure, words in (("nbest", "experiments to the best row"), ("auc", "mean normalised simple regret")):
        print(f"\n{words}; mean of the seeds each has, * the least of a table")
        print(f"{'planner':<16}" + "".join(f"{table[:12]:>13}" for table in tables) + f"{'all':>9}{'runs':>6}")
        means = {name: _means(of(found, name, figure, tables), tables) for name in found}
        least = {t: min((one[t] for one in means.values() if t in one), default=np.nan) for t in tables}
        for name, row in means.items():
            cells = [_cell(row.get(table), least[table], figure) for table in tables]
            whole = np.mean(list(row.values())) if len(row) == len(tables) else np.nan
            runs = len(of(found, name, figure, tables))
            print(f"{name:<16}" + "".join(cells) + f"{whole:>9.3f}{runs:>6}")
    print(
        "\nn1 and n5 (first of the best 1 %, 5 %), share of the best 5 % found on Crossed_barrel, CPU seconds per ask"
    )
    for name in found:
        n1, n5 = (np.mean(list(of(found, name, one, tables).values())) for one in ("n1", "n5"))
        shares = list(of(found, name, "share", WHOLE).values())
        share = f"{np.mean(shares):.3f}" if shares else "-"
        print(f"{name:<16}{n1:>8.1f}{n5:>8.1f}{share:>8}{cpu[name]:>9.3f}")
    for label in ours:
        for figure in ("nbest", "auc"):
            print(f"\n{label} / planner, {figure}: arithmetic and geometric [90 %], won/lost of runs, each table")
            for name in found:
                ratio = ratio_of(of(found, label, figure, tables), of(found, name, figure, tables))
                if name == label or ratio is None:
                    continue
                each = " ".join(f"{table[:8]} {value:.2f}" for table, value in ratio.cases.items())
                means_ = f"{_interval(ratio.arithmetic)}  {_interval(ratio.geometric)}"
                print(f"{name:<16}{means_}  {ratio.won}/{ratio.lost} of {ratio.pairs}  {each}")


def _means(values: Mapping[Pair, float], tables: Sequence[str]) -> dict[str, float]:
    by_table = {table: [value for pair, value in values.items() if pair[0] == table] for table in tables}
    return {table: float(np.mean(some)) for table, some in by_table.items() if some}


def _cell(value: float | None, least: float, figure: str) -> str:
    if value is None:
        return f"{'-':>13}"
    text = f"{value:.1f}" if figure == "nbest" else f"{value:.4f}"
    return f"{text + ('*' if value == least else ' '):>13}"


def _interval(values: tuple[float, float, float]) -> str:
    return f"{values[0]:.3f} [{values[1]:.3f}, {values[2]:.3f}]"
