"""The likelihood's gradient is what the climb for hyperparameters follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labwright.planners.gp.kernel import ROUGH, SMOOTH, Data, Likelihood, Prior


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
