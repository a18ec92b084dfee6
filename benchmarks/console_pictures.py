"""Takes the pictures of the console in docs/pictures.

`python -m benchmarks.console_pictures [--to FOLDER] [--page NAME]` serves the reference lab with `labwright demo
--console`, lets a researcher ask for something, waits until some experiments are done, and photographs each page in
English and Japanese, light and dark, 1200 and 420 px wide. In docs/pictures it also writes
docs/reference/console-pictures.md, which shows all of them.
"""

from __future__ import annotations

import argparse
import base64
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
from pathlib import Path
from typing import Any

import httpx

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

HEAD = """# Pictures of the console

Each page in English and Japanese, light and dark, 1200 and 420 px wide, of the reference lab on simulated instruments.
Written by `python -m benchmarks.console_pictures`.
"""


def main() -> int:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=KEPT, help="folder, if not docs/pictures")
    parser.add_argument("--page", action="append", default=[], help="only this page, by its name; again for more")
    options = parser.parse_args()
    folder: Path = options.to
    folder.mkdir(parents=True, exist_ok=True)
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
            names = _photographed(link, f"http://127.0.0.1:{port}", folder, options.page)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    if folder == KEPT:
        LIST.write_text(_listed(names), encoding="utf-8")
    return 0


def _photographed(link: str, url: str, folder: Path, only: list[str]) -> list[str]:
    """Take the pictures; the names of the pages."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context()
        page = context.new_page()
        page.goto(link)
        page.click(".card form:has(input[name=invitation][type=hidden]) button")
        page.wait_for_url("**/now")
        campaign = _until_some_are_done(page, url)
        state = context.storage_state()
        pages = _pages(page, url, campaign, _asked(page, url))
        for language, theme, width in LOOKS:
            seen = browser.new_context(
                viewport={"width": width, "height": 900}, locale="ja-JP" if language == "ja" else "en-GB",
                color_scheme=theme, storage_state=state,
            ).new_page()  # fmt: skip
            wire = seen.context.new_cdp_session(seen)
            for name, path in pages.items():
                if only and name not in only:
                    continue
                seen.goto(f"{url}{path}")
                if name == "model":
                    seen.wait_for_selector("svg.lw", timeout=60_000)
                seen.wait_for_timeout(1500)
                tall = min(TALLEST[width], seen.evaluate("document.documentElement.scrollHeight"))
                clip = {"x": 0, "y": 0, "width": width, "height": tall, "scale": 1}
                whole = {"format": "webp", "quality": QUALITY, "captureBeyondViewport": True, "clip": clip}
                taken = base64.b64decode(wire.send("Page.captureScreenshot", whole)["data"])
                (folder / f"{name}-{language}-{theme}-{width}.webp").write_bytes(taken)
            seen.context.close()
            print(f"{len(only or pages)} pages in {language}, {theme}, {width} px")
        browser.close()
    return list(pages)


def _pages(page: Any, url: str, campaign: str, request: str) -> dict[str, str]:
    """Path of each page, by its name in the files."""
    page.goto(f"{url}/data")
    run = page.get_attribute("main a[href^='/data/']", "href")
    sample = page.request.get(f"{url}/v1/samples?limit=1").json()["items"][0]["sample"]
    return {
        **{place.path.strip("/"): place.path for place in PLACES},
        "campaign": f"/campaigns/{campaign}",
        "experiment": f"/campaigns/{campaign}/experiments/0001",
        "model": f"/campaigns/{campaign}/model",
        "launch": "/campaigns/new?name=conductivity",
        "station": "/stations/dosing",
        "sample": f"/samples/{sample}",
        "request": f"/requests/{request}",
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
