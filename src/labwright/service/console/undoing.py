"""What takes back what a form has just done, where it can be: another call, with the same rights and audit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from labwright.model.errors import JournalError
from labwright.service.console.inside import Inside
from labwright.service.gate import Asker
from labwright.service.rights import Action, can
from labwright.service.state import Service
from labwright.service.stocks import STOCK as STOCKS

STOCK = "/v1/inventory/"
SAMPLE = re.compile(r"/v1/samples/(.+)/(quarantine|release)")
SUGGESTED = re.compile(r"(/v1/campaigns/[^/]+)/suggest")
WAITING = re.compile(r"p\d+")
"""A suggestion that has not started; what has is another experiment, and no longer taken back."""

STEERED = re.compile(r"/v1/campaigns/([^/]+)/(pause|resume|veto)")

NEEDED: Mapping[str, Action] = {"pause": "campaign.pause", "resume": "campaign.steer", "veto": "campaign.steer"}
"""Right that takes a campaign's undoing: one who may pause it may not always resume it."""

OTHER = {"quarantine": "release", "release": "quarantine", "pause": "resume", "resume": "pause"}


@dataclass(frozen=True)
class Undo:
    """A call that takes another one back.

    Attributes:
        method: of HTTP.
        path: of the route.
        body: of the call.
    """

    method: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The body as fields of a form."""
        return [
            (name, value) if isinstance(value, str) else (f"{name}:json", json.dumps(value))
            for name, value in self.body.items()
        ]


async def place_before(routes: Inside, method: str, path: str, body: Mapping[str, Any]) -> str:
    """Where a container stands that is about to be moved; empty if another call, or if that is not known."""
    if (method, path) != ("POST", f"{STOCK}move") or not body.get("container"):
        return ""
    found = await routes.ask("GET", f"{STOCK}containers")
    if found.is_error:
        return ""
    rows = found.json()["items"]
    return next((str(one["place"] or "shelf") for one in rows if one["container"] == body["container"]), "")


def undo_of(
    method: str, path: str, body: Mapping[str, Any], answer: Mapping[str, Any], before: str = ""
) -> Undo | None:
    """What takes a call back that has succeeded; None if it stays, or if a new one is its own opposite.

    Args:
        method: of HTTP.
        path: of the route, from ``/v1`` on.
        body: that was sent.
        answer: to it.
        before: where a container was that has been moved.
    """
    if method != "POST":
        return None
    if answer.get("state") == "waiting" and "command" in answer:
        return Undo("DELETE", f"/v1/commands/{answer['command']}")
    because = f"undone: {body.get('because', '')}"
    if path == f"{STOCK}adjust":
        change = str(body["change"]).strip()
        back = change[1:] if change.startswith("-") else f"-{change.removeprefix('+')}"
        return Undo("POST", path, {**body, "change": back, "because": because})
    if path == f"{STOCK}move":
        return Undo("POST", path, {**body, "to": before, "because": because}) if before else None
    last = path.rpartition("/")[2]
    if path.startswith(STOCK) and last in ("quarantine", "release"):
        return Undo("POST", f"{STOCK}{OTHER[last]}", {**body, "because": because})
    if found := SAMPLE.fullmatch(path):
        return Undo("POST", f"/v1/samples/{found[1]}/{OTHER[found[2]]}", {**body, "because": because})
    if (found := SUGGESTED.fullmatch(path)) and WAITING.fullmatch(str(answer.get("result", ""))):
        return Undo("POST", f"{found[1]}/veto", {"trial": answer["result"], "because": because})
    if re.fullmatch(r"/v1/campaigns/[^/]+/(pause|resume)", path):
        return Undo("POST", f"{path.removesuffix(last)}{OTHER[last]}", {"because": because})
    return None


def may_undo(service: Service, asker: Asker, undo: Undo) -> bool:
    """Whether one who has done something may take it back: else no Undo is offered.

    Args:
        service: of the lab.
        asker: who has done it.
        undo: what would take it back.
    """
    if undo.path.startswith(STOCK):
        return bool(can(asker.who, "stock.book", STOCKS))
    sample, steered = SAMPLE.fullmatch(undo.path), STEERED.fullmatch(undo.path)
    try:
        return _may(service, asker, sample, steered)
    except JournalError:
        return False  # it was done all the same, and is not to be said to have failed


def _may(service: Service, asker: Asker, sample: re.Match[str] | None, steered: re.Match[str] | None) -> bool:
    with service.records.reading() as journal:
        if sample:
            campaign, _, label = unquote(sample[1]).rpartition("/")
            what = service.owned.campaign(journal, campaign, "sample", f"{campaign}/{label}")
            return bool(can(asker.who, "sample.book", what))
        if steered:
            return bool(can(asker.who, NEEDED[steered[2]], service.owned.campaign(journal, unquote(steered[1]))))
    return True  # a command that no controller has taken yet is the asker's own
