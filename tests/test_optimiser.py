"""`labwright.optimise`: a planner without a lab, on pandas frames with units."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import labwright
from labwright.lab import MistakesError
from labwright.model.errors import ConfigError
from labwright.optimiser import Optimiser
from labwright.planners import load_planner

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
        ({Y: None}, "trial 1: yield / % is empty; without a result, column 'failed' must be 'infeasible'"),
        ({"failed": "broken"}, "failed: no reason 'broken'"),
        ({"failed": "equipment"}, "it failed (equipment) and still has yield"),
        ({"yeild / %": 1.0}, "no column 'yeild / %'; did you mean 'yield / %'?"),
        ({"yield / g": 1.0}, "column 'yield / g': expected column 'yield / %'; convert the values to that unit"),
        ({Y: "much"}, "yield / %: 'much' is not a number"),
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
    with pytest.raises(ConfigError, match="these are the parameters of trial 1, which is pending"):
        one.tell(trials.reset_index(drop=True))
    with pytest.raises(ConfigError, match="temperature / degC, rinses, gas is missing"):
        one.tell(trials[[Y]].reset_index(drop=True))
    one.tell(trials)
    with pytest.raises(ConfigError, match="use replace=True"):
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
    with pytest.raises(ConfigError, match="no state of an optimiser: space: is missing"):
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

    return frozenset(load_planner(PlannerSpec(name=name)).capabilities)


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


OWN = [
    *("trial", "Trial", " STATUS", "status", "source", "failed", "experiment", "time", "rationale", "predicted"),
    *("_id", "actions", "y_sem", "Y_SEM", "y sem_sem", "y_expected", "y_expected_sem", "y", "Y", "y / %"),
]


@pytest.mark.parametrize("name", [one for one in OWN if one != "y sem_sem"])
def test_a_parameter_whose_column_is_another_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    goal = {"name": "y", "unit": "%", "goal": "max"}
    own = {"type": "integer", "name": name, "low": 1, "high": 4}
    other = {"type": "categorical", "name": "gas", "levels": ["N2", "Ar"]}
    with pytest.raises(ConfigError, match=r"space\[1\]\.name: .* is also the column of .*; choose another name"):
        labwright.optimise(space=[other, own], objectives=goal)
    file = tmp_path / "problem.yaml"
    file.write_text(
        f"space:\n  parameters:\n    - {{type: integer, name: '{name}', low: 1, high: 4}}\n"
        "objective: {name: y, goal: max, unit: '%'}\nplanner: {name: sobol}\n"
    )
    with pytest.raises(MistakesError, match=r"problem\.yaml:3:\d+: space\.parameters\.0\.name: .* choose another name"):
        labwright.optimise(file)


@pytest.mark.parametrize(
    ("objectives", "limits", "says"),
    [
        (["y_sem", "y"], [], r"objectives\[0\]\.name: 'y_sem' is also the column of the standard error of 'y'"),
        (["y", "Y"], [], r"objectives\[1\]\.name: 'Y' is also the column of the outcome 'y'"),
        (["status"], [], r"objectives\[0\]\.name: 'status' is also the column of how far"),
        (["y"], ["failed"], r"outcome_limits\[0\]\.name: 'failed' is also"),
        (["y"], ["y_sem"], r"outcome_limits\[0\]\.name: 'y_sem' is also the column of the standard error"),
        (["x"], [], r"space\[0\]\.name: 'x' is also the column of the outcome 'x'"),
        (["y"], ["cost"], r"outcome_limits\[0\]\.name: 'cost' is also the column of the cost"),
    ],
)
def test_outcomes_whose_columns_collide_are_refused(objectives: list[str], limits: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        labwright.optimise(
            space=[{"type": "integer", "name": "x", "low": 1, "high": 4}],
            objectives=[{"name": name, "unit": "%", "goal": "max"} for name in objectives],
            outcome_limits=[{"name": name, "unit": "%", "low": 0} for name in limits],
            cost={"unit": "EUR", "base": 1},
        )


def test_one_outcome_has_one_unit() -> None:
    with pytest.raises(ConfigError, match=r"outcome_limits\[0\]\.unit: 'yield' is in '%' above, not in 'g'"):
        oven(planner="gp", outcome_limits=[{"name": "yield", "unit": "g", "low": 0}])


def test_names_that_only_look_alike_are_taken() -> None:
    one = labwright.optimise(
        space=[
            {"type": "real", "name": "T", "unit": "K", "low": 1, "high": 2},
            {"type": "real", "name": "t", "unit": "s", "low": 1, "high": 2},
            {"type": "real", "name": "time", "unit": "min", "low": 1, "high": 2},
            {"type": "real", "name": "cost", "unit": "EUR", "low": 1, "high": 2},
            {"type": "real", "name": "Li/Na", "unit": "1", "low": 1, "high": 2},
            {"type": "real", "name": "Li/K", "unit": "1", "low": 1, "high": 2},
        ],
        objectives={"name": "y", "unit": "%", "goal": "max"},
        planner="sobol",
    )
    trials = one.ask(2).assign(**{"y / %": [1.0, 2.0]})
    one.tell(trials)
    assert all(trial.measured_params is None for trial in one.state.trials)
    assert len(set(one.table.columns)) == len(one.table.columns)


def test_a_state_of_before_with_such_names_says_what_to_rename(tmp_path: Path) -> None:
    one = oven()
    one.save(tmp_path / "oven.json")
    (tmp_path / "oven.json").write_text((tmp_path / "oven.json").read_text().replace('"rinses"', '"trial"'))
    with pytest.raises(ConfigError, match=r"rename them in it: space\.parameters\.1\.name: 'trial'"):
        labwright.load(tmp_path / "oven.json")


def screened(levels: list[str]) -> Optimiser:
    return labwright.optimise(
        space=[
            {"type": "categorical", "name": "additive", "levels": levels},
            {"type": "real", "name": "T", "unit": "degC", "low": 300, "high": 900},
        ],
        objectives={"name": "y", "unit": "%", "goal": "max"},
        planner="sobol",
        seed=3,
    )


LEVELS = [
    *(["007", "008"], ["1.10", "1.20"], ["1e3", "2e3"], ["1", "2", "3"], ["+1", "-1"], ["0x10", "0x11"]),
    *(
        ["True", "False"],
        ["true", "false"],
        ["yes", "no"],
        [" x", "x "],
        ["a,b", 'a"b'],
        ["Äther", "水"],
        ["1-2", "3-4"],
    ),
    *(
        ["2024-01-02", "2024-01-03"],
        ["1,5", "2,5"],
        ["1 000", "2 000"],
        ["inf", "-inf"],
        ["1_0", "2_0"],
        ["1e400", "2"],
    ),
    *(["a\nb", "c"], ["5 %", "6 %"], ["007", "x"]),
]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_file_with_another_separator_is_told_as_such(mark: str, tmp_path: Path) -> None:
    one = screened(["x", "y"])
    one.ask(2).assign(**{"y / %": [1.5, 2.5]}).to_csv(tmp_path / "trials.csv", sep=mark, decimal=",")
    with pytest.raises(ConfigError, match=re.escape(f"read it with pandas.read_csv(path, sep={mark!r})")):
        one.tell(pd.read_csv(tmp_path / "trials.csv"))
    one.tell(pd.read_csv(tmp_path / "trials.csv", sep=mark, decimal=","))
    assert list(one.table["y / %"]) == [1.5, 2.5]


@pytest.mark.parametrize("given", [None, [1.0], {"y / %": [1.0]}, pd.Series({"y / %": 1.0})])
def test_what_is_no_table_is_refused_in_words(given: Any) -> None:
    with pytest.raises(ConfigError, match="tell needs a pandas DataFrame, not "):
        screened(["x", "y"]).tell(given)


def test_a_result_that_is_no_number_is_not_called_empty_as_well() -> None:
    one = screened(["x", "y"])
    with pytest.raises(ConfigError) as caught:
        one.tell(one.ask(1).assign(**{"y / %": ["<0.1"]}))
    assert str(caught.value).splitlines()[1:] == ["  trial 1: y / %: '<0.1' is not a number"]


@pytest.mark.parametrize("levels", LEVELS, ids=str)
def test_a_csv_file_in_between_changes_no_level(levels: list[str], tmp_path: Path) -> None:
    one = screened(levels)
    trials = one.ask(4).assign(**{"y / %": [1.0, 2.0, 3.0, 4.0]})
    trials.to_csv(tmp_path / "trials.csv")
    one.tell(pd.read_csv(tmp_path / "trials.csv"))
    assert list(one.table["additive"]) == list(trials["additive"])
    assert all(trial.measured_params is None for trial in one.state.trials)


@pytest.mark.parametrize("levels", [*LEVELS, ["None", "VC"], ["NA", "null"], ["nan", "N/A"], ["", "x"]], ids=str)
def test_read_as_text_every_level_comes_back(levels: list[str], tmp_path: Path) -> None:
    one = screened(levels)
    trials = one.ask(4).assign(**{"y / %": [1.0, 2.0, None, 4.0], "failed": ["", None, "infeasible", None]})
    trials.to_csv(tmp_path / "trials.csv")
    one.tell(pd.read_csv(tmp_path / "trials.csv", dtype=str, keep_default_na=False))
    assert list(one.table["additive"]) == list(trials["additive"])
    assert all(trial.measured_params is None for trial in one.state.trials)
    assert list(one.table["status"]) == ["done", "done", "failed", "done"]


def test_a_level_with_an_empty_cell_beside_it_is_still_read(tmp_path: Path) -> None:
    one = screened(["1", "2", "3"])
    trials = one.ask(3).assign(**{"y / %": [1.0, 2.0, 3.0]})
    asked = list(trials["additive"])
    trials.loc["2", "additive"] = None
    trials.to_csv(tmp_path / "trials.csv")
    one.tell(pd.read_csv(tmp_path / "trials.csv"))
    assert list(one.table["additive"]) == asked, "an empty cell is as asked, where no level is spelt like one"


@pytest.mark.parametrize("level", ["None", "NA", "nan", "null", "N/A", "", "<NA>"])
def test_an_empty_cell_that_may_be_a_level_is_refused(level: str, tmp_path: Path) -> None:
    one = screened([level, "VC", "FEC"])
    trials = one.ask(3).assign(**{"y / %": [1.0, 2.0, 3.0]})
    trials["additive"] = level
    trials.to_csv(tmp_path / "trials.csv")
    with pytest.raises(ConfigError, match=r"an empty cell may be the level .* dtype=str, keep_default_na=False"):
        one.tell(pd.read_csv(tmp_path / "trials.csv"))
    own = pd.DataFrame({"additive": [None], "T / degC": [400.0], "y / %": [1.0]})
    with pytest.raises(ConfigError, match="an empty cell may be the level"):
        one.tell(own)
    assert one.table["y / %"].isna().all()


@pytest.mark.parametrize(
    ("levels", "cell", "says"),
    [
        (["7", "007"], 7, "'7' may be the level '7' or '007'"),
        (["1.1", "1.10"], 1.1, "may be the level '1.1' or '1.10'"),
        (["True", "true"], True, "may be the level 'True' or 'true'"),
        (["12345678901234567", "12345678901234568"], 1.2345678901234568e16, "may be the level"),
        (["007", "008"], 9, "no level '9'"),
        (["1.10", "2"], "1,10", "no level '1,10'"),
    ],
)
def test_a_cell_that_may_be_two_levels_or_is_none_is_refused(levels: list[str], cell: Any, says: str) -> None:
    one = screened(levels)
    with pytest.raises(ConfigError) as told:
        one.tell(pd.DataFrame({"additive": [cell], "T / degC": [400.0], "y / %": [1.0]}, dtype=object))
    assert says in str(told.value)


@pytest.mark.parametrize(("cell", "says"), [("1,5", "write the decimal point as '.'"), ("1 500", "without separators")])
def test_numbers_written_for_people_are_refused_in_words(cell: str, says: str) -> None:
    one = oven()
    with pytest.raises(ConfigError, match=says):
        one.tell(one.ask(1).assign(**{Y: [cell]}))


def test_notes_are_ignored_with_a_warning_and_misspelt_columns_are_not() -> None:
    one = oven()
    trials = one.ask(1).assign(**{Y: [61.0], "date": ["2024-01-02"], "extra": ["by Ann"]})
    with pytest.warns(UserWarning, match="ignored, as they are no columns of this problem: 'date', 'extra'"):
        one.tell(trials)
    one.tell(one.table)
    assert one.best().shape[0] == 1
    one.tell(one.best())
    trials = one.ask(1)
    for head in ("Yield/%", "yield", "yield [%]", "yield / percent", "yeild / %", "yield_sm / %"):
        with pytest.raises(ConfigError, match=r"yield(_sem)? / %"):
            one.tell(trials.assign(**{head: [1.0]}))


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2", None])
def test_fewer_than_one_experiment_cannot_be_asked_for(n: Any) -> None:
    one = oven()
    with pytest.raises(ConfigError, match="at least 1"):
        one.ask(n)
    assert not one.state.trials


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"space": []}, "space: needs at least 1 entry, not 0"),
        ({"space": [{"type": "rael", "name": "x"}]}, r"space\[0\]: needs a type, one of 'real', 'integer'"),
        (
            {"space": [{"type": "categorical", "name": "x", "levels": [7, "8"]}]},
            r"space\[0\]\.levels\[0\]: must be text",
        ),
        ({"space": [{"type": "categorical", "name": "x", "levels": ["a"]}]}, "levels: needs at least 2 entries, not 1"),
        ({"objectives": {"name": "y", "goal": "biggest", "unit": "g"}}, r"objectives\[0\]\.goal: must be 'max', 'min'"),
        ({"objectives": [GOAL, {"name": "y", "goal": "max"}]}, r"objectives\[1\]\.unit: is missing"),
        ({"outcome_limits": [{"name": "z", "unit": "g"}]}, r"outcome_limits\[0\]: .*give low, high or both"),
    ],
)
def test_what_is_wrong_is_told_by_argument_and_in_plain_words(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as told:
        oven(**change)
    for raw in ("Tuple", "validation", "Input", "Field required", "tag"):
        assert raw not in str(told.value)


def test_what_was_learnt_is_printed_as_a_summary() -> None:
    one = oven(planner="gp")
    trials = one.ask(6)
    one.tell(trials.assign(**{Y: [float(value) for value in trials[T]]}))
    shown = str(one.learnt())
    assert shown == repr(one.learnt())
    assert "temperature" in shown
    assert len(shown.splitlines()) < 20


def test_a_dose_far_smaller_than_one_unit_is_kept_as_made() -> None:
    one = labwright.optimise(
        space=[{"type": "real", "name": "dose", "unit": "mol", "low": 1e-14, "high": 9e-13}],
        objectives={"name": "y", "unit": "%", "goal": "max"},
        planner="sobol",
    )
    trials = one.ask(2).assign(**{"y / %": [1.0, 2.0]})
    trials["dose / mol"] = [2e-13, 8e-13]
    one.tell(trials)
    assert [trial.measured_params for trial in one.state.trials] == [{"dose": 2e-13}, {"dose": 8e-13}]
    assert list(one.table["dose / mol"]) == [2e-13, 8e-13]


def test_a_flag_is_a_truth_value_in_tables_and_survives_a_csv_file(tmp_path: Path) -> None:
    one = labwright.optimise(
        space=[{"type": "flag", "name": "stirred"}, {"type": "real", "name": "x", "unit": "1", "low": 0, "high": 1}],
        objectives={"name": "y", "unit": "%", "goal": "max"},
        cost={"unit": "EUR", "base": 1, "levels": {"stirred": {True: 2}}},
        seed=3,
    )
    trials = one.ask(4).assign(**{"y / %": [1.0, 2.0, 3.0, 4.0]})
    assert trials["stirred"].dtype == bool
    assert set(trials["stirred"]) == {True, False}
    trials.to_csv(tmp_path / "trials.csv")
    one.tell(pd.read_csv(tmp_path / "trials.csv"))
    assert list(one.table["stirred"]) == list(trials["stirred"])
    assert [trial.cost for trial in one.state.trials] == [3.0 if stirred else 1.0 for stirred in trials["stirred"]]
    assert all(trial.measured_params is None for trial in one.state.trials)
    one.tell(pd.DataFrame({"stirred": ["TRUE", "false"], "x": [0.5, 0.6], "y / %": [5.0, 6.0]}))
    assert list(one.table["stirred"])[-2:] == [True, False]
    with pytest.raises(ConfigError, match="stirred: no level 'yes'"):
        one.tell(pd.DataFrame({"stirred": ["yes"], "x": [0.5], "y / %": [5.0]}))
