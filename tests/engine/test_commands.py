"""Commands that no person has given: answered "refused" in words, and the controller runs on."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from labwright.engine import Campaign, load_campaign
from labwright.engine.commands import PAYLOADS, event_of, stop_now_of
from labwright.engine.events import Answered, Proposed, StopAsked, Vetoed
from labwright.journal import Command
from labwright.lab import LabFolder, read_lab
from labwright.model.errors import ConfigError, LabwrightError
from tests.engine.test_stopping import ROOT, SPEC, campaign, when

GOOD = {"molality": 1.0, "ec_fraction": 0.3, "dmc_share": 1.0}
NAN, INF = float("nan"), float("inf")

BAD_VALUES: list[Any] = ["abc", None, [1], {}, True, NAN, INF, 10**400]
BAD_NAMES: list[Any] = [5, ["x"], None, {}, True, "", "0001"]
BAD_FLAGS: list[Any] = ["no", "true", 1, 0, None, [True]]
BAD_PARAMS: list[Any] = [None, [1], "x", {}, {**GOOD, "more": 1.0}]
BAD_REACHES: list[Any] = ["0.1", -1, 2, NAN, None, True]

MALFORMED: list[tuple[Any, Any]] = [
    *((kind, payload) for kind in PAYLOADS for payload in (None, [], [1], "x", 5, True, {"surprise": 1})),
    *(("stop", {"now": now}) for now in BAD_FLAGS),
    *(("suggest", {"params": params}) for params in BAD_PARAMS),
    *(("suggest", {"params": {**GOOD, "molality": bad}}) for bad in BAD_VALUES),
    ("suggest", {}),
    ("suggest", {"params": GOOD, "by": "mallory"}),
    *(("veto", {"trial": bad}) for bad in BAD_NAMES),
    *(("veto", {"params": {"molality": bad}, "reach": 0.1}) for bad in BAD_VALUES[1:7]),
    *(("veto", {"params": {"molality": 1.0}, "reach": bad}) for bad in BAD_REACHES),
    ("veto", {"trial": "p1", "params": {"molality": 1.0}}),
    ("veto", {}),
    *(("answer", {"question": bad, "answer": "again"}) for bad in BAD_NAMES[:5]),
    ("answer", {"question": "q"}),
    ("answer", {"question": "q", "answer": "a", "by": "mallory"}),
    *((kind, {}) for kind in ("", "explode", "STOP", None, 5, b"stop", ["stop"])),
]


@pytest.fixture(scope="module")
def folder() -> LabFolder:
    return read_lab(ROOT)


@pytest.fixture(scope="module")
def loaded(folder: LabFolder) -> Campaign:
    return load_campaign(folder, SPEC, budget=2)


def command(kind: Any, payload: Any, by: Any = "kim", because: Any = "so") -> Command:
    return Command(1, "c", kind, payload, by, because, 0.0)


@pytest.mark.parametrize(("kind", "payload"), MALFORMED, ids=lambda one: str(one)[:30])
def test_what_is_malformed_is_refused_in_words(loaded: Campaign, kind: Any, payload: Any) -> None:
    with pytest.raises(LabwrightError) as refused:
        event_of(command(kind, payload), loaded)
    assert len(str(refused.value)) < 2_000, "what was given is not repeated at any length"
    assert stop_now_of(command(kind, payload), loaded) is None


@pytest.mark.parametrize("who", [5, None, b"kim", ["kim"], "x" * 1_000_000])
def test_whoever_asks_has_a_name(loaded: Campaign, who: Any) -> None:
    for kind in ("pause", "stop"):
        with pytest.raises(ConfigError, match="by: "):
            event_of(command(kind, {}, by=who), loaded)
        with pytest.raises(ConfigError, match="because: "):
            event_of(command(kind, {}, because=who), loaded)


def test_what_is_well_formed_becomes_an_event(loaded: Campaign) -> None:
    assert event_of(command("stop", {"now": True}), loaded) == StopAsked(why="stopped by kim: so", now=True, by="kim")
    assert stop_now_of(command("stop", {"now": True}), loaded) is not None
    assert stop_now_of(command("stop", {}), loaded) is None
    assert isinstance(event_of(command("suggest", {"params": GOOD}), loaded), Proposed)
    assert isinstance(event_of(command("veto", {"trial": "p1"}), loaded), Vetoed)
    assert isinstance(event_of(command("veto", {"params": {"molality": 1}, "reach": 0}), loaded), Vetoed)
    assert isinstance(event_of(command("answer", {"question": "q", "answer": "a"}), loaded), Answered)


ROWS: list[tuple[Any, Any, Any, Any]] = [
    ("suggest", "{not json", "kim", ""),
    ("suggest", '{"params": NaN}', "kim", ""),
    ("suggest", "[" * 50_000, "kim", ""),
    ("suggest", "[" * 500 + "]" * 500, "kim", ""),
    ("suggest", json.dumps({"params": {f"x{n}": n for n in range(2_000)}}), "kim", ""),
    ("suggest", '{"params": {"molality": 1e999}}', "kim", ""),
    ("veto", "x" * 20_000_000, "kim", ""),
    ("stop", b"\xff\xfe\x00 no text", "kim", ""),
    ("stop", 17, "kim", ""),
    ("stop", 1.5, "kim", ""),
    (17, "{}", "kim", ""),
    ("pause", "{}", b"kim", ""),
    ("pause", "{}", "kim", b"\xff"),
    ("x" * 100_000, "{}", "kim", ""),
    ("x" * 9_000, "{}", "kim", ""),
]

LAB_ROWS: list[tuple[Any, ...]] = [
    ("book_station", '{"station": "impedance", "for_s": 60}', "kim", ""),
    ("book_station", '{"station": "impedance", "for_s": 60}', " ", "a course"),
    ("book_station", '{"station": "impedance", "starts_s": 1e300, "for_s": 60}', "kim", "a course"),
    ("book_station", '{"station": "impedance", "starts_s": -1e300, "ends_s": 1e300}', "kim", "a course"),
    ("book_station", '{"station": "impedance", "ends_s": 1e999}', "kim", "a course"),
    ("book_station", '{"station": "impedance", "for_s": -60}', "kim", "a course"),
    ("end_booking", '{"booking": "B1"}', "kim", ""),
]
"""For the lab, and for none of its campaigns."""


INSERT = "INSERT INTO command (campaign, kind, payload, by, because, asked_s) VALUES (?, ?, ?, ?, ?, 'noon')"
INSERT_TEXT = INSERT.replace("?, ?, ?, ?, ?", "?, ?, CAST(? AS TEXT), ?, ?")
"""Bytes as text: SQLite keeps what it is given, and cannot give it back as text."""


def test_a_command_without_a_wake_up_is_seen_while_nothing_happens(folder: LabFolder, tmp_path: Path) -> None:
    with campaign(folder, tmp_path, budget=1) as (run, journal, _):
        missed = threading.Timer(20, lambda: run.ask_to_stop("it was not seen", now=False))

        def stop() -> None:
            deadline = time.monotonic() + 60
            while (
                run.controller.under_way.steps() and time.monotonic() < deadline
            ):  # until the paused campaign is quiet
                time.sleep(0.02)
            with sqlite3.connect(tmp_path / "journal.sqlite", timeout=30) as connection:
                connection.execute(INSERT, (run.core.campaign, "stop", "{}", "kim", "lunch"))
            missed.start()

        def pause() -> None:
            journal.command(run.core.campaign, "pause", {}, by="kim", because="")
            threading.Thread(target=stop).start()

        run.controller.on_event = when("cell_calibration/weak_to_cell", pause)
        end = run.run()
        missed.cancel()
    assert (end.state, end.reason) == ("stopped", "stopped by kim: lunch")


def test_a_running_controller_refuses_what_any_program_writes_into_its_table(folder: LabFolder, tmp_path: Path) -> None:
    with campaign(folder, tmp_path, budget=1) as (run, _, _):

        def attack() -> None:
            with sqlite3.connect(tmp_path / "journal.sqlite", timeout=30) as connection:
                for kind, payload, by, because in ROWS:
                    row = (run.core.campaign, kind, payload, by, because)
                    connection.execute(INSERT_TEXT if isinstance(payload, bytes) else INSERT, row)
                connection.executemany(INSERT, [("", *row) for row in LAB_ROWS])
            # Without a wake-up, which no program but our own sends.

        answered: list[str] = []

        def wait() -> None:
            deadline = time.monotonic() + 60
            with sqlite3.connect(tmp_path / "journal.sqlite", timeout=30) as connection:
                while len(answered) < len(ROWS) + len(LAB_ROWS) and time.monotonic() < deadline:
                    time.sleep(0.02)
                    query = "SELECT answer FROM command WHERE taken_s IS NOT NULL"
                    answered[:] = [row[0] for row in connection.execute(query)]
            run.ask_to_stop("seen enough", now=False)

        def begin() -> None:
            attack()
            threading.Thread(target=wait).start()
            run.controller.on_event = lambda event, core: None

        run.controller.on_event = when("cell_calibration/weak_to_cell", begin)
        end = run.run()
    assert (end.state, end.reason) in (("stopped", "seen enough"), ("completed", end.reason))
    assert len(answered) == len(ROWS) + len(LAB_ROWS)
    assert all(one.startswith("refused: ") for one in answered), answered
    assert all(len(one) < 2_100 for one in answered)
