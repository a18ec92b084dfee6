"""Whether the service and the lab behind it are there: for monitors."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from labwright.answers.lab import Health, Readiness
from labwright.journal.reading import listed_rows
from labwright.model.errors import JournalError
from labwright.model.states import OVER
from labwright.service.bodies import StrictRoute
from labwright.service.declaring import answers
from labwright.service.rights import Resource
from labwright.service.state import Asking, Here

router = APIRouter(route_class=StrictRoute, tags=["health"])


@router.get("/healthz", responses=answers(Health))
def healthz() -> dict[str, str]:
    """The service runs."""
    return {"status": "ok"}


@router.get("/readyz", responses={**answers(Readiness), **answers(Readiness, 503)})
def readyz(service: Here, response: Response) -> dict[str, Any]:
    """The service can read the lab's records, and a controller runs: 503 if not, with what is missing."""
    missing = []
    try:
        with service.records.reading() as journal:
            if not journal.controlled():
                missing.append("controller")
    except JournalError:
        missing.append("journal")
    response.status_code = 503 if missing else 200
    return {"status": "not ready" if missing else "ready", "missing": missing}


@router.get("/metrics")
def metrics(service: Here, asker: Asking) -> Response:
    """What a Prometheus server takes; for those who may look at the lab."""
    service.gate.need(asker, "lab.read", Resource("lab"))
    registry = CollectorRegistry()

    def gauge(name: str, words: str, value: float) -> None:
        Gauge(f"labwright_{name}", words, registry=registry).set(value)

    with service.records.reading() as journal:
        rows = listed_rows(journal)
        newest = journal.controller()
        gauge("controller_up", "Whether a controller runs", journal.controlled())
    if newest is not None and newest["heartbeat_s"]:
        gauge("controller_heartbeat_seconds", "When it last said that it is there, Unix time", newest["heartbeat_s"])
    gauge("campaigns_under_way", "Campaigns that are not over", sum(row["state"] not in OVER for row in rows))
    gauge("campaigns", "Campaigns in the journal", len(rows))
    gauge("event_id", "Id of the newest event", service.records.newest())
    gauge("streams", "Clients that listen to the event stream", service.tail.listening)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
