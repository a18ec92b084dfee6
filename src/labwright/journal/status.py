"""A whole lab as it stands now, from the journal's tables alone: what `labwright status` and programs show."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.journal import schema
from labwright.journal.journal import Journal
from labwright.journal.latch import Latch, open_latches
from labwright.journal.reading import is_paused, questions_of
from labwright.journal.waiting import StepWait, asked_planner, step_waits, waits_of
from labwright.model.instruments import HERE
from labwright.model.states import OVER

PACE_EVENTS = 200
"""So many of the newest events tell how fast a simulated lab's clock runs."""

FASTEST = 150.0
"""A scaled clock runs at most 100 times as fast as the wall's; what is faster is stepped, and jumps."""

RULES = {
    "first": "who came first",
    "longest": "the sample with the most work left",
    "shortest": "the sample with the least work left",
    "nearest": "the sample whose next step takes least",
}
"""Rules of dispatch in words, by their order."""

PACE_S = 0.25
"""Wall seconds between events below which they tell nothing about a clock."""


@dataclass(frozen=True)
class Process:
    """The controller that runs.

    Attributes:
        pid: its process.
        host: the machine.
        by: who started it.
        instruments: on which.
        since_s: wall time of its start.
        heartbeat_s: wall time at which it last said that it is there.
        campaigns: ids of campaigns that it carries out.
    """

    pid: int
    host: str
    by: str
    instruments: str
    since_s: float
    heartbeat_s: float
    campaigns: list[str]


@dataclass(frozen=True)
class CampaignSeen:
    """A campaign that is not over.

    Attributes:
        id: its id.
        name: of its file.
        title: for people.
        state: ``running``, ``paused``, ``draining``.
        reason: why it drains; empty while it runs.
        instruments: on which.
        simulated: whether those are simulated.
        priority: the higher goes first.
        tried: experiments carried out or under way.
        budget: experiments it may make.
        best: the best mean of its first objective; None before the first.
        unit: of that.
        runs: whether a controller carries it out.
        waits_for: what has to happen before anything else can.
        ends_in_s: lab seconds until it should end, by the newest roll-out of the lab; None if none has shown it.
    """

    id: str
    name: str
    title: str
    state: str
    reason: str
    instruments: str
    simulated: bool
    priority: int
    tried: int
    budget: int
    best: float | None
    unit: str
    runs: bool
    waits_for: list[str]
    ends_in_s: float | None = None


@dataclass(frozen=True)
class StationSeen:
    """A station.

    Attributes:
        name: of the station.
        instruments: of which deck.
        state: ``idle``, ``booked`` (a person has it), ``running``, ``question`` (what is there waits for a person),
            ``task`` (a person does its step, and its card is open), ``stopped``, ``paused`` (its campaign is), or
            ``left`` (a step is under way, and no controller runs).
        step: name of the step there; empty if there is none.
        sample: of that step.
        campaign: of that step.
        for_s: lab seconds since that step began; None if that is not known.
        expected_s: lab seconds that it should take.
        booked_by: the person who has it; empty if none has.
        booked_for_s: lab seconds until that is over; None if no person has it.
    """

    name: str
    instruments: str
    state: str
    step: str = ""
    sample: str = ""
    campaign: str = ""
    for_s: float | None = None
    expected_s: float | None = None
    booked_by: str = ""
    booked_for_s: float | None = None


@dataclass(frozen=True)
class Taken:
    """A position or a shared device that a sample has.

    Attributes:
        what: ``position`` or ``device``.
        name: of it.
        instruments: of which deck.
        campaign: id of the sample's campaign.
        sample: label of its experiment.
        step: the step that has it; empty where the sample has it between steps.
    """

    what: str
    name: str
    instruments: str
    campaign: str
    sample: str
    step: str


@dataclass(frozen=True)
class WaitSeen:
    """Something that waits.

    Attributes:
        campaign: its campaign.
        sample: label of the experiment; empty for a planner.
        what: the step, or the planner, and what for, in words.
        for_s: lab seconds since it waits; None if that is not known.
    """

    campaign: str
    sample: str
    what: str
    for_s: float | None


@dataclass(frozen=True)
class Dispatch:
    """By which rule steps begin, and what the newest roll-out of the lab has shown.

    Attributes:
        instruments: of which deck.
        rule: in words.
        tried: how many rules were rolled out.
        saves_s: lab seconds by which all should be done sooner than if who came first is served first.
        for_s: lab seconds since that roll-out; None if that is not known.
    """

    instruments: str
    rule: str
    tried: int
    saves_s: float
    for_s: float | None


@dataclass(frozen=True)
class LabStatus:
    """A lab as it stands now.

    Attributes:
        journal: its place.
        last_event: id of the newest event; what is newer is not in here.
        at_s: wall time.
        controller: that runs; None if none does.
        campaigns: that are not over, those with the higher priority first.
        stations: of the decks of those campaigns and of the controller, or of the last one.
        taken: positions and shared devices.
        waits: what waits for what.
        questions: open ones and task cards, with ``id``, ``kind``, ``text``, ``choices``, ``campaign``.
        latches: stops that hold.
        dispatch: by which rule each deck is served, where that was rolled out.
    """

    journal: str
    last_event: int
    at_s: float
    controller: Process | None
    campaigns: list[CampaignSeen]
    stations: list[StationSeen]
    taken: list[Taken]
    waits: list[WaitSeen]
    questions: list[dict[str, Any]]
    latches: list[Latch]
    dispatch: list[Dispatch]

    @property
    def simulated(self) -> bool:
        """Whether anything of it is simulated."""
        deck = self.controller.instruments if self.controller else "real"
        return deck not in ("real", "") or any(one.simulated for one in self.campaigns)


def lab_status(journal: Journal) -> LabStatus:
    """How the lab stands now.

    Raises:
        JournalError: the journal cannot be read.
    """
    event, campaign = schema.event, schema.campaign
    (newest,) = journal.read(sa.select(sa.func.max(event.c.id).label("id")))
    rows = journal.rows(campaign, campaign.c.state.not_in(OVER), order=campaign.c.began_s)
    rows = sorted(rows, key=lambda row: -row["priority"])
    process = _process(journal, rows)
    decks = dict.fromkeys(row["instruments"] for row in rows)
    if process is not None:
        decks[process.instruments] = None
    if not decks and (last := _last_deck(journal)):
        decks[last] = None
    latches = open_latches(journal)
    campaigns, stations, taken, waits, dispatch = [], [], [], [], []
    for deck in decks:
        now_s = lab_time_s(journal, deck)
        mine = [row for row in rows if row["instruments"] == deck]
        stepping = step_waits(journal, deck)
        seen = _foreseen(journal, deck) if process is not None else None
        ends: dict[str, float] = seen["ends"] if seen else {}
        if seen is not None:
            dispatch.append(_dispatch(deck, seen, now_s))
        for row in mine:
            runs = process is not None and row["id"] in process.campaigns
            ends_s = ends.get(row["id"]) if runs else None
            campaigns.append(_campaign(journal, row, stepping, runs=runs, ends_in_s=_since(ends_s, now_s)))
            if runs and (thinking := asked_planner(journal, row)) is not None:
                waits.append(
                    WaitSeen(row["id"], "", f"planner {thinking.planner} computes", _since(now_s, thinking.since_s))
                )
        held = [one for one in latches if one.instruments == deck]
        table = schema.reservation
        reserved = journal.rows(table, table.c.instruments == deck, order=table.c.resource)
        if deck == HERE:  # it is new with each process: what a campaign that is over has left there is gone
            reserved = [one for one in reserved if one["campaign"] in {row["id"] for row in mine}]
        stations += _stations(journal, deck, mine, reserved, held, now_s, process)
        waits += [_wait(one, now_s) for one in stepping]
        for one in reserved:
            kind, _, name = one["resource"].partition(":")
            if kind != "station":
                name, _, _ = name.partition("#")  # a share of a device, whose other holders have rows of their own
                taken.append(Taken(kind, name, deck, one["campaign"], one["label"], one["step_id"]))
    return LabStatus(
        journal=journal.name,
        last_event=int(newest["id"] or 0),
        at_s=time.time(),
        controller=process,
        campaigns=sorted(campaigns, key=lambda one: -one.priority),
        stations=stations,
        taken=taken,
        waits=waits,
        questions=questions_of(journal, schema.question.c.state == "open"),
        latches=latches,
        dispatch=dispatch,
    )


def _process(journal: Journal, rows: list[Mapping[str, Any]]) -> Process | None:
    newest = journal.controller() if journal.controlled() else None
    if newest is None:
        return None
    event = schema.event
    mine = []
    for row in rows:
        last = sa.select(event.c.epoch).where(event.c.campaign == row["id"], schema.at_work)
        found = journal.read(last.order_by(event.c.id.desc()).limit(1))
        if found and found[0]["epoch"] == newest["id"]:
            mine.append(str(row["id"]))
    heard_s = newest["heartbeat_s"] or newest["began_s"]
    return Process(newest["pid"], newest["host"], newest["by"], newest["instruments"], newest["began_s"], heard_s, mine)


def _foreseen(journal: Journal, deck: str) -> dict[str, Any] | None:
    """What the newest roll-out of the controller that runs has shown."""
    event = schema.event
    of_lab = (event.c.campaign == "", event.c.kind == "foreseen", event.c.instruments == deck)
    rows = journal.read(sa.select(event.c.epoch, event.c.payload).where(*of_lab).order_by(event.c.id.desc()).limit(1))
    newest = journal.controller()
    if not rows or newest is None or rows[0]["epoch"] != newest["id"]:
        return None
    return dict(orjson.loads(rows[0]["payload"]))


def _dispatch(deck: str, seen: Mapping[str, Any], now_s: float | None) -> Dispatch:
    words = RULES[seen["order"]]
    if seen["batch_wait_s"]:
        words += f"; a batch waits up to {seen['batch_wait_s'] / 60:g} min for a fuller one"
    if seen["batches"]:
        words += f"; {len(seen['batches'])} batches are planned"
    saves_s = max(0.0, seen["first_s"] - seen["chosen_s"])
    return Dispatch(deck, words, int(seen["tried"]), saves_s, _since(now_s, seen["at_s"]))


def _campaign(
    journal: Journal, row: Mapping[str, Any], waits: list[StepWait], *, runs: bool, ends_in_s: float | None
) -> CampaignSeen:
    objectives = orjson.loads(row["objectives"]) if row["objectives"] else []
    same = ("id", "name", "title", "state", "reason", "instruments", "priority", "tried", "budget", "best")
    return CampaignSeen(
        **{name: row[name] for name in same},
        simulated=bool(row["simulated"]),
        unit=str(objectives[0].get("unit", "")) if objectives else "",
        runs=runs,
        waits_for=waits_of(journal, row, running=runs, waits=waits),
        ends_in_s=ends_in_s,
    )


def _stations(
    journal: Journal,
    deck: str,
    rows: list[Mapping[str, Any]],
    reserved: list[Mapping[str, Any]],
    latches: list[Latch],
    now_s: float | None,
    process: Process | None,
) -> list[StationSeen]:
    step, experiment = schema.step, schema.experiment
    at = {one["resource"].partition(":")[2]: one for one in reserved if one["resource"].startswith("station:")}
    names = dict.fromkeys(
        [*_names(journal, deck, rows), *at, *(one.scope.station for one in latches if one.scope.kind == "station")]
    )
    found = []
    booked = _booked(journal, deck, now_s)
    in_slots = {name.partition("/")[0] for name in at if "/" in name}
    for name in names:
        here = at.get(name)
        if here is None and name in in_slots:
            continue  # its slots are shown, each by itself
        steps = journal.rows(step, step.c.step_id == here["step_id"]) if here else []
        stopped = any(one.scope.whole_station and one.scope.station in ("", name) for one in latches)
        if not steps or here is None:
            by, left_s = booked.get(name, ("", None))
            state = "stopped" if stopped else "booked" if by else "idle"
            found.append(StationSeen(name, deck, state, booked_by=by, booked_for_s=left_s))
            continue
        (run,) = steps
        samples = journal.rows(experiment, experiment.c.campaign == run["campaign"], experiment.c.label == run["label"])
        campaign = next((row for row in rows if row["id"] == run["campaign"]), None)
        since_s = _began_s(journal, run)
        if run["state"] != "running":
            state = "question"
        elif process is None or run["campaign"] not in process.campaigns:
            state = "left"
        else:
            state = "paused" if campaign is not None and is_paused(campaign) else "running"
            if journal.rows(schema.question, *_open_card(run["step_id"])):
                state = "task"
        found.append(
            StationSeen(
                name,
                deck,
                "stopped" if stopped else state,
                run["name"],
                samples[0]["sample"] if samples else run["label"],
                run["campaign"],
                _since(now_s, since_s),
                run["expected_s"],
                *booked.get(name.partition("/")[0], ()),
            )
        )
    return found


def _booked(journal: Journal, deck: str, now_s: float | None) -> dict[str, tuple[str, float]]:
    """Stations that people have now, by whom, and for how many lab seconds more."""
    if now_s is None:
        return {}
    table = schema.booking
    rows = journal.rows(table, table.c.instruments == deck, table.c.starts_s <= now_s, table.c.ends_s > now_s)
    return {row["station"]: (row["by"], row["ends_s"] - now_s) for row in rows}


def _open_card(step_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Which rows are the card of a step that waits for a person."""
    table = schema.question
    return (table.c.step_id == step_id, table.c.kind == "task", table.c.state == "open")


def _last_deck(journal: Journal) -> str:
    """The deck of the controller that ran last; empty if it has ended with that."""
    table = schema.epoch
    newest = sa.select(table.c.instruments).where(table.c.stations != "").order_by(table.c.id.desc()).limit(1)
    rows = journal.read(newest)
    return str(rows[0]["instruments"]) if rows and rows[0]["instruments"] != HERE else ""


def _names(journal: Journal, deck: str, rows: list[Mapping[str, Any]]) -> list[str]:
    """Stations of the lab, as its newest controller has them; of its campaigns where that was of an earlier release."""
    campaign, event, table = schema.campaign, schema.event, schema.epoch
    known = sa.select(table.c.stations).where(table.c.instruments == deck, table.c.stations != "")
    if recorded := journal.read(known.order_by(table.c.id.desc()).limit(1)):
        return [str(name) for name in orjson.loads(recorded[0]["stations"])]
    ids = [str(row["id"]) for row in rows]
    if not ids:
        newest = sa.select(campaign.c.id).where(campaign.c.instruments == deck).order_by(campaign.c.began_s.desc())
        ids = [str(row["id"]) for row in journal.read(newest.limit(1))]
    names: dict[str, None] = {}
    for one in ids:
        first = sa.select(event.c.payload).where(event.c.campaign == one).order_by(event.c.id).limit(1)
        for row in journal.read(first):
            for protocol in orjson.loads(row["payload"]).get("protocols", ()):
                names |= dict.fromkeys(str(step["station"]) for step in protocol["steps"])
    return list(names)


def _began_s(journal: Journal, run: Mapping[str, Any]) -> float | None:
    """Lab time at which a step under way was let begin; None if no event says so."""
    event = schema.event
    began = sa.select(event.c.lab_time_s).where(event.c.campaign == run["campaign"])
    began = began.where(event.c.decisions.contains(f"run {run['step_id']} at ", autoescape=True))
    rows = journal.read(began.order_by(event.c.id.desc()).limit(1))
    return float(rows[0]["lab_time_s"]) if rows else None


def lab_time_s(journal: Journal, deck: str) -> float | None:
    """Lab time on a deck now, estimated from the two times that each event has; None if nothing has happened there.

    Args:
        journal: of the lab.
        deck: which instruments.
    """
    if deck == "real":
        return time.time()
    event = schema.event
    newest = sa.select(event.c.epoch, event.c.lab_time_s, event.c.wall_time_s).where(event.c.instruments == deck)
    rows = journal.read(newest.order_by(event.c.id.desc()).limit(PACE_EVENTS))
    if not rows:
        return None
    last = rows[0]
    first = next(row for row in reversed(rows) if row["epoch"] == last["epoch"])  # another process, another clock
    wall_s = last["wall_time_s"] - first["wall_time_s"]
    speed = (last["lab_time_s"] - first["lab_time_s"]) / wall_s if wall_s > PACE_S else 1.0
    since_s = 0.0 if speed > FASTEST else (time.time() - last["wall_time_s"]) * speed
    return float(last["lab_time_s"] + since_s)


def _since(now_s: float | None, then_s: float | None) -> float | None:
    return None if now_s is None or then_s is None else max(0.0, now_s - then_s)


def _wait(one: StepWait, now_s: float | None) -> WaitSeen:
    waiting = one.waiting
    return WaitSeen(waiting.campaign, waiting.label, str(waiting), _since(now_s, one.since_s))
