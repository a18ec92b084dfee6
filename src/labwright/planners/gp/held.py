"""An acquisition where some parameters are held: over the space of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labwright.model.campaign import CampaignState
from labwright.model.space import Categorical, Parameter, ParamValue, Real

if TYPE_CHECKING:
    import numpy as np

    from labwright.planners.gp.search import Acquisition

__all__ = ["Held"]


class Held:
    """An acquisition over the free space.

    Args:
        acquisition: over the whole space.
        state: of the campaign, some of whose parameters are held.
    """

    def __init__(self, acquisition: Acquisition, state: CampaignState) -> None:
        import numpy as np

        space = state.space
        self._acquisition = acquisition
        self._known = np.array([one.to_unit(state.held.get(one.name, _any(one))) for one in space.parameters])
        self._free = np.array([one.name not in state.held for one in space.parameters])
        self._plain = all(isinstance(one, Real) for one in space.parameters)

    def __call__(self, unit: np.ndarray) -> np.ndarray:
        """Scores at positions in the free space, shape (n, free) -> (n,)."""
        return self._acquisition(self._lifted(unit))

    @property
    def slope(self) -> Callable[[np.ndarray], tuple[float, np.ndarray]] | None:
        """See `Acquisition`."""
        inner = self._acquisition.slope
        if inner is None or not self._plain:
            return None

        def at(position: np.ndarray) -> tuple[float, np.ndarray]:
            score, rise = inner(self._lifted(position[None, :])[0])
            return score, rise[self._free]

        return at

    def reduced(self, unit: np.ndarray) -> np.ndarray:
        """Positions in the whole space without what is held, shape (n, d) -> (n, free)."""
        return unit[:, self._free]

    def _lifted(self, unit: np.ndarray) -> np.ndarray:
        import numpy as np

        full = np.tile(self._known, (len(unit), 1))
        full[:, self._free] = unit
        return full


def _any(parameter: Parameter) -> ParamValue:
    """Any value of a parameter."""
    return parameter.levels[0] if isinstance(parameter, Categorical) else parameter.low
