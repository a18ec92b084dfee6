"""The model itself: a Gaussian process averaged over its hyperparameters, and how it is fitted.

With few experiments the hyperparameters are anybody's guess, and acting on the most likely ones is overconfident. So
up to 128 rows the posterior is an average over samples of them (slice sampling, Neal, Ann. Stat. 31, 705 (2003)); with
more the most likely ones do, and past 200 they are fitted again only after every tenth part more. Two priors are tried,
for rough and for smooth outcomes, and weighed by how well each predicts left-out readings. Where the search may go far
from what was read, each is tried also with a mean of the space that need not be that of the readings; where there is an
earlier campaign, also without it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

from labwright.planners.gp.kernel import ROUGH, SMOOTH, Data, Likelihood, Prior, covariance, matern, theta_parts

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Member", "Model", "fit"]

SAMPLED = 128  # rows up to which the hyperparameters are sampled
SPARING = 200  # rows from which they are fitted only now and then
GROWTH = 1.1
_SAMPLES = 24  # of the hyperparameters, under all priors together; half as many are thrown away before
LEAST_WEIGHT = 0.01  # below it a member is left out
_STARTS = (0.3, 1.5)
_FEW = 100  # rows on which a climb is started that more rows then only finish
_CLIMB, _FINISH = 60, 15  # iterations
_DRAWN = 8  # members at least when values of pending experiments are drawn
_NORMAL = NormalDist()
_PRIORS = (ROUGH, SMOOTH)
_OFFSETS = tuple(replace(prior, offset=1.0) for prior in _PRIORS)
_FIXED = 0.05  # what has a narrower prior is not sampled


@dataclass(frozen=True)
class Member:
    """One Gaussian process with fixed hyperparameters; a model averages several.

    Args:
        theta: its hyperparameters, see `Likelihood`.
        data: what it knows; fantasies included.
        offset: variance of a constant added to all outcomes, as a share of the signal's.
    """

    theta: np.ndarray
    data: Data
    offset: float

    def __call__(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the noise-free value at `x`, shape (k, m) -> (k,), (k,)."""
        import numpy as np
        from scipy.linalg import solve_triangular

        factor, weights, *_ = self._solved
        across = self._across(x)
        left = solve_triangular(factor, across.T, lower=True, check_finite=False)
        return across @ weights, np.sqrt(np.maximum(self._prior - np.einsum("ij,ij->j", left, left), 1e-12))

    def with_slopes(self, x: np.ndarray) -> tuple[float, float, np.ndarray, np.ndarray]:
        """Mean and standard deviation at one point, shape (m,), and their derivatives there, shape (m,) each."""
        import numpy as np
        from scipy.linalg import solve_triangular

        factor, weights, lengths, scaled, alike = self._solved
        apart = x / lengths - scaled
        r = np.sqrt((apart * apart).sum(1))
        fall = self.signal * np.exp(-math.sqrt(5) * r) * alike
        k = self.signal * (matern(r) + self.offset) * alike
        slope = -5 / 3 * (1 + math.sqrt(5) * r) * fall
        left = solve_triangular(factor, k, lower=True, check_finite=False)
        back = solve_triangular(factor, left, lower=True, trans=1, check_finite=False)
        sd = math.sqrt(max(self._prior - float(left @ left), 1e-12))
        mean_slope = ((slope * weights) @ apart) / lengths
        sd_slope = -((slope * back) @ apart) / lengths / sd
        return float(k @ weights), sd, mean_slope, sd_slope

    def between(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Posterior covariance of the values at two lists of points row by row, shapes (k, m) -> (k,)."""
        import numpy as np
        from scipy.linalg import solve_triangular

        factor, _, lengths, *_ = self._solved
        apart = (a - b) / lengths
        r = np.sqrt((apart * apart).sum(1))
        prior = self.signal * (matern(r) + self.offset)
        left = [solve_triangular(factor, self._across(one).T, lower=True, check_finite=False) for one in (a, b)]
        return np.asarray(prior - np.einsum("ij,ij->j", left[0], left[1]))

    def together(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the noise-free values at `x`, shape (k, m) -> (k,), (k, k)."""
        import numpy as np
        from scipy.linalg import solve_triangular

        factor, weights, lengths, *_ = self._solved
        across, scaled, own = self._across(x), x / lengths, np.zeros(len(x), dtype=int)
        left = solve_triangular(factor, across.T, lower=True, check_finite=False)
        prior = self.signal * covariance(scaled, scaled, own, own, np.ones(1), self.offset)
        return across @ weights, prior - left.T @ left

    def left_out_score(self, rows: int) -> float:
        """Log density of the first readings, each predicted from all the others."""
        import numpy as np

        mean, sd = (part[:rows] for part in self.left_out())
        away = (self.data.z[:rows] - mean) / sd
        return float(-(0.5 * away**2 + np.log(sd)).sum())

    def left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each reading predicted from all others, shape (n,) each.

        Source: Rasmussen & Williams (2006), eq. 5.12.
        """
        import numpy as np
        from scipy.linalg import cho_solve

        factor, weights, *_ = self._solved
        precision = np.diag(cho_solve((factor, True), np.eye(len(weights))))
        return self.data.z - weights / precision, np.sqrt(1 / precision)

    def told(self, x: np.ndarray, values: np.ndarray) -> Member:
        """The same with more readings of this campaign, at points of shape (k, m)."""
        import numpy as np

        data, rows = self.data, len(x)
        more = Data(
            x=np.vstack([data.x, x]),
            groups=data.groups,
            z=np.append(data.z, values),
            known=np.append(data.known, np.zeros(rows)),
            task=np.append(data.task, np.zeros(rows, dtype=int)),
        )
        return replace(self, data=more)

    @property
    def signal(self) -> float:
        """Variance of the noise-free values beforehand, but for the offset."""
        return math.exp(float(self.theta[-2]))

    @property
    def _prior(self) -> float:
        """Variance of a noise-free value beforehand."""
        return self.signal * (1 + self.offset)

    @property
    def noise(self) -> float:
        """Variance of a reading beyond what is known of it."""
        return math.exp(float(self.theta[-1]))

    @property
    def lengths(self) -> np.ndarray:
        """The length scale of each group of columns."""
        import numpy as np

        return np.exp(self.theta[: self.data.lengths])

    def _across(self, x: np.ndarray) -> np.ndarray:
        import numpy as np

        _, _, lengths, scaled, _ = self._solved
        alike = theta_parts(self.theta, self.data)[1]
        own = np.zeros(len(x), dtype=int)
        return self.signal * covariance(x / lengths, scaled, own, self.data.task, alike, self.offset)

    @functools.cached_property
    def _solved(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        import numpy as np
        from scipy.linalg import cho_solve, cholesky

        data = self.data
        lengths, alike, signal, noise = theta_parts(self.theta, data)
        scaled = data.x / lengths
        gram = signal * covariance(scaled, scaled, data.task, data.task, alike, self.offset)
        gram.flat[:: len(gram) + 1] += noise + data.known + 1e-8
        factor = cholesky(gram, lower=True, check_finite=False)
        weights = cho_solve((factor, True), data.z, check_finite=False)
        return factor, weights, lengths, scaled, np.asarray(alike[data.task])


@dataclass(frozen=True)
class Model:
    """An average of Gaussian processes; higher is better.

    Args:
        members: what is averaged.
        weights: of each, shape (members,); their sum is 1.
        measured: how many of the first rows are readings of this campaign; failures and earlier campaigns come after.
        fantasies: how many of the last rows are pretended.
    """

    members: tuple[Member, ...]
    weights: np.ndarray
    measured: int
    fantasies: int = 0

    def posterior(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the noise-free value at `x`, shape (k, m) -> (k,), (k,)."""
        return self.mixed([member(x) for member in self.members])

    def mixed(self, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the average over the members, shape (k,) each."""
        import numpy as np

        means, sds = (np.array(part) for part in zip(*parts, strict=True))
        mean = self.weights @ means
        return mean, np.sqrt(np.maximum(self.weights @ (sds**2 + means**2) - mean**2, 1e-12))

    @property
    def noise(self) -> float:
        """Variance of a reading beyond what is known of it."""
        return float(self.weights @ [member.noise for member in self.members])

    @property
    def scatter(self) -> float:
        """Standard deviation of this campaign's readings, what is known of it included."""
        return math.sqrt(self.noise + float(self.members[0].data.known[: self.measured].mean()))

    def with_fantasies(self, x: np.ndarray, rng: np.random.Generator | None = None) -> Model:
        """Pretend that `x`, shape (k, m), is measured already, so that the next proposal goes elsewhere.

        Args:
            x: where.
            rng: of what was read there: each member draws values of its own (Snoek et al., NeurIPS 2012, 3.2), few
                members several times; None: as expected (kriging believer).
        """
        import numpy as np

        more = self.fantasies + len(x)
        if rng is None:
            return replace(self, members=tuple(member.told(x, member(x)[0]) for member in self.members), fantasies=more)
        copies = 1 if self.fantasies else -(-_DRAWN // len(self.members))
        members = [member for member in self.members for _ in range(copies)]
        for point in x[:, None]:
            levels = (rng.permutation(len(members)) + 0.5) / len(members)
            for place, level in enumerate(levels):
                mean, sd = members[place](point)
                members[place] = members[place].told(point, mean + sd * _NORMAL.inv_cdf(level))
        return Model(tuple(members), np.repeat(self.weights, copies) / copies, self.measured, more)


def fit(data: Data, measured: int, seed: int, *, far: bool) -> Model:
    """Fit a model.

    Args:
        data: what it learns from; readings of this campaign first.
        measured: how many of the rows those are.
        seed: of the sampling.
        far: whether it is asked far from what was read, so that few readings do not fix the mean of the space.
    """
    # The same models are asked for by ask, explain and advise_stop one after the other; a fit takes seconds.
    key = (measured, seed, far, *(part.tobytes() for part in (data.x, data.groups, data.z, data.known, data.task)))
    if (found := _FITTED.get(key)) is None:
        while len(_FITTED) >= _FITTED_AT_MOST:
            _FITTED.pop(next(iter(_FITTED)), None)
        found = _FITTED[key] = _fitted(data, measured, seed, far=far)
    return found


def _fitted(data: Data, measured: int, seed: int, *, far: bool) -> Model:
    import numpy as np

    known = [data, data.rows(data.task == 0)] if data.earlier else [data]
    families = [family for one in known for family in _families(one, seed, far, len(known))]
    # What predicts this campaign counts: an earlier one that does not is as if it were not known.
    own = int((data.task == 0).sum())
    sizes = np.array([len(family) for family in families])
    scores = np.array([np.logaddexp.reduce([one.left_out_score(own) for one in family]) for family in families])
    scores -= np.log(sizes)
    shares = np.exp(scores - scores.max())
    weights = np.repeat(shares / sizes, sizes)
    weights /= weights.sum()
    kept = weights >= LEAST_WEIGHT
    members = tuple(one for one, keep in zip(itertools.chain(*families), kept, strict=True) if keep)
    return Model(members, weights[kept] / weights[kept].sum(), measured)


def _families(data: Data, seed: int, far: bool, of: int) -> list[list[Member]]:
    """Members under each prior, `of` being over how many sets of data they are spread; see `fit`."""
    if len(data.z) > SAMPLED:
        fitted = data.first(_milestone(len(data.z)))
        return [[Member(_climbed(fitted, prior), data, prior.offset)] for prior in _PRIORS]
    priors = (*_PRIORS, *_OFFSETS) if far and of == 1 else _PRIORS
    each = _SAMPLES // (len(priors) * of)
    return [[Member(theta, data, one.offset) for theta in _sampled(data, one, seed, each)] for one in priors]


def _milestone(rows: int) -> int:
    """On how many of the rows the hyperparameters are fitted."""
    mark = SPARING
    while mark * GROWTH <= rows:
        mark = int(mark * GROWTH)
    return min(rows, mark) if rows >= SPARING else rows


def _climbed(data: Data, prior: Prior) -> np.ndarray:
    """The most likely hyperparameters; cached, as a campaign asks for the same ones again and again."""
    key = (prior, *(part.tobytes() for part in (data.x, data.groups, data.z, data.known, data.task)), data.x.shape[1])
    if key not in _KEPT:
        if len(_KEPT) >= _KEPT_AT_MOST:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = _climb(data, prior)
    return _KEPT[key]


_FITTED: dict[tuple[object, ...], Model] = {}
_FITTED_AT_MOST = 4  # a campaign's objectives and limits
_KEPT: dict[tuple[object, ...], np.ndarray] = {}
_KEPT_AT_MOST = 8


def _climb(data: Data, prior: Prior) -> np.ndarray:
    import numpy as np
    from scipy.optimize import minimize

    def highest(of: Data, starts: list[np.ndarray], iterations: int) -> np.ndarray:
        likelihood = Likelihood(of, prior)
        found = [
            minimize(
                likelihood.descend, start, jac=True, method="L-BFGS-B", bounds=likelihood.bounds,
                options={"maxiter": iterations},
            )
            for start in starts
        ]  # fmt: skip
        return np.asarray(min(found, key=lambda one: float(one.fun)).x)

    if len(data.z) <= 2 * _FEW:
        return highest(data, [Likelihood(data, prior).start(length) for length in _STARTS], _CLIMB)
    few = data.rows(np.linspace(0, len(data.z) - 1, _FEW).astype(int))
    begun = highest(few, [Likelihood(few, prior).start(length) for length in _STARTS], _CLIMB)
    return highest(data, [begun], _FINISH)


def _sampled(data: Data, prior: Prior, seed: int, count: int) -> list[np.ndarray]:
    """Samples of the hyperparameters' posterior, one coordinate after the other, from the most likely ones on."""
    import numpy as np

    rng = np.random.default_rng(seed)
    likelihood = Likelihood(data, prior)
    theta = np.clip(_climb(data, prior), likelihood.bounds[:, 0], likelihood.bounds[:, 1])
    density = likelihood.density(theta)
    free = np.flatnonzero(likelihood.spread > _FIXED)
    kept = []
    burnt = count // 2
    for sweep in range(burnt + count):
        for place in rng.permutation(free):
            level = density + math.log(rng.random())
            low = theta[place] - likelihood.spread[place] * rng.random()
            high = low + likelihood.spread[place]
            while high - low > 1e-4:  # narrower, and it stays where it is
                other = theta.copy()
                other[place] = low + (high - low) * rng.random()
                found = likelihood.density(other)
                if found > level:
                    theta, density = other, found
                    break
                low, high = (other[place], high) if other[place] < theta[place] else (low, other[place])
        if sweep >= burnt:
            kept.append(theta)
    return kept
