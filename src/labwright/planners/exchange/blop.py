"""To and from blop, Bluesky's library of optimisers: a planner as its `Optimizer`, and its optimisers as planners.

blop's protocols are structural, so nothing of it is imported here; signatures as in blop 1.2, `blop.protocols`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from pydantic import ConfigDict, ValidationError

from labwright.model.campaign import CampaignState, FailKind, Outcome, Source, Suggestion, Trial
from labwright.model.cells import level_of, number_of
from labwright.model.errors import ConfigError
from labwright.model.names import refuse_collisions
from labwright.model.space import Categorical, Integer, Parameter, Params, ParamValue
from labwright.model.words import what_is_wrong
from labwright.planners._proposals import derive_seed, fresh_points, sobol_points
from labwright.planners.backends._shared import Free, lesson_of, seeded
from labwright.planners.gp.modelled import ModelledPlanner
from labwright.planners.protocol import Capability, Planner

__all__ = ["BlopOptimizer", "BlopPlanner", "LabwrightOptimizer", "from_blop", "to_blop"]

ID = "_id"


class BlopOptimizer(Protocol):
    """What blop asks of an optimiser: `blop.protocols.Optimizer`."""

    def suggest(self, num_points: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Points to be tried next, each with an ``"_id"``."""

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Learn outcomes, of suggested points by their ``"_id"``, of others with their parameters."""

    def get_best_points(self) -> Sequence[tuple[Any, Mapping[str, Any], Mapping[str, Any]]]:
        """Id, parameters and outcomes of the best points."""


MakeOptimizer = Callable[[CampaignState, int], BlopOptimizer]
"""From a campaign, of whose trials it may know, and a seed, to an optimiser without any data yet."""


def to_blop(
    planner: Planner,
    state: CampaignState,
    *,
    checkpoint: Path | None = None,
    fail_kind: FailKind = "equipment",
    stops: bool = False,
) -> LabwrightOptimizer:
    """A planner as an optimiser for blop's plans.

    Args:
        planner: who proposes.
        state: the campaign to start or to resume. Parameters are called as blop's actuators, outcomes as what its
            evaluation function returns.
        checkpoint: file for the campaign's state, in JSON; `CampaignState.model_validate_json` reads it.
        fail_kind: what a failed plan means: from "equipment" nothing is learnt about the parameters, "infeasible"
            avoids them.
        stops: whether the planner's advice ends blop's loop.

    Returns:
        an object that satisfies `blop.protocols.Optimizer`, `CanRegisterSuggestions`, `TrialFaultAware`,
        `SupportsStoppingCriteria` and `Checkpointable`.
    """
    return LabwrightOptimizer(planner, state, checkpoint, fail_kind, stops)


class LabwrightOptimizer:
    """A planner with a campaign that grows; see `to_blop`."""

    def __init__(
        self, planner: Planner, state: CampaignState, checkpoint: Path | None, fail_kind: FailKind, stops: bool
    ) -> None:
        refuse_collisions(state)
        self._planner = planner
        self._state = state
        self._checkpoint = checkpoint
        self._fail_kind = fail_kind
        self._stops = stops

    @property
    def state(self) -> CampaignState:
        """The campaign as it stands."""
        return self._state

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Points to be tried next.

        Args:
            num_points: how many; one if it is None.

        Returns:
            parameters by name, with an ``"_id"``.

        Raises:
            PlannerError: the space holds no further point.
        """
        suggestions = self._planner.ask(self._state, 1 if num_points is None else num_points)
        return [self._propose(one.params, "planner", one.rationale) for one in suggestions]

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Learn outcomes.

        Args:
            points: each with all outcomes, as a number or as ``(mean, standard error)``. With a known ``"_id"``
                parameters are what was really made, where they are given; without one all of them must be given.

        Raises:
            ConfigError: an outcome or a parameter is missing or no finite number. Nothing is learnt then.
        """
        state = self._state
        for point in points:
            state = self._with_outcomes(state, point)
        self._state = state

    def get_best_points(self) -> list[tuple[str, Params, dict[str, float]]]:
        """Id, parameters and measured outcomes: of one objective the recommended trial, of several those none beats."""
        done = {trial.id: trial for trial in self._state.trials if trial.status == "done"}
        if len(self._state.objectives) == 1:
            best = self._planner.best(self._state)
            chosen = [] if best is None else [done[best.trial_id]]
        else:
            chosen = _unbeaten(self._state, list(done.values()))
        return [
            (trial.id, trial.made, {name: outcome.mean for name, outcome in trial.outcomes.items()}) for trial in chosen
        ]

    def register_suggestions(self, suggestions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Take in points that were chosen elsewhere, and give each an ``"_id"``.

        Raises:
            ConfigError: a parameter is missing, or no value of its kind.
        """
        taken = [_params(self._state, one) for one in suggestions]
        return [self._propose(params, "human", "registered") for params in taken]

    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None:
        """Record that trials failed, by their ``"_id"``.

        Raises:
            ConfigError: an id that was never given out.
        """
        for one in suggestions:
            place = self._place(self._state, one.get(ID))
            if place is None:
                raise ConfigError(f"no trial has the id {one.get(ID)!r}; report a failure by the id of a suggestion")
            trial = self._state.trials[place]
            failed = Trial.model_validate(
                {**trial.model_dump(), "status": "failed", "fail_kind": self._fail_kind, "outcomes": {}}
            )
            self._state = _replaced(self._state, place, failed)

    def should_stop(self) -> tuple[bool, str | None]:
        """Whether the planner would stop, and why; never unless it was made with ``stops``."""
        advice = self._planner.advise_stop(self._state) if self._stops else None
        return (False, None) if advice is None else (advice.stop, advice.reason)

    def checkpoint(self) -> None:
        """Write the campaign's state to its file, whole or not at all.

        Raises:
            ConfigError: it was made without a file.
        """
        if self._checkpoint is None:
            raise ConfigError("no file to write to; give to_blop a checkpoint=")
        new = self._checkpoint.with_name(f"{self._checkpoint.name}.new")
        new.write_text(self._state.model_dump_json(), encoding="utf-8")
        os.replace(new, self._checkpoint)

    def _propose(self, params: Params, source: Source, rationale: str) -> dict[str, Any]:
        known = {trial.id for trial in self._state.trials}
        name = next(one for one in map(str, count(len(known))) if one not in known)
        trial = Trial(id=name, params=params, status="proposed", source=source, rationale=rationale)
        self._state = self._state.model_copy(update={"trials": (*self._state.trials, trial)})
        return {ID: name, **params}

    def _with_outcomes(self, state: CampaignState, point: Mapping[str, Any]) -> CampaignState:
        outcomes: dict[str, Outcome] = {}
        for wanted in _wanted(state):
            if wanted not in point:
                raise ConfigError(f"outcome {wanted!r} is missing from {dict(point)}; use register_failures for none")
            outcomes[wanted] = _outcome(wanted, point[wanted])
        place = self._place(state, point.get(ID))
        if place is None:
            known = {trial.id for trial in state.trials}
            names = (str(point[ID]) if ID in point and not number else f"import {number}" for number in count())
            name = next(one for one in names if one not in known)
            trial = Trial(id=name, params=_params(state, point), status="done", outcomes=outcomes, source="import")
            return state.model_copy(update={"trials": (*state.trials, trial)})
        trial = state.trials[place]
        given = {one.name: _value(one, point[one.name]) for one in state.space.parameters if one.name in point}
        for one in state.space.parameters:
            if isinstance(one, Categorical) and given.get(one.name, trial.params[one.name]) != trial.params[one.name]:
                raise ConfigError(
                    f"trial {trial.id}: {one.name} was suggested as {trial.params[one.name]!r}, not "
                    f"{given[one.name]!r}; report it without an {ID!r}"
                )
        made = {
            name: float(value)
            for name, value in given.items()
            if not isinstance(value, str) and value != trial.made[name]
        }
        done: dict[str, Any] = {"status": "done", "fail_kind": None, "outcomes": outcomes}
        if made:
            done["measured_params"] = {**(trial.measured_params or {}), **made}
        return _replaced(state, place, Trial.model_validate({**trial.model_dump(), **done}))

    @staticmethod
    def _place(state: CampaignState, name: Any) -> int | None:
        return next((place for place, trial in enumerate(state.trials) if trial.id == name), None)


class BlopPlanner(ModelledPlanner):
    """An optimiser of blop's as a planner; see `from_blop`.

    Args:
        make: makes the optimiser, from the campaign and a seed.
        label: the planner's name.
        able: what the optimiser takes account of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    make: MakeOptimizer
    label: str = "blop"
    able: frozenset[Capability] = frozenset()

    @property
    def name(self) -> str:
        """As it was given; `load_planner` does not know it."""
        return self.label

    @property
    def capabilities(self) -> frozenset[Capability]:
        """As they were given."""
        return self.able

    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        """Propose `n` points of a new optimiser that was given the whole campaign; see `Planner.ask`.

        What it gives too few of is filled up from a Sobol sequence; what is not allowed or was tried already is moved
        to the nearest point that is free.
        """
        free, space = Free(state), state.space
        with seeded(derive_seed(state.seed, len(state.trials), self.name)) as seed:
            optimizer = self.make(state, seed)
            self._tell(optimizer, state)
            given = [_params(state, one) for one in optimizer.suggest(n)][:n]
        suggestions = []
        for number, wanted in enumerate(given):
            params = wanted
            if space.violations(wanted) or not free(wanted):
                import numpy as np

                params = free.near(np.array(space.to_unit(wanted)), seed + number)
            free.take(params)
            moved = "" if params == wanted else ", moved to the nearest point that is free"
            suggestions.append(Suggestion(params=params, rationale=f"chosen by {self.name}{moved}"))
        if len(suggestions) < n:
            taken = tuple(
                Trial(id=f"\0{place}", params=one.params, status="proposed") for place, one in enumerate(suggestions)
            )
            more = state.model_copy(update={"trials": (*state.trials, *taken)})
            points = sobol_points(space, derive_seed(state.seed, 0, self.name), len(state.trials))
            for params in fresh_points(more, points, n - len(suggestions)):
                words = f"{self.name} gave {len(given)} of {n}; a Sobol point instead"
                suggestions.append(Suggestion(params=params, rationale=words))
        return suggestions

    def _tell(self, optimizer: BlopOptimizer, state: CampaignState) -> None:
        """All evidence; what is pending is registered where possible, else reported as good as the best so far."""
        pending = [trial.params for trial in state.trials if trial.pending]
        points: list[dict[str, Any]] = []
        names = _wanted(state)
        if any(trial.status == "done" for trial in state.trials):
            lesson = lesson_of(state)
            rows = [dict(zip(names, map(float, row), strict=True)) for row in lesson.outcomes]
            points = [{**params, **row} for params, row in zip(lesson.points, rows, strict=True)]
            best = max(range(lesson.done), key=lambda place: float(lesson.merits(state.objectives)[place, 0]))
            if pending and not hasattr(optimizer, "register_suggestions"):
                points += [{**params, **rows[best]} for params in pending]
        if points:
            optimizer.ingest(points)
        if pending and hasattr(optimizer, "register_suggestions"):
            optimizer.register_suggestions([dict(params) for params in pending])


def from_blop(
    make: MakeOptimizer, *, name: str = "blop", capabilities: frozenset[Capability] = frozenset()
) -> BlopPlanner:
    """An optimiser of blop's as a planner for Labwright's campaigns.

    It is made again at each ask and given all trials, so the answer depends on the state alone, if the optimiser draws
    all its chance from the seed, or from Python's, numpy's or torch's common one.

    Args:
        make: from the campaign's state, whose space and objectives say how to set it up, and a seed to an optimiser
            without any data yet. Points come as parameters by name and outcomes by name, in their own units.
        name: the planner's.
        capabilities: what the optimiser takes account of beyond one objective.
    """
    return BlopPlanner(make=make, label=name, able=capabilities)


def _wanted(state: CampaignState) -> list[str]:
    """Names of the outcomes, the objectives' first."""
    return [*(one.name for one in state.objectives), *(one.name for one in state.outcome_limits)]


def _outcome(name: str, given: Any) -> Outcome:
    mean, sem = given if isinstance(given, tuple | list) else (given, None)
    try:
        return Outcome(mean=number_of(mean), sem=None if sem is None else number_of(sem))
    except ConfigError as error:
        words = f"outcome {name!r} is {given!r}, not a finite number; report a failure with register_failures"
        raise ConfigError(words) from error
    except ValidationError as error:
        raise ConfigError(f"outcome {name!r}: {what_is_wrong(error)}") from error


def _params(state: CampaignState, point: Mapping[str, Any]) -> Params:
    """The parameters of a point, as the space has them; numpy's numbers become Python's."""
    if missing := [name for name in state.space.names if name not in point]:
        raise ConfigError(f"parameters missing from {dict(point)}: {', '.join(missing)}")
    return {one.name: _value(one, point[one.name]) for one in state.space.parameters}


def _value(parameter: Parameter, given: Any) -> ParamValue:
    try:
        if isinstance(parameter, Categorical):
            if (level := level_of(parameter.levels, given)) is None:
                raise ConfigError("it is empty")
            return level
        number = number_of(given)
    except ConfigError as error:
        raise ConfigError(f"parameter {parameter.name!r}: {error}") from error
    return int(number) if isinstance(parameter, Integer) and number.is_integer() else number


def _replaced(state: CampaignState, place: int, trial: Trial) -> CampaignState:
    return state.model_copy(update={"trials": (*state.trials[:place], trial, *state.trials[place + 1 :])})


def _unbeaten(state: CampaignState, done: Sequence[Trial]) -> list[Trial]:
    """Those that keep the limits and than which none is better in one objective and no worse in the others."""
    kept = [trial for trial in done if all(one.keeps(trial.outcomes[one.name].mean) for one in state.outcome_limits)]
    merits = [[one.merit(trial.outcomes[one.name].mean) for one in state.objectives] for trial in kept]

    def beaten(mine: list[float]) -> bool:
        return any(other != mine and all(a >= b for a, b in zip(other, mine, strict=True)) for other in merits)

    return [trial for trial, mine in zip(kept, merits, strict=True) if not beaten(mine)]
