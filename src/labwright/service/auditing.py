"""The audit trail over HTTP: for admins and data stewards."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from labwright.answers.people import AuditPage, AuditVerification, Trace
from labwright.service.audit import anchor_file, head_of, listed, read_anchors, verify
from labwright.service.bodies import StrictRoute
from labwright.service.declaring import answers
from labwright.service.rights import Resource
from labwright.service.state import Asking, Here
from labwright.service.traces import traced

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["audit"])


@router.get("/audit", name="list", responses=answers(AuditPage))
def audit(
    service: Here,
    asker: Asking,
    cursor: Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    actor: Annotated[str, Query(max_length=64)] = "",
) -> dict[str, Any]:
    """The audit trail, oldest first."""
    service.gate.need(asker, "audit.read", Resource("audit"))
    rows = listed(service.door, after=cursor, most=limit, actor=actor)
    return {
        "items": [{**row, "allowed": bool(row["allowed"])} for row in rows],
        "next": rows[-1]["seq"] if len(rows) == limit else None,
        "head": str(head_of(service.door)),
    }


@router.get("/audit/verification", responses=answers(AuditVerification))
def verification(service: Here, asker: Asking) -> dict[str, Any]:
    """Whether the audit trail holds together, and is the one whose heads were written beside it."""
    service.gate.need(asker, "audit.read", Resource("audit"))
    path = anchor_file(service.settings.data)
    anchors = read_anchors(path) if path.exists() else []
    wrong = verify(service.door, anchors)
    return {"head": str(head_of(service.door)), "anchors": len(anchors), "wrong": wrong}


@router.get("/traces/{trace}", responses=answers(Trace))
def trace(service: Here, asker: Asking, trace: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]) -> dict[str, Any]:
    """What one request over HTTP has led to: rows of the audit trail, commands, campaigns, and their operations."""
    service.gate.need(asker, "audit.read", Resource("audit"))
    with service.records.reading() as journal:
        return traced(service.door, journal, trace)
