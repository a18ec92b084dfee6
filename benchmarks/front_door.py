"""What the front door bears: 200 event streams and 50 reads a second, while two campaigns run on the reference lab.

`python -m benchmarks.front_door [SECONDS] [--journal URL]` serves the reference lab on simulated instruments at 25 lab
seconds a second, with its service, as a user would. Two campaigns run alone; then the same two, on a fresh lab, under
load for 60 s or as long as they take. It prints:

- p95 of the reads (limit 100 ms on loopback), and errors among them (0),
- events that a stream has missed, compared with the journal afterwards (0), and streams that were ended (0),
- the time that the campaigns took alone, as a share of the time under load (at least 95 %),
- how much the service's memory grows when the same load comes a second time (at most 10 MB),
- what the first look at a request takes, and the slowest of twenty more beside two campaigns (2 s),
- the slowest page of a list of 10,000 requests (200 ms),
- memory of controller and service when nothing happens, shared pages counted once (250 MB), and their processor time
  (1 % of one core).

The clients run in a process of their own on the same machine: on two cores they are half of the load.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from labwright.journal import Journal, journal_file, schema
from labwright.service.database import Door, door_place
from labwright.service.people import add_person, add_project, join, make_key
from labwright.service.schema import request

ROOT = Path(__file__).parents[1]
SPEED = 25
STREAMS, READS_PER_S, REQUESTS = 200, 50, 10_000
P95_MS, PAGE_MS, SLOWER, GROWS_MB, IDLE_MB, IDLE_CPU = 100.0, 200.0, 0.95, 10.0, 250.0, 0.01
LOOK_S = 2.0
IDLE_S = 20.0


@dataclass
class Lab:
    """A lab that is served.

    Attributes:
        process: the controller's.
        journal: place of its journal.
        url: of the service.
        key: that reads everything.
    """

    process: subprocess.Popen[str]
    journal: str
    url: str = ""
    key: str = ""
    said: list[str] = field(default_factory=list)

    @property
    def processes(self) -> list[int]:
        """Ids of the controller's process and of all that it has started."""
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [child for one in new for child in _children(one)]
        return found

    @property
    def service(self) -> int:
        """Id of the service's process."""
        return next(one for one in self.processes if "labwright.service" in _command(one))


@contextlib.contextmanager
def served(folder: Path, journal: str) -> Iterator[Lab]:
    """The reference lab, with its service on a free port."""
    words = [sys.executable, "-m", "labwright", "serve", "--lab", str(ROOT), "--data", str(folder), "--simulated"]
    words += ["--speed", str(SPEED), "--port", "0"]
    words += ["--journal", journal] if journal else []
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stderr is not None
        lab = Lab(process, journal or str(journal_file(folder)))
        for line in process.stderr:
            lab.said.append(line)
            if found := re.search(r"service listens on (\S+)", line):
                lab.url = found[1]
                break
        assert lab.url, "".join(lab.said)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with Door(door_place(lab.journal)) as door, door.writing() as connection:
            add_person(connection, "reader", roles=["viewer"])
            add_project(connection, "solar", "Solar")
            join(connection, "solar", "reader", "requester")
            lab.key = make_key(connection, "reader", "bench").secret
        try:
            yield lab
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def run_campaigns(lab: Lab, folder: Path) -> float:
    """Let two campaigns run to their ends; wall seconds."""
    began = time.monotonic()
    for name in ("one", "two"):
        spec = (ROOT / "lab_config" / "campaigns" / "conductivity.yaml").read_text()
        spec = spec.replace("name: conductivity\n", f"name: {name}\n").replace("{name: gp}", "{name: sobol}")
        path = folder / f"{name}.yaml"
        path.write_text(spec.replace("budget: 25", "budget: 3\nparallel: 4"))
        words = [sys.executable, "-m", "labwright", "campaign", "submit", str(path), "--lab", str(ROOT), "--data"]
        words += [
            str(folder),
            "--simulated",
            "--by",
            "bench",
            *(["--journal", lab.journal] if "://" in lab.journal else []),
        ]
        subprocess.run(words, check=True, capture_output=True)
    with Journal.reading(lab.journal) as journal:
        while sum(row["state"] == "completed" for row in journal.rows(schema.campaign)) < 2:
            time.sleep(0.2)
    return time.monotonic() - began


def load(lab: Lab, seconds: float) -> subprocess.Popen[str]:
    """Streams and reads from a process of their own."""
    words = [sys.executable, "-m", "benchmarks.front_door", "--clients", lab.url, lab.key, str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def loaded(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What they have seen, once they have ended."""
    out, _ = process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(out)
    return found


async def clients(url: str, key: str, seconds: float) -> dict[str, Any]:
    """What 200 that listen and one that reads see."""
    place = urlsplit(url)
    head = f"Host: {place.netloc}\r\nAuthorization: Bearer {key}\r\n"
    seen: list[list[int]] = [[] for _ in range(STREAMS)]
    ended = 0
    until = time.monotonic() + seconds
    all_listen = asyncio.Event()
    listening = 0

    async def listen(mine: list[int]) -> None:
        nonlocal ended, listening
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(f"GET /v1/events HTTP/1.1\r\n{head}\r\n".encode())
        assert b"200" in await reader.readline()
        listening += 1
        if listening == STREAMS:
            all_listen.set()
        while True:
            line = await reader.readline()
            if not line:
                ended += time.monotonic() < until
                return
            if line.startswith(b"id:"):
                mine.append(int(line[3:]))

    tasks = [asyncio.create_task(listen(one)) for one in seen]
    await asyncio.wait_for(all_listen.wait(), 60)
    took_ms: list[float] = []
    wrong = 0
    paths = (
        "/v1/campaigns",
        "/v1/status",
        "/v1/questions",
        "/v1/requests?limit=50",
        "/v1/samples?limit=50",
        "/healthz",
    )

    async def read(number: int) -> None:
        nonlocal wrong
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(f"GET {paths[number % len(paths)]} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        answer = await reader.read()
        took_ms.append(1000 * (time.monotonic() - began))
        wrong += not answer.startswith(b"HTTP/1.1 200")
        writer.close()

    reads = []
    began = time.monotonic()
    until = began + seconds
    for number in range(int(seconds * READS_PER_S)):
        await asyncio.sleep(max(0.0, began + number / READS_PER_S - time.monotonic()))
        reads.append(asyncio.create_task(read(number)))
    await asyncio.gather(*reads)
    await asyncio.sleep(1.0)
    last = max((one[-1] for one in seen if one), default=0)
    for _ in range(100):  # what was recorded until now arrives
        if all(one and one[-1] >= last for one in seen):
            break
        await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    return {
        "p95_ms": statistics.quantiles(took_ms, n=20)[18],
        "median_ms": statistics.median(took_ms),
        "reads": len(took_ms),
        "wrong": wrong,
        "ended": ended,
        "firsts": [one[0] for one in seen if one],
        "last": last,
        "counts": [len([number for number in one if number <= last]) for one in seen],
        "double": sum(len(one) != len(set(one)) for one in seen),
    }


def missed(lab: Lab, found: dict[str, Any]) -> int:
    """Events between the first that a stream has got and the last of all, that it has not got."""
    event = schema.event
    with Journal.reading(lab.journal) as journal:
        rows = journal.read(
            sa.select(event.c.id).where(event.c.id >= min(found["firsts"]), event.c.id <= found["last"])
        )
    ids = [row["id"] for row in rows]
    short = 0
    for first, count in zip(found["firsts"], found["counts"], strict=True):
        short += sum(number >= first for number in ids) - count
    return short + STREAMS - len(found["firsts"])


def looks_s(lab: Lab, folder: Path) -> list[float]:
    """What looks at a request take: the first, which starts a process for it, and twenty more beside campaigns."""
    import httpx

    body = {
        "project": "solar",
        "title": "A look",
        "protocol": {"name": "electrolyte_conductivity", "version": "1"},
        "campaign": {
            "space": {"parameters": [{"type": "real", "name": "molality", "unit": "mol/kg", "low": 0.5, "high": 1.2}]},
            "objective": {"name": "conductivity", "goal": "max", "unit": "mS/cm"},
            "budget": 10,
            "fixed": {"ec_fraction": 0.4, "dmc_share": 0.5, "temperature": {"value": 27, "unit": "degC"}},
        },
        "export_control": {"status": "not_controlled"},
        "terms": "1",
        "contact": "reader",
    }
    threading.Thread(target=run_campaigns, args=(lab, folder), daemon=True).start()
    time.sleep(10)
    took_s = []
    with httpx.Client(base_url=lab.url, headers={"Authorization": f"Bearer {lab.key}"}, timeout=60) as client:
        for _ in range(21):
            began = time.monotonic()
            found = client.post("/v1/requests:validate", json=body).json()
            took_s.append(time.monotonic() - began)
            assert found["quote"], found
            time.sleep(0.5)
    return took_s


def slowest_page_ms(lab: Lab) -> float:
    """The slowest page of a list of many requests."""
    import httpx

    now_s = time.time()
    rows = [
        {
            "project": f"p{number % 20}", "owner": "reader", "title": f"Request {number}", "state": "draft",
            "version": 1, "priority": "routine", "digest": "", "created_s": now_s, "changed_s": now_s,
        }
        for number in range(REQUESTS)
    ]  # fmt: skip
    with Door(door_place(lab.journal)) as door, door.writing() as connection:
        connection.execute(sa.insert(request), rows)
    slowest_ms, count = 0.0, 0
    cursor: str | None = ""
    with httpx.Client(base_url=lab.url, headers={"Authorization": f"Bearer {lab.key}"}) as client:
        client.get("/v1/requests")
        while cursor is not None:
            began = time.monotonic()
            page = client.get(f"/v1/requests?limit=200{cursor}").json()
            slowest_ms = max(slowest_ms, 1000 * (time.monotonic() - began))
            count += len(page["items"])
            cursor = None if page["next"] is None else f"&cursor={page['next']}"
    assert count == REQUESTS, count
    return slowest_ms


def memory_mb(processes: list[int]) -> float:
    """Memory of processes, what they share counted once."""
    total = 0
    for one in processes:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{one}/smaps_rollup").read_text(), re.MULTILINE)
        total += int(found[1]) if found else 0
    return total / 1024


def processor_s(processes: list[int]) -> float:
    """Processor time that processes have used."""
    ticks = 0
    for one in processes:
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(process: int) -> list[int]:
    lists = Path(f"/proc/{process}/task").glob("*/children")  # each thread has its own
    return [int(one) for path in lists for one in path.read_text().split()]


def _command(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def main() -> int:
    """Print the figures; 1 if a limit is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", nargs="?", type=float, default=60.0)
    parser.add_argument("--journal", default="")
    parser.add_argument("--clients", nargs=3)
    given = parser.parse_args()
    if given.clients:
        url, key, seconds = given.clients
        print(json.dumps(asyncio.run(clients(url, key, float(seconds)))))
        return 0
    folder = Path(tempfile.mkdtemp())
    verdicts: list[bool] = []

    def say(what: str, value: float, unit: str, limit: float, *, at_least: bool = False) -> None:
        kept = value >= limit if at_least else value <= limit
        verdicts.append(kept)
        sign = ">=" if at_least else "<="
        print(f"{what:58} {value:9.2f} {unit:8} {sign} {limit:g}  {'PASS' if kept else 'MISSED'}", flush=True)

    alone, under = folder / "alone", folder / "under"
    alone.mkdir()
    under.mkdir()
    try:
        with served(alone, given.journal) as lab:
            time.sleep(5)
            before_s, began = processor_s(lab.processes), time.monotonic()
            time.sleep(IDLE_S)
            idle = (processor_s(lab.processes) - before_s) / (time.monotonic() - began)
            say("idle: memory of controller and service", memory_mb(lab.processes), "MB", IDLE_MB)
            say("idle: processor time", 100 * idle, "%", 100 * IDLE_CPU)
            alone_s = run_campaigns(lab, alone)
        with served(under, given.journal) as lab:
            under_load = load(lab, max(given.seconds, alone_s + 10))
            time.sleep(5)  # until all listen
            under_s = run_campaigns(lab, under)
            found = loaded(under_load)
            first_mb = memory_mb([lab.service])
            loaded(load(lab, given.seconds / 2))
            grew_mb = memory_mb([lab.service]) - first_mb
            print(f"{STREAMS} streams, {found['reads']} reads, {sum(found['counts'])} events handed out")
            print(f"median of reads {found['median_ms']:.1f} ms")
            say("reads: p95", found["p95_ms"], "ms", P95_MS)
            say("reads that were not answered with 200", found["wrong"], "", 0)
            say("streams that were ended", found["ended"], "", 0)
            say("events that streams have missed", missed(lab, found), "", 0)
            say("events that streams have got twice", found["double"], "", 0)
            print(f"both campaigns took {alone_s:.1f} s alone, {under_s:.1f} s under load")
            say("time alone, as a share of that under load", alone_s / under_s, "", SLOWER, at_least=True)
            say("the service's memory, more after a second such load", grew_mb, "MB", GROWS_MB)
            first_s, *others_s = looks_s(lab, under)
            say("first look at a request, beside two campaigns", first_s, "s", LOOK_S)
            say("slowest of twenty more", max(others_s), "s", LOOK_S)
            say(f"slowest page of {REQUESTS} requests", slowest_page_ms(lab), "ms", PAGE_MS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return int(not all(verdicts))


if __name__ == "__main__":
    raise SystemExit(main())
