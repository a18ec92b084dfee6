"""What a program that acts by its own judgement may do at a lab: ask for experiments, and stop what it has asked for.

All of it is done through a `Client`, with the program's own key: what that may not do, it cannot do here. Nothing here
moves a device, decides about a request, or changes a class, a limit, a quota, a key or a person. What people have
written comes back as data, marked (``untrusted_text``) and cut to a length: a program must not act on it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from labwright.client.answers import KeptRequest
from labwright.client.client import Client
from labwright.model.errors import ConfigError, RefusedError, unknown

TEXT_MOST = 1000
"""Characters of a text that are passed on."""

ITEMS_MOST = 100
"""Items of a list that are passed on."""

ROWS_MOST = 200
"""Experiments in one answer."""

LISTED_MOST = 50
"""Requests in one answer."""

PLAIN = re.compile(r"[A-Za-z0-9_.:/%+\-]{0,64}")
"""An id, a state, a unit, a number: no sentence."""

OWN = ("detail", "allowed", "description")
"""Keys under which Labwright and the lab's own files write sentences."""

LOOKED_AT = ("draft", "needs_information", "validated", "under_review")
"""States in which what the lab finds of a request matters."""

Effect = Literal["read", "plan", "write", "safety"]

RequestId = Annotated[str, Field(description="Id of a request, as R17.")]
Once = Annotated[
    str,
    Field(
        min_length=1,
        max_length=80,
        description="A text of your own for this call. The same call with the same text is done once, however often it "
        "is sent; every other call needs another text.",
    ),
]
Content = Annotated[
    dict[str, Any],
    Field(
        description="The request: project, title, protocol {name, version}, one of parameters, runs and campaign, "
        "samples, export_control {status}, terms, contact. Numbers with their units: {value, unit}."
    ),
]
Why = Annotated[str, Field(min_length=1, max_length=1000, description="Why; people read it.")]


class Tools:
    """What a program may do.

    Args:
        client: with the program's own key.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._desk = client.requests

    def all(self) -> dict[str, tuple[Effect, Callable[..., dict[str, Any]]]]:
        """Each by its name, with what it does to the lab."""
        return {
            "list_capabilities": ("read", self.list_capabilities),
            "get_protocol": ("read", self.get_protocol),
            "list_requests": ("read", self.list_requests),
            "get_request": ("read", self.get_request),
            "get_experiments": ("read", self.get_experiments),
            "explain_refusal": ("read", self.explain_refusal),
            "validate_request": ("plan", self.validate_request),
            "create_request_draft": ("write", self.create_request_draft),
            "submit_request": ("write", self.submit_request),
            "cancel_request": ("safety", self.cancel_request),
            "request_abort": ("safety", self.request_abort),
        }

    def list_capabilities(self) -> dict[str, Any]:
        """What the lab offers: its protocols, its terms, who you are there, your projects, and whether it runs."""
        offered = self._desk.capabilities()
        me = self._client.me()
        return {
            "lab": offered.lab,
            "terms": offered.terms,
            "currency": offered.currency,
            "experiments_in_a_request": offered.experiments,
            "protocols": [
                {"name": one.name, "version": one.version, "title": one.title, "minutes": one.minutes}
                for one in offered.protocols
            ],
            "open": offered.open,
            "campaigns_under_way": offered.under_way,
            "requests_waiting": offered.queue,
            "you": me.id,
            "projects": sorted(me.projects),
        }

    def get_protocol(self, name: Annotated[str, Field(description="Of a protocol that is offered.")]) -> dict[str, Any]:
        """A protocol: its parameters with units and what is allowed, its results, its stations with their limits."""
        offered = self._desk.capabilities()
        found = next((one for one in offered.protocols if one.name == name), None)
        if found is None:
            raise ConfigError(unknown("protocol that is offered", name, [one.name for one in offered.protocols]))
        stations = {one: offered.stations[one] for one in found.stations if one in offered.stations}
        return {**found.model_dump(mode="json"), "limits_of_stations": stations}

    def list_requests(
        self,
        state: Annotated[str, Field(description="Only in this state; all if empty.")] = "",
        project: Annotated[str, Field(description="Only of this project; all if empty.")] = "",
    ) -> dict[str, Any]:
        """Requests that you may see, the newest first."""
        items: list[Any] = []
        for one in self._desk.list(state=state, project=project):
            if len(items) == LISTED_MOST:
                return {"items": items, "more": True}
            items.append(marked(one.model_dump(mode="json")))
        return {"items": items, "more": False}

    def get_request(self, request: RequestId) -> dict[str, Any]:
        """A request: what is asked for, its quote, its reviews, how far it is, and what it waits for."""
        return _shown(self._desk.get(request))

    def get_experiments(
        self,
        request: RequestId,
        first: Annotated[int, Field(ge=0, description="Number of the first row, from 0.")] = 0,
        most: Annotated[int, Field(ge=1, le=ROWS_MOST, description="Rows at most.")] = 50,
    ) -> dict[str, Any]:
        """Experiments of a request as rows, units in the names of columns; those until now, while it runs."""
        rows = list(csv.DictReader(io.StringIO(self._desk.experiments_csv(request))))
        shown = [{name: _number(value) for name, value in row.items()} for row in rows[first : first + most]]
        return {"rows": [marked(row) for row in shown], "first": first, "in_all": len(rows)}

    def explain_refusal(self, request: RequestId) -> dict[str, Any]:
        """Why a request goes no further: what the lab finds wrong with it now, and what reviewers have said."""
        shown = self._desk.get(request)
        said = [one for one in shown.reviews if one.decision != "accept"]
        found: dict[str, Any] = {
            "id": shown.id,
            "state": shown.state,
            "waits_for": shown.waits_for,
            "reviews": [one.model_dump(mode="json") for one in said],
            "outcome": shown.outcome,
            "possible": shown.possible,
        }
        if shown.state in LOOKED_AT:
            look = self._desk.validate(shown.content)
            found["problems"] = [one.model_dump(mode="json") for one in look.problems]
        return dict(marked(found))

    def validate_request(self, content: Content) -> dict[str, Any]:
        """All that is wrong with a request, each mistake with its place; what it takes. Nothing happens."""
        return dict(marked(self._desk.validate(content).model_dump(mode="json")))

    def create_request_draft(self, content: Content, idempotency_key: Once) -> dict[str, Any]:
        """Write a draft; nothing happens until it is submitted, and people accept it."""
        return _brief(self._desk.create(content, key=f"draft:{idempotency_key}"))

    def submit_request(
        self,
        request: RequestId,
        idempotency_key: Once,
        note: Annotated[str, Field(max_length=1000, description="Answers what reviewers have asked.")] = "",
    ) -> dict[str, Any]:
        """Hand a draft in; people decide about it."""
        return _brief(self._desk.submit(request, note, key=f"submit:{idempotency_key}"))

    def cancel_request(self, request: RequestId, because: Why) -> dict[str, Any]:
        """Take a request back, before anything was done for it."""
        return _brief(self._desk.cancel(request, because))

    def request_abort(self, request: RequestId, because: Why) -> dict[str, Any]:
        """Stop what is done for a request, after the operations under way."""
        return _brief(self._desk.abort(request, because))


def refuse_people(client: Client) -> None:
    """Refuse a key that is not a program's own: what it does would be recorded as a person's.

    Raises:
        RefusedError: it is a person's, or has no role.
    """
    me = client.me()
    roles = {*me.roles, *(role for held in me.projects.values() for role in held)}
    if roles != {"agent"}:
        words = f"has the role {' and '.join(sorted(roles))}" if roles else "has no role in any project"
        raise RefusedError(
            f"the key that is shown is {me.id}'s, who {words}: a program acts with a key of its own, with the role "
            "agent in a project and no other, so that what it does is recorded as its own and is never a decision. "
            "Have an admin make one, or add --as-person to let it act in your name"
        )


def marked(value: Any, key: str = "") -> Any:
    """An answer as a program may get it: texts that people may have written are marked and cut, lists have an end."""
    if isinstance(value, str):
        cut = value if len(value) <= TEXT_MOST else f"{value[:TEXT_MOST]} [{len(value) - TEXT_MOST} characters more]"
        return cut if PLAIN.fullmatch(value) or key in OWN else {"untrusted_text": cut}
    if isinstance(value, Mapping):
        return {name: marked(one, name) for name, one in value.items()}
    if isinstance(value, list | tuple):
        items = [marked(one, key) for one in value[:ITEMS_MOST]]
        return items if len(value) <= ITEMS_MOST else [*items, {"left_out": len(value) - ITEMS_MOST}]
    return value


def _shown(kept: KeptRequest) -> dict[str, Any]:
    return dict(marked(kept.model_dump(mode="json", exclude={"version"})))


def _brief(kept: KeptRequest) -> dict[str, Any]:
    """How a request stands, in few words."""
    names = {"id", "state", "waits_for", "digest", "quote", "needs", "possible", "abort"}
    return dict(marked(kept.model_dump(mode="json", include=names)))


def _number(text: str | None) -> Any:
    try:
        return float(text or "")
    except ValueError:
        return text
