"""Points near the allowed ones brought onto them: which parameters are used, sums that come out, steps that are kept.

Values are arrays of shape (n, d) in the parameters' units; see `_axes`. A row beyond repair comes back as NaN.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import TYPE_CHECKING

from labwright.planners._region import Group, Region

if TYPE_CHECKING:
    import numpy as np

__all__ = ["bounds_of", "onto", "settle"]

_TRACE = 0.01  # of its range: what is taken of a parameter that has to be used and has no smallest amount
_NONE = 1e-9  # of its range: less than this of a parameter is none of it
_NEAR = 1e-11  # relative: a sum this near its total is left alone, so that rounding to 12 digits is not repaired again
_EXACT = 1e-13  # relative: what a repaired sum comes to
_DUST = 1e-13  # of the range
_ROUNDS = 40  # of clipping; each one that matters fixes one more parameter at its bound
_OPTIONS = (0, 1, -1, 2, -2, 3)  # steps from the one below, among which the nearest sum is looked for
_STATES = 4000  # distinct sums kept in mind at once; steps without a common measure would have too many


def settle(region: Region, values: np.ndarray) -> np.ndarray:
    """The nearest points that keep steps, choices and equalities, shape (n, d); other limits are not looked at."""
    import numpy as np

    values = np.clip(values, region.low, region.high)
    values, low, high = bounds_of(region, values)
    grouped = {int(column) for group in region.groups for column in group.columns}
    for column, grid in enumerate(region.grids):
        if grid is not None and column not in grouped:
            values[:, column] = np.clip(grid.nearest(values[:, column]), low[:, column], high[:, column])
    for group in region.groups:
        mine = group.columns
        values[:, mine] = _mended(region, group, values[:, mine], low[:, mine], high[:, mine])
    # What is left over from a subtraction is no amount: next to an end is at the end.
    dust = _DUST * (region.high - region.low)
    near = _DUST * np.where(region.low > 0, np.minimum(region.low, region.high - region.low), region.high - region.low)
    values = np.where(np.abs(values - region.low) < near, region.low, values)
    values = np.where(np.abs(values - region.high) < dust, region.high, values)
    values[np.isnan(values).any(axis=1)] = np.nan
    return values


def bounds_of(region: Region, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which parameters each point uses, repaired, as bounds: of one that is not used both are 0.

    Returns:
        ``(values, low, high)``, each of shape (n, d); the values between the bounds.
    """
    import numpy as np

    values = values.copy()
    low = np.repeat(region.low[None], len(values), axis=0)
    high = np.repeat(region.high[None], len(values), axis=0)
    for choice in region.choices:
        mine, top = values[:, choice.columns], region.high[choice.columns]
        used = mine > np.maximum(choice.floors / 2, _NONE * top)
        rank = np.argsort(np.argsort(-mine / top, axis=1, kind="stable"), axis=1, kind="stable")
        used = (used & (rank < choice.limit.at_most)) | (rank < choice.limit.at_least)
        some = np.where(choice.floors > 0, choice.floors, np.where(mine > _NONE * top, mine, _TRACE * top))
        values[:, choice.columns] = np.where(used, np.maximum(mine, some), 0.0)
        low[:, choice.columns] = np.where(used, np.maximum(low[:, choice.columns], choice.floors), 0.0)
        high[:, choice.columns] = np.where(used, high[:, choice.columns], 0.0)
    return values, low, high


def onto(group: Group, x: np.ndarray, low: np.ndarray, high: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The nearest values within bounds whose sums come out, distances as fractions of `width`; NaN where none is found.

    Args:
        group: the equalities.
        x: values of its parameters, shape (n, k), and so are:
        low: the smallest allowed,
        high: the largest allowed.
        width: ranges of the parameters, shape (k,).
    """
    import numpy as np

    x = np.clip(x, low, high)
    scale = np.maximum(
        np.abs(group.totals), (np.abs(group.a) * np.maximum(abs(low), abs(high))[:, None, :]).max(axis=2)
    )
    off = np.any(np.abs(group.totals - x @ group.a.T) > _NEAR * scale, axis=1)
    for _ in range(_ROUNDS):
        if not off.any():
            return x
        short = group.totals - x @ group.a.T
        here, lower, upper, missing = x[off], low[off], high[off], short[off]
        free = lower < upper
        for _ in range(3):  # what would only be pushed out of its bounds is left out
            pull = np.where(free, width**2, 0.0)[:, None, :] * group.a[None]
            multipliers = np.linalg.pinv(pull @ group.a.T, hermitian=True) @ missing[:, :, None]
            step = (pull * multipliers).sum(axis=1)
            free &= ~(((here <= lower) & (step < 0)) | ((here >= upper) & (step > 0)))
        x[off] = np.clip(here + step, lower, upper)
        off &= np.any(np.abs(group.totals - x @ group.a.T) > _EXACT * scale, axis=1)
    x[np.any(np.abs(group.totals - x @ group.a.T) > _NEAR * scale, axis=1)] = np.nan
    return x


def _mended(region: Region, group: Group, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Values of a group's parameters on its sums and their steps, shape (n, k)."""
    import numpy as np

    width = region.high[group.columns] - region.low[group.columns]
    grids = [region.grids[column] for column in group.columns]
    stepped = np.array([grid is not None for grid in grids])
    x = onto(group, x, low, high, width)
    if not stepped.any():
        return x
    whole = ~np.any(~stepped & (low < high), axis=1)  # nothing continuous is there to make up for the steps
    if whole.any():
        x[whole] = _on_steps(region, group, x[whole], low[whole], high[whole])
    if not whole.all():
        mixed = x[~whole]
        for place, grid in enumerate(grids):
            if grid is not None:
                mixed[:, place] = np.clip(grid.nearest(mixed[:, place]), low[~whole, place], high[~whole, place])
        fixed_low = np.where(stepped, mixed, low[~whole])
        fixed_high = np.where(stepped, mixed, high[~whole])
        x[~whole] = onto(group, mixed, fixed_low, fixed_high, width)
    return x


def _on_steps(region: Region, group: Group, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The nearest combination of steps whose sum comes out; NaN where there is none a few steps around.

    Dynamic programming over the parameters; its states are the sums so far, counted in the steps' common measure.
    With several equalities at once only combinations that already fit are kept.
    """
    import numpy as np

    grids = [region.grids[column] for column in group.columns]
    measure = _measure(region, group) if len(group.totals) == 1 else None
    if measure is None:
        for place, grid in enumerate(grids):
            if grid is not None:
                x[:, place] = np.clip(grid.nearest(np.nan_to_num(x[:, place])), low[:, place], high[:, place])
        return x
    wanted = np.full(len(x), round((group.totals[0] - group.a[0] @ region.low[group.columns]) / measure))
    bad = np.isnan(x).any(axis=1)
    x = np.where(bad[:, None], low, x)
    values, steps, costs = [], [], []
    for place, grid in enumerate(grids):
        bottom, width = region.low[group.columns[place]], region.high[group.columns[place]] - low[:, place].min()
        if grid is None:  # not used in these rows
            option = x[:, place : place + 1].repeat(len(_OPTIONS), axis=1)
        else:
            option = grid.at(grid.below(x[:, place])[:, None] + np.array(_OPTIONS))
        slack = 1e-9 * width
        inside = (option >= low[:, place : place + 1] - slack) & (option <= high[:, place : place + 1] + slack)
        counted = np.round(group.a[0, place] * (option - bottom) / measure).astype(np.int64)
        wanted = wanted - counted[:, 0]
        values.append(option)
        steps.append(counted - counted[:, :1])
        costs.append(np.where(inside, ((option - x[:, place : place + 1]) / width) ** 2, np.inf))
    reach = sum(int(np.abs(step).max()) for step in steps)
    if reach > _STATES:
        return np.full_like(x, np.nan)
    return _cheapest(values, steps, costs, np.where(bad, reach + 1, wanted), reach)


def _cheapest(
    values: list[np.ndarray], steps: list[np.ndarray], costs: list[np.ndarray], wanted: np.ndarray, reach: int
) -> np.ndarray:
    """One option for each parameter, so that the steps add up to `wanted` at the least cost; shape (n, k)."""
    import numpy as np

    states = np.arange(-reach, reach + 1)
    best = np.where(states == 0, 0.0, np.full((len(wanted), len(states)), np.inf))
    chosen = []
    for step, cost in zip(steps, costs, strict=True):
        before = states[None, :, None] - step[:, None, :] + reach
        inside = (before >= 0) & (before < len(states))
        options = np.take_along_axis(best[:, :, None], np.clip(before, 0, len(states) - 1), axis=1)
        options = np.where(inside, options + cost[:, None, :], np.inf)
        chosen.append(options.argmin(axis=2))
        best = options.min(axis=2)
    rows = np.arange(len(wanted))
    state = np.clip(wanted + reach, 0, len(states) - 1)
    found = np.isfinite(best[rows, state]) & (np.abs(wanted) <= reach)
    answer = np.full((len(wanted), len(values)), np.nan)
    for place in reversed(range(len(values))):
        option = chosen[place][rows, state]
        answer[:, place] = values[place][rows, option]
        state = np.clip(state - steps[place][rows, option], 0, len(states) - 1)
    answer[~found] = np.nan
    return answer


@functools.lru_cache(maxsize=32)
def _measure(region: Region, group: Group) -> float | None:
    """The largest number of which all steps times their coefficients, and the total, are multiples; None if none is."""
    lengths: list[Fraction] = []
    rest = _exact(float(group.totals[0]))
    for column, factor in zip(group.columns, group.a[0], strict=True):
        grid = region.grids[column]
        if grid is None:
            continue
        rest -= _exact(float(factor)) * _exact(grid.low)
        ends = [_exact(one) - _exact(grid.low) for one in grid.listed[1:]] or [
            _exact(grid.step),
            _exact(grid.high) - _exact(grid.low),
        ]
        lengths += [abs(_exact(float(factor)) * end) for end in ends]
    measure = functools.reduce(
        lambda one, other: Fraction(
            math.gcd(one.numerator * other.denominator, other.numerator * one.denominator),
            one.denominator * other.denominator,
        ),
        lengths,
    )
    return float(measure) if rest % measure == 0 else None


def _exact(number: float) -> Fraction:
    return Fraction(int(number)) if number == int(number) else Fraction(f"{number:.12g}")
