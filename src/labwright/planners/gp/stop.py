"""Whether another experiment is worth its cost.

A Gaussian process that has seen little believes too soon that there is nothing more to gain, and on a rough table it
believes it too late. So three things must come together: enough experiments for the number of parameters, some in a row
that brought nothing better, and a model that thinks it more likely than not that nothing is better by a part of the
range worth continuing for. `benchmarks/planners` measures when that is: `campaigns`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labwright.model.campaign import CampaignState, StopAdvice
from labwright.model.figures import figure
from labwright.planners._candidates import every_point, neighbours, scan
from labwright.planners._proposals import derive_seed
from labwright.planners.gp.acquisition import log_expected_improvement
from labwright.planners.gp.outlook import Outlook, look

if TYPE_CHECKING:
    import numpy as np

    from labwright.planners.gp.model import Model

__all__ = ["advice"]

_LEAST = 5  # experiments below which there is no advice
_A_PARAMETER = 6  # experiments for each parameter before which a model that sees nothing to gain is not believed
_IN_VAIN = 5  # experiments in a row that brought nothing notably better
_SHARE = 0.05  # of the range measured: a gain too small to continue for
_NOTABLE = 0.2  # of that: on a smooth function every experiment brings something better, by less and less
_EVEN = 0.5  # probability of a larger gain above which the advice is to continue
_CANDIDATES = 1024
_SURE = 1.645  # standard deviations of a one-sided 95 %
_LIKELY, _KNOWN = 150, 50  # points that may be the best, and tried ones that may, of which values are drawn together
_DRAWS = 256
_JITTER = 1e-7  # of the signal's variance; keeps the factorisation possible where two points are all but one


def advice(state: CampaignState) -> StopAdvice | None:
    """What more there may be to gain, by the model; None for several objectives, targets, or too few experiments.

    The bound on the regret is the largest upper confidence bound of any point less what the best so far surely is
    (Makarova et al., AutoML 2022). The chance of a gain is a share of draws from the joint posterior in which an
    untried point beats all tried ones (after Wilson, "Stopping Bayesian optimization with probabilistic regret bounds",
    NeurIPS 2024).
    """
    import numpy as np

    measured = sum(trial.status == "done" for trial in state.trials)
    if measured < _LEAST or state.more_objectives or state.objective.goal not in ("max", "min"):
        return None
    outlook = look(state, limits=False)
    if not outlook.counting:
        return None
    goal = outlook.goals[0]
    rng = np.random.default_rng(derive_seed(state.seed, len(state.trials), "stop"))
    x = outlook.expand(_looked_at(outlook, rng))
    own = goal.model.members[0].data.x[outlook.counting]
    mean, sd = goal.model.posterior(x)
    own_mean, own_sd = goal.model.posterior(own)
    gain = float(np.exp(log_expected_improvement(mean, sd, float(own_mean.max())).max()))
    bound = max(float((mean + _SURE * sd).max()) - float((own_mean - _SURE * own_sd).max()), 0.0)
    scale = goal.scale.spread
    readings = np.array([outlook.done[place].outcomes[state.objective.name].mean for place in outlook.counting])
    merits = np.array([state.objective.merit(float(one)) for one in readings])
    tolerance = max(_SHARE * float(np.ptp(readings)), _told_noise(outlook))
    likely = x[np.argsort(-(mean + _SURE * sd), kind="stable")[:_LIKELY]]
    leading = own[np.argsort(-(own_mean + _SURE * own_sd), kind="stable")[:_KNOWN]]
    found = _Found(
        measured=measured,
        wanted=_A_PARAMETER * len(state.space.parameters),
        in_vain=len(readings) - 1 - int(np.argmax(merits >= merits.max() - _NOTABLE * tolerance)),
        chance=_chance(goal.model, likely, leading, tolerance / scale, rng),
        tolerance=tolerance,
        gain=gain * scale,
        noise=float(np.sqrt(goal.model.noise)) * scale,
        bound=bound * scale,
    )
    return StopAdvice(
        stop=found.stop,
        reason=found.words("" if state.objective.unit == "1" else f" {state.objective.unit}"),
        expected_gain=found.gain,
        noise=found.noise,
        regret_bound=found.bound,
        tolerance=tolerance,
        chance=found.chance,
    )


@dataclass(frozen=True)
class _Found:
    """What the advice goes by; amounts in the objective's unit.

    Args:
        measured: experiments.
        wanted: how many there must be.
        in_vain: how many of those that count came after the first that was notably as good as the best.
        chance: that something untried is better than the best by more than `tolerance`.
        tolerance: a gain too small to continue for.
        gain: largest expected improvement.
        noise: of a repeat.
        bound: on the regret.
    """

    measured: int
    wanted: int
    in_vain: int
    chance: float
    tolerance: float
    gain: float
    noise: float
    bound: float

    @property
    def stop(self) -> bool:
        return self.measured >= self.wanted and self.in_vain >= _IN_VAIN and self.chance <= _EVEN

    def words(self, unit: str) -> str:
        told, notable = [], f"{figure(_NOTABLE * self.tolerance, 3)}{unit}"
        if self.measured < self.wanted:
            told.append(f"{self.measured} of the {self.wanted} experiments are done that the advice requires")
        if self.in_vain < _IN_VAIN:
            told.append(
                f"the last {self.in_vain} experiments improved the best by no more than {notable}; the advice requires "
                f"{_IN_VAIN} in a row"
            )
        else:
            told.append(f"the last {self.in_vain} experiments improved the best by no more than {notable}")
        told.append(
            f"the probability that a point is better than the best so far by more than "
            f"{figure(self.tolerance, 3)}{unit} is {self.chance:.0%} (limit {_EVEN:.0%})"
        )
        told.append(
            f"the largest expected improvement is {figure(self.gain, 3)}{unit}, the standard deviation of a repeat "
            f"{figure(self.noise, 3)}{unit}"
        )
        told.append(f"with 95 % confidence no point is better by more than {figure(self.bound, 3)}{unit}")
        return "; ".join(told)


def _chance(model: Model, likely: np.ndarray, leading: np.ndarray, tolerance: float, rng: np.random.Generator) -> float:
    """Probability that the best of `likely`, shape (k, m), beats the best of `leading`, (l, m), by more than that."""
    import numpy as np

    x = np.vstack([likely, leading])
    draws = math.ceil(_DRAWS / len(model.members))
    total = 0.0
    for member, weight in zip(model.members, model.weights, strict=True):
        mean, covariance = member.together(x)
        covariance.flat[:: len(x) + 1] += _JITTER * member.signal
        values = mean + rng.normal(size=(draws, len(x))) @ _root(covariance).T
        more = values[:, : len(likely)].max(1) - values[:, len(likely) :].max(1)
        total += float(weight) * float((more > tolerance).mean())
    return min(total, 1.0)


def _root(covariance: np.ndarray) -> np.ndarray:
    """A matrix whose product with its own transpose is `covariance`, shape (k, k), which rounding may have bent."""
    import numpy as np

    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _told_noise(outlook: Outlook) -> float:
    """Median standard error of the readings that have one; 0 if none has."""
    import numpy as np

    name = outlook.state.objective.name
    told = [sem for trial in outlook.done if (sem := trial.outcomes[name].sem) is not None]
    return float(np.median(told)) if told else 0.0


def _looked_at(outlook: Outlook, rng: np.random.Generator) -> np.ndarray:
    """Where the best may be: everywhere a little, around the best more."""
    import numpy as np

    state = outlook.state
    unit = every_point(state.space)
    if unit is not None:
        return unit
    unit = scan(state.space, _CANDIDATES, rng)
    goal = outlook.goals[0]
    mean, sd = goal.model.posterior(outlook.expand(unit))
    leading = unit[np.argsort(-(mean + _SURE * sd), kind="stable")[:8]]
    near = neighbours(state.space, leading, 32, 0.1, rng)
    return np.vstack([unit, near]) if len(near) else unit
