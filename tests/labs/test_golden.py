"""A journal that 5f4c93a wrote: infeasible suggestions, people's suggestions, vetoes, an interrupted campaign."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from labwright.engine import rebuilt, replayed
from labwright.engine.events import decisions
from labwright.journal import Journal, schema
from labwright.report import html, newest
from tests import forks

GOLDEN = Path(__file__).parent / "golden"
WHOLE, CUT = "whole-20261126-180833-296c", "cut-20261126-180838-4f3a"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with the journal as it was left."""
    shutil.copy(GOLDEN / "main-5f4c93a.sqlite", tmp_path / "journal.sqlite")
    return tmp_path


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """The lab it was written in, migrated: one station without instruments, so a real one."""
    shutil.copytree(GOLDEN, tmp_path / "lab", ignore=shutil.ignore_patterns("*.sqlite", "__pycache__"))
    refused = labwright("check", "--lab", tmp_path / "lab")
    assert refused.returncode == 3
    assert f"labwright lab migrate {tmp_path / 'lab'}" in " ".join(refused.stderr.split())
    done = labwright("lab", "migrate", tmp_path / "lab")
    assert done.returncode == 0, done.stderr
    return tmp_path / "lab"


def labwright(*words: str | Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "LABWRIGHT_JOURNAL"}
    return forks.labwright(*words, env=env)


def test_every_decision_is_the_same(data: Path) -> None:
    with Journal(data / "journal.sqlite") as journal:
        for campaign in (WHOLE, CUT):
            for logged, _, instructions, _ in replayed(journal, campaign):
                assert logged.decisions == decisions(instructions), logged.id


def test_each_experiment_has_the_number_on_its_vial(data: Path) -> None:
    with Journal(data / "journal.sqlite") as journal:
        core = rebuilt(journal, WHOLE)
        rows = journal.rows(schema.experiment, schema.experiment.c.campaign == WHOLE)
        assert {one["state"] for one in rows} == {"complete"}
        stored = {
            one["label"]: json.loads(one["trial"])
            for one in journal.rows(schema.trial, schema.trial.c.campaign == WHOLE)
        }
        assert set(stored) == {one["label"] for one in rows}
    x = {one.id: round(float(one.params["x"]), 3) for one in core.trials}
    assert x == {  # then 0001 to 0009 in this order; the veto named 0005
        "0001": 0.054,
        "p1": 0.999,
        "0002": 0.541,
        "0003": 0.25,
        "p3": 0.35,
        "0004": 0.45,
        "p5": 0.807,
        "0005": 0.237,
        "0006": 0.149,
    }
    assert {one.id: one.status for one in core.trials if one.id.startswith("p")} == {
        "p1": "failed",
        "p3": "abandoned",
        "p5": "failed",
    }
    for label, trial in stored.items():
        assert trial["id"] == label
        assert round(trial["params"]["x"], 3) == x[label]


def test_the_report_names_experiments_as_their_vials_are(data: Path) -> None:
    Journal(data / "journal.sqlite").close()  # brings it up to date, which who only reads does not
    record = newest(data, "whole")
    page = html(record)
    assert "experiment 0002" in page, "the best one: x = 0.541"
    assert "0007" not in page
    for label in ("0001", "0002", "0003", "0004", "0005", "0006"):
        (order,) = {key[0] for key in record.steps if key[0] == label}
        assert f"<td>{order}</td>" in page


def test_a_campaign_that_was_interrupted_then_is_resumed(data: Path, lab: Path) -> None:
    question = f"{CUT}?1"
    refused = labwright("campaign", "show", "cut", "--data", data, "--json")
    assert refused.returncode != 0
    assert "labwright journal migrate" in refused.stderr, "who only reads does not change the tables"
    assert labwright("journal", "migrate", "--data", data).returncode == 0
    shown = json.loads(labwright("campaign", "show", "cut", "--data", data, "--json").stdout)
    assert [one["id"] for one in shown["questions"]] == [question, f"{CUT}:deck"]
    done = labwright("campaign", "replay", "cut", "--data", data, "--lab", lab)
    assert done.returncode == 0, done.stderr
    words = ("--data", data, "--by", "Ann", "--reason", "it is tight again")
    done = labwright("question", "answer", question, "again", *words)
    assert done.returncode == 0, done.stderr
    done = labwright("campaign", "run", "cut", "--lab", lab, "--data", data, "--no-store", "--json")
    assert done.returncode == 0, done.stderr
    with Journal(data / "journal.sqlite") as journal:
        core = rebuilt(journal, CUT)
        labels = journal.read(schema.step.select().where(schema.step.c.campaign == CUT))
    assert core.phase == "completed"
    begun = {one.id: round(float(one.params["x"]), 3) for one in core.trials if one.status == "done"}
    assert list(begun.items())[:5] == [("0001", 0.054), ("0002", 0.541), ("0003", 0.25), ("0004", 0.35), ("0005", 0.16)]
    assert {one["label"] for one in labels} == set(begun)
    assert next(one for one in core.trials if one.params["x"] == 0.15).status == "abandoned", "vetoed as 0006 of then"
