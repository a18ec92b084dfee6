"""Two standards give back the cell they were measured in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.lab import read_lab
from labwright.model.errors import ConfigError, OutOfRangeError
from protocols.calibration import StandardReading, calibrate, kcl_conductivity_ms_per_cm
from protocols.cell_calibration import FILLINGS, CellCalibrationProtocol


def reading(molality: float, celsius: float, constant: float, series: float) -> StandardReading:
    resistance = 1000.0 * constant / kcl_conductivity_ms_per_cm(molality, celsius) + series
    return StandardReading(molality=molality, celsius=celsius, resistance_ohm=resistance)


def test_the_standards_are_the_published_ones() -> None:
    assert kcl_conductivity_ms_per_cm(0.01, 25.0) == pytest.approx(1.40823, abs=1e-9)
    assert kcl_conductivity_ms_per_cm(0.1, 25.0) == pytest.approx(12.8246, abs=1e-9)
    assert kcl_conductivity_ms_per_cm(0.1, 50.0) == pytest.approx(19.1809, abs=1e-9)


@pytest.mark.parametrize(("molality", "published"), [(0.01, 1.21993), (0.1, 11.1406)])
def test_between_two_rows_of_the_table_it_is_within_a_hundredth_of_a_per_cent(
    molality: float, published: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    import protocols.calibration as module

    # The row at 18 °C is taken out and has to come back.
    kept = [place for place, celsius in enumerate(module._CELSIUS) if celsius != 18]
    table = {m: tuple(row[place] for place in kept) for m, row in module._KCL_US_PER_CM.items()}
    monkeypatch.setattr(module, "_CELSIUS", tuple(module._CELSIUS[place] for place in kept))
    monkeypatch.setattr(module, "_KCL_US_PER_CM", table)
    assert kcl_conductivity_ms_per_cm(molality, 18.0) == pytest.approx(published, rel=1e-4)


@given(st.floats(0.05, 20), st.floats(0, 10), st.floats(0, 50), st.floats(0, 50))
def test_any_cell_is_found_again(constant: float, series: float, first: float, second: float) -> None:
    found = calibrate([reading(0.1, second, constant, series), reading(0.01, first, constant, series)])
    assert found.cell_constant_per_cm == pytest.approx(constant, rel=1e-9)
    assert found.series_resistance_ohm == pytest.approx(series, abs=1e-8 * (1 + constant * 1000))
    kappa, _ = found.conductivity_ms_per_cm(1000.0 * constant / 13.85 + series)
    assert kappa == pytest.approx(13.85, rel=1e-6)


def test_the_stated_errors_are_those_of_repeated_calibrations() -> None:
    rng = np.random.default_rng(1)
    constant, series, sem = 1.05, 0.8, 0.4
    exact = [reading(0.01, 25.0, constant, series), reading(0.1, 25.0, constant, series)]
    found, kappas = [], []
    for _ in range(2000):
        noisy = [
            StandardReading(
                molality=one.molality,
                celsius=25.0,
                resistance_ohm=(one.resistance_ohm - series) * (1 + 4e-4 * rng.normal()) + series + sem * rng.normal(),
                resistance_sem_ohm=sem,
            )
            for one in exact
        ]
        found.append(calibrate(noisy))
        kappas.append(found[-1].conductivity_ms_per_cm(1000.0 * constant / 10.0 + series)[0])
    one = calibrate([StandardReading(r.molality, 25.0, r.resistance_ohm, sem) for r in exact])
    spread = [np.std([getattr(c, name) for c in found]) for name in ("cell_constant_per_cm", "series_resistance_ohm")]
    assert spread[0] == pytest.approx(one.cell_constant_sem_per_cm, rel=0.1)
    assert spread[1] == pytest.approx(one.series_resistance_sem_ohm, rel=0.1)
    assert np.std(kappas) == pytest.approx(one.conductivity_ms_per_cm(1000.0 * constant / 10.0 + series)[1], rel=0.1)


def test_exchanged_standards_are_noticed() -> None:
    dilute, strong = reading(0.01, 25.0, 1.0, 0.0), reading(0.1, 25.0, 1.0, 0.0)
    with pytest.raises(OutOfRangeError, match="were the standards exchanged"):
        calibrate(
            [
                StandardReading(0.01, 25.0, strong.resistance_ohm),
                StandardReading(0.1, 25.0, dilute.resistance_ohm),
            ]
        )


def test_both_standards_are_needed() -> None:
    with pytest.raises(ConfigError, match=r"not 0.1, 0.1"):
        calibrate([reading(0.1, 25.0, 1.0, 0.0)] * 2)
    with pytest.raises(ConfigError, match="no KCl standard of 1 mol/kg"):
        kcl_conductivity_ms_per_cm(1.0, 25.0)


@pytest.mark.parametrize("resistance", [0.8, -1.0, math.nan, math.inf])
def test_a_short_circuit_is_no_conductivity(resistance: float) -> None:
    cell = calibrate([reading(0.01, 25.0, 1.0, 0.8), reading(0.1, 25.0, 1.0, 0.8)])
    with pytest.raises(OutOfRangeError, match="series resistance"):
        cell.conductivity_ms_per_cm(min(resistance, cell.series_resistance_ohm) if resistance == 0.8 else resistance)


def test_a_temperature_beyond_the_table_is_refused() -> None:
    with pytest.raises(OutOfRangeError, match=r"from 0 to 50 °C, not 50\.1 °C"):
        kcl_conductivity_ms_per_cm(0.01, 50.1)


def test_what_a_second_calibration_would_draw_dry_is_declared_as_used_up() -> None:
    lab = read_lab(Path(__file__).parents[2]).model
    assert lab.simulation is not None
    drawn_ml = (FILLINGS + 1) * lab.constants["cell_calibration"]["draw_ul"] / 1000
    for standard in lab.constants["cell_calibration"]["standards"]:
        there_ml = lab.simulation.settings["vials"][standard]["volume_ml"]
        assert drawn_ml <= there_ml
        assert (2 * drawn_ml <= there_ml) == (standard not in CellCalibrationProtocol.uses_up)


def test_a_position_that_the_lab_does_not_have_is_refused() -> None:
    class Wrong(CellCalibrationProtocol):
        uses_up: ClassVar[tuple[str, ...]] = ("standard_week",)

    with pytest.raises(ConfigError, match="no position 'standard_week'; did you mean 'standard_weak'"):
        Wrong(read_lab(Path(__file__).parents[2]).model).check_fits()
