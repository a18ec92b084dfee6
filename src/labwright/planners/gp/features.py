"""Points as the model sees them: one column per number, one per level, one per descriptor of a level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labwright.model.space import Categorical, Params, Space

if TYPE_CHECKING:
    import numpy as np

__all__ = ["expand", "features", "groups_of"]


def features(space: Space, points: Sequence[Params]) -> np.ndarray:
    """Parameters to features, shape (n, m)."""
    import numpy as np

    return expand(space, np.array([space.to_unit(params) for params in points], dtype=float))


def expand(space: Space, unit: np.ndarray) -> np.ndarray:
    """The same from positions in the unit cube, shape (n, d) -> (n, m).

    Two levels of a categorical parameter are one unit apart; its descriptors, between 0 and 1 each, come beside them.
    """
    import numpy as np

    columns: list[np.ndarray] = []
    for place, parameter in enumerate(space.parameters):
        column = unit[:, place : place + 1]
        if isinstance(parameter, Categorical):
            count = len(parameter.levels)
            level = np.clip(np.floor(column[:, 0] * count), 0, count - 1).astype(int)
            columns.append(np.eye(count)[level] / math.sqrt(2))
            if parameter.descriptors:
                table = _descriptors(parameter)
                columns.append(table[level])
        else:
            columns.append(column)
    return np.hstack(columns)


def groups_of(space: Space) -> np.ndarray:
    """Which length scale each feature has, shape (m,): one a parameter, its descriptors one more together."""
    import numpy as np

    groups: list[int] = []
    for parameter in space.parameters:
        number = groups[-1] + 1 if groups else 0
        if isinstance(parameter, Categorical):
            groups += [number] * len(parameter.levels)
            if parameter.descriptors:
                groups += [number + 1] * _descriptors(parameter).shape[1]
        else:
            groups.append(number)
    return np.array(groups)


def _descriptors(parameter: Categorical) -> np.ndarray:
    """Shape (levels, descriptors), each between 0 and 1 and the whole no wider than one parameter."""
    import numpy as np

    assert parameter.descriptors  # noqa: S101 - who calls has looked
    table = np.array([list(parameter.descriptors[level].values()) for level in parameter.levels], dtype=float)
    low, high = table.min(0), table.max(0)
    return np.asarray((table - low) / (high - low) / math.sqrt(table.shape[1]))
