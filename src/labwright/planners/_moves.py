"""Small moves from allowed points to allowed points, for a local search.

Arrays are positions in the unit cube or values in the parameters' units, shape (n, d); see `_axes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labwright.model.space import Categorical, Space
from labwright.planners._axes import positions, raw_values
from labwright.planners._drawing import middle
from labwright.planners._finite import every_point, nearest
from labwright.planners._region import Region, region_of
from labwright.planners._repair import bounds_of, onto, settle

if TYPE_CHECKING:
    import numpy as np

__all__ = ["neighbours", "pulled_in"]


def neighbours(space: Space, parents: np.ndarray, count: int, reach: float, rng: np.random.Generator) -> np.ndarray:
    """Up to `count` points around each parent; a step out of the space ends on its face, sums stay as they are.

    Most move about half of the parameters by a normally distributed step. Where there are discrete parameters some move
    one of them by one step; where parameters add up some exchange an amount between two; where they are chosen some put
    one in another's place, leave one out or take one in.

    Args:
        space: the search space; of a pool the rows nearest to such points are given.
        parents: allowed points, shape (n, d).
        count: points per parent.
        reach: standard deviation of a step, as a fraction of each range.
        rng: source of chance.
    """
    import numpy as np

    region = region_of(space)
    unit = np.repeat(parents, count, axis=0)
    moved = rng.random(unit.shape) < max(0.5, 1 / unit.shape[1])
    step = np.where(moved, rng.normal(0.0, reach, unit.shape), 0.0)
    children = np.clip(unit + step, 0.0, 1.0)
    if space.pool is not None:
        rows = every_point(space)
        assert rows is not None  # noqa: S101 - a pool is always all of it
        return rows[np.unique(nearest(space, rows, children))]
    origin = settle(region, raw_values(space.parameters, unit))
    values = raw_values(space.parameters, children)
    kind = rng.random(len(unit))
    _stepped(region, origin, values, kind < 0.25, rng)
    _exchanged(region, origin, values, (0.25 <= kind) & (kind < 0.5), reach, rng)
    for choice in region.choices:  # what is not used is not moved, it is taken in below
        mine = choice.columns
        values[:, mine] = np.where(origin[:, mine] == 0, 0.0, np.maximum(values[:, mine], choice.floors))
    _chosen(region, values, (0.5 <= kind) & (kind < 0.65), rng)
    values, low, high = bounds_of(region, values)
    for group in region.groups:
        mine = group.columns
        width = region.high[mine] - region.low[mine]
        values[:, mine] = onto(group, values[:, mine], low[:, mine], high[:, mine], width)
    values = pulled_in(region, origin, values)
    values = settle(region, values)
    values = values[~np.isnan(values).any(axis=1)]
    return positions(space.parameters, values[region.allowed(values)])


def pulled_in(region: Region, inside: np.ndarray | None, outside: np.ndarray) -> np.ndarray:
    """Points that exceed a `LinearLE` moved straight towards others that do not, until they just keep it.

    Args:
        region: the constraints.
        inside: points that keep them, shape (n, d); None for the middle of the space.
        outside: points, shape (n, d).
    """
    import numpy as np

    far = ~region.below(outside) & ~np.isnan(outside).any(axis=1) if len(region.b_ub) else np.zeros(0, dtype=bool)
    if not far.any():
        return outside
    answer = outside.copy()
    if inside is None:
        _, low, high = bounds_of(region, outside)
        middles = [middle(region, low[row], high[row]) for row in np.flatnonzero(far)]
        start = np.array(
            [outside[row] if one is None else one for row, one in zip(np.flatnonzero(far), middles, strict=True)]
        )
        unmoved = ~np.any(region.a_ub != 0, axis=0)
        for group in region.groups:
            unmoved[group.columns] = False
        start[:, unmoved] = outside[far][:, unmoved]
    else:
        start = inside[far]
    way = outside[far] - start
    rise = way @ region.a_ub.T
    room = np.maximum(region.b_ub - start @ region.a_ub.T, 0.0)
    share = np.min(np.where(rise > 0, room / np.where(rise > 0, rise, 1.0), 1.0), axis=1)
    answer[far] = start + np.minimum(share, 1.0)[:, None] * way
    return answer


def _stepped(
    region: Region, origin: np.ndarray, values: np.ndarray, which: np.ndarray, rng: np.random.Generator
) -> None:
    """One discrete parameter of each chosen row a single step away, or at another level; nothing else moved."""
    import numpy as np

    parameters = region.space.parameters
    discrete = [
        place
        for place, grid in enumerate(region.grids)
        if grid is not None or isinstance(parameters[place], Categorical)
    ]
    rows = np.flatnonzero(which)
    if not discrete or not len(rows):
        return
    values[rows] = origin[rows]
    picked = rng.integers(len(discrete), size=len(rows))
    up = rng.random(len(rows)) < 0.5
    other = rng.random(len(rows))
    for number, place in enumerate(discrete):
        mine = rows[picked == number]
        grid = region.grids[place]
        if grid is None:
            count = int(region.high[place]) + 1
            jump = 1 + np.floor(other[picked == number] * (count - 1))
            values[mine, place] = (origin[mine, place] + jump) % count
        else:
            index = grid.below(origin[mine, place])
            values[mine, place] = grid.at(index + np.where(up[picked == number], 1, -1))


def _exchanged(
    region: Region, origin: np.ndarray, values: np.ndarray, which: np.ndarray, reach: float, rng: np.random.Generator
) -> None:
    """An amount taken from one parameter of a sum and given to another; nothing else moved."""
    import numpy as np

    rows = np.flatnonzero(which)
    if not region.groups or not len(rows):
        return
    groups = rng.integers(len(region.groups), size=len(rows))
    for number, group in enumerate(region.groups):
        mine = rows[groups == number]
        if len(group.columns) < 2 or not len(mine):
            continue
        # Between two that are used, where there are two: the largest random numbers among these.
        lottery = rng.random((len(mine), len(group.columns))) + (origin[np.ix_(mine, group.columns)] != 0)
        pair = np.argsort(-lottery, axis=1)[:, :2]
        giver, taker = group.columns[pair[:, 0]], group.columns[pair[:, 1]]
        factors = group.a[0][pair]
        factors = np.where(factors == 0, 1.0, factors)
        values[mine] = origin[mine]
        widths = np.minimum(
            *(
                np.abs(factors[:, side]) * (region.high - region.low)[column]
                for side, column in enumerate((giver, taker))
            )
        )
        amount = rng.normal(0.0, reach, len(mine)) * widths
        steps = np.array([_step(region, column) for column in group.columns])[pair]
        amount = np.copysign(np.maximum(np.abs(amount), (np.abs(factors) * steps).max(axis=1)), amount)
        # No more than both can bear, so that the rest of the sum is left alone.
        for side, column, sign in ((0, giver, -1.0), (1, taker, 1.0)):
            change = sign * amount / factors[:, side]
            bound = np.clip(origin[mine, column] + change, region.low[column], region.high[column])
            amount = sign * (bound - origin[mine, column]) * factors[:, side]
        values[mine, giver] -= amount / factors[:, 0]
        values[mine, taker] += amount / factors[:, 1]


def _step(region: Region, column: int) -> float:
    """The smallest step of a parameter; 0 for a continuous one."""
    grid = region.grids[column]
    if grid is None:
        return 0.0
    return grid.step or min(after - before for before, after in zip(grid.listed, grid.listed[1:], strict=False))


def _chosen(region: Region, values: np.ndarray, which: np.ndarray, rng: np.random.Generator) -> None:
    """Of the parameters that are chosen one put in another's place, one left out, or one taken in."""
    import numpy as np

    rows = np.flatnonzero(which)
    if not region.choices or not len(rows):
        return
    picked = rng.integers(len(region.choices), size=len(rows))
    for number, choice in enumerate(region.choices):
        mine = rows[picked == number]
        amounts = values[np.ix_(mine, choice.columns)]
        lottery = rng.random(amounts.shape)
        used = amounts != 0
        out = np.argmax(np.where(used, lottery, -1.0), axis=1)
        into = np.argmax(np.where(used, -1.0, lottery), axis=1)
        act = rng.integers(3, size=len(mine))
        line = np.arange(len(mine))
        taken = amounts[line, out].copy()
        both = used.any(axis=1) & ~used.all(axis=1)
        count = used.sum(axis=1)
        swap = both & (act == 0)
        drop = (act == 1) & (count > choice.limit.at_least) & used.any(axis=1)
        add = both & (act == 2) & (count < choice.limit.at_most)
        amounts[line[swap | drop], out[swap | drop]] = 0.0
        amounts[line[swap], into[swap]] = taken[swap]
        small = np.maximum(choice.floors, 0.1 * region.high[choice.columns])
        amounts[line[add], into[add]] = small[into[add]]
        values[np.ix_(mine, choice.columns)] = amounts
