"""The model: the gradient its climb follows, and what it pretends of experiments under way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labwright.planners.gp.kernel import ROUGH, SMOOTH, Data, Likelihood, Prior
from labwright.planners.gp.model import fit


@pytest.mark.parametrize("prior", [ROUGH, SMOOTH, replace(SMOOTH, offset=1.0)])
@pytest.mark.parametrize("correlation", [0.6, 0.0, -0.6])
def test_the_gradient_is_that_of_the_density(prior: Prior, correlation: float) -> None:
    rng = np.random.default_rng(1)
    data = Data(
        x=rng.random((12, 3)),
        groups=np.array([0, 1, 1]),
        z=rng.normal(size=12),
        known=np.full(12, 0.01),
        task=np.array([0] * 5 + [1] * 4 + [2] * 3),
    )
    likelihood = Likelihood(data, prior)
    theta = likelihood.middle + rng.normal(size=6) * 0.2
    theta[data.lengths] = np.arctanh(correlation)
    value, gradient = likelihood.descend(theta)
    assert value == pytest.approx(-likelihood.density(theta))
    for place in range(len(theta)):
        step = np.zeros(len(theta))
        step[place] = 1e-5
        slope = (likelihood.density(theta - step) - likelihood.density(theta + step)) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_what_is_pending_is_drawn_as_wide_as_it_is_unknown() -> None:
    rng = np.random.default_rng(2)
    x = rng.random((10, 2))
    z = np.sin(4 * x).sum(1)
    data = Data(x, np.array([0, 1]), (z - z.mean()) / z.std(), np.zeros(10), np.zeros(10, dtype=int))
    model = fit(data, 10, seed=3, far=True)
    pending = np.array([[0.95, 0.05], [0.1, 0.9]])
    mean, sd = model.posterior(pending)
    drawn = model.with_fantasies(pending, rng)
    told = np.array([member.data.z[-2:] for member in drawn.members])
    assert drawn.fantasies == 2
    assert drawn.weights.sum() == pytest.approx(1.0)
    assert np.abs(drawn.weights @ told - mean).max() < sd.max()
    spread = np.sqrt(drawn.weights @ (told - drawn.weights @ told) ** 2)
    assert (spread > 0.5 * sd).all()
    assert (spread < 2.0 * sd).all()
    assert (drawn.posterior(pending)[1] > 0.5 * sd).all(), "as unsure of the value as before, sure of each draw's"
    assert (np.array([member(pending)[1] for member in drawn.members]) < 0.6 * sd.max()).all()
    believed = model.with_fantasies(pending)
    assert believed.posterior(pending)[0] == pytest.approx(mean, abs=0.3 * sd.max())
