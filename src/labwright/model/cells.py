"""Cells of a table that went through another program: what a parameter's level or a number has become on the way.

A spreadsheet or pandas reads ``007`` as 7, ``1.10`` as 1.1, ``true`` as a truth value, and ``None`` as an empty cell.
What can only have been one level is taken for it; what may have been two, or nothing at all, is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from labwright.model.errors import ConfigError, unknown
from labwright.model.numbers import number

__all__ = ["EMPTY_WORDS", "is_empty", "level_of", "number_of"]

EMPTY_WORDS = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA")
) | {"NULL", "NaN", "None", "n/a", "nan", "null"}
"""What `pandas.read_csv` takes for an empty cell, as of pandas 3."""

_AS_TEXT = "read the file with pandas.read_csv(path, dtype=str, keep_default_na=False), which changes nothing"


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT, pandas' NA, or text of spaces."""
    if isinstance(cell, str):
        return not cell.strip()
    try:
        return cell is None or bool(cell != cell)
    except TypeError:  # pandas.NA is neither equal nor unequal to itself
        return True


def number_of(cell: Any) -> float:
    """A cell as a number; text is read as `number` does.

    Raises:
        ConfigError: it is none, or not finite.
    """
    cell = _plain(cell)
    if isinstance(cell, str):
        return number(cell)
    if isinstance(cell, bool) or not isinstance(cell, Real):
        raise ConfigError(f"{cell!r} is not a number")
    if not math.isfinite(value := float(cell)):
        raise ConfigError(f"{value} is not finite")
    return value


def level_of(levels: Sequence[str], cell: Any) -> str | None:
    """The level of a category that a cell holds; None if the cell is empty and no level can have become that.

    Raises:
        ConfigError: it is none of them, may be several, or is empty where a level is spelt like an empty cell.
    """
    cell = _plain(cell)
    if isinstance(cell, str) and cell in levels:
        return cell
    if is_empty(cell):
        if vague := [level for level in levels if level.strip() in EMPTY_WORDS]:
            shown = " or ".join(map(repr, vague))
            raise ConfigError(f"an empty cell may be the level {shown}, which pandas reads as empty; {_AS_TEXT}")
        return None
    text = str(cell).strip()
    found = [level for level in levels if level.strip() == text]
    if isinstance(cell, bool) or (not found and text.casefold() in ("true", "false")):  # a spreadsheet writes TRUE
        found = [level for level in levels if level.strip().casefold() == text.casefold()]
    elif not isinstance(cell, str) or not found:
        found = [level for level in levels if _same_number(level, cell)] or found
    if len(found) > 1:
        raise ConfigError(f"{text!r} may be the level {' or '.join(map(repr, found))}; {_AS_TEXT}")
    if not found:
        raise ConfigError(unknown("level", text, list(levels)))
    return found[0]


def _plain(cell: Any) -> Any:
    """A number of numpy's as Python's; its truth values are no bool."""
    return cell.item() if getattr(cell, "ndim", None) == 0 else cell


def _same_number(level: str, cell: Any) -> bool:
    """Whether a level, read as a number, is the one a cell holds."""
    if isinstance(cell, Integral) and level.strip().lstrip("+-").isdecimal():
        return int(level) == int(cell)
    try:
        one, other = float(level), float(cell)  # as loosely as pandas: inf is a number there
    except (TypeError, ValueError):
        return False
    # Some readers are off by a unit or two in the last place.
    return "_" not in level and (one == other or math.isclose(one, other, rel_tol=1e-15))
