"""The files of NIMS-OS, written and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Veto
from labwright.model.errors import ConfigError
from labwright.model.space import Categorical, Integer, Pool, Real, Space
from labwright.planners import load_planner
from labwright.planners.exchange import read_candidates, read_proposals, write_candidates, write_proposals
from labwright.testing._campaigns import campaigns, measured, pool_of
from tests.planners.conftest import new_state, with_trial

MIXED = Space(
    parameters=(
        Real(name="celsius", low=20.0, high=80.0, unit="degC", step=20.0),
        Integer(name="rinses", low=1, high=2),
        Categorical(name="salt", levels=("LiPF6", "LiFSI")),
    )
)
GROWTH = (Objective(name="k", goal="max", unit="mS/cm"), Objective(name="cost", goal="min", unit="yen"))


def mixed_state() -> CampaignState:
    state = CampaignState(
        space=MIXED, objective=GROWTH[0], more_objectives=GROWTH[1:], seed=1, planner=PlannerSpec(name="sobol")
    )
    outcomes = {"k": {"mean": 2.5}, "cost": {"mean": 300.0}}
    params = {"celsius": 40.0, "rinses": 2, "salt": "LiFSI"}
    return with_trial(state, params=params, status="done", outcomes=outcomes)


def test_what_is_written_is_what_nims_os_reads(tmp_path: Path) -> None:
    path = tmp_path / "candidates.csv"
    rows = write_candidates(mixed_state(), path)
    lines = path.read_text().splitlines()
    assert lines[0] == "celsius,rinses,salt,k,-cost"
    assert lines[1] == "20.0,1,0,,"
    assert "40.0,2,1,2.5,-300.0" in lines
    assert len(lines) == 1 + len(rows) == 17
    # As its modules load it: numbers only, and what was not measured has no last objective.
    table = np.genfromtxt(path, skip_header=1, delimiter=",")
    assert table.shape == (16, 5)
    tried = ~np.isnan(table[:, -1])
    assert table[tried].tolist() == [[40.0, 2.0, 1.0, 2.5, -300.0]]
    assert rows[int(np.flatnonzero(tried)[0])] == {"celsius": 40.0, "rinses": 2, "salt": "LiFSI"}


def test_there_and_back_a_campaign_goes_on(tmp_path: Path) -> None:
    state = measured(pool_of(9), 5)
    path = tmp_path / "candidates.csv"
    rows = write_candidates(state, path)
    found = read_candidates(path, state.space, state.objectives)
    assert found.space.pool is not None
    assert found.space.pool.file == "candidates.csv"
    assert [dict(zip(found.space.names, row, strict=True)) for row in found.space.pool.rows] == rows
    told = {trial.id: (trial.params, trial.outcomes["y"].mean) for trial in found.trials}
    assert sorted(map(str, told.values())) == sorted(
        str((trial.params, trial.outcomes["y"].mean)) for trial in state.trials
    )
    assert all(trial.source == "import" for trial in found.trials)
    going_on = CampaignState.model_validate(
        {**state.model_dump(), "space": found.space.model_dump(), "trials": [one.model_dump() for one in found.trials]}
    )
    chosen = [one.params for one in load_planner(PlannerSpec(name="random")).ask(going_on, 4)]
    proposals = tmp_path / "proposals.csv"
    write_proposals(chosen, path, proposals, state.space)
    assert proposals.read_text().splitlines()[0] == "actions,u,v"
    assert read_proposals(proposals, path, state.space) == chosen


@settings(max_examples=25, deadline=None)
@given(value=st.floats(-1e12, 1e12), x=st.floats(0.0, 1.0))
def test_numbers_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, value: float, x: float) -> None:
    space = Space(parameters=(Real(name="x", low=0.0, high=1.0, unit="1"),))
    state = CampaignState(space=space, objective=GROWTH[1], seed=0, planner=PlannerSpec(name="sobol"))
    state = with_trial(state, params={"x": x}, status="done", outcomes={"cost": {"mean": value}})
    path = tmp_path_factory.mktemp("nimo") / "candidates.csv"
    write_candidates(state, path, others=3)
    (trial,) = read_candidates(path, space, state.objectives).trials
    assert trial.params == {"x": x}
    assert trial.outcomes["cost"].mean == value


def test_of_an_infinite_space_what_was_made_is_written_and_others_beside_it(tmp_path: Path) -> None:
    state = campaigns()["eight done, a person's beyond the bounds"]
    path = tmp_path / "candidates.csv"
    rows = write_candidates(state, path, others=20)
    assert len(rows) == 9 + 20
    assert rows[8] == {"x": 3.005, "y0": 10.0, "z": 1.001}
    assert not [words for params in rows[9:] for words in state.space.violations(params)]
    with pytest.raises(ConfigError, match=r"candidates.csv:10: x = 3.005 is outside -2 to 3"):
        read_candidates(path, state.space, state.objectives)


def test_repeats_are_averaged_and_what_should_not_be_tried_is_left_out(tmp_path: Path) -> None:
    state = measured(pool_of(6), 2)
    first, second = (trial.params for trial in state.trials)
    rest = [params for row in range(6) if (params := _row(state, row)) not in (first, second)]
    state = with_trial(state, params=first, status="done", outcomes={"y": Outcome(mean=3.0)})
    state = with_trial(state, params=second, status="failed", fail_kind="equipment")  # it was measured before
    state = with_trial(state, params=rest[0], status="failed", fail_kind="infeasible")
    state = with_trial(state, params=rest[1], status="running")
    state = state.model_copy(update={"vetoes": (Veto(params=rest[2]),)})
    path = tmp_path / "candidates.csv"
    rows = write_candidates(state, path)
    assert [row for row in rows if row in rest] == [rest[3]]
    means = {
        trial.params["u"]: trial.outcomes["y"].mean
        for trial in read_candidates(path, state.space, state.objectives).trials
    }
    assert means[first["u"]] == pytest.approx((state.trials[0].outcomes["y"].mean + 3.0) / 2)
    assert means[second["u"]] == state.trials[1].outcomes["y"].mean


def test_a_byte_order_mark_empty_lines_and_nan_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "\ufeffcelsius,rinses,salt,k,-cost\r\n20,1.0,0,nan,nan\r\n40,2,1,2.5,-300\r\n\r\n,,,,\r\n", encoding="utf-8"
    )
    found = read_candidates(path, MIXED, GROWTH)
    assert found.space.pool is not None
    assert found.space.pool.rows == ((20.0, 1, "LiPF6"), (40.0, 2, "LiFSI"))
    assert [trial.id for trial in found.trials] == ["line 3"]
    assert found.trials[0].outcomes["cost"].mean == 300.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is nothing below the header"),
        ("celsius,rinses,salt,k,cost\n", "there is nothing below the header"),
        ("celsius,salt,rinses,k,cost\n20,0,1,,\n", "c.csv:1: the columns begin with celsius, salt, rinses"),
        ("celsius,rinses,salt,k\n20,1,0,\n", "c.csv:1: after the parameters come k; the objectives are k, cost"),
        ("celsius,rinses,salt,cost,k\n20,1,0,,\n", "c.csv:1: after the parameters come cost, k"),
        ("celsius,rinses,salt,k,cost\n20,1,0,\n", "c.csv:2: 4 cells under 5 columns"),
        ("celsius,rinses,salt,k,cost\n20,x,0,,\n", "c.csv:2: rinses = 'x' is not a number"),
        ("celsius,rinses,salt,k,cost\n20,,0,,\n", "c.csv:2: rinses is empty"),
        (
            "celsius,rinses,salt,k,cost\n20,1,2,,\n",
            "c.csv:2: salt = 2 is not the number of a level, 0 to 1 (LiPF6, LiFSI)",
        ),
        ("celsius,rinses,salt,k,cost\n20,1,0,1_0,2\n", "c.csv:2: k = '1_0' is not a number"),
        ("celsius,rinses,salt,k,cost\n20,1,0,inf,2\n", "c.csv:2: k = 'inf' is not a number"),
        ("celsius,rinses,salt,k,cost\n20,1,0,1e400,2\n", "c.csv:2: k = '1e400' is too large for a number"),
        ("celsius,rinses,salt,k,cost\n1e400,1,0,,\n", "c.csv:2: celsius = '1e400' is too large for a number"),
        ("celsius,rinses,salt,k,cost\n20,1,0,-1e400,2\n", "c.csv:2: k = '-1e400' is too large for a number"),
        ('celsius,rinses,salt,k,cost\n"20,5",1,0,,\n', "c.csv:2: celsius = '20,5' is not a number; write the decimal"),
        ("celsius;rinses;salt;k;cost\n20;1;0;;\n", "c.csv:1: the columns are separated by ';'"),
        ("celsius,rinses,salt,k,cost\n20,1,0,1,\n", "c.csv:2: some objectives are empty and some are not"),
        ("celsius,rinses,salt,k,cost\n90,1,0,,\n", "c.csv:2: celsius = 90 degC is outside 20 to 80 degC"),
        ("celsius,rinses,salt,k,cost\n20,1.5,0,,\n", "c.csv:2: rinses = 1.5 is not a whole number"),
        ("celsius,rinses,salt,k,cost\n20,1,0,,\n20,1,0,,\n", "c.csv:3: this candidate is in line 2 already"),
        ('celsius,rinses,salt,k,cost\n"20,1,0,,\n', "is no CSV"),
    ],
)
def test_mistakes_are_told_with_file_and_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_candidates(path, MIXED, GROWTH)
    assert says in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("celsius,rinses,salt,k,cost\n90,1,0,,\n20,1,0,,\n20,x,0,,\n")
    with pytest.raises(ConfigError) as caught:
        read_candidates(path, MIXED, GROWTH)
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["2", "4"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("action,celsius,rinses,salt\n0,20,1,0\n", "p.csv:1: the columns are action, celsius"),
        ("actions,celsius,rinses,salt\n16,20,1,0\n", "p.csv:2: action '16' is no number from 0 to 15"),
        ("actions,celsius,rinses,salt\n-1,20,1,0\n", "p.csv:2: action '-1' is no number"),
        ("actions,celsius,rinses,salt\n0,40,1,0\n", "p.csv:2: these are not the parameters of action 0"),
        ("actions,celsius,rinses,salt\n0,20,1,0\n1,20,?,0\n", "p.csv:3: rinses = '?' is not a number"),
        ("actions,celsius,rinses,salt\n0\n", "p.csv:2: 0 cells under 3 columns"),
    ],
)
def test_mistakes_in_proposals_are_told(tmp_path: Path, text: str, says: str) -> None:
    candidates, path = tmp_path / "c.csv", tmp_path / "p.csv"
    write_candidates(mixed_state(), candidates)
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_proposals(path, candidates, MIXED)
    assert says in str(caught.value)


def test_proposals_as_nims_os_writes_them(tmp_path: Path) -> None:
    """Its modules write floats throughout, whole numbers too."""
    candidates, path = tmp_path / "c.csv", tmp_path / "p.csv"
    rows = write_candidates(mixed_state(), candidates)
    path.write_text("actions,celsius,rinses,salt\r\n0,20.0,1.0,0.0\r\n")
    assert read_proposals(path, candidates, MIXED) == [rows[0]]


def test_what_nims_os_cannot_seek_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    with pytest.raises(ConfigError, match="cannot seek a target"):
        write_candidates(campaigns()["eight done, wanted near 0.4"], path)
    limited: dict[str, Any] = {
        **new_state("sobol").model_dump(),
        "outcome_limits": [{"name": "w", "unit": "g", "low": 0}],
    }
    with pytest.raises(ConfigError, match="no limits on outcomes"):
        write_candidates(CampaignState.model_validate(limited), path)
    assert not path.exists()
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_candidates(path, MIXED, GROWTH)


def test_a_point_that_is_no_candidate_is_refused(tmp_path: Path) -> None:
    candidates = tmp_path / "c.csv"
    write_candidates(mixed_state(), candidates)
    with pytest.raises(ConfigError, match="has no candidate celsius = 30"):
        write_proposals([{"celsius": 30.0, "rinses": 1, "salt": "LiPF6"}], candidates, tmp_path / "p.csv", MIXED)


def _row(state: CampaignState, place: int) -> Any:
    pool = state.space.pool
    assert isinstance(pool, Pool)
    return pool.params(state.space.parameters, place)


def test_names_that_would_be_one_column_twice_are_refused(tmp_path: Path) -> None:
    space = Space(
        parameters=(Real(name="-y", low=0.0, high=1.0, unit="1"), Real(name="x", low=0.0, high=1.0, unit="1"))
    )
    state = CampaignState(
        space=space, objective=Objective(name="y", goal="min", unit="1"), seed=0, planner=PlannerSpec(name="sobol")
    )
    with pytest.raises(ConfigError, match="two columns would be called '-y'"):
        write_candidates(state, tmp_path / "candidates.csv")
    assert not list(tmp_path.iterdir())
