"""The pictures of a campaign with their numbers: the same for a report, a console and a notebook."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence
from typing import Any

from labwright.model.campaign import Objective
from labwright.model.errors import PlannerError
from labwright.model.figures import column, figure, measured, spelled, with_unit
from labwright.model.judging import replicated, within
from labwright.model.names import column as head
from labwright.model.space import Categorical, Integer, Params
from labwright.planners import Planner, load_planner
from labwright.report.best import best_cards, state_of
from labwright.report.card import Card, Cards, cells, drawn, headed, unit_of
from labwright.report.pictures import (
    Bar,
    differences,
    nyquist,
    parity,
    surrogate_levels,
    surrogate_slice,
    timeline,
)
from labwright.report.record import CampaignRecord

SLICE_POINTS = 41

SWEEP_KEYS = ("frequencies_hz", "z_real_ohm", "z_imag_ohm", "resistance", "resistance_sem", "cpe_q", "cpe_n", "celsius")
"""Fields of a replicate that is drawn as an impedance sweep with its fit."""


def cards_of(record: CampaignRecord, world: Any = None) -> Cards:
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
        cards += best_cards(record, planner, best, world)
        if best is not None:
            for objective in spec.objectives:
                cards += _slice_cards(record, planner, best.params, objective)
        cards += _replicates_cards(record)
        cards += _nyquist_cards(record)
        cards += _parity_cards(record, world)
    if record.steps:
        cards.append(_timeline_card(record))
    return Cards(cards)


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
        heads += [headed(f"mean {one.name}", unit), headed("standard deviation", unit)]
        columns += [column([mean for mean, _ in found]), [figure(spread, 3) for _, spread in found]]
        amount = with_unit(figure(within(points, one.name), 3), one.unit)
        words.append(f"one experiment's {one.name} has a standard deviation of {amount} within its replicates")
    made = [[spelled(point.params[name]) for point in points] for name in spec.space.names]
    labels = [", ".join(trial.id for trial in point.trials) for point in points]
    return [
        Card(
            "Replicates",
            f"{len(points)} points with more than one experiment: {'; '.join(words)}, pooled over them.",
            drawn(""),
            ("experiments", *(head(one.name, unit_of(one)) for one in spec.space.parameters), *heads),
            list(zip(labels, *made, *columns, strict=True)),
        )
    ]


def _slice_cards(record: CampaignRecord, planner: Planner, best: Params, objective: Objective) -> list[Card]:
    """The planner's model of an objective along each parameter through the best point; none without a model."""
    spec = record.core.spec
    several = len(spec.objectives) > 1
    state = state_of(record, objective if several else None)
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
        upright = headed(objective.name, unit)
        if isinstance(parameter, Categorical):
            seen = [(str(level), value) for level, value in found]
            picture = surrogate_levels(parameter.name, upright, xs, means, sds, seen)
        else:
            pairs = [(float(x), value) for x, value in found]
            picture = surrogate_slice(parameter.name, unit_of(parameter), upright, xs, means, sds, pairs)
        cards.append(
            Card(
                f"The planner's model{f' of {objective.name}' if several else ''} along {parameter.name}",
                "Posterior of the noise-free value with ±2σ; the other parameters are at the best point. Rings are "
                "all experiments; those far from the best point are off the line.",
                drawn(picture),
                (
                    headed(parameter.name, unit_of(parameter)),
                    headed("mean", unit),
                    headed("σ", unit),
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
            drawn(nyquist(swept, fitted, one["resistance"])),
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
        name, unit = parameter.name, unit_of(parameter)
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
        columns = [headed(word, unit) for word in ("nominal", "measured", *(["true"] if true is not None else []))]
        cards.append(
            Card(
                f"Nominal and measured {name}",
                f"{words}. The planner learns from the measured values.",
                drawn(parity(name, unit, nominal, weighed) + differences(name, unit, weighed, nominal, true)),
                ("experiment", *columns),
                [
                    (trial.id, *values)
                    for trial, *values in zip(
                        done, *map(cells, [nominal, weighed, *([true] if true else [])]), strict=True
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
        drawn(timeline(bars)),
        ("station", "steps", "busy / h", "busy / %"),
        [
            (name, sum(bar.station == name for bar in bars), figure(time_s / 3600, 3), figure(100 * time_s / total, 2))
            for name, time_s in sorted(busy.items())
        ],
        wide=True,
    )
