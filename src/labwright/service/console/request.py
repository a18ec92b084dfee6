"""A request: what is asked, what the lab finds of it, who has decided what; and what its reader may do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request

from labwright.model.figures import MOST_DIGITS, spelled, with_unit
from labwright.model.rows import Row
from labwright.model.unit_signs import unit_of
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.page import PageRoute, Shown
from labwright.service.console.touching import Rule, rules_of
from labwright.service.desk import requests
from labwright.service.desk.links import links_of
from labwright.service.desk.states import TABLE
from labwright.service.gate import Asker
from labwright.service.requesting.asking import events_of
from labwright.service.requesting.changing import seen
from labwright.service.requesting.deciding import ACTIONS
from labwright.service.rights import Resource, can
from labwright.service.state import Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)

EVENTS_MOST = 100
"""Of its history; the newest."""

DELIVERED = ("delivered", "closed")

REGIONS = ("facts", "acts", "asked", "samples", "quote", "reviews", "delivery", "history")


def one(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """A request."""
    name = str(request.path_params["name"])
    row = seen(service, asker, name)
    what = service.owned.request(row)
    exports = bool(can(asker.who, "data.export", what))
    with service.door.reading() as connection:
        shown = requests.shown(connection, row)
        kinds = _kinds(connection, asker, row, what)
        links = links_of(connection, row["n"]) if exports and row["state"] in DELIVERED else []
    events = events_of(service, row["n"], 0)
    data = {
        "request": shown,
        "acts": _acts(asker, row, what),
        "operates": bool(can(asker.who, "request.operate", what)),
        "kinds": kinds,
        "arrivals": {one["label"]: one for one in shown["samples"]},
        "leave": requests.lets_samples_go(row),
        "rules": rules_of(service, asker, row, shown),
        "rule_state": _state_of_rule,
        "exports": exports,
        "delivered": row["state"] in DELIVERED,
        "links": links,
        "history": events[: -EVENTS_MOST - 1 : -1],
        "problems": _problems(row, events),
        "runs": runs_of(shown["content"]),
        "value": value_in_words,
    }
    return Shown(f"{name} {shown['title']}", "request", data, REGIONS)


def value_in_words(given: Any) -> str:
    """A value of a parameter as it was asked for, with its unit."""
    if isinstance(given, Mapping):
        return with_unit(spelled(given.get("value"), MOST_DIGITS), unit_of(str(given.get("unit", "1"))))
    return spelled(given, MOST_DIGITS)


def runs_of(content: Mapping[str, Any]) -> tuple[list[str], list[Mapping[str, Any]]]:
    """Parameters that experiments of a list name, and the experiments."""
    runs: list[Mapping[str, Any]] = list(content.get("runs") or ())
    names = dict.fromkeys(name for run in runs for name in run)
    return list(names), runs


def _acts(asker: Asker, row: Row, what: Resource) -> set[str]:
    """What may happen to it now by this one: by its state, and by rights."""
    found: set[str] = {
        event
        for (state, event), transition in TABLE.items()
        if state == row["state"] and any(can(asker.who, right, what) for right in transition.rights)
    }
    if row["attempt"]:  # the controller has it
        found.discard("cancel")
    return found


def _kinds(connection: sa.Connection, asker: Asker, row: Row, what: Resource) -> list[str]:
    """Kinds of review that this one may give to it now."""
    if (row["state"], "review") not in TABLE or asker.who.id in requests.reviewers_of(connection, row):
        return []
    return [kind for kind, action in ACTIONS.items() if can(asker.who, action, what)]


def _problems(row: Row, events: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    """What the lab found wrong with it, if that is why it waits for its owner."""
    if row["state"] != "needs_information":
        return []
    newest = next((one for one in reversed(events) if one["after"] == "needs_information"), None)
    return list(newest["detail"].get("problems", ())) if newest is not None else []


def _state_of_rule(rule: Rule) -> str:
    return {True: "done", False: "left", None: "idle"}[rule.keeps]


page(router, "/requests/{name}", one)
