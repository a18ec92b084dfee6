"""Readers that stay and do not read, of standard output and of standard error: the campaign runs, and is stopped."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labwright.cli.init import make_lab
from labwright.cli.relay import Outlet, Relay
from tests.cli.test_campaign_verbs import query
from tests.forks import Started, labwright, start

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    (folder / "lab_config" / "campaigns" / "long.yaml").write_text(
        re.sub(r"budget: \d+", "budget: 130", (folder / "lab_config" / "campaigns" / "first.yaml").read_text()).replace(
            "name: first", "name: long"
        )
    )
    return folder


def campaign(lab: Path, data: Path) -> tuple[str, ...]:
    words = ("campaign", "run", "long", "--lab", str(lab), "--data", str(data))
    return (*words, "--simulated", "--no-store", "--planner", "random")


def run(lab: Path, data: Path, *more: str, stdout: int | None = None, stderr: int | None = None) -> Started:
    return start(*campaign(lab, data), *more, stdout=stdout, stderr=stderr)


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def events(data: Path) -> list[int]:
    try:
        return [row[0] for row in query(data, "SELECT id FROM event ORDER BY id")]
    except sqlite3.OperationalError:
        return []


def test_a_campaign_completes_though_nobody_reads_its_output(lab: Path, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("wb") as stderr:
        one = run(lab, tmp_path, "--json", stderr=stderr.fileno())
    assert one.stdout is not None
    with one.stdout as stdout:
        assert one.wait(110) == 0
        *lines, gap, summary = map(json.loads, stdout.read().splitlines())
    assert "standard output is not read: the events after" in (tmp_path / "stderr").read_text()
    ids = events(tmp_path)
    assert [line["id"] for line in lines] == ids[: len(lines)], "every event once, in order, up to the gap"
    assert 0 < len(lines) < len(ids)
    assert (gap["kind"], gap["after"]) == ("gap", lines[-1]["id"])
    assert summary["state"] == "completed"


def test_a_reader_that_reads_on_later_gets_every_event(lab: Path, tmp_path: Path) -> None:
    place = tmp_path / "events"
    os.mkfifo(place)
    reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(place, os.O_WRONLY)
    one = run(lab, tmp_path, "--json", stdout=writer)
    os.close(writer)
    until(lambda: query(tmp_path, "SELECT id FROM campaign WHERE state = 'completed'") if events(tmp_path) else [])
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as pipe:
        lines = [json.loads(line) for line in pipe]
    one.communicate()
    assert one.returncode == 0
    assert [line["id"] for line in lines[:-1]] == events(tmp_path)
    assert lines[-1]["state"] == "completed"


def test_a_stop_now_is_obeyed_though_nobody_reads(lab: Path, tmp_path: Path) -> None:
    """Both streams are a pipe that is full before the campaign begins; on a real clock it would take hours."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    filled = 0
    try:
        while True:
            filled += os.write(write, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write, True)
    one = run(lab, tmp_path, "--speed", "1", "--json", stdout=write, stderr=write)
    until(lambda: events(tmp_path) and query(tmp_path, "SELECT * FROM intent WHERE state = 'prepared'"))
    done = labwright("campaign", "stop", "--now", "--data", tmp_path, "--by", "Ann", "--because", "it smells")
    assert done.returncode == 0, done.stderr
    assert one.wait(40) == 130
    assert query(tmp_path, "SELECT state, reason FROM campaign") == [("stopped", "stopped by Ann: it smells")]
    again = labwright("campaign", "run", "long", "--lab", lab, "--data", tmp_path, "--simulated", "--no-store")
    assert again.returncode == 5
    assert "stopped by Ann" in again.stderr
    assert run(lab, tmp_path, "--json", stdout=write, stderr=write).wait(60) == 5, (
        "a refusal waits for no reader either"
    )
    next_command = re.search(r"labwright (reset .* --by) NAME --reason TEXT", again.stderr)
    assert next_command is not None
    reset = labwright(*next_command[1].split(), "Bo", "--reason", "aired the room", "--json")
    assert json.loads(reset.stdout)["stopped_because"] == "it smells"
    os.close(read)
    os.close(write)


def test_what_does_not_fit_is_counted_and_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labwright.cli.relay.UNREAD_S", 0.1)
    monkeypatch.setattr("labwright.cli.relay.WAITING_MOST", 100_000)
    read, write = os.pipe()
    stream = os.fdopen(write, "w")
    relay = Relay(stream)
    for number in range(5_000):
        relay.write(f"line {number} of many that no one reads\n")
    assert relay.end() is False
    stream.close()
    with os.fdopen(read) as pipe:
        *lines, last = pipe.read().splitlines()
    assert [line.split()[1] for line in lines] == [str(number) for number in range(len(lines))]
    missing = re.search(r"\[(\d+) lines are missing here: this output was not read\]", last)
    assert missing is not None
    assert len(lines) + int(missing[1]) == 5_000


def test_a_line_longer_than_a_pipe_comes_whole_to_a_slow_reader() -> None:
    read, write = os.pipe()
    outlet = Outlet(write)
    long, got = b"x" * 300_000 + b"\n", bytearray()

    def reading() -> None:
        while len(got) < len(long):
            got.extend(os.read(read, 1000))

    thread = threading.Thread(target=reading)
    thread.start()
    assert outlet.write(long)
    thread.join()
    assert bytes(got) == long
    os.close(read)
    assert outlet.write(b"nobody\n") is False
    assert outlet.gone
    os.close(write)


def test_a_campaign_completes_on_a_terminal_that_is_held(lab: Path, tmp_path: Path) -> None:
    """As with Ctrl-S: both streams are one terminal, which Python and its libraries write to at their end as well."""
    master, terminal = os.openpty()
    one = subprocess.Popen(
        [sys.executable, "-m", "labwright", *campaign(lab, tmp_path)],
        stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    assert one.wait(110) == 0
    assert query(tmp_path, "SELECT state FROM campaign") == [("completed",)]
    os.close(master)
