"""What is known of a campaign: a model for every outcome, and one for whether syntheses succeed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labwright.model.campaign import CampaignState, Objective, Outcome, OutcomeLimit, Trial
from labwright.model.errors import PlannerError
from labwright.model.judging import counts
from labwright.model.space import Params
from labwright.planners._candidates import every_point
from labwright.planners._proposals import derive_seed
from labwright.planners.gp.features import expand, features, groups_of
from labwright.planners.gp.kernel import Data
from labwright.planners.gp.model import Model, fit
from labwright.planners.gp.scale import Scale, known_noise, refuse_too_large

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Goal", "Limit", "Outlook", "look"]

_FEW, _FEW_OF_LIST = 8, 4  # outcomes below which no tail is drawn in; a list has only to be ranked, not climbed


@dataclass(frozen=True)
class Goal:
    """An objective and what is known of it."""

    objective: Objective
    scale: Scale
    model: Model

    @property
    def bent(self) -> bool:
        """Whether a better outcome is neither simply more nor simply less."""
        return self.objective.goal in ("target", "range")

    def merit(self, seen: np.ndarray) -> np.ndarray:
        """Merit of values as the model sees them, any shape: themselves, or minus the distance from what is wanted."""
        import numpy as np

        if not self.bent:
            return seen
        one = self.objective
        ends = (one.target, one.target) if one.target is not None else (one.low, one.high)
        low, high = (float(self.scale.to_model(np.array([float(end or 0.0)]))[0]) for end in ends)
        return -np.maximum(np.maximum(low - seen, seen - high), 0.0)


@dataclass(frozen=True)
class Limit:
    """A limit on an outcome and what is known of it."""

    limit: OutcomeLimit
    scale: Scale
    model: Model

    def log_chance(self, x: np.ndarray) -> np.ndarray:
        """Logarithm of the probability that the limit is kept, shape (k, m) -> (k,)."""
        import numpy as np
        from scipy.special import log_ndtr, ndtr

        mean, sd = self.model.posterior(x)
        ends = [
            None if end is None else (float(self.scale.to_model(np.array([end]))[0]) - mean) / sd
            for end in (self.limit.low, self.limit.high)
        ]
        low, high = ends
        if low is None:
            assert high is not None  # noqa: S101 - a limit has an end
            return np.asarray(log_ndtr(high))
        if high is None:
            return np.asarray(log_ndtr(-low))
        return np.log(np.maximum(ndtr(high) - ndtr(low), 1e-300))


@dataclass(frozen=True)
class Outlook:
    """Everything a proposal is weighed by.

    Args:
        state: of the campaign.
        goals: one for each objective.
        limits: one for each outcome limit.
        success: predicts 1 for a synthesis that succeeds and -1 for one that fails; None while none has failed.
        done: the trials measured.
    """

    state: CampaignState
    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...]
    success: Model | None
    done: tuple[Trial, ...]

    def log_chance(self, x: np.ndarray) -> np.ndarray:
        """Logarithm of the probability that an experiment succeeds and keeps all limits, shape (k, m) -> (k,)."""
        import numpy as np
        from scipy.special import log_ndtr

        answer = np.zeros(len(x))
        if self.success is not None:
            mean, sd = self.success.posterior(x)
            answer += log_ndtr(mean / np.sqrt(sd**2 + self.success.noise))
        for limit in self.limits:
            answer += limit.log_chance(x)
        return answer

    @property
    def counting(self) -> list[int]:
        """Places in `done` of the trials that keep all outcome limits, at the fidelity that counts."""
        state = self.state
        return [place for place, trial in enumerate(self.done) if counts(trial, state.outcome_limits, state.fidelity)]

    def predict(self, points: Sequence[Params]) -> list[Outcome]:
        """Median and half width of the first objective's noise-free value, in its unit."""
        return self.predict_at(features(self.state.space, points)) if points else []

    def predict_at(self, x: np.ndarray) -> list[Outcome]:
        """The same at features, shape (k, m)."""
        goal = self.goals[0]
        mean, sd = goal.scale.outcomes(*goal.model.posterior(x))
        return [Outcome(mean=float(m), sem=float(s)) for m, s in zip(mean, sd, strict=True)]

    def expand(self, unit: np.ndarray) -> np.ndarray:
        """Positions in the unit cube to features, shape (k, d) -> (k, m)."""
        return expand(self.state.space, unit)

    def with_fantasies(self, x: np.ndarray, rng: np.random.Generator | None) -> Outlook:
        """Pretend that `x`, shape (k, m), is measured; see `Model.with_fantasies`. Limits are met as expected."""
        goals = tuple(replace(one, model=one.model.with_fantasies(x, rng)) for one in self.goals)
        limits = tuple(replace(one, model=one.model.with_fantasies(x)) for one in self.limits)
        return replace(self, goals=goals, limits=limits)


def look(state: CampaignState, *, limits: bool = True) -> Outlook:
    """Fit all models to the evidence of a campaign.

    Trials that failed as infeasible count with the worst value measured, and are what success is learnt from; equipment
    failures and stops say nothing.

    Args:
        state: of the campaign.
        limits: whether more than the objectives is needed.

    Raises:
        PlannerError: nothing was measured yet, or a reading is too large to compute with.
    """
    refuse_too_large(state)
    done = [trial for trial in state.trials if trial.status == "done"]
    failed = [trial for trial in state.trials if trial.fail_kind == "infeasible"]
    if not done:
        raise PlannerError("no trial is done, so there is nothing to predict from; run the first experiments")
    seed = derive_seed(state.seed, len(done) + len(failed), "gp")
    learner = _Learner(state, done, failed, seed)
    goals = tuple(
        Goal(one, *learner.learn(one.name, one.goal, (one.target, one.low, one.high, one.reference)))
        for one in state.objectives
    )
    bounds = tuple(
        Limit(one, *learner.learn(one.name, "range", (one.low, one.high)))
        for one in (state.outcome_limits if limits else ())
    )
    return Outlook(state, goals, bounds, learner.success() if limits else None, tuple(done))


class _Learner:
    """Fits one model after the other to the same points."""

    def __init__(self, state: CampaignState, done: list[Trial], failed: list[Trial], seed: int) -> None:
        self._state = state
        self._done = done
        self._failed = failed
        self._seed = seed
        self._groups = groups_of(state.space)
        self._earlier = [
            kept for one in state.earlier if len(kept := [t for t in one.trials if t.status == "done"]) > 1
        ]
        self._x = features(state.space, [trial.made for trial in [*done, *failed]])
        # A front's area is counted in the outcomes' own units, so of several objectives no tail is drawn in.
        self._far = every_point(state.space) is None
        self._least = math.inf if state.more_objectives else _FEW if self._far else _FEW_OF_LIST

    def learn(self, name: str, goal: str, beside: Sequence[float | None]) -> tuple[Scale, Model]:
        """The scale and the model of one outcome; `beside`: values of it that are asked for, as far as they are."""
        import numpy as np

        outcomes = [trial.outcomes[name] for trial in self._done]
        values = np.array([outcome.mean for outcome in outcomes])
        asked = [one for one in beside if one is not None]
        asked = asked or [value + (one.sem or 0.0) for value, one in zip(values, outcomes, strict=True)]
        scale = Scale.of(values, goal, least=self._least, beside=asked)  # type: ignore[arg-type]  # "range": a limit
        z = scale.to_model(values)
        if self._failed and goal in ("max", "min"):
            x, z = self._x, np.append(z, np.full(len(self._failed), z.min()))
        else:
            x = self._x[: len(self._done)]
        known = np.zeros(len(z))
        known[: len(values)] = known_noise(outcomes, scale.size) * (scale.slope(values) * scale.size) ** 2
        parts, targets, knowns, tasks = [x], [z], [known], [np.zeros(len(z), dtype=int)]
        for number, trials in enumerate(self._earlier, start=1):
            before = np.array([trial.outcomes[name].mean for trial in trials])
            own = Scale.of(before, goal, least=1 if scale.bend else math.inf, beside=asked)  # type: ignore[arg-type]
            parts.append(features(self._state.space, [trial.made for trial in trials]))
            targets.append(own.to_model(before))
            noise = known_noise([trial.outcomes[name] for trial in trials], own.size)
            knowns.append(noise * (own.slope(before) * own.size) ** 2)
            tasks.append(np.full(len(trials), number))
        data = Data(np.vstack(parts), self._groups, *map(np.concatenate, (targets, knowns, tasks)))
        return scale, fit(data, len(values), self._seed, far=self._far)

    def success(self) -> Model | None:
        """What predicts whether a synthesis succeeds; None while none has failed."""
        import numpy as np

        if not self._failed:
            return None
        z = np.append(np.ones(len(self._done)), -np.ones(len(self._failed)))
        rows = len(z)
        data = Data(self._x, self._groups, z, np.zeros(rows), np.zeros(rows, dtype=int))
        return fit(data, rows, self._seed, far=self._far)
