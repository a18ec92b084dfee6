"""A lab where people crimp cells: cards that are signed, refused, withdrawn, and that outlive their controller."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labwright.journal import closed_runs, read_run
from tests.forks import Started, labwright, python, start

LAB = Path(__file__).parent / "handwork"
READ = ("--reading", "torque=1.2 N.m", "--reading", "rim=even", "--reading", "leaks=false", "--reading", "remark=ok")
SIGN = ("--by", "Kim", "--reason", "crimped")


def until(holds: Callable[[], Any]) -> Any:
    """What holds, as soon as it does."""
    deadline = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never was so"
        time.sleep(0.02)
    return found


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """The lab, with a folder of its own."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(LAB, tmp_path / "handwork", ignore=ignored))


def asked(data: Path, *words: str) -> list[dict[str, Any]]:
    if not (data / "journal.sqlite").exists():
        return []
    done = labwright("question", "list", "--data", data, "--json", *words)
    return [json.loads(line) for line in done.stdout.splitlines()]


def query(data: Path, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(data / "journal.sqlite")) as connection:
        return connection.execute(sql).fetchall()


def card_open(data: Path) -> Callable[[], dict[str, Any] | None]:
    """Finds the card that waits, without a process of its own each time."""

    def found() -> dict[str, Any] | None:
        with contextlib.suppress(sqlite3.OperationalError, IndexError):
            sql = "SELECT id, step_id FROM question WHERE kind = 'task' AND state = 'open'"
            return dict(zip(("id", "step_id"), query(data, sql)[0], strict=True))
        return None

    return found


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Instruments that outlive the controllers that use them."""
    file = tmp_path_factory.mktemp("simulation") / "endpoints.json"
    simulation = start("simulate", "--lab", LAB, "--endpoints", file, "--speed", "100")
    try:
        until(file.exists)
        yield file
    finally:
        simulation.kill()
        simulation.communicate()


def runs_of(data: Path, step: str) -> list[list[tuple[str, dict[str, Any]]]]:
    """The documents of the closed runs of a step."""
    runs = [list(read_run(path)) for path in closed_runs(data / "runs")]
    return [run for run in runs if run[0][1]["labwright"]["step"] == step]


@contextlib.contextmanager
def running(lab: Path, data: Path, *words: str, on: Path | None = None) -> Iterator[Started]:
    instruments = ("--simulated", "--speed", "100") if on is None else ("--endpoints", on)
    one = start("campaign", "run", "crimping", "--lab", lab, "--data", data, "--no-store", *instruments, *words)
    try:
        yield one
    finally:
        one.send_signal(signal.SIGKILL)
        one.communicate(60)


def signed(data: Path, card: str, *words: str) -> Any:
    return labwright("question", "answer", card, *words, "--data", data, *SIGN, "--json")


def test_it_has_no_mistakes() -> None:
    done = labwright("check", "--lab", LAB)
    assert done.returncode == 0, done.stderr


def test_a_person_signs_and_the_campaign_learns_what_was_read(lab: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(lab, data, "--budget", "1") as one:
        until(card_open(data))
        (card,) = asked(data)
        assert (card["kind"], card["task"]["station"], card["task"]["who"]) == (
            "task", "bench", "a person trained on the press",
        )  # fmt: skip
        assert [reading["name"] for reading in card["task"]["readings"]] == ["torque", "rim", "leaks", "remark"]
        for words, why in (
            ((), "torque is missing (0.5 to 2 N.m); rim is missing"),
            ((*READ, "--reading", "torque=1"), "--reading torque is given twice"),
            (("--reading", "torque"), "write NAME=VALUE"),
            (("--reading", "torque=9", *READ[2:]), "torque = 9 N.m is outside 0.5 to 2 N.m"),
            (("--reading", "torque=1.2 lb", *READ[2:]), "is in 'lb', and is read in 'N.m'"),
        ):
            refused = signed(data, card["id"], "done", *words)
            assert refused.returncode == 3
            assert why in refused.stderr
            assert "nothing was recorded" in refused.stderr
        assert query(data, "SELECT count(*) FROM command") == [(0,)]
        status = json.loads(labwright("status", "--data", data, "--json").stdout)
        (bench,) = [one for one in status["stations"] if one["name"] == "bench"]
        assert (bench["state"], bench["step"]) == ("task", "crimp")
        assert f"TASK {card['id']}" in labwright("status", "--data", data).stdout
        done = signed(data, card["id"], "done", *READ)
        assert json.loads(done.stdout)["readings"] == {"torque": 1.2, "rim": "even", "leaks": False, "remark": "ok"}
        assert one.wait(60) == 0
    (was,) = asked(data, "--all")
    assert (was["state"], was["by"], was["because"], was["readings"]["torque"]) == ("answered", "Kim", "crimped", 1.2)
    shown = labwright("campaign", "show", "crimping", "--data", data, "--json").stdout
    assert '"torque":1.2' in shown
    assert labwright("campaign", "replay", "crimping", "--data", data).returncode == 0
    late = signed(data, was["id"], "done", *READ)
    assert late.returncode == 5
    assert "is no longer open: answered 'done' with torque = 1.2, rim = even, leaks = false" in late.stderr
    (run,) = runs_of(data, "crimp")
    start_doc, stream, event, stop = (document for _, document in run)
    assert start_doc["labwright"]["simulated"] is True
    assert start_doc["labwright"]["station"] == "bench"
    assert stream["data_keys"]["result_torque"]["units"] == "N.m"
    assert event["data"] == {
        "result_torque": 1.2, "result_rim": "even", "result_leaks": False, "result_remark": "ok",
        "result_signed_by": "Kim",
    }  # fmt: skip
    assert stop["exit_status"] == "success"
    table = tmp_path / "found.csv"
    assert labwright("campaign", "export", "crimping", table, "--data", data).returncode == 0
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert (row["torque / N.m"], row["rim"], row["leaks"], row["status"]) == ("1.2", "even", "false", "done")


def test_a_card_outlives_its_controller_and_is_signed_while_none_runs(endpoints: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(LAB, data, "--budget", "1", on=endpoints):
        card = until(card_open(data))
    ran = query(data, "SELECT count(*) FROM event WHERE kind = 'step_ended'")
    kept = signed(data, card["id"], "done", *READ)
    assert json.loads(kept.stdout)["taken"] is False
    second = signed(data, card["id"], "done", "--reading", "torque=1.5", *READ[2:])  # a second thought
    assert "is withdrawn" in second.stderr
    with running(LAB, data, on=endpoints) as one:
        assert one.wait(60) == 0
    assert query(data, "SELECT id, state, by FROM question") == [(card["id"], "answered", "Kim")]
    assert [run[2][1]["data"]["result_torque"] for run in runs_of(data, "crimp")] == [1.5]
    assert query(data, "SELECT count(*) FROM event WHERE kind = 'step_ended'") == ran, "the heater warms once"
    assert query(data, "SELECT count(*) FROM event WHERE kind = 'answered'") == [(1,)]
    assert json.loads(query(data, "SELECT readings FROM question")[0][0])["torque"] == 1.5
    assert labwright("campaign", "replay", "crimping", "--data", data).returncode == 0


def test_a_controller_that_is_killed_finds_its_card_again(endpoints: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(LAB, data, "--budget", "1", on=endpoints):
        card = until(card_open(data))
    with running(LAB, data, on=endpoints) as one:
        until(lambda: query(data, "SELECT 1 FROM event WHERE kind = 'resumed'"))
        assert card_open(data)() == card
        assert signed(data, card["id"], "failed").returncode == 0
        (question,) = until(lambda: [one for one in asked(data) if one["kind"] == "question"])
        assert "Kim could not do it: crimped" in question["text"]
        assert signed(data, question["id"], "again").returncode == 0
        again = until(card_open(data))
        assert again["step_id"] == card["step_id"]
        assert again["id"] != card["id"]
        assert signed(data, again["id"], "done", *READ).returncode == 0
        assert one.wait(60) == 0
    assert sorted(run[-1][1]["exit_status"] for run in runs_of(data, "crimp")) == ["fail", "success"]
    states = query(data, "SELECT kind, state, answer FROM question ORDER BY id")
    assert states == [("task", "answered", "failed"), ("question", "answered", "again"), ("task", "answered", "done")]


def test_a_signature_that_is_just_given_is_not_lost_with_the_controller(endpoints: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(LAB, data, "--budget", "2", on=endpoints) as one:
        card = until(card_open(data))
        assert json.loads(signed(data, card["id"], "done", *READ).stdout)["taken"] is True
        one.send_signal(signal.SIGKILL)
    with running(LAB, data, on=endpoints) as one:
        following = until(card_open(data))
        assert following["step_id"].endswith("/0002/crimp")
        assert signed(data, following["id"], "done", *READ).returncode == 0
        assert one.wait(60) == 0
    assert query(data, "SELECT count(*), count(DISTINCT step_id) FROM question") == [(2, 2)]


def test_a_stop_withdraws_the_card(lab: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(lab, data) as one:
        card = until(card_open(data))
        done = labwright("campaign", "stop", "crimping", "--data", data, "--by", "Kim", "--reason", "lunch")
        assert done.returncode == 0, done.stderr
        assert one.wait(60) == 130
    assert query(data, "SELECT state FROM question") == [("withdrawn",)]
    late = signed(data, card["id"], "done", *READ)
    assert late.returncode == 5
    assert "is no longer open: withdrawn: stopped by Kim: lunch" in late.stderr


def test_where_no_person_is_there_a_card_ends_the_campaign(lab: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(lab, data, "--on-question", "fail") as one:
        assert one.wait(60) == 1
    (reason,) = query(data, "SELECT reason FROM campaign")[0]
    assert reason.startswith("no person is there to answer question crimping-")


def test_a_simulated_person_lets_a_campaign_run_unattended(lab: Path, tmp_path: Path) -> None:
    data, file = tmp_path / "data", lab / "lab_config" / "simulation.yaml"
    file.write_text(file.read_text().replace("bench: waits", "bench: signs"))
    with running(lab, data, "--on-question", "fail") as one:
        assert one.wait(60) == 0
    rows = query(data, "SELECT kind, state, by, because FROM question")
    assert rows == [("task", "answered", "simulated person", "simulated")] * 2
    assert query(data, "SELECT simulated FROM campaign") == [(1,)]
    torques = [json.loads(one)["torque"] for (one,) in query(data, "SELECT readings FROM question")]
    assert len(set(torques)) == 2
    assert sorted(run[2][1]["data"]["result_torque"] for run in runs_of(data, "crimp")) == sorted(torques)
    assert all(0.5 <= one <= 2 for one in torques)
    assert labwright("campaign", "replay", "crimping", "--data", data).returncode == 0


def test_a_rehearsal_takes_what_people_are_expected_to_take(lab: Path) -> None:
    done = labwright("campaign", "plan", "crimping", "--lab", lab, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["makespan_s"], [one["busy_s"] for one in said["stations"]]) == (130.0, [10.0, 120.0])


PLAN = "    def crimp(self, context: StepContext) -> Plan:\n        yield\n\n"
MISTAKES = {
    "no such station": ('station="bench"', 'station="bnch"', "step crimp: no station 'bnch'; did you mean 'bench'"),
    "a station of devices": ('station="bench"', 'station="heating"', "station heating has no people: true"),
    "a plan as well": ("    def warm(", f"{PLAN}    def warm(", "take the method crimp out, or manual"),
    "no result": ('name="leaks"),\n    )', 'name="tight"),\n    )', "reading leaks has no result"),
    "no such parameter": ("{temperature:.1f}", "{temp:.1f}", "task: no parameter 'temp'; did you mean 'temperature'"),
    "a device at a station of people": ('station="heating"', 'station="bench"', "people work at station bench"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_step_of_a_persons_is_told_with_file_and_line(lab: Path, mistake: str) -> None:
    old, new, why = MISTAKES[mistake]
    file = lab / "protocols" / "crimping.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    done = labwright("check", "--lab", lab)
    assert done.returncode == 3
    said = " ".join(done.stderr.split())
    assert why in said
    if mistake != "a device at a station of people":
        line = file.read_text().splitlines().index('            name="crimp",') + 1
        assert f"protocols/crimping.py:{line}: " in said


LAB_MISTAKES = {
    "people and devices": ("    people: true", "    people: true\n    devices: {press: heater}", "it has devices"),
    "neither": ("    people: true", "    slots: 1", "it has no devices; name them, or write people: true"),
    "together": ("    people: true", "    people: true\n    starts: together", "each card is signed by itself"),
}


@pytest.mark.parametrize("mistake", LAB_MISTAKES)
def test_a_mistake_in_a_station_of_people_is_told_with_file_and_line(lab: Path, mistake: str) -> None:
    old, new, why = LAB_MISTAKES[mistake]
    file = lab / "lab_config" / "lab.yaml"
    file.write_text(file.read_text().replace(old, new))
    done = labwright("check", "--lab", lab)
    assert done.returncode == 3
    assert why in " ".join(done.stderr.split())
    assert "lab_config/lab.yaml:" in done.stderr


def test_the_simulation_names_stations_of_people_only(lab: Path) -> None:
    file = lab / "lab_config" / "simulation.yaml"
    file.write_text(file.read_text().replace("{bench: waits}", "{heating: signs, bnch: signs}"))
    said = " ".join(labwright("check", "--lab", lab).stderr.split())
    assert "station 'heating' has no people" in said
    assert "'bnch'; did you mean 'bench'" in said


def test_it_is_paused_and_killed_at_every_place_and_each_operation_happens_once() -> None:
    code = "from pathlib import Path; from labwright.testing import check_protocol; print(check_protocol(Path('.'), "
    done = python(f"{code}'crimping', every=3))", cwd=LAB)
    assert done.returncode == 0, done.stderr
    assert "happened once" in done.stdout
