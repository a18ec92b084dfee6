"""What `/openapi.json` says of all routes alike: problems, keys and sessions, versions, what is sent once, other media.

What a route answers by itself it declares (`labwright.service.declaring`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from labwright.answers.base import SOMETIMES, split_words
from labwright.service.declaring import ETAG
from labwright.service.once import KEY_MOST
from labwright.service.problems import MEDIA, TITLES

BUNDLE = "application/zip"

OTHER_MEDIA = {
    "GET /metrics": "text/plain",
    "GET /v1/campaigns/{campaign}/export": "text/csv",
    "GET /v1/campaigns/{campaign}/report": "text/html",
    "GET /v1/runs/{uid}": "application/x-ndjson",
    "GET /v1/requests/{name}/delivery": BUNDLE,
    "GET /v1/deliveries/{secret}": BUNDLE,
}
"""Answers that are no JSON."""

EVENT_STREAM = "text/event-stream"

STREAMS = {
    "GET /v1/events": "Server-sent events without an end. Of each, `event` is its kind, `id` the number by which the "
    "stream is resumed, and `data` one line of JSON: `campaign`, `at_s` (lab time), `wall_s` (wall time), and further "
    "fields that depend on the kind. Lines that begin with a colon say only that the service is there.",
    "GET /v1/requests/{name}/events": "Server-sent events, for an hour at most; then it is resumed. Of each, `event` "
    "is what happened, `id` the number by which the stream is resumed, and `data` one line of JSON: a RequestEvent, as "
    "in the request's history. Lines that begin with a colon say only that the service is there.",
}
"""Answers that come bit by bit, in words: OpenAPI 3.1 has no other form for them."""

LIKE: dict[tuple[str, str], dict[str, Any]] = {
    ("WholeRequest", "content"): {"$ref": "#/components/schemas/Content"},
    ("LabStatus", "questions"): {"type": "array", "items": {"$ref": "#/components/schemas/AskedQuestion"}},
}
"""Fields that are passed on as they were sent or kept, by what they are."""

WITHOUT_KEY = frozenset(
    {
        "POST /v1/session",
        "DELETE /v1/session",
        "DELETE /v1/sessions",
        "DELETE /v1/sessions/{name}",
        "POST /v1/me/password",
        "POST /v1/requests:validate",
        "DELETE /v1/keys/{key}",
        "DELETE /v1/webhooks/{name}",
    }
)
"""What may be sent twice without an Idempotency-Key: it comes to the same, or changes nothing."""

MATCHED = frozenset(
    {
        *(
            f"POST /v1/campaigns/{{campaign}}/{verb}"
            for verb in ("pause", "resume", "drain", "stop", "extend", "suggest", "veto")
        ),
        "PUT /v1/people/{who}/roles",
        "DELETE /v1/people/{who}",
        "PUT /v1/projects/{name}/members/{who}",
        "DELETE /v1/projects/{name}/members/{who}",
        "PUT /v1/projects/{name}/quota",
        "PUT /v1/{things}/{name}/data-class",
        "PUT /v1/requests/{name}",
    }
)
"""Changes that can be meant for one version."""

MUST_MATCH = "PUT /v1/requests/{name}"
"""The one that names its version in any case."""

ANYONE = frozenset(
    {
        "GET /healthz",
        "GET /readyz",
        "GET /v1/me",
        "GET /v1/capabilities",
        "GET /v1/deliveries/{secret}",
        "GET /v1/events",
        "GET /v1/campaigns",
        "GET /v1/campaigns/{campaign}",
        "GET /v1/campaigns/{campaign}/events",
        "GET /v1/campaigns/{campaign}/experiments",
        "GET /v1/campaigns/{campaign}/export",
        "GET /v1/campaigns/{campaign}/report",
        "GET /v1/campaigns/{campaign}/space",
        "GET /v1/{things}/{name}/data-class",
        "GET /v1/samples",
        "GET /v1/samples/{sample}",
        "GET /v1/notes",
        "GET /v1/deviations",
        "GET /v1/deviations/{deviation}",
        "GET /v1/runs",
        "GET /v1/runs/{uid}",
        "GET /v1/projects",
        "GET /v1/requests",
        "POST /v1/session",
        "DELETE /v1/session",
        "GET /v1/session/oidc",
        "GET /v1/session/oidc/callback",
    }
)
"""What may be answered without a key: what is about no person's data, and data whose class is open."""

MISTAKE = {
    "type": "object",
    "description": "One of several mistakes.",
    "required": ["code", "detail"],
    "properties": {
        "pointer": {"type": "string", "description": "JSON pointer to its place in the body."},
        "path": {"type": "string", "description": "Or the part of the path."},
        "query": {"type": "string", "description": "Or the parameter of the query."},
        "header": {"type": "string", "description": "Or the header."},
        "code": {"type": "string", "description": "For programs; it stays the same."},
        "detail": {"type": "string", "description": "What is wrong, in words."},
    },
}

PROBLEM = {
    "type": "object",
    "description": "What is wrong, as RFC 9457 has it.",
    "required": ["type", "title", "status", "code", "detail", "trace"],
    "properties": {
        "type": {"type": "string", "description": "`urn:labwright:problem:` and the code."},
        "title": {"type": "string", "description": "The same for every problem of this code."},
        "status": {"type": "integer", "description": "Of HTTP."},
        "code": {"type": "string", "description": f"For programs; it stays the same: {', '.join(TITLES)}."},
        "detail": {"type": "string", "description": "What, where, value, limit and what to do, in words."},
        "trace": {"type": "string", "description": "Id of the request, by which the lab finds what it has led to."},
        "errors": {
            "type": "array",
            "description": "Each mistake, where there are several; left out else.",
            "items": {"$ref": "#/components/schemas/Mistake"},
        },
    },
}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "New for each thing that is asked; the same when it is sent again.",
    "schema": {"type": "string", "pattern": rf"^[!-~]{{1,{KEY_MOST}}}$"},
}

_VERSION = r'(W/)?"[\x21\x23-\x7e]*"'

IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of versions that you have: 304 without a body if it is one of them.",
    "schema": {"type": "string", "pattern": rf"^(\*|{_VERSION}(, {_VERSION})*)$"},
}

IF_MATCH: dict[str, Any] = {
    **IF_NONE_MATCH,
    "name": "If-Match",
    "description": "ETag of the version that you have read: 412, and nothing is done, if it has changed since.",
}

WAYS: list[dict[str, list[str]]] = [{"key": []}, {"session": []}]
"""Ways to show who asks."""

REFUSED = ("400", "401", "403", "404", "405", "408", "409", "412", "413", "415", "421", "422", "428", "429", "431",
           "500", "503")  # fmt: skip


def operation_id(route: APIRoute) -> str:
    """The name of an operation, in clients that are generated: what it is about, and the route's own name.

    Pages have no tag, and are not described.
    """
    return "_".join([*map(str, route.tags[:1]), route.name])


def describe(app: FastAPI, cookie: str) -> None:
    """Have an app describe its problems, keys and media, too.

    Args:
        app: with all its routes.
        cookie: name of the one that holds a session.
    """
    plainly = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = plainly()
            _add(found, cookie)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]


def _add(described: dict[str, Any], cookie: str) -> None:
    parts = described["components"]
    schemas = parts["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            _complete(f"{method.upper()} {path}", operation)
    for schema in schemas.values():
        _word(schema)
    for name in sorted(_answered(described["paths"], schemas)):
        _fill(schemas[name])
    for (name, field), like in LIKE.items():
        properties = schemas[name]["properties"]
        properties[field] = {**like, "description": properties[field]["description"]}
    schemas["Mistake"], schemas["Problem"] = MISTAKE, PROBLEM
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    parts["responses"] = {"Problem": {"description": "What is wrong, and what to do", "content": content}}
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "lw_ID_SECRET"},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie},
    }
    described["security"] = WAYS


def _complete(route: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    parameters = operation.setdefault("parameters", [])
    if media := OTHER_MEDIA.get(route):
        answers["200"]["content"] = {media: {"schema": _as_text(media)}}
        if media == BUNDLE:
            answers["200"]["headers"] = ETAG
    if words := STREAMS.get(route):
        answers["200"]["content"] = {EVENT_STREAM: {"schema": {"type": "string", "description": words}}}
    if moved := answers.get("303"):
        moved.pop("content", None)
        moved["description"] = "Go on there"
        moved["headers"] = {"Location": {"required": True, "schema": {"type": "string"}}}
    for one in answers.values():
        _only_declared(one)
    if "304" in answers:
        parameters.append(IF_NONE_MATCH)
    if route in MATCHED:
        parameters.append({**IF_MATCH, "required": route == MUST_MATCH})
    if not route.startswith("GET ") and route not in WITHOUT_KEY:
        parameters.append(IDEMPOTENCY_KEY)
    if route in ANYONE:
        operation["security"] = [{}, *WAYS]
    for status in REFUSED:
        if status not in answers or status == "422":  # FastAPI's own is another
            answers[status] = {"$ref": "#/components/responses/Problem"}


def _as_text(media: str) -> dict[str, Any]:
    """What is no JSON: bytes, or a text."""
    return {"type": "string", "format": "binary"} if media == BUNDLE else {"type": "string"}


def _only_declared(answer: dict[str, Any]) -> None:
    """Leave of a body's schema what the route declares, not what its function's annotation says besides."""
    for content in answer.get("content", {}).values():
        if "$ref" in content.get("schema", ()):
            content["schema"] = {"$ref": content["schema"]["$ref"]}


def _word(schema: dict[str, Any]) -> None:
    """Have attributes that a docstring describes described where they are."""
    about, words = split_words(schema.get("description", ""))
    if words:
        schema["description"] = about
        for name, text in words.items():
            if name in schema.get("properties", {}):
                schema["properties"][name].setdefault("description", text)


def _answered(paths: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """Names of all schemas of answers, and of what is in them."""
    found: set[str] = set()
    new = {
        name
        for methods in paths.values()
        for operation in methods.values()
        for answer in operation["responses"].values()
        for name in _named(answer.get("content", {}))
    }
    while new:
        found |= new
        new = {name for one in new for name in _named(schemas[one])} - found
    return found


def _named(part: Any) -> Iterator[str]:
    """Names of the schemas that a part refers to."""
    if isinstance(part, dict):
        if isinstance(place := part.get("$ref"), str):
            yield place.rpartition("/")[2]
        for one in part.values():
            yield from _named(one)
    elif isinstance(part, list):
        for one in part:
            yield from _named(one)


def _fill(schema: dict[str, Any]) -> None:
    """Say of an answer which fields it always has: all but those that are marked."""
    properties = schema.get("properties", {})
    marked = {name for name, one in properties.items() if one.pop(SOMETIMES, False)}
    for one in properties.values():
        one.pop("default", None)  # it is what a client takes of an older service
    if required := [name for name in properties if name not in marked]:
        schema["required"] = required
    else:
        schema.pop("required", None)
