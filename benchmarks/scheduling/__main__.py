"""How long generated instances take, by rule: ``python -m benchmarks.scheduling --samples 25``; see README.md."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass, field

from benchmarks.scheduling.bounds import lower_bound
from benchmarks.scheduling.instances import SIZES, instance
from benchmarks.scheduling.rolling import rehearsal, roll
from labwright.engine.portfolio import SINGLE, choose
from labwright.engine.rules import FIRST

NOISE = 0.25
"""A step takes up to this share longer or shorter than expected."""

ROLLOUTS = {10: 200, 25: 60, 50: 20, 100: 20, 200: 20}
"""Rules that are rolled out before the best is taken, by number of samples."""


@dataclass
class Row:
    """How a rule did over the instances.

    Attributes:
        ratios: makespan by the largest bound, where steps take what is expected.
        late: limited waits that were not kept then.
        noisy: the same ratios where they take up to a quarter more or less.
        noisy_late: limited waits that were not kept then.
    """

    ratios: list[float] = field(default_factory=list)
    late: int = 0
    noisy: list[float] = field(default_factory=list)
    noisy_late: int = 0

    def __str__(self) -> str:
        words = f"{statistics.mean(self.ratios):6.3f} {max(self.ratios):6.3f} {self.late:5}"
        return words + (f" {statistics.mean(self.noisy):8.3f} {self.noisy_late:5}" if self.noisy else "")


def main(argv: list[str] | None = None) -> int:
    """Print the table; 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scheduling", description=__doc__)
    parser.add_argument("--samples", type=int, choices=list(SIZES), default=25)
    parser.add_argument("--first-seed", type=int, default=100, help="rules were made on seeds 0 to 5")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--rollouts", type=int, default=None, help=f"rules rolled out for an instance: {ROLLOUTS}")
    asked = parser.parse_args(argv)
    rollouts = asked.rollouts or ROLLOUTS[asked.samples]
    rows: dict[str, Row] = {}
    names: list[str] = []
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        made = instance(asked.samples, seed)
        name, bound_s = lower_bound(made)
        names.append(name)
        began_s = time.process_time()
        chosen = choose(lambda made=made: rehearsal(made), rollouts, seed)  # type: ignore[misc]
        took_s = time.process_time() - began_s
        best = f"chosen of {rollouts} by rolling out"
        for words, rule in {best: chosen.rule, **{str(rule): rule for rule in SINGLE}}.items():
            row = rows.setdefault(words, Row())
            rolled = roll(made, rule)
            row.ratios.append(rolled.makespan_s / bound_s)
            row.late += rolled.late
            if words == best or rule == FIRST:
                noisy = roll(made, rule, NOISE, seed)
                row.noisy.append(noisy.makespan_s / bound_s)
                row.noisy_late += noisy.late
        words = f"{chosen.outcome.makespan_s / bound_s:.3f} of {name}, {bound_s / 60:.0f} min"
        print(f"seed {seed}: {words}; chosen in {took_s:.0f} s", file=sys.stderr, flush=True)
    bounds = ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names)))
    print(f"{asked.samples} samples, {asked.seeds} instances from seed {asked.first_seed}; largest bound: {bounds}")
    print(f"{'rule':35} {'mean':>6} {'max':>6} {'late':>5} {'+-25 %':>8} {'late':>5}")
    for words, row in rows.items():
        print(f"{words:35} {row}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
