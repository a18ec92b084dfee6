"""A person in a whole lab: samples are brought to the bench, looked at, and taken on, while instruments work."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.forks import labwright
from tests.labs.inspected import inspected_lab


def test_a_simulated_person_looks_at_samples_that_are_brought_to_the_bench(tmp_path: Path) -> None:
    lab, data = inspected_lab(tmp_path / "lab", people="signs"), tmp_path / "data"
    assert labwright("check", "--lab", lab).returncode == 0
    done = labwright(
        *("campaign", "run", "inspection", "--lab", lab, "--data", data, "--simulated", "--no-store"),
        *("--budget", "1", "--planner", "random", "--on-question", "fail"),
    )
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(data / "journal.sqlite")) as journal:
        (card,) = journal.execute("SELECT task, readings, state, by FROM question").fetchall()
        names = "SELECT name FROM step WHERE label = '0001' ORDER BY started_s"
        steps = [name for (name,) in journal.execute(names)]
    task, readings = json.loads(card[0]), json.loads(card[1])
    assert (card[2], card[3]) == ("answered", "simulated person")
    assert (task["container"], task["position"], task["station"], task["who"]) == (
        "vial", "bench_1", "bench", "an operator",
    )  # fmt: skip
    assert task["task"].endswith("at bench_1 against the lamp, and look.")
    assert readings.keys() == {"look", "leaks", "remark"}
    assert steps.index("to-bench_1") < steps.index("look_at_it") < steps.index("to-waste")
    shown = labwright("campaign", "show", "inspection", "--data", data, "--json").stdout
    assert f'"look":"{readings["look"]}"' in shown
    report = next((data / "reports").glob("inspection-*.html")).read_text()
    assert "bench" in report


def test_people_are_reckoned_with_in_a_plan(tmp_path: Path) -> None:
    lab = inspected_lab(tmp_path / "lab")
    done = labwright("campaign", "plan", "inspection", "--lab", lab, "--budget", "3", "--json")
    assert done.returncode == 0, done.stderr
    (bench,) = [one for one in json.loads(done.stdout)["stations"] if one["station"] == "bench"]
    assert (bench["steps"], bench["busy_s"]) == (3, 360.0)
