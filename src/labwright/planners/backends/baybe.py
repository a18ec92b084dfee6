"""BayBE as a planner: its surrogate and acquisition on a search space of its own kind.

Source: Fitzner et al., "BayBE", Digital Discovery 2025, https://doi.org/10.1039/D5DD00050E.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from labwright.model.campaign import CampaignState, Objective
from labwright.model.space import Categorical, Params, Space
from labwright.planners._candidates import linear_system, params_at, scan
from labwright.planners._proposals import derive_seed, key_of
from labwright.planners.backends._shared import BackendPlanner, Free, lesson_of, seeded, smooth
from labwright.planners.protocol import Capability

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BaybePlanner"]


class BaybePlanner(BackendPlanner):
    """BayBE's `BotorchRecommender`.

    A continuous space with linear constraints is BayBE's own continuous space. Of any other, BayBE is given a list of
    free, allowed candidates: all of a pool or a small finite space, else a scan. Experiments that failed because of
    their parameters count with the worst that was measured.

    Args:
        n_candidates: how many candidates a scan has.
    """

    n_candidates: int = Field(default=512, ge=64, le=16384)

    @property
    def name(self) -> str:
        """``"baybe"``."""
        return "baybe"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Several objectives."""
        return frozenset({"two objectives", "more objectives"})

    def _author(self, _: CampaignState) -> str:
        return "BayBE"

    def _lead(self, state: CampaignState, free: Free, waiting: list[Params], n: int) -> list[Params]:
        import torch  # noqa: F401 - before its chance is set

        space = state.space
        with seeded(derive_seed(state.seed, len(state.trials), self.name)) as seed:
            from baybe.recommenders import BotorchRecommender

            rows, allowed = None, None
            if not smooth(space):
                rows, allowed = self._candidates(space, free, seed)
                if len(allowed) < n:
                    raise free.exhausted()
            targets = [_target(one, place) for place, one in enumerate(state.objectives)]
            found = BotorchRecommender().recommend(
                n,
                _continuous(space) if rows is None else _discrete(space, rows),
                _objective(targets),
                _measurements(state),
                _table(space, waiting) if waiting else None,
            )
            chosen = []
            for number, row in enumerate(_positions(space, found)):
                if rows is None or allowed is None:
                    params = free.near(row, seed + number)
                else:
                    params = allowed[int(np.argmin(((rows - row) ** 2).sum(axis=1)))]
                free.take(params)
                chosen.append(params)
        return chosen

    def _candidates(self, space: Space, free: Free, seed: int) -> tuple[np.ndarray, list[Params]]:
        """Free allowed points, shape (m, d) in the unit cube, and as parameters."""
        if (rest := free.listed()) is not None:
            return rest
        found: dict[tuple[object, ...], Params] = {}
        for row in scan(space, self.n_candidates, np.random.default_rng(seed)):
            params = params_at(space, row)
            if params is not None and free(params):
                found[key_of(space, params)] = params
        allowed = list(found.values())
        return np.array([space.to_unit(params) for params in allowed]).reshape(-1, len(space.parameters)), allowed


def _continuous(space: Space) -> Any:
    """The unit cube as BayBE's space, with the linear constraints."""
    from baybe.constraints import ContinuousLinearConstraint
    from baybe.parameters import NumericalContinuousParameter
    from baybe.searchspace import SearchSpace

    columns = _columns(space)
    a_ub, b_ub, a_eq, b_eq = linear_system(space)
    constraints = [
        ContinuousLinearConstraint(
            [columns[place] for place in np.flatnonzero(row)], sign, [float(one) for one in row[row != 0]], float(rest)
        )
        for sign, rows, rests in (("<=", a_ub, b_ub), ("=", a_eq, b_eq))
        for row, rest in zip(rows, rests, strict=True)
    ]
    parameters = [NumericalContinuousParameter(column, (0.0, 1.0)) for column in columns]
    return SearchSpace.from_product(parameters, constraints)


def _discrete(space: Space, rows: np.ndarray) -> Any:
    """Candidates as BayBE's space."""
    from baybe.parameters import CategoricalParameter, NumericalDiscreteParameter
    from baybe.searchspace import SearchSpace, SubspaceDiscrete

    table = _frame(space, rows)
    parameters = [
        CategoricalParameter(column, one.levels)
        if isinstance(one, Categorical)
        else NumericalDiscreteParameter(column, sorted({0.0, 1.0, *table[column]}))  # at least two
        for one, column in zip(space.parameters, _columns(space), strict=True)
    ]
    # Not from_dataframe: it compares each row with each value, 3 s for 500 candidates.
    return SearchSpace(discrete=SubspaceDiscrete(parameters, exp_rep=table))


def _target(objective: Objective, place: int) -> Any:
    """An objective as BayBE's target; of a range it gets the merit."""
    from baybe.targets import NumericalTarget

    name = f"y{place}"
    if objective.goal == "target":
        return NumericalTarget.match_absolute(name, objective.target)
    return NumericalTarget(name, minimize=objective.goal == "min")


def _objective(targets: list[Any]) -> Any:
    from baybe.objectives import ParetoObjective, SingleTargetObjective

    return SingleTargetObjective(targets[0]) if len(targets) == 1 else ParetoObjective(targets)


def _measurements(state: CampaignState) -> pd.DataFrame:
    lesson = lesson_of(state)
    table = _table(state.space, lesson.points)
    merits = lesson.merits(state.objectives)
    for place, one in enumerate(state.objectives):
        table[f"y{place}"] = merits[:, place] if one.goal == "range" else lesson.outcomes[:, place]
    return table


def _table(space: Space, points: list[Params]) -> pd.DataFrame:
    """Points as BayBE has them; what was weighed slightly outside its bounds is moved to them."""
    return _frame(space, np.clip([space.to_unit(params) for params in points], 0.0, 1.0))


def _frame(space: Space, rows: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    columns = {}
    for place, (one, column) in enumerate(zip(space.parameters, _columns(space), strict=True)):
        values = rows[:, place].tolist()
        columns[column] = [one.from_unit(value) for value in values] if isinstance(one, Categorical) else values
    return pd.DataFrame(columns)


def _positions(space: Space, table: pd.DataFrame) -> np.ndarray:
    """The way back, shape (n, d)."""
    columns = [
        [one.to_unit(level) for level in table[column]] if isinstance(one, Categorical) else table[column].to_numpy()
        for one, column in zip(space.parameters, _columns(space), strict=True)
    ]
    return np.column_stack(columns).astype(float)


def _columns(space: Space) -> list[str]:
    """Names of columns: a parameter may be called like an outcome, which BayBE does not allow."""
    return [f"x{place}" for place in range(len(space.parameters))]
