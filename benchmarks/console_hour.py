"""An hour in front of live pages: whether the memory of the tabs and of the service grows.

`python -m benchmarks.console_hour [MINUTES] [--speed N]` serves a new lab with two campaigns under way at speed, opens
Now, a campaign and the timeline in a tab each in Chromium, and notes every minute, after a collection of garbage: the
heap, the nodes and the listeners of each tab, and the resident memory of the service. It prints the medians of the
second and of the last sixth of the time, and their difference with its limit: a tenth. The first sixth is left out, in
which caches fill.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from labwright.cli.init import make_lab
from labwright.journal import journal_file
from labwright.service.database import Door, door_place
from labwright.service.people import add_person, make_key

ROOT = Path(__file__).parents[1]
EVERY_S = 60.0
MOST = 0.10
"""Share by which something may be more in the last sixth than in the second."""

FLOOR = {"heap / MB": 1.0, "nodes": 300.0, "listeners": 30.0, "service / MB": 10.0}
"""Differences that are no growth: a page has more rows at one time than at another."""


@contextlib.contextmanager
def served(data: Path, speed: float) -> Iterator[tuple[str, str]]:
    """A new lab, which handles no material and so runs without end; its URL, and a key of an operator."""
    make_lab(data.parent / "lab")
    words = [sys.executable, "-m", "labwright", "serve", "--lab", str(data.parent / "lab"), "--data", str(data)]
    words += ["--simulated", "--no-store", "--speed", str(speed), "--port", "8799"]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True
    ) as process:
        url = "http://127.0.0.1:8799"
        try:
            ends_s = time.monotonic() + 120
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                        break
                if time.monotonic() > ends_s:
                    raise SystemExit("the console is not there after 120 s")
                time.sleep(0.5)
            with Door(door_place(str(journal_file(data)))) as door, door.writing() as connection:
                add_person(connection, "olga", roles=["operator"])
                key = make_key(connection, "olga", "bench").secret
            yield url, key
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def resident_mb(data: Path) -> float:
    """Resident memory of the service that has a journal open."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            if b"labwright.service" in words and str(data) in os.readlink(folder / "cwd") + str(_open(folder)):
                status = (folder / "status").read_text()
                return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024
    return 0.0


def _open(folder: Path) -> list[str]:
    return [os.readlink(one) for one in (folder / "fd").iterdir()]


def begun(client: httpx.Client) -> str:
    """Hand two campaigns over that do not end meanwhile; the id of the second."""
    campaign = ""
    for seed in (1, 2):
        body = {"name": "first", "seed": seed, "budget": 10_000, "planner": "random"}
        answer = client.post("/v1/campaigns", json=body, headers={"Idempotency-Key": f"hour {seed}"})
        assert answer.is_success, answer.text
        campaign = answer.json()["campaign"]
    return str(campaign)


def main() -> int:
    """Measure and print; 1 if something grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, nargs="?", default=60.0)
    parser.add_argument("--speed", type=float, default=100.0)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    found: dict[tuple[str, str], list[float]] = {}
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with (
        tempfile.TemporaryDirectory() as scratch,
        sync_playwright() as playwright,
        served(Path(scratch) / "var", options.speed) as (url, key),
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client,
    ):
        data = Path(scratch) / "var"
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
        first = context.new_page()
        first.goto(f"{url}/sign-in")
        first.fill("input[name=key]", key)
        first.click("form:has(input[name=key]) button")
        first.wait_for_url("**/now")
        campaign = begun(client)
        tabs: dict[str, Any] = {"Now": first}
        for name, path in (("campaign", f"/campaigns/{campaign}"), ("timeline", "/timeline")):
            tabs[name] = context.new_page()
            tabs[name].goto(f"{url}{path}")
        sessions = {name: context.new_cdp_session(tab) for name, tab in tabs.items()}
        for session in sessions.values():
            session.send("Performance.enable")
        minute = 0
        ends_s = time.monotonic() + 60 * options.minutes
        while time.monotonic() < ends_s:
            first.wait_for_timeout(1000 * EVERY_S)
            for name, session in sessions.items():
                session.send("HeapProfiler.collectGarbage")
                metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
                found.setdefault((name, "heap / MB"), []).append(metrics["JSHeapUsedSize"] / 1e6)
                found.setdefault((name, "nodes"), []).append(metrics["Nodes"])
                found.setdefault((name, "listeners"), []).append(metrics["JSEventListeners"])
            found.setdefault(("service", "service / MB"), []).append(resident_mb(data))
            minute += 1
            print(f"{minute:4} min", *(f"{name} {what} {values[-1]:.1f};" for (name, what), values in found.items()),
                  file=sys.stderr, flush=True)  # fmt: skip
        first.wait_for_timeout(6000)  # after all that collecting
        tried = client.get(f"/v1/campaigns/{campaign}").json()["tried"]
        lost = [name for name, tab in tabs.items() if not tab.locator("#news", has_text="live").count()]
        for name in lost:
            print(f"{name}: {tabs[name].url}: {tabs[name].inner_text('body')[:500]}", file=sys.stderr)
        browser.close()
    grown = bool(lost)
    print(
        f"{options.minutes:g} minutes at {options.speed:g} lab seconds a second, {tried} experiments of one campaign; "
        f"tabs without news at the end: {', '.join(lost) or 'none'}"
    )
    for (name, what), values in found.items():
        sixth = max(1, len(values) // 6)
        before, after = statistics.median(values[sixth : 2 * sixth]), statistics.median(values[-sixth:])
        more = after - before > max(MOST * before, FLOOR[what])
        grown |= more
        print(
            f"{name:10} {what:14} {before:10.1f} {after:10.1f}  {after / before - 1:+7.1%}{'  GROWS' if more else ''}"
        )
    return int(grown)


if __name__ == "__main__":
    raise SystemExit(main())
