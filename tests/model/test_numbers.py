"""Numbers read from text: what is one, and what is refused with a hint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.model.errors import ConfigError
from labwright.model.numbers import number


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), (" -2.50 ", -2.5), ("+.5", 0.5), ("3.", 3.0), ("1e-13", 1e-13), ("007", 7.0), ("0e400", 0.0)],
)
def test_a_decimal_number_is_read(text: str, value: float) -> None:
    assert number(text) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_writes_is_read_back_exactly(value: float) -> None:
    assert number(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a number is missing"),
        ("  ", "a number is missing"),
        ("6_1", "'6_1' is not a number; write its digits without separators"),
        ("1 000", "without separators"),
        ("1'000.5", "without separators"),
        ("1,5", "'1,5' is not a number; write the decimal point as '.', and no comma between thousands"),
        ("1,500.0", "no comma between thousands"),
        ("1.500,0", "is not a number"),
        ("nan", "it must be finite"),
        ("-Infinity", "it must be finite"),
        ("1e400", "'1e400' is too large for a number"),
        ("-1e400", "too large"),
        ("1e-400", "'1e-400' is too small for a number"),
        ("\u22125", "write its sign as '-'"),
        ("\u0663", "is not a number"),  # a digit three of another script
        ("0x10", "is not a number"),
        ("5 g", "is not a number"),
        ("5%", "without '%'"),
        ("true", "is not a number"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        number(text)
    assert says in str(refused.value)
