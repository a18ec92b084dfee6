"""From points of a unit cube to allowed points, without dying by rejection where these have no volume.

A single equality is drawn part by part, each from what the others leave (stick-breaking, uniform on the simplex:
Devroye, Non-Uniform Random Variate Generation, 1986, chapter V). Several at once, and slivers between inequalities, are
walked along chords from their middle (hit-and-run: Smith, Operations Research 32, 1984). Both are functions of the
cube's point alone, so a Sobol sequence stays one.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from labwright.planners._axes import raw_values
from labwright.planners._region import Choice, Group, Region
from labwright.planners._repair import settle

if TYPE_CHECKING:
    import numpy as np

__all__ = ["dimensions", "draw", "middle", "plain"]

_PROBES = 1024
_RARE = 0.02  # of the probes: with fewer inside the inequalities a walk is quicker than rejection
_GOLDEN = (math.sqrt(5) - 1) / 2


def plain(region: Region) -> bool:
    """Whether points drawn from the unit cube of the parameters themselves are allowed often enough."""
    return not region.flat and not _walks(region)


def dimensions(region: Region) -> int:
    """Coordinates of the cube `draw` takes: one for each parameter, and those that choose which are used."""
    return len(region.low) + sum(1 + len(choice.columns) for choice in region.choices)


def draw(region: Region, unit: np.ndarray) -> np.ndarray:
    """Allowed values at points of the cube, shape (n, dimensions) -> (n, d); NaN where this point gives none."""
    import numpy as np

    values, low, high = _drawn(region, unit)
    if _walks(region):
        values = _walked(region, unit, values, low, high)
    else:
        for group in region.groups:
            mine = group.columns
            values[:, mine] = _on_slice(group, unit[:, mine], low[:, mine], high[:, mine])
    values = settle(region, values)
    good = ~np.isnan(values).any(axis=1)
    good[good] = region.allowed(values[good])
    values[~good] = np.nan
    return values


def middle(region: Region, low: np.ndarray, high: np.ndarray) -> np.ndarray | None:
    """The values farthest from all linear limits, as a fraction of the ranges, shape (d,); None if there are none.

    Args:
        region: the constraints; steps and combinations are not looked at.
        low: smallest values, shape (d,).
        high: largest values, shape (d,).
    """
    return _middle(region, low.tobytes(), high.tobytes())


def _drawn(region: Region, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values without regard to sums, and the bounds that the choices leave; all of shape (n, d)."""
    import numpy as np

    count = len(region.low)
    values = raw_values(region.space.parameters, unit[:, :count])
    for column, grid in enumerate(region.grids):
        if grid is not None:  # each value has the same share, however far it is from its neighbours
            index = np.floor(np.clip(unit[:, column], 0, 1) * grid.count).astype(np.int64)
            values[:, column] = grid.at(index)
    low = np.repeat(region.low[None], len(unit), axis=0)
    high = np.repeat(region.high[None], len(unit), axis=0)
    at = count
    for choice in region.choices:
        used = _used(choice, unit[:, at], unit[:, at + 1 : at + 1 + len(choice.columns)])
        at += 1 + len(choice.columns)
        mine = choice.columns
        low[:, mine] = np.where(used, np.maximum(low[:, mine], choice.floors), 0.0)
        high[:, mine] = np.where(used, high[:, mine], 0.0)
        span = high[:, mine] - low[:, mine]
        values[:, mine] = low[:, mine] + span * np.clip(unit[:, mine], 1e-6, 1.0)  # what is used is not zero
    return values, low, high


def _used(choice: Choice, size: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Which parameters are used, shape (n, k): every set of them that may be is as likely as any other."""
    import numpy as np

    k = len(choice.columns)
    sizes = np.arange(choice.limit.at_least, choice.limit.at_most + 1)
    weights = np.cumsum([math.comb(k, int(one)) for one in sizes])
    count = sizes[np.minimum(np.searchsorted(weights / weights[-1], size, side="right"), len(sizes) - 1)]
    rank = np.argsort(np.argsort(-order, axis=1, kind="stable"), axis=1, kind="stable")
    return np.asarray(rank < count[:, None])


def _on_slice(group: Group, unit: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Values that add up, uniform where upper bounds do not bind and close to it elsewhere, shape (n, k)."""
    import numpy as np

    a, total = group.a[0], group.totals[0]
    # As shares of what is left above the lower ends: each between 0 and its width, together `rest`.
    widths = np.abs(a) * (high - low)
    rest = total - np.where(a > 0, a * low, a * high).sum(axis=1)
    whole = widths.sum(axis=1)
    slack = 1e-9 * np.maximum(abs(total), whole)
    hopeless = (rest < -slack) | (rest > whole + slack)
    turned = rest > whole / 2  # from the upper ends then, which bind less
    left = np.clip(np.where(turned, whole - rest, rest), 0.0, None)
    # The last share is what is left, so its coordinate is free to say with which parameter to begin: where upper bounds
    # bind, those that come late get less.
    first = np.minimum(np.floor(unit[:, -1] * len(a)), len(a) - 1).astype(np.int64)
    order = (np.arange(len(a)) + first[:, None]) % len(a)
    shares = np.empty_like(widths)
    np.put_along_axis(shares, order, _broken(np.take_along_axis(widths, order, axis=1), left, unit), axis=1)
    shares = np.where(turned[:, None], widths - shares, shares)
    values = np.where(a > 0, low + shares / np.abs(a), high - shares / np.abs(a))
    values[hopeless] = np.nan
    return values


def _broken(widths: np.ndarray, left: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """A stick of length `left`, shape (n,), broken into parts no longer than `widths`, shape (n, k), one by one."""
    import numpy as np

    shares = np.empty_like(widths)
    for place in range(widths.shape[1]):
        others = widths[:, place + 1 :].sum(axis=1)
        least, most = np.maximum(0.0, left - others), np.minimum(widths[:, place], left)
        after = (widths[:, place + 1 :] > 0).sum(axis=1)
        power = np.maximum(after, 1)
        safe = np.where(left > 0, left, 1.0)
        top, bottom = (np.clip(1 - end / safe, 0, 1) ** power for end in (least, most))
        share = safe * (1 - (top + unit[:, place] * (bottom - top)) ** (1 / power))
        shares[:, place] = np.clip(np.where(after > 0, share, least), least, np.maximum(least, most))
        left = np.clip(left - shares[:, place], 0.0, None)
    return shares


@functools.lru_cache(maxsize=8)
def _walks(region: Region) -> bool:
    import numpy as np

    if any(len(group.totals) > 1 for group in region.groups):
        return True
    if not len(region.b_ub):
        return False
    unit = np.random.default_rng(0).random((_PROBES, dimensions(region)))
    values, low, high = _drawn(region, unit)
    for group in region.groups:
        mine = group.columns
        values[:, mine] = _on_slice(group, unit[:, mine], low[:, mine], high[:, mine])
    values = values[~np.isnan(values).any(axis=1)]
    return len(values) > 0 and float(region.below(values).mean()) < _RARE


def _walked(region: Region, unit: np.ndarray, values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The values with those of all linear limits drawn again, within these, by walks from their middle."""
    import numpy as np

    columns = np.flatnonzero(_linear(region))
    kinds, which = np.unique(high[:, columns] > 0, axis=0, return_inverse=True)
    for kind in range(len(kinds)):
        rows = np.flatnonzero(which.ravel() == kind)
        start = middle(region, low[rows[0]], high[rows[0]])
        if start is None:
            values[rows] = np.nan
            continue
        bottom, top = low[rows[0], columns], high[rows[0], columns]
        found = _walk(region, columns, bottom, top, start[columns], unit[np.ix_(rows, columns)])
        values[np.ix_(rows, columns)] = found
    return values


def _walk(
    region: Region, columns: np.ndarray, low: np.ndarray, high: np.ndarray, start: np.ndarray, unit: np.ndarray
) -> np.ndarray:
    """Ends of walks along the same chords, each stopping where its point of the cube says, shape (n, k)."""
    import numpy as np
    from scipy.linalg import null_space

    width = high - low
    moving = np.flatnonzero(width > 0)
    a_ub = region.a_ub[:, columns][:, moving] * width[moving]
    b_ub = region.b_ub - region.a_ub[:, columns] @ low
    a_eq = _equalities(region)[0][:, columns][:, moving] * width[moving]
    flat = null_space(a_eq) if len(a_eq) else np.eye(len(moving))
    values = np.repeat(low[None], len(unit), axis=0)
    at = np.repeat(((start - low)[moving] / width[moving])[None], len(unit), axis=0)
    stops = unit.shape[1]
    count = stops * math.ceil((6 * flat.shape[1] + 12) / stops) if flat.shape[1] else 0
    ways = np.random.default_rng(0).normal(size=(count, flat.shape[1])) @ flat.T
    limits = np.vstack([a_ub, np.eye(len(moving)), -np.eye(len(moving))])
    ends = np.concatenate([b_ub, np.ones(len(moving)), np.zeros(len(moving))])
    # The unit of its parameters makes a row large or small, so what counts as no slope is relative to the row.
    level = 1e-12 * np.maximum(np.abs(limits).max(axis=1, initial=0.0), np.finfo(float).tiny)
    for turn, way in enumerate(ways):
        slopes = limits @ way
        rising, falling = slopes > level, slopes < -level
        room = np.maximum(ends - at @ limits.T, 0.0)
        forward = np.min(room[:, rising] / slopes[rising], axis=1, initial=np.inf)
        backward = np.min(room[:, falling] / -slopes[falling], axis=1, initial=np.inf)
        sweep = (count - 1 - turn) // stops  # the last one takes the point as it is: on a face it stays
        place = unit[:, turn % stops] if sweep == 0 else (unit[:, turn % stops] + sweep * _GOLDEN) % 1.0
        at = at + (place * (forward + backward) - backward)[:, None] * way
    values[:, moving] = low[moving] + np.clip(at, 0.0, 1.0) * width[moving]
    return values


@functools.lru_cache(maxsize=512)
def _middle(region: Region, low_bytes: bytes, high_bytes: bytes) -> np.ndarray | None:
    import numpy as np
    from scipy.optimize import linprog

    # As shares of the ranges, each row divided by its largest coefficient: the solver's tolerances are absolute.
    low, high = np.frombuffer(low_bytes), np.frombuffer(high_bytes)
    width = high - low
    fixed = width == 0
    upper, most = _in_shares(region.a_ub, region.b_ub, low, width)
    equal, totals = _in_shares(*_equalities(region), low, width)
    ends, own = np.eye(len(low)), np.where(fixed, 0.0, 1.0)
    a_ub = np.vstack(
        [
            np.column_stack([upper, np.linalg.norm(upper, axis=1)]),
            np.column_stack([ends, own]),
            np.column_stack([-ends, own]),
        ]
    )
    found = linprog(
        [*[0.0] * len(low), -1.0],
        A_ub=a_ub,
        b_ub=np.concatenate([most, own, np.zeros(len(low))]),
        A_eq=np.column_stack([equal, np.zeros(len(equal))]) if len(equal) else None,
        b_eq=totals if len(equal) else None,
        bounds=[*[(None, None)] * len(low), (0, 1)],
    )
    return np.clip(low + found.x[:-1] * width, low, high) if found.status == 0 else None


def _in_shares(rows: np.ndarray, ends: np.ndarray, low: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Linear limits on values as limits on shares of the ranges, each row's largest coefficient 1."""
    import numpy as np

    scaled, rest = rows * width, ends - rows @ low
    largest = np.abs(scaled).max(axis=1, initial=0.0)
    # Where nothing it speaks of can move, what is left is only rounding or a broken limit; the terms give its size.
    size = np.where(largest > 0, largest, np.maximum(np.abs(rows * low).max(axis=1, initial=0.0), np.abs(ends)))
    size = np.where(size > 0, size, 1.0)
    return scaled / size[:, None], rest / size


def _equalities(region: Region) -> tuple[np.ndarray, np.ndarray]:
    """All of them, shapes (m, d) and (m,)."""
    import numpy as np

    rows, totals = [np.zeros((0, len(region.low)))], [np.zeros(0)]
    for group in region.groups:
        row = np.zeros((len(group.totals), len(region.low)))
        row[:, group.columns] = group.a
        rows.append(row)
        totals.append(group.totals)
    return np.vstack(rows), np.concatenate(totals)


def _linear(region: Region) -> np.ndarray:
    """Which parameters stand in a linear limit, shape (d,) of bool."""
    import numpy as np

    return np.asarray(np.any(region.a_ub != 0, axis=0) | np.any(_equalities(region)[0] != 0, axis=0))
