"""What is decided depends on no unit: outcomes and parameters in any scale, far from 0 or near it, give the same."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.model.campaign import (
    CampaignState,
    Cost,
    Fidelity,
    Objective,
    Outcome,
    OutcomeLimit,
    PlannerSpec,
    Trial,
    Veto,
)
from labwright.model.errors import ConfigError, PlannerError
from labwright.model.judging import counts, covers
from labwright.model.parameters import digits_of, same
from labwright.model.space import Categorical, Forbidden, Integer, LinearEQ, LinearLE, Mixture, Ordinal, Real, Space
from labwright.planners import load_planner
from labwright.planners._candidates import scan
from labwright.planners._proposals import random_points, sobol_points
from labwright.planners.exchange import read_proposals, write_proposals
from labwright.planners.gp.scale import Scale

AT = [(0.55, 0.1), (0.17, 0.8), (0.44, 0.4), (0.9, 0.6), (0.31, 0.3), (0.05, 0.95), (0.7, 0.72), (0.33, 0.05)]
BY_TWO = [2.0**-43, 2.0**43]
BY_TEN = [1e-13, 1e13]


def space(low: float = 0.0, width: float = 1.0, **more: Any) -> Space:
    ends = {"low": low, "high": low + width}
    return Space(parameters=(Real(name="a", unit="g", **ends), Real(name="b", unit="g", **ends)), **more)


def campaign(
    kind: str = "max", scale: float = 1.0, *, of: Space | None = None, planner: str = "gp", plus: float = 0.0
) -> CampaignState:
    """Eight experiments, outcomes in a unit `scale` times as large and `plus` away from 0."""
    of = of or space()

    def y(a: float, b: float) -> float:
        return plus + scale * (3.0 - (a - 0.3) ** 2 - 2 * (b - 0.4) ** 2)

    objectives = [Objective(name="y", unit="A", goal="max")]
    limits: tuple[OutcomeLimit, ...] = ()
    fields: dict[str, Any] = {}
    if kind == "min":
        objectives = [Objective(name="y", unit="A", goal="min")]
    elif kind == "target":
        objectives = [Objective(name="y", unit="A", goal="target", target=plus + scale * 2.8)]
    elif kind == "range":
        objectives = [Objective(name="y", unit="A", goal="range", low=plus + scale * 2.5, high=plus + scale * 2.6)]
    elif kind == "two":
        objectives.append(Objective(name="z", unit="A", goal="min", reference=1e9 * scale))
    elif kind == "limit":
        limits = (OutcomeLimit(name="z", unit="A", high=0.5e9 * scale),)
    elif kind == "cost":
        fields["cost"] = Cost(unit="A", base=0.0, per={"a": scale})
    elif kind == "fidelity":
        fields["fidelity"] = Fidelity(parameter="a", target=1.0)
    trials = []
    for number, (a, b) in enumerate(AT):
        params = dict(zip(of.names, of.from_unit([a, b]).values(), strict=True))
        sem = 0.05 * scale * (1 + a) if kind == "noise" else None
        outcomes = {"y": Outcome(mean=y(a, b), sem=sem), "z": Outcome(mean=1e9 * scale * a)}
        if kind == "constant":
            outcomes = {"y": Outcome(mean=2.0 * scale)}
        ended = (
            {"status": "failed", "fail_kind": "infeasible"}
            if kind == "failures" and number in (1, 5)
            else {"status": "done", "outcomes": outcomes}
        )
        trials.append(Trial.model_validate({"id": str(number), "params": params, **ended}))
    return CampaignState(
        space=of, objective=objectives[0], more_objectives=tuple(objectives[1:]), outcome_limits=limits,
        trials=tuple(trials), seed=3, planner=PlannerSpec(name=planner), **fields,
    )  # fmt: skip


KINDS = ["max", "min", "target", "range", "two", "limit", "cost", "fidelity", "noise", "failures", "constant"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_scale_of_an_outcome_changes_no_proposal(kind: str) -> None:
    planner = load_planner(PlannerSpec(name="gp"))
    (wanted,) = planner.ask(campaign(kind), 1)
    assert wanted.predicted is not None
    for scale in BY_TWO:
        (found,) = planner.ask(campaign(kind, scale), 1)
        assert found.params == wanted.params, f"nothing is rounded by a power of two ({scale})"
        assert found.predicted == Outcome(mean=wanted.predicted.mean * scale, sem=(wanted.predicted.sem or 0.0) * scale)
    for scale in BY_TEN:
        (found,) = planner.ask(campaign(kind, scale), 1)
        assert found.params == pytest.approx(wanted.params, abs=2e-3)


@pytest.mark.parametrize("kind", ["max", "noise"])
def test_what_is_said_of_a_campaign_scales_with_its_outcome(kind: str) -> None:
    planner = load_planner(PlannerSpec(name="gp"))
    state = campaign(kind)
    advice, best, learnt = planner.advise_stop(state), planner.best(state), planner.explain(state)
    assert advice is not None
    assert best is not None
    for scale in BY_TWO:
        scaled = campaign(kind, scale)
        other = planner.advise_stop(scaled)
        assert other is not None
        assert (other.stop, other.chance) == (advice.stop, advice.chance)
        for name in ("expected_gain", "noise", "regret_bound", "tolerance"):
            assert getattr(other, name) == getattr(advice, name) * scale
        there = planner.best(scaled)
        assert there is not None
        assert (there.trial_id, there.predicted.mean) == (best.trial_id, best.predicted.mean * scale)
        taught = planner.explain(scaled)
        assert taught.sensitivities == learnt.sensitivities
        assert (taught.calibration, taught.rmse) == (learnt.calibration, learnt.rmse * scale)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_squares_that_no_double_can_hold_do_no_harm(scale: float) -> None:
    planner = load_planner(PlannerSpec(name="gp"))
    (wanted,) = planner.ask(campaign("noise"), 1)
    (found,) = planner.ask(campaign("noise", scale), 1)
    assert found.params == pytest.approx(wanted.params, abs=2e-3)
    learnt = planner.explain(campaign("noise", scale))
    assert learnt.rmse == pytest.approx(planner.explain(campaign("noise")).rmse * scale, rel=1e-6)


@pytest.mark.parametrize("name", ["gp", "random", "skopt"])
@pytest.mark.parametrize(
    ("values", "sem"),
    [
        ([1e-310] * 8, None),
        ([(1 + 7 * at % 8) * 1e-310 for at in range(8)], 1e-311),
        ([0.0] * 8, 5e-324),
        ([float(7 * at % 8) for at in range(8)], 1e200),
        ([-1e270, *(at * 1e-270 for at in range(7))], None),
        ([1e-310, 1e279, -1e279, 0.0, 1.0, 2.0, 3.0, 4.0], 1e279),
    ],
)
def test_readings_at_the_ends_of_what_a_double_holds_do_no_harm(
    name: str, values: list[float], sem: float | None
) -> None:
    state, planner = with_readings(values, sem, name), load_planner(PlannerSpec(name=name))
    (found,) = planner.ask(state, 1)
    assert not state.space.violations(found.params)
    best = planner.best(state)
    assert best is not None
    assert planner.explain(state).rmse >= 0
    planner.advise_stop(state)


@pytest.mark.parametrize("name", ["gp", "skopt"])
def test_a_reading_too_large_to_compute_with_is_refused_in_words(name: str) -> None:
    words = r"experiment 3: y = 1.7e\+308 A is beyond 1e\+280, .* correct the reading, or state y in a larger unit"
    with pytest.raises(PlannerError, match=words):
        load_planner(PlannerSpec(name=name)).ask(with_readings([1, 2, 3, 1.7e308, -1.7e308, 4, 5, 6], None, name), 1)


def with_readings(values: list[float], sem: float | None, planner: str) -> CampaignState:
    """Eight experiments that found these values."""
    state = campaign(planner=planner)
    trials = [
        one.model_copy(update={"outcomes": {"y": Outcome(mean=value, sem=sem)}})
        for one, value in zip(state.trials, values, strict=True)
    ]
    return state.model_copy(update={"trials": tuple(trials)})


def test_an_offset_a_billion_times_the_variation_is_no_hindrance() -> None:
    planner = load_planner(PlannerSpec(name="gp"))
    (wanted,) = planner.ask(campaign(), 1)
    (found,) = planner.ask(campaign(scale=1e-3, plus=1e6), 1)
    assert found.params == pytest.approx(wanted.params, abs=1e-2)


@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.backends) for name in ("botorch", "optuna", "baybe")), "skopt"]
)
@pytest.mark.parametrize("kind", ["max", "target", "two", "limit"])
def test_other_libraries_see_outcomes_of_one_size(name: str, kind: str) -> None:
    pytest.importorskip({"skopt": "skopt", "optuna": "optuna"}.get(name, name))
    if name != "skopt":
        pytest.importorskip("torch")
    planner = load_planner(PlannerSpec(name=name))
    if {"two": "two objectives", "limit": "outcome limits"}.get(kind, "") not in {"", *planner.capabilities}:
        pytest.skip("it takes no account of that")
    (wanted,) = planner.ask(campaign(kind, planner=name), 1)
    for scale in BY_TWO:
        (found,) = planner.ask(campaign(kind, scale, planner=name), 1)
        assert found.params == wanted.params


@pytest.mark.parametrize("width", [1e-13, 1.0, 1e13])
@pytest.mark.parametrize("far", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("planner", ["gp", "sobol", "random"])
def test_the_scale_of_parameters_changes_no_proposal(width: float, far: float, planner: str) -> None:
    one, chosen = space(far * width, width), load_planner(PlannerSpec(name=planner))
    (wanted,) = chosen.ask(campaign(planner=planner), 1)
    (found,) = chosen.ask(campaign(of=one, planner=planner), 1)
    assert one.to_unit(found.params) == pytest.approx(space().to_unit(wanted.params), abs=1e-3)
    assert not one.violations(found.params)


@pytest.mark.parametrize("unit", [1e-13, 1e13])
def test_limits_between_parameters_hold_in_any_unit(unit: float) -> None:
    def limited(unit: float) -> Space:
        names = ("a", "b", "c")
        return Space(
            parameters=tuple(Real(name=name, unit="g", low=0.0, high=unit) for name in names),
            constraints=(
                Mixture(parameters=names, total=1.2 * unit),
                LinearEQ(coefficients={"a": 1.0, "b": -2.0}, total=0.1 * unit),
                LinearLE(coefficients={"a": 1.0, "c": 0.5}, bound=0.8 * unit),
            ),
        )

    here, there = limited(1.0), limited(unit)
    even = zip(sobol_points(here, 3), sobol_points(there, 3), strict=False)
    drawn = zip(
        random_points(here, np.random.default_rng(3)), random_points(there, np.random.default_rng(3)), strict=False
    )
    for wanted, found in itertools.chain(itertools.islice(even, 20), itertools.islice(drawn, 20)):
        assert there.violations(found) == []
        assert there.to_unit(found) == pytest.approx(here.to_unit(wanted), abs=1e-6)
    assert len(scan(there, 64, np.random.default_rng(1))) > 10
    with pytest.raises(ValueError, match="no point of the space keeps"):
        Space(
            parameters=tuple(Real(name=name, unit="g", low=0.0, high=unit) for name in ("a", "b")),
            constraints=(
                LinearEQ(coefficients={"a": 1.0, "b": 1.0}, total=unit),
                LinearLE(coefficients={"a": 1.0, "b": 2.0}, bound=0.9 * unit),
            ),
        )


@pytest.mark.parametrize(
    ("parameter", "inside", "outside"),
    [
        (Real(name="x", unit="1", low=1e6, high=1e6 + 1e-3), 1e6 + 1e-3, 1e6 + 1.1e-3),
        (Real(name="x", unit="1", low=1e13, high=1e13 + 1), 1e13, 1e13 - 1),
        (Real(name="x", unit="mol", low=1e-14, high=9e-13), 9e-13 * (1 + 1e-14), 9.1e-13),
        (Real(name="x", unit="1", low=1e-9, high=1.0, log=True), 1e-9 * (1 - 1e-12), 0.9e-9),
        (Real(name="x", unit="1", low=1e-9, high=1.0, log=True), 1.0, 0.0),
        (Real(name="x", unit="1", low=300.0, high=900.0), 900.0000000001, 900.1),
        (Integer(name="x", low=10**12, high=10**12 + 5), 10**12 + 5, 10**12 + 6),
        (Ordinal(name="x", unit="1", values=(1e6, 1e6 + 1e-3)), 1e6 + 1e-3, 1e6 + 5e-4),
    ],
)  # fmt: skip
def test_bounds_forgive_rounding_and_no_more(parameter: Any, inside: float, outside: float) -> None:
    one = Space(parameters=(parameter,))
    assert one.violations({"x": inside}) == []
    assert one.violations({"x": outside}) != []


@given(
    low=st.floats(-1e15, 1e15),
    width=st.floats(1e-15, 1e15),
    at=st.floats(0.0, 1.0),
    scale=st.sampled_from([1e-13, 1, 1e13]),
)
def test_a_value_from_the_unit_cube_is_inside_and_survives_fifteen_digits(
    low: float, width: float, at: float, scale: float
) -> None:
    low, high = low * scale, (low + width) * scale
    if not high - low > 1e-9 * abs(low):
        return
    one = Real(name="x", unit="1", low=low, high=high)
    value = one.from_unit(at)
    assert one.violations(value) == []
    assert one.violations(float(f"{value:.15g}")) == []
    assert abs(one.to_unit(value) - at) < 1e-6
    assert same(one, value, float(f"{value:.15g}"))
    assert not same(one, one.low, one.high)


def test_digits_are_as_many_as_a_range_needs() -> None:
    assert digits_of(Real(name="x", unit="1", low=0, high=1)) == 12
    assert digits_of(Real(name="x", unit="1", low=300, high=900)) == 12
    far = Real(name="x", unit="1", low=1e13, high=1e13 + 1)
    assert len({far.from_unit(step / 100) for step in range(101)}) == 101


def test_whole_numbers_far_from_zero_are_told_apart() -> None:
    far = 10_000_000_000
    n = Integer(name="n", low=far, high=far + 9)
    one = Space(parameters=(n,), constraints=(Forbidden(when={"n": far + 1}),))
    assert one.violations({"n": far + 2}) == []
    assert one.violations({"n": far + 1}) != []
    assert len({params["n"] for params in itertools.islice(sobol_points(one, 1), 64)}) == 9
    wide = Space(parameters=(Integer(name="n", low=0, high=2 * far),))
    assert covers(Veto(params={"n": far}), wide, {"n": far})
    assert not covers(Veto(params={"n": far}), wide, {"n": far + 1})
    trial = Trial(id="1", params={"n": far + 1}, status="done", outcomes={"y": Outcome(mean=1.0)})
    assert not counts(trial, (), Fidelity(parameter="n", target=far))
    with pytest.raises(ValueError, match="cannot be distinguished"):
        Integer(name="n", low=0, high=2**60)


@pytest.mark.parametrize(
    ("given", "says"),
    [({"low": -1.7e308, "high": 1.7e308}, "too wide"), ({"low": 1e-300, "high": 1e300, "log": True}, "too many times")],
)
def test_a_range_that_no_double_can_hold_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Real(name="x", unit="1", **given)


def test_candidates_that_differ_by_little_are_told_apart(tmp_path: Path) -> None:
    one = Space(parameters=(Real(name="D", unit="m2/s", low=1e-14, high=9e-13),))
    candidates, proposals = tmp_path / "candidates.csv", tmp_path / "proposals.csv"
    candidates.write_text("D,y\n1e-13,\n5e-13,\n9e-13,\n")
    write_proposals([{"D": 9e-13}], candidates, proposals, one)
    assert proposals.read_text() == "actions,D\n2,9e-13\n"
    proposals.write_text("actions,D\n0,9e-13\n")
    with pytest.raises(ConfigError, match=r"proposals.csv:2: these are not the parameters of action 0"):
        read_proposals(proposals, candidates, one)


def test_a_scale_of_equal_values_is_theirs_or_that_of_what_is_asked() -> None:
    assert Scale.of(np.array([3e-13] * 4), "max", least=8).spread == 3e-13
    assert Scale.of(np.zeros(4), "range", least=8, beside=[5e-14]).spread == 5e-14
    assert Scale.of(np.array([0.1 + 0.2, 0.3]), "max", least=8).spread == pytest.approx(0.3)
    assert Categorical(name="k", levels=("a", "b")).violations("a") == []
