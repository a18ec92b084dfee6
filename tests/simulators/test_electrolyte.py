"""The physics of the samples, held against the public record it was fitted to."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.model.errors import OutOfRangeError
from labwright.model.space import LinearLE
from simulators.electrolyte import conductivity_ms_per_cm, density_g_per_ml, optimum


def test_the_optimum_is_the_published_one() -> None:
    best = optimum()
    assert best.conductivity_ms_per_cm == pytest.approx(13.85, abs=0.01)
    assert best.molality == pytest.approx(1.11, abs=0.01)
    assert best.ec_fraction == pytest.approx(0.33, abs=0.005)
    assert best.dmc_share == pytest.approx(1.0, abs=1e-9)


@given(st.floats(0.14, 2.0), st.floats(0.3, 0.5), st.floats(0, 1))
def test_nothing_in_the_space_beats_the_optimum(molality: float, ec: float, share: float) -> None:
    assert 0 < conductivity_ms_per_cm(molality, ec, share, 27.0) <= 13.8458


def test_a_constraint_moves_the_optimum_onto_its_face() -> None:
    best = optimum(constraints=[LinearLE(coefficients={"dmc_share": 1.0, "molality": 0.1}, bound=0.6)])
    assert best.dmc_share + 0.1 * best.molality == pytest.approx(0.6, abs=1e-6)
    assert best.conductivity_ms_per_cm < optimum().conductivity_ms_per_cm


def test_a_constraint_that_leaves_nothing_is_told() -> None:
    with pytest.raises(OutOfRangeError, match="no composition keeps"):
        optimum(constraints=[LinearLE(coefficients={"molality": 1.0}, bound=0.1)])


def test_warmer_conducts_better_and_puts_the_optimum_at_more_salt() -> None:
    # Landesfeind and Gasteiger find the maximum at 0.93 mol/L at 25 °C and 0.72 at -10 °C in EC:DMC.
    bests = [optimum(celsius) for celsius in (-10.0, 10.0, 27.0, 50.0)]
    assert bests == sorted(bests, key=lambda best: best.conductivity_ms_per_cm)
    assert bests == sorted(bests, key=lambda best: best.molality)


@pytest.mark.parametrize(("share", "ratio"), [(1.0, 5.28 / 11.85), (0.0, 4.25 / 9.13)])
def test_the_temperature_slope_is_about_that_of_the_published_maxima(share: float, ratio: float) -> None:
    # Maxima of the published form at -10 and 25 °C, which lie at somewhat different concentrations.
    cold, warm = (conductivity_ms_per_cm(1.0, 0.4, share, celsius) for celsius in (-10.0, 25.0))
    assert cold / warm == pytest.approx(ratio, rel=0.12)


@given(st.floats(0, 2.0), st.floats(0.2, 0.6), st.floats(-0.1, 1.1), st.floats(-10, 60))
def test_any_weighed_composition_has_a_finite_conductivity(m: float, ec: float, share: float, celsius: float) -> None:
    assert 0 <= conductivity_ms_per_cm(m, ec, share, celsius) < 30


def test_without_salt_nothing_conducts() -> None:
    assert conductivity_ms_per_cm(0.0, 0.4, 0.5, 27.0) == 0.0


@pytest.mark.parametrize("arguments", [(-0.1, 0.4, 0.5, 27.0), (1.0, math.nan, 0.5, 27.0), (1.0, 0.4, 0.5, 80.0)])
def test_what_is_no_electrolyte_is_refused(arguments: tuple[float, float, float, float]) -> None:
    with pytest.raises(OutOfRangeError):
        conductivity_ms_per_cm(*arguments)


@pytest.mark.parametrize(
    ("molality", "ec", "share", "published"),
    [
        (0.0, 0.3, 1.0, 1.14),
        (2.0, 0.3, 1.0, 1.31),
        (2.0, 0.5, 1.0, 1.362),
        (1.5, 0.3, 0.0, 1.225),
        (0.0, 0.5, 0.0, 1.156),
    ],
)
def test_densities_are_the_published_ones_within_one_per_cent(
    molality: float, ec: float, share: float, published: float
) -> None:
    assert density_g_per_ml(molality, ec, share) == pytest.approx(published, rel=0.01)
