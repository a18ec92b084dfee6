"""Campaigns in flight: what the planner knows when it is asked, and what is counted."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.planners import in_flight, limits
from benchmarks.planners.figures import NOT_FOUND
from benchmarks.planners.ours import Ours
from benchmarks.planners.tables import Table, read_table
from labwright.model.campaign import CampaignState, PlannerSpec, Suggestion
from labwright.model.space import Params
from labwright.planners import load_planner


def table(folder: Path) -> Table:
    """Twelve rows of two parameters, the best in the middle."""
    lines = [f"{a},{b},{a * (3 - a) + b}" for a in range(4) for b in range(3)]
    file = folder / "pvlab_T.csv"
    file.write_text("a,b,y\n" + "\n".join(lines))
    file.with_suffix(".config.json").write_text('{"default_goal": "maximize"}')
    return read_table(file)


class Spy:
    """Follows the Sobol sequence, and keeps what it was asked."""

    def __init__(self) -> None:
        self.states: list[CampaignState] = []

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        self.states.append(state)
        return load_planner(PlannerSpec(name="sobol")).ask(state, n)


@pytest.mark.parametrize("flight", [1, 3, 4])
def test_the_last_ones_are_under_way_and_their_outcomes_unknown(flight: int, monkeypatch: pytest.MonkeyPatch) -> None:
    spy = Spy()
    monkeypatch.setattr(in_flight, "load_planner", lambda _: spy)
    (case,) = in_flight.cases([], ["Branin"])

    def never(params: Params) -> bool:
        return False

    hopeless = in_flight.Case(case.name, case.space, case.goal, case.read, never, "", budget=7)
    assert in_flight.run(Ours(name="sobol"), hopeless, 1, flight) == NOT_FOUND
    for number, state in enumerate(spy.states):
        under_way = [trial for trial in state.trials if trial.pending]
        assert len(state.trials) == number
        assert under_way == list(state.trials[len(state.trials) - min(number, flight - 1) :])
        assert not any(trial.outcomes for trial in under_way)
        assert all(trial.outcomes for trial in state.trials if not trial.pending)


def test_what_takes_no_account_of_outcomes_needs_as_many_however_many_are_in_flight(tmp_path: Path) -> None:
    planner = Ours(name="sobol")
    some = in_flight.cases([table(tmp_path)], ["electrolyte", "T"])
    assert [case.name for case in some] == ["electrolyte", "T"]
    in_flight.run_all({"sobol": planner}, some, range(3), tmp_path / "out")
    found = in_flight.results({"sobol": planner}, some, tmp_path / "out")["sobol"]
    assert found[1] == found[3] == found[4]
    assert len(found[1]) == 6
    assert {ratio.figure for ratio in limits.of_in_flight(found)} == {1.0}
    in_flight.report({"sobol": found})


def test_the_electrolyte_reads_triplicates_that_scatter() -> None:
    (case,) = in_flight.cases([], ["electrolyte"])
    params: Params = {"molality": 1.11, "ec_fraction": 0.33, "dmc_share": 1.0}
    assert case.reached(params)
    mean, sem = case.read(params, np.random.default_rng(0))
    assert mean == pytest.approx(13.85, abs=0.5)
    assert sem is not None
    assert 0.01 < sem < 0.5
