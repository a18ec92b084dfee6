"""What samples under way wait for, by the journal's tables: as the engine says it, without the engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.journal import schema
from labwright.journal.journal import Journal
from labwright.journal.latch import open_latches
from labwright.journal.reading import is_paused, questions_of, spec_of
from labwright.model.latch import LatchScope
from labwright.model.states import OVER
from labwright.model.waiting import Waiting

Row = Mapping[str, Any]

ENDED = ("done", "failed", "skipped")
"""States of steps that take nothing any more."""


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
    words = [f"answer to {one['id']}" for one in asked]
    words += [f"material: {row['short']}"] if row["short"] else []
    words += row["closed"].split("; ") if row["closed"] else []
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
    if waits is None:
        waits = step_waits(journal, str(row["instruments"]))
    return words + [str(one.waiting) for one in waits if one.waiting.campaign == row["id"]]


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

    Those that a pause holds are left out.
    """
    campaign, latches = schema.campaign, [one.scope for one in open_latches(journal, instruments)]
    rows = journal.rows(campaign, campaign.c.instruments == instruments, campaign.c.state.not_in(OVER))
    going = {row["id"]: row for row in rows if not is_paused(row)}
    taken = {
        row["resource"]: row
        for row in journal.rows(schema.reservation, schema.reservation.c.instruments == instruments)
    }
    samples = [one for row in rows for one in _samples(journal, row)]
    samples.sort(key=lambda one: (-one.priority, one.began_s, one.label))
    found: list[StepWait] = []
    kept: dict[str, _Sample] = {}
    for sample in samples:
        if sample.campaign not in going:
            continue
        for step in sample.ready:
            waiting = _waiting(sample, step, samples, taken, latches, kept)
            if waiting is None:
                continue
            found.append(StepWait(waiting, sample.since_s))
            if waiting.kind != "reset":
                for resource in (f"station:{step['station']}", *sample.claims):
                    kept.setdefault(resource, sample)
    return found


@dataclass
class _Sample:
    """A sample under way, with what its steps need."""

    campaign: str
    label: str
    priority: int
    began_s: float
    needs: Mapping[str, list[str]] = field(default_factory=dict)
    ready: list[Row] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Names of steps that have not ended."""
    since_s: float | None = None

    @property
    def claims(self) -> set[str]:
        """Positions and devices that steps that are left may take."""
        return {resource for name in self.left for resource in self.needs.get(name, ())}

    def has(self, holder: Row | None) -> bool:
        """Whether what a reservation says is its own."""
        return holder is not None and (holder["campaign"], holder["label"]) == (self.campaign, self.label)


def _samples(journal: Journal, row: Row) -> Iterator[_Sample]:
    """The samples of a campaign that are under way, in the order of their labels."""
    experiment, step = schema.experiment, schema.step
    over = ("complete", "abandoned")
    live = journal.rows(
        experiment, experiment.c.campaign == row["id"], experiment.c.state.not_in(over), order=experiment.c.label
    )
    if not live:
        return
    protocols = _protocols(journal, row["id"])
    labels = [one["label"] for one in live]
    question = schema.question
    asked = questions_of(journal, question.c.campaign == row["id"], question.c.state == "open")
    parked = {one["step_id"] for one in asked}  # they wait for a person alone
    steps: dict[str, list[Row]] = defaultdict(list)
    for one in journal.rows(step, step.c.campaign == row["id"], step.c.label.in_(labels), order=step.c.step_id):
        steps[one["label"]].append(one)
    for one in live:
        known = protocols.get(one["protocol"], _Protocol())
        sample = _Sample(row["id"], one["label"], row["priority"], row["began_s"] or 0.0, known.needs)
        sample.since_s = one["began_s"]
        states = {at["name"]: at["state"] for at in steps[one["label"]]}
        done = ("done", "skipped", *(("failed",) if one["reason"] else ()))  # one that was given up is brought out
        for at in steps[one["label"]]:
            if at["state"] not in ENDED:
                sample.left.append(at["name"])
            if at["state"] in ("waiting", "ready") and at["step_id"] not in parked:
                if all(states.get(need) in done for need in known.after.get(at["name"], ())):
                    sample.ready.append(at)
            if at["ended_s"] is not None:
                sample.since_s = max(sample.since_s or 0.0, at["ended_s"])
        yield sample


@dataclass
class _Protocol:
    """What each step takes with its station, and after which steps it comes, by its name."""

    needs: dict[str, list[str]] = field(default_factory=dict)
    after: dict[str, list[str]] = field(default_factory=dict)


def _protocols(journal: Journal, campaign: str) -> dict[str, _Protocol]:
    """The protocols of a campaign, by name."""
    first, resumed = _event(journal, campaign, "started"), _event(journal, campaign, "resumed")
    shared: Mapping[str, list[str]] = resumed.get("shared") or first.get("shared") or {}
    known = {device for devices in shared.values() for device in devices}
    found: dict[str, _Protocol] = {}
    for protocol in first.get("protocols", ()):
        known_as = found.setdefault(protocol["name"], _Protocol())
        for step in protocol["steps"]:
            keeps = step.get("keeps") or ()
            devices = [*shared.get(step["station"], ()), *(one for one in keeps if one in known)]
            positions = [step["moves_to"]] if step.get("moves_to") else []
            positions += [one for one in keeps if one not in devices]
            known_as.after[step["name"]] = list(step.get("needs") or ())
            known_as.needs[step["name"]] = [
                *(f"position:{one}" for one in dict.fromkeys(positions)),
                *(f"device:{one}" for one in dict.fromkeys(devices)),
            ]
    return found


def _event(journal: Journal, campaign: str, kind: str) -> dict[str, Any]:
    """The newest event of a kind; empty if there is none."""
    event = schema.event
    query = sa.select(event.c.payload).where(event.c.campaign == campaign, event.c.kind == kind)
    order = event.c.id if kind == "started" else event.c.id.desc()
    rows = journal.read(query.order_by(order).limit(1))
    return dict(orjson.loads(rows[0]["payload"])) if rows else {}


def _waiting(
    sample: _Sample,
    step: Row,
    samples: list[_Sample],
    taken: Mapping[str, Row],
    latches: list[LatchScope],
    kept: Mapping[str, _Sample],
) -> Waiting | None:
    """What a step waits for; None if it can begin."""
    waits = (step["step_id"], sample.campaign, sample.label)
    for latch in latches:
        if latch.holds(step["station"], sample.campaign, sample.label):
            return Waiting(*waits, "reset", latch.words, "", "")
    station, needs = f"station:{step['station']}", sample.needs.get(step["name"], [])
    for resource in (station, *needs):
        holder = taken.get(resource)
        if holder is not None and (resource == station or not sample.has(holder)):
            return Waiting.for_resource(*waits, resource, holder["campaign"], holder["label"], holder["step_id"])
    new = [one for one in needs if not sample.has(taken.get(one))]
    for other in samples:  # has what is needed later, and needs later what would be taken now
        if other is not sample and any(other.has(taken.get(one)) for one in sample.claims):
            for resource in new:
                if resource in other.claims:
                    return Waiting.for_resource(*waits, resource, other.campaign, other.label, because="beyond")
    if not any(sample.has(taken.get(resource)) for needed in sample.needs.values() for resource in needed):
        for resource in (station, *needs):
            if (older := kept.get(resource)) is not None:
                return Waiting.for_resource(*waits, resource, older.campaign, older.label, because="older")
    return None
