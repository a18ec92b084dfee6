"""Data: closed runs that one may see, and each with what it has recorded, drawn and listed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from labwright.facts.run_index import RunSeen
from labwright.facts.run_readings import Reading, Stream, csv_of, plain, streams_of
from labwright.model.unit_signs import unit_of
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.look import look_of
from labwright.service.console.page import PageRoute, Shown
from labwright.service.console.plotting import Plot, choices_of, plot_of
from labwright.service.console.recorded import recorded, sight
from labwright.service.gate import ANONYMOUS, Asker
from labwright.service.problems import Problem
from labwright.service.run_index import index_of
from labwright.service.state import Asking, Here, Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)

RUNS_MOST = 50
"""On a page."""

FILTERS = ("campaign", "experiment", "step", "station", "uid")

ENDED = {"success": "done", "fail": "failed", "abort": "stopped", "damaged": "left"}
"""How a run ended, as states are drawn."""


SWEPT = ("frequency", "wavelength")
"""How readings are called over which others are drawn, where they are there."""


def runs(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """Closed runs that one may see, the newest first."""
    given = request.query_params
    asked = {name: given.get(name, "").strip()[:200] for name in FILTERS}
    known = index_of(service).runs()
    before = given.get("before", "")
    end = next((n for n in range(len(known) - 1, -1, -1) if known[n].uid == before), len(known)) if before else None
    with service.records.reading() as journal:
        sees = sight(service, asker, journal)
        fitting = (one for one in reversed(known[:end]) if _fits(one, asked) and sees(one))
        found = list(islice(fitting, RUNS_MOST + 1))
    if not found and asker.who is ANONYMOUS:
        raise Problem("unauthenticated", "no data is open to everyone: sign in")
    shown = found[:RUNS_MOST]
    data = {
        "runs": shown,
        "older": shown[-1].uid if len(found) > RUNS_MOST else "",
        "asked": asked,
        "filtered": any(asked.values()),
        "ended": ENDED,
    }
    return Shown(words("data"), "runs", data, ("runs",))


def _fits(run: RunSeen, asked: Mapping[str, str]) -> bool:
    return (
        asked["campaign"] in run.campaign
        and asked["experiment"] in ("", run.label)
        and asked["step"] in ("", run.step)
        and asked["station"] in ("", run.station)
        and run.uid.startswith(asked["uid"])
    )


def run(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """A run: how it began, what it has recorded, and a reading of it, drawn."""
    seen, documents = recorded(service, asker, str(request.path_params["uid"]))
    streams = streams_of(documents)
    chosen = _chosen(streams, request.query_params)
    drawn = plot_of(*chosen) if chosen is not None else None
    stop = documents[-1][1]
    data = {
        "run": seen,
        "start": list(_flat(documents[0][1])),
        "reason": stop.get("reason", "") if documents[-1][0] == "stop" else "",
        "streams": list(streams.values()),
        "stream": chosen[0] if chosen else None,
        "reading": chosen[1] if chosen else None,
        "against": chosen[2] if chosen else "",
        "choices": choices_of(chosen[0], chosen[1]) if chosen else [],
        "plot": drawn,
        "axes": _axes(drawn, words) if drawn else {},
        "ended": ENDED,
    }
    return Shown(words("run.of", uid=seen.uid[:8]), "run", data)


def _chosen(streams: Mapping[str, Stream], given: Mapping[str, str]) -> tuple[Stream, Reading, str] | None:
    """What is to be drawn: as asked, else the first reading of which there are numbers."""
    names = [given["stream"]] if given.get("stream") else list(streams)
    for name in names:
        stream = streams.get(name)
        if stream is None:
            continue
        wanted = given.get("reading", "")
        for reading in sorted(stream.readings.values(), key=lambda one: one.name.endswith(SWEPT)):
            if reading.numeric and wanted in ("", reading.name):
                choices = choices_of(stream, reading)
                against = given.get("against", "")
                return stream, reading, against if against in choices else _usual(choices)
    return None


def _usual(choices: list[str]) -> str:
    """What a reading is drawn over without being asked."""
    return next((one for one in choices if one.endswith(SWEPT)), choices[0])


def _axes(plot: Plot, words: Words) -> dict[str, str]:
    """How the axes are called."""
    if plot.over is not None:
        x = named(plot.over)
    elif plot.against == "time":
        x = words("plot.since")
    else:
        x = words("plot.point")
    return {"x": x, "y": named(plot.reading)}


def named(reading: Reading) -> str:
    """A reading with its unit, as axes and tables head it."""
    return f"{reading.name} / {unit}" if (unit := unit_of(reading.unit)) else reading.name


def _flat(document: Mapping[str, Any], above: str = "") -> Any:
    """Names and values of a document, one after another."""
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        elif value not in ("", None, []):
            yield f"{above}{key}", plain(value)


@router.get("/data/{uid}/points")
def points(service: Here, asker: Asking, request: Request, uid: str) -> Response:
    """The numbers of a reading, for the picture on its page."""
    _, documents = recorded(service, asker, uid)
    chosen = _chosen(streams_of(documents), request.query_params)
    drawn = plot_of(*chosen) if chosen else None
    if drawn is None:
        raise Problem("not_found", "nothing of this reading can be drawn")
    words = Words(look_of(request).language)
    return JSONResponse({**drawn.drawn(), **{"event": words.raw("plot.event")}})


@router.get("/data/{uid}/csv")
def as_csv(service: Here, asker: Asking, uid: str) -> Response:
    """All readings of a run, a line each."""
    seen, documents = recorded(service, asker, uid)
    headers = {"Content-Disposition": f'attachment; filename="{seen.uid}.csv"'}
    return StreamingResponse(csv_of(documents), media_type="text/csv; charset=utf-8", headers=headers)


page(router, "/data", runs)
page(router, "/data/{uid}", run)
