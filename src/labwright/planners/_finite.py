"""Spaces of few points: the candidates of a pool, and what constraints leave of parameters with few values each.

Points are positions in the unit cube, shape (n, d).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from labwright.model.errors import PlannerError
from labwright.model.space import Categorical, Params, Space
from labwright.planners._axes import positions, raw_values, spelt
from labwright.planners._region import Region, region_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["every_point", "listed", "nearest", "params_of", "spread"]

_SMALL = 4096  # points of a finite space that are simply all scored
_GRID = 1 << 17  # combinations looked through for these, where constraints may leave few of them


def every_point(space: Space) -> np.ndarray | None:
    """All candidates of a pool, or all allowed points of a small finite space; None if there are too many.

    Raises:
        PlannerError: the pool's file was not read.
    """
    return _every(region_of(space))


def listed(space: Space) -> np.ndarray | None:
    """The points of a space that is better walked point by point than drawn from; None for any other.

    These are pools, and few points on sums or choices: there a draw hits some of them often and others hardly ever.

    Raises:
        PlannerError: the pool's file was not read, or no combination of values keeps the constraints.
    """
    region = region_of(space)
    points = _every(region) if space.pool is not None or region.flat else None
    if points is not None and not len(points):
        raise PlannerError(
            f"all combinations of values break the constraints ({'; '.join(map(str, space.constraints))}); choose "
            "steps that can add up, or loosen one"
        )
    return points


def params_of(space: Space, point: np.ndarray, place: int) -> Params:
    """The parameters of a point of `listed`, shape (d,), which stands there at `place`."""
    if space.pool is not None:
        return space.pool.params(space.parameters, place)
    return spelt(space, raw_values(space.parameters, point[None, :])[0])


def nearest(space: Space, rows: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Places of the rows nearest to positions, shapes (m, d), (n, d) -> (n,)."""
    import numpy as np

    wide, wanted = spread(space, rows), spread(space, unit)
    # One by one: all distances at once would be a table of rows times points.
    return np.array([np.argmin(((wide - point) ** 2).sum(axis=1)) for point in wanted], dtype=np.int64)


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
def _every(region: Region) -> np.ndarray | None:
    import numpy as np

    space = region.space
    if space.pool is not None:
        if not space.pool.rows:
            raise PlannerError(f"the candidates in {space.pool.file} are not read; load the campaign with its lab")
        points = [space.pool.params(space.parameters, place) for place in range(len(space.pool.rows))]
        return np.array([space.to_unit(params) for params in points], dtype=float)
    counts = [_count(region, place) for place in range(len(region.low))]
    if math.prod(counts) > (_GRID if space.constraints else _SMALL):
        return None
    axes = []
    for place, count in enumerate(counts):
        grid = region.grids[place]
        axes.append(np.arange(count) if grid is None else grid.at(np.arange(count)))
    values = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes)).astype(float)
    values = values[region.allowed(values)]
    return positions(space.parameters, values) if len(values) <= _SMALL else None


def _count(region: Region, place: int) -> float:
    parameter, grid = region.space.parameters[place], region.grids[place]
    if isinstance(parameter, Categorical):
        return len(parameter.levels)
    return math.inf if grid is None else grid.count
