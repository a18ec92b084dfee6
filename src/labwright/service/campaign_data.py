"""What a campaign has found: experiments, events, tables, its report."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response

from labwright.answers.campaigns import Experiment, SearchSpace
from labwright.answers.lab import LabEvent
from labwright.facts.campaigns import event_fields, experiment_list
from labwright.facts.exporting import MEDIA, Format, export_rows, table_file
from labwright.journal import schema
from labwright.journal.reading import spec_of
from labwright.service.audit import Entry
from labwright.service.bodies import StrictRoute
from labwright.service.campaigns import row_of
from labwright.service.declaring import answers, pages_of
from labwright.service.problems import Problem
from labwright.service.state import Asking, Here

router = APIRouter(prefix="/v1/campaigns", route_class=StrictRoute, tags=["campaigns"])

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""A report is one page of text, SVG and its own styles; nothing in it is carried out or loaded."""


@router.get("/{campaign}/experiments", responses=answers(pages_of(Experiment)))
def experiments(
    service: Here,
    asker: Asking,
    campaign: str,
    cursor: Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """Experiments and proposals of a campaign, in their order."""
    with service.records.reading() as journal:
        row_of(service, asker, journal, campaign)
        found = experiment_list(journal, campaign)
    return {"items": found[cursor : cursor + limit], "next": cursor + limit if cursor + limit < len(found) else None}


@router.get("/{campaign}/events", responses=answers(pages_of(LabEvent)))
def events(
    service: Here,
    asker: Asking,
    campaign: str,
    cursor: Annotated[int, Query(ge=0, le=2**53, description="id of the last event that is known")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> dict[str, Any]:
    """What has happened in a campaign, oldest first."""
    event = schema.event
    with service.records.reading() as journal:
        row_of(service, asker, journal, campaign)
        found = journal.logged(sa.and_(event.c.campaign == campaign, event.c.id > cursor), most=limit)
    return {
        "items": [event_fields(one) for one in found],
        "next": found[-1].id if len(found) == limit else None,
    }


@router.get("/{campaign}/space", responses=answers(SearchSpace))
def space(service: Here, asker: Asking, campaign: str) -> dict[str, Any]:
    """The parameters that a campaign searches, with units and bounds, as its file has them."""
    with service.records.reading() as journal:
        row_of(service, asker, journal, campaign)
        found: dict[str, Any] = spec_of(journal, campaign)["space"]
    return found


@router.get("/{campaign}/export")
def export(service: Here, asker: Asking, campaign: str, format: Format = "csv") -> Response:
    """The experiments of a campaign as a table, with units in the heads, as `labwright campaign export` writes it."""
    with service.records.reading() as journal:
        row_of(service, asker, journal, campaign)
        service.gate.need(asker, "data.export", service.owned.campaign(journal, campaign, "data"))
        rows = export_rows(journal, campaign)
    entry = Entry(asker.who.id, "data.export", f"data/{campaign}", via=asker.who.key, trace=asker.trace)
    service.gate.record([entry])
    headers = {"Content-Disposition": f'attachment; filename="{campaign}.{format}"'}
    return Response(table_file(rows, format), headers=headers, media_type=MEDIA[format])


@router.get("/{campaign}/report")
def report(service: Here, asker: Asking, campaign: str) -> Response:
    """The report of a campaign, as a page; it is written when the campaign ends, and by `labwright report`."""
    with service.records.reading() as journal:
        row_of(service, asker, journal, campaign)
        service.gate.need(asker, "data.read", service.owned.campaign(journal, campaign, "data"))
    path = service.settings.data / "reports" / f"{campaign}.html"
    if not path.is_file():
        raise Problem(
            "not_found",
            f"{campaign} has no report yet: it is written when the campaign ends; before, write it on the machine of "
            f"the lab with: labwright report {campaign}",
        )
    return Response(path.read_bytes(), media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})
