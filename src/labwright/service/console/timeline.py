"""The timeline: what each station has done, does, and should do next, by the lab's own rehearsal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from labwright.facts.bookings import booking_list
from labwright.journal import Journal, schema
from labwright.journal.status import LabStatus, lab_status, lab_time_s
from labwright.model.errors import LabwrightError
from labwright.model.lab import LabModel
from labwright.report import BOOKED, Bar, lab_timeline
from labwright.service.console.frame import LAB
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.look import look_of
from labwright.service.console.page import PageRoute, Shown, fragment
from labwright.service.gate import Asker
from labwright.service.problems import Problem
from labwright.service.state import Asking, Here, Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)

HOUR_S = 3600.0

SPANS_H = (1, 4, 12, 48)
"""Hours before and after now between which one chooses."""

MOST_H = 336

BARS_MOST = 5000
"""Steps that are drawn."""


@dataclass(frozen=True)
class Drawn:
    """A timeline.

    Attributes:
        picture: SVG.
        rows: the same as a table: station, what, state, lab seconds from now when it began and ended.
        why_not: why nothing is planned, in words; empty if it is.
    """

    picture: Markup
    rows: list[Bar]
    why_not: str


def timeline(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """The page; its picture has what was done, and what is planned comes with `picture`."""
    service.gate.need(asker, "lab.read", LAB)
    said = request.query_params.get("hours", str(SPANS_H[1]))
    if not (said.isdecimal() and len(said) < 4 and 1 <= int(said) <= MOST_H):
        raise Problem("not_found", f"hours: {said[:100]!r} is not a number from 1 to {MOST_H}")
    hours = int(said)
    # Its stream is for the word when there is no news: the picture takes a process of its own, and is fetched.
    data = {"draw": partial(_drawn, service, hours, planned=False), "hours": hours, "spans": SPANS_H}
    return Shown(words("timeline"), "timeline", data, live=True)


@router.get("/timeline/picture")
def picture(
    service: Here, asker: Asking, request: Request, hours: Annotated[int, Query(ge=1, le=MOST_H)] = SPANS_H[1]
) -> Response:
    """The picture with what is planned, for the page to fetch again and again."""
    service.gate.need(asker, "lab.read", LAB)
    words = Words(look_of(request).language)
    return HTMLResponse(fragment("timeline/picture.html", words, drawn=_drawn(service, hours, planned=True)))


def _drawn(service: Service, hours: int, *, planned: bool) -> Drawn:
    span_s = hours * HOUR_S
    ahead: dict[str, Any] = {"bars": []}
    why_not = ""
    if planned:
        try:
            ahead = service.files.outlook(span_s)
        except (LabwrightError, Problem) as error:
            why_not = str(error)
    with service.records.reading() as journal:
        status = lab_status(journal)
        now_s, bars = _actual(journal, status, span_s)
        closed = _booked(journal, status, now_s)
    if planned and not why_not:
        closed += _closed(service.files.model(), now_s)
    under_way = {(bar.station, bar.label) for bar in bars if bar.state == "running"}
    bars += [bar for bar in _planned(ahead["bars"], now_s) if (bar.station, bar.label) not in under_way]
    bars = [bar for bar in closed if bar.end_s > -span_s and bar.start_s < span_s] + bars
    names = sorted({*(one.name.partition("/")[0] for one in status.stations), *(bar.station for bar in bars)})
    svg = lab_timeline(bars, names, -span_s, span_s)
    rows = sorted(bars, key=lambda bar: (bar.start_s, bar.station))
    return Drawn(Markup(svg), rows, why_not)  # noqa: S704 - drawn by us, every text in it is escaped


def _actual(journal: Journal, status: LabStatus, span_s: float) -> tuple[float, list[Bar]]:
    """Lab time now, and steps that have ended or are under way, in lab seconds from it."""
    deck = status.controller.instruments if status.controller else ""
    now_s = lab_time_s(journal, deck) if deck else None
    step, campaign = schema.step, schema.campaign
    if now_s is None:
        (newest,) = journal.read(sa.select(sa.func.max(step.c.ended_s).label("s")))
        now_s = float(newest["s"] or 0.0)
    ours = [step.c.campaign.in_(sa.select(campaign.c.id).where(campaign.c.instruments == deck))] if deck else []
    recent = sa.or_(step.c.ended_s >= now_s - span_s, step.c.state == "running")
    rows = journal.read(sa.select(step).where(recent, *ours).order_by(step.c.started_s.desc()).limit(BARS_MOST))
    running = {(one.campaign, one.step, one.name.partition("/")[0]): one for one in status.stations if one.step}
    found = []
    for row in rows:
        station = str(row["station"]).partition("/")[0]
        label = _label(row["campaign"], row["label"], row["name"])
        if row["state"] == "running":
            seen = running.get((row["campaign"], row["name"], station))
            since_s = seen.for_s or 0.0 if seen is not None else 0.0
            found.append(Bar(station, label, -since_s, max(0.0, row["expected_s"] - since_s), "running"))
        elif row["started_s"] is not None and row["ended_s"] is not None:
            found.append(Bar(station, label, row["started_s"] - now_s, row["ended_s"] - now_s, row["state"]))
    return now_s, found


def _booked(journal: Journal, status: LabStatus, now_s: float) -> list[Bar]:
    """When people have stations, or had, in lab seconds from now."""
    deck = status.controller.instruments if status.controller else ""
    return [
        Bar(one["station"], f"{one['by']}: {one['because']}", one["starts_s"] - now_s, one["ends_s"] - now_s, BOOKED)
        for one in booking_list(journal, everything=True)
        if one["instruments"] == deck and one["ends_s"] > one["starts_s"]
    ]


def _closed(model: LabModel, now_s: float) -> list[Bar]:
    """When stations are closed by the lab's files, in lab seconds from now."""
    return [
        Bar(one.station, f"{one.what}: {one.why}", one.starts.timestamp() - now_s, one.ends.timestamp() - now_s, BOOKED)
        for one in (*model.maintenance, *model.booked)
    ]


def _planned(bars: Iterable[dict[str, Any]], now_s: float) -> list[Bar]:
    return [
        Bar(
            one["station"].partition("/")[0],
            _label(one["campaign"], one["label"], one["step"]),
            max(0.0, one["began_s"] - now_s),
            one["ended_s"] - now_s,
            "planned",
        )
        for one in bars
        if one["ended_s"] > now_s
    ]


def _label(campaign: str, label: str, step: str) -> str:
    return f"{campaign.rsplit('-', 3)[0]} {label} {step}"


page(router, "/timeline", timeline)
