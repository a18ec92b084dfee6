"""Values of parameters as numbers in arrays, and their way to the unit cube and back, for many points at once.

`values` are arrays of shape (n, d) in the parameters' units, a level of a category by its number; `unit` are the same
points' positions in the unit cube.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labwright.model.parameters import digits_of
from labwright.model.space import Categorical, Integer, Ordinal, Parameter, Params, ParamValue, Real, Space

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Grid", "grid_of", "positions", "raw_values", "spelt"]

Parameters = Sequence[Parameter]


@dataclass(frozen=True)
class Grid:
    """The values a parameter can take, by index; an integer may have too many to list them.

    Args:
        low: the smallest.
        high: the largest, whether or not a step ends there.
        step: distance of neighbours; 0 where `listed` says them.
        count: how many there are.
        listed: the values themselves, rising; empty where they are steps.
    """

    low: float
    high: float
    step: float
    count: int
    listed: tuple[float, ...] = ()

    def at(self, index: np.ndarray) -> np.ndarray:
        """Values at indices; those outside give the end."""
        import numpy as np

        inside = np.clip(index, 0, self.count - 1)
        if self.listed:
            return np.array(self.listed)[inside]
        return np.where(inside == self.count - 1, self.high, self.low + inside * self.step)

    def below(self, values: np.ndarray) -> np.ndarray:
        """Index of the largest value that is not above each of `values`, a hair's breadth forgiven; int64."""
        import numpy as np

        slack = 1e-9 * (self.high - self.low)
        if self.listed:
            listed = np.array(self.listed)
            hair = np.minimum(slack, 0.25 * np.diff(listed, prepend=-np.inf))  # values may lie closer than the slack
            index = np.searchsorted(listed - hair, values, side="right") - 1
        else:
            index = np.floor((values - self.low) / self.step + 1e-9)
            index = np.where(values >= self.high - slack, self.count - 1, np.minimum(index, self.count - 2))
        return np.clip(index, 0, self.count - 1).astype(np.int64)

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """Each of `values` moved to the nearest value of the grid; NaN stays NaN."""
        import numpy as np

        index = self.below(np.nan_to_num(values))
        under, over = self.at(index), self.at(index + 1)
        return np.where(np.abs(over - values) < np.abs(values - under), over, under) + 0.0 * values


def grid_of(parameter: Parameter) -> Grid | None:
    """The values a parameter can take; None for a continuous one, and for a category, whose levels are no numbers."""
    if isinstance(parameter, Ordinal):
        return Grid(parameter.low, parameter.high, 0.0, len(parameter.values), parameter.values)
    if isinstance(parameter, Integer):
        return Grid(parameter.low, parameter.high, 1.0, parameter.high - parameter.low + 1)
    if isinstance(parameter, Real) and parameter.step is not None:
        steps = math.ceil((parameter.high - parameter.low) / parameter.step - 1e-9)
        return Grid(parameter.low, parameter.high, parameter.step, steps + 1)
    return None


def raw_values(parameters: Parameters, unit: np.ndarray) -> np.ndarray:
    """Values at positions, not moved to any grid, shape (n, d); levels of a category by number."""
    import numpy as np

    columns = []
    for place, parameter in enumerate(parameters):
        u = np.clip(unit[:, place], 0.0, 1.0)
        if isinstance(parameter, Categorical):
            columns.append(np.minimum(np.floor(u * len(parameter.levels)), len(parameter.levels) - 1))
            continue
        low, high = parameter.low, parameter.high
        if isinstance(parameter, Real) and parameter.log:
            column = low * (high / low) ** u
        elif isinstance(parameter, Integer):
            column = low - 0.5 + u * (high - low + 1)
        else:
            column = low + u * (high - low)
        columns.append(np.clip(column, low, high))
    return np.column_stack(columns)


def positions(parameters: Parameters, values: np.ndarray) -> np.ndarray:
    """Positions of values in the unit cube, shape (n, d)."""
    import numpy as np

    columns = []
    for place, parameter in enumerate(parameters):
        column = values[:, place]
        if isinstance(parameter, Categorical):
            columns.append((column + 0.5) / len(parameter.levels))
        elif isinstance(parameter, Integer):
            columns.append((column - parameter.low + 0.5) / (parameter.high - parameter.low + 1))
        elif isinstance(parameter, Real) and parameter.log:
            columns.append(np.log(column / parameter.low) / math.log(parameter.high / parameter.low))
        else:
            columns.append((column - parameter.low) / (parameter.high - parameter.low))
    return np.column_stack(columns)


def spelt(space: Space, row: np.ndarray) -> Params:
    """One row of values, shape (d,), as parameters, to 12 significant digits or as many as their ranges need."""
    pairs = zip(space.parameters, row, strict=True)
    return {parameter.name: _value(parameter, float(number)) for parameter, number in pairs}


def _value(parameter: Parameter, number: float) -> ParamValue:
    if isinstance(parameter, Categorical):
        return parameter.levels[int(number)]
    if isinstance(parameter, Integer):
        return min(max(round(number), parameter.low), parameter.high)
    if isinstance(parameter, Ordinal):
        return min(parameter.values, key=lambda one: abs(one - number))
    if not parameter.log and abs(number) < 1e-13 * (parameter.high - parameter.low):
        number = 0.0  # what is left over from a subtraction; on a log scale there is none, and this may be its middle
    return min(max(float(f"{number:.{digits_of(parameter)}g}"), parameter.low), parameter.high)
