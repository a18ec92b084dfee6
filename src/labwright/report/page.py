"""The report of a campaign: one HTML file with pictures, and every picture's numbers as a table."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from labwright.model.campaign import Objective
from labwright.model.judging import front
from labwright.model.space import Categorical, Integer, Params
from labwright.planners import Planner, load_planner
from labwright.report.pictures import (
    Bar,
    Series,
    best_so_far,
    differences,
    front_of,
    nyquist,
    parity,
    surrogate_slice,
    timeline,
)
from labwright.report.record import CampaignRecord
from labwright.report.svg import STYLE

SLICE_POINTS = 41

SWEEP_KEYS = ("frequencies_hz", "z_real_ohm", "z_imag_ohm", "resistance", "resistance_sem", "cpe_q", "cpe_n", "celsius")
"""What a replicate must hold to be drawn as an impedance sweep with its fit."""


@dataclass(frozen=True)
class Card:
    """A picture, what it says, and its numbers.

    Attributes:
        title: of the card.
        subtitle: what to look at.
        picture: SVG.
        columns: of the table.
        rows: of the table.
        wide: whether it wants the whole page.
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
        record: the campaign as it went.
        world: the simulated world while it exists, for the truth behind the results; None for a real lab.
    """
    environment = Environment(
        loader=PackageLoader("labwright.report", "templates"), autoescape=True, undefined=StrictUndefined
    )
    spec = record.core.spec
    planner = load_planner(spec.planner)
    best = planner.best(record.core.state()) if record.done else None
    cards = []
    if record.done:
        cards.append(_best_card(record, world))
        cards += _front_cards(record)
        if best is not None:
            cards += _slice_cards(record, planner, {k: float(v) for k, v in best.params.items()})
        cards += _nyquist_cards(record)
        cards += _parity_cards(record, world)
    if record.steps:
        cards.append(_timeline_card(record))
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
        outcomes=spec.outcomes,
        compare=spec.compare,
        best=best,
        units={one.name: _unit(one) for one in spec.space.parameters},
        truth=world.truth({**{k: float(v) for k, v in best.params.items()}, **spec.fixed}) if world and best else None,
        optimum=world.best_possible(spec.fixed) if world else None,
        planner=spec.planner.name,
        seed=spec.seed,
        budget=spec.budget,
        cards=cards,
        trials=record.core.trials,
        earlier=record.core.started.earlier,
        names=spec.space.names,
    )


def _best_card(record: CampaignRecord, world: Any) -> Card:
    spec = record.core.spec
    ours = record.best_so_far()
    numbers_of = [int(trial.id) for trial in record.done]  # as their vials are labelled: what failed has one too
    counted = [(float(number), best) for number, best in zip(numbers_of, ours, strict=True) if best is not None]
    series: list[Series] = []
    if counted:
        series.append(("this campaign", [number for number, _ in counted], [best for _, best in counted]))
    if spec.compare is not None:
        numbers = [float(number) for number, _ in spec.compare.best_so_far]
        values = [value for _, value in spec.compare.best_so_far]
        series.append((spec.compare.title, [*numbers, float(spec.compare.experiments)], [*values, values[-1]]))
    possible = world.best_possible(spec.fixed) if world else None
    optimum = possible[1] if possible else None
    values = record.values()
    rows = [
        (trial.id, f"{value:.3f}", "" if best is None else f"{best:.3f}")
        for trial, value, best in zip(record.done, values, ours, strict=True)
    ]
    counting = ", of those that keep the limits" if spec.outcome_limits else ""
    source = f" {spec.compare.title}: {spec.compare.source}." if spec.compare else ""
    return Card(
        "Best so far",
        f"{_wanted(spec.objective)}: the best measured mean after each experiment{counting}.{source}",
        _markup(best_so_far(series, spec.objective.unit, optimum) if series else ""),
        ("experiment", f"measured / {spec.objective.unit}", f"best so far / {spec.objective.unit}"),
        rows,
    )


def _wanted(objective: Objective) -> str:
    """What is wanted of an objective, in words."""
    name, unit = objective.name, "" if objective.unit == "1" else f" {objective.unit}"
    if objective.goal == "target":
        return f"{name} near {objective.target:g}{unit}"
    if objective.goal == "range":
        return f"{name} within {objective.low:g} to {objective.high:g}{unit}"
    return f"{name} as {'large' if objective.goal == 'max' else 'small'} as possible"


def _front_cards(record: CampaignRecord) -> list[Card]:
    """With several objectives: which experiments no other beats, and the first two objectives against each other."""
    spec = record.core.spec
    counted = record.core.counted
    if len(spec.objectives) < 2 or not counted:
        return []
    best = front(spec.objectives, counted)
    pairs = [[(one.outcomes[o.name].mean) for o in spec.objectives[:2]] for one in record.done]
    chosen = [[(one.outcomes[o.name].mean) for o in spec.objectives[:2]] for one in best]
    heads = [_with_unit(one.name, "" if one.unit == "1" else one.unit) for one in spec.objectives]
    return [
        Card(
            "What no other experiment beats",
            f"{'; '.join(map(_wanted, spec.objectives))}. No other experiment is better than one of these "
            f"{len(best)}, of {len(record.done)}, without being worse in something.",
            _markup(front_of(heads[0], heads[1], pairs, chosen)),
            ("experiment", *heads),
            [(one.id, *(f"{one.outcomes[o.name].mean:.3f}" for o in spec.objectives)) for one in best],
        )
    ]


def _slice_cards(record: CampaignRecord, planner: Planner, best: dict[str, float]) -> list[Card]:
    """The planner's model along each parameter through the best point; none if this planner has no model."""
    from labwright.model.errors import PlannerError

    spec, state = record.core.spec, record.core.state()
    cards = []
    for parameter in spec.space.parameters:
        if isinstance(parameter, Categorical):
            continue  # levels have no order a line could follow
        xs = [
            float(x)
            for x in dict.fromkeys(parameter.from_unit(index / (SLICE_POINTS - 1)) for index in range(SLICE_POINTS))
        ]
        points: list[Params] = [{**best, parameter.name: int(x) if isinstance(parameter, Integer) else x} for x in xs]
        try:
            outcomes = planner.predict(state, points)
        except PlannerError:
            return []
        means = [one.mean for one in outcomes]
        sds = [one.sem or 0.0 for one in outcomes]
        measured = [
            (float(trial.made[parameter.name]), trial.outcomes[spec.objective.name].mean) for trial in record.done
        ]
        objective = f"{spec.objective.name} / {spec.objective.unit}"
        cards.append(
            Card(
                f"The planner's model along {parameter.name}",
                "Posterior of the noise-free value with ±2σ; the other parameters stand at the best point. Points are "
                "all experiments, so those far from the best point lie off the line.",
                _markup(surrogate_slice(parameter.name, _unit(parameter), objective, xs, means, sds, measured)),
                (
                    _with_unit(parameter.name, _unit(parameter)),
                    f"mean / {spec.objective.unit}",
                    f"σ / {spec.objective.unit}",
                ),
                [(f"{x:.3f}", f"{m:.3f}", f"{s:.3f}") for x, m, s in zip(xs, means, sds, strict=True)],
            )
        )
    return cards


def _nyquist_cards(record: CampaignRecord) -> list[Card]:
    """The last impedance sweep of the best experiment, if the protocol keeps its sweeps."""
    objective = record.core.spec.objective
    name = objective.name
    kept = [results for results in record.found_anywhere(name) if _is_sweep(results.get("replicates"))]
    if not kept:
        return []
    best = max(kept, key=lambda results: objective.merit(results[name]))
    one = best["replicates"][-1]
    frequencies = one["frequencies_hz"]
    measured = [complex(r, x) for r, x in zip(one["z_real_ohm"], one["z_imag_ohm"], strict=True)]
    fitted = [
        one["resistance"] + 1 / (one["cpe_q"] * cmath.exp(one["cpe_n"] * cmath.log(2j * math.pi * frequency)))
        for frequency in frequencies
    ]
    return [
        Card(
            "Impedance of the best sample",
            f"Last replicate: R = {one['resistance']:.2f} ± {one['resistance_sem']:.2f} Ω at {one['celsius']:.1f} °C.",
            _markup(nyquist(measured, fitted, one["resistance"])),
            ("frequency / Hz", "Re Z / Ω", "Im Z / Ω", "Re fit / Ω", "Im fit / Ω"),
            [
                (f"{f:g}", f"{z.real:.3f}", f"{z.imag:.3f}", f"{g.real:.3f}", f"{g.imag:.3f}")
                for f, z, g in zip(frequencies, measured, fitted, strict=True)
            ],
        )
    ]


def _is_sweep(replicates: Any) -> bool:
    last = replicates[-1] if isinstance(replicates, list) and replicates else None
    return isinstance(last, dict) and set(SWEEP_KEYS) <= set(last)


def _parity_cards(record: CampaignRecord, world: Any) -> list[Card]:
    """What was asked for against what was weighed, for each parameter that is weighed."""
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
        words = f"Nominal and weighed differ by {_amount(_rms(nominal, weighed), unit)} (root mean square)"
        if true is not None:
            words += (
                f". The true values, which only a simulation knows, differ from the nominal by "
                f"{_amount(_rms(nominal, true), unit)}, from the weighed by {_amount(_rms(weighed, true), unit)}"
            )
        columns = [_with_unit(word, unit) for word in ("nominal", "weighed", *(["true"] if true is not None else []))]
        cards.append(
            Card(
                f"Nominal and weighed {name}",
                f"{words}. The planner learns from what was made, not from what was asked for.",
                _markup(parity(name, unit, nominal, weighed) + differences(name, unit, weighed, nominal, true)),
                ("experiment", *columns),
                [
                    (trial.id, *(f"{value:.4f}" for value in values))
                    for trial, *values in zip(done, nominal, weighed, *([true] if true else []), strict=True)
                ],
            )
        )
    return cards


def _rms(some: Sequence[float], others: Sequence[float]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(some, others, strict=True)) / len(some))


def _amount(value: float, unit: str) -> str:
    return f"{value:.2g} {unit}".rstrip()


def _timeline_card(record: CampaignRecord) -> Card:
    stations = {(one.name, step.name): step.station for one in record.core.started.protocols for step in one.steps}
    bars = []
    for (label, step), outcome in record.steps.items():
        protocol = record.core.spec.protocol if label.isdigit() else label
        bars.append(
            Bar(
                stations[protocol, step],
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
        "One bar a step; a step that did not end well is marked by a word.",
        _markup(timeline(bars)),
        ("station", "steps", "busy / h", "busy / %"),
        [
            (name, sum(bar.station == name for bar in bars), f"{time_s / 3600:.2f}", f"{100 * time_s / total:.0f}")
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
