"""The five tasks in Labwright's console, on a served reference lab with a request desk and simulated instruments."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.console_tasks.hand import Hand
from labwright.journal import journal_file
from labwright.service.database import Door, door_place
from labwright.service.people import add_person, add_project, join, make_key

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
SPEED = 100
CAMPAIGN = {"budget": "16", "planner": "{name: sobol}"}
"""What the lab's campaign has otherwise than in its file: it is to be quick, and to want more DMC than is left."""

STARTED_S = 300
"""Wall seconds in which the lab has to get so far."""

SOON = "DMC_EC_50_50_LiPF6_2-1"
"""The stock that is counted to be so little that it runs out before the campaigns end."""

LITTLE = "1mL"

DESK = """
terms: "1"
offers:
  electrolyte_conductivity: {prepare: [cell_calibration]}
currency: JPY
prices: {request: 1000}
"""

REQUEST: dict[str, Any] = {
    "project": "cells",
    "title": "Conductivity of one mixture",
    "protocol": {"name": "electrolyte_conductivity", "version": "1"},
    "parameters": {
        "molality": {"value": 1.0, "unit": "mol/kg"},
        "ec_fraction": 0.4,
        "dmc_share": 0.5,
        "temperature": {"value": 27, "unit": "degC"},
    },
    "export_control": {"status": "not_controlled"},
    "terms": "1",
    "contact": "ada@example.org",
}


@dataclass(frozen=True)
class TaskLab:
    """A lab in which the tasks are done.

    Attributes:
        url: of its service.
        key: of an operator.
        request: that waits for the operator's review.
    """

    url: str
    key: str
    request: str


@contextlib.contextmanager
def task_lab(folder: Path) -> Iterator[TaskLab]:
    """Serve a reference lab in which there is something to find, to stop and to approve.

    Args:
        folder: in which it is made.
    """
    lab, data = folder / "lab", folder / "data"
    for part in ("lab_config", "devices", "protocols", "simulators"):
        shutil.copytree(ROOT / part, lab / part, ignore=shutil.ignore_patterns("__pycache__"))
    (lab / "lab_config" / "desk.yaml").write_text(DESK)
    file = lab / "lab_config" / "campaigns" / "conductivity.yaml"
    text = file.read_text("utf-8")
    for name, value in CAMPAIGN.items():
        text = re.sub(rf"(?m)^{name}: .*$", f"{name}: {value}", text)
    file.write_text(f"{text}parallel: 4\n", "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = ["serve", str(lab), "--data", str(data), "--no-store", "--port", port, "--simulated", "--speed", str(SPEED)]
    command = [sys.executable, "-m", "labwright", *words]
    with (folder / "said").open("w") as said, subprocess.Popen(command, stderr=said, cwd=folder) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _until(lambda: "service listens on" in (folder / "said").read_text())
            yield _prepared(url, data)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _prepared(url: str, data: Path) -> TaskLab:
    with Door(door_place(journal_file(data))) as door, door.writing() as connection:
        add_person(connection, "tom", roles=["operator"])
        add_person(connection, "ada")
        add_project(connection, "cells", "Cells")
        join(connection, "cells", "ada", "requester")
        keys = {name: make_key(connection, name, "tasks").secret for name in ("tom", "ada")}
    with _client(url, keys["ada"]) as ada:
        request = _post(ada, "/v1/requests", **REQUEST)["id"]
        state = _post(ada, f"/v1/requests/{request}/submit")["state"]
        if state != "validated":
            raise SystemExit(f"the request is {state}")
    return TaskLab(url, keys["tom"], request)


def _client(url: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def _post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body, headers={"Idempotency-Key": re.sub(r"\W", "-", path)})
    if answer.is_error:
        raise SystemExit(f"{path}: {answer.status_code} {answer.text}")
    return dict(answer.json())


def _until(holds: Callable[[], object]) -> None:
    ends_s = time.monotonic() + STARTED_S
    while not holds():
        if time.monotonic() > ends_s:
            raise SystemExit(f"the lab did not get so far within {STARTED_S} s")
        time.sleep(0.2)


def signed_in(browser: Browser, lab: TaskLab) -> Page:
    """A page of the operator on Now."""
    page = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB").new_page()
    page.goto(f"{lab.url}/sign-in")
    page.fill("input[name=key]", lab.key)
    page.click("form:has(input[name=key]) button")
    page.wait_for_url("**/now")
    return page


SPECTRUM_WORDS = "Impedance of this sample"


def spectrum(hand: Hand, lab: TaskLab) -> None:
    """Find vial 7's spectrum: the campaign, its experiment 0007."""
    with _client(lab.url, lab.key) as tom:
        campaign = tom.get("/v1/campaigns").json()["items"][0]["campaign"]
        _until(lambda: SPECTRUM_WORDS in tom.get(f"/campaigns/{campaign}/experiments/0007").text)
    hand.click(f"#under_way a[href='/campaigns/{campaign}']", "#trials a")
    hand.click("#trials a >> text=0007", f"text={SPECTRUM_WORDS}")
    hand.read(f"text={SPECTRUM_WORDS}")


def runs_out(hand: Hand, lab: TaskLab) -> None:
    """See when DMC runs out: its row in the inventory."""
    with _client(lab.url, lab.key) as tom:
        _post(tom, "/v1/inventory/count", what=[f"{SOON}={LITTLE}"], because="weighed")
    hand.click("nav >> text=Inventory", "#stocks table")
    found = hand.read(f"#stocks tr:has-text('{SOON}') td:nth-child(5)")
    if "runs out in" not in found:
        raise SystemExit(f"the inventory does not say when it runs out: {found!r}")


def approve(hand: Hand, lab: TaskLab) -> None:
    """Approve a request that waits for one's review."""
    hand.click(f"#waiting a[href='/requests/{lab.request}']", "#reviews textarea")
    hand.click("#reviews textarea")
    hand.type("well described")
    hand.click("#reviews button[value=accept]", "#reviews .reviewed")
    hand.read("#reviews .reviewed")


def start(hand: Hand, lab: TaskLab) -> None:
    """Start a campaign of the lab's, as its file is."""
    hand.click("#under_way a[href='/campaigns/new']", "button.main")
    hand.click("button.main", "#steering, #list")  # the list, if the controller has not answered at once
    hand.read("#facts .state, #list .state")


def stop_arm(hand: Hand, lab: TaskLab) -> None:
    """Stop the arm now, and nothing else."""
    hand.click("#stations a >> text=transport", "button.danger[value=true]")
    hand.click("button.danger[value=true]", "#alarms .alarm")
    hand.read("#alarms .alarm")


TASKS: tuple[tuple[str, Callable[[Hand, TaskLab], None]], ...] = (
    ("approve a request", approve),
    ("start a campaign", start),
    ("find vial 7's spectrum", spectrum),
    ("see when DMC runs out", runs_out),
    ("stop the arm", stop_arm),
)
"""All begin on Now; the campaign that is started is the one of which the next tasks are."""


def done(browser: Browser, lab: TaskLab) -> dict[str, Hand]:
    """Do all tasks; what each has cost."""
    page = signed_in(browser, lab)
    found = {}
    for name, task in TASKS:
        page.goto(f"{lab.url}/now")
        page.wait_for_load_state()
        found[name] = Hand(page)
        task(found[name], lab)
    page.context.close()
    return found
