"""Numbers as people read them: whatever the unit, the digits that count are there."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.model.figures import column, evenly, figure, measured, resolving

SIZES = st.floats(-1e300, 1e300).filter(lambda value: value == 0 or abs(value) > 1e-290)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5, "5"),
        (5.0, "5"),
        (12, "12"),
        (13.5812, "13.58"),
        (-13.5812, "-13.58"),
        (0.3, "0.3"),
        (7.4e-8, "7.4e-08"),
        (-1.23456e-13, "-1.235e-13"),
        (1.23456e13, "1.235e+13"),
        (1e13, "1e+13"),
        (10_000_000_000_001, "10000000000001"),
        (1234567.8, "1234568"),
        (12345.6, "12346"),
        (9.99999, "10"),
        (0.00012345, "0.0001234"),
        (math.nan, "nan"),
    ],
)
def test_a_number_has_its_significant_digits(value: float, shown: str) -> None:
    assert figure(value) == shown


@pytest.mark.parametrize(
    ("mean", "sem", "shown"),
    [
        (13.5812, 0.1634, "13.58 ± 0.16"),
        (1.3581e-13, 1.6e-15, "(1.358 ± 0.016)e-13"),
        (1.5e9, 2.3e6, "(1.5000 ± 0.0023)e+09"),
        (0.0, 1.0, "0.0 ± 1.0"),
        (-0.001, 5.2, "0.0 ± 5.2"),
        (12345.6, 123.4, "12346 ± 120"),
        (1000000.0001, 1e-5, "1000000.000100 ± 0.000010"),
        (13.5, 9.97, "14 ± 10"),
        (5.0, None, "5"),
        (5.0, 0.0, "5"),
        (5.0, math.nan, "5"),
        (1e-310, 2.5e-311, "1e-310 ± 2.5e-311"),
        (1e-310, 0.5, "0.00 ± 0.50"),
        (1.7e308, 1.797e308, "1.7e+308 ± 1.797e+308"),
    ],
)
def test_a_mean_is_shown_to_the_place_of_its_error(mean: float, sem: float | None, shown: str) -> None:
    assert measured(mean, sem) == shown


def test_numbers_below_one_another_are_told_apart() -> None:
    assert column([1.0001, 1.0002, None, 3]) == ["1.0001", "1.0002", "", "3"]
    assert column([1e-13, 1.00001e-13]) == ["1e-13", "1.00001e-13"]
    assert column([2.5, 2.5]) == ["2.5", "2.5"]
    assert column([0.3, 0.1 + 0.2, 0.49514609719]) == ["0.3", "0.3", "0.49515"], "rounding is no difference"


@pytest.mark.parametrize(
    ("values", "step", "shown"),
    [
        ([0, 0.25, 0.5], 0.25, ["0.00", "0.25", "0.50"]),
        ([1e6, 1e6 + 1e-4], 1e-4, ["1000000.0000", "1000000.0001"]),
        ([0, 2.5e-13, 5e-13], 2.5e-13, ["0", "2.5e-13", "5e-13"]),
        ([-5e8, 0, 5e8], 5e8, ["-5e+08", "0", "5e+08"]),
        ([1000, 2000], 1000, ["1000", "2000"]),
        ([1e13, 1e13 + 5], 5, ["1e+13", "1.0000000000005e+13"]),
    ],
)
def test_an_axis_has_the_digits_of_its_step(values: list[float], step: float, shown: list[str]) -> None:
    assert evenly(values, step) == shown


@given(SIZES)
def test_nothing_but_zero_is_shown_as_zero(value: float) -> None:
    assert float(figure(value)) == pytest.approx(value, rel=1e-3, abs=0)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, allow_infinity=False))
def test_every_double_can_be_shown(mean: float, sem: float) -> None:
    for text in (figure(mean), figure(mean, 2), *measured(mean, sem).split(" ± ")):
        assert math.isfinite(float(text.strip("()").partition(")")[0]))


@given(SIZES, st.floats(1e-8, 1e8))
def test_a_mean_and_its_error_are_never_rounded_away(mean: float, ratio: float) -> None:
    sem = abs(mean) * ratio
    if sem == 0 or not math.isfinite(sem):
        return
    text = measured(mean, sem)
    inside, _, power = text.replace("(", "").partition(")e")
    shown_mean, shown_sem = (float(one) * 10.0 ** int(power or 0) for one in inside.split(" ± "))
    assert shown_sem == pytest.approx(sem, rel=0.06)
    assert abs(shown_mean - mean) <= 0.06 * sem + 1e-12 * abs(mean)


@given(st.lists(SIZES, min_size=2, max_size=5))
def test_a_column_tells_what_differs_apart(values: list[float]) -> None:
    span = max(values) - min(values)
    for one, shown in zip(values, column(values), strict=True):
        for other, also in zip(values, column(values), strict=True):
            if abs(one - other) > span / 1000 and abs(one - other) > 1e-13 * max(abs(one), abs(other)):
                assert shown != also


@pytest.mark.parametrize(
    ("low", "high", "digits"),
    [(0.0, 1.0, 4), (300.0, 301.0, 6), (1e6, 1e6 + 0.01, 12), (1e-13, 2e-13, 4), (5.0, 5.0, 4)],
)
def test_a_narrow_range_has_more_digits(low: float, high: float, digits: int) -> None:
    assert resolving(low, high) == digits
