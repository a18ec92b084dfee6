"""Campaigns watched and steered from other processes than the one that runs them; all of them real."""

import io
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from labwright.cli import steering
from labwright.cli.app import app
from labwright.cli.init import make_lab
from labwright.cli.questions import answer_question, list_questions
from labwright.cli.watching import View
from labwright.engine import replayed
from labwright.journal import Journal, asking, schema
from labwright.model.errors import ConfigError, JournalError, RefusedError
from labwright.simulation.control import ask
from tests.cli.test_replay import first_events
from tests.forks import Started, labwright, start
from tests.postgres import PostgresServer


def here(*words: str | Path) -> Result:
    """The same in this process, which need not import everything anew; for what only looks."""
    return CliRunner().invoke(app, [*map(str, words)])


@contextmanager
def started(*words: str | Path) -> Iterator[Started]:
    one = start(*words)
    try:
        yield one
    finally:
        one.kill()
        one.communicate()


@contextmanager
def running(lab: Path, data: Path, *words: str | Path) -> Iterator[Started]:
    """A controller, once its first experiment is under way."""
    on = words or ("--simulated", "--speed", "100")
    with started(
        *("campaign", "run", "first", "--lab", lab, "--data", data, "--no-store", "--planner", "random", "--json"), *on
    ) as one:
        assert one.stdout is not None
        assert any(json.loads(line)["kind"] == "suggested" for line in one.stdout), "it has ended before"
        yield one


def until(holds: Callable[[], object]) -> None:
    """As long as it takes; how long a test may take is pytest's business."""
    while not holds():
        time.sleep(0.02)


def query(data: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(data / "journal.sqlite") as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny lab that asks a person when its heater fails."""
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    return folder


def test_a_running_campaign_is_watched_and_steered_from_outside(lab: Path, tmp_path: Path) -> None:
    with running(lab, tmp_path) as run, started("campaign", "watch", "first", "--data", tmp_path, "--json") as watch:
        done = labwright(
            "campaign", "pause", "--data", tmp_path, "--by", "Ann", "--reason", "the door is open", "--json"
        )
        assert done.returncode == 0, done.stderr
        told_ = json.loads(done.stdout)
        assert (told_["command"], told_["answer"], told_["state"]) == ("pause", "done", "paused")

        (listed,) = map(json.loads, here("campaign", "list", "--data", tmp_path, "--json").stdout.splitlines())
        assert (listed["state"], listed["controller"]) == ("paused", True)
        assert listed["tried"] >= 1, "a slow machine pauses late"
        assert "labwright campaign resume" in listed["waits_for"]

        again = labwright("campaign", "pause", "--data", tmp_path)
        assert again.returncode == 5
        assert "is already paused; resume it with: labwright campaign resume" in again.stderr
        second = labwright("campaign", "run", "first", "--lab", lab, "--data", tmp_path)
        assert second.returncode == 5, "one controller a journal, and this one is for the real instruments"
        assert f"process {run.pid}" in second.stderr

        # While it is paused it cannot reach its end before its state is read.
        done = labwright("campaign", "drain", listed["campaign"], "--data", tmp_path, "--by", "Bo")
        assert done.returncode == 0, done.stderr
        assert "Drain recorded" in done.stderr
        assert "once it is resumed" in done.stderr
        done = labwright("campaign", "resume", "first", "--data", tmp_path)
        assert done.returncode == 0, done.stderr
        assert "is resumed: operations may start again" in done.stderr

        out, _ = run.communicate(timeout=30)
        assert run.returncode == 0
        assert "drained by Bo" in json.loads(out.splitlines()[-1])["reason"]
        seen, _ = watch.communicate(timeout=10)
        assert watch.returncode == 0, "the end of the campaign is the watcher's"
    lines = [json.loads(line) for line in seen.splitlines()]
    assert [one["id"] for one in lines] == [row[0] for row in query(tmp_path, "SELECT id FROM event ORDER BY id")]
    (paused,) = [one for one in lines if one["kind"] == "pause_asked"]
    assert (paused["by"], paused["because"]) == ("Ann", "the door is open")

    late = here("campaign", "pause", "--data", tmp_path).exception
    assert isinstance(late, RefusedError)
    assert "there is nothing to pause" in str(late)
    shown = here("campaign", "show", "first", "--data", tmp_path).stdout
    for words in ("SIMULATED", "completed: drained by Bo", "paused by Ann, reason: the door is open", "1 of 1 done"):
        assert words in shown
    journal = f"sqlite:///{tmp_path}/journal.sqlite"
    assert here("report", "first", "--journal", journal, "--data", tmp_path / "new").exit_code == 0
    assert (tmp_path / "new" / "report.html").exists()


def test_people_suggest_and_veto_in_a_running_campaign(lab: Path, tmp_path: Path) -> None:
    who = ("--data", tmp_path, "--by", "Ann", "--reason", "a hunch")

    def told(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return labwright("campaign", *words, *who, "--json")

    # Budget enough for what the planner starts before the pause, on a slow machine.
    with running(lab, tmp_path, "--simulated", "--speed", "100", "--budget", "8") as run:
        assert told("pause").returncode == 0
        done = told("suggest", "first", "temperature=44")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["trial"] == "p1"
        done = told("suggest", "first", "temperature=61.5")
        assert json.loads(done.stdout) == {
            "campaign": query(tmp_path, "SELECT id FROM campaign")[0][0],
            "command": "suggest",
            "answer": "done",
            "state": "paused",
            "trial": "p2",
        }
        done = labwright("campaign", "suggest", "first", "temperature=77", *who)
        assert re.search(r"proposal p3 comes next.*campaign veto first-\S+ p3 --by", done.stderr), done.stderr
        assert told("veto", "first", "p3").returncode == 0
        done = labwright("campaign", "veto", "first", "p1", *who)
        assert done.returncode == 0, done.stderr
        assert "Veto recorded: proposal p1 is withdrawn" in done.stderr
        done = told("veto", "first", "p1")
        assert done.returncode == 5
        assert "no proposal that has not started 'p1'; did you mean 'p2'?" in done.stderr
        done = told("veto", "first", "0001")
        assert done.returncode == 5
        assert "experiment 0001 has started" in done.stderr
        assert told("veto", "first", "temperature=80", "--reach", "0.1").returncode == 0
        done = told("suggest", "first", "temperature=79")
        assert done.returncode == 5
        assert "vetoed by Ann: a hunch" in done.stderr
        for words, says in (
            (("suggest", "first", "temprature=44"), "did you mean 'temperature'?"),
            (("suggest", "first", "temperature=hot"), "'hot' is not a number; give it in 'degC'"),
            (("suggest", "first", "temperature=99"), "temperature = 99"),
            (("suggest", "first", "temperature=6_1"), "'6_1' is not a number; write its digits without separators"),
            (("suggest", "first", "temperature=0x2c"), "'0x2c' is not a number"),
            (("suggest", "first", "temperature=nan"), "it must be finite"),
            (("suggest", "first", "temperature=1e400"), "too large for a number"),
            (("suggest", "first", "temperature=\uff14\uff14"), "is not a number"),
            (("veto", "first", "temperature=10"), "temperature = 10"),
            (("veto", "first", "temperature=4_4"), "'4_4' is not a number"),
            (("veto", "first", "p2", "--reach", "0.1"), "--reach is for values"),
        ):
            wrong = here("campaign", *words, *who).exception
            assert isinstance(wrong, ConfigError), words
            assert says in str(wrong)
        assert isinstance(here("campaign", "suggest", "first", "temperature=44", *who[:-1], " ").exception, ConfigError)
        assert told("resume").returncode == 0
        out, _ = run.communicate(timeout=60)
        assert run.returncode == 0, out
    with Journal(tmp_path / "journal.sqlite") as journal:
        *_, last = replayed(journal, query(tmp_path, "SELECT id FROM campaign")[0][0])
    core = last[-1]
    first, second, third = [one for one in core.trials if one.source == "human"]
    assert [(one.id, one.status) for one in (first, third)] == [("p1", "abandoned"), ("p3", "abandoned")]
    assert second.status == "done"
    assert second.id == next(one.id for one in core.trials[core.trials.index(first) :] if one.id.isdecimal()), (
        "it is next"
    )
    assert second.params == {"temperature": 61.5}
    assert second.rationale == "suggested by Ann: a hunch"
    shown = here("campaign", "show", "first", "--data", tmp_path).stdout
    assert "location" in shown
    assert here("campaign", "replay", "first", "--data", tmp_path).exit_code == 0


def test_a_campaign_is_stopped_now_and_so_says_whoever_watches(lab: Path, tmp_path: Path) -> None:
    with running(lab, tmp_path) as run, started("campaign", "watch", "--data", tmp_path) as watch:
        done = labwright("campaign", "stop", "--now", "--data", tmp_path, "--by", "Ann", "--reason", "it smells")
        assert done.returncode == 0, done.stderr
        assert f"labwright reset --data {tmp_path} --by NAME --reason TEXT" in done.stderr
        run.communicate(timeout=30)
        assert run.returncode == 130
        _, text = watch.communicate(timeout=10)
        assert watch.returncode == 130
    assert "stopping now: stopped by Ann: it smells" in text
    assert re.search(r"first-\S+ stopped: stopped by Ann: it smells", text)


def test_a_controller_that_was_killed_is_missed(lab: Path, tmp_path: Path) -> None:
    # In wall time heating takes minutes, so that it is still under way when the controller is killed.
    with running(lab, tmp_path, "--simulated", "--speed", "1") as run:
        until(lambda: query(tmp_path, "SELECT * FROM intent WHERE state = 'prepared'"))
        run.kill()
        run.wait()
    (listed,) = map(json.loads, here("campaign", "list", "--data", tmp_path, "--json").stdout.splitlines())
    assert (listed["state"], listed["controller"]) == ("running", False)
    assert listed["waits_for"] == ["a controller: labwright campaign run first"]
    facts = json.loads(here("campaign", "show", "--data", tmp_path, "--json").stdout)
    assert facts["doubts"][0]["what"].startswith("heater.temperature = ")
    assert facts["experiments"][0]["steps"][0]["state"] == "running"
    assert facts["events"][0]["words"].startswith("started")

    for verb, words in (
        ("pause", "resume it with: labwright campaign run first"),
        ("stop", "first --new gives it up and starts another"),
    ):
        done = here("campaign", verb, "--data", tmp_path).exception
        assert isinstance(done, RefusedError)
        assert f"so it cannot take {verb!r}" in str(done)
        assert words in str(done)
    assert query(tmp_path, "SELECT * FROM command") == [], "what nobody takes must not take effect later"

    with started("campaign", "watch", "--data", tmp_path) as watch:
        assert watch.stderr is not None
        for line in watch.stderr:
            if "no controller runs" in line:
                break
        assert "resume it with: labwright campaign run first" in line
        watch.send_signal(signal.SIGINT)
        assert watch.wait() == 130
    replay = here("campaign", "replay", "--data", tmp_path)
    assert replay.exit_code == 0
    assert "all agree" in replay.stderr


@pytest.mark.slow
def test_a_question_is_answered_now_or_when_the_campaign_goes_on(
    lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoints, data = tmp_path / "endpoints.json", tmp_path / "data"
    with started("simulate", "--speed", "100", "--lab", lab, "--endpoints", endpoints) as simulation:
        assert simulation.stdout is not None
        control = json.loads(simulation.stdout.readline())["control"]
        broken = {"op": "fault", "device": "heater", "kind": "no_reply", "count": 99, "value": 0.0, "match": "*"}
        with running(lab, data, "--endpoints", endpoints, "--budget", "1") as run:
            ask(control, broken)
            until(lambda: query(data, "SELECT * FROM question"))
            (asked,) = map(json.loads, here("question", "list", "--data", data, "--json").stdout.splitlines())
            question = asked["id"]
            assert {"again", "abandon"} <= set(asked["choices"])
            refused_before_anything_is_written(data, question)
            ask(control, {"op": "clear"})
            words = ("--by", "Ann", "--reason", "the plug was out", "--data", data, "--json")
            done = labwright("question", "answer", question, "again", *words)
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["taken"] is True
            ask(control, broken)
            until(lambda: query(data, "SELECT * FROM question WHERE state = 'open'"))
            run.kill()
            run.wait()
        ((question,),) = query(data, "SELECT id FROM question WHERE state = 'open'")
        ask(control, {"op": "clear"})
        answer(data, question, "abandon", "it fell down")
        told_ = capsys.readouterr().err
        assert "Answer recorded for" in told_
        assert "labwright campaign run first" in told_
        answer(data, question, "again", "it stands there after all")
        told_ = capsys.readouterr().err
        assert "the answer 'abandon' by Ann, reason: it fell down was not taken yet and is withdrawn" in told_
        on = ("--lab", lab, "--data", data, "--no-store", "--endpoints", endpoints)
        done = labwright("campaign", "run", "first", *on)
        assert done.returncode == 0, done.stderr
        assert f"{question} answered by Ann: again, reason: it stands there after all" in done.stderr
    list_questions(data / "journal.sqlite", everything=True, json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["state"], first["because"]) == ("answered", "the plug was out")
    assert (second["answer"], second["kept"]) == ("again", "")
    with pytest.raises(RefusedError, match="is no longer open: answered 'again' by Ann"):
        answer(data, question, "again", "x")


def answer(data: Path, question: str, said: str, because: str) -> None:
    answer_question(data / "journal.sqlite", question, said, readings=(), by="Ann", because=because, json=False)


def refused_before_anything_is_written(data: Path, question: str) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'again'\?") as wrong:
        answer(data, question, "agian", "x")
    assert "abandon: Give sample" in str(wrong.value)
    with pytest.raises(ConfigError, match=rf"did you mean '{re.escape(question)}'\?"):
        answer(data, question[:-1], "again", "x")
    with pytest.raises(ConfigError, match="must name the person and the reason"):
        answer(data, question, "again", " ")
    assert here("question", "answer", question, "again", "--data", data).exit_code == 2, "who, and why?"
    assert query(data, "SELECT * FROM command") == []


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    """The journal of a campaign whose controller has the lock, and does nothing."""
    place = tmp_path / "journal.sqlite"
    with Journal(place) as journal:
        journal.control("Bo")
        first_events(journal)
    return place


def test_a_command_nobody_takes_is_withdrawn(cut_off: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "DEADLINE_S", 0.2)
    monkeypatch.setattr(asking, "GRACE_S", 0.0)
    with Journal(cut_off) as controller:
        controller.claim()
        with pytest.raises(JournalError, match=r"has not taken 'pause' within 0\.2 s; it was withdrawn"):
            steering.steer(cut_off, "", "pause", {}, by="Ann", because="", json=False)
        (row,) = controller.rows(schema.command)
        assert row["answer"].startswith("withdrawn")
        assert controller.waiting_commands(row["campaign"]) == []
        assert not controller.withdraw(row["id"], "twice"), "it was taken back already"
    with pytest.raises(RefusedError, match="no controller runs"):
        steering.steer(cut_off, "first", "pause", {}, by="Ann", because="", json=False)


def test_what_was_asked_of_a_dead_controller_is_not_done_by_the_next(cut_off: Path) -> None:
    campaign = "first-20260101-000000-0001"
    with Journal(cut_off) as asker, Journal(cut_off) as controller:
        asker.command(
            campaign, "stop", {"now": True}, by="Ann", because="it smells"
        )  # and was killed before its answer
        asker.command(campaign, "answer", {"question": f"{campaign}?1", "answer": "again"}, by="Ann", because="looked")
        controller.control("Bo")
        assert [one.kind for one in controller.waiting_commands(campaign)] == ["answer"]
        assert asker.answer_to(1) == "withdrawn: another controller has started since"


def test_looking_lets_go_of_no_claim(cut_off: Path) -> None:
    with Journal(cut_off) as journal, Journal(cut_off) as other:
        journal.claim()
        assert journal.controlled()
        with pytest.raises(RefusedError, match="another controller runs"):
            other.claim()


def test_a_controller_that_works_on_another_campaign_is_not_asked(cut_off: Path) -> None:
    with Journal(cut_off) as controller:
        controller.control("Bo")
        first_events(controller, "second-20260101-000000-0001")
        with pytest.raises(RefusedError, match=r"works on second-\S+\. Name one of those"):
            steering.steer(cut_off, "first-20260101-000000-0001", "stop", {}, by="Ann", because="", json=False)
        with pytest.raises(ConfigError, match="did you mean 'first'"):
            steering.steer(cut_off, "frist", "stop", {}, by="Ann", because="", json=False)
        assert controller.rows(schema.command) == []


def test_looking_whether_a_controller_runs_keeps_none_out(cut_off: Path) -> None:
    """A watcher tries the lock now and then; a controller that begins in that moment must not be refused."""
    code = (
        "import sys; from labwright.journal import Journal\n"
        "with Journal(sys.argv[1]) as journal:\n"
        "    print('looks', flush=True)\n"
        "    while True: journal.controlled()\n"
    )
    looker = subprocess.Popen([sys.executable, "-c", code, str(cut_off)], stdout=subprocess.PIPE, text=True)
    try:
        assert looker.stdout is not None
        looker.stdout.readline()
        for _ in range(50):
            with Journal(cut_off) as journal:
                journal.claim()
    finally:
        looker.kill()
        looker.communicate()


def test_the_view_marks_what_is_late(cut_off: Path) -> None:
    with Journal(cut_off) as journal:
        view = View("first-20260101-000000-0001", drawn=True)
        for logged, event, instructions, _ in replayed(journal, "first-20260101-000000-0001", view.lab):
            view.take(logged, event, instructions)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(view.shown())
    text = console.export_text()
    assert "LATE" in text  # it began in 2026, on a real clock
    assert "RUNNING · 1/4 experiments" in text
    assert "SIMULATED" not in text


def test_a_journal_in_postgresql_is_looked_at_and_steered_too(postgres: PostgresServer) -> None:
    url = postgres.fresh_database()
    with Journal(url) as controller:
        controller.control("Bo")
        first_events(controller)
        shown = here("campaign", "show", "--journal", url, "--json")
        assert json.loads(shown.stdout)["controller"] is True, shown.output
        (listed,) = map(json.loads, here("campaign", "list", "--journal", url, "--json").stdout.splitlines())
        assert listed["waits_for"] == ["step first-20260101-000000-0001/0001/warm"]
    refused = here("campaign", "pause", "--journal", url)
    assert isinstance(refused.exception, RefusedError)
    assert "no controller runs" in str(refused.exception)
    assert here("question", "list", "--all", "--journal", url, "--json").exit_code == 0


def test_a_question_that_nobody_answers_is_seen_and_can_end_an_unattended_run(lab: Path, tmp_path: Path) -> None:
    broken = tmp_path / "lab"
    shutil.copytree(lab, broken)
    protocol = broken / "protocols" / "warm_up.py"
    smokes = '        if context.order.attempt == 1:\n            raise DeviceError("it smokes")\n'
    waits, imports = "        yield from wait_s(", "from labwright.model.protocol"
    text = protocol.read_text().replace(waits, smokes + waits)
    protocol.write_text(text.replace(imports, f"from labwright.model.errors import DeviceError\n{imports}"))
    simulated = ("--simulated", "--no-store", "--planner", "random", "--json")
    command = ("campaign", "run", "first", "--lab", broken, *simulated)
    done = labwright(*command, "--data", tmp_path / "unattended", "--on-question", "fail")
    assert done.returncode == 1, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["state"] == "stopped"
    assert re.match(r"no person is there to answer question .*: .*it smokes", lines[-1]["reason"])

    data = tmp_path / "attended"
    with started(*command, "--data", data, "--budget", "1") as run:
        assert run.stdout is not None
        asked = next(line for line in map(json.loads, run.stdout) if "question" in line)
        assert asked["waits_for"] == [f"answer to {asked['question']['id']}"]
        assert list(asked["question"]["choices"]) == ["again", "abandon"]
        words = ("--by", "Ann", "--reason", "it is out", "--data", data)
        assert labwright("question", "answer", asked["question"]["id"], "again", *words).returncode == 0
        assert json.loads(list(run.stdout)[-1])["state"] == "completed"
