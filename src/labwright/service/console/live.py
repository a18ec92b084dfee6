"""The stream of a page: its regions again whenever something has happened, and a beat so that silence is seen."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import anyio.to_thread
import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, format_sse_event

from labwright.model.errors import JournalError
from labwright.service.console.labels import Words
from labwright.service.console.look import look_of
from labwright.service.console.page import LIVE, View, regions_of, rendered
from labwright.service.gate import Asker
from labwright.service.problems import Problem
from labwright.service.schema import request_event
from labwright.service.state import Asking, Here, Service

LOOK_S = 1.0
"""Wall seconds between two looks at what is not in the journal, such as requests."""

GAP_S = 0.2
"""Wall seconds after an update before the next one; what happens meanwhile is in that."""

BEAT_S = 5.0
"""Wall seconds after which times on a page are written again, and the page hears that the service is there."""

KNOWN_MOST = 64
"""Pages whose newest regions are remembered, for all who look at them with the same key."""


@dataclass
class _Known:
    """The newest regions of a page.

    Attributes:
        version: of what they show.
        regions: as HTML, by name.
        lock: while they are found.
    """

    version: tuple[int, ...] = ()
    regions: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_known: OrderedDict[tuple[str, ...], _Known] = OrderedDict()
_one = threading.Lock()


def page(router: APIRouter, path: str, view: View) -> None:
    """Serve a page at a path, and its stream.

    Args:
        router: that gets it.
        path: of it.
        view: finds out what is to be seen.
    """

    def whole(service: Here, asker: Asking, request: Request) -> Response:
        words = Words(look_of(request).language)
        return rendered(service, asker, request, view(service, asker, words, request))

    def first(service: Here, asker: Asking, request: Request) -> Response:
        words = Words(look_of(request).language)
        view(service, asker, words, request)  # what is refused is refused before the stream begins
        return EventSourceResponse(_updates(service, asker, request, view), headers={"X-Accel-Buffering": "no"})

    router.add_api_route(path, whole, response_class=HTMLResponse, include_in_schema=False)
    router.add_api_route(f"{path}{LIVE}", first, include_in_schema=False)


async def _updates(service: Service, asker: Asker, request: Request, view: View) -> AsyncIterator[bytes]:
    """Regions that have changed, as HTML for htmx, until the page is left or its reader may see it no more."""
    words = Words(look_of(request).language)
    seen: dict[str, str] = {}

    def may() -> bool:
        with contextlib.suppress(Problem):  # what is found here is what is sent next
            _regions(service, asker, request, view, words, _version(service))
            return True
        return False

    holds = service.gate.watch(request, asker, may)
    happening = service.tail.frames(None, lambda event: True)
    waiting = asyncio.ensure_future(anext(happening, None))
    beat_s = 0.0
    version: tuple[int, ...] = ()
    try:
        while await holds():
            now = await anyio.to_thread.run_sync(_version, service)
            if now != version:
                find = partial(_regions, service, asker, request, view, words, now)
                try:
                    found = await anyio.to_thread.run_sync(find)
                except (Problem, JournalError):  # gone, or the journal is away: the page asks again, and says so
                    return
                changed = {name: html for name, html in found.items() if seen.get(name) != html}
                seen.update(changed)
                version = now
                if changed:
                    yield format_sse_event(data_str="".join(_partial(*one) for one in changed.items()), id=str(now[0]))
            if time.monotonic() - beat_s >= BEAT_S:
                beat_s = time.monotonic()
                yield format_sse_event(data_str="", event="beat", id=str(now[0]))
            await asyncio.sleep(GAP_S)
            done, _ = await asyncio.wait({waiting}, timeout=LOOK_S - GAP_S)
            if done:
                if waiting.result() is None:
                    return
                waiting = asyncio.ensure_future(anext(happening, None))
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError, JournalError):
            await waiting
        await happening.aclose()  # type: ignore[attr-defined]


def _version(service: Service) -> tuple[int, ...]:
    """What changes with everything that pages show: events, requests, and time in steps."""
    rows = service.door.rows(sa.select(sa.func.max(request_event.c.id).label("id")))
    return service.records.newest(), int(rows[0]["id"] or 0), int(time.time() / BEAT_S)


def _regions(
    service: Service, asker: Asker, request: Request, view: View, words: Words, version: tuple[int, ...]
) -> dict[str, str]:
    """The regions of a page, found once for all who look at it with the same key."""
    key = (asker.who.id, asker.who.key, words.language, request.url.path, request.url.query)
    with _one:
        known = _known.setdefault(key, _Known())
        _known.move_to_end(key)
        while len(_known) > KNOWN_MOST:
            _known.popitem(last=False)
    with known.lock:
        if known.version != version:
            known.regions = regions_of(service, asker, request, view(service, asker, words, request))
            known.version = version
        return known.regions


def _partial(name: str, html: str) -> str:
    return f'<hx-partial hx-target="#{name}" hx-swap="innerMorph">{html}</hx-partial>'
