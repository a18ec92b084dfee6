"""A space's constraints as arrays, and which points keep them.

Values are arrays of shape (n, d) in the parameters' units; see `_axes`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labwright.model.parameters import DOUBLE, DUST, FAR, ROUNDING, slack_at
from labwright.model.space import (
    Between,
    Categorical,
    Choose,
    Forbidden,
    Integer,
    LinearEQ,
    LinearLE,
    Mixture,
    Ordinal,
    Parameter,
    Real,
    Space,
)
from labwright.planners._axes import Grid, grid_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Choice", "Group", "Region", "region_of"]

_QUARTER = 0.25  # of a whole number, or of a level's


@dataclass(frozen=True, eq=False)
class Group:
    """Equalities that share parameters, and these.

    Args:
        columns: places of its parameters.
        a: coefficients, shape (equalities, columns).
        totals: what the sums come to, shape (equalities,).
    """

    columns: np.ndarray
    a: np.ndarray
    totals: np.ndarray


@dataclass(frozen=True, eq=False)
class Choice:
    """A `Choose` made ready for arrays.

    Args:
        columns: places of its parameters.
        floors: smallest amount of each that is used, as far as it is known: `least`, or the first step; else 0.
        limit: the constraint.
    """

    columns: np.ndarray
    floors: np.ndarray
    limit: Choose


@dataclass(frozen=True, eq=False)
class Region:
    """A space made ready for arrays.

    Args:
        space: what it was made from.
        low: smallest values, shape (d,); a category's levels are numbered from 0.
        high: largest values, shape (d,).
        grids: values each parameter can take, None where it is continuous or a category.
        a_ub: coefficients of the limits ``a_ub @ values <= b_ub``, shape (m, d).
        b_ub: their bounds, shape (m,).
        groups: the equalities.
        choices: how many parameters are used.
        forbidden: combinations that must not be.
    """

    space: Space
    low: np.ndarray
    high: np.ndarray
    grids: tuple[Grid | None, ...]
    a_ub: np.ndarray
    b_ub: np.ndarray
    groups: tuple[Group, ...]
    choices: tuple[Choice, ...]
    forbidden: tuple[Forbidden, ...]

    @property
    def flat(self) -> bool:
        """Whether the allowed points have no volume in the unit cube, so that drawing from it would never hit one."""
        return bool(self.groups or self.choices)

    def below(self, values: np.ndarray) -> np.ndarray:
        """Which points keep all `LinearLE`, shape (n,) of bool."""
        import numpy as np

        terms = np.abs(values[:, None, :] * self.a_ub[None]).max(axis=2, initial=0.0)
        slack = ROUNDING * np.maximum(np.abs(self.b_ub), terms)
        return np.all(values @ self.a_ub.T <= self.b_ub + slack, axis=1)

    def allowed(self, values: np.ndarray) -> np.ndarray:
        """Which points keep the bounds and all constraints, shape (n,) of bool."""
        import numpy as np

        low, high = self._ends
        good = np.all((values >= low) & (values <= high), axis=1)
        if len(self.b_ub):
            good &= self.below(values)
        for group in self.groups:
            mine = values[:, group.columns]
            terms = np.abs(mine[:, None, :] * group.a[None]).max(axis=2)
            # Half the slack: what is rounded to 12 digits afterwards has to keep all of it.
            within = 0.5 * ROUNDING * np.maximum(np.abs(group.totals), terms)
            good &= np.all(np.abs(mine @ group.a.T - group.totals) <= within, axis=1)
        for choice in self.choices:
            mine, limit = values[:, choice.columns], choice.limit
            used = (mine != 0).sum(axis=1)
            good &= (limit.at_least <= used) & (used <= limit.at_most)
            if limit.least is not None:
                good &= np.all((mine == 0) | (mine >= limit.least * (1 - ROUNDING)), axis=1)
        for combination in self.forbidden:
            good &= ~self._meets(combination, values)
        return good

    @functools.cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds with what is forgiven as rounding, shape (d,) each."""
        import numpy as np

        loose = [
            slack_at(one, end) if isinstance(one, Real | Ordinal) else _QUARTER
            for one, ends in zip(self.space.parameters, zip(self.low, self.high, strict=True), strict=True)
            for end in ends
        ]
        slack = np.array(loose).reshape(-1, 2)
        return self.low - slack[:, 0], self.high + slack[:, 1]

    def _meets(self, combination: Forbidden, values: np.ndarray) -> np.ndarray:
        import numpy as np

        names = self.space.names
        met = np.ones(len(values), dtype=bool)
        for name, condition in combination.when.items():
            parameter, column = self.space.parameters[names.index(name)], values[:, names.index(name)]
            if isinstance(condition, Between):
                if condition.above is not None:
                    met &= column > condition.above
                if condition.below is not None:
                    met &= column < condition.below
                continue
            wanted = condition if isinstance(condition, tuple) else (condition,)
            if isinstance(parameter, Categorical):
                numbers = np.array([parameter.levels.index(str(one)) for one in wanted], dtype=float)
            else:
                numbers = np.array([float(one) for one in wanted])
            met &= np.any(_same_numbers(parameter, column[:, None], numbers), axis=1)
        return met


def _same_numbers(parameter: Parameter, values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """`same` of a parameter for arrays."""
    import numpy as np

    apart, size = np.abs(values - numbers), np.maximum(np.abs(values), np.abs(numbers))
    if isinstance(parameter, Integer | Categorical):
        return np.asarray(apart < _QUARTER)
    if isinstance(parameter, Ordinal):
        return np.asarray(apart <= slack_at(parameter, parameter.high))
    width = parameter.high - parameter.low
    slack = np.maximum(ROUNDING * np.minimum(size, FAR * width), DOUBLE * size)
    return np.asarray(apart <= (slack if parameter.log else np.maximum(slack, DUST * width)))


def region_of(space: Space) -> Region:
    """The space made ready for arrays; the same object for the same space."""
    return _region(_Same(space))


class _Same:
    """A space as a key: the object itself, since comparing a pool of thousands of rows would cost too much."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def __hash__(self) -> int:
        return id(self.space)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.space is self.space


@functools.lru_cache(maxsize=8)
def _region(same: _Same) -> Region:
    import numpy as np

    space = same.space
    names = list(space.names)
    grids = tuple(grid_of(one) for one in space.parameters)
    low = [0.0 if isinstance(one, Categorical) else float(one.low) for one in space.parameters]
    high = [len(one.levels) - 1.0 if isinstance(one, Categorical) else float(one.high) for one in space.parameters]
    below = [limit for limit in space.constraints if isinstance(limit, LinearLE)]
    a_ub = np.zeros((len(below), len(names)))
    for row, limit in enumerate(below):
        for name, factor in limit.coefficients.items():
            a_ub[row, names.index(name)] = factor
    choices = [limit for limit in space.constraints if isinstance(limit, Choose)]
    return Region(
        space=space,
        low=np.array(low),
        high=np.array(high),
        grids=grids,
        a_ub=a_ub,
        b_ub=np.array([limit.bound for limit in below], dtype=float),
        groups=tuple(_groups(names, [one for one in space.constraints if isinstance(one, LinearEQ | Mixture)])),
        choices=tuple(_choice(one, names, grids) for one in choices),
        forbidden=tuple(one for one in space.constraints if isinstance(one, Forbidden)),
    )


def _choice(limit: Choose, names: list[str], grids: tuple[Grid | None, ...]) -> Choice:
    import numpy as np

    columns = [names.index(name) for name in limit.names]
    floors = []
    for column in columns:
        floor, grid = limit.least or 0.0, grids[column]
        if grid is not None:
            index = max(int(grid.below(np.array(floor))), 1)
            short = float(grid.at(np.array(index))) < floor * (1 - ROUNDING)
            floor = float(grid.at(np.array(index + short)))
        floors.append(floor)
    return Choice(np.array(columns), np.array(floors), limit)


def _groups(names: list[str], equalities: list[LinearEQ | Mixture]) -> list[Group]:
    """Equalities gathered by the parameters they share."""
    import numpy as np

    gathered: list[list[LinearEQ | Mixture]] = []
    for equality in equalities:
        touching = [one for one in gathered if any(set(equality.names) & set(other.names) for other in one)]
        gathered = [one for one in gathered if one not in touching] + [
            [*(e for one in touching for e in one), equality]
        ]
    groups = []
    for members in gathered:
        columns = sorted({names.index(name) for one in members for name in one.names})
        a = np.array([[one.coefficients.get(names[column], 0.0) for column in columns] for one in members])
        groups.append(Group(np.array(columns), a, np.array([one.total for one in members])))
    return groups
