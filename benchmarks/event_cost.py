"""What an event costs a controller when its campaign is long, and when it chooses from a long list.

`python -m benchmarks.event_cost [TRIALS]` carries out TRIALS (4,000) experiments in a lab whose stations only take
time, without a pool and with one of 10,000 rows. It prints the processor time of the controller's process for an event
(core, tables, journal, what the planner is sent, snapshots) around the 100th experiment and around the last, and two
ratios, each with its limit of 1.5: late against early, and with a pool against without one. The planner (`random`) has
a process of its own, whose time is not counted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rehearsing import carry_out, make_campaign, make_lab, station
from labwright.engine import CampaignCore, Parts
from labwright.engine.events import Event, Suggested
from labwright.journal import journal_file
from labwright.lab import LabFolder

LIMIT = 1.5
WINDOW = 100
"""Experiments over which an event's cost is the mean."""


def cost_ms(folder: LabFolder, data: Path, trials: int, *, pool: bool) -> tuple[float, float]:
    """Milliseconds of processor time for an event, around the 100th experiment and around the last."""
    at: list[tuple[int, float]] = []
    events = 0

    def seen(event: Event, core: CampaignCore) -> None:
        nonlocal events
        events += 1
        if isinstance(event, Suggested):
            at.append((events, time.process_time()))

    campaign = make_campaign(folder, budget=trials, pool=pool)
    carry_out(folder, journal_file(data), data, [campaign], seen, parts=Parts(station=station))
    assert len(at) == trials

    def between(first: int, last: int) -> float:
        return 1000 * (at[last][1] - at[first][1]) / (at[last][0] - at[first][0])

    return between(WINDOW // 2, WINDOW // 2 + WINDOW), between(trials - 10 - WINDOW, trials - 10)


def main() -> int:
    """Measure and print; 1 if a limit is missed."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    missed = False
    found: dict[bool, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(prefix="labwright-events-") as scratch:
        folder = make_lab(Path(scratch) / "lab")
        for pool in (False, True):
            data = Path(tempfile.mkdtemp(dir=scratch))
            early, late = found[pool] = cost_ms(folder, data, trials, pool=pool)
            words = "with a pool of 10,000 rows" if pool else "without a pool"
            print(f"{words}: an event costs {early:.2f} ms at 100 trials, {late:.2f} ms at {trials}", flush=True)
            missed |= late > LIMIT * early
            print(f"  {late / early:.2f} x (limit {LIMIT})", flush=True)
    for when, number in ((0, 100), (1, trials)):
        ratio = found[True][when] / found[False][when]
        missed |= ratio > LIMIT
        print(f"a pool makes an event {ratio:.2f} x as costly at {number} trials (limit {LIMIT})")
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
