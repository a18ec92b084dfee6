"""Takes the pictures of the console in docs/pictures.

`python -m benchmarks.console_pictures [--to FOLDER] [--page NAME]` serves the reference lab with `labwright demo
--console`, lets a researcher ask for something, waits until some experiments are done, and photographs each page in
English and Japanese, light and dark, 1200 and 420 px wide. Then it does so in a lab in which a step has failed, a task
card is open and an alarm rings (`benchmarks.waiting_lab`). In docs/pictures it also writes
docs/reference/console-pictures.md, which shows all of them.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.waiting_lab import waiting_lab
from labwright.service.console.frame import PLACES

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "pictures"
LIST = ROOT / "docs" / "reference" / "console-pictures.md"
LOOKS = list(itertools.product(("en", "ja"), ("light", "dark"), (1200, 420)))
DONE = 2
"""Experiments of the first campaign that have ended before pictures are taken."""
QUALITY = 25
TALLEST = {1200: 1200, 420: 1400}
"""Pixels from the top that are taken, by width; a table of experiments goes on."""

SIGNED_OUT = ("sign-in",)
"""Pages that are seen before one has signed in."""

WAITING = ("waiting", "failed-step")
"""Pages of the lab in which all waits for a person."""

HEAD = """# Pictures of the console

Each page in English and Japanese, light and dark, 1200 and 420 px wide, of the reference lab on simulated instruments;
the last two are of a small lab in which a step has failed, a task card is open and an alarm rings. Written by
`python -m benchmarks.console_pictures`.
"""


def main() -> int:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=KEPT, help="folder, if not docs/pictures")
    parser.add_argument("--page", action="append", default=[], help="only this page, by its name; again for more")
    options = parser.parse_args()
    folder: Path = options.to
    folder.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    if not options.page or set(options.page) - set(WAITING):
        names += _of_reference_lab(folder, options.page)
    if not options.page or set(options.page) & set(WAITING):
        names += _of_waiting_lab(folder, options.page)
    if folder == KEPT and not options.page:
        LIST.write_text(_listed(names), encoding="utf-8")
    return 0


@contextlib.contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def _of_reference_lab(folder: Path, only: list[str]) -> list[str]:
    """Take the pictures of the reference lab; the names of the pages."""
    with _demo() as (link, url), _browser() as browser:
        page = browser.new_context().new_page()
        page.goto(link)
        page.click(".card form:has(input[name=invitation][type=hidden]) button")
        page.wait_for_url("**/now")
        campaign = _until_some_are_done(page, url)
        pages = _pages(page, url, campaign, _asked(page, url))
        _photographed(browser, page.context.storage_state(), url, pages, folder, only)
    return list(pages)


@contextlib.contextmanager
def _demo() -> Iterator[tuple[str, str]]:
    """The reference lab's console: the link by which one signs in, and the URL of the service."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        words = ["demo", "--console", "--port", str(port), "--data", data, "--speed", "15", "--budget", "28"]
        process = subprocess.Popen([sys.executable, "-m", "labwright", *words], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        try:
            link = ""
            for line in process.stderr:
                link = (re.findall(r"http://\S+invitation=\S+", line) or [link])[0]
                if "service listens on" in line:
                    break
            yield link, f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _of_waiting_lab(folder: Path, only: list[str]) -> list[str]:
    """Take the pictures of the lab in which all waits for a person; the names of the pages."""
    with tempfile.TemporaryDirectory() as place, waiting_lab(Path(place)) as lab, _browser() as browser:
        pages = dict(zip(WAITING, ("/now", lab.failed), strict=True))
        page = browser.new_context().new_page()
        page.goto(f"{lab.url}/sign-in")
        page.fill("input[name=key]", lab.key)
        page.click("form:has(input[name=key]) button")
        page.wait_for_url("**/now")
        _photographed(browser, page.context.storage_state(), lab.url, pages, folder, only)
    return list(pages)


def _photographed(browser: Any, state: Any, url: str, pages: dict[str, str], folder: Path, only: list[str]) -> None:
    """Take the pictures of some pages in all looks.

    Args:
        browser: that shows them.
        state: of one who is signed in.
        url: of the service.
        pages: path of each, by its name.
        folder: for the pictures.
        only: names of those that are taken; all if empty.
    """
    wanted = {name: path for name, path in pages.items() if not only or name in only}
    for language, theme, width in LOOKS if wanted else ():
        look: dict[str, Any] = {
            "viewport": {"width": width, "height": 900}, "locale": "ja-JP" if language == "ja" else "en-GB",
            "color_scheme": theme,
        }  # fmt: skip
        with (
            contextlib.closing(browser.new_context(**look, storage_state=state)) as inside,
            contextlib.closing(browser.new_context(**look)) as outside,
        ):
            for name, path in wanted.items():
                taken = _picture((outside if name in SIGNED_OUT else inside).new_page(), name, f"{url}{path}", width)
                (folder / f"{name}-{language}-{theme}-{width}.webp").write_bytes(taken)
        print(f"{len(wanted)} pages in {language}, {theme}, {width} px")


def _picture(page: Any, name: str, address: str, width: int) -> bytes:
    """A page from its top, as webp."""
    page.goto(address)
    for summary in page.query_selector_all(".prompt summary"):
        summary.click()  # as a person does: so it stays open when the page is written again
    if name == "model":
        page.wait_for_selector("svg.lw", timeout=60_000)
    page.wait_for_timeout(1500)
    tall = min(TALLEST[width] * (2 if name in WAITING else 1), page.evaluate("document.documentElement.scrollHeight"))
    page.evaluate("scrollTo(0, 0)")  # a click may have scrolled it, and then the bars stand in the middle
    if name in WAITING:  # the bar of the alarms is at the window's lower edge
        page.set_viewport_size({"width": width, "height": tall})
        page.wait_for_timeout(500)
    clip = {"x": 0, "y": 0, "width": width, "height": tall, "scale": 1}
    whole = {"format": "webp", "quality": QUALITY, "captureBeyondViewport": True, "clip": clip}
    taken = base64.b64decode(page.context.new_cdp_session(page).send("Page.captureScreenshot", whole)["data"])
    page.close()
    return taken


def _pages(page: Any, url: str, campaign: str, request: str) -> dict[str, str]:
    """Path of each page, by its name in the files."""
    page.goto(f"{url}/data?step=measure")
    run = page.get_attribute("main a[href^='/data/']", "href")
    return {
        **{place.path.strip("/"): place.path for place in PLACES},
        "campaign": f"/campaigns/{campaign}",
        "experiment": f"/campaigns/{campaign}/experiments/0001",
        "model": f"/campaigns/{campaign}/model",
        "launch": "/campaigns/new?name=conductivity",
        "station": "/stations/dosing",
        "sample": f"/samples/{campaign}/0001",
        "request": f"/requests/{request}",
        "offers": "/requests/new",
        "request-form": "/requests/new?protocol=electrolyte_conductivity&kind=one",
        "run": run,
        "settings": "/settings",
        "people": "/settings/people",
        "projects": "/settings/projects",
        "calendar": "/settings/calendar",
        "sign-in": "/sign-in",
        "refused": "/stations/nowhere",
    }


def _asked(page: Any, url: str) -> str:
    """What a researcher asks the lab for; its id."""

    def post(path: str, body: dict[str, Any], method: str = "POST") -> Any:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        answer = page.request.fetch(f"{url}{path}", method=method, data=body, headers=headers)
        assert answer.ok, answer.text()
        return answer.json()

    post("/v1/projects", {"id": "solid", "title": "Solid electrolytes"})
    post("/v1/people", {"id": "ria", "name": "Ria"})
    for who in ("ria", "demo"):
        post(f"/v1/projects/solid/members/{who}", {"role": "requester"}, "PUT")
    key = post("/v1/keys", {"owner": "ria", "name": "notebook", "days": 1})["secret"]
    lent = {"molality": {"value": 1.1, "unit": "mol/kg"}, "ec_fraction": {"value": 0.3, "unit": "1"}}
    asked: dict[str, Any] = {
        "project": "solid",
        "title": "Conductivity of our best guess",
        "protocol": {"name": "electrolyte_conductivity", "version": "1"},
        "parameters": {**lent, "dmc_share": {"value": 0.9, "unit": "1"}, "temperature": {"value": 27, "unit": "degC"}},
        "export_control": {"status": "not_controlled"},
        "terms": "1",
        "contact": "ria@example.org",
    }
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as ria:
        offered = ria.get("/v1/capabilities").json()["protocols"]
        one = next(offer for offer in offered if offer["name"] == asked["protocol"]["name"])
        asked["protocol"]["version"] = one["version"]
        draft = ria.post("/v1/requests", json=asked, headers={"Idempotency-Key": "draft"})
        assert draft.status_code == 201, draft.text
        handed = ria.post(f"{draft.headers['location']}/submit", json={}, headers={"Idempotency-Key": "submit"})
        assert handed.status_code == 200, handed.text
    return str(draft.json()["id"])


def _until_some_are_done(page: Any, url: str) -> str:
    """The older campaign under way, once enough of it is done."""
    ends_s = time.monotonic() + 600
    while time.monotonic() < ends_s:
        items = page.request.get(f"{url}/v1/campaigns").json()["items"]
        if items and items[-1]["tried"] > DONE:
            return str(items[-1]["campaign"])
        page.wait_for_timeout(1000)
    raise SystemExit("no experiments were done within 10 minutes")


def _listed(names: list[str]) -> str:
    """The page of the docs that shows all pictures."""
    parts = [HEAD]
    for name in names:
        parts.append(f"\n## {name.replace('-', ' ').capitalize()}\n\n")
        for language, theme, width in LOOKS:
            file = f"../pictures/{name}-{language}-{theme}-{width}.webp"
            wide = 49 if width == 1200 else 24
            parts.append(f'<img src="{file}" alt="{name}, {language}, {theme}, {width} px" width="{wide}%">\n')
    return "".join(parts)


if __name__ == "__main__":
    raise SystemExit(main())
