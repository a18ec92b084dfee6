"""Points in spaces where drawing from a box would never hit an allowed one."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.model.campaign import CampaignState, Objective, PlannerSpec
from labwright.model.errors import PlannerError
from labwright.model.space import Categorical, Integer, LinearEQ, Mixture, Ordinal, Params, Pool, Real, Space
from labwright.planners import BUILT_IN, load_planner
from labwright.planners._axes import spelt
from labwright.planners._candidates import every_point, linear_system, neighbours, params_at, scan
from labwright.planners._proposals import random_points, sobol_points
from tests.planners.conftest import with_trial

SEVEN, TEN = "abcdefg", "abcdefghij"


def real(name: str, low: float = 0.0, high: float = 1.0, **more: Any) -> Real:
    return Real(name=name, low=low, high=high, unit="1", **more)


def space(parameters: list[Any], *constraints: dict[str, Any], **more: Any) -> Space:
    return Space.model_validate({"parameters": parameters, "constraints": constraints, **more})


def mixture(names: str, **more: Any) -> dict[str, Any]:
    return {"type": "mixture", "parameters": list(names), **more}


def choose(names: str, at_least: int, at_most: int, **more: Any) -> dict[str, Any]:
    return {"type": "choose", "parameters": list(names), "at_least": at_least, "at_most": at_most, **more}


NASTY = {
    "seven components, two or three of them, in steps": space(
        [real(name, step=0.05) for name in SEVEN], mixture(SEVEN), choose(SEVEN, 2, 3, least=0.1)
    ),
    "seven components, two or three of them": space(
        [real(name) for name in SEVEN], mixture(SEVEN), choose(SEVEN, 2, 3)
    ),
    "ten components": space([real(name) for name in TEN], mixture(TEN)),
    "ten components that cannot be much": space([real(name, 0.02, 0.15) for name in TEN], mixture(TEN)),
    "an equality with coefficients": space(
        [real("x", -1, 3), real("y", 0.5, 40), Integer(name="k", low=0, high=9), real("z", step=0.1)],
        {"type": "linear_eq", "coefficients": {"x": 2.0, "y": -0.1, "k": 1.0}, "total": 4.0},
    ),
    "whole numbers only": space(
        [Integer(name=name, low=0, high=20) for name in "klm"],
        {"type": "linear_eq", "coefficients": {"k": 3, "l": 5, "m": -2}, "total": 19},
    ),
    "two equalities that share parameters": space(
        [real(name) for name in "abcde"],
        mixture("abcd"),
        {"type": "linear_eq", "coefficients": {"a": 1.0, "b": -2.0, "e": 0.5}, "total": 0.0},
    ),
    "a mixture with little room and a gap": space(
        [real(name) for name in "abcd"],
        mixture("abcd"),
        {"coefficients": {"a": 1.0, "b": 1.0}, "bound": 0.01},
        {"type": "forbidden", "when": {"c": {"above": 0.4, "below": 0.6}}},
    ),
    "logarithmic scales under a sum": space(
        [real("a", 1e-4, 1.0, log=True), real("b", 1e-3, 10.0, log=True), real("c")],
        {"coefficients": {"a": 1.0, "b": 1.0, "c": -1.0}, "bound": 0.2},
    ),
    "a sliver between inequalities": space(
        [real(name) for name in "abc"],
        {"coefficients": {"a": 1.0, "b": -1.0}, "bound": -0.999},
        {"coefficients": {"c": 1.0, "b": -1.0}, "bound": -0.99},
    ),
    "everything at once": space(
        [
            real("a"),
            real("b"),
            real("c"),
            Ordinal(name="t", unit="degC", values=(0, 20, 25, 900)),
            Categorical(name="s", levels=("x", "y", "z")),
            Integer(name="n", low=1, high=5),
        ],
        mixture("abc"),
        {"type": "forbidden", "when": {"s": ["x", "y"], "t": 900}},
        {"coefficients": {"n": 0.1, "a": 1.0}, "bound": 0.6},
    ),
    "a total of a hundred in presets": space(
        [Ordinal(name=name, unit="g", values=(0, 5, 10, 20, 40, 75)) for name in "abcd"],
        mixture("abcd", total=100.0),
        choose("abcd", 0, 3),
    ),
    "a mixture on mixed scales": space(
        [real("a", 1e-3, 0.5, log=True), real("b", 0.1, 0.9), real("c", 0.05, 0.9, step=0.1)], mixture("abc")
    ),
    "a pool": space(
        [real("a"), Integer(name="n", low=1, high=9), Categorical(name="s", levels=("x", "y"))],
        pool={"file": "c.csv", "rows": [[n / 10, 1 + n % 9, "xy"[n % 2]] for n in range(11)]},
    ),
}  # fmt: skip
FINITE = {"whole numbers only", "a total of a hundred in presets", "a pool"}

every_space = pytest.mark.parametrize("name", NASTY)


def off(one: Space, params: Params) -> float:
    """By how much the worst sum misses its total, as a fraction of it or of 1."""
    misses = [0.0]
    for limit in one.constraints:
        if isinstance(limit, LinearEQ | Mixture):
            total = math.fsum(factor * float(params[name]) for name, factor in limit.coefficients.items())
            misses.append(abs(total - limit.total) / max(1.0, abs(limit.total)))
    return max(misses)


def new_state(one: Space, planner: str, seed: int = 0) -> CampaignState:
    objective = Objective(name="k", goal="max", unit="1")
    return CampaignState(space=one, objective=objective, seed=seed, planner=PlannerSpec(name=planner))


def as_params(one: Space, unit: np.ndarray) -> Iterator[Params]:
    for row in unit:
        params = params_at(one, row)
        assert params is not None
        yield params


def test_ten_thousand_points_and_none_breaks_a_limit() -> None:
    begin = time.process_time()
    checked = 0
    for one in NASTY.values():
        rng = np.random.default_rng(7)
        points = list(itertools.islice(sobol_points(one, 3), 250)) + list(
            itertools.islice(random_points(one, rng), 250)
        )
        unit = scan(one, 128, rng)
        around = neighbours(one, unit[:5], 32, 0.1, rng)
        for params in itertools.chain(points, as_params(one, unit), as_params(one, around)):
            assert one.violations(params) == []
            assert off(one, params) < 1e-9
            checked += 1
    assert checked > 10_000
    assert time.process_time() - begin < 20.0  # 5 s measured; the limit is for a busy machine


@every_space
def test_planners_ask_for_allowed_points_that_are_new(name: str) -> None:
    one = NASTY[name]
    for planner in ("random", "sobol"):
        state, seen = new_state(one, planner, seed=4), set()
        for _ in range(3):
            for suggestion in load_planner(state.planner).ask(state, 3):
                assert one.violations(suggestion.params) == []
                seen.add(tuple(suggestion.params.values()))
                state = with_trial(state, params=suggestion.params, status="running")
        assert len(seen) == 9


@pytest.mark.parametrize("name", ["seven components, two or three of them, in steps", "everything at once", "a pool"])
def test_the_default_planner_asks_for_what_is_allowed(name: str) -> None:
    one = NASTY[name]
    state = new_state(one, "gp", seed=2)
    planner = load_planner(state.planner)
    for _ in range(11):  # as many as the pool has
        (suggestion,) = planner.ask(state, 1)
        assert one.violations(suggestion.params) == []
        outcome = {"k": {"mean": float(suggestion.params["a"])}}
        state = with_trial(state, params=suggestion.params, status="done", outcomes=outcome)
    best = planner.best(state)
    assert best is not None
    assert best.observed.mean > 0.4


@every_space
def test_a_position_of_allowed_parameters_gives_them_back(name: str) -> None:
    one = NASTY[name]
    for params in itertools.islice(sobol_points(one, 11), 9):
        assert params_at(one, np.array(one.to_unit(params))) == params


@every_space
def test_every_position_has_something_allowed_near_it(name: str) -> None:
    one = NASTY[name]
    for row in np.random.default_rng(5).uniform(-0.1, 1.1, (40, len(one.names))):
        params = params_at(one, row)
        assert params is not None
        assert one.violations(params) == []


def test_where_nothing_is_allowed_there_are_no_params() -> None:
    one = space([real("a"), real("b")], {"type": "forbidden", "when": {"a": {"above": -1.0}}})
    assert params_at(one, np.array([0.5, 0.5])) is None
    with pytest.raises(PlannerError, match=r"break the constraints .a above -1 is forbidden"):
        next(sobol_points(one, 1))


@every_space
def test_a_sequence_skips_as_far_as_it_would_have_walked(name: str) -> None:
    one = NASTY[name]
    whole = list(itertools.islice(sobol_points(one, 9), 80))
    for skip in (1, 5) if name in FINITE else (1, 64, 79):
        assert next(sobol_points(one, 9, skip)) == whole[skip]


def test_a_pool_is_walked_once_and_begins_again_where_others_chose() -> None:
    one = NASTY["a pool"]
    whole = list(sobol_points(one, 9))
    assert len({tuple(params.values()) for params in whole}) == len(whole) == 11
    assert list(sobol_points(one, 9, 4)) == whole[4:] + whole[:4]
    assert list(sobol_points(one, 8)) != whole
    assert len(list(random_points(one, np.random.default_rng(1)))) == 11


@pytest.mark.parametrize(
    ("name", "planner"),
    [*(("a pool", planner) for planner in BUILT_IN), *(("whole numbers only", name) for name in ("random", "sobol"))],
)
def test_all_of_a_finite_space_is_asked_once_and_then_no_more(name: str, planner: str) -> None:
    one = NASTY[name]
    unit = every_point(one)
    assert unit is not None
    everything = {tuple(params.values()) for params in as_params(one, unit)}
    assert len(everything) == len(unit)
    state = new_state(one, planner)
    chooser = load_planner(state.planner)
    for number in range(len(unit)):
        (suggestion,) = chooser.ask(state, 1)
        outcome = {"k": {"mean": float(number % 3)}}
        state = with_trial(state, params=suggestion.params, status="done", outcomes=outcome)
    assert {tuple(trial.params.values()) for trial in state.trials} == everything
    with pytest.raises(PlannerError, match=r"exhausted|every point of the space"):
        chooser.ask(state, 1)


@pytest.mark.parametrize("planner", BUILT_IN)
@pytest.mark.parametrize("values", [[1e-9, 1e-6, 1e-3, 1.0], [1e-15, 1e-10, 1e-5, 1.0], [1e-12, 1.0, 1e12]])
def test_values_that_lie_close_beside_others_are_asked_as_well(planner: str, values: list[float]) -> None:
    state = new_state(Space(parameters=(Ordinal(name="dose", unit="mol", values=tuple(values)),)), planner)
    for number in range(len(values)):
        [one] = load_planner(state.planner).ask(state, 1)
        state = with_trial(state, params=one.params, status="done", outcomes={"k": {"mean": float(number)}})
    assert sorted(float(trial.params["dose"]) for trial in state.trials) == values
    with pytest.raises(PlannerError):
        load_planner(state.planner).ask(state, 1)


def test_a_small_value_on_a_log_scale_is_not_rounded_to_its_lower_end() -> None:
    parameter = Real(name="K", unit="mol/L", low=1e-15, high=1e3, log=True)
    wide = Space(parameters=(parameter,))
    assert spelt(wide, np.array([2.5e-14])) == {"K": 2.5e-14}
    points = as_params(wide, np.linspace(0.0, 1.0, 19)[:, None])
    assert [round(math.log10(float(one["K"]))) for one in points] == list(range(-15, 4))


def test_an_unread_pool_is_told() -> None:
    one = Space(parameters=(real("a"),), pool=Pool(file="c.csv"))
    for ask in (every_point, lambda it: scan(it, 8, np.random.default_rng(1)), lambda it: next(sobol_points(it, 1))):
        with pytest.raises(PlannerError, match=r"the candidates in c\.csv are not read"):
            ask(one)


def test_components_of_a_mixture_are_all_alike() -> None:
    for name, spread in (("ten components", 0.005), ("ten components that cannot be much", 0.005)):
        points = np.array([list(params.values()) for params in itertools.islice(sobol_points(NASTY[name], 5), 1024)])
        assert points.mean(axis=0) == pytest.approx(np.full(10, 0.1), abs=spread)
    uniform = np.random.default_rng(0).dirichlet(np.ones(10), 20_000)
    points = np.array(
        [list(params.values()) for params in itertools.islice(sobol_points(NASTY["ten components"], 5), 2048)]
    )
    for share in (0.1, 0.5, 0.9, 0.99):
        assert np.quantile(points, share) == pytest.approx(np.quantile(uniform, share), rel=0.05)


def test_every_choice_of_components_is_seen_and_what_is_not_used_is_exactly_nothing() -> None:
    one = NASTY["seven components, two or three of them"]
    points = [list(params.values()) for params in itertools.islice(sobol_points(one, 5), 2048)]
    supports = [tuple(place for place, share in enumerate(point) if share != 0.0) for point in points]
    assert len(set(supports)) == math.comb(7, 2) + math.comb(7, 3)


@pytest.mark.parametrize("name", ["ten components", "everything at once", "an equality with coefficients"])
def test_a_scan_reaches_the_faces(name: str) -> None:
    one = NASTY[name]
    points = list(as_params(one, scan(one, 1024, np.random.default_rng(2))))
    for parameter in one.parameters:
        if isinstance(parameter, Real):
            ends = {params[parameter.name] for params in points} & {parameter.low, parameter.high}
            assert parameter.low in ends or name == "an equality with coefficients"


@every_space
def test_neighbours_stay_near_and_differ(name: str) -> None:
    one = NASTY[name]
    parents = scan(one, 64, np.random.default_rng(3))[:4]
    children = neighbours(one, parents, 64, 0.02, np.random.default_rng(4))
    assert len(children) > (0 if name in FINITE else 64)
    for params in as_params(one, children):
        assert one.violations(params) == []
    if one.pool is None:
        nearest = np.abs(children[:, None] - parents[None]).max(axis=2).min(axis=1)
        assert np.median(nearest) < 0.5
        again = neighbours(one, parents, 64, 0.02, np.random.default_rng(4))
        assert np.array_equal(children, again)


def test_neighbours_take_one_discrete_step_and_change_the_choice() -> None:
    one = NASTY["everything at once"]
    params: Params = {"a": 0.2, "b": 0.3, "c": 0.5, "t": 20.0, "s": "z", "n": 3}
    children = neighbours(one, np.array([one.to_unit(params)]), 400, 1e-3, np.random.default_rng(1))
    found = [dict(set(child.items()) - set(params.items())) for child in as_params(one, children)]
    for single in ({"t": 0.0}, {"t": 25.0}, {"s": "x"}, {"s": "y"}, {"n": 2}, {"n": 4}):
        assert single in found
    assert any(set(change) == {"a", "b"} for change in found), "two components exchange"
    one = NASTY["seven components, two or three of them, in steps"]
    params = {**dict.fromkeys(SEVEN, 0.0), "a": 0.3, "b": 0.7}
    children = neighbours(one, np.array([one.to_unit(params)]), 400, 1e-3, np.random.default_rng(1))
    used = [tuple(name for name in SEVEN if child[name] != 0) for child in as_params(one, children)]
    assert {len(one) for one in used} == {2, 3}
    assert any("a" in one and "b" not in one for one in used), "another in the place of b"
    assert any("b" in one and "a" not in one for one in used), "another in the place of a"


def test_the_linear_system_says_in_the_cube_what_the_constraints_say() -> None:
    parameters: list[Any] = [
        real("a", -1, 3),
        Integer(name="n", low=2, high=7),
        Ordinal(name="t", unit="1", values=(1, 4, 5)),
    ]
    one = space(
        [*parameters, real("l", 0.1, 10.0, log=True), Categorical(name="s", levels=("x", "y"))],
        {"coefficients": {"a": 2.0, "n": -1.0}, "bound": 1.0},
        {"coefficients": {"l": 1.0, "n": -1.0}, "bound": 1.0},
        {"type": "linear_eq", "coefficients": {"a": 1.0, "t": 0.5}, "total": 2.5},
    )
    a_ub, b_ub, a_eq, b_eq = linear_system(one)
    assert (a_ub.shape, b_ub.shape, a_eq.shape, b_eq.shape) == ((1, 5), (1,), (1, 5), (1,))
    for params in itertools.islice(sobol_points(one, 1), 50):
        unit = np.array(one.to_unit(params))
        assert a_eq @ unit == pytest.approx(b_eq)
        assert (a_ub @ unit <= b_ub + 1e-9).all()
    assert a_ub @ np.array(one.to_unit({"a": 3.0, "n": 5, "t": 1.0, "l": 1.0, "s": "x"})) == pytest.approx(b_ub)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.sampled_from([0.1, 0.2, 0.25, 0.5]), min_size=2, max_size=4),
    position=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    factor=st.sampled_from([1.0, 2.0]),
)
def test_steps_that_add_up_are_found_and_are_the_nearest(
    steps: list[float], position: list[float], factor: float
) -> None:
    """Against all combinations there are."""
    names = "abcd"[: len(steps)]
    one = space(
        [real(name, step=step) for name, step in zip(names, steps, strict=True)],
        {"type": "linear_eq", "coefficients": {**dict.fromkeys(names, 1.0), "a": factor}, "total": 1.0},
    )
    levels = [[min(round(k * step, 9), 1.0) for k in range(math.ceil(1 / step - 1e-9) + 1)] for step in steps]
    every = [point for point in itertools.product(*levels) if abs(sum(point) + (factor - 1) * point[0] - 1) < 1e-9]
    params = params_at(one, np.array(position[: len(steps)]))
    assert params is not None
    assert tuple(params.values()) in every
    (plane,) = [np.array([factor, *[1.0] * (len(steps) - 1)])]
    if factor == 1.0 and len(set(steps)) == 1:  # then no step is lost by bringing the point onto the sum first
        wanted = np.array(position[: len(steps)])
        wanted = wanted + plane * (1 - plane @ wanted) / (plane @ plane)
        if (wanted >= 0).all() and (wanted <= 1).all():
            nearest = min(float(((np.array(point) - wanted) ** 2).sum()) for point in every)
            assert float(((np.array(list(params.values())) - wanted) ** 2).sum()) == pytest.approx(nearest, abs=1e-9)
