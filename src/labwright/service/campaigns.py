"""Campaigns: what they are doing, and steering them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from labwright.answers.campaigns import Campaign, CampaignDetail
from labwright.facts.campaigns import campaign_facts
from labwright.journal import Journal
from labwright.journal.asking import refuse_no_controller, refuse_other_deck, refuse_untakable
from labwright.journal.listing import listed
from labwright.journal.reading import campaign_rows, controller, listed_rows
from labwright.model.states import OVER
from labwright.service import commanding
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, commanded, in_versions, pages_of
from labwright.service.lab import Reason
from labwright.service.once import Answer
from labwright.service.problems import Problem
from labwright.service.rights import Action, Resource, can
from labwright.service.state import Asking, Here
from labwright.service.versions import check, versioned

router = APIRouter(prefix="/v1/campaigns", route_class=StrictRoute, tags=["campaigns"])

PAGE_MOST = 200

Number = Annotated[float, Field(allow_inf_nan=False)] | Annotated[int, Field(ge=-(2**53), le=2**53)]
Params = Annotated[dict[Annotated[str, Field(max_length=200)], Number | Annotated[str, Field(max_length=200)]],
                   Field(max_length=200)]  # fmt: skip


class Because(Body):
    """Pauses a campaign, resumes it, or starts no further experiment in it.

    Attributes:
        because: why.
    """

    because: Reason


class Stop(Because):
    """Stops a campaign, or one sample of it.

    Attributes:
        now: halt devices at once; after the operations under way if not.
        sample: label of the sample; the whole campaign if empty.
    """

    now: bool = False
    sample: Annotated[str, Field(max_length=200)] = ""


class Extend(Because):
    """Lets a campaign make more experiments.

    Attributes:
        budget: how many in all.
        lab_changed: you have checked what changed in the lab since the campaign was started; of one that has run out.
    """

    budget: Annotated[int, Field(ge=1, le=1_000_000)]
    lab_changed: bool = False


class Suggest(Because):
    """An experiment of one's own.

    Attributes:
        params: value of each parameter of the space, by name, in the space's units.
    """

    params: Params


class Veto(Because):
    """Withdraws a proposal, or forbids a point.

    Attributes:
        trial: id of the proposal.
        params: or the point.
        reach: and what is around it, as a share of each range.
    """

    trial: Annotated[str, Field(max_length=64)] = ""
    params: Params | None = None
    reach: Annotated[float, Field(ge=0, le=1)] = 0.0


@router.get("", name="list", responses=answers(pages_of(Campaign)))
def campaigns(
    service: Here,
    asker: Asking,
    cursor: Annotated[int | None, Query(ge=1, le=2**53, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MOST)] = 50,
    name: Annotated[str, Query(max_length=200, description="only those of this name, or the one of this id")] = "",
) -> dict[str, Any]:
    """Campaigns that you may see, the one that began last first."""
    known = service.owned.known()
    with service.records.reading() as journal:
        here = controller(journal)
        rows = [one for one in reversed(listed_rows(journal, name)) if cursor is None or one["first_event"] < cursor]
        page: list[dict[str, Any]] = []
        more = False
        for row in rows:
            if not can(asker.who, "campaign.read", service.owned.campaign(journal, row["id"], known=known)):
                continue
            if len(page) == limit:
                more = True
                break
            page.append(row)
        items = [listed(journal, row, here) for row in page]
    return {"items": items, "next": page[-1]["first_event"] if more else None}


@router.get("/{campaign}", name="get", responses=in_versions(CampaignDetail))
def one(service: Here, asker: Asking, request: Request, campaign: str) -> Response:
    """A campaign: how it stands, what it waits for, its experiments, and what happened last in it."""
    with service.records.reading() as journal:
        return versioned(request, _shown(journal, row_of(service, asker, journal, campaign)))


@router.post("/{campaign}/pause", responses=commanded())
async def pause(service: Here, asker: Asking, request: Request, campaign: str, body: Because) -> Response:
    """Pause: no operation starts, those under way run to their end."""
    return await _steer(service, asker, request, campaign, "campaign.pause", "pause", body, {})


@router.post("/{campaign}/resume", responses=commanded())
async def resume(service: Here, asker: Asking, request: Request, campaign: str, body: Because) -> Response:
    """Resume a campaign that is paused."""
    return await _steer(service, asker, request, campaign, "campaign.steer", "resume", body, {})


@router.post("/{campaign}/drain", responses=commanded())
async def drain(service: Here, asker: Asking, request: Request, campaign: str, body: Because) -> Response:
    """Start no further experiment; those under way are carried out to their end."""
    return await _steer(service, asker, request, campaign, "campaign.steer", "drain", body, {})


@router.post("/{campaign}/stop", responses=commanded())
async def stop(service: Here, asker: Asking, request: Request, campaign: str, body: Stop) -> Response:
    """Stop a campaign, or one sample of it."""
    payload = {"now": body.now, **({"sample": body.sample} if body.sample else {})}
    return await _steer(service, asker, request, campaign, "campaign.stop", "stop", body, payload)


@router.post("/{campaign}/extend", responses=commanded())
async def extend(service: Here, asker: Asking, request: Request, campaign: str, body: Extend) -> Response:
    """Let it make more experiments, whether it is under way or has run out."""
    again = {"campaign": campaign, "lab_changed": body.lab_changed}
    return await _steer(
        service, asker, request, campaign, "campaign.steer", "extend", body, {"budget": body.budget}, over=again
    )


@router.post("/{campaign}/suggest", responses=commanded())
async def suggest(service: Here, asker: Asking, request: Request, campaign: str, body: Suggest) -> Response:
    """Ask for an experiment of your own, before any of the planner's."""
    return await _steer(service, asker, request, campaign, "campaign.steer", "suggest", body, {"params": body.params})


@router.post("/{campaign}/veto", responses=commanded())
async def veto(service: Here, asker: Asking, request: Request, campaign: str, body: Veto) -> Response:
    """Withdraw a proposal that has not started, or forbid a point and what is around it."""
    if bool(body.trial) == (body.params is not None):
        raise Problem("invalid", "name a proposal (trial), or a point (params): one of both")
    payload: dict[str, Any] = {"trial": body.trial} if body.trial else {"params": body.params, "reach": body.reach}
    return await _steer(service, asker, request, campaign, "campaign.steer", "veto", body, payload)


async def _steer(
    service: Here,
    asker: Asking,
    request: Request,
    campaign: str,
    action: Action,
    kind: str,
    body: Because,
    payload: Mapping[str, Any],
    over: Mapping[str, Any] | None = None,
) -> Response:
    """Ask the controller for something.

    Args:
        service: with the journal.
        asker: who asks.
        request: with its Idempotency-Key.
        campaign: its id.
        action: for which a right is needed.
        kind: of command.
        body: with the reason.
        payload: of the command.
        over: what else it says to the lab about a campaign that is over; that is refused if None.
    """

    def look(journal: Journal) -> dict[str, Any]:
        row = row_of(service, asker, journal, campaign)
        service.gate.need(asker, action, service.owned.campaign(journal, campaign))
        return row

    row = await service.records.in_thread(look)

    def refuse(journal: Journal, key: str) -> None:
        if commanding.of_key(journal, key) is None:  # else it has changed what is looked at by itself
            check(request, _shown(journal, row_of(service, asker, journal, campaign)))
            if of_lab:
                refuse_no_controller(journal, kind)
                refuse_other_deck(journal, row["instruments"])
            else:
                refuse_untakable(row, kind, controller(journal))

    of_lab = over is not None and row["state"] in OVER
    to, sent = ("", {**payload, **(over or {})}) if of_lab else (campaign, payload)

    async def work(key: str) -> Answer:
        await service.records.in_thread(refuse, key)
        return await commanding.command(
            service, to, kind, sent, by=asker.who.id, because=body.because, key=key, trace=asker.trace
        )

    target = f"campaign/{campaign}"
    entry = Entry(
        asker.who.id, action, target, via=asker.who.key, after={kind: payload}, because=body.because, trace=asker.trace
    )
    return await service.once.do(request, asker, entry, work)


def _shown(journal: Journal, row: dict[str, Any]) -> dict[str, Any]:
    return campaign_facts(journal, row, controller(journal))


def row_of(service: Here, asker: Asking, journal: Journal, campaign: str) -> dict[str, Any]:
    """The row of a campaign that this one may see.

    Raises:
        Problem: there is none, or it may not be seen: which of both is not said.
    """
    found = [row for row in campaign_rows(journal) if row["id"] == campaign]
    if not found:
        service.gate.need(asker, "campaign.read", Resource("campaign", campaign))
        raise Problem("not_found", f"there is no campaign {campaign[:200]}, or you may not see it")
    service.gate.need(asker, "campaign.read", service.owned.campaign(journal, campaign))
    return found[0]
