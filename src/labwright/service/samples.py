"""Samples: what was made, of what, and what has become of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from labwright.answers.material import Ancestor, Booked, Sample, SampleDetail
from labwright.engine import by_hand
from labwright.engine.by_hand import Wanted
from labwright.facts.samples import lineage_facts, sample_facts, sample_list, sample_named
from labwright.journal import Journal
from labwright.service.bodies import StrictRoute
from labwright.service.declaring import answers, commanded, items_of, pages_of
from labwright.service.rights import Action, Resource, can
from labwright.service.state import Asking, Here
from labwright.service.stocks import STOCK, Booking, book

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["samples"])


class Dispose(Booking):
    """What has become of a sample that is over.

    Attributes:
        disposition: that.
    """

    disposition: Literal["disposed", "archived", "handed over"] = "disposed"


@router.get("/samples", name="list", responses=answers(pages_of(Sample, str)))
def samples(
    service: Here,
    asker: Asking,
    campaign: Annotated[str, Query(max_length=200, description="only of this one: an id, or a name")] = "",
    cursor: Annotated[str, Query(max_length=400, description="`next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, Any]:
    """Samples that you may see, oldest first: where each is, and what has become of it."""
    page: list[dict[str, Any]] = []
    known = service.owned.known()
    with service.records.reading() as journal:
        found = iter(sample_list(journal, campaign))
        if cursor:
            next((one for one in found if one["sample"] == cursor), None)
        for one in found:
            what = service.owned.campaign(journal, one["campaign"], "sample", one["sample"], known)
            if can(asker.who, "sample.read", what):
                page.append(one)
            if len(page) > limit:
                break
    return {"items": page[:limit], "next": page[limit - 1]["sample"] if len(page) > limit else None}


@router.get("/samples/{sample:path}", name="get", responses=answers(SampleDetail))
def one(service: Here, asker: Asking, sample: str) -> dict[str, Any]:
    """What a sample was made of, where it went, and what was found; by CAMPAIGN/LABEL, its id, or its label."""
    with service.records.reading() as journal:
        allowed(service, asker, journal, "sample.read", sample)
        return sample_facts(journal, sample)


@router.get("/lineage", responses=answers(items_of(Ancestor)))
def lineage(
    service: Here,
    asker: Asking,
    of: Annotated[str, Query(min_length=1, max_length=400, description="a sample, a container, a lot, or a waste")],
    direction: Literal["up", "down"] = "up",
) -> dict[str, Any]:
    """What something was made of, or what was made of it, over all places between; for those who may see the stocks."""
    service.gate.need(asker, "stock.read", STOCK)
    with service.records.reading() as journal:
        return {"items": lineage_facts(journal, of, direction)}


@router.post("/samples/{sample:path}/dispose", responses=commanded(Booked))
async def dispose(service: Here, asker: Asking, request: Request, sample: str, body: Dispose) -> Response:
    """Record what has become of a sample that is over; its position is free again."""
    return await _book(service, asker, request, sample, body, lambda name: by_hand.disposed(name, body.disposition))


@router.post("/samples/{sample:path}/release", responses=commanded(Booked))
async def release(service: Here, asker: Asking, request: Request, sample: str, body: Booking) -> Response:
    """Record that a person has looked at a quarantined sample, and that it may be used."""
    return await _book(service, asker, request, sample, body, lambda name: by_hand.classified_sample(name, "released"))


@router.post("/samples/{sample:path}/quarantine", responses=commanded(Booked))
async def quarantine(service: Here, asker: Asking, request: Request, sample: str, body: Booking) -> Response:
    """Record that a sample may not be used, and why."""
    return await _book(
        service, asker, request, sample, body, lambda name: by_hand.classified_sample(name, "quarantined")
    )


async def _book(
    service: Here, asker: Asking, request: Request, sample: str, body: Booking, wanted: Callable[[str], Wanted]
) -> Response:
    def look(journal: Journal) -> str:
        return allowed(service, asker, journal, "sample.book", sample)

    name = await service.records.in_thread(look)
    return await book(service, asker, request, body, lambda: wanted(name), "sample.book", f"sample/{name}")


def allowed(service: Here, asker: Asking, journal: Journal, action: Action, sample: str) -> str:
    """The sample as CAMPAIGN/LABEL, if this one may do that to it.

    Raises:
        ConfigError: there is none; said only to those who may see all samples.
        Problem: it is not allowed.
    """
    if not can(asker.who, "sample.read", Resource("sample")):  # of what may not be seen it is not said whether it is
        reach = service.owned.known()
        mine = [
            one["sample"]
            for one in sample_list(journal)
            if can(asker.who, "sample.read", service.owned.campaign(journal, one["campaign"], "sample", known=reach))
        ]
        known = {one for name in mine for one in (name, name.rpartition("/")[2])}
        if sample not in known:
            service.gate.need(asker, "sample.read", Resource("sample", sample))
    name = sample_named(journal, sample)
    campaign = name.rpartition("/")[0]
    service.gate.need(asker, action, service.owned.campaign(journal, campaign, "sample", name))
    return name
