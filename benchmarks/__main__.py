"""`make bench`: all benchmarks that need no data from elsewhere, one after another."""

from __future__ import annotations

import subprocess
import sys

ALL = (
    "overhead",
    "engine_pace",
    "stop_now",
    "dispatch_pace",
    "engine_endurance",
    "event_cost",
    "restart",
    "rehearsal",
    "journal_year",
    "electrolyte_planner",
    "campaign_seeds",
    "store_kill",
)


def main() -> int:
    """Run all; 1 if one missed its limit."""
    missed = []
    for name in ALL:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            missed.append(name)
    print(f"missed: {', '.join(missed)}" if missed else "all limits kept")
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())
