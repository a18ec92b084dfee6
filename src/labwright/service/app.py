"""The service: one FastAPI app. It answers what the journal says; what it takes becomes commands."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labwright._version import __version__
from labwright.service import (
    admin,
    campaign_data,
    campaigns,
    classing,
    commanding,
    health,
    keys,
    lab,
    questions,
    runs,
    samples,
    stocks,
    submitting,
)
from labwright.service.anchoring import Anchoring
from labwright.service.bodies import BODY_MOST, StrictRoute
from labwright.service.database import Door, door_place
from labwright.service.desk.appraiser import Appraiser
from labwright.service.desk.bundles import write_bundle
from labwright.service.desk.clerk import Clerk
from labwright.service.gate import Gate, new_trace
from labwright.service.labfolder import LabFiles
from labwright.service.notices.courier import Courier, Rules
from labwright.service.once import Once
from labwright.service.owned import Owned
from labwright.service.problems import Problem, handle_problems
from labwright.service.records import Records
from labwright.service.requesting import asking, deciding, delivering, offering, subscribing
from labwright.service.settings import ServiceSettings
from labwright.service.state import Service
from labwright.service.stream import Tail

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Of every answer that has no other: none is a page, and none is kept."""


class Traced:
    """Gives each request its trace and a limit, and each answer its headers.

    It is plain ASGI, so that a stream notices when its reader has gone.

    Args:
        app: what it stands before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"traceparent", b"").decode("ascii", "replace")
        trace = new_trace(given)
        scope.setdefault("state", {})["trace"] = trace

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Trace-Id"] = trace
            await send(message)

        size = 0

        async def receiving() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > BODY_MOST:
                raise Problem("too_large", f"the body has more than {BODY_MOST} bytes")
            return message

        await self._app(scope, receiving, sending)


def make_app(settings: ServiceSettings) -> FastAPI:
    """The app.

    Args:
        settings: how it is run.
    """
    records = Records(settings.journal)
    door = Door(door_place(settings.journal))
    appraiser = Appraiser(None if settings.root is None else str(settings.root), settings.journal)
    rules = Rules(settings.root)
    service = Service(
        settings,
        records,
        door,
        Gate(door),
        Once(door),
        Tail(records),
        Anchoring(door, settings.data),
        LabFiles(settings.root),
        Owned(door),
        appraiser,
        Clerk(door, records, appraiser, partial(write_bundle, door, settings.data)),
        rules,
        Courier(door, rules),
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
    )
    app.state.service = service
    app.router.route_class = StrictRoute
    handle_problems(app)

    routes: tuple[Any, ...] = (
        *(health, lab, submitting, campaign_data, campaigns, questions, stocks, samples, runs, keys, admin),
        *(asking, deciding, delivering, offering, subscribing, classing),
    )
    for one in routes:
        app.include_router(one.router)
    app.add_middleware(Traced)
    return app
