"""How long generated instances take, by rule: ``python -m benchmarks.scheduling --samples 25``; see README.md."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass, field

from benchmarks.scheduling.bounds import lower_bound
from benchmarks.scheduling.instances import SIZES, Instance, instance
from benchmarks.scheduling.rolling import rehearsal, roll
from labwright.engine.improver import CpSat, installed
from labwright.engine.portfolio import SINGLE, choose, roll_out
from labwright.engine.rehearsal import Rehearsal
from labwright.engine.rules import FIRST, Rule
from labwright.engine.shop import plan_of, shop_of
from labwright.engine.timetabling import OrdersOfMoves, as_rolled

NOISE = 0.25
"""A step takes up to this share longer or shorter than expected."""

ROLLOUTS = 12
"""Rules that are rolled out before orders of moves are searched."""

CHANGES = 50_000
"""Changes of an order of moves that are tried in one search; there are two, and two more with CP-SAT."""

ANEW = 800
"""Changes of it each time it is planned anew, since steps take longer or less than expected."""

WITHIN_S, ALONE_S = 15.0, 30.0
"""Wall seconds of CP-SAT: each time within the search, and by itself."""

CHOSEN, IMPROVED, ALONE = "chosen", "chosen, with CP-SAT", "CP-SAT alone, 30 s"


@dataclass
class Row:
    """How a rule did over the instances.

    Attributes:
        ratios: makespan by the largest bound, where steps take what is expected.
        late: limited waits that were not kept then.
        noisy: the same ratios where they take up to a quarter more or less.
        noisy_late: limited waits that were not kept then.
        took_s: processor seconds that it took to find the rule.
    """

    ratios: list[float] = field(default_factory=list)
    late: int = 0
    noisy: list[float] = field(default_factory=list)
    noisy_late: int = 0
    took_s: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        words = f"{statistics.mean(self.ratios):6.3f} {max(self.ratios):6.3f} {self.late:5}"
        words += f" {statistics.mean(self.noisy):8.3f} {self.noisy_late:5}" if self.noisy else " " * 15
        return words + (f" {statistics.mean(self.took_s):7.0f}" if self.took_s else "")


def alone(made: Instance, seed: int) -> Rule:
    """The order of moves that CP-SAT makes, from what first come, first served does."""
    shop = shop_of(rehearsal(made).lab, 0.0)
    start = None if shop is None else as_rolled(shop, roll(made, FIRST).bars)
    if shop is None or start is None:
        raise AssertionError("the instance has no figures")
    found = CpSat(ALONE_S, seed=seed)(shop, start) or start
    return Rule("first", plan=plan_of(shop, found), batch_wait_s=5400.0, strict=True)


def chosen(made: Instance, seed: int) -> Rule:
    """The rule that is chosen by rolling out."""
    return choose(lambda: rehearsal(made), ROLLOUTS, seed, planner=OrdersOfMoves(CHANGES, seed)).rule


def improved(made: Instance, seed: int, rule: Rule) -> Rule:
    """What CP-SAT makes of it, too."""

    def rehearse() -> Rehearsal:
        going = rehearsal(made)
        going.lab.dispatcher.rule = rule
        return going

    planner = OrdersOfMoves(CHANGES, seed + 1, improves=CpSat(WITHIN_S, seed=seed), times=1)
    better = choose(rehearse, 1, seed, planner=planner)
    return better.rule if better.outcome < roll_out(rehearse(), rule) else rule


def main(argv: list[str] | None = None) -> int:
    """Print the table; 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduling", description=__doc__)
    parser.add_argument("--samples", type=int, choices=list(SIZES), default=25)
    parser.add_argument("--first-seed", type=int, default=100, help="rules were made on seeds below 100")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--no-cp-sat", action="store_true", help="without what needs the extra `ortools`")
    parser.add_argument("--no-alone", action="store_true", help="without CP-SAT by itself")
    parser.add_argument("--no-single", action="store_true", help="without the single rules")
    asked = parser.parse_args(argv)
    cp_sat = not asked.no_cp_sat and installed()
    rows: dict[str, Row] = {}
    names: list[str] = []
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        made = instance(asked.samples, seed)
        name, bound_s = lower_bound(made)
        names.append(name)
        began_s = time.process_time()
        found = {CHOSEN: chosen(made, seed)}
        took_s = {CHOSEN: time.process_time() - began_s}
        if cp_sat:
            found[IMPROVED] = improved(made, seed, found[CHOSEN])
            took_s[IMPROVED] = time.process_time() - began_s
        if cp_sat and not asked.no_alone:
            found[ALONE] = alone(made, seed)
        singles = {str(rule): rule for rule in SINGLE if rule == FIRST or not asked.no_single}
        told = []
        for words, rule in (found | singles).items():
            row = rows.setdefault(words, Row())
            if words in took_s:
                row.took_s.append(took_s[words])
            rolled = roll(made, rule)
            row.ratios.append(rolled.makespan_s / bound_s)
            row.late += rolled.late
            if words in took_s or rule == FIRST:
                noisy = roll(made, rule, NOISE, seed, changes=ANEW)
                row.noisy.append(noisy.makespan_s / bound_s)
                row.noisy_late += noisy.late
                told.append(f"{row.ratios[-1]:.3f}/{rolled.late} {row.noisy[-1]:.3f}/{noisy.late}")
        print(f"seed {seed}: {', '.join(told)} of {name}, {bound_s / 60:.0f} min", file=sys.stderr, flush=True)
    bounds = ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names)))
    print(f"{asked.samples} samples, {asked.seeds} instances from seed {asked.first_seed}; largest bound: {bounds}")
    print(f"{'rule':35} {'mean':>6} {'max':>6} {'late':>5} {'+-25 %':>8} {'late':>5} {'CPU s':>7}")
    for words, row in rows.items():
        print(f"{words:35} {row}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
