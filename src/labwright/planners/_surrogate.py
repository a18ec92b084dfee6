"""The Gaussian process behind every planner's `predict` and `best`, and behind what the skopt planner proposes.

scikit-optimize's `GaussianProcessRegressor` with a Matérn 5/2 kernel, one length scale per parameter, and noise. The
points it learns from are the unit cube's, with one column per level for a categorical parameter. skopt's own `Space`
is not used for that: it refuses a weighed composition that lies a hair outside the box.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from labwright.model.campaign import CampaignState, Outcome, Recommendation, Trial
from labwright.model.errors import PlannerError
from labwright.model.space import Categorical, Params, Space

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ModelledPlanner", "Surrogate", "evidence", "features", "fit_surrogate"]

# Bounds of the hyperparameters, on the unit cube and on outcomes of unit variance.
_LENGTH_BOUNDS = (0.05, 20.0)
_SIGNAL_BOUNDS = (0.05, 50.0)
_NOISE_BOUNDS = (1e-6, 0.5)
# Log-normal priors (median, spread of the log). Lengths: the dimension-scaled prior of Hvarfner et al. (ICML 2024),
# exp(sqrt 2) * sqrt d with spread sqrt 3, is meant for many dimensions and would start out very smooth at d = 3; the
# median here is 0.7 of the range. Noise: a repeat scatters by a few per cent of the outcomes' spread, give or take a
# factor of ten.
_LENGTH_PRIOR = (0.7, 1.0)
_SIGNAL_PRIOR = (2.0, 1.0)
_NOISE_PRIOR = (1e-3, 2.0)
_LENGTH_STARTS = (0.3, 1.0, 2.5)


class ModelledPlanner(BaseModel):
    """A planner whose predictions come from the shared Gaussian process, whoever chose the points.

    So two planners that saw the same trials say the same about them, and differ only in what they propose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def predict(self, state: CampaignState, points: Sequence[Params]) -> list[Outcome]:
        """Posterior mean and standard error of the noise-free value; see `Planner.predict`."""
        if not points:
            return []
        mean, sd = fit_surrogate(state).predict(features(state.space, points))
        return [Outcome(mean=float(m), sem=float(s)) for m, s in zip(mean, sd, strict=True)]

    def best(self, state: CampaignState) -> Recommendation | None:
        """The best of what was made; see `Planner.best`."""
        done = [trial for trial in state.trials if trial.status == "done"]
        if not done:
            return None
        name, sign = state.objective.name, _sign(state)
        predicted = self.predict(state, [trial.made for trial in done])
        chosen = max(range(len(done)), key=lambda index: sign * predicted[index].mean)
        observed = max(done, key=lambda trial: sign * trial.outcomes[name].mean)
        return Recommendation(
            trial_id=done[chosen].id,
            params=done[chosen].made,
            predicted=predicted[chosen],
            observed_trial_id=observed.id,
            observed_params=observed.made,
            observed=observed.outcomes[name],
        )


def evidence(state: CampaignState) -> list[Trial]:
    """Trials that say something about the parameters: done, or failed because the parameters were infeasible."""
    return [trial for trial in state.trials if trial.status == "done" or trial.fail_kind == "infeasible"]


def features(space: Space, points: Sequence[Params]) -> np.ndarray:
    """Points as the model sees them, shape (n, m): the unit cube, a categorical parameter as one column per level."""
    import numpy as np

    return expand(space, np.array([space.to_unit(params) for params in points], dtype=float))


def expand(space: Space, unit: np.ndarray) -> np.ndarray:
    """The same from positions in the unit cube, shape (n, d) -> (n, m)."""
    import numpy as np

    columns: list[np.ndarray] = []
    for place, parameter in enumerate(space.parameters):
        column = unit[:, place : place + 1]
        if isinstance(parameter, Categorical):
            count = len(parameter.levels)
            level = np.clip(np.floor(column * count), 0, count - 1)
            columns.append((level == np.arange(count)) / math.sqrt(2))  # two levels are one unit apart
        else:
            columns.append(column)
    return np.hstack(columns)


@dataclass(frozen=True)
class Surrogate:
    """A fitted Gaussian process, in which higher is better whatever the goal.

    Args:
        kernel: skopt's fitted kernel of the noise-free function.
        x: what it learnt from, shape (n, m).
        z: standardised outcomes, shape (n,); higher is better.
        noise: variance of each of `z`, shape (n,).
        done: how many of the first rows were really measured; the rest are failures and fantasies.
        centre: outcome that `z` = 0 stands for.
        scale: outcome units per unit of `z`; negative where less is better.
    """

    kernel: Any
    x: np.ndarray
    z: np.ndarray
    noise: np.ndarray
    done: int
    centre: float
    scale: float

    def posterior(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the noise-free standardised value at `x`, shape (k, m) -> (k,), (k,)."""
        import numpy as np
        from scipy.linalg import solve_triangular

        factor, weights = self._solved
        across = self.kernel(x, self.x)
        mean = across @ weights
        left = solve_triangular(factor, across.T, lower=True)
        variance = self.kernel.diag(x) - np.einsum("ij,ij->j", left, left)
        return mean, np.sqrt(np.maximum(variance, 1e-12))

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same in the objective's unit."""
        mean, sd = self.posterior(x)
        return self.centre + self.scale * mean, abs(self.scale) * sd

    def incumbent(self) -> float:
        """The best posterior mean among what was really measured, standardised."""
        return float(self.posterior(self.x[: self.done])[0].max())

    def with_fantasies(self, x: np.ndarray) -> Surrogate:
        """Pretend that `x`, shape (k, m), came out as good as the best so far, so the next proposal goes elsewhere.

        The constant liar with the best value: measured better than the believer and the worst value for batches.
        """
        import numpy as np

        lie = float(self.z[: self.done].max())
        return Surrogate(
            kernel=self.kernel,
            x=np.vstack([self.x, x]),
            z=np.append(self.z, np.full(len(x), lie)),
            noise=np.append(self.noise, np.full(len(x), 1e-6)),
            done=self.done,
            centre=self.centre,
            scale=self.scale,
        )

    @functools.cached_property
    def _solved(self) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np
        from scipy.linalg import cho_solve, cholesky

        # 1e-8 keeps the factorisation possible when two rows are all but the same point.
        factor = cholesky(self.kernel(self.x) + np.diag(self.noise + 1e-8), lower=True)
        return factor, cho_solve((factor, True), self.z)


def fit_surrogate(state: CampaignState) -> Surrogate:
    """Fit the Gaussian process to all evidence of a campaign.

    Trials that failed as infeasible count with the worst value measured; equipment failures and stops do not count.

    Raises:
        PlannerError: nothing was measured yet.
    """
    import numpy as np

    done = [trial for trial in state.trials if trial.status == "done"]
    failed = [trial for trial in state.trials if trial.fail_kind == "infeasible"]
    if not done:
        raise PlannerError("no trial is done, so there is nothing to predict from; run the first experiments")
    outcomes = [trial.outcomes[state.objective.name] for trial in done]
    values = np.array([outcome.mean for outcome in outcomes])
    centre = float(values.mean())
    spread = float(values.std())
    scale = _sign(state) * (spread if spread > 1e-12 * max(1.0, abs(centre)) else 1.0)
    z = (values - centre) / scale
    z = np.append(z, np.full(len(failed), z.min()))
    known = np.append(_known_noise(outcomes) / scale**2, np.zeros(len(failed)))
    x = features(state.space, [trial.made for trial in done + failed])
    kernel, extra = _fit_kernel(x, z, known)
    return Surrogate(kernel=kernel, x=x, z=z, noise=known + extra, done=len(done), centre=centre, scale=scale)


def _known_noise(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Variances of the means, shape (n,): half each outcome's own, half the average over all that tell theirs.

    A standard error from three replicates is itself uncertain by half; three equal readings must not nail the model.
    """
    import numpy as np

    own = np.array([math.nan if outcome.sem is None else outcome.sem**2 for outcome in outcomes])
    told = ~np.isnan(own)
    if not told.any():
        return np.zeros(len(own))
    pooled = float(own[told].mean())
    return np.where(told, 0.5 * own + 0.5 * pooled, 0.0)


def _fit_kernel(x: np.ndarray, z: np.ndarray, known: np.ndarray) -> tuple[Any, float]:
    """The kernel of the noise-free function and the noise variance beyond the known, at the posterior's maximum."""
    from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    dimensions = x.shape[1]
    kernel = ConstantKernel(1.0, _SIGNAL_BOUNDS) * Matern(
        [1.0] * dimensions, [_LENGTH_BOUNDS] * dimensions, nu=2.5
    ) + WhiteKernel(1e-2, _NOISE_BOUNDS)
    model = _regressor_class()(kernel=kernel, alpha=known + 1e-8, noise="gaussian", optimizer=_climb)
    model.fit(x, z)
    return model.kernel_.k1, float(model.noise_)


def _climb(objective: Any, start: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, float]:
    """Maximise the log posterior of the hyperparameters from a few fixed starts; no randomness, no warnings.

    scikit-learn warns when its own optimiser stops early or ends next to a bound. Here both are of no concern: the
    best of several climbs is taken, whatever ended it, and it is kept off the bounds by a hair.
    """
    import numpy as np
    from scipy.optimize import minimize

    inner = np.column_stack([bounds[:, 0] + 1e-3, bounds[:, 1] - 1e-3])
    best: tuple[float, np.ndarray] | None = None
    for length in _LENGTH_STARTS:
        theta = np.array(start, dtype=float)
        theta[1:-1] = math.log(length)
        found = minimize(
            objective, np.clip(theta, inner[:, 0], inner[:, 1]), jac=True, method="L-BFGS-B", bounds=inner,
            options={"maxiter": 60},
        )  # fmt: skip
        if best is None or found.fun < best[0]:
            best = float(found.fun), found.x
    assert best is not None  # noqa: S101 - there is always a first start
    return best[1], best[0]


@functools.cache
def _regressor_class() -> type[Any]:
    """The regressor of skopt with priors on its hyperparameters: on a handful of points the likelihood is reckless."""
    import numpy as np
    from skopt.learning import GaussianProcessRegressor

    class MapRegressor(GaussianProcessRegressor):
        """Adds log-normal priors to the likelihood; theta is (signal variance, length scales..., noise), all logs."""

        def log_marginal_likelihood(
            self, theta: Any = None, eval_gradient: bool = False, clone_kernel: bool = True
        ) -> Any:
            answer = super().log_marginal_likelihood(theta, eval_gradient, clone_kernel)
            if theta is None:
                return answer
            medians = [_SIGNAL_PRIOR[0], *[_LENGTH_PRIOR[0]] * (len(theta) - 2), _NOISE_PRIOR[0]]
            spreads = np.array([_SIGNAL_PRIOR[1], *[_LENGTH_PRIOR[1]] * (len(theta) - 2), _NOISE_PRIOR[1]])
            away = (theta - np.log(medians)) / spreads
            penalty = 0.5 * float(away @ away)
            if eval_gradient:
                return answer[0] - penalty, answer[1] - away / spreads
            return answer - penalty

    return MapRegressor


def _sign(state: CampaignState) -> int:
    return 1 if state.objective.goal == "max" else -1
