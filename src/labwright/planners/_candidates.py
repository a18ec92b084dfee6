"""Points of the unit cube among which an acquisition is maximised: inside the constraints, corners and faces included.

All arrays are positions in the unit cube, shape (n, d), one column per parameter.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from labwright.model.space import Params, Space
from labwright.planners._axes import positions, raw_values, spelt
from labwright.planners._drawing import dimensions, draw, plain
from labwright.planners._finite import every_point, nearest, spread
from labwright.planners._linear import linear_system
from labwright.planners._moves import neighbours, pulled_in
from labwright.planners._proposals import sobol_points
from labwright.planners._region import Region, region_of
from labwright.planners._repair import settle

if TYPE_CHECKING:
    import numpy as np

__all__ = ["every_point", "linear_system", "neighbours", "params_at", "scan"]

_CLOUD = 512  # points around one that is not allowed, a tenth of each range away and one coordinate anywhere
_NEARBY = 0.1
_ENOUGH = 64  # with fewer the constraints leave a sliver, and the search for points must go on for longer


def scan(space: Space, n: int, rng: np.random.Generator) -> np.ndarray:
    """About `n` points spread over the space, and as many again pressed onto its faces, edges and corners.

    Args:
        space: the search space; of a pool `n` candidates are given, or all if there are fewer.
        n: how many points.
        rng: source of chance.

    Raises:
        PlannerError: the constraints leave next to nothing of the space, or the pool's file was not read.
    """
    import numpy as np
    from scipy.stats import qmc

    if space.pool is not None:
        rows = every_point(space)
        assert rows is not None  # noqa: S101 - a pool is always all of it
        return rows[np.sort(rng.permutation(len(rows))[:n])]
    region = region_of(space)
    parameters = len(space.parameters)
    free = parameters if plain(region) else dimensions(region)
    inside = qmc.Sobol(free, scramble=True, rng=rng).random_base2(math.ceil(math.log2(n)))
    # Optima often lie on a bound, where a scan of the open cube never looks.
    ends = np.round(rng.random(inside.shape))
    pressing = rng.random(inside.shape) < 1 / parameters
    pressing[:, parameters:] = False
    points = np.vstack([inside, np.where(pressing, ends, inside)])
    values = settle(region, raw_values(space.parameters, points)) if plain(region) else draw(region, points)
    values = values[~np.isnan(values).any(axis=1)]
    unit = positions(space.parameters, values[region.allowed(values)])
    if len(unit) >= _ENOUGH:
        return unit
    seed = int(rng.integers(2**63))
    more = [space.to_unit(params) for params in itertools.islice(sobol_points(space, seed), _ENOUGH)]
    return np.vstack([unit, np.array(more)])


def params_at(space: Space, unit_row: np.ndarray) -> Params | None:
    """The allowed parameters at a position, or near it where that one is not allowed; None if none is found.

    What is allowed comes back as it is. Steps and sums are repaired, points beyond a linear limit are moved towards the
    middle of the space until they keep it; where that is not enough, the nearest allowed point is taken of all
    there are, or of a cloud around if there are many. Of a pool it is the nearest row.

    Args:
        space: the search space.
        unit_row: position in the unit cube, shape (d,); slightly outside counts as on its face.

    Returns:
        values to 12 significant digits, with no `space.violations`.
    """
    import numpy as np

    row = np.asarray(unit_row, dtype=float)[None, :]
    if space.pool is not None:
        rows = every_point(space)
        assert rows is not None  # noqa: S101 - a pool is always all of it
        return space.pool.params(space.parameters, int(nearest(space, rows, row)[0]))
    region = region_of(space)
    values = _allowed_near(region, row)
    if not len(values):
        values = _allowed_around(region, row)
    if not len(values):
        return None
    params = spelt(space, values[0])
    return None if space.violations(params) else params


def _allowed_around(region: Region, row: np.ndarray) -> np.ndarray:
    """Allowed values of points around one, the nearest first, shape (1, d) -> (m, d)."""
    import numpy as np

    space = region.space
    if (points := every_point(space)) is not None:
        return raw_values(space.parameters, points[nearest(space, points, row)]) if len(points) else points
    rng = np.random.default_rng(0)
    cloud = row + rng.normal(0.0, _NEARBY, (_CLOUD, row.shape[1]))
    cloud = np.where(rng.random(cloud.shape) < 1 / row.shape[1], rng.random(cloud.shape), cloud)
    values = _allowed_near(region, cloud)
    away = spread(space, positions(space.parameters, values)) - spread(space, row)
    return values[np.argsort((away**2).sum(axis=1), kind="stable")]


def _allowed_near(region: Region, unit: np.ndarray) -> np.ndarray:
    """Allowed values near positions, shape (n, d) -> (m, d); fewer where there are none."""
    import numpy as np

    values = settle(region, raw_values(region.space.parameters, unit))
    values = values[~np.isnan(values).any(axis=1)]
    far = ~region.below(values)
    if far.any():
        values[far] = settle(region, pulled_in(region, None, values[far]))
        values = values[~np.isnan(values).any(axis=1)]
    return values[region.allowed(values)]
