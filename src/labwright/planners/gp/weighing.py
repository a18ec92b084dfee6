"""How a proposal is weighed: by a confidence bound, by expected improvement, or by expected gain of the front."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from labwright.model.campaign import CampaignState
from labwright.model.figures import figure, with_unit
from labwright.model.space import Categorical, Params
from labwright.planners._candidates import every_point
from labwright.planners.gp.acquisition import (
    expected_merit_gain,
    expected_volume_gain,
    front,
    log_expected_improvement,
    log_expected_improvement_slope,
    normal_pairs,
)
from labwright.planners.gp.features import features
from labwright.planners.gp.outlook import Goal, Outlook

if TYPE_CHECKING:
    import numpy as np

    from labwright.planners.gp.search import Acquisition

__all__ = ["Weighing", "weigh"]

Kind = Literal["ucb", "log_ei", "front"]
_ON_A_LIST, _ELSEWHERE = 0.7, 2.0  # standard deviations of a bound; a list is soon known, a space never
_SCATTERED = 0.05  # standard deviation of a reading, of that of all outcomes, from which readings count as scattered
_NO_COST = 1e-12  # of the dearest experiment: what a free one costs, so that its logarithm is a number


@dataclass(frozen=True)
class Weighing:
    """An acquisition, with everything pending allowed for.

    Args:
        outlook: as it was measured.
        kind: which acquisition.
        beta: standard deviations added to the mean, for "ucb".
        pending: what is pretended to be known as well; the models proposals are weighed by.
    """

    outlook: Outlook
    kind: Kind
    beta: float
    pending: Outlook

    def allowing_for(self, x: np.ndarray, rng: np.random.Generator) -> Weighing:
        """The same when `x`, shape (k, m), is under way already; `rng` is of what may be read there."""
        # Improvement is over what pending ones may come to, and off a list a bound goes where they may say to; on one
        # it needs only to know where they are.
        drawn = self.kind == "log_ei" or (self.kind == "ucb" and every_point(self.outlook.state.space) is None)
        return replace(self, pending=self.pending.with_fantasies(x, rng if drawn else None))

    def acquisition(self, rng: np.random.Generator) -> Acquisition:
        """What is to be made large."""
        if self.kind == "ucb":
            return _Bound(self)
        if self.kind == "front":
            return _Front(self, rng)
        return _Improvement(self)

    def words(self, params: Params) -> list[str]:
        """What else counted, in words."""
        told = []
        x = features(self.outlook.state.space, [params])
        if self.outlook.success is not None or self.outlook.limits:
            chance = math.exp(float(self.outlook.log_chance(x)[0]))
            told.append(f"probability of feasibility {chance:.0%}")
        if self.outlook.state.cost is not None:
            cost = self.outlook.state.cost
            told.append(f"costs {with_unit(figure(cost.of(params)), cost.unit)}")
        how = {
            "ucb": f"chosen for mean + {self.beta:g} standard deviations",
            "log_ei": "chosen for its expected improvement",
            "front": "chosen for its expected gain of the Pareto front",
        }
        return [*told, how[self.kind]]


def weigh(outlook: Outlook, acquisition: Literal["auto", "ucb", "log_ei"], beta: float | None) -> Weighing:
    """The way to weigh proposals that fits a campaign.

    Off a list, where readings scatter, expected improvement sees small gains around a lucky one and stays there too
    long. A wide bound does not, but without scatter it gains more slowly.

    Args:
        outlook: what is known of the campaign.
        acquisition: which; "auto" to choose.
        beta: see `Weighing`; None for what suits.
    """
    state, kind = outlook.state, acquisition
    listed = every_point(state.space) is not None
    width = beta if beta is not None else _ON_A_LIST if listed else _ELSEWHERE
    if len(outlook.goals) > 1:
        return Weighing(outlook, "front", width, outlook)
    weighty = outlook.success is not None or outlook.limits or state.cost is not None or state.fidelity is not None
    if weighty or outlook.goals[0].bent:
        kind = "log_ei"  # a bound knows no probabilities to be weighed with
    if kind == "auto":
        kind = "ucb" if listed or outlook.goals[0].model.scatter > _SCATTERED else "log_ei"
    return Weighing(outlook, kind, width, outlook)


class _Bound:
    """Mean plus beta standard deviations, averaged over the hyperparameters (Srinivas et al., ICML 2010)."""

    def __init__(self, weighing: Weighing) -> None:
        self._outlook = weighing.pending
        self._beta = weighing.beta
        self._model = weighing.pending.goals[0].model

    def __call__(self, unit: np.ndarray) -> np.ndarray:
        import numpy as np

        x = self._outlook.expand(unit)
        total = np.zeros(len(unit))
        for member, weight in zip(self._model.members, self._model.weights, strict=True):
            mean, sd = member(x)
            total += weight * (mean + self._beta * sd)
        return total

    @property
    def slope(self) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        """See `Acquisition`."""
        import numpy as np

        def at(position: np.ndarray) -> tuple[float, np.ndarray]:
            parts = [member.with_slopes(position) for member in self._model.members]
            scores = np.array([mean + self._beta * sd for mean, sd, _, _ in parts])
            rises = np.array([rise + self._beta * wider for _, _, rise, wider in parts])
            weights = self._model.weights
            return float(weights @ scores), weights @ rises

        return at


class _Improvement:
    """Logarithm of expected improvement, chance to succeed and cost together, averaged over the hyperparameters."""

    def __init__(self, weighing: Weighing) -> None:
        self._outlook = weighing.pending
        self._weighing = weighing
        self._goal = weighing.pending.goals[0]
        self._best = [_incumbent(weighing, place) for place in range(len(self._goal.model.members))]
        self._dearest = _dearest(self._outlook.state)

    @property
    def slope(self) -> Callable[[np.ndarray], tuple[float, np.ndarray]] | None:
        """See `Acquisition`; of the plain improvement only."""
        import numpy as np

        outlook = self._outlook
        state = outlook.state
        if self._goal.bent or outlook.limits or outlook.success or state.cost or state.fidelity:
            return None
        model = self._goal.model

        def at(position: np.ndarray) -> tuple[float, np.ndarray]:
            parts = [
                log_expected_improvement_slope(*member.with_slopes(position), float(best or 0.0))
                for member, best in zip(model.members, self._best, strict=True)
            ]
            gains = np.array([gain for gain, _ in parts]) + np.log(model.weights)
            whole = float(np.logaddexp.reduce(gains))
            return whole, np.exp(gains - whole) @ np.array([slope for _, slope in parts])

        return at

    def __call__(self, unit: np.ndarray) -> np.ndarray:
        import numpy as np

        x = self._outlook.expand(unit)
        answer = self._outlook.log_chance(x)
        counted = _at_target(self._outlook, unit)
        if self._best[0] is not None:
            gains = [
                _gain(self._goal, member(counted), best)
                for member, best in zip(self._goal.model.members, self._best, strict=True)
            ]
            answer += np.logaddexp.reduce(np.array(gains) + np.log(self._goal.model.weights)[:, None], axis=0)
        state = self._outlook.state
        if state.fidelity is not None:
            answer += _log_kinship(self._goal, x, counted)
        if state.cost is not None:
            points = [state.space.from_unit([float(u) for u in row]) for row in unit]
            answer -= np.log(np.maximum([state.cost.of(params) for params in points], _NO_COST * self._dearest))
        return np.asarray(answer)


class _Front:
    """Logarithm of the expected gain of the front's area, and of the chance to succeed."""

    slope = None

    def __init__(self, weighing: Weighing, rng: np.random.Generator) -> None:
        import numpy as np

        self._outlook = weighing.pending
        self._draws = normal_pairs(rng)
        measured = weighing.outlook
        x = features(measured.state.space, [trial.made for trial in measured.done])
        values = np.column_stack([goal.merit(goal.model.posterior(x)[0]) for goal in measured.goals])
        counting = measured.counting
        self._known = front(values[counting]) if counting else values[:0]
        self._reference = np.array([_reference(goal, values[:, place]) for place, goal in enumerate(measured.goals)])

    def __call__(self, unit: np.ndarray) -> np.ndarray:
        import numpy as np

        x = self._outlook.expand(unit)
        means, sds = (
            np.column_stack(part)
            for part in zip(*(goal.model.posterior(x) for goal in self._outlook.goals), strict=True)
        )
        return expected_volume_gain(means, sds, self._known, self._reference, self._draws) + self._outlook.log_chance(x)


def _dearest(state: CampaignState) -> float:
    """What no experiment of the space costs more than, in the cost's unit; 1 where all are free."""
    if state.cost is None:
        return 1.0
    whole = state.cost.base
    for one in state.space.parameters:
        if isinstance(one, Categorical):
            whole += max(state.cost.levels.get(one.name, {}).get(level, 0.0) for level in one.levels)
        else:
            factor = state.cost.per.get(one.name, 0.0)
            whole += max(factor * one.low, factor * one.high)
    return whole or 1.0


def _incumbent(weighing: Weighing, place: int) -> float | None:
    """The best merit by a member's mean among what counts and what is pending; None if nothing keeps the limits yet."""
    import numpy as np

    outlook = weighing.outlook
    counting = outlook.counting
    if outlook.state.fidelity is not None and not counting:
        counting = list(range(len(outlook.done)))
    if not counting:
        return None
    goal = weighing.pending.goals[0]
    member = goal.model.members[place]
    # A cheap experiment that is pending never counts as the best, however well it may come out.
    fantasies = goal.model.fantasies if outlook.state.fidelity is None else 0
    pending = member.data.x[len(member.data.x) - fantasies :]
    likely = pending[outlook.log_chance(pending) > math.log(0.5)] if len(pending) else pending
    return float(goal.merit(member(np.vstack([member.data.x[counting], likely]))[0]).max())


def _gain(goal: Goal, posterior: tuple[np.ndarray, np.ndarray], best: float | None) -> np.ndarray:
    assert best is not None  # noqa: S101 - who calls has looked
    if goal.bent:
        return expected_merit_gain(*posterior, best, goal.merit)
    return log_expected_improvement(*posterior, best)


def _at_target(outlook: Outlook, unit: np.ndarray) -> np.ndarray:
    """Features of the same points at the fidelity that counts."""
    import numpy as np

    state = outlook.state
    if state.fidelity is None:
        return outlook.expand(unit)
    place = state.space.names.index(state.fidelity.parameter)
    moved = np.array(unit)
    moved[:, place] = state.space.parameters[place].to_unit(state.fidelity.target)
    return outlook.expand(moved)


def _log_kinship(goal: Goal, x: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """How much a cheap experiment says about the dear one: log of their squared correlation (Huang et al. 2006)."""
    import numpy as np

    squared = np.zeros(len(x))
    for member, weight in zip(goal.model.members, goal.model.weights, strict=True):
        together = member.between(x, counted) / (member(x)[1] * member(counted)[1])
        squared += weight * np.clip(together, 0.0, 1.0) ** 2
    return np.log(np.maximum(squared, 1e-6))


def _reference(goal: Goal, values: np.ndarray) -> float:
    """From where the front's gain is counted: what was said to be of no interest, else the worst seen."""
    import numpy as np

    given = goal.objective.reference
    if given is None:
        return float(values.min())
    return float(goal.merit(goal.scale.to_model(np.array([given])))[0])
