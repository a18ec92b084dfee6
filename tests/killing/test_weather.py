"""Bad weather: what a lab meets in a week. Nothing doubled, nothing lost, and it is said in words."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.killing.bench import Bench, Kill, assert_once, bench, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.long]


class Running:
    """A controller in the background."""

    def __init__(self, one: Bench, *kills: Kill, budget: int = 4) -> None:
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, args=(one, kills, budget))
        self._thread.start()

    def _run(self, one: Bench, kills: tuple[Kill, ...], budget: int) -> None:
        self.code = one.run(*kills, budget=budget)

    def ended(self) -> int:
        """Wait for its end; the exit code."""
        self._thread.join(200)
        assert self.code is not None, "it does not end"
        return self.code


def effects(one: Bench, kind: str) -> int:
    return sum(effect["effect"] == kind for effect in one.effects())


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small file system needs root: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_stops_everything_and_a_free_one_lets_it_go_on(disk: Path, tmp_path: Path) -> None:
    with bench(tmp_path / "bench", str(disk / "journal.sqlite")) as one:
        run = Running(one)
        until(lambda: effects(one, "turn") >= 1, "the first experiment is under way")
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file:  # nothing is left to be written when it is closed
            while True:
                try:
                    file.write(bytes(65536))
                except OSError:
                    break
        assert run.ended() == 1
        assert "refuses" in one.said()
        assert "free the disk" in one.said()
        filler.unlink()
        while one.cut_off():
            assert one.run() == 0, one.said()[-2000:]
        assert assert_once(one) == 4


def test_a_journal_that_cannot_be_written_lets_nothing_begin(disk: Path, tmp_path: Path) -> None:
    with bench(tmp_path / "bench", str(disk / "journal.sqlite")) as one:
        one.run(Kill("after intent:turn"), budget=1)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        before = one.effects()
        assert one.run() == 1
        # Which of both depends on whether the last reader has left the file's write-ahead log.
        assert re.search("refuses: unable to open database file|cannot be locked: .*Read-only file system", one.said())
        assert "Nothing may move without it" in one.said()
        assert one.effects() == before
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        assert one.run() == 0
        assert assert_once(one) == 1


def away(tmp_path: Path, server: Any, seconds: float) -> None:
    with bench(tmp_path / "bench", server.fresh_database(), server) as one:
        run = Running(one)
        until(lambda: effects(one, "run") >= 1, "the first experiment is under way")
        server.kill()
        begun = time.monotonic()
        time.sleep(seconds)
        quiet = one.effects()
        assert len([effect for effect in quiet if effect["effect"] in ("dose", "run", "squirt")]) <= 3
        server.start()
        assert run.ended() == 0, one.said()[-2000:]
        assert "does not answer" in one.said()
        assert "is back after" in one.said()
        with one.journal() as journal:
            noted = [
                logged.payload["words"] for logged in journal.events(journal.campaigns()[0]) if logged.kind == "noted"
            ]
        assert any("is back after" in words for words in noted), "it is not in the journal"
        assert assert_once(one) == 4
        assert time.monotonic() - begun >= seconds


def test_a_database_that_is_gone_for_a_while(postgres: Any, tmp_path: Path) -> None:
    away(tmp_path, postgres, 4.0)


@pytest.mark.soak
def test_a_database_that_is_gone_for_a_minute(postgres: Any, tmp_path: Path) -> None:
    away(tmp_path, postgres, 60.0)


def test_a_clock_that_is_set_back_by_an_hour_changes_nothing(tmp_path: Path) -> None:
    with bench(tmp_path / "bench") as one:
        began = time.monotonic()
        assert one.run(Kill("after intent:count_dose", "clock"), budget=2) == 0, one.said()[-2000:]
        assert time.monotonic() - began < 60
        assert "late" not in one.said()
        # and a controller that goes on under a clock that jumped between
        one.run(Kill("middle of pump", "clock"), Kill("after intent:dumb_dose"), budget=2)
        assert one.run() == 0
        assert assert_once(one) == 4


def late(tmp_path: Path, seconds: float) -> None:
    with bench(tmp_path / "bench") as one:
        run = Running(one)
        until(lambda: effects(one, "run") >= 1, "the first experiment is under way")
        for device in ("pump", "valve", "dumb"):
            one.fault(device, "slow", value=0.8, count=100_000)  # longer than anybody waits
        time.sleep(seconds)
        one.clear_faults()
        assert run.ended() == 0, one.said()[-2000:]
        assert assert_once(one) == 4


def test_instruments_that_answer_late_for_minutes(tmp_path: Path) -> None:
    late(tmp_path, 6.0)  # two minutes of the lab


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_instruments_that_answer_late_for_ten_minutes(tmp_path: Path) -> None:
    late(tmp_path, 600.0)


def planner_of(one: Bench) -> int | None:
    found = subprocess.run(["pgrep", "-f", "labwright.planners"], capture_output=True, text=True).stdout.split()
    for pid in map(int, found):
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except FileNotFoundError:
            continue
        if parent == one.controller:
            return pid
    return None


def test_a_planner_that_dies_is_asked_again(tmp_path: Path) -> None:
    with bench(tmp_path / "bench") as one:
        run = Running(one, budget=6)
        killed: set[int] = set()
        measured = -1
        while run.code is None and len(killed) < 3:
            pid, now = planner_of(one), effects(one, "measure")
            if pid is not None and pid not in killed and now > measured:  # one for each experiment: it is tried thrice
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
                measured = now
            time.sleep(0.02)
        assert run.ended() == 0, one.said()[-2000:]
        assert killed
        assert assert_once(one) == 6
