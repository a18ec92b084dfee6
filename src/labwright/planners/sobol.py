"""An even, model-free scan of the space."""

from __future__ import annotations

from labwright.model.campaign import CampaignState, Suggestion
from labwright.planners._held import free_space, held_words, whole
from labwright.planners._proposals import derive_seed, fresh_points, sobol_points, taken
from labwright.planners.gp.modelled import ModelledPlanner
from labwright.planners.protocol import Capability

__all__ = ["SobolPlanner"]


class SobolPlanner(ModelledPlanner):
    """Follows one scrambled Sobol sequence per campaign, continuing at the number of points tried; takes no options."""

    @property
    def name(self) -> str:
        """``"sobol"``."""
        return "sobol"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It keeps to what is held."""
        return frozenset({"parameters that are equal within a batch"})

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        """Propose the next `n` points of the sequence; see `Planner.ask`."""
        # Seeded without the number of trials: the whole campaign walks along the same sequence.
        start = len(taken(state))
        sequence = whole(state, sobol_points(free_space(state), derive_seed(state.seed, 0, self.name), start))
        points = fresh_points(state, sequence, n)
        return [
            Suggestion(params=params, rationale=f"Sobol point {start + place}{held_words(state)}")
            for place, params in enumerate(points, start=1)
        ]
