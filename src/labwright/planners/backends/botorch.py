"""BoTorch as a planner: joint models of several outcomes, noisy expected improvement, limits on outcomes, batches.

Sources: Balandat et al., "BoTorch", NeurIPS 2020; Ament et al., "Unexpected improvements to expected improvement",
NeurIPS 2023, for the logarithms; Daulton et al., NeurIPS 2021, for the noisy hypervolume improvement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from labwright.model.campaign import CampaignState, Objective, OutcomeLimit
from labwright.model.errors import PlannerError
from labwright.model.space import Params, Space
from labwright.planners._candidates import linear_system, neighbours, scan
from labwright.planners._proposals import derive_seed
from labwright.planners.backends._shared import BackendPlanner, Free, Lesson, lesson_of, seeded, smooth
from labwright.planners.gp.features import expand, features
from labwright.planners.gp.scale import spread_of
from labwright.planners.protocol import Capability

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BotorchPlanner"]

_CHUNK = 256  # candidates scored at once; bounds the memory of samples times candidates
_ROUNDS = 6  # of local search where there are no gradients; its reach halves each round
_REACH = 0.2
_PARENTS = 6
_CHILDREN = 32


class BotorchPlanner(BackendPlanner):
    """BoTorch's `SingleTaskGP` with log expected improvement; of several objectives the hypervolume's.

    A continuous space with linear constraints is searched with gradients, a pool or a small finite space is scored
    point by point, any other by a scan and a local search. Experiments that failed because of their parameters count
    with the worst that was measured.

    Args:
        acquisition: for a single objective: ``"qLogNEI"`` allows for noise in the best so far, ``"qLogEI"`` is faster.
        mc_samples: draws from the posterior for each value of the acquisition.
        num_restarts: points from which the search with gradients starts.
        n_candidates: points of the scan from which they are taken.
    """

    acquisition: Literal["qLogNEI", "qLogEI"] = "qLogNEI"
    mc_samples: int = Field(default=128, ge=16, le=4096)
    num_restarts: int = Field(default=6, ge=1, le=64)
    n_candidates: int = Field(default=512, ge=64, le=65536)

    @property
    def name(self) -> str:
        """``"botorch"``."""
        return "botorch"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Several objectives, and limits on outcomes."""
        return frozenset({"two objectives", "more objectives", "outcome limits"})

    def _author(self, state: CampaignState) -> str:
        return f"BoTorch ({'qLogNEHVI' if state.more_objectives else self.acquisition})"

    def _lead(self, state: CampaignState, free: Free, waiting: list[Params], n: int) -> list[Params]:
        import torch  # noqa: F401 - before its chance is set

        chosen: list[Params] = []
        with seeded(derive_seed(state.seed, len(state.trials), self.name)) as seed:
            problem = _fitted(state, lesson_of(state))
            while len(chosen) < n:
                score = self._score(problem, [*waiting, *chosen], seed + len(chosen))
                params = self._search(state.space, free, score, seed + len(chosen))
                free.take(params)
                chosen.append(params)
        return chosen

    def _score(self, problem: _Problem, waiting: list[Params], seed: int) -> Any:
        """The acquisition function with `waiting` allowed for."""
        import torch
        from botorch.acquisition.logei import qLogExpectedImprovement, qLogNoisyExpectedImprovement
        from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
        from botorch.acquisition.multi_objective.objective import GenericMCMultiOutputObjective
        from botorch.acquisition.multi_objective.utils import get_default_partitioning_alpha
        from botorch.acquisition.objective import GenericMCObjective
        from botorch.sampling.normal import SobolQMCNormalSampler

        shared: dict[str, Any] = {
            "sampler": SobolQMCNormalSampler(torch.Size([self.mc_samples]), seed=seed),
            "constraints": problem.limits or None,
            "X_pending": _tensor(features(problem.space, waiting)) if waiting else None,
        }
        many = len(problem.objectives)
        if many > 1:
            return qLogNoisyExpectedHypervolumeImprovement(
                model=problem.model,
                ref_point=problem.reference,
                X_baseline=problem.x,
                objective=GenericMCMultiOutputObjective(problem.scaled_merits),
                prune_baseline=True,
                alpha=get_default_partitioning_alpha(many),
                **shared,
            )
        objective = GenericMCObjective(lambda samples, X=None: problem.scaled_merits(samples)[..., 0])  # noqa: N803 - its keyword
        if self.acquisition == "qLogNEI":
            return qLogNoisyExpectedImprovement(
                model=problem.model, X_baseline=problem.x, objective=objective, prune_baseline=True, **shared
            )
        return qLogExpectedImprovement(
            model=problem.model, best_f=problem.best_expected(), objective=objective, **shared
        )

    def _search(self, space: Space, free: Free, score: Any, seed: int) -> Params:
        """The free point of largest acquisition."""
        import numpy as np

        def scores(unit: np.ndarray) -> np.ndarray:
            return _in_chunks(score, expand(space, unit))

        if (rest := free.listed()) is not None:
            return rest[1][int(np.argmax(scores(rest[0])))]
        rng = np.random.default_rng(seed)
        unit = scan(space, self.n_candidates, rng)
        values = scores(unit)
        if smooth(space):
            starts = unit[np.argsort(-values, kind="stable")[: self.num_restarts]]
            best = _climbed(space, score, starts)
            unit, values = np.vstack([unit, best]), np.append(values, scores(best))
        else:
            for halving in range(_ROUNDS):
                front = unit[np.argsort(-values, kind="stable")[:_PARENTS]]
                children = neighbours(space, front, _CHILDREN, _REACH / 2**halving, rng)
                unit, values = np.vstack([unit, children]), np.append(values, scores(children))
        order = np.argsort(-values, kind="stable")
        found = free.first(unit, order.tolist())
        return free.near(unit[order[0]], seed) if found is None else found


@dataclass(frozen=True)
class _Problem:
    """A fitted model with what is wanted of its outcomes.

    Args:
        space: the search space.
        model: of all outcomes, the objectives' first.
        x: what it learnt from, shape (n, m), a tensor.
        objectives: what is wanted.
        scales: spread of each objective's merit, so that no fixed width of the acquisition depends on a unit.
        worst: merit of each from which the hypervolume is counted.
        limits: callables on samples of shape (..., outcomes): zero or less where a limit is kept.
    """

    space: Space
    model: Any
    x: Any
    objectives: tuple[Objective, ...]
    scales: tuple[float, ...]
    worst: tuple[float, ...]
    limits: list[Callable[[Any], Any]]

    @property
    def reference(self) -> list[float]:
        """`worst`, scaled."""
        return [value / scale for value, scale in zip(self.worst, self.scales, strict=True)]

    def scaled_merits(self, samples: Any, X: Any = None) -> Any:  # noqa: N803 - BoTorch's keyword
        """Merits of samples, shape (..., outcomes) -> (..., objectives)."""
        import torch

        columns = [
            _merit(one, samples[..., place]) / scale
            for place, (one, scale) in enumerate(zip(self.objectives, self.scales, strict=True))
        ]
        return torch.stack(columns, dim=-1)

    def best_expected(self) -> Any:
        """The best scaled merit of the posterior mean where the limits are kept; the worst if they are nowhere."""
        import torch

        with torch.no_grad():
            mean = self.model.posterior(self.x).mean
            merits = self.scaled_merits(mean)[..., 0]
            kept = torch.ones_like(merits, dtype=torch.bool)
            for limit in self.limits:
                kept &= limit(mean) <= 0
            return merits[kept].max() if bool(kept.any()) else merits.min()


def _fitted(state: CampaignState, lesson: Lesson) -> _Problem:
    from botorch.exceptions import ModelFittingError
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    x = _tensor(features(state.space, lesson.points))
    model = SingleTaskGP(x, _tensor(lesson.outcomes))  # standardises outcomes by itself
    try:
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    except ModelFittingError as error:
        raise PlannerError(f"BoTorch could not fit its model ({error}); continue with another planner") from error
    merits = lesson.merits(state.objectives)
    worst = [
        merits[:, place].min() if one.reference is None else one.merit(one.reference)
        for place, one in enumerate(state.objectives)
    ]
    spreads = [spread_of(column) for column in merits.T]
    first = len(state.objectives)
    limits = [
        rule
        for place, limit in enumerate(state.outcome_limits)
        for rule in _rules(limit, first + place, spread_of(lesson.outcomes[:, first + place]))
    ]
    return _Problem(
        state.space, model, x, state.objectives, tuple(map(float, spreads)), tuple(map(float, worst)), limits
    )


def _rules(limit: OutcomeLimit, column: int, scale: float) -> list[Callable[[Any], Any]]:
    low, high = limit.low, limit.high
    rules: list[Callable[[Any], Any]] = []
    if low is not None:
        rules.append(lambda samples: (low - samples[..., column]) / scale)
    if high is not None:
        rules.append(lambda samples: (samples[..., column] - high) / scale)
    return rules


def _merit(objective: Objective, values: Any) -> Any:
    """`Objective.merit` of a tensor."""
    import torch

    if objective.goal == "max":
        return values
    if objective.goal == "min":
        return -values
    low = objective.low if objective.target is None else objective.target
    high = objective.high if objective.target is None else objective.target
    return -torch.clamp(torch.maximum(low - values, values - high), min=0.0)


def _climbed(space: Space, score: Any, starts: np.ndarray) -> np.ndarray:
    """Where gradients lead from `starts`, shape (k, d), along the linear constraints: shape (1, d)."""
    import numpy as np
    import torch
    from botorch.optim import optimize_acqf

    a_ub, b_ub, a_eq, b_eq = linear_system(space)
    bounds = torch.stack([torch.zeros(starts.shape[1]), torch.ones(starts.shape[1])]).double()
    found, _ = optimize_acqf(
        score,
        bounds=bounds,
        q=1,
        num_restarts=len(starts),
        batch_initial_conditions=_tensor(np.clip(starts, 0.0, 1.0))[:, None, :],
        inequality_constraints=_terms(-a_ub, -b_ub) or None,  # BoTorch's are "at least"
        equality_constraints=_terms(a_eq, b_eq) or None,
        options={"maxiter": 200},
        retry_on_optimization_warning=False,
    )
    return np.clip(found.detach().numpy(), 0.0, 1.0)


def _terms(rows: np.ndarray, rest: np.ndarray) -> list[tuple[Any, Any, float]]:
    import numpy as np
    import torch

    return [
        (torch.tensor(np.flatnonzero(row)), _tensor(row[row != 0]), float(value))
        for row, value in zip(rows, rest, strict=True)
    ]


def _in_chunks(score: Any, x: np.ndarray) -> np.ndarray:
    """Acquisition at points of shape (n, m), one at a time: shape (n,)."""
    import numpy as np
    import torch

    with torch.no_grad():
        parts = [score(_tensor(x[start : start + _CHUNK])[:, None, :]).numpy() for start in range(0, len(x), _CHUNK)]
    return np.concatenate(parts)


def _tensor(values: np.ndarray | Sequence[float]) -> Any:
    import numpy as np
    import torch

    return torch.tensor(np.asarray(values, dtype=float), dtype=torch.double)
