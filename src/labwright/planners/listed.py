"""Experiments that a person has listed, made one after the other."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from labwright.model.campaign import CampaignState, Suggestion
from labwright.model.errors import PlannerError
from labwright.model.space import Params
from labwright.planners.gp.modelled import ModelledPlanner

__all__ = ["ListedPlanner"]


class ListedPlanner(ModelledPlanner):
    """Proposes the points of a list in its order, each as often as it is there.

    Args:
        points: what is to be made: for each experiment the value of every parameter of the space, in its units.
    """

    points: Annotated[tuple[Params, ...], Field(min_length=1, max_length=10_000)]

    @property
    def name(self) -> str:
        """``"listed"``."""
        return "listed"

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        """The next `n` of the list; see `Planner.ask`.

        Raises:
            PlannerError: the list is at its end, or a point is outside the space.
        """
        proposed = sum(trial.source == "planner" for trial in state.trials)
        chosen = self.points[proposed : proposed + n]
        if not chosen:
            raise PlannerError(f"all {len(self.points)} experiments of the list were made")
        found = []
        for number, params in enumerate(chosen, start=proposed + 1):
            if wrong := state.space.violations(params):
                raise PlannerError(f"experiment {number} of the list is outside the space: {'; '.join(wrong)}")
            found.append(Suggestion(params=params, rationale=f"number {number} of {len(self.points)} in the list"))
        return found
