"""Units as people write them: the files of a lab and its records spell them in plain letters."""

from __future__ import annotations

import re

_SPELLED = re.compile(r"\bdegC\b|\b[oO]hm\b|\bu(?=(?:L|g|m|mol|s|S|A|V|W|F|H|M)\b)")

_WRITTEN = {"degC": "°C", "ohm": "Ω", "Ohm": "Ω", "u": "µ"}


def with_signs(text: str) -> str:
    """A text with its units as people write them: ``27 °C``, ``300 µL``.

    Args:
        text: as files and records have it: ``27 degC``, ``300 uL``.
    """
    return _SPELLED.sub(lambda found: _WRITTEN[found[0]], text)


def unit_of(unit: str | None) -> str:
    """A unit by itself; a pure number has none.

    Args:
        unit: as files and records have it; ``1`` for a pure number.
    """
    return "" if unit in (None, "1") else with_signs(str(unit))
