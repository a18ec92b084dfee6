"""Uniformly random proposals: the baseline every planner has to beat."""

from __future__ import annotations

from labwright.model.campaign import CampaignState, Suggestion
from labwright.planners._held import free_space, held_words, whole
from labwright.planners._proposals import derive_seed, fresh_points, random_points
from labwright.planners.gp.modelled import ModelledPlanner
from labwright.planners.protocol import Capability

__all__ = ["RandomPlanner"]


class RandomPlanner(ModelledPlanner):
    """Draws at random from what the space allows; takes no options."""

    @property
    def name(self) -> str:
        """``"random"``."""
        return "random"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It keeps to what is held."""
        return frozenset({"parameters that are equal within a batch"})

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        """Propose `n` random points; see `Planner.ask`."""
        import numpy as np

        rng = np.random.default_rng(derive_seed(state.seed, len(state.trials), self.name))
        points = whole(state, random_points(free_space(state), rng))
        words = f"drawn at random{held_words(state)}"
        return [Suggestion(params=params, rationale=words) for params in fresh_points(state, points, n)]
