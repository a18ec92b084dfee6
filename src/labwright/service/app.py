"""The service: one FastAPI app. It answers what the journal says; what it takes becomes commands."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import anyio.to_thread
from fastapi import FastAPI

from labwright._version import __version__
from labwright.service import (
    admin,
    auditing,
    bookings,
    campaign_data,
    campaigns,
    classing,
    commanding,
    health,
    keys,
    lab,
    openid,
    operating,
    questions,
    remarks,
    runs,
    samples,
    signing_in,
    stocks,
    submitting,
)
from labwright.service.anchoring import Anchoring
from labwright.service.bodies import StrictRoute
from labwright.service.console import routes as console
from labwright.service.database import Door, door_place
from labwright.service.describing import describe, operation_id
from labwright.service.desk.appraiser import Appraiser
from labwright.service.desk.bundles import write_bundle
from labwright.service.desk.clerk import Clerk
from labwright.service.front import Front
from labwright.service.gate import Gate
from labwright.service.lab_process import LabProcess
from labwright.service.labfolder import LabFiles
from labwright.service.notices.courier import Courier, Rules
from labwright.service.once import Once
from labwright.service.owned import Owned
from labwright.service.pace import Pace
from labwright.service.problems import handle_problems
from labwright.service.records import Records
from labwright.service.requesting import asking, deciding, delivering, offering, subscribing
from labwright.service.settings import ServiceSettings
from labwright.service.signin.departures import Departures
from labwright.service.signin.federated import token_holder
from labwright.service.signin.issuer import Issuer
from labwright.service.signin.provider import read_provider
from labwright.service.state import Service
from labwright.service.stream import Tail


def make_app(settings: ServiceSettings) -> FastAPI:
    """The app.

    Args:
        settings: how it is run.
    """
    records = Records(settings.journal)
    door = Door(door_place(settings.journal))
    lab_process = LabProcess(settings.root, settings.journal)
    appraiser = Appraiser(lab_process)
    rules = Rules(settings.root)
    pace = Pace(settings.rates)
    provider = read_provider(settings.oidc, settings.data)
    issuer = None if provider is None else Issuer(provider)
    service = Service(
        settings,
        records,
        door,
        Gate(door, pace, settings.cookie, None if issuer is None else partial(token_holder, issuer)),
        Once(door),
        Tail(records),
        Anchoring(door, settings.data),
        lab_process,
        LabFiles(lab_process),
        Owned(door),
        appraiser,
        Clerk(door, records, appraiser, partial(write_bundle, door, settings.data)),
        rules,
        Courier(door, rules),
        pace,
        issuer,
        Departures(),
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if records.there:
            await anyio.to_thread.run_sync(commanding.withdraw_stale, service)
        yield
        service.close()

    app = FastAPI(
        title="Labwright",
        version=__version__,
        description="A laboratory that runs by itself: campaigns, samples, requests, data.",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
    )
    app.state.service = service
    app.router.route_class = StrictRoute
    handle_problems(app)

    routes: tuple[Any, ...] = (
        *(health, lab, operating, bookings, submitting, campaign_data, campaigns),
        *(questions, remarks, stocks, samples, runs),
        *(keys, admin, auditing),
        signing_in,
        openid,
        *(asking, deciding, delivering, offering, subscribing, classing),
    )
    for one in routes:
        app.include_router(one.router)
    for router in console.routers:
        app.include_router(router)
    describe(app, settings.cookie)
    app.add_middleware(Front, settings=settings, pace=pace)
    return app
