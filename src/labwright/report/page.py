"""The report of a campaign: one HTML file with pictures, and every picture's numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from labwright.model.campaign import Trial
from labwright.model.figures import figure, means, measured, resolving, spelled
from labwright.model.names import column as head
from labwright.model.remarks import AS_MEASURED
from labwright.model.space import Real
from labwright.planners import load_planner
from labwright.report.best import bests, truth_of
from labwright.report.card import cells, moment, unit_of
from labwright.report.cards import cards_of
from labwright.report.expected import COLUMNS, end_words, expected_rows, step_times
from labwright.report.limited_waits import missed_waits
from labwright.report.record import CampaignRecord
from labwright.report.said import deviations_of, notes_of
from labwright.report.svg import STYLE


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
        started=moment(record.started_s),
        wall_started=moment(record.wall_started_s),
        hours=(record.ended_s - record.started_s) / 3600,
        objective=spec.objective,
        objectives=spec.objectives,
        unit="" if spec.objective.unit == "1" else spec.objective.unit,
        outcomes=spec.outcomes,
        compare=spec.compare,
        best=best,
        bests=bests(record),
        front=len(record.core.stopping.front),
        figure=figure,
        spelled=spelled,
        measured=measured,
        units={one.name: unit_of(one) for one in spec.space.parameters},
        truth=truth_of(record, world, best.params) if best else None,
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
        made={name: cells([trial.made[name] for trial in record.core.trials]) for name in spec.space.names},
        digits={one.name: resolving(one.low, one.high) for one in spec.space.parameters if isinstance(one, Real)},
        found={name: means(_found(record.core.trials, name)) for name in spec.outcomes},
        further=[one for one in record.protocol.results if one.name not in spec.outcomes],
        results=record.results(),
        fixed=", ".join(f"{name} {spelled(value)}" for name, value in spec.fixed.items()),
        head=head,
        notes=notes_of(record),
        deviations=deviations_of(record),
        as_measured=AS_MEASURED,
        earlier=record.core.started.earlier,
        names=spec.space.names,
    )


def _found(trials: Sequence[Trial], name: str) -> list[tuple[float, float | None] | None]:
    """Mean and standard error of an outcome in each trial; None in those without."""
    found = [one.outcomes.get(name) if one.status == "done" else None for one in trials]
    return [None if one is None else (one.mean, one.sem) for one in found]
