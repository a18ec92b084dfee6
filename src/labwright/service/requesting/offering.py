"""What the lab offers, to everyone; and what each project may take of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import Field

from labwright.answers.offers import Capabilities, ProjectQuota
from labwright.journal import Journal, schema
from labwright.journal.asking import deck_of
from labwright.journal.reading import controller
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, in_versions
from labwright.service.desk import quotas
from labwright.service.once import Answer
from labwright.service.problems import Problem
from labwright.service.rights import Resource
from labwright.service.schema import project
from labwright.service.schema import request as table
from labwright.service.state import Asking, Here, Service
from labwright.service.versions import check, etag, versioned

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["requests"])

KEPT_S = 30.0
"""Wall seconds for which what is offered is not asked for again: everyone may ask."""

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Quota(Body):
    """What a project may take in all; without a limit where nothing is given.

    Attributes:
        experiments: how many.
        station_minutes: minutes of stations.
        cost: in the desk's currency.
    """

    experiments: Amount | None = None
    station_minutes: Amount | None = None
    cost: Amount | None = None


class Offered:
    """What the lab offers, asked for now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[float, dict[str, Any]] | None = None

    def of(self, service: Service) -> dict[str, Any]:
        """What the lab offers.

        Raises:
            ConfigError: the lab's own files have mistakes.
            Problem: it cannot be found out now.
        """
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > KEPT_S:
                self._known = time.monotonic(), service.appraiser.offered()
            return self._known[1]


_offered = Offered()


def offered_by(service: Service) -> dict[str, Any]:
    """What the lab offers, by its files.

    Raises:
        ConfigError: the lab's own files have mistakes.
        Problem: it cannot be found out now.
    """
    return _offered.of(service)


@router.get("/capabilities", responses=answers(Capabilities))
def capabilities(service: Here) -> dict[str, Any]:
    """What the lab can do: protocols with their parameters, stations with their limits, prices, and the queue."""
    waiting = sa.select(sa.func.count()).where(table.c.state.in_(("approved", "awaiting_samples", "queued")))
    with service.door.reading() as connection:
        queue = connection.execute(waiting).scalar_one()
    offered = _offered.of(service)
    with service.records.reading() as journal:
        here = controller(journal)
        calibrations = _calibrations(journal, offered["valid_s"])
    now = {"open": here.runs, "under_way": len(here.under_way), "queue": queue, "calibrations": calibrations}
    return {**offered, **now}


@router.get("/projects/{name}/quota", responses=in_versions(ProjectQuota))
def quota(service: Here, asker: Asking, request: Request, name: str) -> Response:
    """What a project may take, has reserved, and was charged."""
    service.gate.need(asker, "project.read", Resource("project", name, name))
    with service.door.reading() as connection:
        _refuse_unknown(connection, name)
        return versioned(request, quotas.state_of(connection, name))


@router.put("/projects/{name}/quota", responses=answers(ProjectQuota, etag=True))
async def set_quota(service: Here, asker: Asking, request: Request, name: str, body: Quota) -> Response:
    """Set what a project may take in all; what was reserved and charged stays."""
    await service.gate.needs(asker, "quota.set", Resource("project", name, name))
    amounts = body.model_dump()
    entry = Entry(asker.who.id, "quota.set", f"project/{name}", via=asker.who.key, after=amounts, trace=asker.trace)

    def write(connection: sa.Connection) -> Answer:
        _refuse_unknown(connection, name)
        check(request, quotas.state_of(connection, name))
        quotas.set_quota(connection, name, amounts)
        shown = quotas.state_of(connection, name)
        return Answer(200, shown, {"ETag": etag(shown)})

    answer = await service.once.change(request, asker, entry, write)
    service.desk.wake()  # what waits for it may be approved now
    return answer


def _calibrations(journal: Journal, valid_s: Mapping[str, float]) -> dict[str, Any]:
    """When each preparation that campaigns share was made last on the lab's instruments, and is due again."""
    table = schema.preparation
    made = {str(row["protocol"]): row for row in journal.rows(table, table.c.instruments == deck_of(journal))}
    return {
        name: {
            "made_s": made[name]["at_s"] if name in made else None,
            "due_s": made[name]["at_s"] + lasts_s if name in made else None,
            "lasts_s": lasts_s,
        }
        for name, lasts_s in valid_s.items()
    }


def _refuse_unknown(connection: sa.Connection, name: str) -> None:
    if connection.execute(sa.select(project.c.id).where(project.c.id == name)).first() is None:
        raise Problem("not_found", f"there is no project {name[:80]}, or you may not see it")
