"""Runs: what stations have recorded, document by document."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from labwright.answers.material import Run
from labwright.facts.runs import campaign_of, document_lines, run_row
from labwright.journal import find_run, read_run
from labwright.model.errors import ConfigError
from labwright.service.bodies import StrictRoute
from labwright.service.declaring import answers, pages_of
from labwright.service.rights import Resource, can
from labwright.service.run_index import index_of
from labwright.service.state import Asking, Here

router = APIRouter(prefix="/v1/runs", route_class=StrictRoute, tags=["runs"])


@router.get("", name="list", responses=answers(pages_of(Run)))
def runs(
    service: Here,
    asker: Asking,
    cursor: Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """Closed runs that you may see, oldest first."""
    items: list[dict[str, Any]] = []
    seen = cursor
    with service.records.reading() as journal:
        known = service.owned.known()
        for run in index_of(service).runs()[cursor:]:
            if len(items) == limit:
                return {"items": items, "next": seen}
            seen += 1
            what = service.owned.campaign(journal, run.campaign, "data", known=known)
            if can(asker.who, "data.read", what):
                items.append(run_row(run))
    return {"items": items, "next": None}


@router.get("/{uid}")
def documents(service: Here, asker: Asking, uid: str) -> Response:
    """All documents of a run by its uid, or its beginning: a line of JSON each, ``[name, document]``."""
    try:
        found = read_run(find_run(service.settings.data / "runs", uid))
    except ConfigError:  # there is none, or several: said only to those who may see all
        service.gate.need(asker, "data.read", Resource("data", uid))
        raise
    with service.records.reading() as journal:
        what = service.owned.campaign(journal, campaign_of(found), "data")
        service.gate.need(asker, "data.read", dataclasses.replace(what, id=uid))
    return StreamingResponse(document_lines(found), media_type="application/x-ndjson")
