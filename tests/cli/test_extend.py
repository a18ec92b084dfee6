"""`labwright campaign extend` of a campaign that has run out: with a controller, without, killed, and by two people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labwright.cli.init import make_lab
from labwright.engine.upgrading import other_decision
from labwright.journal import Journal, journal_file
from tests.cli.test_serve import rows, serving, states, submitted, until
from tests.forks import labwright, start

ROOT = Path(__file__).parents[2]
WHY = ("--by", "Ann", "--reason", "it still rises")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    return folder


def run(lab: Path, data: Path, *words: str | Path) -> str:
    where = ("--lab", lab, "--data", data, "--no-store", "--by", "Ann")
    done = labwright("campaign", "run", "first", *where, *(words or ("--simulated",)))
    assert done.returncode == 0, done.stderr
    return done.stderr


def first(lab: Path, data: Path) -> str:
    """A campaign of one experiment that has run out."""
    run(lab, data, "--simulated", "--budget", "1", "--planner", "random")
    (campaign,) = states(data)
    return campaign


def extend(lab: Path, data: Path, campaign: str, budget: int, *words: str, why: tuple[str, ...] = WHY) -> str:
    """Extend it; what is said then, without a word if it was done."""
    done = labwright(
        "campaign", "extend", campaign, "--budget", str(budget), *why, *words, "--lab", lab, "--data", data
    )
    return done.stderr if done.returncode else ""


def listed(data: Path, campaign: str) -> tuple[str, int, int]:
    done = labwright("campaign", "show", campaign, "--data", data, "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    return shown["state"], shown["tried"], shown["budget"]


def labels(data: Path, campaign: str) -> list[str]:
    found = rows(data, "SELECT campaign, label FROM experiment WHERE state = 'complete' ORDER BY label")
    return [label for owner, label in found if owner == campaign]


def kinds(data: Path, campaign: str) -> list[str]:
    return [kind for owner, kind in rows(data, "SELECT campaign, kind FROM event ORDER BY id") if owner == campaign]


def test_where_no_controller_runs_the_next_one_carries_it_out(lab: Path, tmp_path: Path) -> None:
    campaign = first(lab, tmp_path)
    before = kinds(tmp_path, campaign)
    assert "it has made 1 experiments already; name more than that" in extend(lab, tmp_path, campaign, 1)
    assert "--by and --reason" in extend(lab, tmp_path, campaign, 2, why=("--by", "Ann", "--reason", " "))
    changed = next((lab / "lab_config").glob("*.yaml"))
    kept = changed.read_text()
    changed.write_text(f"{kept}\n# looked at\n")
    assert "--lab-changed" in extend(lab, tmp_path, campaign, 2)
    assert kinds(tmp_path, campaign) == before, "what is refused changes nothing"
    assert extend(lab, tmp_path, campaign, 2, "--lab-changed") == ""
    changed.write_text(kept)
    assert kinds(tmp_path, campaign) == [*before, "extended"]
    assert listed(tmp_path, campaign) == ("running", 1, 2)
    assert "its budget is 2 experiments already" in extend(lab, tmp_path, campaign, 2)
    line = ("campaign", "extend", "first", "--budget", "3", *WHY, "--lab", lab, "--data", tmp_path)
    done = labwright(*line)
    assert done.returncode == 0, done.stderr
    assert f"{campaign} may make 3 experiments now. No controller runs; resume it with: labwright" in done.stderr
    said = run(lab, tmp_path)
    assert f"{campaign} was interrupted; resuming it" in said
    assert "2/3" in said
    assert listed(tmp_path, campaign) == ("completed", 3, 3)
    assert labels(tmp_path, campaign) == ["0001", "0002", "0003"]
    with Journal.reading(journal_file(tmp_path)) as journal:
        assert other_decision(journal, campaign) is None, "it is replayed as it was decided"
    done = labwright("report", campaign, "--data", tmp_path, "--lab", lab)
    assert done.returncode == 0, done.stderr
    run(lab, tmp_path, "--simulated", "--budget", "1")
    assert len(states(tmp_path)) == 2, "another begins, for nothing is left of the first"


def test_a_controller_takes_it_up_at_once_and_two_people_may_ask(lab: Path, tmp_path: Path) -> None:
    with serving(lab, tmp_path):
        campaign = submitted(lab, tmp_path, 1)
        other = submitted(lab, tmp_path, 1)
        until(lambda: set(states(tmp_path).values()) == {"completed"})
        assert "it has made 1 experiments already" in extend(lab, tmp_path, campaign, 1)
        line = ("campaign", "extend", campaign, *WHY, "--lab", lab, "--data", tmp_path)
        both = [start(*line, "--budget", budget) for budget in ("2", "3")]
        said = [one.communicate(timeout=60)[1] for one in both]
        assert both[1].returncode == 0, said
        assert both[0].returncode == 0 or "its budget is 3 experiments already" in said[0]
        until(lambda: states(tmp_path)[campaign] == "completed")
        assert listed(tmp_path, campaign) == ("completed", 3, 3)
        assert labels(tmp_path, campaign) == ["0001", "0002", "0003"]
        assert listed(tmp_path, other) == ("completed", 1, 1)
    with Journal.reading(journal_file(tmp_path)) as journal:
        assert other_decision(journal, campaign) is None


def test_what_was_stopped_or_is_on_other_instruments_is_refused(lab: Path, tmp_path: Path) -> None:
    campaign = first(lab, tmp_path)
    simulation = start("simulate", "--lab", lab, "--endpoints", tmp_path / "endpoints.json", "--speed", "100")
    try:
        until((tmp_path / "endpoints.json").exists)
        with serving(lab, tmp_path, "--endpoints", tmp_path / "endpoints.json"):
            assert "not on the simulated instruments of this lab" in extend(lab, tmp_path, campaign, 2)
            stopped = submitted(lab, tmp_path, 9, "--endpoints", tmp_path / "endpoints.json")
            until(lambda: rows(tmp_path, "SELECT 1 FROM intent"))
            labwright("campaign", "stop", stopped, "--data", tmp_path, *WHY)
            until(lambda: states(tmp_path)[stopped] == "stopped")
            assert "Only a campaign that has run out goes on" in extend(lab, tmp_path, stopped, 20)
    finally:
        simulation.kill()
        simulation.communicate()
    assert states(tmp_path)[campaign] == "completed"


def test_a_process_dies_before_the_event_and_right_after_it(lab: Path, tmp_path: Path) -> None:
    endpoints = tmp_path / "endpoints.json"
    simulation = start("simulate", "--lab", lab, "--endpoints", endpoints, "--speed", "100")
    on = ("--endpoints", endpoints)
    try:
        until(endpoints.exists)
        with serving(lab, tmp_path, *on):
            campaign = submitted(lab, tmp_path, 1, *on)
            until(lambda: states(tmp_path)[campaign] == "completed")
        with Journal(journal_file(tmp_path)) as journal:
            payload = {"campaign": campaign, "budget": 2}
            number = journal.command("", "extend", payload, by="Ann", because="no controller hears it")
        with serving(lab, tmp_path, *on) as controller:
            with Journal.reading(journal_file(tmp_path)) as journal:
                until(lambda: journal.answer_to(number) is not None)
                assert str(journal.answer_to(number)).startswith("withdrawn")
            assert states(tmp_path)[campaign] == "completed"
            asking = start("campaign", "extend", campaign, "--budget", "2", *WHY, "--lab", lab, "--data", tmp_path)
            until(lambda: "extended" in kinds(tmp_path, campaign))
            controller.kill()
            asking.communicate(timeout=60)
        assert states(tmp_path)[campaign] != "stopped"
        with serving(lab, tmp_path, *on):
            until(lambda: states(tmp_path)[campaign] == "completed")
        assert labels(tmp_path, campaign) == ["0001", "0002"]
        assert kinds(tmp_path, campaign).count("extended") == 1
    finally:
        simulation.kill()
        simulation.communicate()


def test_what_is_left_of_the_material_must_last(tmp_path: Path) -> None:
    here = ("--lab", ROOT, "--data", tmp_path, "--no-store", "--simulated", "--planner", "random")
    done = labwright("campaign", "run", "conductivity", *here, "--budget", "1", "--by", "Ann")
    assert done.returncode == 0, done.stderr
    (campaign,) = states(tmp_path)
    said = extend(ROOT, tmp_path, campaign, 100)
    assert "99 experiments need 99 positions that hold an empty" in said, said
    assert states(tmp_path) == {campaign: "completed"}
