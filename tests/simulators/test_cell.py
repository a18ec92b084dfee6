"""What the simulated cell shows is found again by the evaluation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.model.errors import OutOfRangeError
from protocols.impedance import fit_sweep
from simulators.cell import cell_impedance

FREQUENCIES = [10 ** (2 + 4 * step / 30) for step in range(31)]  # 100 Hz to 1 MHz


@given(
    kappa=st.floats(0.5, 25),
    constant=st.floats(0.2, 5),
    series=st.floats(0, 5),
    q=st.floats(1e-6, 1e-4),
    n=st.floats(0.75, 0.98),
)
def test_the_fit_recovers_the_cell(kappa: float, constant: float, series: float, q: float, n: float) -> None:
    fit = fit_sweep(FREQUENCIES, cell_impedance(FREQUENCIES, kappa, constant, series, q, n))
    assert fit.resistance_ohm == pytest.approx(1000 * constant / kappa + series, rel=1e-6)
    assert fit.cpe_q == pytest.approx(q, rel=1e-4)
    assert fit.cpe_n == pytest.approx(n, rel=1e-5)
    assert fit.residual < 1e-6


def test_at_high_frequency_only_the_resistance_is_left() -> None:
    (z,) = cell_impedance([1e9], 12.8, 1.0, 0.5, 1e-5, 0.9)
    assert z.real == pytest.approx(1000 / 12.8 + 0.5, rel=1e-4)
    assert abs(z.imag) < 0.01


@pytest.mark.parametrize("kappa", [0.0, -1.0, float("nan")])
def test_an_empty_cell_is_refused(kappa: float) -> None:
    with pytest.raises(OutOfRangeError, match="fill it first"):
        cell_impedance([1e3], kappa, 1.0, 0.5, 1e-5, 0.9)
