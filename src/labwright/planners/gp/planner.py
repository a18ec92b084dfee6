"""The default planner: Bayesian optimisation on a Gaussian process averaged over its hyperparameters."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from labwright.model.campaign import CampaignState, Outcome, Suggestion
from labwright.model.errors import PlannerError
from labwright.model.figures import figure, measured, with_unit
from labwright.model.space import Params, Space
from labwright.planners._held import free_space, held_words, whole
from labwright.planners._proposals import derive_seed, fresh_points, key_of, sobol_points, taken, vetoed
from labwright.planners.gp.features import features
from labwright.planners.gp.held import Held
from labwright.planners.gp.modelled import ModelledPlanner
from labwright.planners.gp.outlook import Outlook, look
from labwright.planners.gp.repeats import repeat
from labwright.planners.gp.search import by_promise
from labwright.planners.gp.weighing import Weighing, weigh
from labwright.planners.protocol import Capability

if TYPE_CHECKING:
    import numpy as np

__all__ = ["GpPlanner"]

_WARM_START = 3  # experiments before the model is used if there is an earlier campaign
_BEST = 5  # points so far around which the search looks as well
_LOOKED_AT = 20_000  # points that are all taken before the space is called exhausted


class GpPlanner(ModelledPlanner):
    """Gaussian process, averaged over its hyperparameters.

    Args:
        n_start: size of the initial design, Sobol points, failed experiments counted.
        n_candidates: points among which the search for the next experiment begins.
        acquisition: "log_ei", the expected improvement; "ucb", mean plus `beta` standard deviations; "auto": ucb to
            find the best of a finite list and where readings scatter, log_ei elsewhere and where failures, limits,
            costs or targets are weighed.
        beta: how much what is not known counts in ucb; 0 only exploits. None: 0.7 on a finite list, 2 elsewhere.
        repeats: whether a leading experiment is proposed once more where its readings scatter and that pays more than
            a new point.
    """

    n_start: int = Field(default=3, ge=2, le=1000)
    n_candidates: int = Field(default=1024, ge=64, le=65536)
    acquisition: Literal["auto", "ucb", "log_ei"] = "auto"
    beta: float | None = Field(default=None, ge=0, le=10)
    repeats: bool = True

    @property
    def name(self) -> str:
        """``"gp"``."""
        return "gp"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All but three objectives and more."""
        return frozenset(
            {
                "two objectives",
                "outcome limits",
                "cost",
                "fidelity",
                "earlier campaigns",
                "parameters that are equal within a batch",
            }
        )

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        """Propose `n` points, each allowing for the ones before it and for all pending trials; see `Planner.ask`."""
        import numpy as np

        asked, known = len(state.trials), taken(state)
        measured = len({key_of(state.space, trial.params) for trial in state.trials if trial.status == "done"})
        suggestions = _as_before(self, state)
        # A model needs two values to know a scale; a campaign with failures only stays in its initial design.
        start = min(_WARM_START, self.n_start) if state.earlier else self.n_start
        scanning = (n if measured < 2 else max(0, min(n, start - len(known)))) - len(suggestions)
        free = free_space(state)
        sequence = whole(state, sobol_points(free, derive_seed(state.seed, 0, self.name), len(known)))
        suggestions += [
            Suggestion(params=params, rationale=f"initial design, Sobol point {len(known) + place}{held_words(state)}")
            for place, params in enumerate(fresh_points(state, sequence, max(0, scanning)), start=1)
        ]
        points = [suggestion.params for suggestion in suggestions]
        if len(suggestions) >= n:
            return suggestions
        outlook = look(state)
        weighing = weigh(outlook, self.acquisition, self.beta)
        waiting = [trial.params for trial in state.trials if trial.pending] + points
        if waiting:
            rng = np.random.default_rng(derive_seed(state.seed, asked, "pending"))
            weighing = weighing.allowing_for(features(state.space, waiting), rng)
        known = {*known, *(key_of(state.space, params) for params in points)}
        under_way = [*waiting]
        while len(suggestions) < n:
            seed = derive_seed(state.seed, asked + len(suggestions), self.name)
            params = self._next(state, free, weighing, known, seed)
            again = repeat(outlook, params, under_way) if self.repeats else None
            suggestions.append(again or _explained(outlook, weighing, params))
            under_way.append(suggestions[-1].params)
            known.add(key_of(state.space, under_way[-1]))
            weighing = weighing.allowing_for(features(state.space, under_way[-1:]), np.random.default_rng(seed))
        return suggestions

    def _next(
        self, state: CampaignState, free: Space, weighing: Weighing, known: set[tuple[object, ...]], seed: int
    ) -> Params:
        import numpy as np

        rng = np.random.default_rng(seed)
        parents = _best_positions(state, weighing)
        acquisition = weighing.acquisition(rng)
        if state.held:
            held = acquisition = Held(acquisition, state)
            parents = held.reduced(parents)
        points = whole(state, by_promise(free, acquisition, self.n_candidates, parents, rng))
        for params in itertools.islice(points, _LOOKED_AT):
            if key_of(state.space, params) not in known and not vetoed(state, params):
                return params
        return fresh_points_or_end(state, free, known, seed)


def _as_before(planner: ModelledPlanner, state: CampaignState) -> list[Suggestion]:
    """The first experiment of a campaign that knows an earlier one: what did best there; nothing in all other cases."""
    if state.trials or not state.earlier:
        return []
    before = max(state.earlier, key=lambda one: len(one.trials))
    alone = state.model_copy(update={"trials": before.trials, "earlier": ()})
    best = planner.best(alone)
    if best is None or state.space.violations(best.params) or vetoed(state, best.params):
        return []
    expected = with_unit(measured(best.predicted.mean, best.predicted.sem), state.objective.unit)
    words = f"did best in {before.name}: {expected} by the model"
    return [Suggestion(params=best.params, rationale=words)]


def fresh_points_or_end(state: CampaignState, free: Space, known: set[tuple[object, ...]], seed: int) -> Params:
    """Any point left, if the promising ones are all taken.

    Raises:
        PlannerError: none is left.
    """
    points = whole(state, sobol_points(free, seed))
    for params in itertools.islice(points, _LOOKED_AT):
        if key_of(state.space, params) not in known and not vetoed(state, params):
            return params
    raise PlannerError("every point of the space is tried, pending or vetoed; end the campaign or widen the space")


def _best_positions(state: CampaignState, weighing: Weighing) -> np.ndarray:
    """The best points so far that are in the space, shape (k, d)."""
    import numpy as np

    order = sorted(weighing.outlook.done, key=lambda trial: -_merit(state, trial.outcomes))
    inside = [trial.params for trial in order if not state.space.violations(trial.params)][:_BEST]
    return np.array([state.space.to_unit(params) for params in inside]).reshape(-1, len(state.space.parameters))


def _merit(state: CampaignState, outcomes: dict[str, Outcome]) -> float:
    return state.objective.merit(outcomes[state.objective.name].mean)


def _explained(outlook: Outlook, weighing: Weighing, params: Params) -> Suggestion:
    (predicted,) = outlook.predict([params])
    objective = outlook.state.objective
    sd = predicted.sem or 0.0
    words = [f"expected {with_unit(measured(predicted.mean, sd), objective.unit)}"]
    places = outlook.counting or list(range(len(outlook.done)))
    best = max((outlook.done[place].outcomes[objective.name].mean for place in places), key=objective.merit)
    if objective.goal in ("max", "min") and sd > 0:
        side, sign = ("above", 1) if objective.goal == "max" else ("below", -1)
        chance = 0.5 * math.erfc(-sign * (predicted.mean - best) / sd / math.sqrt(2))
        record = with_unit(figure(best), objective.unit)
        words.append(f"probability {chance:.0%} that it comes out {side} the best so far, {record}")
    words += weighing.words(params)
    return Suggestion(params=params, rationale="; ".join(words) + held_words(outlook.state), predicted=predicted)
