"""`labwright planner`: what there is, which is best for a campaign, what one has learnt."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from labwright.cli import planning
from labwright.cli.app import app
from labwright.cli.comparing import interval
from labwright.cli.init import make_lab
from labwright.journal import Journal
from labwright.model.campaign import CampaignState, Explanation, Outcome, Sensitivity, StopAdvice, Suggestion
from labwright.model.errors import ConfigError, PlannerError
from labwright.planners import PLANNERS
from tests.cli.test_replay import first_events
from tests.forks import labwright as process


def labwright(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture
def under_way(tmp_path: Path) -> Path:
    """A data folder with a campaign whose first step is under way."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Bo")
        first_events(journal)
    return tmp_path


def test_all_planners_are_listed_with_what_they_can() -> None:
    rows = [json.loads(line) for line in labwright("planner", "list", "--json").stdout.splitlines()]
    assert [one["planner"] for one in rows] == list(PLANNERS)
    assert all(isinstance(one["takes_account_of"], list) for one in rows)
    assert "takes account of" in labwright("planner", "list").stdout


def test_one_that_is_not_installed_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(spec: Any) -> Any:
        raise ConfigError(f"planner {spec.name!r} is not installed: pip install 'labwright[that]'")

    monkeypatch.setattr(planning, "load_planner", load)
    first = json.loads(labwright("planner", "list", "--json").stdout.splitlines()[0])
    assert first["installed"] is False
    assert "pip install 'labwright[that]'" in first["words"]


@pytest.mark.slow
def test_planners_are_rehearsed_on_the_simulator(tmp_path: Path) -> None:
    make_lab(tmp_path / "mine")
    words = ("first", "--planners", "sobol,random", "--seeds", "2", "--budget", "2", "--lab", tmp_path / "mine")
    done = process("planner", "compare", *words, "--json")  # a process runs one lab
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["planner"] for one in rows] == ["sobol", "random"]
    assert all(len(one["needed"]) == one["seeds"] == 2 for one in rows)
    assert sum(one["reached"] for one in rows) >= 1, "whoever found the best has reached what is just short of it"
    assert not (tmp_path / "mine" / "var").exists(), "a rehearsal leaves nothing behind"


@pytest.mark.parametrize(
    ("words", "says"),
    [(("fisrt",), "did you mean 'first'?"), (("first", "--planners", "sobl"), "did you mean 'sobol'?")],
)
def test_a_wrong_name_is_told_before_anything_is_rehearsed(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    make_lab(tmp_path / "mine")
    told = labwright("planner", "compare", *words, "--lab", tmp_path / "mine").exception
    assert isinstance(told, ConfigError)
    assert says in str(told)


def test_an_interval_is_the_same_each_time_and_knows_of_never() -> None:
    assert interval([3.0, 3.0, 3.0]) == (3.0, 3.0)
    low, high = interval([2.0, 5.0, math.inf])
    assert (low, high) == interval([2.0, 5.0, math.inf])
    assert low == 2.0
    assert math.isinf(high)


class Wise:
    """A planner that has learnt something."""

    name = "wise"

    def explain(self, state: CampaignState) -> Explanation:
        return Explanation(
            words="warmth helps",
            sensitivities=(Sensitivity(parameter="temperature", share=0.9, length=0.3),),
            slices=(),
            left_out=(("0001", 1.0, 0.8, 0.1), ("0002", 1.0, 1.05, 0.1)),
            calibration=(0.5, 0.9),
            rmse=0.15,
        )

    def advise_stop(self, state: CampaignState) -> StopAdvice:
        return StopAdvice(stop=False, reason="more is to be had", expected_gain=1, noise=0.1, regret_bound=2)

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        return [Suggestion(params={"temperature": 70.5}, rationale="warmest", predicted=Outcome(mean=1.2, sem=0.1))]


def test_what_a_planner_has_learnt_is_told(under_way: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "load_planner", lambda spec: Wise())
    facts = json.loads(labwright("planner", "explain", "first", "--data", under_way, "--json").stdout)
    assert facts["sensitivities"][0]["parameter"] == "temperature"
    assert facts["calibration"] == [0.5, 0.9]
    assert facts["last"]["why"] == "somewhere"
    assert facts["next"] == {
        "params": {"temperature": 70.5},
        "why": "warmest",
        "predicted": {"mean": 1.2, "sem": 0.1},
    }
    assert facts["stop"]["regret_bound"] == 2
    told = labwright("planner", "explain", "--data", under_way)
    for words in ("What matters to glow", "90 %", "+0.2", "warmth helps", "Next: temperature 70.5: warmest"):
        assert words in told.output, told.output


def test_a_planner_that_has_learnt_nothing_says_so(under_way: Path) -> None:
    told = labwright("planner", "explain", "--data", under_way).exception
    assert isinstance(told, PlannerError)


@pytest.mark.slow
def test_a_real_planner_explains_a_real_campaign(tmp_path: Path) -> None:
    lab, data = tmp_path / "mine", tmp_path / "data"
    make_lab(lab)
    words = ("campaign", "run", "first", "--simulated", "--no-store", "--budget", "6", "--lab", lab, "--data", data)
    done = process(*words)
    assert done.returncode == 0, done.stderr
    facts = json.loads(labwright("planner", "explain", "--data", data, "--json").stdout)
    assert [one["parameter"] for one in facts["sensitivities"]] == ["temperature"]
    assert len(facts["left_out"]) == 6
    assert facts["last"]["measured"]["mean"] > 0
    assert 25 <= facts["next"]["params"]["temperature"] <= 85
    assert facts["slices"][0]["parameter"] == "temperature"
