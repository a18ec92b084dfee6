"""An experiment: as asked and as made, what was found, its steps with their runs, its spectrum and its vial."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request

from labwright.facts.questions import question_facts
from labwright.journal import Journal, schema
from labwright.journal.reading import spec_of
from labwright.model.campaign import Trial
from labwright.model.figures import measured
from labwright.model.protocol import ProtocolSpec
from labwright.model.remarks import About
from labwright.report import sweep_cards
from labwright.service.campaigns import row_of
from labwright.service.console.frame import LAB
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.page import PageRoute, Shown
from labwright.service.console.saying import said_about
from labwright.service.gate import Asker
from labwright.service.problems import Problem
from labwright.service.rights import can
from labwright.service.state import Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)


def experiment(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """One experiment of a campaign."""
    campaign, label = str(request.path_params["campaign"]), str(request.path_params["label"])
    with service.records.reading() as journal:
        row = row_of(service, asker, journal, campaign)
        made = _row(journal, campaign, label)
        trial = _trial(journal, campaign, label)
        spec = spec_of(journal, campaign)
        outcomes = _outcomes(journal, campaign, label)
        steps = journal.rows(schema.step, schema.step.c.campaign == campaign, schema.step.c.label == label)
        sample = journal.rows(schema.sample, schema.sample.c.campaign == campaign, schema.sample.c.label == label)
        protocol = _protocol(journal, campaign, spec["protocol"])
        said = said_about(service, asker, journal, About(kind="experiment", campaign=campaign, label=label))
        asked = question_facts(journal, label=(campaign, label)) if can(asker.who, "lab.read", LAB) else []
        may_read = bool(can(asker.who, "data.read", service.owned.campaign(journal, campaign, "data")))
    found = {name: value for one in outcomes.values() for name, value in one["results"].items()}
    edits = trial.edits if trial is not None else ()
    data = {
        "campaign": campaign,
        "campaign_title": row["title"] or row["name"],
        "label": label,
        "said": said,
        "experiment": made,
        "trial": trial,
        "asked": trial.params if trial is not None else {},
        "before": {name: value for one in reversed(edits) for name, value in one.before.items()},
        "edited": {name: value for one in edits for name, value in one.params.items()},
        "questions": asked,
        "made": trial.measured_params or {} if trial is not None else {},
        "fixed": spec.get("fixed", {}),
        "units": {one.name: getattr(one, "unit", "1") for one in protocol.parameters},
        "results": [(one, one.shown(protocol.declared(found))) for one in protocol.results],
        "expected": None if trial is None or trial.predicted is None else measured(
            trial.predicted.mean, trial.predicted.sem
        ),
        "objective": spec["objective"],
        "steps": sorted(steps, key=lambda one: (one["started_s"] or float("inf"), one["step_id"])),
        "runs": {step: one["run_uids"] for step, one in outcomes.items()} if may_read else {},
        "pictures": [
            card for one in outcomes.values() for card in sweep_cards(words("spectrum"), one["results"])
        ] if may_read else [],
        "sample": sample[0] if sample else None,
    }  # fmt: skip
    return Shown(
        words("experiment.of", label=label),
        "experiment",
        data,
        ("questions", "found", "deviations", "vial", "steps", "notes"),
    )


def _row(journal: Journal, campaign: str, label: str) -> dict[str, Any]:
    table = schema.experiment
    rows = journal.rows(table, table.c.campaign == campaign, table.c.label == label)
    if not rows:
        raise Problem("not_found", f"campaign {campaign} has no experiment {label[:40]!r}")
    return dict(rows[0])


def _trial(journal: Journal, campaign: str, label: str) -> Trial | None:
    """What the planner knows of it; nothing of a preparation."""
    table = schema.trial
    rows = journal.rows(table, table.c.campaign == campaign, table.c.label == label)
    return Trial.model_validate_json(rows[0]["trial"]) if rows else None


def _outcomes(journal: Journal, campaign: str, label: str) -> dict[str, dict[str, Any]]:
    """How its steps have ended, by their ids; the last time each."""
    event = schema.event
    mine = event.c.payload.contains(f'"step_id":"{campaign}/{label}/', autoescape=True)
    rows = journal.rows(event, event.c.campaign == campaign, event.c.kind == "step_ended", mine, order=event.c.id)
    ended = [orjson.loads(row["payload"])["outcome"] for row in rows]
    return {str(one["step_id"]): one for one in ended}


def _protocol(journal: Journal, campaign: str, name: str) -> ProtocolSpec:
    """The protocol of a campaign's experiments, as it was when the campaign began."""
    event = schema.event
    rows = journal.rows(event, event.c.campaign == campaign, event.c.kind == "started", order=event.c.id)
    known = orjson.loads(rows[0]["payload"])["protocols"]
    return next(ProtocolSpec.model_validate(one) for one in known if one["name"] == name)


page(router, "/campaigns/{campaign}/experiments/{label}", experiment)
