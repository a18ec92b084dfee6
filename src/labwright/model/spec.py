"""A campaign as its author writes it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from labwright.model.base import Frozen, Name, Number, Whole
from labwright.model.campaign import Objective, PlannerSpec
from labwright.model.lab import Broken, CrossReferenceError, Problem
from labwright.model.space import Space


class StopRule(Frozen):
    """When a campaign ends before its budget is spent.

    Attributes:
        target: the objective has reached this value (mean of an experiment).
        no_better_for: so many experiments in a row brought no better mean.
    """

    target: Number | None = None
    no_better_for: Annotated[Whole, Field(ge=2)] | None = None


class Comparison(Frozen):
    """What somebody else reached on the same problem, shown beside the campaign.

    Attributes:
        title: who.
        source: citation.
        best_so_far: number of the experiment and the best value after it, only where it changed.
        experiments: how many there were.
    """

    title: str
    source: str
    best_so_far: tuple[tuple[int, float], ...]
    experiments: int


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
        parallel: how many samples may be on their way at once.
        seed: of everything random in planning.
        stop: when to end earlier.
        compare: what somebody else reached, for the report.
    """

    name: Name
    title: str
    protocol: Name
    prepare: tuple[Name, ...] = ()
    space: Space
    fixed: dict[Name, Number] = {}
    objective: Objective
    planner: PlannerSpec
    budget: Annotated[Whole, Field(ge=1, le=10_000)]
    parallel: Annotated[Whole, Field(ge=1, le=1000)] = 1
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0
    stop: StopRule = StopRule()
    compare: Comparison | None = None

    @model_validator(mode="after")
    def _nothing_chosen_twice(self) -> CampaignSpec:
        if problems := self.problems({}):
            raise CrossReferenceError(problems)
        return self

    def problems(self, broken: Broken) -> list[Problem]:
        """Parameters that are both fixed and searched; see `LabModel.problems`."""
        if "space" in broken:
            return []
        return [
            (("fixed", name), f"{name!r} is in the search space as well; fix it or search it")
            for name in self.fixed
            if name in self.space.names
        ]
