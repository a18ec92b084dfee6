"""The pictures: well-formed, readable without colour, and honest about what they cannot draw."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.report import Bar, best_so_far, differences, nyquist, parity, surrogate_slice, timeline
from labwright.report.svg import BOTTOM, HEIGHT, LEFT, LETTER, RIGHT, TOP, WIDTH, Axis, same_scale

SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = st.floats(-1e9, 1e9)


def drawn(svg: str) -> ET.Element:
    root = ET.fromstring(svg)  # noqa: S314 - drawn by ourselves
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title") is not None
    for one in root.iter():
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
            if one.get(name) is not None and not str(one.get(name)).endswith("%"):
                assert math.isfinite(float(str(one.get(name)))), ET.tostring(one)
    return root


@given(st.lists(NUMBERS, min_size=1, max_size=30), st.none() | NUMBERS)
def test_best_so_far_takes_any_finite_numbers(values: list[float], optimum: float | None) -> None:
    root = drawn(best_so_far([("one & <two>", range(1, len(values) + 1), values)], "mS/cm", optimum))
    assert "one & <two>" in "".join(root.itertext())


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=30))
def test_parity_takes_any_finite_numbers(pairs: list[tuple[float, float]]) -> None:
    drawn(parity("molality", "mol/kg", [a for a, _ in pairs], [b for _, b in pairs]))


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=30), st.booleans())
def test_differences_take_any_finite_numbers(rows: list[tuple[float, float, float]], known: bool) -> None:
    weighed, nominal, true = (list(column) for column in zip(*rows, strict=True))
    root = drawn(differences("molality", "mol/kg", weighed, nominal, true if known else None))
    assert ("true - measured" in "".join(root.itertext())) == known


@given(st.tuples(NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS))
def test_the_same_scale_shows_all_that_was_shown(across: tuple[float, float], up: tuple[float, float]) -> None:
    x, y = Axis.around("x", across), Axis.around("y", up)
    wide, high, left = same_scale(x, y)
    assert left >= max(LEFT, high.margin())
    assert (wide.high - wide.low) / (WIDTH - left - RIGHT) == pytest.approx(
        (high.high - high.low) / (HEIGHT - TOP - BOTTOM)
    )
    assert wide.low <= x.low + 1e-9 * abs(x.low)
    assert high.high >= y.high - 1e-9 * abs(y.high)


def test_the_others_are_well_formed_too() -> None:
    drawn(surrogate_slice("x", "1", "y / mS/cm", [0, 1], [1, 2], [0.1, 0.0], [(0.5, 1.4)]))
    drawn(surrogate_slice("x", "1", "y / mS/cm", [0, 1], [1, 1], [0.0, 0.0], []))
    drawn(nyquist([complex(10, -1), complex(11, -2)], [complex(10, -1.1), complex(11, -2.1)], 9.5))
    root = drawn(timeline([Bar("dosing", "1 dose", 0, 60, "done"), Bar("arm", "1 move", 60, 61, "failed")]))
    assert "failed" in "".join(root.itertext()), "a state is a word, not only a colour"


@pytest.mark.parametrize(
    "draw",
    [
        lambda bad: best_so_far([("one", [1, 2], [1.0, bad])], "mS/cm"),
        lambda bad: differences("x", "1", [1.0, 1.0], [1.0, bad]),
        lambda bad: parity("x", "1", [1.0, bad], [1.0, 1.0]),
        lambda bad: surrogate_slice("x", "1", "y", [0, 1], [1.0, bad], [0.1, 0.1], []),
        lambda bad: nyquist([complex(1, bad)], [complex(1, 1)], 1.0),
    ],
)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_no_number_is_not_drawn_somewhere(draw: Callable[[float], str], bad: float) -> None:
    with pytest.raises(ValueError, match="needs finite values"):
        draw(bad)


@given(NUMBERS, st.floats(0, 1e9))
def test_ticks_are_few_round_and_inside(low: float, span: float) -> None:
    axis = Axis.around("x", [low, low + span])
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(axis.low - 1e-6 * abs(axis.low) <= tick <= axis.high + 1e-6 * abs(axis.high) for tick in ticks)
    assert ticks == sorted(set(ticks))


SMALL = st.floats(1e-13, 1e13)


@given(SMALL, st.floats(1e-9, 1e3))
def test_values_of_any_size_have_ticks_that_differ_and_fit(size: float, span: float) -> None:
    """A picture in ampere, in pascal, or of what differs late: the labels tell the ticks apart and are not cut."""
    axis = Axis.around("x / A", [size, size * (1 + span)])
    ticks = axis.labelled()
    assert len({label for _, label in ticks}) == len(ticks) >= 2
    for value, label in ticks:
        assert float(label) == pytest.approx(value, rel=1e-9, abs=1e-9 * axis.step())
        assert len(label) * 11 < axis.margin()
    assert axis.high - axis.low < 2 * size * span, "not a flat line in the middle of nowhere"


def test_small_numbers_are_drawn_in_their_size() -> None:
    root = drawn(best_so_far([("this campaign", [1, 2], [1e-13, 3e-13])], "A", 3.2e-13))
    words = list(root.itertext())
    assert {"1e-13", "2e-13", "3e-13"} <= set(words)
    assert "true optimum 3.2e-13" in words


def test_the_last_label_of_an_axis_is_not_cut_off() -> None:
    root = drawn(parity("leak", "A", [2.1e-14, 9.98e-14], [2.1e-14, 9.98e-14]))
    labels = [one for one in root.iter() if one.get("text-anchor") == "middle" and "e-" in (one.text or "")]
    assert labels
    assert all(float(one.get("x", "nan")) + LETTER * len(one.text or "") / 2 <= WIDTH + 0.01 for one in labels)


def test_a_long_legend_is_broken_and_a_long_title_pressed() -> None:
    root = drawn(differences("a_parameter_with_a_very_long_name_indeed", "mol/kg", [1.0, 2.0], [1.0, 2.1], [1.0, 2.0]))
    words = list(root.itertext())
    assert max(len(word) for word in words[2:] if word.startswith(("true", "known"))) * 11 < WIDTH - 46
    assert [one for one in root.iter() if one.get("textLength")]
