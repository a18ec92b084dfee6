"""Optuna as a planner: its Gaussian process, or its tree-structured Parzen estimator, which is quick at any length.

Sources: Akiba et al., "Optuna", KDD 2019; Watanabe, "Tree-structured Parzen estimator", arXiv 2304.11127.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from labwright.model.campaign import CampaignState, OutcomeLimit
from labwright.model.space import Categorical, Params, Space
from labwright.planners._proposals import derive_seed
from labwright.planners.backends._shared import BackendPlanner, Free, lesson_of, seeded
from labwright.planners.extras import require
from labwright.planners.protocol import Capability

if TYPE_CHECKING:
    import numpy as np

__all__ = ["OptunaPlanner"]

_TRIES = {"gp": 3, "tpe": 24}  # proposals looked at for one that is allowed; the first costs a tenth of a second each


class OptunaPlanner(BackendPlanner):
    """Optuna's samplers on the unit cube.

    They know no constraints: of a few proposals the first that is allowed is taken, else what is allowed and free
    nearest to the first. Where parameters add up or come from a pool that is always so; another planner does better
    there. Experiments that failed because of their parameters count with the worst that was measured.

    Args:
        sampler: ``"gp"``, a Gaussian process, which needs torch, or ``"tpe"``.
    """

    sampler: Literal["gp", "tpe"] = "gp"

    @model_validator(mode="after")
    def _installed(self) -> OptunaPlanner:
        """Refuse the Gaussian process where torch is missing, with the line that installs it."""
        if self.sampler == "gp":
            require(self.name, "torch")
        return self

    @property
    def name(self) -> str:
        """``"optuna"``."""
        return "optuna"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Several objectives, and limits on outcomes."""
        return frozenset({"two objectives", "more objectives", "outcome limits"})

    def _author(self, _: CampaignState) -> str:
        return f"Optuna ({'Gaussian process' if self.sampler == 'gp' else 'TPE'})"

    def _lead(self, state: CampaignState, free: Free, waiting: list[Params], n: int) -> list[Params]:
        if self.sampler == "gp":
            import torch  # noqa: F401 - before its chance is set
        import optuna

        told = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        chosen: list[Params] = []
        try:
            with seeded(derive_seed(state.seed, len(state.trials), self.name)) as seed:
                while len(chosen) < n:
                    study = self._study(state, [*waiting, *chosen], seed + len(chosen))
                    params = self._first(state.space, free, study, seed + len(chosen))
                    free.take(params)
                    chosen.append(params)
        finally:
            optuna.logging.set_verbosity(told)
        return chosen

    def _study(self, state: CampaignState, waiting: list[Params], seed: int) -> Any:
        """A study with all of a campaign; what is waiting is running in it."""
        import optuna

        lesson, distributions = lesson_of(state), _distributions(state.space)
        made: dict[str, Any] = {"seed": seed, "n_startup_trials": 1}
        if self.sampler == "gp":
            sampler = optuna.samplers.GPSampler(**made, warn_independent_sampling=False)
        else:
            sampler = optuna.samplers.TPESampler(
                **made, multivariate=True, constant_liar=True, warn_independent_sampling=False
            )
        study = optuna.create_study(sampler=sampler, directions=["maximize"] * len(state.objectives))
        first = len(state.objectives)
        for params, merits, outcomes in zip(
            lesson.points, lesson.merits(state.objectives), lesson.outcomes, strict=True
        ):
            broken = {
                f"{limit.name} {side}": excess
                for place, limit in enumerate(state.outcome_limits)
                for side, excess in _excesses(limit, float(outcomes[first + place])).items()
            }
            study.add_trial(
                optuna.trial.create_trial(
                    params=_asked(state.space, params),
                    distributions=distributions,
                    values=[float(one) for one in merits],
                    constraints=broken or None,
                )
            )
        for params in waiting:
            running = optuna.trial.create_trial(
                params=_asked(state.space, params), distributions=distributions, state=optuna.trial.TrialState.RUNNING
            )
            study.add_trial(running)
        return study

    def _first(self, space: Space, free: Free, study: Any, seed: int) -> Params:
        distributions = _distributions(space)
        rows = []
        for _ in range(_TRIES[self.sampler]):
            row = _position(space, study.ask(distributions).params)
            params = space.from_unit([float(one) for one in row])
            if not space.violations(params) and free(params):
                return params
            rows.append(row)
        return free.near(rows[0], seed)


def _distributions(space: Space) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        one.name: CategoricalDistribution(one.levels) if isinstance(one, Categorical) else FloatDistribution(0.0, 1.0)
        for one in space.parameters
    }


def _asked(space: Space, params: Params) -> dict[str, Any]:
    """Parameters as Optuna has them; what was weighed slightly outside its bounds is moved to them."""
    return {
        one.name: params[one.name]
        if isinstance(one, Categorical)
        else min(max(one.to_unit(params[one.name]), 0.0), 1.0)
        for one in space.parameters
    }


def _position(space: Space, asked: dict[str, Any]) -> np.ndarray:
    """The same as a position in the unit cube, shape (d,)."""
    import numpy as np

    return np.array(
        [one.to_unit(asked[one.name]) if isinstance(one, Categorical) else asked[one.name] for one in space.parameters],
        dtype=float,
    )


def _excesses(limit: OutcomeLimit, value: float) -> dict[str, float]:
    """By how much an outcome is beyond each end of a limit; negative inside."""
    ends = {} if limit.low is None else {"low": limit.low - value}
    return ends if limit.high is None else {**ends, "high": value - limit.high}
