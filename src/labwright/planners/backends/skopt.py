"""scikit-optimize's own optimiser as a planner: its Gaussian process and its hedge of three acquisitions.

Source: Head et al., scikit-optimize, doi 10.5281/zenodo.1157319.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

from labwright.model.campaign import CampaignState
from labwright.model.space import Categorical, Params
from labwright.planners._proposals import derive_seed
from labwright.planners.backends._shared import BackendPlanner, Free, lesson_of, seeded

__all__ = ["SkoptPlanner"]


class SkoptPlanner(BackendPlanner):
    """`skopt.Optimizer` on the unit cube.

    It knows no constraints: a proposal that is not allowed, or not free, gives way to the nearest that is. Experiments
    that failed because of their parameters count with the worst that was measured; what is pending, with the best (its
    constant liar).

    Args:
        estimator: ``"GP"``, a Gaussian process, ``"ET"`` or ``"RF"``, forests.
        acquisition: as skopt calls them.
    """

    estimator: Literal["GP", "ET", "RF"] = "GP"
    acquisition: Literal["gp_hedge", "EI", "LCB", "PI"] = "gp_hedge"

    @property
    def name(self) -> str:
        """``"skopt"``."""
        return "skopt"

    @property
    def _exactly(self) -> bool:
        """Its acquisitions ask for an improvement of 0.01, in the unit of its data."""
        return True

    def _author(self, _: CampaignState) -> str:
        return f"scikit-optimize ({self.estimator}, {self.acquisition})"

    def _lead(self, state: CampaignState, free: Free, waiting: list[Params], n: int) -> list[Params]:
        chosen: list[Params] = []
        with seeded(derive_seed(state.seed, len(state.trials), self.name)) as seed, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own optimiser, next to a bound; and of points asked twice
            while len(chosen) < n:
                optimizer = self._told(state, [*waiting, *chosen], seed + len(chosen))
                params = self._first(state, free, optimizer, seed + len(chosen))
                free.take(params)
                chosen.append(params)
        return chosen

    def _told(self, state: CampaignState, waiting: list[Params], seed: int) -> Any:
        from skopt import Optimizer
        from skopt.space import Categorical as Levels
        from skopt.space import Real

        lesson = lesson_of(state)
        merits = lesson.merits(state.objectives)[:, 0]
        axes = [
            Levels(list(one.levels), name=one.name) if isinstance(one, Categorical) else Real(0.0, 1.0, name=one.name)
            for one in state.space.parameters
        ]
        optimizer = Optimizer(
            axes, self.estimator, acq_func=self.acquisition, n_initial_points=0, random_state=seed % 2**32
        )
        points = [_asked(state, params) for params in [*lesson.points, *waiting]]
        losses = [-float(one) for one in merits]
        optimizer.tell(points, losses + [min(losses)] * len(waiting))
        return optimizer

    def _first(self, state: CampaignState, free: Free, optimizer: Any, seed: int) -> Params:
        import numpy as np

        row = [
            one.to_unit(value) if isinstance(one, Categorical) else float(value)
            for one, value in zip(state.space.parameters, optimizer.ask(), strict=True)
        ]
        params = state.space.from_unit(row)
        if not state.space.violations(params) and free(params):
            return params
        return free.near(np.array(row, dtype=float), seed)


def _asked(state: CampaignState, params: Params) -> list[Any]:
    """A point as skopt has it; what was weighed slightly outside its bounds is moved to them."""
    return [
        params[one.name] if isinstance(one, Categorical) else min(max(float(one.to_unit(params[one.name])), 0.0), 1.0)
        for one in state.space.parameters
    ]
