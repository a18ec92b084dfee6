"""Requests: the list, with what waits for its reader's review, and what its reader has asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Request

from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.page import PageRoute, Shown
from labwright.service.desk import requests
from labwright.service.desk.states import STATES
from labwright.service.gate import ANONYMOUS, Asker
from labwright.service.problems import Problem
from labwright.service.requesting.asking import Visible, page_query, visible_to
from labwright.service.requesting.deciding import ACTIONS
from labwright.service.rights import Principal, Resource, can
from labwright.service.schema import project
from labwright.service.schema import request as table
from labwright.service.state import Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)

REQUESTS_MOST = 50
"""On a page of the list."""

MINE_MOST = 10
"""Of one's own, above the list."""

REVIEWED_MOST = 30
"""That wait for a review, above the list."""

PROTOCOLS_MOST = 4096
"""Contents of requests whose protocol is remembered."""

REVIEWABLE = ("under_review", "validated")

Listed = dict[str, Any]


def listing(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """Requests that one may see, the newest first."""
    given = request.query_params
    filters = {name: given.get(name, "")[:64] for name in ("state", "project", "owner")}
    if filters["state"] and filters["state"] not in STATES:
        raise Problem("invalid", f"no request has the state {filters['state']!r}; states are {', '.join(STATES)}")
    cursor = int(given["cursor"]) if given.get("cursor", "").isdecimal() else None
    visible = visible_to(service, asker)
    if asker.who is ANONYMOUS:
        raise Problem("unauthenticated", "requests are for those who are signed in")
    rows = service.door.rows(page_query(visible, filters, cursor, REQUESTS_MOST))
    shown = rows[:REQUESTS_MOST]
    whole = cursor is None and not any(filters.values())
    writes = bool(writable(asker.who))
    mine = _mine(service, asker, visible) if whole and writes else []
    data = {
        "requests": _listed(service, shown),
        "next": shown[-1]["n"] if len(rows) > REQUESTS_MOST else None,
        "filters": filters,
        "states": STATES,
        "projects": _projects(service, visible),
        "whole": whole,
        "writes": writes,
        "mine": mine,
        "reviews": reviews(asker.who),
        "waiting": awaited(service, asker) if whole else [],
    }
    return Shown(words("requests"), "requests", data, ("waiting", "mine", "list"))


def writable(who: Principal) -> list[str]:
    """Projects in which one may ask for experiments."""
    return [name for name in sorted(who.projects) if can(who, "request.write", Resource("request", project=name))]


def reviews(who: Principal) -> bool:
    """Whether one reviews requests at all."""
    return any(can(who, action, Resource("request")) for action in ACTIONS.values())


def _mine(service: Service, asker: Asker, visible: Visible) -> list[Listed]:
    """The newest that one has asked for."""
    rows = service.door.rows(page_query(visible, {"owner": asker.who.id, "project": ""}, None, MINE_MOST))
    return _listed(service, rows[:MINE_MOST])


def awaited(service: Service, asker: Asker, most: int = REVIEWED_MOST) -> list[Listed]:
    """Requests that wait for a review that a person may give and has not given, each with the kinds that are wanting.

    Args:
        service: of the lab.
        asker: who looks.
        most: of each state that are looked at, the newest.
    """
    if not reviews(asker.who):
        return []
    visible = visible_to(service, asker)
    found = []
    for state in REVIEWABLE:
        rows = service.door.rows(page_query(visible, {"state": state, "project": ""}, None, most))
        for row in rows[:most]:
            what = service.owned.request(row)
            kinds = [kind for kind, action in ACTIONS.items() if can(asker.who, action, what)]
            if kinds and (wanted := _wanted(service, asker, row["n"], kinds)):
                found.append({**row, "wanted": wanted})
    shown = _listed(service, found)
    return [{**one, "wanted": row["wanted"]} for one, row in zip(shown, found, strict=True)]


def _wanted(service: Service, asker: Asker, number: int, kinds: Collection[str]) -> list[str]:
    """Of these kinds of review, those for which a request lacks this one's."""
    with service.door.reading() as connection:
        row = requests.row_of(connection, number)
        if row["appraisal"] == "{}" or asker.who.id in requests.reviewers_of(connection, row):
            return []
        return [kind for kind, count in requests.wanting(connection, row).items() if count and kind in kinds]


def _listed(service: Service, rows: Sequence[Mapping[str, Any]]) -> list[Listed]:
    protocols = _protocols(service, rows)
    return [{**requests.listed(row), "protocol": protocols.get(row["digest"], "")} for row in rows]


_known: OrderedDict[str, str] = OrderedDict()


def _protocols(service: Service, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By digest of the content, the protocol that it names; contents are long, and read once."""
    unknown = [row["n"] for row in rows if row["digest"] not in _known]
    if unknown:
        query = sa.select(table.c.digest, table.c.content).where(table.c.n.in_(unknown))
        for row in service.door.rows(query):
            _known[row["digest"]] = str(orjson.loads(row["content"])["protocol"]["name"])
    found = {row["digest"]: _known.get(row["digest"], "") for row in rows}
    while len(_known) > PROTOCOLS_MOST:
        _known.popitem(last=False)
    return found


def _projects(service: Service, visible: Visible) -> list[str]:
    """Projects whose requests one may look for."""
    if visible.projects is not None:
        return sorted(visible.projects)
    return [str(row["id"]) for row in service.door.rows(sa.select(project.c.id).order_by(project.c.id))]


page(router, "/requests", listing)
