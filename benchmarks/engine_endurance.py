"""Whether the engine can be left alone for a week: start, restart, idling, and five thousand experiments.

`python -m benchmarks.engine_endurance [EXPERIMENTS]` prints, each with its limit:

- cold start: from `labwright campaign run` to the first operation of the reference lab's simulated instruments (5 s);
- restart: the same for a campaign that was killed with 1,000 finished experiments behind it (5 s);
- idle: memory (200 MB) and processor share (1 %) of a controller of the reference lab that is paused;
- endurance: time and memory per experiment over EXPERIMENTS (5,000), the last tenth against the second (1.2 x, 20 kB);
- many campaigns: a controller's memory after a tenth of EXPERIMENTS in 50 campaigns, and after all of them (5 % more).

`python -m benchmarks.engine_endurance many [EXPERIMENTS]` measures the last alone.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import rehearsing
from benchmarks.engine_pace import CAMPAIGN, make_lab
from labwright.clock import LabClock
from labwright.engine import CampaignCore, CampaignRun, load_campaign
from labwright.engine.events import Event, Suggested
from labwright.journal import Journal, journal_file
from labwright.lab import Lab, LabFolder

ROOT = Path(__file__).parents[1]
BEHIND = 1000
CAMPAIGNS = 50
FLAT = 1.05
"""What memory may have grown by, as a ratio: what the allocator holds back is not kept by anybody."""


def labwright(*words: str | Path) -> subprocess.Popen[bytes]:
    """A process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "labwright", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def seconds_until(condition: Callable[[], bool], began: float, most_s: float = 60.0) -> float:
    """Seconds since `began` when it first holds."""
    while not condition():
        if time.perf_counter() - began > most_s:
            raise SystemExit(f"not within {most_s:g} s")
        time.sleep(0.01)
    return time.perf_counter() - began


def count(data: Path, query: str) -> int:
    """A number out of a journal; 0 while it is not there."""
    try:
        with sqlite3.connect(f"file:{journal_file(data)}?mode=ro", uri=True) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def cold_start(scratch: Path) -> float:
    """Seconds to the first operation."""
    data = scratch / "cold"
    began = time.perf_counter()
    process = labwright("campaign", "run", "conductivity", "--lab", ROOT, "--simulated", "--no-store", "--data", data)
    took = seconds_until(lambda: count(data, "SELECT count(*) FROM intent") > 0, began)
    process.kill()
    process.wait()
    return took


def restart(scratch: Path, folder: LabFolder) -> float:
    """Seconds to the first step of a campaign that was killed."""
    data = scratch / "restart"
    campaign(folder, budget=BEHIND + 50, parallel=10)
    words = ("campaign", "run", "noop", "--lab", folder.root, "--no-store", "--data", data)
    process = labwright(*words)
    told = "SELECT count(*) FROM experiment WHERE state = 'told'"
    seconds_until(lambda: count(data, told) >= BEHIND, time.perf_counter(), 300.0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = "SELECT count(*) FROM step WHERE state = 'done'"
    before = count(data, done)
    began = time.perf_counter()
    process = labwright(*words)
    took = seconds_until(lambda: count(data, done) > before, began)
    process.wait()
    return took


def idle(scratch: Path) -> tuple[float, float]:
    """Megabytes and processor share of a paused controller."""
    data = scratch / "idle"
    endpoints = data / "endpoints.json"
    twin = labwright("simulate", "--lab", ROOT, "--speed", "5", "--endpoints", endpoints)
    seconds_until(endpoints.exists, time.perf_counter())
    words = ("--lab", ROOT, "--data", data)
    process = labwright("campaign", "run", "conductivity", *words, "--endpoints", endpoints, "--no-store")
    seconds_until(lambda: count(data, "SELECT count(*) FROM intent") > 0, time.perf_counter())
    labwright("campaign", "pause", *words, "--by", "benchmark").wait()
    time.sleep(5)
    before, began = cpu_s(process.pid), time.perf_counter()
    time.sleep(20)
    share = (cpu_s(process.pid) - before) / (time.perf_counter() - began)
    status = Path(f"/proc/{process.pid}/status").read_text()
    rss_mb = int(status.split("VmRSS:")[1].split()[0]) / 1024
    for one in (process, twin):
        one.kill()
        one.wait()
    return rss_mb, share


def cpu_s(pid: int) -> float:
    """Processor seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def campaign(folder: LabFolder, *, budget: int, parallel: int) -> Path:
    """A campaign of no-op experiments."""
    path = folder.root / "lab_config" / "campaigns" / "noop.yaml"
    path.write_text(CAMPAIGN.format(budget=budget, parallel=parallel))
    return path


def endurance(scratch: Path, folder: LabFolder, experiments: int) -> tuple[float, float]:
    """Time per experiment of the last tenth against the second, and kilobytes an experiment leaves in memory."""
    data = scratch / "endurance"
    when: list[float] = []
    rss_kb: list[int] = []

    def watch(event: Event, core: CampaignCore) -> None:
        if isinstance(event, Suggested):
            when.append(time.perf_counter())
            rss_kb.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4)

    loaded = load_campaign(folder, campaign(folder, budget=experiments, parallel=10))
    with Lab(folder, LabClock()) as lab, Journal(journal_file(data)) as journal:
        run = CampaignRun(lab, loaded, journal, data)
        run.controller.on_event = watch
        end = run.run()
    assert end.state == "completed", end.reason
    tenth = experiments // 10
    gaps = [after - before for before, after in zip(when[:-10], when[10:], strict=True)]
    early, late = statistics.median(gaps[tenth : 2 * tenth]), statistics.median(gaps[-tenth:])
    return late / early, (rss_kb[-1] - rss_kb[2 * tenth]) / (experiments - 2 * tenth)


def many_campaigns(data: Path, experiments: int) -> tuple[float, float]:
    """Megabytes of a controller after a tenth of the experiments in 50 campaigns, and after all of them."""
    folder = rehearsing.make_lab(data / "rehearsed")
    campaigns = [rehearsing.make_campaign(folder, budget=experiments // CAMPAIGNS) for _ in range(CAMPAIGNS)]
    rss_mb: list[float] = []

    def seen(event: Event, core: CampaignCore) -> None:
        if core.over:
            rss_mb.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024)

    rehearsing.carry_out(folder, journal_file(data), data, campaigns, seen)
    assert len(rss_mb) == CAMPAIGNS
    return rss_mb[CAMPAIGNS // 10 - 1], rss_mb[-1]


def print_many(experiments: int) -> bool:
    """Measure many campaigns and print; whether the limit is missed."""
    with tempfile.TemporaryDirectory() as place:
        early_mb, late_mb = many_campaigns(Path(place), experiments)
    ratio = late_mb / early_mb
    print(
        f"{experiments} experiments in {CAMPAIGNS} campaigns: {early_mb:.1f} MB after a tenth, {late_mb:.1f} MB after "
        f"all, {ratio:.3f} x (limit {FLAT})"
    )
    return ratio > FLAT


def main() -> int:
    """Measure and print; 1 if a limit is missed."""
    words = sys.argv[1:]
    if words[:1] == ["many"]:
        return int(print_many(int(words[1]) if len(words) > 1 else 5000))
    experiments = int(words[0]) if words else 5000
    # One process runs one lab.
    line = [sys.executable, "-m", "benchmarks.engine_endurance", "many", str(experiments)]
    missed = bool(subprocess.run(line, check=False).returncode)
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        took = cold_start(scratch)
        missed |= took > 5
        print(f"cold start to the first simulated operation: {took:.1f} s (limit 5)")
        rss_mb, share = idle(scratch)
        missed |= rss_mb > 200 or share > 0.01
        print(f"idle controller of the reference lab: {rss_mb:.0f} MB (limit 200), {100 * share:.1f} % (limit 1)")
        folder = make_lab(scratch / "lab")
        took = restart(scratch, folder)
        missed |= took > 5
        print(f"restart to the first step, {BEHIND} experiments behind: {took:.1f} s (limit 5)")
        ratio, kilobytes = endurance(scratch, folder, experiments)
        missed |= ratio > 1.2 or kilobytes > 20
        print(
            f"{experiments} experiments: the last tenth takes {ratio:.2f} x the time of the second (limit 1.2); "
            f"{kilobytes:.1f} kB of memory stay for each (limit 20)"
        )
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
