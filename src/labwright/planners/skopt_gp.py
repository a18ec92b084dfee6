"""The default planner: Bayesian optimisation on scikit-optimize's Gaussian process.

An even start, then the point of largest log expected improvement over the best *posterior* mean, so that one lucky
reading is not chased (Ament et al., NeurIPS 2023, for the logarithm; Letham et al., Bayesian Analysis 2019, for noise).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from labwright.model.campaign import CampaignState, Outcome, Suggestion
from labwright.model.errors import PlannerError
from labwright.model.space import Params, Space
from labwright.planners._candidates import every_point, neighbours, params_at, scan
from labwright.planners._proposals import derive_seed, fresh_points, key_of, sobol_points, taken
from labwright.planners._surrogate import ModelledPlanner, Surrogate, expand, features, fit_surrogate

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SkoptPlanner", "log_expected_improvement"]

_ROUNDS = 8  # of local search; its reach halves each round, from 0.2 of the range to about 0.001
_REACH = 0.2
_PARENTS = 6
_CHILDREN = 48


class SkoptPlanner(ModelledPlanner):
    """Gaussian process with log expected improvement.

    Args:
        n_start: experiments before the model has a say, failed ones counted; they follow a Sobol sequence.
        n_candidates: Sobol points among which the search for the next experiment begins.
    """

    n_start: int = Field(default=6, ge=2, le=1000)
    n_candidates: int = Field(default=1024, ge=64, le=65536)

    @property
    def name(self) -> str:
        """``"skopt"``."""
        return "skopt"

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        """Propose `n` points, each allowing for the ones before it and for all pending trials; see `Planner.ask`."""
        asked = len(state.trials)
        measured = sum(trial.status == "done" for trial in state.trials)
        # A model needs two values to know a scale; a campaign that only failed so far goes on scanning.
        scanning = n if measured < 2 else max(0, min(n, self.n_start - asked))
        sequence = sobol_points(state.space, derive_seed(state.seed, 0, self.name), asked)
        points = fresh_points(state, sequence, scanning) if scanning else []
        suggestions = [
            Suggestion(params=params, rationale=f"start: point {asked + place} of an even scan")
            for place, params in enumerate(points, start=1)
        ]
        if len(suggestions) == n:
            return suggestions
        surrogate = fit_surrogate(state)
        waiting = [trial.params for trial in state.trials if trial.pending] + points
        if waiting:
            surrogate = surrogate.with_fantasies(features(state.space, waiting))
        known = {*taken(state), *(key_of(state.space, params) for params in points)}
        while len(suggestions) < n:
            seed = derive_seed(state.seed, asked + len(suggestions), self.name)
            params = _propose(state.space, surrogate, known, self.n_candidates, seed)
            suggestions.append(_explained(state, surrogate, params))
            known.add(key_of(state.space, params))
            surrogate = surrogate.with_fantasies(features(state.space, [params]))
        return suggestions


def log_expected_improvement(mean: np.ndarray, sd: np.ndarray, best: float) -> np.ndarray:
    """Logarithm of the expected improvement over `best`, for maximisation; finite however hopeless a point is.

    Args:
        mean: posterior mean, shape (n,).
        sd: posterior standard deviation, positive, shape (n,).
        best: value to improve on.

    Source: Ament et al., "Unexpected improvements to expected improvement", NeurIPS 2023.
    """
    import numpy as np
    from scipy.special import erfcx, log1p, ndtr

    u = (mean - best) / sd
    log_density = -0.5 * u**2 - 0.5 * math.log(2 * math.pi)
    answer = np.empty_like(u)
    near = u > -1
    answer[near] = np.log(np.exp(log_density[near]) + u[near] * ndtr(u[near]))
    far = ~near
    v = u[far]
    # log(1 - |u| Phi(u)/phi(u)), the ratio by the scaled complementary error function; it tends to -2 log|u|.
    ratio = math.sqrt(math.pi / 2) * erfcx(-v / math.sqrt(2)) * np.abs(v)
    tail = np.where(v > -1e4, log1p(-np.minimum(ratio, 1 - 1e-15)), -2 * np.log(np.abs(v)))
    answer[far] = log_density[far] + tail
    return answer + np.log(sd)


def _propose(
    space: Space, surrogate: Surrogate, known: set[tuple[object, ...]], n_candidates: int, seed: int
) -> Params:
    """The untried point of largest log expected improvement: all of a small finite space, else a scan and a search."""
    import numpy as np

    best = surrogate.incumbent()

    def score(unit: np.ndarray) -> np.ndarray:
        return log_expected_improvement(*surrogate.posterior(expand(space, unit)), best)

    unit = every_point(space)
    if unit is None:
        rng = np.random.default_rng(seed)
        unit = scan(space, n_candidates, rng)
        values = score(unit)
        for halving in range(_ROUNDS):
            front = unit[np.argsort(-values, kind="stable")[:_PARENTS]]
            children = neighbours(space, front, _CHILDREN, _REACH / 2**halving, rng)
            unit, values = np.vstack([unit, children]), np.append(values, score(children))
    else:
        values = score(unit)
    for index in np.argsort(-values, kind="stable"):
        params = params_at(space, unit[index])
        if params is not None and key_of(space, params) not in known:
            return params
    raise PlannerError("every point of the space was tried or is pending; end the campaign or widen the space")


def _explained(state: CampaignState, surrogate: Surrogate, params: Params) -> Suggestion:
    mean, sd = (float(value[0]) for value in surrogate.predict(features(state.space, [params])))
    best = surrogate.centre + surrogate.scale * surrogate.incumbent()
    unit, goal = state.objective.unit, "above" if state.objective.goal == "max" else "below"
    chance = _chance((mean - best) * math.copysign(1, surrogate.scale) / sd)
    rationale = (
        f"expected {mean:.4g} ± {sd:.2g} {unit}; {chance:.0%} to come out {goal} the best so far, {best:.4g} {unit}"
    )
    return Suggestion(params=params, rationale=rationale, predicted=Outcome(mean=mean, sem=sd))


def _chance(standardised: float) -> float:
    return 0.5 * math.erfc(-standardised / math.sqrt(2))
