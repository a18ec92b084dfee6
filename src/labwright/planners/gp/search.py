"""Where an acquisition is largest: all of a finite space, else a scan, ever shorter steps, and a climb by its slope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from labwright.model.space import Params, Real, Space
from labwright.planners._candidates import every_point, linear_system, neighbours, params_at, scan

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Acquisition", "by_promise"]

_ROUNDS = 8  # of local search; its reach halves each round, from 0.2 of the range to about 0.001
_REACH = 0.2
_PARENTS = 6
_CHILDREN = 48
_CLIMBS = 5  # starts of the climb by slopes
_STEPS = 40
_HAIR = 1e-8  # a climb along limits ends this much off a bound it means


class Acquisition(Protocol):
    """How promising points are; larger is better."""

    def __call__(self, unit: np.ndarray) -> np.ndarray:
        """Scores at positions in the unit cube, shape (n, d) -> (n,)."""

    @property
    def slope(self) -> Callable[[np.ndarray], tuple[float, np.ndarray]] | None:
        """Score and its derivatives at one position, shape (d,); None where it has none."""


def by_promise(
    space: Space, acquisition: Acquisition, n_candidates: int, parents: np.ndarray, rng: np.random.Generator
) -> Iterator[Params]:
    """Allowed points, the most promising first; a point may come twice.

    Args:
        space: the search space.
        acquisition: what is to be large.
        n_candidates: points among which the search begins.
        parents: good points to look around as well, positions in the unit cube, shape (k, d).
        rng: source of chance.
    """
    import numpy as np

    unit = every_point(space)
    if unit is None:
        unit = scan(space, n_candidates, rng)
        if len(parents):
            unit = np.vstack([unit, neighbours(space, parents, _CHILDREN, _REACH / 4, rng)])
        scores = acquisition(unit)
        smooth = acquisition.slope is not None and _smooth(space)
        for halving in range(0, 3 if smooth else _ROUNDS):
            leading = unit[np.argsort(-scores, kind="stable")[:_PARENTS]]
            children = neighbours(space, leading, _CHILDREN, _REACH / 2**halving, rng)
            if len(children):
                unit, scores = np.vstack([unit, children]), np.append(scores, acquisition(children))
        if smooth:
            leading = unit[np.argsort(-scores, kind="stable")[:_CLIMBS]]
            tops = np.array([_climbed(space, acquisition, start) for start in leading])
            unit, scores = np.vstack([unit, tops]), np.append(scores, acquisition(tops))
    else:
        scores = acquisition(unit)
    for index in np.argsort(-scores, kind="stable"):
        params = params_at(space, unit[index])
        if params is not None and not space.violations(params):
            yield params


def _smooth(space: Space) -> bool:
    """Whether the space is continuous, and its limits are straight."""
    plain = all(isinstance(one, Real) and one.step is None for one in space.parameters)
    kinds = {one.type for one in space.constraints}
    return plain and kinds <= {"linear_le", "linear_eq", "mixture"}


def _climbed(space: Space, acquisition: Acquisition, start: np.ndarray) -> np.ndarray:
    """The top of the hill that `start` stands on, shape (d,); on the limits, it may miss them by a hair."""
    import numpy as np
    from scipy.optimize import minimize

    slope = acquisition.slope
    assert slope is not None  # noqa: S101 - who calls has looked

    def down(position: np.ndarray) -> tuple[float, np.ndarray]:
        score, rise = slope(position)
        return -score, -rise

    box = [(0.0, 1.0)] * len(start)
    if not space.constraints:
        found = minimize(down, start, jac=True, method="L-BFGS-B", bounds=box, options={"maxiter": _STEPS})
        return np.asarray(found.x)
    upper, most, equal, totals = linear_system(space)
    limits = []
    if len(upper):
        limits.append({"type": "ineq", "fun": lambda u: most - upper @ u, "jac": lambda u: -upper})
    if len(equal):
        limits.append({"type": "eq", "fun": lambda u: equal @ u - totals, "jac": lambda u: equal})
    found = minimize(down, start, jac=True, method="SLSQP", bounds=box, constraints=limits, options={"maxiter": _STEPS})
    if not np.isfinite(found.x).all():
        return start
    edge = np.clip(np.round(found.x), 0.0, 1.0)
    return np.where(np.abs(found.x - edge) < _HAIR, edge, np.clip(found.x, 0.0, 1.0))
