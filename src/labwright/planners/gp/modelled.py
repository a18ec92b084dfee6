"""What every planner answers about a campaign: predictions, the best, what matters, whether to continue."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from labwright.model.campaign import CampaignState, Explanation, Outcome, Recommendation, StopAdvice
from labwright.model.space import Params
from labwright.planners.gp.explain import explained
from labwright.planners.gp.outlook import look
from labwright.planners.gp.stop import advice
from labwright.planners.protocol import Capability

__all__ = ["ModelledPlanner"]


class ModelledPlanner(BaseModel):
    """A planner whose predictions come from the shared Gaussian process, whichever planner chose the points.

    So two planners with the same trials give the same answers, and differ only in what they propose.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Nothing beyond one objective, unless a planner overrides it."""
        return frozenset()

    def predict(self, state: CampaignState, points: Sequence[Params]) -> list[Outcome]:
        """What is expected at `points` of the first objective; see `Planner.predict`."""
        return look(state, limits=False).predict(points) if points else []

    def best(self, state: CampaignState) -> Recommendation | None:
        """The best experiment that keeps the outcome limits; see `Planner.best`."""
        if not any(trial.status == "done" for trial in state.trials):
            return None
        outlook = look(state, limits=False)
        counting = outlook.counting
        if not counting:
            return None
        objective = state.objective
        done = [outlook.done[place] for place in counting]
        predicted = outlook.predict([trial.made for trial in done])
        chosen = max(range(len(done)), key=lambda index: objective.merit(predicted[index].mean))
        observed = max(done, key=lambda trial: objective.merit(trial.outcomes[objective.name].mean))
        return Recommendation(
            trial_id=done[chosen].id,
            params=done[chosen].made,
            predicted=predicted[chosen],
            observed_trial_id=observed.id,
            observed_params=observed.made,
            observed=observed.outcomes[objective.name],
        )

    def explain(self, state: CampaignState) -> Explanation:
        """What was learnt so far; see `Planner.explain`."""
        return explained(state)

    def advise_stop(self, state: CampaignState) -> StopAdvice | None:
        """Whether further experiments are worth it; see `Planner.advise_stop`."""
        return advice(state)
