"""Calibration of the conductivity cell with two potassium chloride standards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labwright.model.errors import ConfigError, OutOfRangeError

__all__ = ["CellCalibration", "StandardReading", "calibrate", "kcl_conductivity_ms_per_cm"]

# Conductivity in µS/cm less that of the water, by temperature in °C (ITS-90); uncertainty 0.03 % at 0.01 mol/kg, 0.04 %
# at 0.1. Wu, Koch and Pratt, J. Res. NIST 96, 191 (1991), and Pratt, Koch, Wu and Berezansky, Pure Appl. Chem. 73, 1783
# (2001), as tabulated in the CRC Handbook of Chemistry and Physics, 5-73.
_CELSIUS = (0, 5, 10, 15, 18, 20, 25, 30, 35, 40, 45, 50)
_KCL_US_PER_CM = {
    0.01: (772.92, 890.96, 1013.95, 1141.45, 1219.93, 1273.03, 1408.23, 1546.63, 1687.79, 1831.27, 1976.62, 2123.43),
    0.1: (7116.85, 8183.70, 9291.72, 10437.1, 11140.6, 11615.9, 12824.6, 14059.2, 15316.0, 16591.0, 17880.6, 19180.9),
}
_STANDARD_RELATIVE = 4e-4  # the larger of the two uncertainties
_TEMPERATURE_COEFFICIENT = 0.02  # per °C, of potassium chloride solutions near room temperature


@dataclass(frozen=True)
class StandardReading:
    """One standard in the cell.

    Args:
        molality: 0.01 or 0.1 mol KCl per kg water.
        celsius: temperature of the standard, 0 to 50.
        resistance_ohm: evaluated from the impedance sweep.
        resistance_sem_ohm: its standard error.
        celsius_sem: standard error of the temperature; 0.02 °C shifts the conductivity by 0.04 %.
    """

    molality: float
    celsius: float
    resistance_ohm: float
    resistance_sem_ohm: float = 0.0
    celsius_sem: float = 0.0


@dataclass(frozen=True)
class CellCalibration:
    """Resistance = cell constant / conductivity + series resistance, with their standard errors and covariance."""

    cell_constant_per_cm: float
    cell_constant_sem_per_cm: float
    series_resistance_ohm: float
    series_resistance_sem_ohm: float
    covariance_ohm_per_cm: float

    def conductivity_ms_per_cm(self, resistance_ohm: float, resistance_sem_ohm: float = 0.0) -> tuple[float, float]:
        """Conductivity of what is in the cell and its standard error, both in mS/cm, the calibration's share included.

        Raises:
            OutOfRangeError: the resistance is not above the series resistance, so it holds no sample.
        """
        sample_ohm = resistance_ohm - self.series_resistance_ohm
        if not (math.isfinite(resistance_ohm) and sample_ohm > 0):
            raise OutOfRangeError(
                f"resistance {resistance_ohm:g} Ω is not above the cell's series resistance "
                f"{self.series_resistance_ohm:g} Ω; check the leads for a short and calibrate again"
            )
        kappa = 1000.0 * self.cell_constant_per_cm / sample_ohm
        by_constant = kappa / self.cell_constant_per_cm
        by_resistance = kappa / sample_ohm  # the same size with either sign, for the sample and for the series part
        variance = (
            (by_constant * self.cell_constant_sem_per_cm) ** 2
            + by_resistance**2 * (resistance_sem_ohm**2 + self.series_resistance_sem_ohm**2)
            + 2 * by_constant * by_resistance * self.covariance_ohm_per_cm
        )
        return kappa, math.sqrt(max(variance, 0.0))


def calibrate(readings: Sequence[StandardReading]) -> CellCalibration:
    """Cell constant and series resistance from one reading of each standard.

    Raises:
        ConfigError: not one reading of each standard.
        OutOfRangeError: readings that no cell gives, as when the standards were exchanged.
    """
    if sorted(reading.molality for reading in readings) != sorted(_KCL_US_PER_CM):
        given = ", ".join(f"{reading.molality:g}" for reading in readings) or "none"
        raise ConfigError(f"calibration needs one reading each of 0.01 and 0.1 mol/kg KCl, not {given}")
    dilute, strong = sorted(readings, key=lambda reading: reading.molality)
    # Resistivities in Ω cm, with the relative uncertainty of the standard and of its temperature.
    rho_dilute, rho_strong = (1000.0 / kcl_conductivity_ms_per_cm(r.molality, r.celsius) for r in (dilute, strong))
    span = rho_dilute - rho_strong
    constant = (dilute.resistance_ohm - strong.resistance_ohm) / span
    series = strong.resistance_ohm - constant * rho_strong
    if not (math.isfinite(constant) and constant > 0):
        raise OutOfRangeError(
            f"cell constant {constant:.4g} per cm from {dilute.resistance_ohm:g} Ω in 0.01 mol/kg and "
            f"{strong.resistance_ohm:g} Ω in 0.1 mol/kg; were the standards exchanged?"
        )
    # R = K rho + S solved for (K, S): each reading carries an error of its resistance and of its resistivity.
    variances = [
        reading.resistance_sem_ohm**2
        + (constant * rho) ** 2 * (_STANDARD_RELATIVE**2 + (_TEMPERATURE_COEFFICIENT * reading.celsius_sem) ** 2)
        for reading, rho in ((dilute, rho_dilute), (strong, rho_strong))
    ]
    return CellCalibration(
        cell_constant_per_cm=constant,
        cell_constant_sem_per_cm=math.sqrt(variances[0] + variances[1]) / span,
        series_resistance_ohm=series,
        series_resistance_sem_ohm=math.sqrt(rho_strong**2 * variances[0] + rho_dilute**2 * variances[1]) / span,
        covariance_ohm_per_cm=-(rho_strong * variances[0] + rho_dilute * variances[1]) / span**2,
    )


def kcl_conductivity_ms_per_cm(molality: float, celsius: float) -> float:
    """Conductivity of a potassium chloride standard in mS/cm, the water's own not included (about 0.001 mS/cm).

    A cubic through the four nearest temperatures of the table; it meets left-out rows within 0.01 %.

    Args:
        molality: 0.01 or 0.1 mol per kg water.
        celsius: 0 to 50.

    Raises:
        ConfigError: no such standard.
        OutOfRangeError: a temperature outside the table.
    """
    if molality not in _KCL_US_PER_CM:
        raise ConfigError(f"no KCl standard of {molality:g} mol/kg; there are 0.01 and 0.1")
    if not _CELSIUS[0] <= celsius <= _CELSIUS[-1]:
        raise OutOfRangeError(
            f"KCl standards are tabulated from {_CELSIUS[0]} to {_CELSIUS[-1]} °C, not {celsius:g} °C"
        )
    near = sorted(range(len(_CELSIUS)), key=lambda place: abs(_CELSIUS[place] - celsius))[:4]
    table = _KCL_US_PER_CM[molality]
    total = 0.0
    for i in near:
        weight = math.prod((celsius - _CELSIUS[j]) / (_CELSIUS[i] - _CELSIUS[j]) for j in near if j != i)
        total += weight * table[i]
    return total / 1000.0
