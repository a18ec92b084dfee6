"""The linear constraints of a space in the unit cube, for a local search that stays on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labwright.model.space import Categorical, Choose, Forbidden, Integer, LinearLE, Parameter, Real, Space

if TYPE_CHECKING:
    import numpy as np

__all__ = ["linear_system"]


def linear_system(space: Space) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The linear constraints in the unit cube, for a search that stays on them.

    Those with a parameter on a logarithmic scale are not linear there and are left out; `params_at` keeps them.

    Returns:
        ``(a_ub, b_ub, a_eq, b_eq)``, shapes (m, d), (m,), (k, d), (k,), with ``a_ub @ unit <= b_ub`` and
        ``a_eq @ unit == b_eq``; each row is divided by its largest coefficient.
    """
    import numpy as np

    scales = [_scale(parameter) for parameter in space.parameters]
    names = space.names
    rows: dict[bool, list[tuple[np.ndarray, float]]] = {False: [], True: []}
    for limit in space.constraints:
        if isinstance(limit, Choose | Forbidden):
            continue
        row, rest = np.zeros(len(names)), limit.bound if isinstance(limit, LinearLE) else limit.total
        straight = True
        for name, factor in limit.coefficients.items():
            scale = scales[names.index(name)]
            if scale is None:
                straight = False
                break
            row[names.index(name)] = factor * scale[1]
            rest -= factor * scale[0]
        largest = np.abs(row).max()
        if straight and largest > 0:
            rows[isinstance(limit, LinearLE)].append((row / largest, rest / largest))

    def stacked(which: bool) -> tuple[np.ndarray, np.ndarray]:
        return (
            np.array([row for row, _ in rows[which]]).reshape(-1, len(names)),
            np.array([rest for _, rest in rows[which]], dtype=float),
        )

    return *stacked(True), *stacked(False)


def _scale(parameter: Parameter) -> tuple[float, float] | None:
    """Value at position 0 and its growth from 0 to 1; None where it does not grow evenly or has none."""
    if isinstance(parameter, Categorical) or (isinstance(parameter, Real) and parameter.log):
        return None
    if isinstance(parameter, Integer):
        return parameter.low - 0.5, parameter.high - parameter.low + 1
    return parameter.low, parameter.high - parameter.low
