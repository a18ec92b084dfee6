"""What people have done at stations by hand, and what of it waits."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa

from labwright.journal import Journal, schema
from labwright.journal.reading import controller, questions_of
from labwright.journal.status import lab_time_s
from labwright.journal.waiting import waits_of
from labwright.model.by_hand import BY_HAND
from labwright.model.states import OVER

DAY_S = 86_400.0

LOOKED_AT = 200
"""Newest operations of all stations among which those of one are looked for."""

WORK = ("station", "device", "axis", "value", "unit", "by", "because", "until_s", "sample_present_ok")
"""What is shown of an operation as it was asked for."""


def hand_list(
    journal: Journal, station: str = "", *, everything: bool = False, only: str = "", most: int = LOOKED_AT
) -> list[dict[str, Any]]:
    """Operations by hand, the newest first.

    Args:
        journal: opened to be read.
        station: of this one; of all if empty.
        everything: older ones than of the last day, too.
        only: id of the one that is wanted; all if empty.
        most: so many at most.
    """
    campaign, event = schema.campaign, schema.event
    newest = sa.select(campaign).where(campaign.c.name == BY_HAND, *([campaign.c.id == only] if only else []))
    newest = newest.order_by(campaign.c.began_s.desc()).limit(LOOKED_AT)
    rows = {str(row["id"]): row for row in journal.read(newest)}
    first = sa.select(event.c.campaign, event.c.payload, event.c.wall_time_s)
    begun = journal.read(first.where(event.c.campaign.in_(tuple(rows)), event.c.kind == "started")) if rows else []
    works = {row["campaign"]: (orjson.loads(row["payload"]), row["wall_time_s"]) for row in begun}
    now_s = {deck: lab_time_s(journal, deck) for deck in {row["instruments"] for row in rows.values()}}
    found: list[dict[str, Any]] = []
    for key, row in rows.items():
        if key not in works or len(found) == most:
            continue
        payload, asked_s = works[key]
        work = payload["protocols"][0]["by_hand"]
        here_s = now_s[row["instruments"]]
        recent = row["began_s"] is None or here_s is None or row["began_s"] >= here_s - DAY_S
        if (
            work is None
            or station not in ("", work["station"])
            or not (everything or recent or row["state"] not in OVER)
        ):
            continue
        found.append(
            {"campaign": key, **{name: work[name] for name in WORK}, "asked_s": asked_s, **_stands(journal, row)}
        )
    return found


def hand_facts(journal: Journal, campaign: str) -> dict[str, Any] | None:
    """One operation; None if there is no such."""
    return next(iter(hand_list(journal, everything=True, only=campaign)), None)


def _stands(journal: Journal, row: Any) -> dict[str, Any]:
    """How an operation stands: ``waiting``, ``running``, ``question``, ``done``, ``failed`` or ``given up``."""
    step, question, experiment = schema.step, schema.question, schema.experiment
    steps = journal.rows(step, step.c.campaign == row["id"])
    asked = questions_of(journal, question.c.campaign == row["id"], question.c.state == "open")
    results: dict[str, Any] = {}
    runs: list[str] = []
    why = ""
    if row["state"] in OVER:
        state = {"completed": "done", "stopped": "given up"}.get(row["state"], "failed")
        state = "failed" if any(one["state"] == "failed" for one in steps) else state
        kept = journal.rows(experiment, experiment.c.campaign == row["id"])
        results = orjson.loads(kept[0]["results"]) if kept and kept[0]["results"] else {}
        why = "" if state == "done" else str(row["reason"])
    else:
        under_way = any(one["state"] in ("reserved", "running", "unknown") for one in steps)
        state = "question" if asked else "running" if under_way else "waiting"
    for ended in _ended(journal, row["id"]):
        runs += ended["run_uids"]
        why = why or (ended["error"] if state != "done" else "")
    waits = [] if row["state"] in OVER else waits_of(journal, row, running=row["id"] in controller(journal).campaigns)
    return {
        "state": state,
        "reason": why,
        "waits_for": waits if state in ("waiting", "question") else [],
        "questions": [one["id"] for one in asked],
        "set_to": results.get("set_to"),
        "read_back": results.get("read_back"),
        "runs": runs,
    }


def _ended(journal: Journal, campaign: str) -> list[dict[str, Any]]:
    """How its step has ended, each time that it was tried."""
    event = schema.event
    query = sa.select(event.c.payload).where(event.c.campaign == campaign, event.c.kind == "step_ended")
    return [orjson.loads(row["payload"])["outcome"] for row in journal.read(query.order_by(event.c.id))]
