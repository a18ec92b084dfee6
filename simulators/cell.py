"""The conductivity cell: two blocking electrodes with an electrolyte between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from labwright.model.errors import OutOfRangeError

__all__ = ["cell_impedance"]


def cell_impedance(
    frequencies_hz: Sequence[float],
    kappa_ms_per_cm: float,
    cell_constant_per_cm: float,
    series_resistance_ohm: float,
    cpe_q: float,
    cpe_n: float,
) -> list[complex]:
    """Impedance in Ω at each frequency: leads, electrolyte and the electrodes' constant-phase element in series.

    Args:
        frequencies_hz: positive.
        kappa_ms_per_cm: conductivity of what is in the cell, positive.
        cell_constant_per_cm: electrode distance over area.
        series_resistance_ohm: leads and contacts.
        cpe_q: admittance at 1 rad/s in S s^n; smooth platinum of 1 cm² has some 1e-5.
        cpe_n: exponent, 0 to 1.

    Raises:
        OutOfRangeError: a conductivity that is not positive; an empty cell has no such impedance.
    """
    if not (math.isfinite(kappa_ms_per_cm) and kappa_ms_per_cm > 0):
        raise OutOfRangeError(f"a cell with {kappa_ms_per_cm:g} mS/cm in it has no finite impedance; fill it first")
    resistance_ohm = series_resistance_ohm + 1000.0 * cell_constant_per_cm / kappa_ms_per_cm
    return [resistance_ohm + 1 / (cpe_q * (2j * math.pi * frequency) ** cpe_n) for frequency in frequencies_hz]
