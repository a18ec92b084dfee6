"""Handing a campaign to the controller."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Self

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator

from labwright.answers.campaigns import Started
from labwright.journal import Journal
from labwright.journal.asking import deck_of, refuse_no_controller
from labwright.service import commanding
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import commanded
from labwright.service.once import Answer
from labwright.service.rights import Resource
from labwright.service.state import Asking, Here

router = APIRouter(prefix="/v1/campaigns", route_class=StrictRoute, tags=["campaigns"])


class Submit(Body):
    """A campaign to be carried out: by name, or as a whole.

    Attributes:
        name: of a campaign in the lab's folder.
        spec: a whole campaign, as its file has it.
        budget: experiments, if other than there.
        seed: if other than there.
        planner: by name, if other than there.
        parallel: samples on their way at once, if other than there.
        because: why.
    """

    name: Annotated[str, Field(max_length=200)] = ""
    spec: dict[str, Any] | None = None
    budget: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**53)] | None = None
    planner: Annotated[str, Field(max_length=200)] | None = None
    parallel: Annotated[int, Field(ge=1, le=1000)] | None = None
    because: Annotated[str, Field(max_length=10_000)] = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.name) == (self.spec is not None):
            raise ValueError("name a campaign of the lab (name), or send a whole one (spec): one of both")
        return self


@router.post("", status_code=201, responses=commanded(Started, 201, location="the campaign"))
async def submit(service: Here, asker: Asking, request: Request, body: Submit) -> Response:
    """Hand a campaign to the controller, once the lab's files say that it can be carried out; its id."""
    project = str((body.spec or {}).get("project") or "")
    what = Resource("campaign", project=project)
    await service.gate.needs(asker, "campaign.submit", what)

    def deck(journal: Journal) -> str:
        refuse_no_controller(journal, "submit")
        return deck_of(journal)

    async def work(key: str) -> Answer:
        asked = body.model_dump(mode="json", exclude={"because"}, exclude_none=True)
        before = await service.records.in_thread(commanding.of_key, key)
        if before is not None:  # it was handed over; the answer was lost
            payload = commanding.payload_of(before)
        else:
            instruments = await service.records.in_thread(deck)
            payload = await to_thread.run_sync(service.files.campaign, {**asked, "instruments": instruments})
        answer = await commanding.command(
            service, "", "submit", payload, by=asker.who.id, because=body.because, key=key, trace=asker.trace
        )
        if answer.status != 200:
            return answer
        campaign = str(answer.body["result"])
        return dataclasses.replace(
            answer,
            status=201,
            body={**answer.body, "campaign": campaign},
            headers={"Location": f"/v1/campaigns/{campaign}"},
        )

    entry = Entry(
        asker.who.id, "campaign.submit", "campaign/", via=asker.who.key,
        after=body.model_dump(mode="json", exclude={"because"}, exclude_none=True), because=body.because,
        trace=asker.trace,
    )  # fmt: skip
    return await service.once.do(request, asker, entry, work)
