"""The search space: validation, every violation at once, and the way to the unit cube and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labwright.model.errors import OutOfRangeError
from labwright.model.space import Categorical, Flag, Integer, LinearLE, Ordinal, Parameter, Real, Space

SALT = Real(name="molality", low=0.14, high=2.0, unit="mol/kg")
RATIO = Real(name="dmc_share", low=0.0, high=1.0, unit="1")


@st.composite
def reals(draw: st.DrawFn) -> Real:
    log = draw(st.booleans())
    low = draw(st.floats(1e-6, 1e3) if log else st.floats(-1e3, 1e3))
    width = draw(st.floats(1e-3, 1e3))
    step = draw(st.none() | st.floats(width / 50, width * 0.99))
    return Real(name="x", low=low, high=low + width, unit="1", log=log, step=step)


@st.composite
def integers(draw: st.DrawFn) -> Integer:
    low = draw(st.integers(-100, 100))
    return Integer(name="x", low=low, high=low + draw(st.integers(1, 200)))


@st.composite
def categoricals(draw: st.DrawFn) -> Categorical:
    return Categorical(name="x", levels=tuple(draw(st.lists(st.sampled_from("abcdefgh"), min_size=2, unique=True))))


@st.composite
def ordinals(draw: st.DrawFn) -> Ordinal:
    values = draw(st.lists(st.integers(-1000, 1000), min_size=2, max_size=9, unique=True))
    return Ordinal(name="x", unit="degC", values=tuple(one / 8 for one in sorted(values)))


@given(reals() | integers() | ordinals() | categoricals() | st.just(Flag(name="x")), st.floats(0, 1))
def test_whatever_comes_from_the_cube_is_allowed_and_goes_back_to_the_same_value(
    parameter: Parameter, place: float
) -> None:
    value = parameter.from_unit(place)
    assert parameter.violations(value) == []
    again = parameter.from_unit(parameter.to_unit(value))
    if isinstance(parameter, Real):
        assert math.isclose(float(again), float(value), rel_tol=1e-9, abs_tol=1e-9 * (parameter.high - parameter.low))
    else:
        assert again == value


@given(reals())
def test_the_ends_of_a_real_are_reached_exactly(parameter: Real) -> None:
    assert parameter.from_unit(0.0) == parameter.low
    assert parameter.from_unit(1.0) == parameter.high


@given(st.floats(0.14, 2.0), st.floats(0, 1))
def test_a_space_survives_the_cube_and_json(molality: float, share: float) -> None:
    space = Space(parameters=(SALT, RATIO), constraints=(LinearLE(coefficients={"molality": 1.0}, bound=2.0),))
    params = {"molality": molality, "dmc_share": share}
    assert space.from_unit(space.to_unit(params)) == pytest.approx(params, rel=1e-9, abs=1e-9)
    assert Space.model_validate_json(space.model_dump_json()) == space


def test_a_step_puts_values_on_its_grid() -> None:
    parameter = Real(name="x", low=0.0, high=1.0, unit="1", step=0.3)
    assert sorted({parameter.from_unit(place / 1000) for place in range(1001)}) == [0.0, 0.3, 0.6, 0.9, 1.0]


def test_every_violation_is_told_at_once() -> None:
    space = Space(parameters=(SALT, RATIO, Categorical(name="salt", levels=("LiPF6", "LiFSI"))))
    with pytest.raises(OutOfRangeError) as caught:
        space.check({"molality": 2.5, "dmc_share": math.nan, "salt": "LiPF", "molarity": 1.0})
    message = str(caught.value)
    assert "molality = 2.5 mol/kg is outside 0.14 to 2 mol/kg" in message
    assert "dmc_share = nan is not a finite number" in message
    assert "did you mean 'LiPF6'?" in message
    assert "no parameter 'molarity'; did you mean 'molality'?" in message


def test_a_missing_parameter_and_a_broken_constraint_are_told() -> None:
    limit = LinearLE(coefficients={"molality": 1.0, "dmc_share": -0.5}, bound=1.0)
    space = Space(parameters=(SALT, RATIO), constraints=(limit,))
    with pytest.raises(OutOfRangeError, match="dmc_share is missing"):
        space.check({"molality": 1.0})
    with pytest.raises(OutOfRangeError, match=r"1\*molality -0.5\*dmc_share <= 1 is exceeded by 0.25"):
        space.check({"molality": 1.5, "dmc_share": 0.5})
    space.check({"molality": 1.5, "dmc_share": 1.0})


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (
            {"parameters": [{"type": "real", "name": "x", "low": 2, "high": 1, "unit": "g"}]},
            "low 2 is not below high 1",
        ),
        ({"parameters": [{"type": "integer", "name": "x", "low": 2, "high": 2}]}, "low 2 is not below high 2"),
        ({"parameters": [{"type": "real", "name": "x", "low": 0, "high": 1, "unit": "g", "log": True}]}, "low > 0"),
        ({"parameters": [{"type": "real", "name": "x", "low": 0, "high": 1, "unit": "g", "step": 3}]}, "wider than"),
        ({"parameters": [{"type": "real", "name": "x", "low": 0, "high": math.inf, "unit": "g"}]}, "finite number"),
        ({"parameters": [{"type": "categorical", "name": "x", "levels": ["a", "a"]}]}, "given twice: a"),
        ({"parameters": [{"type": "reel", "name": "x"}]}, "does not match any of the expected tags"),
        (
            {"parameters": [{"type": "ordinal", "name": "x", "unit": "g", "values": [1, 3, 3]}]},
            "but 3 comes after 3; sort",
        ),
        ({"parameters": [{"type": "ordinal", "name": "x", "unit": "g", "values": [1]}]}, "at least 2 items"),
        ({"parameters": [{"type": "ordinal", "name": "x", "unit": "g", "values": [1, math.inf]}]}, "finite number"),
        ({"parameters": []}, "at least 1 item"),
        ({"parameters": [SALT, SALT]}, "named twice: molality"),
        (
            {"parameters": [SALT], "constraints": [{"coefficients": {"molalty": 1.0}, "bound": 1.0}]},
            "no numeric parameter 'molalty'; did you mean 'molality'?",
        ),
        ({"parameters": [SALT], "bounds": 3}, "Extra inputs are not permitted"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(bad: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Space.model_validate(bad)
    assert says in str(caught.value)


@pytest.mark.parametrize("value", [True, "1.0", math.inf])
def test_only_finite_numbers_are_values_of_a_real(value: object) -> None:
    assert SALT.violations(value) != []  # type: ignore[arg-type]  # wrong on purpose


def test_a_weighed_value_may_lie_outside_the_cube() -> None:
    assert RATIO.to_unit(1.01) == pytest.approx(1.01)
    assert Real(name="x", low=0.1, high=1.0, unit="1", log=True).to_unit(0.0) == 0.0


def test_the_levels_of_an_ordinal_are_as_far_apart_as_their_values() -> None:
    oven = Ordinal(name="oven", unit="degC", values=(200, 300, 700))
    assert [oven.to_unit(one) for one in oven.values] == [0.0, 0.2, 1.0]
    assert [oven.from_unit(place) for place in (-1.0, 0.09, 0.11, 0.59, 0.61, 2.0)] == [200, 200, 300, 300, 700, 700]
    assert (oven.low, oven.high) == (200, 700)
    assert oven.violations(300.0 + 1e-8) == []
    assert oven.violations(310) == ["oven = 310 degC is none of its values (200, 300, 700 degC)"]
    assert "not a finite number" in oven.violations("300")[0]


@pytest.mark.parametrize(
    ("descriptors", "says"),
    [
        ({"EC": {"x": 1.0}, "DMC": {"x": 2.0}, "ED": {"x": 2.0}}, "no level 'ED'; did you mean 'EC'?"),
        ({"EC": {"x": 1.0}}, "level 'DMC' has none; describe all levels or none"),
        ({"EC": {}, "DMC": {}}, "level 'EC' has none; name at least one"),
        ({"EC": {"x": 1.0}, "DMC": {"y": 1.0}}, "'EC' has x and 'DMC' has y; give every level the same"),
        ({"EC": {"x": 1.0, "y": 1.0}, "DMC": {"x": 2.0, "y": 1.0}}, "'y' is 1 for every level"),
        ({"EC": {"x": 1.0}, "DMC": {"x": 1.0}}, "'EC' and 'DMC' have the same; correct them"),
        ({"EC": {"x": 1.0}, "DMC": {"x": math.nan}}, "finite number"),
    ],
)
def test_descriptors_that_describe_nothing_are_refused(descriptors: dict[str, dict[str, float]], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Categorical(name="solvent", levels=("EC", "DMC"), descriptors=descriptors)
    assert says in str(caught.value)


def test_descriptors_survive_json() -> None:
    told = Categorical(name="solvent", levels=("EC", "DMC"), descriptors={"DMC": {"x": 2.0}, "EC": {"x": 1}})
    assert Categorical.model_validate_json(told.model_dump_json()) == told
