"""Campaigns as who looks on sees them in a list: the command line, the service, programs."""

from __future__ import annotations

from typing import Any

import orjson

from labwright.journal import schema
from labwright.journal.journal import Journal
from labwright.journal.reading import Controller, is_paused, questions_of, spec_of
from labwright.journal.waiting import waits_of
from labwright.model.campaign import Fidelity, Objective, OutcomeLimit, Trial
from labwright.model.judging import best_of, counts, front
from labwright.model.states import OVER


def listed(journal: Journal, row: dict[str, Any], here: Controller) -> dict[str, Any]:
    """A campaign as a list of campaigns has it.

    Args:
        journal: opened to be read.
        row: of the campaign, as `labwright.journal.reading.campaign_rows` gives it.
        here: the controller that runs.
    """
    question, over = schema.question, row["state"] in OVER
    asked = question.c.campaign == row["id"], question.c.state == "open"
    mine = [] if over else questions_of(journal, *asked)
    objective, *more = orjson.loads(row["objectives"])
    running = row["id"] in here.campaigns and not over
    return {
        "campaign": row["id"],
        "name": row["name"],
        "title": row["title"],
        "state": row["state"],
        "paused": is_paused(row),
        "reason": row["reason"],
        "simulated": bool(row["simulated"]),
        "instruments": row["instruments"],
        "tried": row["tried"],
        "budget": row["budget"],
        **_judged(journal, row, alone=not more),
        "objective": objective,
        "began_s": row["wall_began_s"],
        "controller": running,
        "questions": [one["id"] for one in mine],
        "waits_for": waits_of(journal, row, running=running),
    }


def _judged(journal: Journal, row: dict[str, Any], *, alone: bool) -> dict[str, Any]:
    """The best mean of the objective, as measured, and how many experiments are on the Pareto front of several.

    The trials are looked at only where an earlier Labwright has written the campaign.
    """
    if row["best"] is not None and (alone or row["front"] is not None):
        return {"best": row["best"], "front": None if alone else row["front"]}
    table = schema.trial
    rows = journal.rows(table, table.c.campaign == row["id"], table.c.status == "done", order=table.c.n)
    if not rows:
        return {"best": None, "front": None}
    spec = spec_of(journal, row["id"])
    objective, *more = [Objective.model_validate(one) for one in (spec["objective"], *spec.get("more_objectives", ()))]
    limits = [OutcomeLimit.model_validate(one) for one in spec.get("outcome_limits", ())]
    fidelity = Fidelity.model_validate(spec["fidelity"]) if spec.get("fidelity") else None
    trials = [Trial.model_validate_json(one["trial"]) for one in rows]
    best = best_of(objective, trials, limits, fidelity)
    judged = [one for one in trials if counts(one, limits, fidelity)]
    return {
        "best": None if best is None else best.outcomes[objective.name].mean,
        "front": len(front([objective, *more], judged)) if more and judged else None,
    }
