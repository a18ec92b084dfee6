"""The report of a campaign: one HTML file with pictures, and every picture's numbers as a table."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from labwright.model.campaign import CampaignState, Objective, Recommendation, Trial
from labwright.model.errors import PlannerError
from labwright.model.figures import column, figure, means, measured, resolving, spelled, with_unit
from labwright.model.judging import counts, front, replicated, within
from labwright.model.names import column as head
from labwright.model.space import Categorical, Integer, Params, Real
from labwright.planners import Planner, load_planner
from labwright.report.expected import COLUMNS, end_words, expected_rows, step_times
from labwright.report.limited_waits import missed_waits
from labwright.report.pictures import (
    Bar,
    Series,
    best_so_far,
    differences,
    front_of,
    nyquist,
    parity,
    surrogate_levels,
    surrogate_slice,
    timeline,
)
from labwright.report.record import CampaignRecord
from labwright.report.svg import STYLE

SLICE_POINTS = 41

SWEEP_KEYS = ("frequencies_hz", "z_real_ohm", "z_imag_ohm", "resistance", "resistance_sem", "cpe_q", "cpe_n", "celsius")
"""Fields of a replicate that is drawn as an impedance sweep with its fit."""


@dataclass(frozen=True)
class Card:
    """A picture with its title, explanation and numbers.

    Attributes:
        title: of the card.
        subtitle: explanation.
        picture: SVG.
        columns: of the table.
        rows: of the table.
        wide: whether it needs the full width of the page.
    """

    title: str
    subtitle: str
    picture: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    wide: bool = False


def html(record: CampaignRecord, world: Any = None) -> str:
    """The whole report.

    Args:
        record: of the campaign.
        world: the simulated world while it exists, for the true values; None for a real lab.
    """
    environment = Environment(
        loader=PackageLoader("labwright.report", "templates"), autoescape=True, undefined=StrictUndefined
    )
    spec = record.core.spec
    planner = load_planner(spec.planner)
    best = planner.best(record.core.state()) if record.done else None
    cards = cards_of(record, world)
    return environment.get_template("report.html").render(
        style=Markup(STYLE),  # noqa: S704 - our own constant
        title=spec.title,
        campaign=record.campaign,
        simulated=record.core.started.simulated,
        state=record.core.phase,
        reason=record.core.reason,
        started=_moment(record.started_s),
        wall_started=_moment(record.wall_started_s),
        hours=(record.ended_s - record.started_s) / 3600,
        objective=spec.objective,
        objectives=spec.objectives,
        unit="" if spec.objective.unit == "1" else spec.objective.unit,
        outcomes=spec.outcomes,
        compare=spec.compare,
        best=best,
        figure=figure,
        spelled=spelled,
        measured=measured,
        units={one.name: _unit(one) for one in spec.space.parameters},
        truth=_truth(record, world, best.params) if best else None,
        optimum=world.best_possible(spec.fixed) if world else None,
        planner=spec.planner.name,
        seed=spec.seed,
        budget=record.core.budget,
        cards=cards,
        expected=expected_rows(step_times(record)) if record.core.over else [],
        expected_columns=COLUMNS,
        end_words=end_words(record),
        missed_waits=missed_waits(record),
        trials=record.core.trials,
        made={name: _cells([trial.made[name] for trial in record.core.trials]) for name in spec.space.names},
        digits={one.name: resolving(one.low, one.high) for one in spec.space.parameters if isinstance(one, Real)},
        found={name: means(_found(record.core.trials, name)) for name in spec.outcomes},
        further=[one for one in record.protocol.results if one.name not in spec.outcomes],
        results=record.results(),
        fixed=", ".join(f"{name} {spelled(value)}" for name, value in spec.fixed.items()),
        head=head,
        earlier=record.core.started.earlier,
        names=spec.space.names,
    )


def cards_of(record: CampaignRecord, world: Any = None) -> list[Card]:
    """The pictures of a campaign with their numbers, as far as it has come.

    Args:
        record: of the campaign.
        world: the simulated world while it exists, for the true values; None for a real lab.
    """
    spec = record.core.spec
    cards: list[Card] = []
    if record.done:
        planner = load_planner(spec.planner)
        best = planner.best(record.core.state())
        cards.append(best_card(record, planner, best, world))
        cards += _front_cards(record)
        if best is not None:
            for objective in spec.objectives:
                cards += _slice_cards(record, planner, best.params, objective)
        cards += _replicates_cards(record)
        cards += _nyquist_cards(record)
        cards += _parity_cards(record, world)
    if record.steps:
        cards.append(_timeline_card(record))
    return cards


def _found(trials: Sequence[Trial], name: str) -> list[tuple[float, float | None] | None]:
    """Mean and standard error of an outcome in each trial; None in those without."""
    found = [one.outcomes.get(name) if one.status == "done" else None for one in trials]
    return [None if one is None else (one.mean, one.sem) for one in found]


def _cells(values: Sequence[Any]) -> list[str]:
    """Values of a parameter below one another."""
    if all(isinstance(value, (int, float)) for value in values):
        return column(values, 5)
    return [str(value) for value in values]


def best_card(record: CampaignRecord, planner: Planner, best: Recommendation | None, world: Any) -> Card:
    """The best experiment after each, by the model and not by luck; its true value where a simulation knows it."""
    spec = record.core.spec
    unit, done = spec.objective.unit, record.done
    estimates = _estimates(record, planner)
    believed = estimates if estimates is not None else record.values()
    chosen = _incumbents(record, believed)
    if best is not None and estimates is not None and chosen and chosen[-1] is not None:
        chosen[-1] = next((n for n, trial in enumerate(done) if trial.id == best.trial_id), chosen[-1])
    truths = [_truth(record, world, trial.made) for trial in done]
    known = [truth for truth in truths if truth is not None]
    if len(known) == len(done):
        shown = known
        label = "true value of the best so far" + (", chosen by the planner's model" if estimates is not None else "")
    else:
        shown = believed
        label = "best so far, by the planner's model" if estimates is not None else "best so far, as measured"
    line = [(float(number), shown[at]) for number, at in enumerate(chosen, 1) if at is not None]
    series: list[Series] = []
    if line:
        series.append((label, [number for number, _ in line], [value for _, value in line]))
    if spec.compare is not None:
        numbers = [float(number) for number, _ in spec.compare.best_so_far]
        values = [value for _, value in spec.compare.best_so_far]
        title = f"{spec.compare.title}, best as measured"
        series.append((title, [*numbers, float(spec.compare.experiments)], [*values, values[-1]]))
    possible = world.best_possible(spec.fixed) if world else None
    optimum = possible[1] if possible else None
    lucky = _records(record) if shown is not believed or estimates is not None else []
    columns = [column(record.values()), *([column(estimates)] if estimates is not None else [])]
    columns.append(column([None if at is None else shown[at] for at in chosen]))
    heads = ["measured", *(["by the model"] if estimates is not None else []), label]
    counting = ", of those that keep the limits" if spec.outcome_limits else ""
    source = f" The {spec.compare.title}: {spec.compare.source}." if spec.compare else ""
    means = (
        " Rings mark the best single means: the luckiest of many readings that scatter, not estimates." if lucky else ""
    )
    return Card(
        "Best so far",
        f"{_wanted(spec.objective)}: after each experiment the {label}{counting}.{means}{source}",
        _markup(best_so_far(series, unit, optimum, lucky) if series else ""),
        ("experiment", *(_with_unit(head, "" if unit == "1" else unit) for head in heads)),
        [(trial.id, *cells) for trial, *cells in zip(done, *columns, strict=True)],
    )


def _truth(record: CampaignRecord, world: Any, made: Params) -> float | None:
    """The true value of what was made, if a simulated world is there and knows it."""
    if world is None:
        return None
    found = world.truth(record.protocol.given({**made, **record.core.spec.fixed}))
    return None if found is None else float(found)


def _estimates(record: CampaignRecord, planner: Planner, objective: Objective | None = None) -> list[float] | None:
    """The objective of what each experiment made, by the model that knows all of them; None without a model."""
    try:
        found = planner.predict(_state(record, objective), [trial.made for trial in record.done])
    except PlannerError:
        return None
    return [one.mean for one in found]


def _state(record: CampaignRecord, objective: Objective | None = None) -> CampaignState:
    """The campaign as a planner sees it, with one of several objectives alone."""
    state = record.core.state()
    return state if objective is None else state.model_copy(update={"objective": objective, "more_objectives": ()})


def _incumbents(record: CampaignRecord, values: Sequence[float]) -> list[int | None]:
    """Which of the experiments so far that count is the best by `values`, after each."""
    spec = record.core.spec
    best: int | None = None
    found: list[int | None] = []
    for at, (trial, value) in enumerate(zip(record.done, values, strict=True)):
        if counts(trial, spec.outcome_limits, spec.fidelity) and (
            best is None or spec.objective.merit(value) > spec.objective.merit(values[best])
        ):
            best = at
        found.append(best)
    return found


def _records(record: CampaignRecord) -> list[tuple[float, float]]:
    """Number and measured mean of each experiment whose mean was better than all before it."""
    values = record.values()
    chosen = _incumbents(record, values)
    return [(float(at + 1), values[at]) for at in dict.fromkeys(one for one in chosen if one is not None)]


def _wanted(objective: Objective) -> str:
    """The goal of an objective, in words."""
    name, unit = objective.name, "" if objective.unit == "1" else f" {objective.unit}"
    if objective.goal == "target":
        return f"{name} near {objective.target:g}{unit}"
    if objective.goal == "range":
        return f"{name} within {objective.low:g} to {objective.high:g}{unit}"
    return f"{name} as {'large' if objective.goal == 'max' else 'small'} as possible"


def _front_cards(record: CampaignRecord) -> list[Card]:
    """With several objectives: the Pareto front, drawn for the first two."""
    spec = record.core.spec
    counted = record.core.counted
    if len(spec.objectives) < 2 or not counted:
        return []
    best = front(spec.objectives, counted)
    pairs = [[(one.outcomes[o.name].mean) for o in spec.objectives[:2]] for one in record.done]
    chosen = [[(one.outcomes[o.name].mean) for o in spec.objectives[:2]] for one in best]
    shown = [[one.outcomes[o.name].mean for one in best] for o in spec.objectives]
    heads = [_with_unit(one.name, "" if one.unit == "1" else one.unit) for one in spec.objectives]
    return [
        Card(
            "Pareto front",
            f"{'; '.join(map(_wanted, spec.objectives))}. For each of these {len(best)} of {len(record.done)} "
            "experiments, no other is better in one objective without being worse in another.",
            _markup(front_of(heads[0], heads[1], pairs, chosen)),
            ("experiment", *heads),
            list(zip([one.id for one in best], *(column(found) for found in shown), strict=True)),
        )
    ]


def _replicates_cards(record: CampaignRecord) -> list[Card]:
    """How much experiments at the same point differ, where some were made there."""
    points = replicated(record.done)
    if not points:
        return []
    spec = record.core.spec
    heads: list[str] = []
    columns: list[list[str]] = []
    words = []
    for one in spec.objectives:
        found = [point.spread(one.name) for point in points]
        unit = "" if one.unit == "1" else one.unit
        heads += [_with_unit(f"mean {one.name}", unit), _with_unit("standard deviation", unit)]
        columns += [column([mean for mean, _ in found]), [figure(spread, 3) for _, spread in found]]
        amount = with_unit(figure(within(points, one.name), 3), one.unit)
        words.append(f"one experiment's {one.name} has a standard deviation of {amount} within its replicates")
    made = [[spelled(point.params[name]) for point in points] for name in spec.space.names]
    labels = [", ".join(trial.id for trial in point.trials) for point in points]
    return [
        Card(
            "Replicates",
            f"{len(points)} points with more than one experiment: {'; '.join(words)}, pooled over them.",
            _markup(""),
            ("experiments", *(head(one.name, _unit(one)) for one in spec.space.parameters), *heads),
            list(zip(labels, *made, *columns, strict=True)),
        )
    ]


def _slice_cards(record: CampaignRecord, planner: Planner, best: Params, objective: Objective) -> list[Card]:
    """The planner's model of an objective along each parameter through the best point; none without a model."""
    spec = record.core.spec
    several = len(spec.objectives) > 1
    state = _state(record, objective if several else None)
    unit = "" if objective.unit == "1" else objective.unit
    cards = []
    for parameter in spec.space.parameters:
        if isinstance(parameter, Categorical):
            xs: list[Any] = list(parameter.levels)
        else:
            along = dict.fromkeys(parameter.from_unit(index / (SLICE_POINTS - 1)) for index in range(SLICE_POINTS))
            xs = [int(x) if isinstance(parameter, Integer) else float(x) for x in along]
        points: list[Params] = [{**best, parameter.name: x} for x in xs]
        try:
            outcomes = planner.predict(state, points)
        except PlannerError:
            return []
        means = [one.mean for one in outcomes]
        sds = [one.sem or 0.0 for one in outcomes]
        found = [(trial.made[parameter.name], trial.outcomes[objective.name].mean) for trial in record.done]
        upright = _with_unit(objective.name, unit)
        if isinstance(parameter, Categorical):
            seen = [(str(level), value) for level, value in found]
            picture = surrogate_levels(parameter.name, upright, xs, means, sds, seen)
        else:
            pairs = [(float(x), value) for x, value in found]
            picture = surrogate_slice(parameter.name, _unit(parameter), upright, xs, means, sds, pairs)
        cards.append(
            Card(
                f"The planner's model{f' of {objective.name}' if several else ''} along {parameter.name}",
                "Posterior of the noise-free value with ±2σ; the other parameters are at the best point. Rings are "
                "all experiments; those far from the best point are off the line.",
                _markup(picture),
                (
                    _with_unit(parameter.name, _unit(parameter)),
                    _with_unit("mean", unit),
                    _with_unit("σ", unit),
                ),
                list(
                    zip(
                        xs if isinstance(parameter, Categorical) else column(xs),
                        column(means),
                        [figure(sd, 2) for sd in sds],
                        strict=True,
                    )
                ),
            )
        )
    return cards


def _nyquist_cards(record: CampaignRecord) -> list[Card]:
    """The last impedance sweep of the best experiment, if the protocol records its sweeps."""
    objective = record.core.spec.objective
    name = objective.name
    kept = [results for results in record.found_anywhere(name) if _is_sweep(results.get("replicates"))]
    if not kept:
        return []
    best = max(kept, key=lambda results: objective.merit(results[name]))
    return sweep_cards("Impedance of the best sample", best)


def sweep_cards(title: str, results: Mapping[str, Any]) -> list[Card]:
    """The last impedance sweep of an experiment with its fit; none if what was found has no sweep.

    Args:
        title: of the card.
        results: that a step has found.
    """
    if not _is_sweep(results.get("replicates")):
        return []
    one = results["replicates"][-1]
    frequencies = one["frequencies_hz"]
    swept = [complex(r, x) for r, x in zip(one["z_real_ohm"], one["z_imag_ohm"], strict=True)]
    fitted = [
        one["resistance"] + 1 / (one["cpe_q"] * cmath.exp(one["cpe_n"] * cmath.log(2j * math.pi * frequency)))
        for frequency in frequencies
    ]
    return [
        Card(
            title,
            f"Last replicate: R = {measured(one['resistance'], one['resistance_sem'])} Ω "
            f"at {figure(one['celsius'])} °C.",
            _markup(nyquist(swept, fitted, one["resistance"])),
            ("frequency / Hz", "Re Z / Ω", "Im Z / Ω", "Re fit / Ω", "Im fit / Ω"),
            [
                (f"{f:g}", figure(z.real), figure(z.imag), figure(g.real), figure(g.imag))
                for f, z, g in zip(frequencies, swept, fitted, strict=True)
            ],
        )
    ]


def _is_sweep(replicates: Any) -> bool:
    last = replicates[-1] if isinstance(replicates, list) and replicates else None
    return isinstance(last, dict) and set(SWEEP_KEYS) <= set(last)


def _parity_cards(record: CampaignRecord, world: Any) -> list[Card]:
    """Nominal against measured value, for each parameter that is measured."""
    done = [trial for trial in record.done if trial.measured_params]
    made = world.made() if world else None
    truths = made if made is not None and len(made) == len(done) else None
    cards = []
    for parameter in record.core.spec.space.parameters:
        name, unit = parameter.name, _unit(parameter)
        if not done or any(name not in (trial.measured_params or {}) for trial in done):
            continue
        nominal = [float(trial.params[name]) for trial in done]
        weighed = [float(trial.made[name]) for trial in done]
        true = [one[name] for one in truths] if truths is not None and name in truths[0] else None
        words = f"Nominal and measured differ by {_amount(_rms(nominal, weighed), unit)} (root mean square)"
        if true is not None:
            words += (
                f". The true values, which only a simulation knows, differ from the nominal by "
                f"{_amount(_rms(nominal, true), unit)}, from the measured by {_amount(_rms(weighed, true), unit)}"
            )
        columns = [_with_unit(word, unit) for word in ("nominal", "measured", *(["true"] if true is not None else []))]
        cards.append(
            Card(
                f"Nominal and measured {name}",
                f"{words}. The planner learns from the measured values.",
                _markup(parity(name, unit, nominal, weighed) + differences(name, unit, weighed, nominal, true)),
                ("experiment", *columns),
                [
                    (trial.id, *values)
                    for trial, *values in zip(
                        done, *map(_cells, [nominal, weighed, *([true] if true else [])]), strict=True
                    )
                ],
            )
        )
    return cards


def _rms(some: Sequence[float], others: Sequence[float]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(some, others, strict=True)) / len(some))


def _amount(value: float, unit: str) -> str:
    return with_unit(figure(value, 2), unit)


def _timeline_card(record: CampaignRecord) -> Card:
    bars = []
    for (label, step), outcome in record.steps.items():
        bars.append(
            Bar(
                record.stations.get((label, step), step),
                f"{label} {step}",
                outcome.started_s - record.started_s,
                outcome.ended_s - record.started_s,
                outcome.state,
            )
        )
    busy: dict[str, float] = {}
    for bar in bars:
        busy[bar.station] = busy.get(bar.station, 0.0) + bar.end_s - bar.start_s
    total = max(bar.end_s for bar in bars) or 1.0
    return Card(
        "Timeline of the stations",
        "One bar per step; failed and stopped steps are labelled.",
        _markup(timeline(bars)),
        ("station", "steps", "busy / h", "busy / %"),
        [
            (name, sum(bar.station == name for bar in bars), figure(time_s / 3600, 3), figure(100 * time_s / total, 2))
            for name, time_s in sorted(busy.items())
        ],
        wide=True,
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _with_unit(name: str, unit: str) -> str:
    return f"{name} / {unit}" if unit else name


def _unit(parameter: Any) -> str:
    """The parameter's unit; a pure number has none to show."""
    unit = str(getattr(parameter, "unit", ""))
    return "" if unit == "1" else unit


def _markup(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - drawn by us, every text in it is escaped
