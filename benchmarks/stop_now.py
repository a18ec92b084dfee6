"""How soon a stop-now reaches the wire, with watchers that are stuck and a journal whose disk is slow.

`python -m benchmarks.stop_now [--stops N] [--watchers N] [--slow-disk SECONDS] [--way process|command]` stops N
campaigns of the reference lab on simulated wires in the middle of an operation, and prints median and worst time from
the call to the first halting byte (limit: 50 ms for the median), and until the last device was first halted.

`process` calls the controller; `command` runs `labwright campaign stop --now` in another process, and counts from the
moment at which that process writes its command, and from its start, which Python's own start dominates.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labwright.clock import LabClock
from labwright.engine import CampaignCore, CampaignRun, load_campaign
from labwright.engine.events import Event, StepEnded
from labwright.hardware.transport import SerialTransport, TcpTransport, VisaTransport
from labwright.journal import Journal, journal_file, schema
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"

HALTS = (b"STP", b"STOP_1", b"STOP_4", b"halt", b":ABOR")
"""What halts pumps, hotplate, arm and impedance meter."""

SPEED = 60.0
"""Lab seconds per wall second: operations last for some tenths of a second, as long as a stop must not wait."""

LIMIT_S = 50e-3


@dataclass
class Took:
    """Wall seconds of one stop, each to the first halting byte and to the first halt of the last device."""

    first_s: float
    last_s: float
    from_start_s: float | None = None


class Wires:
    """When halts went out, by line and bytes."""

    def __init__(self) -> None:
        self.halts: dict[tuple[int, bytes], float] = {}

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Listen in on every line."""
        kinds = (SerialTransport, TcpTransport, VisaTransport)
        before = {kind: kind.write for kind in kinds}
        for kind in kinds:
            setattr(kind, "write", self._recording(kind.write))  # noqa: B010 - mypy refuses to assign a method
        try:
            yield
        finally:
            for kind, write in before.items():
                setattr(kind, "write", write)  # noqa: B010 - as above

    def _recording(self, write: Callable[[Any, bytes], None]) -> Callable[[Any, bytes], None]:
        def recorded(transport: Any, data: bytes) -> None:
            if any(one in data for one in HALTS):
                self.halts.setdefault((id(transport), data), time.time())
            write(transport, data)

        return recorded


@contextlib.contextmanager
def stuck_watchers(run: CampaignRun, place: Path, count: int) -> Iterator[None]:
    """Watchers in the process that never come back from their first event, and readers that hold the journal open."""
    release = threading.Event()
    followers = [run.follow(lambda *_: bool(release.wait(600)) and None) for _ in range(count)]
    with contextlib.ExitStack() as readers:
        for _ in range(count):
            reader = readers.enter_context(contextlib.closing(sqlite3.connect(place, isolation_level=None)))
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM event").fetchall()
        yield
        release.set()
        for follower in followers:
            follower.end()
            follower.close()


def stop_once(folder: LabFolder, data: Path, options: argparse.Namespace, number: int) -> Took:
    """Run a campaign, stop it in the middle of an operation, and see when its devices were halted."""
    clock, wires, place = LabClock(SPEED), Wires(), journal_file(data)
    called: list[float] = []
    due = threading.Event()

    def ask(run: CampaignRun) -> None:
        assert due.wait(120), "no step ends"
        time.sleep(0.02 * number)  # not always at the same point of what comes next
        wires.halts.clear()
        called.append(time.time())
        if options.way == "process":
            run.ask_to_stop("a benchmark", now=True)
            return
        command = [sys.executable, "-m", "labwright", "campaign", "stop", run.core.campaign, "--now", "--by", "Kim"]
        subprocess.run([*command, "--data", str(data), "--reason", "a benchmark"], check=True, capture_output=True)

    def watch(event: Event, core: CampaignCore) -> None:
        if isinstance(event, StepEnded):
            due.set()

    with (
        SimulatedLab(folder.model, clock, resolve, seed=number) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(place) as journal,
        wires.recorded(),
    ):
        loaded = load_campaign(folder, SPEC, budget=8, seed=number, planner="sobol")
        run = CampaignRun(lab, loaded, journal, data, by="Ann")
        run.controller.on_event = watch
        if options.slow_disk:
            journal.writer.on_commit = lambda when, label: time.sleep(options.slow_disk * (when == "before"))
        asking = threading.Thread(target=ask, args=(run,))
        with stuck_watchers(run, place, options.watchers):
            asking.start()
            end = run.run()
            asking.join()
        assert end.state == "stopped", end
        rows = journal.rows(schema.command)
    began = called[0] if options.way == "process" else float(rows[0]["asked_s"])
    times = [when - began for when in wires.halts.values() if when >= began]
    start_s = None if options.way == "process" else min(times) + began - called[0]
    return Took(min(times), max(times), start_s)


def main() -> int:
    """Measure and print; 1 if the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--watchers", type=int, default=10, help="stuck, in the process and on the journal")
    parser.add_argument("--slow-disk", type=float, default=0.0, help="wall seconds that each commit takes longer")
    parser.add_argument("--way", choices=("process", "command"), default="process")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # each step that is stopped logs how its plan ended
    folder = read_lab(ROOT)
    with tempfile.TemporaryDirectory() as scratch:
        took = [stop_once(folder, Path(scratch) / str(number), options, number) for number in range(options.stops)]
    late = f"commits {options.slow_disk:g} s late"
    print(f"{options.stops} stops, {options.way}, {options.watchers} stuck watchers, {late}:")
    missed = _say("first halting byte", [one.first_s for one in took], LIMIT_S)
    _say("first halt of the last device", [one.last_s for one in took])
    started = [one.from_start_s for one in took if one.from_start_s is not None]
    if started:
        _say("first halting byte, from the start of the other process", started)
    return int(missed)


def _say(what: str, times_s: list[float], limit_s: float | None = None) -> bool:
    median = statistics.median(times_s)
    limit = f"; limit {1000 * limit_s:g}" if limit_s is not None else ""
    print(f"  {what}: {1000 * median:.1f} ms median, {1000 * max(times_s):.1f} ms worst{limit}")
    return limit_s is not None and median > limit_s


if __name__ == "__main__":
    raise SystemExit(main())
