"""Campaigns, their experiments, and what happened in them."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from labwright.answers.base import Answered, Open, Sometimes, plain
from labwright.answers.lab import Command
from labwright.answers.questions import AskedQuestion


class CampaignFacts(Answered):
    """How a campaign stands.

    Attributes:
        campaign: its id.
        name: of its file.
        title: to show.
        state: of `labwright.model.states`.
        paused: whether no operation starts.
        reason: why it is in that state.
        simulated: whether it is carried out on simulated instruments.
        instruments: on which.
        tried: experiments that have started.
        budget: experiments in all.
        best: the best mean measured; null if none counts.
        front: experiments on the Pareto front of several objectives; null with one.
        objective: what is sought, as its file has it: ``name``, ``unit``, ``goal``.
        began_s: wall time of its start.
        controller: whether a controller runs it.
        waits_for: in words.
    """

    campaign: str
    name: str
    title: str = ""
    state: str
    paused: bool = False
    reason: str = ""
    simulated: bool = False
    instruments: str = ""
    tried: int = 0
    budget: int = 0
    best: float | None = None
    front: int | None = None
    objective: dict[str, Any] = {}
    began_s: float | None = None
    controller: bool = False
    waits_for: list[str] = []


class Campaign(CampaignFacts):
    """A campaign, as a list has it.

    Attributes:
        questions: ids of open ones.
    """

    questions: list[str] = []


class Started(Command):
    """A campaign that was handed to the controller.

    Attributes:
        campaign: its id; left out while the controller has not answered.
    """

    campaign: Sometimes[str] = ""


class Earlier(Answered):
    """A campaign that a planner learns from.

    Attributes:
        campaign: its id.
        simulated: whether it was; null if it is not in this journal.
    """

    campaign: str
    simulated: bool | None = None


class StepRun(Answered):
    """A step of an experiment.

    Attributes:
        step_id: its id.
        name: in the protocol.
        station: where it runs; empty before that is known.
        state: how far it is.
        attempt: number of it.
        round: of a loop.
        error: what went wrong; empty if nothing did.
    """

    step_id: str
    name: str
    station: str = ""
    state: str
    attempt: int = 0
    round: int = 0
    error: str = ""


class CampaignExperiment(Answered):
    """An experiment under way, or over.

    Attributes:
        experiment: its label.
        sample: id of what it works on.
        protocol: that is carried out.
        state: how far it is.
        reason: why it is so.
        parameters: value of each.
        results: value of each.
        use: whether these may be used, by what people have said of deviations; ``as measured`` for a preparation.
        location: where the sample stands; empty if that is not known.
        stands_at: the same; its name before.
        steps: in their order.
    """

    experiment: str
    sample: str = ""
    protocol: str = ""
    state: str
    reason: str = ""
    parameters: dict[str, Any] = {}
    results: dict[str, Any] = {}
    use: str = "as measured"
    location: str = ""
    stands_at: str = ""
    steps: list[StepRun] = []


class Reservation(Answered):
    """What a sample or a step has.

    Attributes:
        resource: as ``station:NAME``, ``position:NAME``, ``device:NAME``.
        state: ``requested``, ``held`` or ``active``.
        label: of the experiment.
        step_id: of the step; may be empty.
    """

    resource: str
    state: str
    label: str = ""
    step_id: str = ""


class StockLeft(Answered):
    """What is left of a stock.

    Attributes:
        instruments: of which deck.
        name: of its container or source.
        material: in it.
        unit: the smallest unit, of all amounts here.
        usable: what can be used.
        reserved: what is promised of that.
        unknown: what may have been used beside.
    """

    instruments: str = ""
    name: str
    material: str = ""
    unit: str = ""
    usable: int = 0
    reserved: int = 0
    unknown: int = 0


class Doubt(Answered):
    """An operation whose outcome is not known.

    Attributes:
        intent: ``STEP#NUMBER``.
        attempt: number of it.
        state: ``prepared`` or ``unknown``.
        what: it was to do, in words.
        words: what is known of it.
        since_s: lab time since when.
    """

    intent: str
    attempt: int = 0
    state: str
    what: str = ""
    words: str = ""
    since_s: float | None = None


class SaidEvent(Answered):
    """Something that happened in a campaign, in words.

    Attributes:
        id: of the event.
        wall_time_s: wall time.
        kind: of event.
        words: what happened.
    """

    id: int
    wall_time_s: float = 0.0
    kind: str
    words: str = ""


class CampaignDetail(CampaignFacts):
    """A campaign: how it stands, what it waits for, its experiments, and what happened last in it.

    Attributes:
        best_experiment: label of the one with the best mean; empty if none counts.
        by: who has started it.
        learns_from: earlier campaigns that its planner learns from.
        lab: name of the lab.
        fixed: the protocol's other parameters.
        experiments: in their order.
        questions: open ones.
        reservations: what its samples and steps have.
        stocks: what is left on its deck.
        doubts: operations whose outcome is not known.
        protocols: that it carries out, as their files have them.
        events: what happened last, oldest first.
    """

    best_experiment: str = ""
    by: str = ""
    learns_from: list[Earlier] = []
    lab: str = ""
    fixed: dict[str, Any] = {}
    experiments: list[CampaignExperiment] = []
    questions: list[AskedQuestion] = []
    reservations: list[Reservation] = []
    stocks: list[StockLeft] = []
    doubts: list[Doubt] = []
    protocols: list[dict[str, Any]] = []
    events: list[SaidEvent] = []


@plain
class Outcome(TypedDict, total=False):
    """A value and its standard error, in the objective's unit.

    Attributes:
        mean: of the replicates, or of what a planner expects.
        sem: standard error of that; null where it is not known.
    """

    mean: float
    sem: float | None


@plain
class Edit(TypedDict):
    """Other values with which a step that had failed was repeated, and those after it were done.

    Attributes:
        step: its name.
        params: the values that were changed.
        before: what they were.
        by: the person.
        because: why.
    """

    step: str
    params: dict[str, Any]
    before: dict[str, Any]
    by: str
    because: str


class Experiment(Answered):
    """An experiment, or a proposal.

    Attributes:
        id: of the trial.
        label: of the experiment; empty for a proposal.
        status: of the trial.
        source: who has suggested it.
        params: value of each parameter.
        outcomes: what was found: ``mean``, ``sem``, by name.
        fail_kind: ``infeasible``, ``equipment`` or ``aborted`` where it has failed; else null.
        rationale: why it was suggested, in words.
        measured_params: what was really made, where that was measured.
        cost: what it really cost, in the unit of the campaign's cost.
        predicted: what the planner expected of it: ``mean``, ``sem``; null without a model.
        use: whether its result may be used, by what people have said of deviations: ``as measured``, ``not for the
            planner`` or ``not at all``.
        edits: values that a person has changed when a step was repeated, the first change first.
        left_out: steps that have failed and that its sample has gone on without, each with why, in words.
    """

    id: str
    label: str = ""
    status: str
    source: str = ""
    params: dict[str, Any] = {}
    outcomes: dict[str, Outcome] = {}
    fail_kind: Sometimes[str | None] = None
    rationale: Sometimes[str] = ""
    measured_params: Sometimes[dict[str, float] | None] = None
    cost: Sometimes[float | None] = None
    predicted: Sometimes[Outcome | None] = None
    use: Sometimes[str] = "as measured"
    edits: Sometimes[list[Edit]] = []
    left_out: Sometimes[list[str]] = []


class SearchSpace(Open):
    """The parameters that a campaign searches, as its file has them.

    Attributes:
        parameters: each with its ``name`` and ``type``, and its unit and bounds, or its choices.
        constraints: on them together.
    """

    parameters: list[dict[str, Any]]
    constraints: list[dict[str, Any]] = []
