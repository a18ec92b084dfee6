"""`python -m benchmarks.planners [PART] --tables FOLDER`: the planner against other optimisers.

Runs what is not recorded in `--out` yet, prints the figures of everything recorded, and ends with 1 if a limit is
missed. The method is in `benchmarks/planners/README.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.planners import campaigns, continuous, in_flight, limits, pool_report, pools, special
from benchmarks.planners.askers import ASKERS, Asker
from benchmarks.planners.functions import FUNCTIONS
from benchmarks.planners.libraries import MissingLibraryError, one_thread, quiet
from benchmarks.planners.ours import Ours
from benchmarks.planners.peers import PEERS, Peer
from benchmarks.planners.sets import DESIGN, read_sets
from benchmarks.planners.tables import read_tables

PARTS = ("pools", "continuous", "special", "campaigns", "in_flight", "cpu")
_USUAL = ("ours", "random", "skopt_ei", "botorch_logei", "botorch_ucb", "optuna_gp")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 1 if a limit is missed."""
    options = _parser().parse_args(arguments)
    variants = {name: Ours(chosen, options.planner) for name, chosen in (options.ours or [("ours", {})])}
    names = options.planners.split(",") if options.planners else list(_USUAL)
    unknown = [name for name in names if name not in (*PEERS, *ASKERS, "ours", "none")]
    if unknown:
        raise SystemExit(f"--planners: no {', '.join(unknown)}; there are ours, {', '.join(PEERS)}, none")
    if "none" in names and len(names) > 1:
        raise SystemExit("--planners: 'none' stands alone; it prints what is recorded and runs nothing")
    quiet()
    with one_thread():
        try:
            results = _run(options, names, variants)
        except (MissingLibraryError, ValueError) as error:
            raise SystemExit(str(error)) from error
    print()
    for limit in results:
        print(limit)
    return int(any(limit.missed for limit in results))


def _run(options: argparse.Namespace, names: Sequence[str], variants: dict[str, Ours]) -> list[limits.Limit]:
    """The parts asked for, one after another; limits hold for the first variant of ours."""
    parts = PARTS if options.part == "all" else (options.part,)
    to_run = {} if "none" in names or ("ours" not in names and not options.ours) else variants
    first, seeds = next(iter(variants), "ours"), range(options.first_seed, options.first_seed + options.seeds)
    cases = options.cases.split(",") if options.cases else []
    results = []
    if "pools" in parts:
        if options.tables is None:
            raise SystemExit("pools need --tables FOLDER; see benchmarks/planners/README.md for where tables are from")
        if options.sealed is not None and len(variants) > 1:
            raise SystemExit("--sealed takes one variant of ours: tables by which variants are compared are not sealed")
        sets = read_sets(options.tables, options.sealed, cases)
        choosers: dict[str, Peer | Ours] = {name: PEERS[name] for name in names if name in PEERS}
        every = {**choosers, **pools.with_reruns(to_run, options.reruns)}
        pools.run_all(sets.tables, every, seeds, options.out)
        found = pools.results(sets.tables, variants, options.out, options.reruns)
        pool_report.report(found, sets, list(variants))
        results += limits.of_pools(found, sets, first)
    if "continuous" in parts:
        functions = [function for function in FUNCTIONS if function.name in cases or not cases]
        askers: dict[str, Asker | Ours] = {name: ASKERS[name] for name in names if name in ASKERS}
        continuous.run_all({**askers, **to_run}, seeds, options.out, functions)
        regrets, cpu = continuous.results(variants, options.out)
        continuous.report(regrets, cpu, list(variants), functions)
        results += limits.of_functions(regrets, first)
    if "special" in parts:
        special.run_all(names, to_run, seeds, options.out)
    if "cpu" in parts:
        special.run_cpu(names, to_run, options.out)
    if "special" in parts or "cpu" in parts:
        seen, batch = special.results(variants, options.out), special.batches(variants, options.out)
        special.report(seen, batch)
        results += limits.of_special(seen, batch, first) if "special" in parts else []
        results += limits.of_cpu(seen, first) if "cpu" in parts else []
    if "campaigns" in parts:
        kinds = [case for case in cases if case in (*campaigns.CASES, "stopping")]
        named = [case for case in cases if case not in kinds]
        wanted = options.tables is not None and (not kinds or "stopping" in kinds or bool(named))
        # The limits on when to stop were set on the design tables; others are run if they are named.
        tables = [one for one in read_tables(options.tables, named) if named or one.name in DESIGN] if wanted else []
        campaigns.run_all(to_run, tables, seeds, options.out, kinds)
        whole = campaigns.results(variants, tables, options.out)
        campaigns.report(whole)
        results += limits.of_campaigns(whole.get(first, {}))
    if "in_flight" in parts:
        tables = read_tables(options.tables) if options.tables is not None else []
        chosen = in_flight.cases(tables, cases)
        in_flight.run_all(to_run, chosen, seeds, options.out)
        flights = in_flight.results(variants, chosen, options.out)
        in_flight.report(flights)
        results += limits.of_in_flight(flights.get(first, {}))
    return results


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planners", description=__doc__)
    parser.add_argument("part", nargs="?", choices=("all", *PARTS), default="all")
    parser.add_argument(
        "--tables", type=Path, help="folder of pvlab_*.csv and oly_*.csv; where they are from is in the README"
    )
    words = "folder of tables that are not named in the project; printed apart, and no limit looks at them"
    parser.add_argument("--sealed", type=Path, metavar="FOLDER", help=words)
    only = "only these tables, functions or campaigns (electrolyte, warm, repeats, stopping), by name, with commas"
    parser.add_argument("--cases", help=only)
    parser.add_argument("--seeds", type=int, default=20)
    words = "how often ours is run on the same starting rows of a table; their spread is printed beside every ratio"
    parser.add_argument("--reruns", type=int, default=pools.RERUNS, help=words)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--planners", help="which planners run, by name, with commas; 'none' runs nothing and prints what is recorded"
    )
    parser.add_argument("--planner", default="gp", help="name of the planner that is ours")
    words = "options of ours as JSON, as LABEL={...}; may be given several times, the limits hold for the first"
    parser.add_argument("--ours", type=_variant, action="append", metavar="LABEL=JSON", help=words)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("var/bench-planners"),
        help="folder for the results; those in it are not run again",
    )
    return parser


def _variant(text: str) -> tuple[str, dict[str, object]]:
    label, _, chosen = text.partition("=")
    try:
        return label, dict(json.loads(chosen or "{}"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not LABEL={{...}}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
