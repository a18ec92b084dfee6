"""Who may see data, over HTTP: classes, embargoes, and grants by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, AwareDatetime, Field

from labwright.answers.offers import ClassOfData, ClassSet
from labwright.service import classes
from labwright.service.audit import Entry, exports_of
from labwright.service.bodies import Body, StrictRoute
from labwright.service.campaigns import row_of
from labwright.service.classes import Control, DataPolicy, Owner
from labwright.service.declaring import answers, in_versions
from labwright.service.desk.links import withdraw_links
from labwright.service.gate import Asker
from labwright.service.lab import Reason
from labwright.service.once import Answer
from labwright.service.owned import owner_of
from labwright.service.people import NAME
from labwright.service.problems import Problem
from labwright.service.requesting.changing import seen
from labwright.service.rights import DataClass, Resource
from labwright.service.schema import principal
from labwright.service.schema import request as asked
from labwright.service.state import Asking, Here, Service
from labwright.service.versions import check, etag, versioned

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["data"])

Things = Literal["campaigns", "requests"]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {name[:40]!r}; write it as Asia/Tokyo") from error
    return name


class FiscalYears(Body):
    """Until 31 March, so many fiscal years after this one, as ARIM counts.

    Attributes:
        years: after the fiscal year that it is now.
        zone: in which days end.
    """

    years: Annotated[int, Field(ge=0, le=20)]
    zone: Annotated[str, Field(max_length=64), AfterValidator(_zone)] = "Asia/Tokyo"


class Classed(Body):
    """Who may see data.

    Attributes:
        data_class: once nothing is kept back any more.
        groups: that it is shared with, if it is ``shared_closed``.
        embargo_until: until when it is closed; not at all if neither is given.
        embargo: or until the end of a fiscal year.
        export_control: as it was found to be.
        licence: under which others may use it.
        because: why.
    """

    data_class: DataClass
    groups: Annotated[list[Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]], Field(max_length=100)] = []
    embargo_until: Annotated[AwareDatetime, Field(strict=False)] | None = None
    embargo: FiscalYears | None = None
    export_control: Control = "unreviewed"
    licence: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9.+-]*$")] = ""
    because: Reason

    def policy(self, now_s: float) -> DataPolicy:
        """As a policy.

        Raises:
            Problem: two embargoes are given.
        """
        if self.embargo is not None and self.embargo_until is not None:
            raise Problem("invalid", "give embargo_until or embargo, not both")
        until_s = None if self.embargo_until is None else self.embargo_until.timestamp()
        if self.embargo is not None:
            until_s = classes.fiscal_year_end_s(now_s, self.embargo.years, ZoneInfo(self.embargo.zone))
        return DataPolicy(self.data_class, frozenset(self.groups), until_s, self.export_control, self.licence)


class Granted(Body):
    """A grant.

    Attributes:
        until: when it ends; never if left out.
        because: why.
    """

    until: Annotated[AwareDatetime, Field(strict=False)] | None = None
    because: Reason


@router.get("/{things}/{name}/data-class", name="class", responses=in_versions(ClassOfData))
def data_class(service: Here, asker: Asking, request: Request, things: Things, name: str) -> Response:
    """Who may see the data of a campaign or a request, apart from its project."""
    owner, key, _ = _seen(service, asker, things, name)
    with service.door.reading() as connection:
        return versioned(request, _shown(connection, owner, key))


@router.put("/{things}/{name}/data-class", name="set_class", responses=answers(ClassSet, etag=True))
async def set_data_class(
    service: Here, asker: Asking, request: Request, things: Things, name: str, body: Classed
) -> Response:
    """Say who may see data. To let more people see them takes a data steward.

    Where fewer may, links to what was found are withdrawn, and what was exported before is answered.
    """
    owner, key, what = await to_thread.run_sync(_seen, service, asker, things, name)
    now_s = time.time()
    policy = body.policy(now_s)

    def before() -> DataPolicy:
        with service.door.reading() as connection:
            return classes.policy_of(connection, owner, key)

    was = await to_thread.run_sync(before)
    looser, tighter = policy.loosens(was, now_s), was.loosens(policy, now_s)
    await service.gate.needs(asker, "data.loosen" if looser else "data.tighten", what)

    def write(connection: sa.Connection) -> Answer:
        now = classes.policy_of(connection, owner, key)
        if now != was:
            raise Problem("precondition", f"the class of {name} has changed meanwhile; read it again")
        check(request, _shown(connection, owner, key))
        classes.set_policy(connection, owner, key, policy, asker.who.id, body.because)
        shown = _shown(connection, owner, key)
        withdrawn = withdraw_links(connection, int(key[1:])) if owner == "request" and tighter else 0
        exported = exports_of(connection, _targets(connection, owner, key)) if tighter or not looser else []
        more = {"exported_before": exported, "links_withdrawn": withdrawn}
        return Answer(200, {**shown, **more}, {"ETag": etag(shown)})

    entry = Entry(
        asker.who.id, "data.loosen" if looser else "data.tighten", f"{owner}/{key}", via=asker.who.key,
        before=was.shown(now_s), after=policy.shown(now_s), because=body.because, trace=asker.trace,
    )  # fmt: skip
    return await service.once.change(request, asker, entry, write)


@router.put("/{things}/{name}/grants/{who}", responses=answers(ClassOfData))
async def grant(
    service: Here, asker: Asking, request: Request, things: Things, name: str, who: str, body: Granted
) -> Response:
    """Let one person see a campaign or a request, with its data."""
    until_s = None if body.until is None else body.until.timestamp()

    def write(connection: sa.Connection, owner: Owner, key: str) -> None:
        if connection.execute(sa.select(principal.c.id).where(principal.c.id == who)).first() is None:
            raise Problem("not_found", f"there is no {who[:80]!r}")
        classes.allow(connection, owner, key, who, until_s)

    after = {"grant": who, "until_s": until_s}
    return await _granting(service, asker, request, things, name, after, body.because, write)


@router.delete("/{things}/{name}/grants/{who}", name="withdraw_grant", responses=answers(ClassOfData))
async def withdraw(service: Here, asker: Asking, request: Request, things: Things, name: str, who: str) -> Response:
    """Take a grant back."""

    def write(connection: sa.Connection, owner: Owner, key: str) -> None:
        classes.withdraw(connection, owner, key, who)

    return await _granting(service, asker, request, things, name, {"withdraw": who}, "", write)


async def _granting(
    service: Service,
    asker: Asker,
    request: Request,
    things: Things,
    name: str,
    after: dict[str, Any],
    because: str,
    write: Callable[[sa.Connection, Owner, str], None],
) -> Response:
    owner, key, what = await to_thread.run_sync(_seen, service, asker, things, name)
    await service.gate.needs(asker, "data.loosen", what)
    entry = Entry(
        asker.who.id, "data.loosen", f"{owner}/{key}", via=asker.who.key, after=after, because=because,
        trace=asker.trace,
    )  # fmt: skip

    def work(connection: sa.Connection) -> Answer:
        write(connection, owner, key)
        return Answer(200, _shown(connection, owner, key))

    return await service.once.change(request, asker, entry, work)


def _seen(service: Service, asker: Asker, things: Things, name: str) -> tuple[Owner, str, Resource]:
    """What has the class of something that this one may see, and what rights look at.

    Raises:
        Problem: there is no such thing, or it may not be seen.
    """
    if things == "requests":
        row = seen(service, asker, name)
        return "request", name, service.owned.request(row)
    with service.records.reading() as journal:
        row_of(service, asker, journal, name)
        what = service.owned.campaign(journal, name, "data")
    with service.door.reading() as connection:
        owner, key = owner_of(connection, name)
    return owner, key, what


def _shown(connection: sa.Connection, owner: Owner, key: str) -> dict[str, Any]:
    policy = classes.policy_of(connection, owner, key)
    reach = classes.reach_of(connection, owner, key)
    return {owner: key, **policy.shown(time.time()), "granted": sorted(reach.granted)}


def _targets(connection: sa.Connection, owner: Owner, key: str) -> list[str]:
    """What the audit trail names where the data of a request or a campaign are exported."""
    if owner == "campaign":
        return [f"data/{key}"]
    campaign = connection.execute(sa.select(asked.c.campaign).where(asked.c.n == int(key[1:]))).scalar()
    return [f"request/{key}", *([f"data/{campaign}"] if campaign else [])]
