"""What the planners on other libraries share: the start, what they learn from, and which points are still free."""

from __future__ import annotations

import math
import random
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from labwright.model.campaign import CampaignState, Objective, Outcome, OutcomeLimit, Suggestion, Trial
from labwright.model.errors import PlannerError
from labwright.model.figures import measured, with_unit
from labwright.model.space import Choose, Forbidden, Params, Real, Space
from labwright.planners._candidates import every_point, linear_system, neighbours, params_at
from labwright.planners._finite import params_of, spread
from labwright.planners._proposals import derive_seed, fresh_points, key_of, sobol_points, taken, vetoed
from labwright.planners.gp.modelled import ModelledPlanner
from labwright.planners.gp.scale import refuse_too_large, spread_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BackendPlanner", "Free", "Lesson", "lesson_of", "of_one_size", "seeded", "smooth"]

_REACHES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # of each range: how far around a taken point a free one is looked for
_PREDICTED = 500  # experiments; beyond, Labwright's own model would cost more than the library's proposal
_AROUND = 64  # points at each of these


class BackendPlanner(ModelledPlanner, ABC):
    """A planner whose proposals another library makes, and whose predictions are Labwright's own, as of all planners.

    Args:
        n_start: size of the initial design, Sobol points, failed experiments counted.
    """

    n_start: int = Field(default=6, ge=2, le=1000)

    @property
    @abstractmethod
    def name(self) -> str:
        """The name `load_planner` knows it by."""

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        """Propose `n` points, each allowing for the ones before it and for all pending trials; see `Planner.ask`."""
        asked = len(taken(state))
        done = len({key_of(state.space, trial.params) for trial in state.trials if trial.status == "done"})
        # As the default planner: two values make a scale, and with failures only, the initial design goes on.
        scanning = n if done < 2 else max(0, min(n, self.n_start - asked))
        sequence = sobol_points(state.space, derive_seed(state.seed, 0, self.name), asked)
        start = fresh_points(state, sequence, scanning) if scanning else []
        suggestions = [
            Suggestion(params=params, rationale=f"initial design, Sobol point {asked + place}")
            for place, params in enumerate(start, start=1)
        ]
        if len(suggestions) == n:
            return suggestions
        free = Free(state)
        for params in start:
            free.take(params)
        pending = [trial.params for trial in state.trials if trial.pending]
        led = self._lead(of_one_size(state, exactly=self._exactly), free, [*pending, *start], n - len(start))
        known = sum(trial.status == "done" for trial in state.trials)
        predicted = self.predict(state, led) if known <= _PREDICTED else [None] * len(led)
        for params, outcome in zip(led, predicted, strict=True):
            told = ""
            if outcome is not None:
                expected = with_unit(measured(outcome.mean, outcome.sem), state.objective.unit)
                told = f"; expected {expected} by Labwright's own model"
            rationale = f"chosen by {self._author(state)}{told}"
            suggestions.append(Suggestion(params=params, rationale=rationale, predicted=outcome))
        return suggestions

    @abstractmethod
    def _lead(self, state: CampaignState, free: Free, waiting: list[Params], n: int) -> list[Params]:
        """The next `n` points, each of them taken from `free`; `waiting` are those whose outcome is to come.

        `state` has outcomes of one size, see `of_one_size`.
        """

    @property
    def _exactly(self) -> bool:
        """Whether the library has margins in the outcome's unit, so that outcomes must have a spread of just 1."""
        return False

    @abstractmethod
    def _author(self, state: CampaignState) -> str:
        """Who proposes, in words."""


class Free:
    """Which points may still be proposed: neither tried, pending nor vetoed.

    Args:
        state: the campaign so far.
    """

    def __init__(self, state: CampaignState) -> None:
        self._state = state
        self._known = set(taken(state))

    def __call__(self, params: Params) -> bool:
        """Whether a point may be proposed."""
        return key_of(self._state.space, params) not in self._known and not vetoed(self._state, params)

    def take(self, params: Params) -> None:
        """Propose a point, and not a second time."""
        self._known.add(key_of(self._state.space, params))

    def listed(self) -> tuple[np.ndarray, list[Params]] | None:
        """All free points of a pool or a small finite space, shape (m, d) in the unit cube; None for any other.

        Raises:
            PlannerError: none is left.
        """
        import numpy as np

        space = self._state.space
        rows = every_point(space)
        if rows is None:
            return None
        found = [params_of(space, row, place) for place, row in enumerate(rows)]
        places = [place for place, params in enumerate(found) if self(params)]
        if not places:
            raise self.exhausted()
        return rows[np.array(places)], [found[place] for place in places]

    def first(self, unit: np.ndarray, order: Sequence[int]) -> Params | None:
        """The first free allowed point at, or near, positions of shape (m, d), in the order given."""
        for index in order:
            params = params_at(self._state.space, unit[index])
            if params is not None and self(params):
                return params
        return None

    def near(self, row: np.ndarray, seed: int) -> Params:
        """The free allowed point nearest to a position of shape (d,), as far as one is found.

        Raises:
            PlannerError: none is left.
        """
        import numpy as np

        space = self._state.space
        if (rest := self.listed()) is not None:
            return rest[1][int(np.argmin(_away(space, rest[0], row)))]
        params = params_at(space, row)
        if params is None:
            params = next(sobol_points(space, seed))
        rng = np.random.default_rng(seed)
        here = np.array([space.to_unit(params)])
        for reach in _REACHES:
            if self(params):
                return params
            around = neighbours(space, here, _AROUND, reach, rng)
            found = self.first(around, np.argsort(_away(space, around, row), kind="stable").tolist())
            params = params if found is None else found
        if self(params):
            return params
        raise self.exhausted()

    def exhausted(self) -> PlannerError:
        """That too few are left."""
        besides = ", or take back a veto" if self._state.vetoes else ""
        return PlannerError(
            "too few points are left that were not tried and are neither pending nor vetoed; the space is exhausted: "
            f"end the campaign or widen the space{besides}"
        )


@dataclass(frozen=True)
class Lesson:
    """What is to be learnt from.

    Args:
        points: what was made.
        outcomes: of each, shape (n, k): the objectives', then the limits'.
        done: how many of the first rows were measured; the rest failed because of their parameters, and stand there
            with the worst that was measured.
    """

    points: list[Params]
    outcomes: np.ndarray
    done: int

    def merits(self, objectives: Sequence[Objective]) -> np.ndarray:
        """The same as merits, shape (n, objectives): larger is better."""
        import numpy as np

        return np.array(
            [[one.merit(float(row[place])) for place, one in enumerate(objectives)] for row in self.outcomes]
        )


def lesson_of(state: CampaignState) -> Lesson:
    """All evidence of a campaign; failures of equipment, stops and abandoned trials are no evidence.

    Raises:
        PlannerError: nothing was measured yet.
    """
    import numpy as np

    done = [trial for trial in state.trials if trial.status == "done"]
    failed = [trial for trial in state.trials if trial.fail_kind == "infeasible"]
    if not done:
        raise PlannerError("no trial is done, so there is nothing to learn from; run the first experiments")
    rules: list[tuple[str, Callable[[float], float]]] = [(one.name, one.merit) for one in state.objectives]
    rules += [(one.name, _slack(one)) for one in state.outcome_limits]
    columns = []
    for name, good in rules:
        values = [trial.outcomes[name].mean for trial in done]
        columns.append(values + [min(values, key=good)] * len(failed))
    return Lesson([trial.made for trial in done + failed], np.array(columns, dtype=float).T, len(done))


def of_one_size(state: CampaignState, *, exactly: bool) -> CampaignState:
    """The same campaign with each outcome in a unit in which its spread is about 1: limits and targets with it.

    Libraries standardise outcomes, but take a spread below some 1e-8 for none; so a unit would decide what is proposed.

    Args:
        state: the campaign.
        exactly: a spread of 1; else of 0.5 to 1, in a unit that is a power of two, by which nothing is rounded.

    Raises:
        PlannerError: a reading is too large to compute with.
    """
    import numpy as np

    refuse_too_large(state)
    done = [trial for trial in state.trials if trial.status == "done"]
    asked: dict[str, list[float | None]] = {
        one.name: [one.target, one.low, one.high, one.reference] for one in state.objectives
    }
    for one in state.outcome_limits:
        asked.setdefault(one.name, []).extend([one.low, one.high])
    units: dict[str, float] = {}
    for name, values in asked.items():
        measured = np.array([trial.outcomes[name].mean for trial in done])
        spread = spread_of(measured, [value for value in values if value is not None])
        units[name] = spread if exactly else math.ldexp(1.0, math.frexp(spread)[1])

    def of(unit: float, *values: float | None) -> list[float | None]:
        return [None if value is None else value / unit for value in values]

    def objective(one: Objective) -> Objective:
        ends = of(units[one.name], one.target, one.low, one.high, one.reference)
        return one.model_copy(update=dict(zip(("target", "low", "high", "reference"), ends, strict=True)))

    def limit(one: OutcomeLimit) -> OutcomeLimit:
        return one.model_copy(update=dict(zip(("low", "high"), of(units[one.name], one.low, one.high), strict=True)))

    def outcome(name: str, found: Outcome) -> Outcome:
        unit = units.get(name, 1.0)
        sem = None if found.sem is None else found.sem / unit
        return Outcome.model_construct(mean=found.mean / unit, sem=sem)

    def trial(one: Trial) -> Trial:
        return one.model_copy(update={"outcomes": {name: outcome(name, found) for name, found in one.outcomes.items()}})

    return state.model_copy(
        update={
            "objective": objective(state.objective),
            "more_objectives": tuple(map(objective, state.more_objectives)),
            "outcome_limits": tuple(map(limit, state.outcome_limits)),
            "trials": tuple(map(trial, state.trials)),
        }
    )


@contextmanager
def seeded(seed: int) -> Iterator[int]:
    """Inside, a library that draws from Python's, numpy's or torch's common chance draws the same each time.

    Afterwards all is as it was. Warnings are dropped: libraries warn of repeated points and of bounds they reach.
    """
    import numpy as np

    short = seed % 2**31  # as all libraries take it
    python, common = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    chance = None if torch is None else torch.get_rng_state()
    threads = None if torch is None else torch.get_num_threads()
    try:
        random.seed(short)
        np.random.seed(short)
        if torch is not None:
            torch.manual_seed(short)
            torch.set_num_threads(1)  # sums in another order differ in the last digit, and then the search does
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield short
    finally:
        random.setstate(python)
        np.random.set_state(common)
        if torch is not None:
            torch.set_rng_state(chance)
            torch.set_num_threads(threads)


def smooth(space: Space) -> bool:
    """Whether gradients alone can lead: all is continuous, and all constraints are linear in the unit cube."""
    if space.pool is not None or every_point(space) is not None:
        return False
    if not all(isinstance(one, Real) and one.step is None for one in space.parameters):
        return False
    if any(isinstance(one, Choose | Forbidden) for one in space.constraints):
        return False
    _, b_ub, _, b_eq = linear_system(space)
    return len(b_ub) + len(b_eq) == len(space.constraints)


def _slack(limit: OutcomeLimit) -> Callable[[float], float]:
    """How far inside a limit a value is; negative outside."""
    low = -math.inf if limit.low is None else limit.low
    high = math.inf if limit.high is None else limit.high
    return lambda value: min(value - low, high - value)


def _away(space: Space, rows: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Squared distances of rows from a position, shape (m, d), (d,) -> (m,)."""
    away: np.ndarray = ((spread(space, rows) - spread(space, row[None, :])) ** 2).sum(axis=1)
    return away
