"""Numbers as people read them: significant digits, whatever the unit makes of the size; never a rounded-away zero."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

DIGITS = 4
"""Significant digits of a value that has no standard error to say how many there are."""

MOST_DIGITS = 15
"""What a double holds for certain."""

SMALLEST_PLAIN, LARGEST_PLAIN = 1e-4, 1e7
"""Sizes written without a power of ten."""

LARGEST_POWER = 307
"""Of ten: the inverse of such a power is an exact enough double."""


def figure(value: float, digits: int = DIGITS) -> str:
    """A number with `digits` significant digits; what is whole is written whole."""
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"  # and no "-0"
    if value == int(value) and abs(value) < max(LARGEST_PLAIN, 10.0**digits):
        return str(int(value))
    if 10.0**digits <= abs(value) < LARGEST_PLAIN:
        return f"{value:.0f}"  # an integer part is never filled up with zeros
    rounded = float(f"{value:.{digits - 1}e}")
    if math.isinf(rounded):  # the largest doubles, rounded up
        return _powered(value, MOST_DIGITS + 1)
    if SMALLEST_PLAIN <= abs(rounded) < max(LARGEST_PLAIN, 10.0**digits):
        return _plain(rounded, digits - 1 - _power(rounded))
    return _powered(rounded, digits - 1)


def spelled(value: Any, digits: int = DIGITS) -> str:
    """The value of a parameter or result: a number by `figure`, a truth value as files have it, the rest as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return figure(value, digits) if isinstance(value, (int, float)) else str(value)


def measured(mean: float, sem: float | None) -> str:
    """A mean with its standard error, both to the place where the error has two digits: ``13.58 ± 0.16``."""
    if sem is None or not math.isfinite(sem) or not math.isfinite(mean) or sem <= 0:
        return figure(mean)
    if abs(_power(max(abs(mean), sem))) > LARGEST_POWER:  # what scales it would be no number
        return f"{figure(mean)} ± {figure(sem, 2)}"
    sem = float(f"{sem:.1e}")
    size = max(abs(mean), sem)
    last = _power(sem) - 1  # power of ten of the last digit shown
    if _power(size) - last >= MOST_DIGITS:  # the error is beyond what a double tells apart
        return f"{figure(mean, MOST_DIGITS)} ± {figure(sem, 2)}"
    if SMALLEST_PLAIN <= size < LARGEST_PLAIN and last >= -8:
        return f"{_zero(f'{mean:.{max(0, -last)}f}')} ± {sem:.{max(0, -last)}f}"
    power = _power(size)
    scale, places = 10.0**-power, max(0, power - last)
    return f"({_zero(f'{mean * scale:.{places}f}')} ± {sem * scale:.{places}f})e{power:+03d}"


def column(values: Sequence[float | None], digits: int = DIGITS) -> list[str]:
    """Numbers that stand below one another: as many digits as tell apart what differs by a thousandth of their range.

    What differs by less is rounding, such as a value at a bound; None is empty.
    """
    numbers = {float(value) for value in values if value is not None}
    most = resolving(min(numbers), max(numbers)) + 1 if numbers else digits
    while digits < most and len({figure(one, digits) for one in numbers}) < len(numbers):
        digits += 1
    return ["" if value is None else figure(value, digits) for value in values]


def means(found: Sequence[tuple[float, float | None] | None]) -> list[str]:
    """Means that stand below one another: with their standard errors, else with the digits that tell them apart."""
    values = [None if one is None or one[1] else one[0] for one in found]
    numbers = [value for value in values if value is not None]
    bare = column(values, max(DIGITS, resolving(min(numbers), max(numbers)) - 1) if numbers else DIGITS)
    return [measured(*one) if one is not None and one[1] else text for one, text in zip(found, bare, strict=True)]


def resolving(low: float, high: float) -> int:
    """Significant digits that tell values apart which are a thousandth of the range from each other."""
    size, span = max(abs(low), abs(high)), abs(high - low)
    if not span or not math.isfinite(span):
        return DIGITS
    return min(MOST_DIGITS, max(DIGITS, _power(size) - _power(span) + DIGITS))


def evenly(values: Sequence[float], step: float) -> list[str]:
    """The numbers at an axis, `step` apart: no more digits than the step has, and the same number of places for all."""
    size = max((abs(one) for one in values), default=0.0)
    if size == 0:
        return ["0" for _ in values]
    places = next((n for n in range(17) if _whole(step * 10.0**n)), 17)
    if size < LARGEST_PLAIN and (places <= 8 or size >= 1):
        return [_zero(f"{one:.{places}f}") for one in values]
    digits = _power(size) - _power(step) + (0 if _whole(step / 10.0 ** _power(step)) else 1)
    return [
        "0" if abs(one) < step * 1e-6 else _powered(one, max(0, digits - _power(size) + _power(one))) for one in values
    ]


def with_unit(number: str, unit: str) -> str:
    """A number and its unit; a pure number has none to show."""
    return number if unit in ("", "1") else f"{number} {unit}"


def lasting(seconds: float) -> str:
    """How long something lasts, in the unit a person would take."""
    if seconds < 1:
        return f"{figure(seconds, 2)} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def when(wall_s: float) -> str:
    """A time of day, as the columns called UTC have it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(wall_s))


def _power(value: float) -> int:
    """The power of ten of the first digit, as it is printed."""
    return int(f"{value:.14e}".partition("e")[2]) if value else 0


def _whole(value: float) -> bool:
    return value > 0.5 and abs(value - round(value)) < 1e-6 * value


def _plain(value: float, places: int) -> str:
    text = f"{value:.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _powered(value: float, places: int) -> str:
    mantissa, _, exponent = f"{value:.{places}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{exponent}"


def _zero(text: str) -> str:
    """Without the sign of a zero."""
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text
