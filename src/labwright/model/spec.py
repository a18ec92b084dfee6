"""A campaign as its author writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from labwright.model.base import Frozen, Name, NotNegative, Number, Positive, Whole
from labwright.model.campaign import Cost, Fidelity, Objective, OutcomeLimit, PlannerSpec
from labwright.model.errors import unknown
from labwright.model.moments import Moment
from labwright.model.names import collisions
from labwright.model.protocol_parameters import Given
from labwright.model.references import Broken, CrossReferenceError, Problem
from labwright.model.space import Categorical, Choose, Space


class StopRule(Frozen):
    """When a campaign ends before its budget is spent.

    The first two look at experiments that count only: those that keep the outcome limits, made at full fidelity.

    Attributes:
        target: the objective has come as far as this value (mean of an experiment); where it is to be brought to a
            value or into a range, as near to it.
        no_better_for: patience: so many experiments in a row brought no better mean; with several objectives, none on
            the Pareto front.
        gain_below_noise_for: so many times in a row the planner expected less of the best point than a repeat scatters.
        advised_for: so many times in a row the planner advised to stop; its advice states why.
        regret_below: by the planner's model, with 95 % confidence, the optimum is better by no more than this; in the
            objective's unit.
        cost: all experiments together have cost this, in the cost's unit.
    """

    target: Number | None = None
    no_better_for: Annotated[Whole, Field(ge=2)] | None = None
    gain_below_noise_for: Annotated[Whole, Field(ge=1)] | None = None
    advised_for: Annotated[Whole, Field(ge=1)] | None = None
    regret_below: Positive | None = None
    cost: Positive | None = None

    @property
    def advised(self) -> bool:
        """Whether the planner is asked if further experiments are worth it."""
        rules = (self.gain_below_noise_for, self.advised_for, self.regret_below)
        return any(rule is not None for rule in rules)


class Comparison(Frozen):
    """What others reached on the same problem, shown beside the campaign.

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


class ProblemSpec(Frozen):
    """What is sought, where, and by which planner.

    Attributes:
        space: what the planner may choose.
        objective: which outcome is to be large, small, at a value or in a range.
        more_objectives: further objectives; the campaign then looks for the Pareto front.
        outcome_limits: limits that an experiment must keep to count.
        cost: what an experiment costs, known beforehand.
        fidelity: a parameter that only sets how precise an experiment is.
        planner: who chooses.
        seed: of everything random in planning.
    """

    space: Space
    objective: Objective
    more_objectives: tuple[Objective, ...] = ()
    outcome_limits: tuple[OutcomeLimit, ...] = ()
    cost: Cost | None = None
    fidelity: Fidelity | None = None
    planner: PlannerSpec
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if problems := self.problems({}):
            raise CrossReferenceError(problems)
        return self

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All of them; where a single number is shown, it is of the first."""
        return (self.objective, *self.more_objectives)

    @property
    def outcomes(self) -> dict[str, str]:
        """What an experiment must find: names and units of all objectives and outcome limits, each once."""
        wanted = {one.name: one.unit for one in self.objectives}
        return wanted | {one.name: one.unit for one in self.outcome_limits if one.name not in wanted}

    def problems(self, broken: Broken) -> list[Problem]:
        """What does not fit together; see `LabModel.problems`."""
        found = list(self._named_twice(broken))
        if "space" in broken:
            return found
        if self.cost is not None:
            found += _cost_problems(self.cost, self.space)
        if self.fidelity is not None:
            found += _fidelity_problems(self.fidelity, self.space)
        return found

    def collisions(self, broken: Broken) -> list[Problem]:
        """Names that two columns would have; apart from `problems`, since journals of before may have them."""
        return collisions(
            None if "space" in broken else self.space,
            (None if "objective" in broken else self.objective, *(self.more_objectives or ())),
            self.outcome_limits or (),
            None if "cost" in broken else self.cost,
        )

    def _named_twice(self, broken: Broken) -> Iterator[Problem]:
        seen: set[str] = set() if "objective" in broken else {self.objective.name}
        for index, one in enumerate(self.more_objectives or ()):
            if one.name in seen:
                yield ("more_objectives", str(index), "name"), f"{one.name!r} is an objective already"
            seen.add(one.name)
        limited: set[str] = set()
        for index, limit in enumerate(self.outcome_limits or ()):
            if limit.name in limited:
                words = f"{limit.name!r} has a limit already; give low and high together"
                yield ("outcome_limits", str(index), "name"), words
            limited.add(limit.name)


class WarmStart(Frozen):
    """An earlier campaign to learn from, with the kind of instruments it ran on, which may be another than now.

    Attributes:
        campaign: its name (the newest of it) or id.
        simulated: whether it ran on simulated instruments.
    """

    campaign: Annotated[str, Field(min_length=1)]
    simulated: bool


def warm_start_name(entry: str | WarmStart) -> str:
    """The campaign that an entry of ``warm_start`` names."""
    return entry if isinstance(entry, str) else entry.campaign


class BatchSpec(Frozen):
    """Hard-to-change factors: parameters that are equal for all experiments of a batch, as in a split-plot design.

    Attributes:
        same: parameters of the space, as the temperature of a plate on which several samples stand.
        size: experiments in a batch; as many as the station has slots whose recipe they are, if None.
    """

    same: Annotated[tuple[Name, ...], Field(min_length=1)]
    size: Annotated[Whole, Field(ge=2, le=1000)] | None = None


class CampaignSpec(ProblemSpec):
    """A campaign: what is sought, by which protocol, planner, budget, seed, stop rule.

    Attributes:
        name: of the campaign; its runs carry it.
        title: what people call it.
        protocol: carried out for each experiment.
        prepare: protocols carried out once before the first (a calibration).
        prepare_anew: carry them out also where what another campaign has found with them still holds.
        fixed: the protocol's other parameters.
        warm_start: earlier campaigns to learn from, by name (the newest of it) or id: real ones for a real campaign,
            simulated ones for a simulated one, unless a `WarmStart` names the other kind.
        budget: number of experiments.
        parallel: how many samples may be on their way at once.
        replicates: how many experiments are made of each point that the planner proposes.
        batch: parameters that are equal for all experiments of a batch.
        priority: of several campaigns in a lab, the one with the higher number comes first.
        deadline: by when it is to be over; once it needs more than half of the time that is left, its samples come
            before others of its priority.
        project: whose campaign it is: projects have equal parts of the lab, and their campaigns share theirs. A
            campaign without one is a project of its own.
        share: its part, compared with other campaigns of its project; a project counts as much as its campaign with
            the largest share.
        material_wait_s: for so many lab seconds an experiment for which the lab has too little waits until a person has
            refilled it; then the campaign ends with what it has.
        stop: when to end earlier.
        compare: what others reached, for the report.
    """

    name: Name
    title: str
    protocol: Name
    prepare: tuple[Name, ...] = ()
    prepare_anew: bool = False
    fixed: dict[Name, Given] = {}
    warm_start: tuple[Annotated[str, Field(min_length=1)] | WarmStart, ...] = ()
    budget: Annotated[Whole, Field(ge=1, le=10_000)]
    parallel: Annotated[Whole, Field(ge=1, le=1000)] = 1
    replicates: Annotated[Whole, Field(ge=1, le=100)] = 1
    batch: BatchSpec | None = None
    priority: Whole = 0
    deadline: Moment | None = None
    project: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    share: Annotated[Number, Field(gt=0, le=1000)] = 1.0
    material_wait_s: NotNegative = 86_400.0
    stop: StopRule = StopRule()
    compare: Comparison | None = None

    def problems(self, broken: Broken) -> list[Problem]:
        """What does not fit together; see `LabModel.problems`."""
        found = super().problems(broken)
        if "stop" not in broken and "cost" not in broken and self.stop.cost is not None and self.cost is None:
            found.append(
                (("stop", "cost"), "the campaign has no cost; add what an experiment costs (cost: unit, base)")
            )
        if "space" not in broken:
            found += [
                (("fixed", name), f"{name!r} is in the search space as well; fix it or search it")
                for name in self.fixed
                if name in self.space.names
            ]
        if "space" not in broken and "batch" not in broken and self.batch is not None:
            found += _batch_problems(self.batch, self.space)
        earlier = [] if "warm_start" in broken else list(self.warm_start)
        found += [
            (("warm_start", str(index)), f"{warm_start_name(one)!r} is there twice")
            for index, one in enumerate(earlier)
            if one in earlier[:index]
        ]
        return found


def _batch_problems(batch: BatchSpec, space: Space) -> Iterator[Problem]:
    """Parameters that cannot be kept for a batch."""
    for index, name in enumerate(batch.same):
        where = ("batch", "same", str(index))
        if name not in space.names:
            yield where, unknown("parameter of the space", name, list(space.names))
        elif name in batch.same[:index]:
            yield where, f"{name!r} is there twice"
        for limit in space.constraints:
            if isinstance(limit, Choose) and name in limit.names:
                yield where, f"{name!r} cannot be kept for a batch: it is one of a choice ({limit})"
    if set(space.names) <= set(batch.same):
        words = "nothing is left to vary within a batch; leave a parameter out, or make replicates instead"
        yield ("batch", "same"), words


def _cost_problems(cost: Cost, space: Space) -> Iterator[Problem]:
    """Names that are not the space's, and costs that could become less than nothing."""
    numeric = {one.name: one for one in space.parameters if not isinstance(one, Categorical)}
    levelled = {one.name: one for one in space.parameters if isinstance(one, Categorical)}
    strange = False
    for name in cost.per:
        if name not in numeric:
            strange = True
            yield ("cost", "per", name), unknown("numeric parameter of the space", name, list(numeric))
    for name, by in cost.levels.items():
        if name not in levelled:
            strange = True
            yield ("cost", "levels", name), unknown("categorical parameter of the space", name, list(levelled))
            continue
        for level in by:
            if level not in levelled[name].levels:
                strange = True
                yield ("cost", "levels", name, level), unknown(f"level of {name}", level, list(levelled[name].levels))
    if strange:
        return
    least = cost.base
    least += sum(min(factor * numeric[name].low, factor * numeric[name].high) for name, factor in cost.per.items())
    least += sum(min(by.get(level, 0.0) for level in levelled[name].levels) for name, by in cost.levels.items())
    if least < 0:
        yield ("cost",), f"an experiment could cost {least:g} {cost.unit}; raise base so that none costs less than 0"


def _fidelity_problems(fidelity: Fidelity, space: Space) -> Iterator[Problem]:
    numeric = {one.name: one for one in space.parameters if not isinstance(one, Categorical)}
    if fidelity.parameter not in numeric:
        words = unknown("numeric parameter of the space", fidelity.parameter, list(numeric))
        yield ("fidelity", "parameter"), words
    elif wrong := numeric[fidelity.parameter].violations(fidelity.target):
        yield ("fidelity", "target"), wrong[0]
