"""`python -m benchmarks.planners [all|pools|continuous|special|cpu] --tables FOLDER`: the planner against its peers.

Runs what is not kept in `--out` yet, prints the figures of everything kept, and ends with 1 if a limit is missed. The
method is in `benchmarks/planners/README.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.planners import campaigns, continuous, limits, pools, special
from benchmarks.planners.askers import ASKERS, Asker
from benchmarks.planners.functions import FUNCTIONS
from benchmarks.planners.libraries import MissingLibraryError, quiet
from benchmarks.planners.ours import Ours
from benchmarks.planners.peers import PEERS, Peer
from benchmarks.planners.tables import read_tables

PARTS = ("pools", "continuous", "special", "campaigns", "cpu")
_USUAL = ("ours", "random", "skopt_ei", "botorch_logei", "botorch_ucb", "optuna_gp")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 1 if a limit is missed."""
    options = _parser().parse_args(arguments)
    variants = {name: Ours(chosen, options.planner) for name, chosen in (options.ours or [("ours", {})])}
    names = options.planners.split(",") if options.planners else list(_USUAL)
    unknown = [name for name in names if name not in (*PEERS, *ASKERS, "ours", "none")]
    if unknown:
        raise SystemExit(f"--planners: no {', '.join(unknown)}; there are ours, {', '.join(PEERS)}, none")
    variants = variants if options.ours or "ours" in names else {}
    quiet()
    with threadpool_limits(1):
        try:
            kept = _run(options, names, variants)
        except (MissingLibraryError, ValueError) as error:
            raise SystemExit(str(error)) from error
    print()
    for limit in kept:
        print(limit)
    return int(any(limit.missed for limit in kept))


def _run(options: argparse.Namespace, names: Sequence[str], variants: dict[str, Ours]) -> list[limits.Limit]:
    """The parts asked for, one after another; limits hold for the first variant of ours."""
    parts = PARTS if options.part == "all" else (options.part,)
    first, seeds = next(iter(variants), "ours"), range(options.first_seed, options.first_seed + options.seeds)
    cases = options.cases.split(",") if options.cases else []
    kept = []
    if "pools" in parts:
        if options.tables is None:
            raise SystemExit("pools need --tables FOLDER; see benchmarks/planners/README.md for where tables are from")
        tables = read_tables(options.tables, cases)
        choosers: dict[str, Peer | Ours] = {name: PEERS[name] for name in names if name in PEERS}
        pools.run_all(tables, {**choosers, **variants}, seeds, options.out)
        found, cpu = pools.results(tables, variants, options.out)
        pools.report(found, cpu, [table.name for table in tables], list(variants))
        kept += limits.of_pools(found, first)
    if "continuous" in parts:
        functions = [function for function in FUNCTIONS if function.name in cases or not cases]
        askers: dict[str, Asker | Ours] = {name: ASKERS[name] for name in names if name in ASKERS}
        continuous.run_all({**askers, **variants}, seeds, options.out, functions)
        regrets, cpu = continuous.results(variants, options.out)
        continuous.report(regrets, cpu, list(variants), functions)
        kept += limits.of_functions(regrets, first)
    if "special" in parts:
        special.run_all(names, variants, seeds, options.out)
    if "cpu" in parts:
        special.run_cpu(names, variants, options.out)
    if "special" in parts or "cpu" in parts:
        seen, batch = special.results(variants, options.out), special.batches(variants, options.out)
        special.report(seen, batch)
        kept += limits.of_special(seen, batch, first) if "special" in parts else []
        kept += limits.of_cpu(seen, first) if "cpu" in parts else []
    if "campaigns" in parts:
        kinds = [case for case in cases if case in (*campaigns.CASES, "stopping")]
        named = [case for case in cases if case not in kinds]
        wanted = options.tables is not None and (not kinds or "stopping" in kinds or bool(named))
        tables = read_tables(options.tables, named) if wanted else []
        campaigns.run_all(variants, tables, seeds, options.out, kinds)
        whole = campaigns.results(variants, tables, options.out)
        campaigns.report(whole)
        kept += limits.of_campaigns(whole.get(first, {}))
    return kept


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planners", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("all", *PARTS), default="all")
    parser.add_argument("--tables", type=Path, help="folder of pvlab_*.csv and oly_*.csv")
    only = "only these tables, functions or campaigns (electrolyte, warm, repeats, stopping), by name, with commas"
    parser.add_argument("--cases", help=only)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--planners", help="who is run, by name, with commas; 'none' prints what is kept")
    parser.add_argument("--planner", default="gp", help="name of the planner that is ours")
    words = "options of ours as JSON, as LABEL={...}; may be given several times, the limits hold for the first"
    parser.add_argument("--ours", type=_variant, action="append", metavar="LABEL=JSON", help=words)
    parser.add_argument("--out", type=Path, default=Path("var/bench-planners"), help="where results are kept")
    return parser


def _variant(text: str) -> tuple[str, dict[str, object]]:
    label, _, chosen = text.partition("=")
    try:
        return label, dict(json.loads(chosen or "{}"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not LABEL={{...}}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
