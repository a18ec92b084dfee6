"""`labwright serve`: campaigns are handed to a controller that runs, stopped and reset from outside, and resumed."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from labwright.cli.init import make_lab
from labwright.journal import Journal, journal_file, open_latches, schema
from tests.forks import Started, labwright, start


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    return folder


@contextmanager
def serving(lab: Path, data: Path, *words: str | Path) -> Iterator[Started]:
    """A controller that takes campaigns."""
    on = words or ("--simulated", "--speed", "100")
    controller = start("serve", lab, "--data", data, "--no-store", "--no-http", *on)
    try:
        until(lambda: controlled(data))
        yield controller
    finally:
        controller.kill()
        controller.communicate()


def until(holds: Callable[[], object]) -> None:
    """As long as it takes; how long a test may take is pytest's business."""
    while not holds():
        time.sleep(0.02)


def controlled(data: Path) -> bool:
    if not journal_file(data).exists():
        return False
    with Journal.reading(journal_file(data)) as journal:
        return journal.controlled()


def rows(data: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(data / "journal.sqlite") as connection:
        return connection.execute(sql).fetchall()


def submitted(lab: Path, data: Path, budget: int, *on: str | Path) -> str:
    done = labwright(
        *("campaign", "submit", "first", "--lab", lab, "--data", data, "--budget", str(budget), "--planner", "random"),
        *("--by", "Ann", "--json", *(on or ("--simulated",))),
    )
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["campaign"])


def states(data: Path) -> dict[str, str]:
    return dict(rows(data, "SELECT id, state FROM campaign"))


def test_campaigns_are_handed_to_a_controller_that_runs(lab: Path, tmp_path: Path) -> None:
    refused = labwright("campaign", "submit", "first", "--lab", lab, "--data", tmp_path, "--simulated")
    assert refused.returncode == 5
    assert "no controller runs on" in refused.stderr
    assert "labwright serve" in refused.stderr
    twice = labwright("serve", lab, "--lab", lab, "--data", tmp_path, "--simulated")
    assert twice.returncode == 2
    assert "name the lab once" in twice.stderr
    with serving(lab, tmp_path) as controller:
        first = submitted(lab, tmp_path, 2)
        watched = labwright(
            *("campaign", "run", "first", "--lab", lab, "--data", tmp_path, "--simulated", "--json"),
            *("--budget", "1", "--planner", "random", "--parallel", "2", "--by", "Bo"),
        )
        assert watched.returncode == 0, watched.stderr
        assert "was handed to the controller that runs" in watched.stderr
        kinds = [json.loads(line)["kind"] for line in watched.stdout.splitlines()]
        assert kinds[:3] == ["started", "suggested", "granted"]
        until(lambda: states(tmp_path)[first] == "completed")
        other = labwright("campaign", "submit", "first", "--lab", lab, "--data", tmp_path)
        assert other.returncode == 5
        assert "not on the real instruments" in other.stderr
        controller.send_signal(signal.SIGTERM)
        _, said = controller.communicate(timeout=30)
        assert controller.returncode == 0, said
    assert list(states(tmp_path).values()) == ["completed", "completed"]
    assert len(list((tmp_path / "reports").iterdir())) == 2
    how = "SELECT json_extract(payload, '$.by'), json_extract(payload, '$.spec.parallel') FROM event"
    assert rows(tmp_path, f"{how} WHERE kind = 'started' ORDER BY id") == [("Ann", 1), ("Bo", 2)]


def test_what_cannot_be_carried_out_is_refused_by_the_controller(lab: Path, tmp_path: Path) -> None:
    with serving(lab, tmp_path), Journal(journal_file(tmp_path)) as journal:
        number = journal.command("", "submit", {"spec": {"name": "x"}, "lab_sha256": ""}, by="Eve", because="")
        other = journal.command("", "dance", {}, by="Eve", because="")
        until(lambda: journal.answer_to(number) is not None and journal.answer_to(other) is not None)
        assert str(journal.answer_to(number)).startswith(f"refused: command {number} is not understood: ")
        assert str(journal.answer_to(other)).startswith("refused: no command 'dance'")
        assert journal.rows(schema.campaign) == []


def test_a_stop_of_the_lab_holds_until_a_person_resets_it(lab: Path, tmp_path: Path) -> None:
    with serving(lab, tmp_path):
        first = submitted(lab, tmp_path, 9)
        until(lambda: rows(tmp_path, "SELECT 1 FROM intent"))
        done = labwright("stop", "--data", tmp_path, "--by", "Ann", "--reason", "it smells")
        assert done.returncode == 0, done.stderr
        assert "all stations are stopped" in done.stderr
        assert "labwright reset" in done.stderr
        until(lambda: states(tmp_path)[first] == "stopped")
        second = submitted(lab, tmp_path, 1)
        with Journal.reading(journal_file(tmp_path)) as journal:
            (latch,) = open_latches(journal)
        assert (latch.by, latch.because) == ("Ann", "it smells")
        until(lambda: states(tmp_path)[second] == "running")
        assert rows(tmp_path, "SELECT 1 FROM step WHERE state = 'running'") == []
        done = labwright("reset", "--data", tmp_path, "--by", "Bo", "--reason", "aired")
        assert done.returncode == 0, done.stderr
        until(lambda: states(tmp_path)[second] == "completed")


def test_a_station_is_stopped_and_its_sample_held(lab: Path, tmp_path: Path) -> None:
    station = "heating"
    with serving(lab, tmp_path):
        first = submitted(lab, tmp_path, 1)
        until(lambda: rows(tmp_path, "SELECT 1 FROM intent"))
        done = labwright("stop", "--station", station, "--data", tmp_path, "--by", "Ann", "--reason", "a spill")
        assert done.returncode == 0, done.stderr
        until(lambda: rows(tmp_path, "SELECT 1 FROM question WHERE state = 'open'"))
        assert states(tmp_path)[first] == "draining", "it is its only experiment, and not given up"
        ((question,),) = rows(tmp_path, "SELECT id FROM question")
        done = labwright("reset", "--station", station, "--data", tmp_path, "--by", "Bo", "--reason", "wiped up")
        assert done.returncode == 0, done.stderr
        answer = ("question", "answer", question, "again", "--by", "Bo", "--reason", "wiped up", "--data", tmp_path)
        done = labwright(*answer)
        assert done.returncode == 0, done.stderr
        until(lambda: states(tmp_path)[first] == "completed")


def test_a_sample_is_stopped_alone_and_its_reset_is_named(lab: Path, tmp_path: Path) -> None:
    """A stop that is refused stops nothing; of what is stopped, the command that is shown resets it."""
    why = ("--data", tmp_path, "--by", "Ann", "--reason", "it drips")
    with serving(lab, tmp_path):
        first = submitted(lab, tmp_path, 9)
        until(lambda: rows(tmp_path, "SELECT 1 FROM intent"))
        for sample, words in (("0001", "takes CAMPAIGN/LABEL"), (f"{first}/0009", "no sample under way '0009'")):
            refused = labwright("stop", "--sample", sample, *why)
            assert refused.returncode != 0
            assert words in refused.stderr
        assert rows(tmp_path, "SELECT 1 FROM latch") == []

        second = submitted(lab, tmp_path, 9)
        until(lambda: second in states(tmp_path))
        for what, ended in (
            (("--sample", f"{first}/0001"), "SELECT 1 FROM experiment WHERE label = '0001' AND state = 'abandoned'"),
            (("--campaign", first), "SELECT 1 FROM campaign WHERE state = 'stopped'"),
        ):
            done = labwright("stop", *what, *why)
            assert done.returncode == 0, done.stderr
            shown = re.search(r"labwright (reset .*?) --by NAME --reason TEXT", done.stderr)
            assert shown is not None, done.stderr
            assert shown[1].endswith(" ".join(what))
            until(lambda ended=ended: rows(tmp_path, ended))  # type: ignore[misc]
            done = labwright(*shlex.split(shown[1]), "--by", "Bo", "--reason", "wiped up")
            assert done.returncode == 0, done.stderr
            with Journal.reading(journal_file(tmp_path)) as journal:
                assert open_latches(journal) == []
        assert states(tmp_path)[second] == "running"


def test_a_controller_that_is_ended_leaves_its_campaigns_to_the_next(lab: Path, tmp_path: Path) -> None:
    endpoints, effects = tmp_path / "endpoints.json", tmp_path / "effects.jsonl"
    simulation = start("simulate", "--lab", lab, "--endpoints", endpoints, "--speed", "100", "--effects", effects)
    try:
        until(endpoints.exists)
        on = ("--endpoints", endpoints)
        with serving(lab, tmp_path, *on) as controller:
            first, second = submitted(lab, tmp_path, 2, *on), submitted(lab, tmp_path, 2, *on)
            until(lambda: len(rows(tmp_path, "SELECT 1 FROM step WHERE state = 'done'")) >= 2)
            controller.send_signal(signal.SIGTERM)
            _, said = controller.communicate(timeout=60)
            assert controller.returncode == 0, said
            assert "its campaigns are resumed by the next one" in said
        assert {states(tmp_path)[first], states(tmp_path)[second]} <= {"running", "draining", "completed"}
        with serving(lab, tmp_path, *on):
            until(lambda: set(states(tmp_path).values()) == {"completed"})
        done = rows(tmp_path, "SELECT count(*) FROM step WHERE state = 'done'")
        assert done == [(4,)], "two experiments of each campaign"
    finally:
        simulation.kill()
        simulation.communicate()
