"""Campaigns, as JSON."""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson

from labwright.journal import Journal, LoggedEvent, schema
from labwright.journal.listing import listed
from labwright.journal.reading import Controller, questions_of
from labwright.model.campaign import Trial
from labwright.model.happened import told
from labwright.model.judging import counts
from labwright.model.records import Intent
from labwright.model.remarks import AS_MEASURED

LAST = 12
"""Events that are shown of a campaign."""


def campaign_facts(journal: Journal, row: dict[str, Any], here: Controller) -> dict[str, Any]:
    """All that is shown of a campaign: how it stands, its experiments, and what happened last in it.

    Args:
        journal: opened to be read.
        row: of the campaign, as `labwright.journal.reading.campaign_rows` gives it.
        here: the controller that runs.
    """
    from labwright.engine.deck import deck_questions  # takes seconds to import, and `campaign stop` must not wait

    campaign = row["id"]
    question, experiment, step = schema.question, schema.experiment, schema.step
    reservation, intent = schema.reservation, schema.intent
    steps = journal.rows(step, step.c.campaign == campaign, order=step.c.step_id)
    by_label: dict[str, list[dict[str, Any]]] = {}
    for one in steps:
        by_label.setdefault(one["label"], []).append({**one})
    doubts = journal.rows(
        intent,
        intent.c.campaign == campaign,
        intent.c.state.in_(("prepared", "unknown")),
        order=(intent.c.prepared_s),
    )
    events = deque(journal.events(campaign), maxlen=LAST)
    first = next(journal.events(campaign))
    trial = schema.trial
    trials = {
        one["label"]: Trial.model_validate_json(one["trial"])
        for one in journal.rows(trial, trial.c.campaign == campaign, trial.c.label != "")
    }
    here_listed = listed(journal, row, here)
    return {
        **here_listed,
        "best_experiment": _best_experiment(here_listed, trials),
        "by": first.payload.get("by", ""),
        "learns_from": _learns_from(journal, first.payload),
        "lab": row["lab"],
        "fixed": first.payload["spec"].get("fixed", {}),
        "experiments": [
            {
                "experiment": one["label"],
                "sample": one["sample"],
                "protocol": one["protocol"],
                "state": one["state"],
                "reason": one["reason"],
                "parameters": dict(trials[one["label"]].params) if one["label"] in trials else {},
                "results": orjson.loads(one["results"] or "{}"),
                "use": trials[one["label"]].use if one["label"] in trials else AS_MEASURED,
                "location": one["stands_at"],
                "stands_at": one["stands_at"],  # its name before, for scripts that read it
                "steps": [
                    {key: at[key] for key in ("step_id", "name", "station", "state", "attempt", "round", "error")}
                    for at in by_label.get(one["label"], [])
                ],
            }
            for one in journal.rows(experiment, experiment.c.campaign == campaign, order=experiment.c.label)
        ],
        "questions": [
            *questions_of(journal, question.c.campaign == campaign, question.c.state == "open"),
            *(
                {**one.row(), "choices": one.choices}
                for one in deck_questions(journal, running=here.under_way)
                if one.campaign == campaign
            ),
        ],
        "reservations": [
            {key: one[key] for key in ("resource", "state", "label", "step_id")}
            for one in journal.rows(reservation, reservation.c.campaign == campaign, order=reservation.c.resource)
        ],
        "stocks": _stocks(journal, row["instruments"]),
        "doubts": [
            {
                "intent": f"{one['step_id']}#{one['n']}",
                "attempt": one["attempt"],
                "state": one["state"],
                "what": Intent.model_construct(**one).what,
                "words": one["words"],
                "since_s": one["prepared_s"],
            }
            for one in doubts
        ],
        "protocols": first.payload["protocols"],
        "events": [
            {"id": one.id, "wall_time_s": one.wall_time_s, "kind": one.kind, "words": told(one.payload)}
            for one in events
        ],
    }


def _best_experiment(listed: dict[str, Any], trials: dict[str, Trial]) -> str:
    """Label of the experiment whose outcome is the best; empty if none counts."""
    name = listed["objective"]["name"]
    done = {label: one.outcomes[name].mean for label, one in trials.items() if counts(one)}
    return next((label for label, mean in done.items() if mean == listed["best"]), "")


def _learns_from(journal: Journal, first: dict[str, Any]) -> list[dict[str, Any]]:
    """Earlier campaigns that the planner learns from, and whether they were simulated."""
    known = {row["id"]: bool(row["simulated"]) for row in journal.rows(schema.campaign)} if first.get("earlier") else {}
    return [{"campaign": one["name"], "simulated": known.get(one["name"])} for one in first.get("earlier", ())]


def _stocks(journal: Journal, instruments: str) -> list[dict[str, Any]]:
    """What is left of the stocks of these instruments."""
    stock = schema.stock
    return [
        {
            "instruments": instruments,
            "name": one["name"],
            "material": one["material"],
            "unit": one["unit"],
            "usable": one["count"] - one["dead"] - one["used"],
            "reserved": one["reserved"],
            "unknown": one["unknown"],
        }
        for one in journal.rows(stock, stock.c.instruments == instruments, order=stock.c.name)
    ]


def event_fields(logged: LoggedEvent) -> dict[str, Any]:
    """An event, for a program."""
    times = {"lab_time_s": logged.lab_time_s, "wall_time_s": logged.wall_time_s}
    return {**logged.payload, "id": logged.id, "campaign": logged.campaign, "epoch": logged.epoch, **times}


def experiment_list(journal: Journal, campaign: str) -> list[dict[str, Any]]:
    """Experiments and proposals as the planner's records have them, in their order."""
    table = schema.trial
    return [
        {
            "id": row["id"], "label": row["label"], "status": row["status"], "source": row["source"],
            **orjson.loads(row["trial"]),
        }
        for row in journal.rows(table, table.c.campaign == campaign, order=table.c.n)
    ]  # fmt: skip
