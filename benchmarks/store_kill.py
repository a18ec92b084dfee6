"""Kills the Tiled server at random moments while runs are made and uploaded, and counts what is missing afterwards.

`python -m benchmarks.store_kill [KILLS]` makes runs of a real RunEngine into a journal until the server was killed
KILLS (20) times with SIGKILL. Afterwards the upload is completed, and every document is compared. Prints also the
RunEngine's pace while the server is killed against its pace without a store.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bluesky import RunEngine
from bluesky.plans import count
from ophyd.sim import SynAxis, SynSignal

from labwright.journal import RunJournal, closed_runs
from labwright.store import Uploader, verify

EVENTS = 20
PAUSE_S = 0.3
"""Between two runs: long enough for some to be uploaded while the next is made."""


def kill_server(store: Path) -> bool:
    """Kill the server that serves `store`; whether there was one."""
    try:
        _, pid = (store / "url").read_text(encoding="ascii").split()
        os.kill(int(pid), signal.SIGKILL)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return False
    return True


def make_runs(folder: Path, number: int, uploader: Uploader | None, killer: Path | None) -> tuple[list[float], int]:
    """Make runs; seconds of each, and how often the server was killed."""
    journal = RunJournal(folder)
    engine: Any = RunEngine({}, context_managers=[])
    engine.subscribe(journal)
    axis = SynAxis(name="axis")
    detector = SynSignal(func=lambda: axis.position, name="detector")
    rng = random.Random(1)  # noqa: S311 - moments, not secrets
    took, kills = [], 0
    for _ in range(number):
        began = time.perf_counter()
        result = engine(count([detector], num=EVENTS))
        took.append(time.perf_counter() - began)
        uid = result[0] if isinstance(result, tuple) else result.run_start_uids[0]
        if uploader is not None:
            uploader.notify(journal.path(uid))
        if killer is not None:
            time.sleep(rng.uniform(0, PAUSE_S))
            kills += kill_server(killer)
        else:
            time.sleep(PAUSE_S / 2)
    return took, kills


def main() -> int:
    """Measure and print; 1 if something is missing."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as scratch:
        alone, _ = make_runs(Path(scratch) / "alone", number, None, None)
        runs, store = Path(scratch) / "runs", Path(scratch) / "tiled"
        with Uploader(runs, store) as uploader:
            while not (store / "url").exists():  # from the first run on there is a server to be killed
                make_runs(runs, 1, uploader, None)
                time.sleep(0.5)
            kills = 0
            took: list[float] = []
            while kills < number:
                some, killed = make_runs(runs, 5, uploader, store)
                took += some
                kills += killed
                time.sleep(1.0)
            summary = uploader.drain(600)
        print(f"{summary}")
        found = verify(runs, store)
        made = len(closed_runs(runs))
        print(
            f"{made} runs, {found.documents} documents in the journal, server killed {kills} times: "
            f"{len(found.missing)} documents missing, {len(found.different)} different, {len(found.extra)} too many"
        )
        ratio = statistics.median(took) / statistics.median(alone)
        print(f"a run takes {ratio:.2f} x as long while the server is being killed as without a store at all")
    return int(not found.same)


if __name__ == "__main__":
    raise SystemExit(main())
