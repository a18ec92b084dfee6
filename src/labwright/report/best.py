"""The best of a campaign: after each experiment, for each objective, and on the Pareto front of several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

from labwright.model.campaign import CampaignState, Objective, Recommendation, Trial
from labwright.model.errors import PlannerError
from labwright.model.figures import column, measured, with_unit
from labwright.model.judging import counts, front
from labwright.model.remarks import NOT_AT_ALL
from labwright.model.space import Params
from labwright.planners import Planner
from labwright.report.card import Card, drawn, headed, unit_of, wanted
from labwright.report.pictures import Series, best_so_far, front_of
from labwright.report.record import CampaignRecord

LUCKY = " Rings mark the best single means: the luckiest of many readings that scatter, not estimates."


class Best(NamedTuple):
    """What is best of one objective of several.

    Attributes:
        objective: its name.
        value: as measured, with its standard error and unit.
        trial: id of the experiment.
    """

    objective: str
    value: str
    trial: str


def bests(record: CampaignRecord) -> list[Best]:
    """The best single mean of each objective, of the experiments that count; none if there is one objective."""
    spec, counted = record.core.spec, record.core.counted
    if len(spec.objectives) < 2 or not counted:
        return []
    found = []
    for objective in spec.objectives:
        trial = max(counted, key=lambda one: objective.merit(one.outcomes[objective.name].mean))
        outcome = trial.outcomes[objective.name]
        found.append(
            Best(objective.name, with_unit(measured(outcome.mean, outcome.sem), objective.unit), str(trial.id))
        )
    return found


def best_cards(record: CampaignRecord, planner: Planner, best: Recommendation | None, world: Any) -> list[Card]:
    """The best experiment after each, a card for each objective; of several first the Pareto front.

    Args:
        record: of the campaign.
        planner: its planner.
        best: what that recommends.
        world: the simulated world while it exists; None for a real lab.
    """
    objectives = record.core.spec.objectives
    if len(objectives) < 2:
        return [best_card(record, planner, best, world)]
    return [*front_cards(record), *(_card_of(record, planner, objective) for objective in objectives)]


def best_card(record: CampaignRecord, planner: Planner, best: Recommendation | None, world: Any) -> Card:
    """The best experiment after each, by the model and not by luck; its true value where a simulation knows it."""
    spec, done = record.core.spec, record.done
    estimates = estimates_of(record, planner)
    believed = estimates if estimates is not None else record.values()
    chosen = _incumbents(record, spec.objective, believed)
    if best is not None and estimates is not None and chosen and chosen[-1] is not None:
        chosen[-1] = next((n for n, trial in enumerate(done) if trial.id == best.trial_id), chosen[-1])
    truths = [truth_of(record, world, trial.made) for trial in done]
    known = [truth for truth in truths if truth is not None]
    if len(known) == len(done):
        shown = known
        label = "true value of the best so far" + (", chosen by the planner's model" if estimates is not None else "")
    else:
        shown, label = believed, _label(estimates)
    series = _series(label, chosen, shown)
    source = ""
    if spec.compare is not None:
        numbers = [float(number) for number, _ in spec.compare.best_so_far]
        values = [value for _, value in spec.compare.best_so_far]
        title = f"{spec.compare.title}, best as measured"
        series.append((title, [*numbers, float(spec.compare.experiments)], [*values, values[-1]]))
        source = f" The {spec.compare.title}: {spec.compare.source}."
    possible = world.best_possible(spec.fixed) if world else None
    optimum = possible[1] if possible else None
    lucky = _records(record, spec.objective) if shown is not believed or estimates is not None else []
    said = f"{wanted(spec.objective)}: after each experiment the {label}{_counting(record)}."
    return Card(
        "Best so far",
        f"{said}{LUCKY if lucky else ''}{source}",
        drawn(best_so_far(series, spec.objective.unit, optimum, lucky) if series else ""),
        *_numbers(record, spec.objective, estimates, label, [None if at is None else shown[at] for at in chosen]),
    )


def _card_of(record: CampaignRecord, planner: Planner, objective: Objective) -> Card:
    """The best experiment after each in one of several objectives, without regard to the others."""
    estimates = estimates_of(record, planner, objective)
    shown = estimates if estimates is not None else record.values(objective.name)
    chosen = _incumbents(record, objective, shown)
    series = _series(_label(estimates), chosen, shown)
    lucky = _records(record, objective) if estimates is not None else []
    label = _label(estimates)
    said = f"{wanted(objective)}, alone: after each experiment the {label}{_counting(record)}."
    return Card(
        f"Best {objective.name} so far",
        f"{said}{LUCKY if lucky else ''}",
        drawn(best_so_far(series, objective.unit, None, lucky, name=objective.name) if series else ""),
        *_numbers(record, objective, estimates, label, [None if at is None else shown[at] for at in chosen]),
    )


def _label(estimates: Sequence[float] | None) -> str:
    return "best so far, by the planner's model" if estimates is not None else "best so far, as measured"


def _counting(record: CampaignRecord) -> str:
    return ", of those that keep the limits" if record.core.spec.outcome_limits else ""


def _series(label: str, chosen: Sequence[int | None], shown: Sequence[float]) -> list[Series]:
    line = [(float(number), shown[at]) for number, at in enumerate(chosen, 1) if at is not None]
    return [(label, [number for number, _ in line], [value for _, value in line])] if line else []


def _numbers(
    record: CampaignRecord,
    objective: Objective,
    estimates: Sequence[float] | None,
    label: str,
    best: Sequence[float | None],
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Heads and rows of the table: measured, estimated, and best after each experiment."""
    columns = [column(record.values(objective.name)), *([column(estimates)] if estimates is not None else [])]
    columns.append(column(best))
    heads = ["measured", *(["by the model"] if estimates is not None else []), label]
    rows = [(trial.id, *cells) for trial, *cells in zip(record.done, *columns, strict=True)]
    return ("experiment", *(headed(one, unit_of(objective)) for one in heads)), rows


def truth_of(record: CampaignRecord, world: Any, made: Params) -> float | None:
    """The true value of what was made, if a simulated world is there and knows it."""
    if world is None:
        return None
    found = world.truth(record.protocol.given({**made, **record.core.spec.fixed}))
    return None if found is None else float(found)


def estimates_of(record: CampaignRecord, planner: Planner, objective: Objective | None = None) -> list[float] | None:
    """The objective of what each experiment made, by the model that knows all of them; None without a model."""
    try:
        found = planner.predict(state_of(record, objective), [trial.made for trial in record.done])
    except PlannerError:
        return None
    return [one.mean for one in found]


def state_of(record: CampaignRecord, objective: Objective | None = None) -> CampaignState:
    """The campaign as a planner sees it, with one of several objectives alone."""
    state = record.core.state()
    return state if objective is None else state.model_copy(update={"objective": objective, "more_objectives": ()})


def _incumbents(record: CampaignRecord, objective: Objective, values: Sequence[float]) -> list[int | None]:
    """Which of the experiments so far that count is the best by `values`, after each."""
    spec = record.core.spec
    best: int | None = None
    found: list[int | None] = []
    for at, (trial, value) in enumerate(zip(record.done, values, strict=True)):
        if counts(trial, spec.outcome_limits, spec.fidelity) and (
            best is None or objective.merit(value) > objective.merit(values[best])
        ):
            best = at
        found.append(best)
    return found


def _records(record: CampaignRecord, objective: Objective) -> list[tuple[float, float]]:
    """Number and measured mean of each experiment whose mean was better than all before it."""
    values = record.values(objective.name)
    chosen = _incumbents(record, objective, values)
    return [(float(at + 1), values[at]) for at in dict.fromkeys(one for one in chosen if one is not None)]


def front_cards(record: CampaignRecord) -> list[Card]:
    """With several objectives: the Pareto front, drawn for each two of them."""
    objectives, counted = record.core.spec.objectives, record.core.counted
    if len(objectives) < 2 or not counted:
        return []
    best = front(objectives, counted)
    shown = [[one.outcomes[o.name].mean for one in best] for o in objectives]
    said = (
        f"{'; '.join(map(wanted, objectives))}. For each of these {len(best)} of {len(record.done)} "
        "experiments, no other is better in one objective without being worse in another."
    )
    heads = tuple(headed(one.name, unit_of(one)) for one in objectives)
    rows = list(zip([one.id for one in best], *(column(found) for found in shown), strict=True))
    return [
        Card("Pareto front", said, drawn("".join(fronts(objectives, record.done, best))), ("experiment", *heads), rows)
    ]


def fronts(objectives: Sequence[Objective], done: Sequence[Trial], best: Sequence[Trial]) -> list[str]:
    """The Pareto front as SVG, a picture for each two objectives.

    Args:
        objectives: of the campaign.
        done: trials with outcomes.
        best: of them, those on the front.
    """

    def pairs(two: Sequence[Objective], among: Sequence[Trial]) -> list[list[float]]:
        return [[one.outcomes[o.name].mean for o in two] for one in among if one.use != NOT_AT_ALL]

    heads = {one.name: headed(one.name, unit_of(one)) for one in objectives}
    return [
        front_of(heads[one.name], heads[other.name], pairs((one, other), done), pairs((one, other), best))
        for one, other in combinations(objectives, 2)
    ]
