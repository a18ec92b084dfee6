"""Labwright beside its peers, in one run: `python -m benchmarks.peers [--peers madsci,ivoryos,eos-like]`."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.peers import ours
from benchmarks.peers.environment import Environment, NotRunError
from benchmarks.peers.table import Makespans, Row, print_table
from benchmarks.peers.ticking import late, loop_of, noop_loop, simulate, tick_by_tick
from benchmarks.scheduling.bounds import lower_bound
from benchmarks.scheduling.instances import Instance, instance

PEERS = ("madsci", "ivoryos", "eos-like")
STATIONS = 10
CHAIN, STEPS = 4, 200
"""Steps of MADSci's chain, and of ivoryOS' script."""

MADSCI = tuple(
    f"madsci.{name}==0.8.1"
    for name in ("client", "node_module", "workcell_manager", "location_manager", "data_manager")
)
# What 0.8.1 does not go with, or imports without asking for it.
MADSCI += ("pydantic<2.13", "sqlalchemy<2.1", "packaging")
IVORYOS = ("ivoryos==1.7.2",)

FASTER: dict[str, Any] = {"scheduler_update_interval": 0.2, "node_update_interval": 0.1}
"""Of MADSci's workcell manager, seconds; 5 and 2 by default."""

ROLLOUTS = {10: 200, 25: 60}
"""By number of samples, as in `benchmarks.scheduling`."""

Scheduled = Callable[[Instance, int], tuple[float, int]]
"""Lab seconds of an instance of a seed, and waits that were not kept."""


def makespans(asked: argparse.Namespace, scheduled: Scheduled) -> Makespans:
    """Of all instances that were asked for."""
    found: Makespans = {}
    for samples in asked.samples:
        ratios, missed = [], 0
        for seed in range(asked.seeds):
            made = instance(samples, seed)
            takes_s, waits = scheduled(made, seed)
            ratios.append(takes_s / lower_bound(made)[1])
            missed += waits
        found[samples] = ratios, missed
    return found


def labwright(asked: argparse.Namespace) -> Iterator[Row]:
    """Ours, under the rule that is chosen and under the simplest."""
    steps_per_s, step_ms = ours.pace(asked.rounds)
    found = makespans(asked, lambda made, seed: ours.chosen(made, ROLLOUTS.get(len(made.jobs), 20), seed))
    yield Row("Labwright, rule chosen by rolling out", version("labwright"), "run", steps_per_s, step_ms, found)
    found = makespans(asked, lambda made, seed: ours.first_come(made))
    yield Row("Labwright, first come, first served", version("labwright"), "run", makespans=found)


def eos_like(asked: argparse.Namespace) -> Iterator[Row]:
    """The imitated loop: furnaces with one sample at a time, and furnaces that do what none can."""
    many = [per_second(tick_by_tick(noop_loop(STATIONS, 2 * STATIONS))) for _ in range(asked.rounds)]
    alone = [median_ms(tick_by_tick(noop_loop(STATIONS, 1))) for _ in range(asked.rounds)]
    for words, mixed in (("a sample a furnace", False), ("slots of any recipe: cannot be carried out", True)):

        def scheduled(made: Instance, seed: int, *, mixed: bool = mixed) -> tuple[float, int]:
            loop = loop_of(made, mixed=mixed)
            return simulate(loop), late(made, loop)

        found = makespans(asked, scheduled)
        yield Row(f"EOS-like loop, 10 Hz, greedy; {words}", "-", "imitated", many, alone, found)
        many, alone = [], []  # the same


def madsci(asked: argparse.Namespace) -> Iterator[Row]:
    """Managers and ten nodes, as delivered and with shorter intervals."""
    environment = Environment(asked.venvs / "madsci", MADSCI)
    why = "no batches, no kinds of station, only wall time"
    for words, settings in (("default settings", {}), ("scheduler 0.2 s, nodes 0.1 s", FASTER)):
        name = f"MADSci, {words}"
        try:
            environment.make()
            request = {"stations": STATIONS, "chain": CHAIN, "settings": settings}
            answer = environment.drive("madsci_driver.py", request)
        except NotRunError as error:
            yield Row(name, "0.8.1", f"not run: {error}")
            continue
        yield Row(
            name, answer["version"], "run", [per_second(answer["many_s"])], [median_ms(answer["chain_s"])], cannot=why
        )


def ivoryos(asked: argparse.Namespace) -> Iterator[Row]:
    """Its script runner."""
    environment = Environment(asked.venvs / "ivoryos", IVORYOS)
    name = "ivoryOS, script runner"
    try:
        environment.make()
        request = {"stations": STATIONS, "steps": STEPS}
        answers = [environment.drive("ivoryos_driver.py", request) for _ in range(asked.rounds)]
    except NotRunError as error:
        yield Row(name, "1.7.2", f"not run: {error}")
        return
    called = [answer["chain_s"] for answer in answers]
    why = "one workflow at a time, nothing is scheduled"
    paces = [per_second(one) for one in called], [median_ms(one) for one in called]
    yield Row(name, answers[0]["version"], "run", *paces, cannot=why)


def per_second(called: list[float]) -> float:
    """How many a second, from when each was."""
    return (len(called) - 1) / (max(called) - min(called))


def median_ms(called: list[float]) -> float:
    """From one to the next."""
    return 1000 * statistics.median(after - before for before, after in itertools.pairwise(sorted(called)))


RUN: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "madsci": madsci,
    "ivoryos": ivoryos,
    "eos-like": eos_like,
}


def main(argv: list[str] | None = None) -> int:
    """Print the table; 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help="of %(default)s")
    parser.add_argument("--samples", type=int, nargs="+", default=[10, 25], help="sizes of the laboratories")
    parser.add_argument("--seeds", type=int, default=3, help="laboratories of each size, from seed 0")
    parser.add_argument("--rounds", type=int, default=3, help="of all that takes seconds (MADSci: once)")
    parser.add_argument("--venvs", type=Path, help="folder for the peers' environments, kept; else a temporary one")
    asked = parser.parse_args(argv)
    peers = [name for name in asked.peers.split(",") if name]
    if unknown := set(peers) - set(PEERS):
        parser.error(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    rows: list[Row] = []
    began, load = datetime.now(UTC), os.getloadavg()[0]
    with contextlib.ExitStack() as stack:
        if asked.venvs is None:
            asked.venvs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        asked.venvs = asked.venvs.resolve()
        asked.venvs.mkdir(parents=True, exist_ok=True)
        for one in (labwright, *(RUN[name] for name in peers)):
            print(f"{one.__name__} ...", file=sys.stderr, flush=True)
            rows += one(asked)
    print(f"{began:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Python {platform.python_version()}, ", end="")
    print(f"load {load:.1f} before and {os.getloadavg()[0]:.1f} after.")
    print_table(rows, asked.samples, asked.seeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
