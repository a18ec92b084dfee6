"""Routes that programs use, asked from within the service: with the same rights, limits and audit as from outside."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import Request

from labwright.service.gate import Asker

PASSED_ON = ("cookie", "authorization", "host", "user-agent", "sec-fetch-site", "origin")
"""Headers of the browser that the route gets as they came."""


class Inside:
    """The service's own routes, as the person who looks at a page asks them.

    Args:
        client: that reaches them.
        headers: of the browser, for the route.
    """

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self._client = client
        self._headers = headers

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "", version: str = ""
    ) -> httpx.Response:
        """What a route answers.

        Args:
            method: of HTTP.
            path: of the route, with what is escaped in it.
            body: JSON; none if it is None.
            key: the Idempotency-Key; none if it is empty.
            version: the If-Match; none if it is empty.
        """
        headers = dict(self._headers)
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"If-Match": version} if version else {}
        return await self._client.request(method, path, json=body, headers=headers)


@contextlib.asynccontextmanager
async def inside(request: Request, asker: Asker) -> AsyncIterator[Inside]:
    """The routes of the service that has got a request, while they are needed.

    Args:
        request: of the browser.
        asker: who has sent it.
    """
    headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
    transport = httpx.ASGITransport(app=request.app, client=(asker.address or "console", 0))
    async with httpx.AsyncClient(transport=transport, base_url=str(request.base_url)) as client:
        yield Inside(client, headers)
