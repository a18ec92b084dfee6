"""A campaign as its author writes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from labwright.model.base import Frozen, Name
from labwright.model.campaign import Objective, PlannerSpec
from labwright.model.lab import CrossReferenceError
from labwright.model.space import Space


class StopRule(Frozen):
    """When a campaign ends before its budget is spent.

    Attributes:
        target: the objective has reached this value (mean of an experiment).
        no_better_for: so many experiments in a row brought no better mean.
    """

    target: float | None = None
    no_better_for: Annotated[int, Field(ge=2)] | None = None


class CampaignSpec(Frozen):
    """A campaign: protocol, search space, objective, planner, budget, seed, stop rule.

    Attributes:
        name: of the campaign; its runs carry it.
        title: what people call it.
        protocol: carried out for each experiment.
        prepare: protocols carried out once before the first (a calibration).
        space: what the planner may choose.
        fixed: the protocol's other parameters.
        objective: which of the protocol's results is to be large or small.
        planner: who chooses.
        budget: number of experiments.
        seed: of everything random in planning.
        stop: when to end earlier.
    """

    name: Name
    title: str
    protocol: Name
    prepare: tuple[Name, ...] = ()
    space: Space
    fixed: dict[Name, float] = {}
    objective: Objective
    planner: PlannerSpec
    budget: Annotated[int, Field(ge=1, le=10_000)]
    seed: Annotated[int, Field(ge=0)] = 0
    stop: StopRule = StopRule()

    @model_validator(mode="after")
    def _nothing_chosen_twice(self) -> CampaignSpec:
        problems: list[tuple[tuple[str, ...], str]] = [
            (("fixed", name), f"{name!r} is in the search space as well; fix it or search it")
            for name in self.fixed
            if name in self.space.names
        ]
        if problems:
            raise CrossReferenceError(problems)
        return self
