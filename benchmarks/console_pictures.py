"""Takes the pictures of the console in docs/pictures: `python -m benchmarks.console_pictures [--all]`.

It serves the reference lab with `labwright demo --console`, waits until some experiments are done, signs in by the link
that is shown, and photographs each page: in English, light, 1200 px wide, and in Japanese, dark, 420 px wide; with
`--all` in both languages, both themes and both widths, into a folder to be looked at (var/pictures).
"""

from __future__ import annotations

import argparse
import itertools
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from labwright.service.console.frame import PLACES

ROOT = Path(__file__).parents[1]
KEPT = (("en", "light", 1200), ("ja", "dark", 420))
DONE = 4
"""Experiments of the first campaign that have ended before pictures are taken."""
QUALITY = 60


def main() -> int:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="in all languages, themes and widths, into var/pictures")
    options = parser.parse_args()
    folder = ROOT / ("var" if options.all else "docs") / "pictures"
    looks = list(itertools.product(("en", "ja"), ("light", "dark"), (1200, 420))) if options.all else list(KEPT)
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as data:
        words = ["demo", "--console", "--port", str(port), "--data", data, "--speed", "60"]
        process = subprocess.Popen([sys.executable, "-m", "labwright", *words], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        try:
            link = ""
            for line in process.stderr:
                link = (re.findall(r"http://\S+invitation=\S+", line) or [link])[0]
                if "service listens on" in line:
                    break
            _photographed(link, f"http://127.0.0.1:{port}", folder, looks)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    return 0


def _photographed(link: str, url: str, folder: Path, looks: list[tuple[str, str, int]]) -> None:
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
        pages = {place.path.strip("/"): place.path for place in PLACES}
        pages |= {
            "campaign": f"/campaigns/{campaign}",
            "experiment": f"/campaigns/{campaign}/experiments/0001",
            "launch": "/campaigns/new?name=conductivity",
        }
        for language, theme, width in looks:
            seen = browser.new_context(
                viewport={"width": width, "height": 900}, locale="ja-JP" if language == "ja" else "en-GB",
                color_scheme=theme, storage_state=state,
            ).new_page()  # fmt: skip
            for name, path in pages.items():
                seen.goto(f"{url}{path}")
                seen.wait_for_timeout(2000)
                file = folder / f"{name}-{language}-{theme}-{width}.jpg"
                seen.screenshot(path=str(file), type="jpeg", quality=QUALITY)
                print(file.relative_to(ROOT))
        browser.close()


def _until_some_are_done(page: Any, url: str) -> str:
    """The older campaign under way, once enough of it is done."""
    ends_s = time.monotonic() + 300
    while time.monotonic() < ends_s:
        items = page.request.get(f"{url}/v1/campaigns").json()["items"]
        if items and items[-1]["tried"] > DONE:
            return str(items[-1]["campaign"])
        page.wait_for_timeout(1000)
    raise SystemExit("no experiments were done within 5 minutes")


if __name__ == "__main__":
    raise SystemExit(main())
