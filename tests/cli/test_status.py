"""`labwright status`: a lab with two campaigns, a question and a stop, as another process sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from labwright.cli.init import make_lab
from labwright.engine.tables import take_changes
from labwright.journal import Journal, NewEvent
from labwright.journal.waiting import step_waits
from tests.cli.test_serve import rows, serving, submitted, until
from tests.engine.test_dispatch import Rehearsal, move, way, work
from tests.engine.test_lab_machine import started
from tests.forks import labwright


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    return folder


def status(data: Path) -> dict[str, Any]:
    done = labwright("status", "--data", data, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_lab_is_seen_as_it_stands(lab: Path, tmp_path: Path) -> None:
    with serving(lab, tmp_path) as controller:
        assert status(tmp_path)["campaigns"] == []
        first, second = submitted(lab, tmp_path, 9), submitted(lab, tmp_path, 9)
        until(lambda: rows(tmp_path, "SELECT 1 FROM step WHERE state = 'running'"))
        stop = labwright("stop", "--station", "heating", "--data", tmp_path, "--by", "Ann", "--reason", "a spill")
        assert stop.returncode == 0, stop.stderr
        until(lambda: rows(tmp_path, "SELECT 1 FROM question WHERE state = 'open'"))
        until(lambda: len(rows(tmp_path, "SELECT 1 FROM experiment")) == 2)
        seen = status(tmp_path)
        assert (seen["controller"]["pid"], seen["controller"]["instruments"]) == (controller.pid, "here")
        assert sorted(seen["controller"]["campaigns"]) == sorted([first, second])
        assert [(one["id"], one["budget"], one["runs"]) for one in seen["campaigns"]] == [
            (first, 9, True),
            (second, 9, True),
        ]
        (asked,) = seen["questions"]
        held, other = (first, second) if asked["campaign"] == first else (second, first)
        (station,) = seen["stations"]
        assert (station["name"], station["state"]) == ("heating", "stopped")
        (latch,) = seen["latches"]
        assert (latch["by"], latch["because"], latch["scope"]["station"]) == ("Ann", "a spill", "heating")
        waits = {one["campaign"]: one["what"] for one in seen["waits"]}
        assert "for a person to reset the stop of station heating" in waits[other]
        assert f"answer to {asked['id']}" in next(one for one in seen["campaigns"] if one["id"] == held)["waits_for"]
        shown = labwright("status", "--data", tmp_path).stdout
        for words in (
            "SIMULATED",
            f"controller: process {controller.pid}",
            f"labwright reset --data {tmp_path} --station heating",
            f"labwright question answer {asked['id']} ANSWER --data {tmp_path}",
            "STOPPED",
        ):
            assert words in re.sub(r"\s+", " ", shown), shown
    gone = labwright("status", "--data", tmp_path).stdout
    assert f"no controller runs; start one with: labwright serve --data {tmp_path}" in gone


def _recorded(lab: Rehearsal, journal: Journal, seen: int) -> int:
    """Write the rows as they are, and the events since `seen`, as a controller does."""
    changes = take_changes(lab.lab)
    for owner, raw in lab.log[seen:]:
        kind = json.loads(raw)["kind"]
        journal.record([NewEvent(owner, kind, raw, b"[]", 0.0, changes, instruments=lab.lab.instruments)])
    return len(lab.log)


def _alike(lab: Rehearsal, journal: Journal) -> None:
    found = {str(one.waiting) for one in step_waits(journal, lab.lab.instruments)}
    decided = {str(one) for core in lab.lab.campaigns.values() for one in lab.lab.dispatcher.waits(core.campaign)}
    assert found == decided


def test_the_tables_say_what_the_engine_says_of_what_waits(tmp_path: Path) -> None:
    there = way(move("s0", "a"), work("s1", "mixer"), move("s2", "b"), work("s3", "oven"), move("out"))
    back = way(move("s0", "b"), work("s1", "oven"), move("s2", "a"), work("s3", "mixer"), move("out"))
    lab = Rehearsal(started("c0", there, parallel=2), started("c1", back, parallel=2))
    words: set[str] = set()
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Ann")
        seen = _recorded(lab, journal, 0)
        _alike(lab, journal)
        while lab.next():
            seen = _recorded(lab, journal, seen)
            _alike(lab, journal)
            words |= {one.waiting.because for one in step_waits(journal, lab.lab.instruments)}
    assert {"has", "beyond"} <= words, "or this test shows nothing"
