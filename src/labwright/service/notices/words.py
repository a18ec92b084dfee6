"""What a notice says of an event of a request: as JSON for programs, and in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

TO_OWNER: Mapping[str, str] = {
    "needs_information": "is returned to you with a question",
    "approved": "is approved",
    "awaiting_samples": "is approved, and waits for its samples",
    "rejected": "is rejected",
    "expired": "has expired: its samples did not come in time",
    "awaiting_operator": "waits for a person in the lab",
    "aborted": "was aborted",
    "failed": "has failed",
    "delivered": "is delivered: what was found can be fetched",
}
"""States of which the requester gets a notice, by what it says."""

TO_REVIEWERS = "validated"
"""The state of which reviewers get a notice."""


def as_json(event: Mapping[str, Any], request: Mapping[str, Any]) -> bytes:
    """A notice for programs.

    Args:
        event: row of the request's history.
        request: row of the request.
    """
    return orjson.dumps(
        {
            "type": f"request.{event['event']}",
            "timestamp": datetime.fromtimestamp(event["at_s"], UTC).isoformat(timespec="milliseconds"),
            "data": {
                "event": event["id"],
                "request": f"R{request['n']}",
                "project": request["project"],
                "title": request["title"],
                "before": event["before"],
                "after": event["after"],
                "by": event["actor"],
                "because": event["because"],
                "campaign": request["campaign"],
            },
        }
    )


def as_mail(event: Mapping[str, Any], request: Mapping[str, Any], says: str, link: str) -> tuple[str, str]:
    """Subject and text of a notice for people.

    Args:
        event: row of the request's history.
        request: row of the request.
        says: what has become of it.
        link: how the service is reached; empty if that is not known.
    """
    name = f"R{request['n']}"
    lines = [f"{name} ({request['title']}, project {request['project']}) {says}."]
    if event["because"]:
        lines += ["", f"{event['actor']} writes:", *(f"> {line}" for line in event["because"].splitlines())]
    if link:
        lines += ["", f"{link.rstrip('/')}/v1/requests/{name}"]
    lines += ["", "Labwright sends this by itself; answers are not read."]
    return f"[Labwright] {name} {says.partition(':')[0]}: {request['title']}", "\n".join(lines) + "\n"
