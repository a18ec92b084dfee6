"""What `/openapi.json` says of all routes alike: problems, keys and sessions, what is sent once, what is no JSON."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from labwright.service.once import KEY_MOST
from labwright.service.problems import MEDIA, TITLES

OTHER_MEDIA = {
    "GET /metrics": "text/plain",
    "GET /v1/campaigns/{campaign}/export": "text/csv",
    "GET /v1/campaigns/{campaign}/report": "text/html",
    "GET /v1/runs/{uid}": "application/x-ndjson",
    "GET /v1/requests/{name}/delivery": "application/zip",
    "GET /v1/deliveries/{secret}": "application/zip",
}
"""Answers that are no JSON."""

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

VERSIONED = frozenset(
    {
        "GET /v1/campaigns/{campaign}",
        "GET /v1/people/{who}",
        "GET /v1/projects/{name}",
        "GET /v1/requests/{name}",
    }
)
"""Answers that have an ETag."""

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "trace"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"enum": list(TITLES)},
        "detail": {"type": "string"},
        "trace": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "required": ["code", "detail"]},
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

REFUSED = ("400", "401", "403", "404", "405", "408", "409", "412", "413", "415", "421", "422", "428", "429", "431",
           "500", "503")  # fmt: skip


def describe(app: FastAPI) -> None:
    """Have an app describe its problems, keys and media, too.

    Args:
        app: with all its routes.
    """
    plainly = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = plainly()
            _add(found)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]


def _add(described: dict[str, Any]) -> None:
    parts = described["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    parts["schemas"]["Problem"] = PROBLEM
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    parts["responses"] = {"Problem": {"description": "What is wrong, and what to do", "content": content}}
    parts["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "lw_ID_SECRET"},
        "session": {"type": "apiKey", "in": "cookie", "name": "labwright"},
    }
    described["security"] = [{}, {"key": []}, {"session": []}]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            _complete(f"{method.upper()} {path}", operation)


def _complete(route: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    if media := OTHER_MEDIA.get(route):
        answers["200"]["content"] = {media: {"schema": {"type": "string"}}}
    if route in VERSIONED:
        answers["304"] = {"description": "It has not changed"}
    if not route.startswith("GET "):
        if "200" in answers:
            answers["202"] = {
                "description": "It was handed to the controller, and is asked for at Location",
                "content": {"application/json": {"schema": {"type": "object"}}},
            }
        if route not in WITHOUT_KEY:
            operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    for status in REFUSED:
        answers[status] = {"$ref": "#/components/responses/Problem"}
    if route == "GET /readyz":
        answers["503"] = answers["200"]
