"""What a campaign is, as plain JSON: its space, objective, trials, seed and planner.

This state is all a planner ever sees, so saving, resuming, auditing and changing the planner need nothing else.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from labwright.model.base import FrozenModel
from labwright.model.errors import unknown
from labwright.model.figures import spelled
from labwright.model.parameters import flag_level
from labwright.model.protocol import FailKind
from labwright.model.remarks import AS_MEASURED, Use
from labwright.model.space import Categorical, Params, ParamValue, Space

__all__ = [
    "CampaignState",
    "Cost",
    "Earlier",
    "Explanation",
    "FailKind",
    "Fidelity",
    "Goal",
    "Objective",
    "Outcome",
    "OutcomeLimit",
    "PlannerSpec",
    "Recommendation",
    "Sensitivity",
    "Slice",
    "Source",
    "StopAdvice",
    "Suggestion",
    "Trial",
    "TrialStatus",
    "Veto",
]

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
TrialStatus = Literal["proposed", "running", "done", "failed", "abandoned"]
Source = Literal["planner", "human", "import"]
Goal = Literal["max", "min", "target", "range"]


class Objective(FrozenModel):
    """What is to be maximised, minimised, or brought to a value or into a range.

    Args:
        name: the outcome's.
        goal: what is wanted of it.
        unit: of the outcome, and of all values below.
        target: the value wanted; with goal "target" only.
        low: lower end of the range wanted; with goal "range" only.
        high: its upper end.
        reference: a value that is just of no interest any more, from which the hypervolume of several objectives is
            counted; the worst seen where it is not given.
    """

    name: str = Field(min_length=1)
    goal: Goal
    unit: str
    target: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    reference: FiniteFloat | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.target is not None) != (self.goal == "target"):
            raise ValueError(f"objective {self.name!r}: goal 'target' needs a target, and no other goal takes one")
        wanted = self.goal == "range"
        if (self.low is not None) != wanted or (self.high is not None) != wanted:
            raise ValueError(f"objective {self.name!r}: goal 'range' needs low and high, and no other goal takes them")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"objective {self.name!r}: low {self.low:g} is not below high {self.high:g}")
        return self

    def merit(self, value: float) -> float:
        """How good an outcome is, in its unit: larger is better; 0 is perfect where there is a target or a range."""
        if self.goal == "max":
            return value
        if self.goal == "min":
            return -value
        low = self.target if self.target is not None else self.low
        high = self.target if self.target is not None else self.high
        assert low is not None and high is not None  # noqa: S101, PT018 - the validator saw to it
        return -max(low - value, value - high, 0.0)


class OutcomeLimit(FrozenModel):
    """A limit on a measured outcome; an experiment that breaks it does not count.

    Args:
        name: the outcome's.
        unit: of the outcome and its limits.
        low: smallest value allowed.
        high: largest value allowed.
    """

    name: str = Field(min_length=1)
    unit: str
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError(f"outcome limit {self.name!r}: give low, high or both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"outcome limit {self.name!r}: low {self.low:g} is not below high {self.high:g}")
        return self

    def keeps(self, value: float) -> bool:
        """Whether an outcome is within the limit."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


class Cost(FrozenModel):
    """What an experiment costs, known beforehand; planners then seek the most for it.

    Args:
        unit: of all costs, as in ``"min"``.
        base: of any experiment.
        per: added per unit of a numeric parameter.
        levels: added for a level of a categorical parameter, or for a value of a flag.
    """

    unit: str
    base: FiniteFloat = Field(ge=0)
    per: dict[str, FiniteFloat] = {}
    levels: dict[str, dict[Annotated[str, BeforeValidator(flag_level)], FiniteFloat]] = {}

    def of(self, params: Params) -> float:
        """The cost of an experiment, in `unit`."""
        numeric = sum(factor * float(params[name]) for name, factor in self.per.items())
        return self.base + numeric + sum(by.get(str(params[name]), 0.0) for name, by in self.levels.items())


class Fidelity(FrozenModel):
    """A parameter that only sets how precise an experiment is: what counts is the outcome at its expensive end.

    Args:
        parameter: a numeric parameter of the space (minutes of annealing, number of readings).
        target: its value where the outcome counts.
    """

    parameter: str
    target: FiniteFloat


class Outcome(FrozenModel):
    """A value and its standard error, both in the objective's unit.

    Args:
        mean: mean of the replicates, or of the posterior where a planner predicts.
        sem: standard error of that mean; None where it is not known.
    """

    mean: FiniteFloat
    sem: FiniteFloat | None = Field(default=None, ge=0)


class Edit(FrozenModel):
    """Other values with which a step that had failed was repeated, and those after it were done.

    Args:
        step: its name.
        params: the values that were changed, by the protocol's parameter.
        before: what they were.
        by: the person.
        because: why.
    """

    step: str
    params: dict[str, Any]
    before: dict[str, Any]
    by: str
    because: str

    def __str__(self) -> str:
        changed = (f"{name} {spelled(self.before[name])} → {spelled(value)}" for name, value in self.params.items())
        return f"{', '.join(changed)} from step {self.step} on, by {self.by}: {self.because}"


class Trial(FrozenModel):
    """One experiment, from proposal to end.

    Args:
        id: unique in the campaign.
        params: what was asked for; of a step that was repeated with other values, those.
        status: proposed and running are pending; abandoned is never evidence and never asked again.
        outcomes: measured values by objective name.
        fail_kind: given exactly when failed. Only "infeasible" says something about the parameters.
        source: who chose the parameters.
        rationale: why, in words.
        measured_params: what was really made, as from weighing; planners learn from these where given.
        cost: what it really cost, in the unit of the campaign's `Cost`.
        predicted: what the planner expected of it when it chose it, where it had a model.
        use: whether its result may be used, by what people have said of deviations.
        edits: values that a person has changed when a step was repeated, fixed ones included, the first change first.
        left_out: steps that have failed and that its sample has gone on without, each with why, in words.
    """

    id: str = Field(min_length=1)
    params: Params
    status: TrialStatus
    outcomes: dict[str, Outcome] = {}
    fail_kind: FailKind | None = None
    source: Source = "planner"
    rationale: str = ""
    measured_params: dict[str, FiniteFloat] | None = None
    cost: FiniteFloat | None = Field(default=None, ge=0)
    predicted: Outcome | None = None
    use: Use = AS_MEASURED
    edits: tuple[Edit, ...] = ()
    left_out: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.status == "failed") != (self.fail_kind is not None):
            raise ValueError(
                f"trial {self.id!r}: status {self.status!r} with fail_kind {self.fail_kind!r}; "
                "a failed trial has one of infeasible, equipment or aborted, any other has none"
            )
        return self

    @property
    def made(self) -> Params:
        """What was really made where it was measured, what was asked for elsewhere."""
        return {**self.params, **(self.measured_params or {})}

    @property
    def learnt_from(self) -> Trial:
        """The same as a planner may know it: one whose result it may not use was made, and nothing was found."""
        if self.use == AS_MEASURED or self.status != "done":
            return self
        found: dict[str, Any] = {"outcomes": {}, "measured_params": None}
        return self.model_copy(update={"status": "failed", "fail_kind": "equipment", **found})

    @property
    def pending(self) -> bool:
        """Whether its outcome is still to come."""
        return self.status in ("proposed", "running")


class PlannerSpec(FrozenModel):
    """Which planner, by name, with its options."""

    name: str
    options: dict[str, Any] = {}


class Earlier(FrozenModel):
    """An earlier campaign on the same space, to learn from as far as it proves alike.

    Args:
        name: of the campaign.
        trials: its experiments; their outcomes are called as in this campaign.
        simulated: whether they were made on simulated instruments; None where that is not recorded.
    """

    name: str = Field(min_length=1)
    trials: tuple[Trial, ...]
    simulated: bool | None = None


class Veto(FrozenModel):
    """What a person has forbidden.

    Args:
        params: where.
        reach: how far around it, as a fraction of each numeric range; categorical parameters must be the same.
        by: who forbade it.
        because: why.
    """

    params: Params
    reach: FiniteFloat = Field(default=0.0, ge=0, le=1)
    by: str = ""
    because: str = ""


class CampaignState(FrozenModel):
    """Everything a planner may know.

    `held` has the parameters that the next proposals must have, as those of a batch that is being filled.

    Raises:
        pydantic.ValidationError: a trial id twice, parameters that are not those of the space, or a trial that is done
            without an outcome that is asked for. Values are not held against the bounds: what was made was made.
    """

    space: Space
    objective: Objective
    more_objectives: tuple[Objective, ...] = ()
    outcome_limits: tuple[OutcomeLimit, ...] = ()
    cost: Cost | None = None
    fidelity: Fidelity | None = None
    trials: tuple[Trial, ...] = ()
    earlier: tuple[Earlier, ...] = ()
    vetoes: tuple[Veto, ...] = ()
    held: Params = {}
    seed: int = Field(ge=0)
    planner: PlannerSpec

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All of them; where a single number is shown, it is of the first."""
        return (self.objective, *self.more_objectives)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = self.space.names
        wanted = [*(one.name for one in self.objectives), *(one.name for one in self.outcome_limits)]
        found = wrong_names(self.space, self.objectives, self.outcome_limits, self.cost, self.fidelity)
        numeric = {one.name for one in self.space.parameters if not isinstance(one, Categorical)}
        seen: set[str] = set()
        for trial in self.trials:
            if trial.id in seen:
                found.append(f"trial {trial.id!r} is there twice")
            seen.add(trial.id)
        everything = [*self.trials, *(trial for task in self.earlier for trial in task.trials)]
        for trial in everything:
            given = {**trial.params, **(trial.measured_params or {})}
            found += [f"trial {trial.id!r}: {unknown('parameter', name, names)}" for name in given if name not in names]
            found += [
                f"trial {trial.id!r}: parameter {name!r} is missing" for name in names if name not in trial.params
            ]
            found += [
                f"trial {trial.id!r}: {name} = {value!r} is no valid number"
                for name, value in trial.params.items()
                if name in numeric and isinstance(value, str)
            ]
            if trial.status == "done":
                found += [
                    f"trial {trial.id!r} is done but has no outcome {name!r}"
                    for name in wanted
                    if name not in trial.outcomes
                ]
        for veto in self.vetoes:
            found += [f"veto: {unknown('parameter', name, names)}" for name in veto.params if name not in names]
        found += [f"held: {unknown('parameter', name, names)}" for name in self.held if name not in names]
        if found:
            raise ValueError("; ".join(found))
        return self


def wrong_names(
    space: Space,
    objectives: tuple[Objective, ...],
    limits: tuple[OutcomeLimit, ...],
    cost: Cost | None,
    fidelity: Fidelity | None,
) -> list[str]:
    """Names that do not fit each other, one sentence each."""
    found: list[str] = []
    for kind, names in {"objectives": [one.name for one in objectives], "limits": [one.name for one in limits]}.items():
        found += [f"two {kind} are called {name!r}" for name in sorted({one for one in names if names.count(one) > 1})]
    numeric = [one.name for one in space.parameters if not isinstance(one, Categorical)]
    if cost is not None:
        found += [
            f"cost.per: {unknown('numeric parameter', name, numeric)}" for name in cost.per if name not in numeric
        ]
        categorical = {one.name: one for one in space.parameters if isinstance(one, Categorical)}
        for name, by in cost.levels.items():
            if name not in categorical:
                found.append(f"cost.levels: {unknown('categorical parameter', name, list(categorical))}")
                continue
            levels = categorical[name].levels
            found += [f"cost.levels.{name}: {unknown('level', one, levels)}" for one in by if one not in levels]
    if fidelity is not None:
        if fidelity.parameter not in numeric:
            found.append(f"fidelity: {unknown('numeric parameter', fidelity.parameter, numeric)}")
        elif wrong := space.parameters[space.names.index(fidelity.parameter)].violations(fidelity.target):
            found.append(f"fidelity: target: {wrong[0]}")
    return found


class Suggestion(FrozenModel):
    """What to try next.

    Args:
        params: inside the space and its constraints.
        rationale: why, in words for a person.
        predicted: what the planner expects of it (posterior of the noise-free mean), where it has a model.
    """

    params: Params
    rationale: str
    predicted: Outcome | None = None


class Recommendation(FrozenModel):
    """The best of what was made.

    Args:
        trial_id: the trial with the best posterior mean: one lucky reading does not make a winner.
        params: what that trial really made.
        predicted: its posterior mean and standard error.
        observed_trial_id: the trial with the best raw outcome.
        observed_params: what that trial really made.
        observed: its raw outcome.
    """

    trial_id: str
    params: Params
    predicted: Outcome
    observed_trial_id: str
    observed_params: Params
    observed: Outcome


class Slice(FrozenModel):
    """What the model expects along one parameter, the others held at the best that was made.

    Args:
        parameter: which.
        values: of the parameter.
        mean: of the objective there, in its unit.
        sem: standard error of that.
    """

    parameter: str
    values: tuple[ParamValue, ...]
    mean: tuple[FiniteFloat, ...]
    sem: tuple[FiniteFloat, ...]


class Sensitivity(FrozenModel):
    """How much a parameter matters to the objective.

    Args:
        parameter: which.
        share: of the objective's variance over the space that the model ascribes to it, interactions included.
        length: over what fraction of its range the objective changes; None for a categorical parameter.
    """

    parameter: str
    share: FiniteFloat = Field(ge=0)
    length: FiniteFloat | None = None


class Explanation(FrozenModel):
    """What a planner has learnt, in words and numbers.

    Args:
        words: for a person.
        sensitivities: most important first.
        slices: one for each parameter.
        left_out: id of each trial, its measured value, and mean and standard error of what the model expects of it
            when it has not seen it; in the objective's unit.
        calibration: share of the measured values inside the model's central 50 % and 90 % when left out.
        rmse: root mean square error of those predictions, in the objective's unit.
    """

    words: str
    sensitivities: tuple[Sensitivity, ...]
    slices: tuple[Slice, ...]
    left_out: tuple[tuple[str, FiniteFloat, FiniteFloat, FiniteFloat], ...]
    calibration: tuple[FiniteFloat, FiniteFloat]
    rmse: FiniteFloat

    def __str__(self) -> str:
        """A summary for a notebook; all numbers are in the attributes."""
        width = max(len(one.parameter) for one in self.sensitivities)
        rows = [
            f"  {one.parameter:{width}}  {one.share:4.0%}"
            + (f"   changes over {one.length:.2g} of its range" if one.length is not None else "")
            for one in self.sensitivities
        ]
        half, nine = self.calibration
        return "\n".join(
            [
                self.words,
                "Total effect of each parameter, of the variance (interactions count for each, so the sum may exceed "
                "100 %):",
                *rows,
                f"Leave-one-out: {half:.0%} of the readings in the 50 % interval, {nine:.0%} in the 90 % interval, "
                f"rms error {self.rmse:.3g}.",
            ]
        )

    def __repr__(self) -> str:
        return str(self)


class StopAdvice(FrozenModel):
    """Whether further experiments are worth it.

    Args:
        stop: whether the planner would stop.
        reason: in words.
        expected_gain: the largest expected improvement of any point, in the objective's unit.
        noise: standard deviation of a repeat, in the objective's unit.
        regret_bound: how much better than the best so far the optimum may be, with 95 % confidence by the model.
        tolerance: a gain too small to continue for, in the objective's unit; None where a planner has none.
        chance: probability by the model that something is better than the best so far by more than `tolerance`.
    """

    stop: bool
    reason: str
    expected_gain: FiniteFloat
    noise: FiniteFloat
    regret_bound: FiniteFloat
    tolerance: FiniteFloat | None = Field(default=None, ge=0)
    chance: FiniteFloat | None = Field(default=None, ge=0, le=1)
