"""The tasks that ivoryOS has, in its own pages; its server runs in an environment of its own, on a simulated deck."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from benchmarks.console_tasks.hand import Hand
from benchmarks.peers.__main__ import IVORYOS
from benchmarks.peers.environment import HERE, Environment, NotRunError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

WEB = {
    "bootstrap@5.3.3": ("bootstrap.min.css", "bootstrap.bundle.min.js"),
    "bootstrap-icons@1.11.3": ("bootstrap-icons.css",),
    "jquery@3.7.1": ("jquery-3.7.1.min.js",),
    "jquery-ui@1.13.3": ("jquery-ui.min.js",),
    "socket.io-client@4.4.1": ("socket.io.js",),
    "sortablejs@1.15.7": ("Sortable.min.js",),
    "vis-timeline@8.5.4": ("vis-timeline-graph2d.min.js", "vis-timeline-graph2d.min.css"),
}
"""What its pages load from elsewhere, by package of the same release: served from the disk, so that no network is
measured. Highlighting, the code editor and Plotly, of which no task makes use, are empty."""

FILES = {
    "bootstrap.min.css": "bootstrap/dist/css/bootstrap.min.css",
    "bootstrap.bundle.min.js": "bootstrap/dist/js/bootstrap.bundle.min.js",
    "bootstrap-icons.css": "bootstrap-icons/font/bootstrap-icons.css",
    "jquery-3.7.1.min.js": "jquery/dist/jquery.min.js",
    "jquery-ui.min.js": "jquery-ui/dist/jquery-ui.min.js",
    "socket.io.js": "socket.io-client/dist/socket.io.js",
    "Sortable.min.js": "sortablejs/Sortable.min.js",
    "vis-timeline-graph2d.min.js": "vis-timeline/standalone/umd/vis-timeline-graph2d.min.js",
    "vis-timeline-graph2d.min.css": "vis-timeline/styles/vis-timeline-graph2d.min.css",
}

STARTED_S = 60

REPEATS = 9
"""Of the run whose seventh is looked for."""

MISSING = {
    "see when DMC runs out": r"(?i)inventor|\bstocks?\b|reagent|runs? out",
    "approve a request": r"(?i)approv|\brequests?\b|review a",
}
"""Tasks that it does not have, with the words that are looked for on each page to which its menu leads."""

INSTEAD = {
    "find vial 7's spectrum": "iteration 7 of a run, with its steps and values: there are no vials and no spectra",
    "start a campaign": "a saved workflow, once, without an optimiser",
    "stop the arm": "the whole run, after the step under way: no device is stopped by itself, and none within a step",
}
"""What was done instead, where it has not quite the task."""


@dataclass(frozen=True)
class Ivory:
    """Its server.

    Attributes:
        url: of its first page.
        web: folder of the packages that its pages load.
        version: of it.
    """

    url: str
    web: Path
    version: str


@contextlib.contextmanager
def ivory(venv: Path) -> Iterator[Ivory]:
    """Serve a simulated deck.

    Args:
        venv: environment in which it is installed, and is installed if it is not.

    Raises:
        NotRunError: it cannot be installed, or does not go here.
    """
    environment = Environment(venv.resolve(), IVORYOS)
    environment.make()
    web = venv.resolve() / "web"
    if not (web / "node_modules").is_dir():
        npm = shutil.which("npm")
        if npm is None:
            raise NotRunError("npm is missing, by which the scripts of its pages are installed")
        words = [npm, "install", "--silent", "--no-save", "--prefix", str(web), *WEB]
        if subprocess.run(words, capture_output=True, timeout=300, check=False).returncode:
            raise NotRunError("the scripts of its pages cannot be installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(environment.python), str(HERE / "ivoryos_lab.py"), str(port)]
    null = subprocess.DEVNULL
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
        subprocess.Popen(command, cwd=scratch, stdout=null, stderr=null) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}/ivoryos/"
            _until_it_answers(url, process)
            yield Ivory(url, web / "node_modules", IVORYOS[0].partition("==")[2])
        finally:
            process.kill()


def _until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    ends_s = time.monotonic() + STARTED_S
    while time.monotonic() < ends_s and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url)
            return
        time.sleep(0.2)
    raise NotRunError("its server does not answer")


def signed_in(browser: Browser, server: Ivory) -> Page:
    """A page of its first account."""

    def given(route: Route) -> None:
        name = route.request.url.partition("?")[0].rpartition("/")[2]
        if name in FILES:
            route.fulfill(path=server.web / FILES[name], headers={"Access-Control-Allow-Origin": "*"})
        else:
            route.fulfill(body="", content_type="text/css" if name.endswith("css") else "text/javascript")

    page = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB").new_page()
    page.route(lambda url: not url.startswith("http://127.0.0.1"), given)
    page.goto(server.url)
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", "admin")
    page.click("button[type=submit] >> visible=true")
    page.wait_for_selector("text=Welcome back")
    return page


def _with_a_run(page: Page) -> None:
    """Save a workflow, and run it; neither is counted."""
    page.click("text=Create New Design")
    for number, action in enumerate(("Dose", "Move")):
        page.click(f"text={action} >> visible=true")
        page.locator("button:visible", has_text="Add").last.click()
        page.locator(".reorder li").nth(number).wait_for()
    page.click("text=Save As")
    page.fill("#run_name", "conductivity")
    page.click("#saveasModal button[type=submit], .modal.show button:has-text('Save')")
    page.wait_for_load_state()
    _run(page, REPEATS)
    page.wait_for_selector("#global-status-icon >> text=Idle", timeout=60_000)


def _run(page: Page, repeats: int) -> None:
    """Run the workflow that is open."""
    page.click("text=Prepare Run")
    page.fill("#repeat", str(repeats))
    page.click("#tab1 button[type=submit]")
    page.wait_for_selector("#global-status-icon >> text=Running")


def find(hand: Hand, server: Ivory) -> None:
    """Find iteration 7 of a run."""
    hand.click("nav >> text=Data", "text=View Logs")
    hand.click("text=View Logs", "text=Iteration 7")
    hand.read("#card-iter7")


def start(hand: Hand, server: Ivory) -> None:
    """Run a saved workflow, once."""
    hand.click("text=Open in Editor", "text=Prepare Run")
    hand.click("text=Prepare Run", "#tab1 button[type=submit]")
    hand.click("#tab1 button[type=submit]", "#global-status-icon >> text=Running")
    hand.read("#global-status-icon")


def stop(hand: Hand, server: Ivory) -> None:
    """Stop the run that is under way."""
    hand.click("nav >> text=Execution", "#abort-current")
    hand.click("#abort-current", "#stopWorkflowConfirmBtn >> visible=true")
    hand.click("#stopWorkflowConfirmBtn", "#global-status-icon >> text=Idle")
    hand.read("#global-status-icon")


TASKS: tuple[tuple[str, Callable[[Hand, Ivory], None]], ...] = (
    ("find vial 7's spectrum", find),
    ("start a campaign", start),
    ("stop the arm", stop),
)
"""Named as ours; all begin on its first page."""


def done(browser: Browser, server: Ivory) -> dict[str, Hand]:
    """Do all tasks that it has; what each has cost.

    Raises:
        NotRunError: its pages are not as they were.
    """
    from playwright.sync_api import Error

    try:
        return _done(browser, server)
    except Error as error:
        raise NotRunError(str(error).splitlines()[0]) from error


def not_there(browser: Browser, server: Ivory) -> dict[str, str]:
    """Tasks that it does not have, each with where that was looked for; one whose words are found is not among them."""
    page = signed_in(browser, server)
    links = page.locator("nav a.nav-link:visible").all()
    pages = {one.inner_text().strip(): one.get_attribute("href") for one in links}
    texts = {}
    for name, path in pages.items():
        if path and path.startswith("/"):
            page.goto(f"{server.url.partition('/ivoryos')[0]}{path}")
            texts[name] = page.inner_text("body")
    page.context.close()
    where = f"not there (looked for on {', '.join(texts)})"
    return {task: where for task, words in MISSING.items() if not re.search(words, " ".join(texts.values()))}


def _done(browser: Browser, server: Ivory) -> dict[str, Hand]:
    page = signed_in(browser, server)
    _with_a_run(page)
    found = {}
    for name, task in TASKS:
        if name == "stop the arm":
            page.wait_for_selector("#global-status-icon >> text=Idle", timeout=60_000)
            page.goto(server.url)
            page.click("text=Open in Editor")
            _run(page, 100)
        page.goto(server.url)
        page.wait_for_load_state()
        found[name] = Hand(page)
        task(found[name], server)
    page.context.close()
    return found
