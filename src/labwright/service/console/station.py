"""A station: how it stands, what it has read and done, what waits there, and what the lab's files say of it."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from labwright.engine.inventory import prepared_on
from labwright.engine.remarks import about_named
from labwright.facts.bookings import booking_list
from labwright.facts.by_hand import hand_list
from labwright.facts.lab import lab_now, station_rows
from labwright.facts.questions import question_facts
from labwright.facts.run_readings import streams_of
from labwright.journal import Journal, schema
from labwright.journal.asking import deck_of
from labwright.journal.runs import read_run
from labwright.journal.status import LabStatus, lab_time_s
from labwright.model.by_hand import BY_HAND
from labwright.model.errors import ConfigError, JournalError, RefusedError
from labwright.model.lab import LabModel
from labwright.service.console.alarms import alarms
from labwright.service.console.frame import LAB, frame_of, stations_named
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.look import look_of
from labwright.service.console.now import label_of
from labwright.service.console.page import LIVE, PageRoute, Shown, fragment
from labwright.service.console.recorded import sight
from labwright.service.console.saying import said_about
from labwright.service.gate import Asker
from labwright.service.problems import Problem
from labwright.service.requesting.offering import offered_by
from labwright.service.rights import can
from labwright.service.run_index import index_of
from labwright.service.state import Asking, Here, Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)

DAY_S = 86_400.0

STEPS_MOST = 100
"""Of the last day that are shown."""

HANDS_MOST = 10
"""Newest operations by hand that are shown."""

RUNS_MOST = 20
"""Newest runs of a station in which readings are looked for."""

COMPUTED = "results"
"""What readings belong to that no device has given."""


@dataclasses.dataclass(frozen=True)
class Read:
    """A value that a run has recorded.

    Attributes:
        device: whose it is.
        name: of the reading.
        value: a number, a word, or a list.
        unit: of it.
        at_s: wall time at which it was recorded.
        uid: of the run.
    """

    device: str
    name: str
    value: Any
    unit: str
    at_s: float
    uid: str


def station(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """A station of the lab."""
    service.gate.need(asker, "lab.read", LAB)
    name = str(request.path_params["station"])
    live = request.url.path.endswith(LIVE)
    with service.records.reading() as journal:
        status = lab_now(journal)
        here = [one for one in status.stations if one.name.partition("/")[0] == name]
        if not here and not journal.read(sa.select(schema.step.c.name).where(schema.step.c.station == name).limit(1)):
            _refuse_unknown(service, name)
        held = [one for one in status.latches if one.scope.whole_station and one.scope.station in ("", name)]
        mine = dataclasses.replace(status, stations=here, latches=held)
        busy = {(one.campaign, label_of(one.campaign, one.sample)) for one in here if one.step}
        data: dict[str, Any] = {
            "station": name,
            "known": stations_named(service),
            "slots": here,
            "alarms": list(alarms(mine, words)),
            "names": {one.id: one.title or one.name for one in status.campaigns},
            "label_of": label_of,
            "by_people": {one.id for one in status.campaigns if one.name == BY_HAND},
            "with_it": [one for one in status.taken if (one.campaign, one.sample) in busy],
            "questions": _questions(journal, name),
            "hands": hand_list(journal, name, most=HANDS_MOST),
            "booked": booking_list(journal, name),
            "lab_s": lab_time_s(journal, here[0].instruments) if here else None,
            "values": _values(service, asker, journal, name),
            "said": said_about(service, asker, journal, about_named(station=name)),
            "steps": [] if live else _steps(journal, status, name),
            "about": about_of(service, asker, name) if request.query_params.get("files") and not live else None,
        }
        if request.query_params.get("files") and not live and can(asker.who, "lab.steer", LAB):
            data["hand"] = hand_of(service, asker, name)
        if request.query_params.get("files") and not live:
            data["held"] = held_of(service, status, name)
    return Shown(
        name,
        "station",
        {"hand": None, "held": None, **data},
        ("alarms", "state", "booked", "by_hand", "readings", "deviations", "notes"),
    )


@dataclasses.dataclass(frozen=True)
class Hand:
    """What a person can set and read at a station.

    Attributes:
        why_not: why nothing, in words; empty if something.
        devices: each with its axes and readings, and the newest value of each as a run has recorded it.
        voids: preparations that hold now, and would hold no more once something is set here.
    """

    why_not: str = ""
    devices: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    voids: list[str] = dataclasses.field(default_factory=list)


def hand_of(service: Service, asker: Asker, name: str) -> Hand:
    """What a person can set and read at a station; no device is asked for it.

    Args:
        service: of the lab.
        asker: who looks.
        name: of the station.
    """
    try:
        model = service.files.model()
        devices = service.files.by_hand(name)
    except (ConfigError, RefusedError, Problem) as error:
        return Hand(str(error))
    with service.records.reading() as journal:
        values = {one.name: one for one in _values(service, asker, journal, name)}
        made = prepared_on(journal, deck_of(journal))
    for device in devices:
        for axis in device["axes"]:
            axis["newest"] = values.get(f"{device['device']}_{axis['name']}")
    names = [one["device"] for one in devices if one["settable"]]
    near = model.kinds_of(one for one in model.stations if set(names).intersection(model.devices_at(one)))
    return Hand("", devices, [one.protocol for one in made if one.disturbed(near)])


@dataclasses.dataclass(frozen=True)
class Held:
    """Something of a station that is not free.

    Attributes:
        what: ``station``, ``position``, ``device`` or ``booked``.
        name: of it.
        campaign: whose sample has it; empty if none has.
        sample: label of that.
        step: that has it, if a step has.
        by: the person who does something by hand, or has booked it; or what is done to the station.
        starts_s: wall time from which on it is booked; None if it is taken now.
        ends_s: wall time until which.
    """

    what: str
    name: str
    campaign: str = ""
    sample: str = ""
    step: str = ""
    by: str = ""
    starts_s: float | None = None
    ends_s: float | None = None


def held_of(service: Service, status: LabStatus, name: str) -> list[Held]:
    """What of a station is taken: by samples, by people at work by hand, by bookings and maintenance.

    Args:
        service: of the lab.
        status: of it.
        name: of the station.
    """
    found = []
    for one in status.stations:
        if one.name.partition("/")[0] == name and one.step:
            found.append(Held("station", one.name, one.campaign, label_of(one.campaign, one.sample), one.step))
    try:
        model = service.files.model()
    except (ConfigError, RefusedError, Problem):
        return found
    if name not in model.stations:
        return found
    mine = {("position", place) for place, one in model.positions.items() if one.station == name}
    mine |= {("device", device) for device in model.devices_at(name)}
    for taken in status.taken:
        if (taken.what, taken.name) in mine:
            found.append(Held(taken.what, taken.name, taken.campaign, taken.sample, taken.step.rpartition("/")[2]))
    now_s = time.time()
    for closed in sorted((*model.maintenance, *model.booked), key=lambda one: one.starts):
        if closed.station == name and closed.ends.timestamp() > now_s:
            by = f"{getattr(closed, 'by', '')}: {closed.why}".removeprefix(": ")
            times = (closed.starts.timestamp(), closed.ends.timestamp())
            found.append(Held("booked", name, "", "", "", by, *times))
    return found


def _refuse_unknown(service: Service, name: str) -> None:
    """Refuse a station that neither the journal nor the lab's files know.

    Raises:
        Problem: there is none.
    """
    try:
        there = name in service.files.model().stations
    except (ConfigError, RefusedError, Problem):  # then it is not known from there
        there = False
    if not there:
        raise Problem("not_found", f"there is no station {name[:80]!r}")


def _questions(journal: Journal, name: str) -> list[dict[str, Any]]:
    """Open questions and task cards about steps at a station."""
    found = question_facts(journal)
    ids = [one["step_id"] for one in found if one.get("step_id")]
    step = schema.step
    at = {row["step_id"] for row in journal.rows(step, step.c.step_id.in_(ids), step.c.station == name)} if ids else ()
    return [one for one in found if one.get("step_id") in at]


def _values(service: Service, asker: Asker, journal: Journal, name: str) -> list[Read]:
    """The newest value of each reading that the station's runs have recorded, as far as one may see them."""
    sees = sight(service, asker, journal)
    runs = (one for one in reversed(index_of(service).runs()) if one.station == name and one.events and sees(one))
    found: dict[tuple[str, str], Read] = {}
    for run in islice(runs, RUNS_MOST):
        for one in _last_of(run.path, run.uid):
            found.setdefault((one.device, one.name), one)
    return [found[key] for key in sorted(found)]


@lru_cache(maxsize=256)
def _last_of(path: Path, uid: str) -> tuple[Read, ...]:
    """The last value of each reading of a closed run; nothing of one that is damaged, of which its own page tells."""
    try:
        streams = streams_of(read_run(path))
    except JournalError:
        return ()
    found: dict[str, Read] = {}
    for stream in streams.values():
        for event in stream.events:
            for key, value in event["data"].items():
                about = stream.readings[key]
                if about.device != COMPUTED:
                    found[key] = Read(about.device, key, value, about.unit, event["time"], uid)
    return tuple(found.values())


def _steps(journal: Journal, status: LabStatus, name: str) -> list[dict[str, Any]]:
    """Steps of the last day, the newest first, with how long ago they began and how long they took, in lab seconds."""
    step, campaign = schema.step, schema.campaign
    found: list[dict[str, Any]] = []
    for deck in dict.fromkeys(one.instruments for one in status.stations):
        now_s = lab_time_s(journal, deck)
        if now_s is None:
            continue
        ours = step.c.campaign.in_(sa.select(campaign.c.id).where(campaign.c.instruments == deck))
        where = (step.c.station == name, step.c.started_s >= now_s - DAY_S, ours)
        rows = journal.read(sa.select(step).where(*where).order_by(step.c.started_s.desc()).limit(STEPS_MOST))
        found += [
            {
                **row,
                "ago_s": now_s - row["started_s"],
                "took_s": None if row["ended_s"] is None else row["ended_s"] - row["started_s"],
            }
            for row in rows
        ]
    return sorted(found, key=lambda one: one["ago_s"])[:STEPS_MOST]


@dataclasses.dataclass(frozen=True)
class About:
    """What the lab's files say of a station.

    Attributes:
        why_not: why they say nothing, in words; empty if they do.
        facts: of the station: ``title``, ``slots``, ``recipe``, ``attended``, ``people``.
        devices: each with its role, driver, address, limits, and when it was read last.
        materials: that it dispenses, each with its hazards.
        takes: hazard statements of samples that it takes.
        closed: maintenance and bookings that are not over, the next first.
    """

    why_not: str = ""
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    devices: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    materials: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    takes: tuple[str, ...] = ()
    closed: list[Any] = dataclasses.field(default_factory=list)


def about_of(service: Service, asker: Asker, name: str) -> About:
    """What the lab's files say of a station.

    Args:
        service: of the lab.
        asker: who looks.
        name: of the station.
    """
    try:
        model = service.files.model()
        offered = offered_by(service)["stations"]
    except (ConfigError, RefusedError, Problem) as error:
        return About(str(error))
    spec = model.stations.get(name)
    if spec is None:
        return About(f"the lab's files name no station {name!r}")
    with service.records.reading() as journal:
        read_s: dict[str, float] = {}
        for one in _values(service, asker, journal, name):
            read_s[one.device] = max(one.at_s, read_s.get(one.device, 0.0))
    now_s = time.time()
    closed = [one for one in (*model.maintenance, *model.booked) if one.station == name]
    return About(
        facts={
            "title": spec.title, "slots": spec.slots, "recipe": spec.recipe, "attended": spec.attended or "",
            "people": spec.people,
        },
        devices=[
            {**row, "limits": model.devices[row["device"]].limits, "read_s": read_s.get(row["device"])}
            for row in station_rows(model)
            if row["station"] == name and row["device"]
        ],
        materials=list(_materials(model, name)),
        takes=tuple(offered.get(name, {}).get("hazards", ())),
        closed=sorted((one for one in closed if one.ends.timestamp() > now_s), key=lambda one: one.starts),
    )  # fmt: skip


def _materials(model: LabModel, name: str) -> Iterator[dict[str, Any]]:
    for source, one in model.sources_at(name).items():
        material = model.material_of(one) or ""
        spec = model.materials.get(material)
        yield {
            "source": source,
            "title": spec.title if spec else material,
            "hazards": spec.hazards if spec else (),
        }


@router.get("/stations/{station}/about")
def about(service: Here, asker: Asking, request: Request, station: str) -> Response:
    """What the lab's files say, for the page to fetch: to read them may take a second."""
    service.gate.need(asker, "lab.read", LAB)
    look = look_of(request, frame_of(service).zone)
    words = Words(look.language)
    return HTMLResponse(fragment("station/about.html", words, about=about_of(service, asker, station), look=look))


@router.get("/stations/{station}/hand")
def hand(service: Here, asker: Asking, request: Request, station: str) -> Response:
    """Forms to set and read by hand, for the page to fetch: to read the lab's files may take a second."""
    service.gate.need(asker, "lab.steer", LAB)
    look = look_of(request, frame_of(service).zone)
    found = hand_of(service, asker, station)
    text = fragment(
        "station/hand.html", Words(look.language), hand=found, station=station, look=look,
        new_key=lambda: uuid.uuid4().hex, path=f"/stations/{quote(station, safe='')}",
    )  # fmt: skip
    return HTMLResponse(text)


@router.get("/stations/{station}/held")
def held(service: Here, asker: Asking, request: Request, station: str) -> Response:
    """What of a station is taken now, for the page to fetch again and again."""
    service.gate.need(asker, "lab.read", LAB)
    look = look_of(request, frame_of(service).zone)
    with service.records.reading() as journal:
        status = lab_now(journal)
    names = {one.id: one.title or one.name for one in status.campaigns}
    return HTMLResponse(
        fragment(
            "station/held.html", Words(look.language), held=held_of(service, status, station), names=names, look=look
        )
    )


@router.get("/stations/{station}/steps")
def steps(service: Here, asker: Asking, request: Request, station: str) -> Response:
    """Steps of the last day, for the page to fetch again and again."""
    service.gate.need(asker, "lab.read", LAB)
    with service.records.reading() as journal:
        found = _steps(journal, lab_now(journal), station)
    words = Words(look_of(request).language)
    return HTMLResponse(fragment("station/steps.html", words, steps=found, station=station))


page(router, "/stations/{station}", station)
