"""Uniformly random proposals: the baseline every planner has to beat."""

from __future__ import annotations

from labwright.model.campaign import CampaignState, Suggestion
from labwright.planners._proposals import derive_seed, fresh_points, random_points
from labwright.planners.gp.modelled import ModelledPlanner

__all__ = ["RandomPlanner"]


class RandomPlanner(ModelledPlanner):
    """Draws at random from what the space allows; takes no options."""

    @property
    def name(self) -> str:
        """``"random"``."""
        return "random"

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        """Propose `n` random points; see `Planner.ask`."""
        import numpy as np

        rng = np.random.default_rng(derive_seed(state.seed, len(state.trials), self.name))
        points = random_points(state.space, rng)
        return [Suggestion(params=params, rationale="drawn at random") for params in fresh_points(state, points, n)]
