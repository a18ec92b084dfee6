"""Runs: what stations have recorded, document by document."""

from __future__ import annotations

import itertools
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from labwright.facts.runs import campaign_of, document_lines, run_rows
from labwright.journal import find_run, read_run
from labwright.service.bodies import StrictRoute
from labwright.service.problems import Problem
from labwright.service.rights import Resource, can
from labwright.service.state import Asking, Here

router = APIRouter(prefix="/v1/runs", route_class=StrictRoute, tags=["runs"])


@router.get("")
def runs(
    service: Here,
    asker: Asking,
    cursor: Annotated[int, Query(ge=0, description="`next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """Closed runs that you may see, oldest first."""
    items: list[dict[str, Any]] = []
    seen = cursor
    with service.records.reading() as journal:
        known = service.owned.known()
        for row in itertools.islice(run_rows(service.settings.data), cursor, None):
            if len(items) == limit:
                return {"items": items, "next": seen}
            seen += 1
            what = service.owned.campaign(journal, row["campaign"], "data", known=known)
            if can(asker.who, "data.read", what):
                items.append(row)
    return {"items": items, "next": None}


@router.get("/{uid}")
def documents(service: Here, asker: Asking, uid: str) -> Response:
    """All documents of a run by its uid, or its beginning: a line of JSON each, ``[name, document]``."""
    if not can(asker.who, "data.read", Resource("data")):  # of what may not be seen it is not said whether it is there
        own = {row["run"] for row in runs(service, asker, limit=1000)["items"]}
        if uid[:8] not in own:
            service.gate.need(asker, "data.read", Resource("data", uid))
            raise Problem("not_found", f"there is no run {uid[:80]}, or you may not see it")
    found = read_run(find_run(service.settings.data / "runs", uid))
    with service.records.reading() as journal:
        service.gate.need(asker, "data.read", service.owned.campaign(journal, campaign_of(found), "data"))
    return StreamingResponse(document_lines(found), media_type="application/x-ndjson")
