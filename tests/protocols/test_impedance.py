"""The evaluation of sweeps, on real spectra with a published resistance and on bad ones."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest

from labwright.model.errors import ConfigError, DeviceError
from protocols.impedance import fit_sweep
from tests.shared_data import shared_data

FREQUENCIES = np.logspace(2, 6, 31)


def cell(resistance: float = 80.0, q: float = 1e-5, n: float = 0.9) -> np.ndarray:
    return resistance + 1 / (q * (2j * math.pi * FREQUENCIES) ** n)


def test_the_published_resistances_of_real_sweeps_are_met() -> None:
    # Rahmanian et al., Sci. Data (2023): 39 sweeps of four electrolytes from -30 to 60 °C. Five are over 1 % off:
    # - one electrolyte at its three coldest, where the misfit to resistance and electrodes in series is largest (2 % of
    #   the modulus; the fit ends high), and at its hottest, where the resistance is the smallest part of the modulus;
    # - one sweep whose last point lies 18 times further off than is typical. It is left out here; keeping it, as the
    #   published evaluation seems to have done, gives +0.4 % instead of +1.2 %.
    csv.field_size_limit(10**7)
    off: dict[tuple[str, float], float] = {}
    dropped: dict[tuple[str, float], int] = {}
    with shared_data("eis", "madap_spectra.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter=";"):
            real, imaginary = (
                json.loads(row[f"{part} [Ohm]"]) for part in ("real impedance Z'", "imaginary impedance Z''")
            )
            z = np.array(real) + 1j * np.array(imaginary)
            fit = fit_sweep(json.loads(row["frequency [Hz]"]), z.tolist())
            key = row["experimentID"], float(row["temperature [°C]"])
            off[key] = fit.resistance_ohm / float(row["resistance [Ohm]"]) - 1
            dropped[key] = fit.points_dropped
    assert len(off) == 39
    beyond = {key for key, value in off.items() if abs(value) > 0.01}
    misfit, wild = "WOC_02112021_BM241_3", ("WOC_18012022_BM-K004_4", 10.0)
    assert beyond == {(misfit, -30.0), (misfit, -20.0), (misfit, -10.0), (misfit, 60.0), wild}
    assert {key for key, count in dropped.items() if count} == {wild, ("WOC_18012022_BM-K004_4", 40.0)}
    assert max(abs(value) for value in off.values()) < 0.013
    assert float(np.median(np.abs(list(off.values())))) < 0.006


def test_the_stated_error_is_that_of_repeated_sweeps() -> None:
    rng = np.random.default_rng(2)
    clean = cell()
    fits = []
    for _ in range(300):
        noise = rng.normal(size=len(clean)) + 1j * rng.normal(size=len(clean))
        fits.append(fit_sweep(FREQUENCIES.tolist(), (clean * (1 + 0.005 * noise)).tolist()))
    spread = float(np.std([fit.resistance_ohm for fit in fits]))
    assert float(np.mean([fit.resistance_sem_ohm for fit in fits])) == pytest.approx(spread, rel=0.15)
    assert float(np.mean([fit.resistance_ohm for fit in fits])) == pytest.approx(80.0, abs=4 * spread / math.sqrt(300))


def test_the_order_of_the_frequencies_does_not_matter() -> None:
    upward = fit_sweep(FREQUENCIES.tolist(), cell().tolist())
    downward = fit_sweep(FREQUENCIES[::-1].tolist(), cell()[::-1].tolist())
    assert downward.resistance_ohm == pytest.approx(upward.resistance_ohm, rel=1e-9)


def test_a_wild_point_is_left_out_and_counted() -> None:
    rng = np.random.default_rng(4)
    z = cell() * (1 + 0.002 * rng.normal(size=len(FREQUENCIES)))
    z[20] *= 1.7
    fit = fit_sweep(FREQUENCIES.tolist(), z.tolist())
    assert (fit.points_used, fit.points_dropped) == (30, 1)
    assert fit.resistance_ohm == pytest.approx(80.0, rel=0.005)


def test_the_leads_inductance_is_told_from_the_resistance() -> None:
    frequencies = np.logspace(2, 6.3, 40)
    z = 80.0 + 1 / (1e-5 * (2j * math.pi * frequencies) ** 0.9) + 2j * math.pi * frequencies * 1.5e-6
    fit = fit_sweep(frequencies.tolist(), z.tolist(), inductance=True)
    assert fit.inductance_h == pytest.approx(1.5e-6, rel=1e-4)
    assert fit.resistance_ohm == pytest.approx(80.0, rel=1e-6)


@pytest.mark.parametrize(
    ("frequencies", "z", "error", "says"),
    [
        ([1e3] * 4, [1 - 1j] * 4, ConfigError, "too short; measure at least 5"),
        ([1e3] * 6, [1 - 1j] * 5, ConfigError, "one impedance per frequency"),
        ([0.0, *FREQUENCIES[1:]], cell(), ConfigError, "positive and finite"),
        (FREQUENCIES, [math.nan, *cell()[1:]], DeviceError, "1 of 31 impedances are not finite"),
        (FREQUENCIES, [0j, *cell()[1:]], DeviceError, "shorted"),
        # The analyser's 9.9e37 of an overload is no impedance of a cell either.
        (FREQUENCIES, 9.9e37 * np.exp(1j * np.arange(31)), DeviceError, "not that of a conductivity cell"),
    ],
)
def test_an_unusable_sweep_is_refused_in_words(
    frequencies: np.ndarray, z: np.ndarray, error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        fit_sweep(list(frequencies), list(z))
    assert says in str(caught.value)


def test_a_dry_cell_has_no_resistance() -> None:
    rng = np.random.default_rng(5)
    capacitor = 1 / (1e-11 * 2j * math.pi * FREQUENCIES)
    z = capacitor * (1 + 0.002 * (rng.normal(size=31) + 1j * rng.normal(size=31)))
    with pytest.raises(DeviceError, match="shows no resistance"):
        fit_sweep(FREQUENCIES.tolist(), z.tolist())
