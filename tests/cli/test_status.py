"""`labwright status`: a lab with two campaigns, a question and a stop, as another process sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from labwright.cli.init import make_lab
from tests.cli.test_serve import rows, serving, submitted, until
from tests.forks import ROOT, labwright


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
        seen = status(tmp_path)
        assert seen["campaigns"] == []
        assert [(one["name"], one["state"]) for one in seen["stations"]] == [("heating", "idle")]
        first, second = submitted(lab, tmp_path, 9), submitted(lab, tmp_path, 9)
        until(lambda: rows(tmp_path, "SELECT 1 FROM step WHERE state = 'running'"))
        under_way = "SELECT campaign FROM experiment WHERE state NOT IN ('complete', 'abandoned')"
        until(lambda: len({row[0] for row in rows(tmp_path, under_way)}) == 2)
        stop = labwright("stop", "--station", "heating", "--data", tmp_path, "--by", "Ann", "--reason", "a spill")
        assert stop.returncode == 0, stop.stderr
        until(lambda: rows(tmp_path, "SELECT 1 FROM question WHERE state = 'open'"))
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
        waits = {one["campaign"]: one for one in seen["waits"]}
        assert "for a person to reset the stop of station heating" in waits[other]["what"]
        assert waits[other]["for_s"] is not None, "its sample has only begun"
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


def test_what_was_stopped_on_instruments_that_are_gone_is_not_shown(tmp_path: Path) -> None:
    with serving(ROOT, tmp_path):
        on = ("--lab", ROOT, "--data", tmp_path, "--simulated", "--planner", "random", "--by", "Ann")
        assert labwright("campaign", "submit", "conductivity", *on).returncode == 0
        until(lambda: rows(tmp_path, "SELECT 1 FROM step WHERE state = 'running'"))
        who = ("--data", tmp_path, "--by", "Ann", "--reason", "a spill")
        assert labwright("campaign", "stop", "--now", *who).returncode == 0
        until(lambda: rows(tmp_path, "SELECT 1 FROM campaign WHERE state = 'stopped'"))
    assert labwright("reset", "--all", *who).returncode == 0
    assert rows(tmp_path, "SELECT 1 FROM reservation"), "or this test shows nothing"
    with serving(ROOT, tmp_path):
        seen = status(tmp_path)
    assert {one["state"] for one in seen["stations"]} == {"idle"}
    assert seen["taken"] == []
