"""Every answer that a test gets from a service, held against what `/openapi.json` says of it."""

from __future__ import annotations

import contextlib
import copy
import functools
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from labwright.service.app import make_app
from labwright.service.settings import ServiceSettings

HEADERS = ("ETag", "Location")
"""Headers that an answer has where they are described, and nowhere else."""

APART: set[str] = set()
"""Where tests have servers of their own, which answer as they like: ``127.0.0.1:PORT``."""


@functools.cache
def description() -> dict[str, Any]:
    """What the service says of itself."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        app = make_app(ServiceSettings(root=folder, data=folder, journal=str(folder / "journal.sqlite")))
        app.state.service.close()
        return app.openapi()


def strict(described: dict[str, Any]) -> dict[str, Any]:
    """The same, but that no answer may have a field that is not described.

    To clients it says no such thing: a newer service may answer more.
    """
    found = copy.deepcopy(described)
    for schema in found["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return found


@functools.cache
def _strict() -> dict[str, Any]:
    return strict(description())


@functools.cache
def _routes() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Patterns of paths; what is said of more of a path comes first."""
    paths = sorted(_strict()["paths"].items(), key=lambda one: (one[0].count("{"), -len(one[0])))
    return [(re.compile(_pattern(path)), methods) for path, methods in paths]


def _pattern(path: str) -> str:
    parts = re.split(r"(\{\w+\})", path)
    return "".join(
        re.escape(part) if number % 2 == 0 else ".+" if part == "{sample}" else "[^/]+"
        for number, part in enumerate(parts)
    )


@functools.cache
def _validator(name: str) -> jsonschema_rs.Validator:
    components = {"schemas": _strict()["components"]["schemas"]}
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": components})


def differences(method: str, path: str, answer: httpx.Response) -> list[str]:
    """What is not as it is described; empty where nothing is said of such a path or method.

    Args:
        method: of HTTP.
        path: that was asked for.
        answer: that came; it is read if it is JSON.
    """
    operation = next((found for pattern, found in _routes() if pattern.fullmatch(path)), {}).get(method.lower())
    if operation is None:
        return []
    said = operation["responses"].get(str(answer.status_code))
    if said is None:
        return [f"status {answer.status_code} is not described"]
    if "$ref" in said:
        said = _strict()["components"]["responses"][said["$ref"].rpartition("/")[2]]
    wrong = []
    if not answer.is_error:
        described = [name for name in HEADERS if name in said.get("headers", ())]
        there = [name for name in HEADERS if name in answer.headers]
        wrong += [f"headers {there}, described are {described}"] if described != there else []
        wrong += _anonymous(operation, answer)
    content = said.get("content")
    media = answer.headers.get("content-type", "").partition(";")[0]
    if not content:
        return wrong
    if media not in content:
        return [*wrong, f"media type {media!r}, described are {list(content)}"]
    if place := content[media]["schema"].get("$ref"):
        answer.read()
        found = _validator(place.rpartition("/")[2]).iter_errors(answer.json())
        wrong += [f"/{'/'.join(map(str, one.instance_path))}: {one.message[:300]}" for one in found]
    elif media.endswith("json") and "x-ndjson" not in media:
        wrong.append("no schema is described")
    return wrong


def _anonymous(operation: dict[str, Any], answer: httpx.Response) -> list[str]:
    sent = answer.request.headers
    if "authorization" in sent or "cookie" in sent or {} in operation.get("security", ()):
        return []
    return ["it was answered without a key, and one is described as needed"]


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Have every answer that comes from a service by httpx, in this process, held against the description."""
    send = httpx.Client.send

    def sent(client: httpx.Client, request: httpx.Request, **more: Any) -> httpx.Response:
        answer = send(client, request, **more)
        if "x-trace-id" in answer.headers and request.url.netloc.decode() not in APART:
            wrong = differences(request.method, request.url.path, answer)
            assert not wrong, f"{request.method} {request.url.path}: {'; '.join(wrong[:10])}: {_shown(answer)}"
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.Client, "send", sent)
        yield


def _shown(answer: httpx.Response) -> str:
    return answer.text[:1000] if answer.is_closed else ""
