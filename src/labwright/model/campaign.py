"""What a campaign is, as plain JSON: its space, objective, trials, seed and planner.

This state is all a planner ever sees, so saving, resuming, auditing and changing the planner need nothing else.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from labwright.model.errors import unknown
from labwright.model.space import Params, Space

__all__ = [
    "CampaignState",
    "FailKind",
    "Objective",
    "Outcome",
    "PlannerSpec",
    "Recommendation",
    "Source",
    "Suggestion",
    "Trial",
    "TrialStatus",
]

FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
TrialStatus = Literal["proposed", "running", "done", "failed", "abandoned"]
FailKind = Literal["infeasible", "equipment", "aborted"]
Source = Literal["planner", "human", "import"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Objective(_Frozen):
    """What is to be made as large or as small as possible."""

    name: str = Field(min_length=1)
    goal: Literal["max", "min"]
    unit: str


class Outcome(_Frozen):
    """A value and its standard error, both in the objective's unit.

    Args:
        mean: mean of the replicates, or of the posterior where a planner predicts.
        sem: standard error of that mean; None where it is not known.
    """

    mean: FiniteFloat
    sem: FiniteFloat | None = Field(default=None, ge=0)


class Trial(_Frozen):
    """One experiment, from proposal to end.

    Args:
        id: unique in the campaign.
        params: what was asked for.
        status: proposed and running are pending; abandoned is never evidence and never asked again.
        outcomes: measured values by objective name.
        fail_kind: given exactly when failed. Only "infeasible" says something about the parameters.
        source: who chose the parameters.
        rationale: why, in words.
        measured_params: what was really made, as from weighing; planners learn from these where given.
    """

    id: str = Field(min_length=1)
    params: Params
    status: TrialStatus
    outcomes: dict[str, Outcome] = {}
    fail_kind: FailKind | None = None
    source: Source = "planner"
    rationale: str = ""
    measured_params: dict[str, FiniteFloat] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.status == "failed") != (self.fail_kind is not None):
            raise ValueError(
                f"trial {self.id!r}: status {self.status!r} with fail_kind {self.fail_kind!r}; "
                "a failed trial says infeasible, equipment or aborted, any other none"
            )
        return self

    @property
    def made(self) -> Params:
        """What was really made where it was measured, what was asked for elsewhere."""
        return {**self.params, **(self.measured_params or {})}

    @property
    def pending(self) -> bool:
        """Whether its outcome is still to come."""
        return self.status in ("proposed", "running")


class PlannerSpec(_Frozen):
    """Which planner, by name, with its options."""

    name: str
    options: dict[str, Any] = {}


class CampaignState(_Frozen):
    """Everything a planner may know.

    Raises:
        pydantic.ValidationError: a trial id twice, parameters that are not those of the space, or a trial that is done
            without the objective's outcome. Values are not held against the bounds: what was made was made.
    """

    space: Space
    objective: Objective
    trials: tuple[Trial, ...] = ()
    seed: int = Field(ge=0)
    planner: PlannerSpec

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = self.space.names
        found: list[str] = []
        seen: set[str] = set()
        for trial in self.trials:
            if trial.id in seen:
                found.append(f"trial {trial.id!r} is there twice")
            seen.add(trial.id)
            given = {**trial.params, **(trial.measured_params or {})}
            found += [f"trial {trial.id!r}: {unknown('parameter', name, names)}" for name in given if name not in names]
            found += [
                f"trial {trial.id!r}: parameter {name!r} is missing" for name in names if name not in trial.params
            ]
            if trial.status == "done" and self.objective.name not in trial.outcomes:
                found.append(f"trial {trial.id!r} is done but has no outcome {self.objective.name!r}")
        if found:
            raise ValueError("; ".join(found))
        return self


class Suggestion(_Frozen):
    """What to try next.

    Args:
        params: inside the space and its constraints.
        rationale: why, in words for a person.
        predicted: what the planner expects of it (posterior of the noise-free mean), where it has a model.
    """

    params: Params
    rationale: str
    predicted: Outcome | None = None


class Recommendation(_Frozen):
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
