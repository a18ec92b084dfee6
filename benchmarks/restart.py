"""How long a restart takes with a long history behind: from the launch of the process to its first action.

`python -m benchmarks.restart [EVENTS [TRIALS]]` makes a journal with EVENTS (200,000) events of campaigns that are over
(copied from one that a controller has carried out) and of one that was cut off after TRIALS (4,000) experiments by a
controller on stations that only take time. Then it launches `labwright campaign run`, as a person would, which resumes
that campaign with real stations without devices, each step a Bluesky run; the first action is the first step that has
ended. It prints the time from the launch until that is in the journal (limit 2 s), on the wall and of the processor,
what a new campaign in a new journal takes (Python, imports, the lab), and a restart whose snapshots were lost. The best
of three: what others do on the machine is not ours.
"""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rehearsing import carry_out, make_campaign, make_lab
from labwright.engine import CampaignCore
from labwright.engine.events import Event, Suggested
from labwright.journal import journal_file
from labwright.lab import LabFolder, read_lab

LIMIT_S = 2.0
EXPERIMENTS = 500
"""Of each campaign that is over."""


class CutError(Exception):
    """The controller dies here."""


def main() -> int:
    """Measure and print; 1 if the limit is missed."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    trials = int(sys.argv[2]) if len(sys.argv) > 2 else 4000
    with tempfile.TemporaryDirectory(prefix="labwright-restart-") as scratch:
        folder, data = make_lab(Path(scratch) / "lab"), Path(scratch) / "data"
        campaigns = history(folder, data, wanted)
        make_under_way(folder, data, trials)
        events = count(data, "SELECT count(*) FROM event")
        print(f"{events} events: {campaigns} campaigns that are over, one cut off after {trials} trials", flush=True)
        bare = Path(scratch) / "bare"
        shutil.copytree(data, bare)
        with sqlite3.connect(journal_file(bare)) as connection:
            connection.execute("DELETE FROM snapshot")
        new = min(first_action_s(folder, Path(scratch) / f"new_{n}") for n in range(3))
        took = min(first_action_s(folder, copied(data, Path(scratch) / f"copy_{n}")) for n in range(3))
        without = first_action_s(folder, bare)
    print(f"a new campaign in a new journal: {words(new)} to its first action")
    print(f"restart: {words(took)} to the first action (limit {LIMIT_S:g} s)")
    print(f"restart without a snapshot: {words(without)}")
    return int(took[0] > LIMIT_S)


def words(took: tuple[float, float]) -> str:
    """Wall and processor time."""
    return f"{took[0]:.2f} s ({took[1]:.2f} s of the processor)"


def history(folder: LabFolder, data: Path, wanted: int) -> int:
    """Fill a journal with campaigns that are over; how many."""
    carry_out(folder, journal_file(data), data, [make_campaign(folder, budget=EXPERIMENTS)], lambda event, core: None)
    with sqlite3.connect(journal_file(data)) as connection:
        (campaign,) = connection.execute("SELECT id FROM campaign").fetchone()
        (each,) = connection.execute("SELECT count(*) FROM event").fetchone()
        copies = wanted // each
        for number in range(1, copies):
            copy_campaign(connection, campaign, f"rehearsed-20200101-000000-{number:04x}")
    return copies


def copy_campaign(connection: sqlite3.Connection, campaign: str, name: str) -> None:
    """Copy all rows of a campaign."""
    for table in ("event", "campaign", "campaign_spec", "trial", "experiment", "step"):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        columns = [column for column in columns if (table, column) != ("event", "id")]
        own = "id" if table == "campaign" else "campaign"
        values = ", ".join(f'replace("{column}", :campaign, :name)' for column in columns)
        listed = ", ".join(f'"{column}"' for column in columns)
        query = f'INSERT INTO "{table}" ({listed}) SELECT {values} FROM "{table}" WHERE "{own}" = :campaign'  # noqa: S608
        if table == "event":
            query += " ORDER BY id"
        connection.execute(query, {"campaign": campaign, "name": name})


def make_under_way(folder: LabFolder, data: Path, trials: int) -> None:
    """Carry out a campaign of which the controller dies after so many experiments."""
    begun = 0

    def seen(event: Event, core: CampaignCore) -> None:
        nonlocal begun
        begun += isinstance(event, Suggested)
        if begun == trials:
            raise CutError

    try:
        campaign = make_campaign(folder, budget=trials + 5)
        carry_out(read_lab(folder.root), journal_file(data), data, [campaign], seen)
    except CutError:
        return
    raise AssertionError("it was not cut off")


def copied(data: Path, place: Path) -> Path:
    """A copy of a data folder, for a restart changes it."""
    shutil.copytree(data, place)
    return place


def first_action_s(folder: LabFolder, data: Path) -> tuple[float, float]:
    """Seconds from the launch of the process until a step has ended that had not before: on the wall, and of CPU."""
    done = "SELECT count(*) FROM step WHERE state = 'done'"
    before = count(data, done)
    line = ("campaign", "run", "rehearsed", "--lab", folder.root, "--data", data, "--no-store")
    cpu_before, began = children_s(), time.perf_counter()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("labwright"), *map(str, line)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        while count(data, done) <= before:
            if process.poll() not in (None, 0):
                raise SystemExit(process.stderr.read().decode() if process.stderr else "it has ended")
            time.sleep(0.005)
        wall_s = time.perf_counter() - began
    finally:
        process.kill()
        process.wait()
    return wall_s, children_s() - cpu_before


def children_s() -> float:
    """Processor seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def count(data: Path, query: str) -> int:
    """A number out of a journal; 0 while it is not there."""
    try:
        with sqlite3.connect(f"file:{journal_file(data)}?mode=ro", uri=True) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
