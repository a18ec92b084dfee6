"""The covariance behind the model, and how likely it makes what was measured.

A Matérn 5/2 kernel with one length scale for each group of columns, on outcomes that are standardised. Earlier
campaigns are tasks of their own: two points of different tasks covary less, by one learnt correlation for each task (a
coregionalisation of rank one, Bonilla et al., NeurIPS 2007), which is negative where what was good is bad now.
Hyperparameters have log-normal priors: on a handful of points the likelihood alone is reckless.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ROUGH", "SMOOTH", "Data", "Likelihood", "Prior", "covariance", "matern", "theta_parts"]

_ROOT5 = math.sqrt(5)
_JITTER = 1e-8  # keeps the factorisation possible when two rows are all but the same point
_HOPELESS = 1e25  # what a covariance that cannot be factorised is worth

_TASK_MIDDLE, _TASK_SPREAD = 0.9, 1.0  # of the inverse hyperbolic tangent: a correlation of 0.72, one in five below 0
_LENGTH_BOUNDS = (math.log(0.02), math.log(30.0))
_TASK_BOUNDS = (-3.0, 3.0)
_SIGNAL_BOUNDS = (math.log(0.02), math.log(100.0))
_NOISE_BOUNDS = (math.log(1e-7), 0.0)


@dataclass(frozen=True)
class Prior:
    """What is thought of the hyperparameters beforehand: log-normal, given by medians and spreads of the logarithm.

    Args:
        length: of length scales, as a fraction of a range.
        wider: whether lengths grow with the square root of the number of parameters.
        signal: variance of the standardised outcome's noise-free part.
        noise: variance of the rest.
        offset: variance of a constant added to all outcomes, as a share of the signal's; 0 takes the mean of what was
            read for that of the space, which it is not where a campaign reads mostly good points.
    """

    length: tuple[float, float]
    wider: bool
    signal: tuple[float, float]
    noise: tuple[float, float]
    offset: float = 0.0


_HVARFNER = (math.exp(math.sqrt(2)), math.sqrt(3))
ROUGH = Prior(length=_HVARFNER, wider=True, signal=(1.0, 0.01), noise=(math.exp(-4), 1.0))
"""For outcomes with a grain of their own; lengths as in Hvarfner et al. (ICML 2024), no signal beyond the data."""

SMOOTH = Prior(length=(0.7, 1.0), wider=False, signal=(2.0, 1.0), noise=(math.exp(-8), 2.5))
"""For outcomes that follow their parameters closely, and may go on beyond what was seen."""


@dataclass(frozen=True)
class Data:
    """What a model learns from.

    Args:
        x: points as the model sees them, shape (n, m).
        groups: which length scale each column has, shape (m,), from 0 without a gap.
        z: standardised outcomes, larger is better, shape (n,).
        known: variance of each of `z` that is known from repeats, shape (n,).
        task: which campaign each row is of, shape (n,); 0 is the one under way.
    """

    x: np.ndarray
    groups: np.ndarray
    z: np.ndarray
    known: np.ndarray
    task: np.ndarray

    @property
    def lengths(self) -> int:
        """How many length scales there are."""
        return int(self.groups.max()) + 1

    @property
    def earlier(self) -> int:
        """How many earlier campaigns there are."""
        return int(self.task.max(initial=0))

    def first(self, count: int) -> Data:
        """The same with fewer rows."""
        return Data(self.x[:count], self.groups, self.z[:count], self.known[:count], self.task[:count])

    def rows(self, chosen: np.ndarray) -> Data:
        """The same with some of the rows."""
        return Data(self.x[chosen], self.groups, self.z[chosen], self.known[chosen], self.task[chosen])


def theta_parts(theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Length scale of each column, correlation of each task with this campaign, signal and noise variance."""
    import numpy as np

    lengths = np.exp(theta[: data.lengths])[data.groups]
    alike = np.append(1.0, np.tanh(theta[data.lengths : -2]))
    return lengths, alike, math.exp(theta[-2]), math.exp(theta[-1])


def matern(r: np.ndarray) -> np.ndarray:
    """Correlation at distances in length scales, any shape."""
    import numpy as np

    return np.asarray((1 + _ROOT5 * r + 5 / 3 * r * r) * np.exp(-_ROOT5 * r))


def covariance(
    a: np.ndarray, b: np.ndarray, tasks_a: np.ndarray, tasks_b: np.ndarray, alike: np.ndarray, offset: float
) -> np.ndarray:
    """Of a function of variance 1 and an offset, points divided by their length scales, (n, m), (k, m) -> (n, k)."""
    import numpy as np

    answer = matern(np.sqrt(_squares(a, b))) + offset
    if len(alike) > 1:
        answer *= _between(tasks_a, tasks_b, alike)
    return answer


class Likelihood:
    """The log posterior density of the hyperparameters (up to a constant), and its gradient.

    theta is (log length of each group, inverse hyperbolic tangent of the correlation of each earlier task, log signal
    and log noise variance).
    """

    def __init__(self, data: Data, prior: Prior) -> None:
        import numpy as np

        groups, earlier = data.lengths, data.earlier
        length = math.log(prior.length[0]) + (0.5 * math.log(groups) if prior.wider else 0.0)
        self._data = data
        self._offset = prior.offset
        last = [math.log(prior.signal[0]), math.log(prior.noise[0])]
        self.middle = np.array([*[length] * groups, *[_TASK_MIDDLE] * earlier, *last])
        spreads = [*[prior.length[1]] * groups, *[_TASK_SPREAD] * earlier, prior.signal[1], prior.noise[1]]
        self.spread = np.array(spreads)
        self.bounds = np.array([*[_LENGTH_BOUNDS] * groups, *[_TASK_BOUNDS] * earlier, _SIGNAL_BOUNDS, _NOISE_BOUNDS])

    def start(self, length: float) -> np.ndarray:
        """Where a climb may begin: all length scales `length`, little noise, each task on its likelier side of 0."""
        import numpy as np

        theta = self.middle.copy()
        theta[: self._data.lengths] = math.log(length)
        theta[-1] = math.log(1e-2)
        theta = np.clip(theta, self.bounds[:, 0], self.bounds[:, 1])
        for place in range(self._data.lengths, len(theta) - 2):
            other = theta.copy()
            other[place] = -theta[place]
            if self.density(other) > self.density(theta):
                theta = other
        return theta

    def density(self, theta: np.ndarray) -> float:
        """The log posterior density; minus infinity outside the bounds."""
        import numpy as np
        from scipy.linalg.lapack import dpotrf, dpotrs

        if (theta < self.bounds[:, 0]).any() or (theta > self.bounds[:, 1]).any():
            return -math.inf
        z = self._data.z
        factor, failed = dpotrf(self._gram(theta)[0], lower=1, overwrite_a=1)
        if failed:
            return -_HOPELESS
        weights, _ = dpotrs(factor, z, lower=1)
        away = (theta - self.middle) / self.spread
        return float(-0.5 * (z @ weights) - np.log(np.diag(factor)).sum() - 0.5 * (away @ away))

    def descend(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the density, and its gradient, for a minimiser.

        The trace form: no (n, n, d) tensor of derivatives is built (Rasmussen & Williams 2006, eq. 5.9).
        """
        import numpy as np
        from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

        data = self._data
        gram, alone, scaled, r, between = self._gram(theta)
        factor, failed = dpotrf(gram, lower=1, overwrite_a=1)
        if failed:
            return _HOPELESS, np.zeros_like(theta)
        weights, _ = dpotrs(factor, data.z, lower=1)
        log_det = np.log(np.diag(factor)).sum()
        inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        slope = np.outer(weights, weights) - inverse
        gradient = np.empty_like(theta)
        pull = slope * (math.exp(theta[-2]) * 5 / 3 * (1 + _ROOT5 * r) * np.exp(-_ROOT5 * r))
        if between is not None:
            pull *= between
        columns = (pull.sum(1)[:, None] * scaled * scaled).sum(0) - (scaled * (pull @ scaled)).sum(0)
        gradient[: data.lengths] = np.bincount(data.groups, columns, data.lengths)
        if between is not None:
            alike = theta_parts(theta, data)[1]
            both = slope * alone
            for task in range(1, len(alike)):
                here = data.task == task
                across = both[np.ix_(here, ~here)] * alike[data.task[~here]]
                gradient[data.lengths + task - 1] = across.sum() * (1 - alike[task] ** 2)
            alone = alone * between
        gradient[-2] = 0.5 * (slope * alone).sum()
        gradient[-1] = 0.5 * math.exp(theta[-1]) * np.trace(slope)
        away = (theta - self.middle) / self.spread
        value = 0.5 * (data.z @ weights) + log_det + 0.5 * (away @ away)
        return float(value), away / self.spread - gradient

    def _gram(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Covariance of readings, of values were all one task, scaled points, distances, factors between tasks."""
        import numpy as np

        data = self._data
        lengths, alike, signal, noise = theta_parts(theta, data)
        scaled = data.x / lengths
        r = np.sqrt(_squares(scaled, scaled))
        alone = signal * (matern(r) + self._offset)
        between = _between(data.task, data.task, alike) if len(alike) > 1 else None
        gram = alone.copy() if between is None else alone * between
        gram.flat[:: len(gram) + 1] += noise + data.known + _JITTER
        return gram, alone, scaled, r, between


def _between(tasks_a: np.ndarray, tasks_b: np.ndarray, alike: np.ndarray) -> np.ndarray:
    import numpy as np

    factors = np.outer(alike, alike)
    np.fill_diagonal(factors, 1.0)
    return factors[np.ix_(tasks_a, tasks_b)]


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * (a @ b.T), 0.0)
