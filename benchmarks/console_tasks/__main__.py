"""Five tasks of a newcomer, in clicks and seconds: `python -m benchmarks.console_tasks [--ivoryos VENV]`.

Serves a reference lab with a request desk on simulated instruments, does each task in Chromium by its shortest path,
as a person does who has read the page, and prints a table; beside it the tasks that ivoryOS has, with its own server,
if it is given a folder for an environment of its own, into which it is installed by name.

Two kinds of seconds: what the machine took, measured from each act to what has to be seen before the next, with the
time that the browser's driver takes; and what a person takes besides, by the keystroke-level model (hand.py says the
rules). Every figure comes from the run. It needs what `make test-browser` installs, and Debian's Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.console_tasks import ivoryos, ours
from benchmarks.console_tasks.hand import Hand
from benchmarks.peers.environment import NotRunError
from labwright import __version__

HEADS = ("task", "system", "clicks", "keys", "pages", "windows scrolled", "machine, s", "person, s", "operators")


def main(argv: Sequence[str] | None = None) -> int:
    """Do the tasks and print the table; 0."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.console_tasks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ivoryos", type=Path, metavar="VENV", help="environment of ivoryOS; made if it is not there")
    options = parser.parse_args(argv)
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    theirs: dict[str, Hand] = {}
    missing: dict[str, str] = {}
    peer, why_not = "", "not run: no --ivoryos VENV was given"
    began = datetime.now(UTC)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with tempfile.TemporaryDirectory() as folder, ours.task_lab(Path(folder)) as lab:
            mine = ours.done(browser, lab)
        if options.ivoryos is not None:
            try:
                with ivoryos.ivory(options.ivoryos) as server:
                    theirs, peer = ivoryos.done(browser, server), f" {server.version}"
                    missing = ivoryos.not_there(browser, server)
            except NotRunError as error:
                why_not = f"not run: {error}"
        browser.close()
    load = f"load {os.getloadavg()[0]:.1f}"
    print(f"{began:%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {load}, Chromium, window 1200 by 900.\n")
    print(f"| {' | '.join(HEADS)} |\n|{' --- |' * len(HEADS)}")
    for name, hand in mine.items():
        _print(name, f"Labwright {__version__}", hand)
        if name in theirs:
            _print(ivoryos.INSTEAD[name], f"ivoryOS{peer}", theirs[name])
        else:
            words = missing.get(name, "not done here") if theirs else why_not
            print(f"| {words} | ivoryOS{peer} |{' |' * (len(HEADS) - 2)}")
    return 0


def _print(task: str, system: str, hand: Hand) -> None:
    numbers = (hand.clicks, hand.keys, hand.pages, hand.screens, f"{hand.machine_s:.1f}", f"{hand.person_s:.1f}")
    print(f"| {task} | {system} | {' | '.join(str(one) for one in numbers)} | {hand.sequence} |")


if __name__ == "__main__":
    sys.exit(main())
