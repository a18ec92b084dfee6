"""What the engine costs: no-op steps through journal, core, station and RunEngine, on SQLite and on PostgreSQL.

`python -m benchmarks.engine_pace [JOURNAL_URL]` prints the median time from one step's start to the next one's of a
single sample (limit 5 ms; EOS, measured beside us: 100 ms), and steps per second over ten stations (limit 500; EOS:
18): of one campaign, of ten, and with ten processes that watch and one whose watching is stuck; beside them the
processor time of this process for a step, which a busy machine changes less. Every step is a Bluesky
run with documents on the disk, and two changes of state in the journal. Suggestions are drawn in this process: what
planners cost is measured elsewhere, and ten of them start for longer than this takes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rehearsing import AtOnce
from labwright.clock import LabClock
from labwright.engine import CampaignCore, LabController, Parts, load_campaign
from labwright.engine.events import Event, StepEnded
from labwright.journal import Journal, journal_file
from labwright.lab import Lab, LabFolder, read_lab

STATIONS = 10
STEP_MS, STEPS_PER_S = 5.0, 500

LAB = "name: noop\ntitle: Nothing to do\nports: {}\ndevices: {}\nstations:\n" + "".join(
    f"  s{number}: {{title: Station {number}, devices: {{}}}}\n" for number in range(STATIONS)
)

PROTOCOL = '''
"""Steps that do nothing."""

from labwright.model.protocol import NumberParameter, NumberResult, StepSpec
from labwright.stations import LabProtocol, Plan, StepContext


class Noop(LabProtocol):
    """A step at each station, one after the other."""

    name = "noop"
    title = "Nothing"
    parameters = (NumberParameter(name="x", unit="1", low=0, high=1),)
    results = (NumberResult(name="y", unit="1"),)
    steps = tuple(
        StepSpec(name=f"step{n}", station=f"s{n}", needs=(f"step{n - 1}",) if n else (), expected_s=1)
        for n in range(10)
    )


def _plan(self: Noop, context: StepContext) -> Plan:
    yield from ()
    return {"y": 1.0} if context.order.step == "step9" else {}


for _number in range(10):
    setattr(Noop, f"step{_number}", _plan)
'''

CAMPAIGN = """
name: noop
title: Nothing
protocol: noop
space: {{parameters: [{{type: real, name: x, unit: "1", low: 0.0, high: 1.0}}]}}
objective: {{name: y, goal: max, unit: "1"}}
planner: {{name: random}}
budget: {budget}
parallel: {parallel}
"""


def make_lab(root: Path) -> LabFolder:
    """A lab of ten stations without devices."""
    for name in ("lab_config/campaigns", "protocols"):
        (root / name).mkdir(parents=True)
    (root / "lab_config" / "lab.yaml").write_text(LAB)
    (root / "protocols" / "__init__.py").touch()
    (root / "protocols" / "noop.py").write_text(PROTOCOL)
    return read_lab(root)


def run(
    folder: LabFolder,
    data: Path,
    place: str | Path,
    *,
    budget: int,
    parallel: int,
    campaigns: int = 1,
    watchers: int = 0,
) -> list[tuple[float, float]]:
    """When each step ended: wall seconds, and processor seconds of this process.

    Args:
        folder: the lab.
        data: folder of the runs.
        place: the journal.
        budget: experiments of each campaign.
        parallel: samples of each campaign on their way at once.
        campaigns: how many share the stations.
        watchers: processes that read a campaign's events as they come; and one more that is stuck.
    """
    path = folder.root / "lab_config" / "campaigns" / "noop.yaml"
    path.write_text(CAMPAIGN.format(budget=budget, parallel=parallel))
    ended: list[tuple[float, float]] = []

    ready: list[threading.Event] = []

    def watch(event: Event, core: CampaignCore) -> None:
        if isinstance(event, StepEnded):
            ended.append((time.perf_counter(), time.process_time()))
            if len(ended) == 1:  # Python's own start is not what watching costs
                assert all(one.wait(60) for one in ready), "a watcher has seen nothing"

    campaign = load_campaign(folder, path)
    with Lab(folder, LabClock()) as lab, Journal(place) as journal:
        controller = LabController(lab, journal, data, by="benchmark", parts=Parts(worker=AtOnce))
        controller.on_event = watch
        names = [controller.start(campaign) for _ in range(campaigns)]
        with watching(names, place, watchers, ready):
            controller.run(lambda: controller.all_over)
        ends = [controller.ends[name] for name in names]
    assert all(end.state == "completed" for end in ends), ends
    assert len(ended) == 10 * budget * campaigns
    return ended


@contextlib.contextmanager
def watching(campaigns: list[str], place: str | Path, watchers: int, ready: list[threading.Event]) -> Iterator[None]:
    """`labwright campaign watch --json` in so many processes, and in one more whose output nothing reads.

    Each of `ready` is set when its watcher has shown the first event.
    """
    if not watchers:
        yield
        return
    processes = []
    for number in range(watchers + 1):
        name = campaigns[number % len(campaigns)]
        where = ["--data", str(place.parent)] if isinstance(place, Path) else ["--journal", place]
        command = [sys.executable, "-m", "labwright", "campaign", "watch", name, "--json", *where]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        if number < watchers:
            ready.append(threading.Event())
            threading.Thread(target=_drain, args=(processes[-1], ready[-1]), daemon=True).start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _drain(process: subprocess.Popen[bytes], ready: threading.Event) -> None:
    """Read what a watcher shows, in large pieces: what this costs is the watcher's, not the engine's."""
    assert process.stdout is not None
    while os.read(process.stdout.fileno(), 1 << 16):
        ready.set()


def steady(ended: list[tuple[float, float]]) -> tuple[float, float]:
    """Steps a second, and processor milliseconds for each; without the first and the last hundred."""
    wall_s, used_s = (last - first for first, last in zip(ended[99], ended[-101], strict=True))
    steps = len(ended) - 200
    return steps / wall_s, 1000 * used_s / steps


def verdict(*, kept: bool) -> str:
    """Whether a limit is kept."""
    return "PASS" if kept else "MISS"


def main() -> int:
    """Measure and print; 1 if a limit is missed."""
    missed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_lab(Path(scratch) / "lab")
        places: list[str | Path] = [journal_file(Path(scratch)), *sys.argv[1:]]
        for place in places:
            data = Path(tempfile.mkdtemp(dir=scratch))
            kind = str(place).split(":", maxsplit=1)[0] if "://" in str(place) else "sqlite"
            alone = run(folder, data, place, budget=30, parallel=1)
            # Within an experiment: between two there is a planner's answer.
            pairs = itertools.pairwise(wall_s for wall_s, _ in alone)
            gaps = [1000 * (after - before) for number, (before, after) in enumerate(pairs) if (number + 1) % 10]
            median = statistics.median(gaps)
            missed |= median > STEP_MS
            word = verdict(kept=median <= STEP_MS)
            print(f"{kind}: a no-op step takes {median:.1f} ms (median; limit {STEP_MS:g}): {word}")
            one = 0.0
            for campaigns, watchers in ((1, 0), (10, 0), (1, 10)):
                parallel = 2 * STATIONS // campaigns
                pace, used_ms = steady(
                    run(
                        folder, data, place, budget=200 // campaigns, parallel=parallel, campaigns=campaigns,
                        watchers=watchers,
                    )
                )  # fmt: skip
                one = one or pace
                missed |= pace < STEPS_PER_S
                words = f"{campaigns} campaign{'s' * (campaigns > 1)}, {watchers} watchers"
                print(
                    f"{kind}: {words}: {pace:.0f} steps/s (limit {STEPS_PER_S}): {verdict(kept=pace >= STEPS_PER_S)}; "
                    f"{pace / one:.2f} x one campaign; {used_ms:.2f} ms of the processor a step"
                )
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
