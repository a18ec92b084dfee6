"""Numbers as a file, a spreadsheet or a person writes them: read strictly, since a wrong guess becomes a wrong dose."""

from __future__ import annotations

import math
import re
from typing import Any

from labwright.model.errors import ConfigError

__all__ = ["is_number", "number"]

# Stricter than float(), which takes nan, inf, 1_000 and digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+(,[0-9]+)+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}([ '_\u00a0\u202f\u2009][0-9]{3})+(\.[0-9]+)?")
_NOT_FINITE = ("nan", "inf", "infinity")


def number(text: str) -> float:
    """Read a decimal number: digits with a point, an exponent if it has one, ``-12.5`` or ``3e-9``.

    Args:
        text: with or without spaces around it.

    Raises:
        ConfigError: it is no such number, or too large or too small for a double; the message quotes it and says what
            to write instead.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise ConfigError(f"{text!r} is too large for a number, whose limit is 1.8e308; correct it")
        if value == 0 and any(digit in "123456789" for digit in re.split("[eE]", text)[0]):
            raise ConfigError(f"{text!r} is too small for a number, whose limit is 4.9e-324; write 0 or correct it")
        return value
    raise ConfigError(f"{text!r} is not a number{_advice(text)}" if text else "a number is missing")


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _advice(text: str) -> str:
    """What to write instead, where the mistake is a known one."""
    if _COMMA.fullmatch(text):
        return "; write the decimal point as '.', and no comma between thousands"
    if "_" in text or _GROUPED.fullmatch(text):
        return "; write its digits without separators"
    if text[0] in "\u2212\u2013\u2010\u2011\uff0d":
        return "; write its sign as '-'"
    if text.lstrip("+-").lower() in _NOT_FINITE:
        return "; it must be finite"
    if text.endswith("%"):
        return "; write it without '%', in the unit that is stated"
    return ""
