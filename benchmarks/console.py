"""How the console feels: first load, event to pixel, the Stop button, a campaign of 100,000 experiments.

`python -m benchmarks.console [--streams N] [--stops N]` serves the reference lab on simulated wires, with the
controller in this process (so that halting bytes are seen as they go out) and the service in its own, opens Chromium,
and prints:

- bytes of the first load of Now (limit 150 kB), and its first paint with an empty cache (400 ms),
- from a pause of a campaign as the journal has it to the pixel on Now (300 ms),
- from the click on Stop to the first halting byte of the last device, with 200 streams open (150 ms),
- the page of a campaign of 100,000 experiments (500 ms).

It needs what `make test-browser` installs, and Debian's Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from benchmarks.stop_now import Wires
from labwright.clock import LabClock
from labwright.engine import LabController, load_campaign
from labwright.journal import Journal, journal_file, schema
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.service.database import Door, door_place
from labwright.service.people import add_person, make_key
from labwright.service.process import BOUND
from labwright.service.settings import ServiceSettings
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
SPEED = 60.0
LOAD_BYTES, PAINT_MS, PIXEL_MS, STOP_MS, PAGE_MS = 150_000, 400.0, 300.0, 150.0, 500.0
EXPERIMENTS = 100_000

PIXEL = """word => new Promise(done => {
    const seen = () => document.querySelector('#under_way')?.textContent.includes(word);
    const look = () => { if (seen()) { watch.disconnect(); requestAnimationFrame(() => done(Date.now())); } };
    const watch = new MutationObserver(look);
    watch.observe(document.body, {subtree: true, childList: true, characterData: true});
    look();
})"""
"""When a word is to be seen among the campaigns, as the browser's time of day in ms."""


@contextlib.contextmanager
def service_of(data: Path) -> Iterator[tuple[str, str]]:
    """The service in a process of its own; its URL, and a key of an operator."""
    journal = str(journal_file(data))
    with Door(door_place(journal)) as door, door.writing() as connection:
        add_person(connection, "olga", roles=["operator"])
        key = make_key(connection, "olga", "bench").secret
    settings = ServiceSettings(root=ROOT, data=data, journal=journal, port=0)
    words = [sys.executable, "-m", "labwright.service"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(settings.model_dump_json() + "\n")
        process.stdin.flush()
        try:
            yield process.stdout.readline().removeprefix(BOUND).strip(), key
        finally:
            process.kill()


@contextlib.contextmanager
def controlled(folder: LabFolder, data: Path, seed: int) -> Iterator[Wires]:
    """The lab's controller in this process, with a campaign under way; what halts is recorded."""
    clock, wires = LabClock(SPEED), Wires()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=seed) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(data)) as journal,
        wires.recorded(),
    ):
        controller = LabController(lab, journal, data, by="bench")
        thread = threading.Thread(target=controller.run, args=(lambda: False,))
        thread.start()
        campaign = load_campaign(folder, SPEC, budget=8, seed=seed, planner="sobol")
        payload = {"spec": campaign.spec.model_dump(mode="json"), "lab_sha256": folder.sha256}
        journal.command("", "submit", payload, by="bench", because="a benchmark", key=f"submit {seed}", trace="")
        try:
            yield wires
        finally:
            controller.ask_to_stop("the benchmark ends", now=True)
            controller.leave()
            thread.join(60)


@contextlib.contextmanager
def streams(url: str, key: str, count: int) -> Iterator[None]:
    """So many that listen, in a process of their own."""
    words = [sys.executable, "-m", "benchmarks.console", "--listen", url, key, str(count)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def listen(url: str, key: str, count: int) -> None:
    """Open streams, say so, and read them until killed."""
    limits = httpx.Limits(max_connections=None)
    client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=3600, limits=limits)
    ready = threading.Barrier(count + 1)

    def one() -> None:
        with client.stream("GET", "/v1/events") as stream:
            ready.wait()
            for _ in stream.iter_raw():
                pass

    for _ in range(count):
        threading.Thread(target=one, daemon=True).start()
    ready.wait()
    print("listening", flush=True)
    threading.Event().wait()


def signed_in(browser: Any, url: str, key: str) -> Any:
    """A page of a new browser context, signed in."""
    page = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB").new_page()
    page.goto(f"{url}/sign-in")
    page.fill("input[name=key]", key)
    page.click("form:has(input[name=key]) button")
    page.wait_for_url("**/now")
    return page


def first_load(browser: Any, url: str, key: str) -> tuple[int, float]:
    """Bytes over the wire and ms to the first paint of Now, with an empty cache, the service being warm."""
    state = signed_in(browser, url, key).context.storage_state()
    sizes, paints = [], []
    for _ in range(5):
        page = browser.new_context(viewport={"width": 1200, "height": 900}, storage_state=state).new_page()
        page.goto(f"{url}/now", wait_until="load")
        page.wait_for_timeout(300)
        sizes.append(page.evaluate(
            "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
            ".filter(one => !one.name.includes('/live')).reduce((sum, one) => sum + one.transferSize, 0)"
        ))  # fmt: skip
        paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        page.context.close()
    return max(sizes), statistics.median(paints)


def event_to_pixel(browser: Any, url: str, key: str, data: Path, times: int) -> list[float]:
    """Ms from a pause or its end, as the journal has it, until Now shows it."""
    page = signed_in(browser, url, key)
    page.wait_for_selector("#under_way .s-running")
    found = []
    client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    campaign = client.get("/v1/campaigns").json()["items"][0]["campaign"]
    for number in range(times):
        verb, word = ("pause", "paused") if number % 2 == 0 else ("resume", "running")
        asked = threading.Thread(
            target=client.post,
            args=(f"/v1/campaigns/{campaign}/{verb}",),
            kwargs={"json": {"because": "bench"}, "headers": {"Idempotency-Key": f"{verb} {number}"}},
        )
        asked.start()
        seen_ms = page.evaluate(PIXEL, word)
        asked.join()
        with Journal.reading(journal_file(data)) as journal:
            event = schema.event
            rows = journal.rows(event, event.c.campaign == campaign, event.c.kind == f"{verb}_asked", order=event.c.id)
        found.append(seen_ms - 1000 * rows[-1]["wall_time_s"])
        page.wait_for_timeout(700)
    page.context.close()
    return found


def stop_to_safe(browser: Any, url: str, key: str, wires: Wires) -> float:
    """Ms from the click on Stop until each device was first halted."""
    page = signed_in(browser, url, key)
    page.wait_for_selector("#stations .s-running")
    wires.halts.clear()
    clicked_ms = page.evaluate(
        "() => { const now = Date.now(); document.querySelector('form.stop button').click(); return now; }"
    )
    page.wait_for_selector("#alarms .alarm", timeout=20_000)
    page.context.close()
    return 1000 * max(wires.halts.values()) - clicked_ms


SECOND = {"name": "cost", "goal": "min", "unit": "1"}


def large_campaign(browser: Any, url: str, key: str, data: Path) -> dict[str, float]:
    """Ms in which the page of a campaign of 100,000 experiments is answered, the slowest of five; by its objectives."""
    client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    campaign = client.get("/v1/campaigns").json()["items"][0]["campaign"]
    table = schema.trial
    engine = sa.create_engine(f"sqlite:///{journal_file(data)}")
    with engine.begin() as connection:
        params = {"molality": 1.0, "ec_fraction": 0.4, "dmc_share": 0.5}
        many = [_row(campaign, number, params) for number in range(1, EXPERIMENTS + 1)]
        connection.execute(sa.insert(table), many)
        counted = {"tried": EXPERIMENTS, "budget": EXPERIMENTS, "best": 11.0}  # as the engine writes them
        connection.execute(sa.update(schema.campaign).where(schema.campaign.c.id == campaign).values(**counted))
    page = signed_in(browser, url, key)
    found = {"one objective": _answered_ms(page, f"{url}/campaigns/{campaign}")}
    with engine.begin() as connection:
        mine = schema.campaign_spec.c.campaign == campaign
        spec = json.loads(connection.execute(sa.select(schema.campaign_spec.c.spec).where(mine)).scalar_one())
        both = {"objectives": json.dumps([spec["objective"], SECOND]), "front": 1}
        connection.execute(sa.update(schema.campaign).where(schema.campaign.c.id == campaign).values(**both))
        more = json.dumps({**spec, "more_objectives": [SECOND]})
        connection.execute(sa.update(schema.campaign_spec).where(mine).values(spec=more))
    engine.dispose()
    found["two objectives"] = _answered_ms(page, f"{url}/campaigns/{campaign}")
    page.context.close()
    return found


def _answered_ms(page: Any, address: str) -> float:
    took = []
    for _ in range(5):
        page.goto(address, wait_until="domcontentloaded")
        took.append(page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd"))
    return max(took)


def _row(campaign: str, number: int, params: dict[str, float]) -> dict[str, Any]:
    """An experiment that has ended, as the journal has it."""
    name, outcome = f"{number:06}", {"mean": 10 + number / EXPERIMENTS, "sem": 0.1}
    trial = {
        "id": name,
        "params": params,
        "status": "done",
        "outcomes": {"conductivity": outcome, "cost": {"mean": 20 - number / EXPERIMENTS}},
        "rationale": "drawn",
    }
    return {
        "campaign": campaign, "n": 1000 + number, "id": name, "label": name, "status": "done", "source": "planner",
        "trial": json.dumps(trial),
    }  # fmt: skip


def main() -> int:
    """Measure and print; 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--stops", type=int, default=5)
    parser.add_argument("--listen", nargs=3, metavar=("URL", "KEY", "COUNT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        listen(options.listen[0], options.listen[1], int(options.listen[2]))
        return 0
    from playwright.sync_api import sync_playwright

    logging.disable(logging.CRITICAL)
    folder = read_lab(ROOT)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    stops: list[float] = []
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for number in range(options.stops):
            data = Path(scratch) / str(number)
            data.mkdir()
            with controlled(folder, data, number + 1) as wires, service_of(data) as (url, key):
                if number == 0:
                    size, paint_ms = first_load(browser, url, key)
                    pixels = event_to_pixel(browser, url, key, data, 10)
                with streams(url, key, options.streams):
                    stops.append(stop_to_safe(browser, url, key, wires))
                if number == 0:
                    pages_ms = large_campaign(browser, url, key, data)
        browser.close()
    missed = _say("first load of Now", size / 1000, LOAD_BYTES / 1000, "kB")
    missed |= _say("first paint", paint_ms, PAINT_MS)
    missed |= _say(f"event to pixel, median of {len(pixels)}", statistics.median(pixels), PIXEL_MS)
    missed |= _say("event to pixel, slowest", max(pixels), PIXEL_MS)
    words = f"Stop to the last device halted, {options.streams} streams"
    missed |= _say(f"{words}, median of {len(stops)}", statistics.median(stops), STOP_MS)
    missed |= _say(f"{words}, slowest", max(stops), STOP_MS)
    for what, page_ms in pages_ms.items():
        missed |= _say(f"page of {EXPERIMENTS:,} experiments, {what}, slowest of 5", page_ms, PAGE_MS)
    return int(missed)


def _say(what: str, found: float, limit: float, unit: str = "ms") -> bool:
    late = found > limit
    print(f"{what:60} {found:8.1f} {unit} (limit {limit:g}){'  MISSED' if late else ''}")
    return late


if __name__ == "__main__":
    raise SystemExit(main())
