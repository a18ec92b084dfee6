"""`labwright.optimise`: a planner without a lab, on pandas frames with units."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import labwright
from labwright.lab import MistakesError
from labwright.model.errors import ConfigError
from labwright.optimiser import Optimiser
from labwright.planners import protocol

SPACE: list[dict[str, Any]] = [
    {"type": "real", "name": "temperature", "unit": "degC", "low": 300, "high": 900},
    {"type": "integer", "name": "rinses", "low": 1, "high": 5},
    {"type": "categorical", "name": "gas", "levels": ["N2", "Ar"]},
]
GOAL = {"name": "yield", "unit": "%", "goal": "max"}
T, Y, S = "temperature / degC", "yield / %", "yield_sem / %"


def oven(**more: Any) -> Optimiser:
    return labwright.optimise(**{"space": SPACE, "objectives": GOAL, "planner": "sobol", **more})


def test_ask_and_tell() -> None:
    one = oven()
    trials = one.ask(3)
    assert list(trials.columns) == [T, "rinses", "gas"]
    assert list(trials.index) == ["1", "2", "3"]
    assert trials.index.name == "trial"
    trials[Y] = [61.0, 58.5, None]
    trials[S] = [0.5, None, None]
    trials["failed"] = [None, None, "infeasible"]
    one.tell(trials)
    assert list(one.table["status"]) == ["done", "done", "failed"]
    assert list(one.table["failed"]) == ["", "", "infeasible"]
    assert one.state.trials[0].outcomes["yield"].sem == 0.5
    before = one.state
    one.tell(trials)
    assert one.state == before, "told again is told once"
    assert one.ask(1).index[0] == "4"
    assert "2 of 4 experiments measured" in repr(one)


def test_a_csv_file_in_between_changes_nothing(tmp_path: Path) -> None:
    one = oven()
    one.ask(2).assign(**{Y: [1.0, 2.0]}).to_csv(tmp_path / "trials.csv")
    one.tell(pd.read_csv(tmp_path / "trials.csv"))
    assert list(one.table["status"]) == ["done", "done"]
    assert all(trial.measured_params is None for trial in one.state.trials)


def test_what_was_made_otherwise_is_kept_as_made() -> None:
    one = oven()
    trials = one.ask(1).assign(**{Y: [61.0]})
    asked = float(trials.loc["1", T])
    trials.loc["1", T] = asked + 3
    one.tell(trials)
    assert one.state.trials[0].params["temperature"] == asked
    assert one.state.trials[0].measured_params == {"temperature": asked + 3}
    assert one.table.loc["1", T] == asked + 3


def test_experiments_of_ones_own_are_taken_too() -> None:
    one = oven(cost={"unit": "min", "base": 1}) if "cost" in _can("sobol") else oven()
    one.tell(pd.DataFrame({T: [400, 500], "rinses": [1, 2], "gas": ["N2", "Ar"], Y: [3.0, 4.0]}), source="human")
    assert [(trial.id, trial.source, trial.status) for trial in one.state.trials] == [
        ("1", "human", "done"),
        ("2", "human", "done"),
    ]
    assert one.state.trials[1].params == {"temperature": 500.0, "rinses": 2, "gas": "Ar"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({Y: None}, "trial 1: yield / % is empty; where there is no result, column 'failed' must say 'infeasible'"),
        ({"failed": "broken"}, "failed: no reason 'broken'"),
        ({"failed": "equipment"}, "it has failed (equipment) and still has yield"),
        ({"yeild / %": 1.0}, "no column 'yeild / %'; did you mean 'yield / %'?"),
        ({"yield / g": 1.0}, "column 'yield / g': yield is told as 'yield / %' here"),
        ({Y: "much"}, "yield / %: 'much' is no number"),
        ({Y: float("inf")}, "yield / %: inf is not finite"),
        ({"gas": "He"}, "gas: no level 'He'"),
        ({S: -1.0}, "greater than or equal to 0"),
    ],
)
def test_what_is_wrong_in_a_frame_is_told_and_nothing_taken(change: dict[str, Any], says: str) -> None:
    one = oven()
    trials = one.ask(2).assign(**{Y: [61.0, 58.5]}).astype(object)
    for head, value in change.items():
        trials[head] = [value, trials[head].iloc[1] if head in trials else None]
    before = one.state
    with pytest.raises(ConfigError) as told:
        one.tell(trials)
    assert says in str(told.value)
    assert one.state == before


def test_ids_that_are_not_known_lost_or_told_otherwise_are_refused() -> None:
    one = oven()
    trials = one.ask(1).assign(**{Y: [61.0]})
    with pytest.raises(ConfigError, match="no trial '9'"):
        one.tell(trials.rename(index={"1": "9"}))
    with pytest.raises(ConfigError, match="these are the parameters of trial 1, which is awaited"):
        one.tell(trials.reset_index(drop=True))
    with pytest.raises(ConfigError, match="temperature / degC, rinses, gas is missing"):
        one.tell(trials[[Y]].reset_index(drop=True))
    one.tell(trials)
    with pytest.raises(ConfigError, match="correct it with replace=True"):
        one.tell(trials.assign(**{Y: [62.0]}))
    one.tell(trials.assign(**{Y: [62.0]}), replace=True)
    assert one.table.loc["1", Y] == 62.0


def test_the_best_why_and_the_front() -> None:
    one = oven()
    assert one.best().empty
    one.tell(one.ask(3).assign(**{Y: [10.0, 61.0, 30.0]}))
    best = one.best()
    assert list(best.index) == ["2"]
    assert best["yield_expected / %"].notna().all()
    assert list(one.front().index) == ["2"]
    why = one.explain(2)
    assert (why.source, why.measured["yield"].mean) == ("planner", 61.0)
    assert "trial 2 (planner)" in str(why)
    assert "measured yield 61" in str(why)
    with pytest.raises(ConfigError, match="no trial '7'"):
        one.explain(7)


def test_the_front_of_two_objectives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labwright.optimiser.lacking", lambda planner, wanted: "")  # whatever the planner can
    one = oven(
        objectives=[GOAL, {"name": "pH", "unit": "1", "goal": "target", "target": 7}],
        outcome_limits=[{"name": "mass", "unit": "g", "low": 1}],
    )
    one.tell(one.ask(4).assign(**{Y: [10.0, 61.0, 30.0, 99.0], "pH": [7.0, 4, 5, 7], "mass / g": [1.0, 1, 1, 0.5]}))
    assert list(one.front().index) == ["1", "2", "3"]


def test_it_goes_on_from_a_file(tmp_path: Path) -> None:
    one = oven()
    one.tell(one.ask(2).assign(**{Y: [1.0, 2.0]}))
    one.save(tmp_path / "oven.json")
    again = labwright.load(tmp_path / "oven.json")
    assert again.state == one.state
    pd.testing.assert_frame_equal(again.ask(2), one.ask(2))
    (tmp_path / "oven.json").write_text("{}")
    with pytest.raises(ConfigError, match="no state of an optimiser: space: Field required"):
        labwright.load(tmp_path / "oven.json")
    with pytest.raises(ConfigError, match="No such file"):
        labwright.load(tmp_path / "none.json")


def test_a_problem_stands_in_a_file_or_in_a_campaign(tmp_path: Path) -> None:
    file = tmp_path / "oven.yaml"
    file.write_text(
        "space:\n  parameters:\n    - {type: real, name: t, unit: degC, low: 0, high: 9}\n"
        "objective: {name: y, goal: max, unit: g}\nplanner: {name: sobol}\n"
    )
    assert list(labwright.optimise(file).ask().columns) == ["t / degC"]
    file.write_text(file.read_text().replace("sobol}", "sobol}\nfidelity: {parameter: u, target: 1}"))
    with pytest.raises(MistakesError, match=r"oven\.yaml:6:\d+: fidelity\.parameter: no numeric parameter"):
        labwright.optimise(file)
    campaign = Path(__file__).parents[1] / "lab_config" / "campaigns" / "conductivity.yaml"
    assert list(labwright.optimise(campaign).ask().columns) == ["molality / mol/kg", "ec_fraction", "dmc_share"]


def test_a_problem_that_does_not_fit_together_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="give a file, or space and objectives"):
        labwright.optimise(space=SPACE)
    with pytest.raises(ConfigError, match="at least one"):
        oven(objectives=[])
    with pytest.raises(ConfigError, match=r"cost\.per\.x: no numeric parameter"):
        oven(cost={"unit": "min", "base": 1, "per": {"x": 1}})
    with pytest.raises(ConfigError, match="no planner 'sobl'; did you mean 'sobol'"):
        oven(planner="sobl")


def test_a_planner_that_takes_no_account_of_it_is_refused() -> None:
    if "fidelity" not in _can("random"):
        with pytest.raises(ConfigError, match="takes no account of fidelity"):
            oven(planner="random", fidelity={"parameter": "rinses", "target": 5})


def _can(name: str) -> frozenset[str]:
    from labwright.model.campaign import PlannerSpec

    return frozenset(protocol.load_planner(PlannerSpec(name=name)).capabilities)


def test_the_candidates_of_a_campaign_are_found_from_where_its_file_is_found(tmp_path: Path) -> None:
    campaigns = tmp_path / "lab" / "lab_config" / "campaigns"
    campaigns.mkdir(parents=True)
    elsewhere = tmp_path / "shared" / "screen.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(
        "name: screen\ntitle: A screen\nprotocol: any\nbudget: 2\nplanner: {name: sobol}\n"
        "objective: {name: y, goal: max, unit: g}\n"
        "space:\n  parameters:\n    - {type: real, name: t, unit: degC, low: 0, high: 9}\n"
        "  pool: {file: data/pool.csv}\n"
    )
    (tmp_path / "lab" / "data").mkdir()
    (tmp_path / "lab" / "data" / "pool.csv").write_text("t\n3\n5\n")
    (campaigns / "screen.yaml").symlink_to(elsewhere)
    assert sorted(labwright.optimise(campaigns / "screen.yaml").ask(2)["t / degC"]) == [3.0, 5.0]
    assert sorted(labwright.optimise(campaigns / ".." / "campaigns" / "screen.yaml").ask(2)["t / degC"]) == [3.0, 5.0]
