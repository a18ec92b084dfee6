"""Points of the unit cube among which an acquisition is maximised: inside the constraints, corners and faces included.

All arrays are positions in the unit cube, shape (n, d), one column per parameter.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from labwright.model.space import Categorical, Integer, Parameter, Real, Space
from labwright.planners._proposals import sobol_points

if TYPE_CHECKING:
    import numpy as np

__all__ = ["every_point", "neighbours", "scan"]

_SMALL = 4096  # points of a finite space that are simply all scored
_ENOUGH = 64  # with fewer the constraints leave a sliver, and rejection must go on for longer
_BISECTIONS = 40  # brings a point to the constraint's face within 1e-12 of the range


def every_point(space: Space) -> np.ndarray | None:
    """All points of a small finite space, whatever the constraints say of them; None if there are too many."""
    import numpy as np

    counts = [_count(parameter) for parameter in space.parameters]
    if math.prod(counts) > _SMALL:
        return None
    axes = [
        sorted({parameter.to_unit(parameter.from_unit((place + 0.5) / count)) for place in range(int(count))})
        if not isinstance(parameter, Real)
        else sorted({parameter.to_unit(parameter.from_unit(place / (count - 1))) for place in range(int(count))})
        for parameter, count in zip(space.parameters, counts, strict=True)
    ]
    grid = np.array(list(itertools.product(*axes)), dtype=float)
    return grid[_allowed(space, grid)]


def scan(space: Space, n: int, rng: np.random.Generator) -> np.ndarray:
    """About `n` points spread over the space, and as many again pressed onto its faces, edges and corners."""
    import numpy as np
    from scipy.stats import qmc

    dimensions = len(space.parameters)
    inside = qmc.Sobol(dimensions, scramble=True, rng=rng).random_base2(math.ceil(math.log2(n)))
    # Optima often lie on a bound, where a scan of the open cube never looks.
    pressed = np.where(rng.random(inside.shape) < 1 / dimensions, np.round(rng.random(inside.shape)), inside)
    points = _snapped(space, np.vstack([inside, pressed]))
    points = points[_allowed(space, points)]
    if len(points) >= _ENOUGH:
        return points
    seed = int(rng.integers(2**63))
    more = [space.to_unit(params) for params in itertools.islice(sobol_points(space, seed), _ENOUGH)]
    return np.vstack([points, np.array(more)])


def neighbours(space: Space, parents: np.ndarray, count: int, reach: float, rng: np.random.Generator) -> np.ndarray:
    """`count` points around each parent, some coordinates moved; a step out of the space ends on its face.

    Args:
        space: the search space.
        parents: allowed points, shape (n, d).
        count: points per parent.
        reach: standard deviation of a step, as a fraction of each range.
        rng: source of chance.
    """
    import numpy as np

    origin = np.repeat(parents, count, axis=0)
    moved = rng.random(origin.shape) < max(0.5, 1 / origin.shape[1])
    step = np.where(moved, rng.normal(0.0, reach, origin.shape), 0.0)
    children = np.clip(origin + step, 0.0, 1.0)
    outside = ~_allowed(space, children)
    if outside.any():
        children[outside] = _pulled_back(space, origin[outside], children[outside])
    children = _snapped(space, children)
    return children[_allowed(space, children)]


def _pulled_back(space: Space, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The last allowed points on the way from `inside` to `outside`, both shape (n, d)."""
    import numpy as np

    low, high = np.zeros(len(inside)), np.ones(len(inside))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        kept = _allowed(space, inside + middle[:, None] * (outside - inside))
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    return inside + low[:, None] * (outside - inside)


def _snapped(space: Space, unit: np.ndarray) -> np.ndarray:
    import numpy as np

    snapped = unit.copy()
    for place, parameter in enumerate(space.parameters):
        if not isinstance(parameter, Real) or parameter.step is not None:
            snapped[:, place] = np.array([parameter.to_unit(parameter.from_unit(float(u))) for u in unit[:, place]])
    return snapped


def _allowed(space: Space, unit: np.ndarray) -> np.ndarray:
    """Which points keep all constraints, shape (n,) of bool."""
    import numpy as np

    allowed = np.ones(len(unit), dtype=bool)
    if space.constraints:
        places = {parameter.name: place for place, parameter in enumerate(space.parameters)}
        named = {name for limit in space.constraints for name in limit.coefficients}
        values = {name: _values(space.parameters[places[name]], unit[:, places[name]]) for name in named}
        for limit in space.constraints:
            total = sum(factor * values[name] for name, factor in limit.coefficients.items())
            allowed &= np.asarray(total <= limit.bound)
    return allowed


def _values(parameter: Parameter, unit: np.ndarray) -> np.ndarray:
    import numpy as np

    if isinstance(parameter, Real):
        if parameter.log:
            return parameter.low * (parameter.high / parameter.low) ** unit
        return parameter.low + unit * (parameter.high - parameter.low)
    assert isinstance(parameter, Integer)  # noqa: S101 - Space refuses constraints on categorical parameters
    return np.array([parameter.from_unit(float(u)) for u in unit], dtype=float)


def _count(parameter: Parameter) -> float:
    if isinstance(parameter, Categorical):
        return len(parameter.levels)
    if isinstance(parameter, Integer):
        return parameter.high - parameter.low + 1
    if parameter.step is None:
        return math.inf
    return math.floor((parameter.high - parameter.low) / parameter.step + 1e-9) + 2  # one to spare for `high` itself
