"""The candidates of a pool as points of the unit cube."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from labwright.model.errors import PlannerError
from labwright.model.space import Categorical, Space
from labwright.planners._region import Region, region_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["nearest", "nearest_rows", "rows_of", "spread"]


def rows_of(space: Space) -> np.ndarray:
    """Positions of all candidates, shape (n, d), in the pool's order.

    Raises:
        PlannerError: the pool's file was not read.
    """
    return _rows(region_of(space))


def nearest(space: Space, unit: np.ndarray) -> np.ndarray:
    """Places of the candidates nearest to positions, shape (n, d) -> (n,)."""
    import numpy as np

    rows, wanted = spread(space, rows_of(space)), spread(space, unit)
    found = np.empty(len(unit), dtype=np.int64)
    for place, point in enumerate(wanted):  # one by one: all distances at once would be a table of rows times points
        found[place] = np.argmin(((rows - point) ** 2).sum(axis=1))
    return found


def nearest_rows(space: Space, unit: np.ndarray) -> np.ndarray:
    """The candidates nearest to positions, each once, shape (n, d) -> (m, d)."""
    import numpy as np

    return rows_of(space)[np.unique(nearest(space, unit))]


def spread(space: Space, unit: np.ndarray) -> np.ndarray:
    """Positions with a column per level, so that all levels of a category are equally far apart, shape (n, m)."""
    import numpy as np

    columns = []
    for place, parameter in enumerate(space.parameters):
        column = unit[:, place : place + 1]
        if isinstance(parameter, Categorical):
            count = len(parameter.levels)
            level = np.clip(np.floor(column * count), 0, count - 1)
            columns.append((level == np.arange(count)) * 0.5**0.5)
        else:
            columns.append(column)
    return np.hstack(columns)


@functools.lru_cache(maxsize=8)
def _rows(region: Region) -> np.ndarray:
    import numpy as np

    space = region.space
    if space.pool is None or not space.pool.rows:
        name = space.pool.file if space.pool is not None else "the pool"
        raise PlannerError(f"the candidates in {name} are not read; load the campaign with its lab")
    points = [space.pool.params(space.parameters, place) for place in range(len(space.pool.rows))]
    return np.array([space.to_unit(params) for params in points], dtype=float)
