"""What campaigns and samples under way wait for, by the journal's tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from labwright.journal import schema
from labwright.journal.journal import Journal
from labwright.journal.reading import is_paused, questions_of, spec_of
from labwright.model.states import OVER
from labwright.model.waiting import Waiting

Row = Mapping[str, Any]


@dataclass(frozen=True)
class StepWait:
    """A step that waits, and since when.

    Attributes:
        waiting: for what.
        since_s: lab time at which the sample's step before it ended, or the sample began; None for one of an earlier
            release with nothing behind it.
    """

    waiting: Waiting
    since_s: float | None


@dataclass(frozen=True)
class Thinking:
    """A planner that computes.

    Attributes:
        planner: its name.
        since_s: lab time at which it was asked.
    """

    planner: str
    since_s: float


def waits_of(journal: Journal, row: Row, *, running: bool, waits: Iterable[StepWait] | None = None) -> list[str]:
    """What has to happen before anything else can in a campaign, in words for a person.

    Args:
        journal: that has it.
        row: of the campaign.
        running: whether a controller runs it.
        waits: steps that wait, where they are known already.
    """
    if row["state"] in OVER:
        return []
    question, step = schema.question, schema.step
    asked = questions_of(journal, question.c.campaign == row["id"], question.c.state == "open")
    words = [f"answer to {one['id']}" for one in asked if one["kind"] == "question"]
    words += [f"signature of {one['id']}" for one in asked if one["kind"] == "task"]
    words += [f"material: {row['short']}"] if row["short"] else []
    mine = [one.waiting for one in _of(journal, row, waits)] if running else []
    if row["closed"] and not any(one.kind == "closed" for one in mine):  # else it is said with the step that waits
        words.append(row["closed"])
    words += [row["lost"]] if row["lost"] else []
    if not running:
        return [*words, f"a controller: labwright campaign run {row['name']}"]
    steps = journal.rows(step, step.c.campaign == row["id"], step.c.state == "running", order=step.c.step_id)
    words += [f"step {one['step_id']}" for one in steps]
    if (thinking := asked_planner(journal, row)) is not None:
        words.append(f"planner {thinking.planner}")
    if is_paused(row):
        words.append("labwright campaign resume")
    elif not words and (making := _awaited(journal, row)):
        words.append(making)
    return words + [str(one) for one in mine]


def _of(journal: Journal, row: Row, waits: Iterable[StepWait] | None) -> list[StepWait]:
    """Steps of a campaign that wait."""
    known = step_waits(journal, str(row["instruments"])) if waits is None else waits
    return [one for one in known if one.waiting.campaign == row["id"]]


def _awaited(journal: Journal, row: Row) -> str:
    """Another campaign's preparation under way, whose results this one waits for; empty if it waits for none."""
    wanted = spec_of(journal, row["id"]).get("prepare", ())
    if row["tried"] or not wanted:
        return ""
    made, other = schema.experiment, schema.campaign
    query = sa.select(made.c.label, made.c.campaign).where(
        made.c.campaign == other.c.id,
        made.c.campaign != row["id"],
        other.c.instruments == row["instruments"],
        other.c.state.not_in(OVER),
        made.c.label.in_(wanted),
        made.c.label == made.c.protocol,
        made.c.state.not_in(("complete", "abandoned")),
    )
    found = journal.read(query)
    return f"preparation {found[0]['label']}, which {found[0]['campaign']} is making" if found else ""


def asked_planner(journal: Journal, row: Row) -> Thinking | None:
    """The planner of a campaign, if it was asked and has not answered."""
    event = schema.event
    newest = sa.select(event.c.id, event.c.lab_time_s).where(event.c.campaign == row["id"])
    newest = newest.order_by(event.c.id.desc()).limit(1)
    if row["state"] not in ("running", "paused"):
        return None
    asked = journal.read(newest.where(event.c.decisions.like('%"ask %')))
    if not asked:
        return None
    since = asked[0]["id"]
    answers = event.c.kind.in_(("suggested", "infeasible", "not_suggested"))
    if journal.read(newest.where(event.c.id > since, answers)):
        return None
    return Thinking(str(row["planner"]), float(asked[0]["lab_time_s"]))


def step_waits(journal: Journal, instruments: str) -> list[StepWait]:
    """Steps of all campaigns under way on a deck that wait for what others have, or for a person to reset a stop.

    As the controller has decided it last. Those that a pause holds are left out.
    """
    campaign, experiment, step, waiting = schema.campaign, schema.experiment, schema.step, schema.waiting
    rows = journal.rows(campaign, campaign.c.instruments == instruments, campaign.c.state.not_in(OVER))
    going = {row["id"]: row for row in rows if not is_paused(row)}
    kept = [row for row in journal.rows(waiting, waiting.c.instruments == instruments) if row["campaign"] in going]
    of_these = tuple({row["campaign"] for row in kept})
    began = {
        (row["campaign"], row["label"]): row["began_s"]
        for row in journal.rows(experiment, experiment.c.campaign.in_(of_these))
    }
    last = sa.select(step.c.campaign, step.c.label, sa.func.max(step.c.ended_s).label("ended_s"))
    last = last.where(step.c.campaign.in_(of_these)).group_by(step.c.campaign, step.c.label)
    ended = {(row["campaign"], row["label"]): row["ended_s"] for row in journal.read(last)}

    def place(row: Row) -> tuple[float, float, str, str]:
        of = going[row["campaign"]]
        return -of["priority"], of["began_s"] or 0.0, row["label"], row["step_id"]

    found = []
    for row in sorted(kept, key=place):
        sample = row["campaign"], row["label"]
        since_s = ended.get(sample) if ended.get(sample) is not None else began.get(sample)
        found.append(StepWait(Waiting(**{name: row[name] for name in _WAITING}), since_s))
    return found


_WAITING = tuple(one.name for one in fields(Waiting))
