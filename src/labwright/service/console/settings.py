"""Settings: one's own keys, sessions, password and webhooks; people, projects with quotas, and the lab's calendars."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from labwright.facts.bookings import booking_list
from labwright.model.errors import ConfigError, RefusedError
from labwright.service.admin import MEMBERS, person_of, project_of
from labwright.service.console.frame import LAB, frame_of
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.look import look_of
from labwright.service.console.page import PageRoute, Shown, fragment
from labwright.service.desk import quotas
from labwright.service.desk.states import EVENTS
from labwright.service.gate import ANONYMOUS, Asker
from labwright.service.keys import keys
from labwright.service.problems import Problem
from labwright.service.requesting.subscribing import webhooks
from labwright.service.rights import ACTIONS, LAB_ROLES, ROLES, Resource, can
from labwright.service.schema import principal, project
from labwright.service.signin import passwords, sessions
from labwright.service.state import Asking, Here, Service
from labwright.service.versions import etag

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PEOPLE_MOST = 50
"""On a page; one looks for others by the beginning of their id."""

OF_LAB = tuple(one for one in ROLES if one in LAB_ROLES and one != "service")
"""Roles that people are given in the whole lab."""

OF_PROJECT = tuple(one for one in ROLES if one not in ("guest", "service"))
"""Roles that are given in a project."""


def _shown(service: Service, asker: Asker, words: Words, here: str, data: Mapping[str, Any], *regions: str) -> Shown:
    """A page of settings, with the names of those that its reader may open."""
    who = asker.who
    tabs = ["account"]
    if can(who, "person.manage", Resource("person")):
        tabs.append("people")
    if can(who, "project.manage", Resource("project")) or _projects(service, asker):
        tabs.append("projects")
    if can(who, "lab.read", LAB):
        tabs.append("calendar")
    return Shown(words(f"settings.{here}"), f"settings_{here}", {**data, "tabs": tabs, "tab": here}, regions)


def account(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """What is one's own."""
    who = asker.who
    if who is ANONYMOUS:
        raise Problem("unauthenticated", "sign in, or send a key")
    mine = sessions.session_of(who)
    owns_keys = bool(can(who, "key.own", Resource("key", owner=who.id)))
    requests = any(can(who, "request.read", Resource("request", project=one)) for one in [*who.projects, ""])
    data = {
        "roles": sorted(who.roles),
        "of_projects": {name: sorted(roles) for name, roles in sorted(who.projects.items())},
        "keys": [_key(one) for one in reversed(keys(service, asker)["items"])] if owns_keys else [],
        "owns_keys": owns_keys,
        "makes_keys": owns_keys and who.only is None,
        "actions": ACTIONS,
        "sessions": [{**one, "this": one["id"] == mine} for one in sessions.listed(service.door, who.id)],
        "has_password": passwords.has_one(service.door, who.id),
        "sets_password": not who.agent and who.only is None,
        "webhooks": webhooks(service, asker)["items"] if requests else [],
        "subscribes": requests,
        "events": EVENTS,
    }
    return _shown(service, asker, words, "account", data, "keys", "sessions", "webhooks")


def _key(one: Mapping[str, Any]) -> dict[str, Any]:
    over = one["revoked_s"] is not None or (one["expires_s"] or float("inf")) < time.time()
    return {**one, "over": over}


def people(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """All who are known, with their roles."""
    service.gate.need(asker, "person.manage", Resource("person"))
    find = request.query_params.get("find", "").strip()[:63]
    query = sa.select(principal).where(principal.c.id.startswith(find, autoescape=True)).order_by(principal.c.id)
    rows = [person_of(row) for row in service.door.rows(query.limit(PEOPLE_MOST + 1))]
    data = {
        "people": [{**one, "version": etag(one)} for one in rows[:PEOPLE_MOST]],
        "more": len(rows) > PEOPLE_MOST,
        "most": PEOPLE_MOST,
        "find": find,
        "roles": OF_LAB,
        "makes_keys": bool(can(asker.who, "key.manage", Resource("key"))) and asker.who.only is None,
    }
    return _shown(service, asker, words, "people", data)


def projects(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """Projects that one may see, with their members and what they may take."""
    if asker.who is ANONYMOUS:
        raise Problem("unauthenticated", "sign in, or send a key")
    rows = _projects(service, asker)
    if not rows:
        service.gate.need(asker, "project.read", Resource("project"))
    members = service.door.rows(MEMBERS)
    found = []
    with service.door.reading() as connection:
        for row in rows:
            shown, state = project_of(row, members), quotas.state_of(connection, row["id"])
            what = Resource("project", row["id"], row["id"])
            found.append(
                {
                    **shown,
                    "version": etag(shown),
                    "quota": state,
                    "quota_version": etag(state),
                    "manages": bool(can(asker.who, "project.manage", what)),
                    "sets": bool(can(asker.who, "quota.set", what)),
                }
            )
    data = {"projects": found, "begins": bool(can(asker.who, "project.manage", Resource("project"))),
            "roles": OF_PROJECT, "now_wall_s": time.time()}  # fmt: skip
    return _shown(service, asker, words, "projects", data)


def _projects(service: Service, asker: Asker) -> list[Mapping[str, Any]]:
    rows = service.door.rows(sa.select(project).order_by(project.c.id))
    return [row for row in rows if can(asker.who, "project.read", Resource("project", row["id"], row["id"]))]


@dataclass(frozen=True)
class Calendar:
    """When the lab's people are there and its stations may be used, as its files have it.

    Attributes:
        why_not: why they say nothing, in words; empty if they do.
        opens: calendars by name.
        stations: by calendar, those that do nothing without its people.
        maintenance: that is not over, the next first.
        booked: likewise.
    """

    why_not: str = ""
    opens: Mapping[str, Any] = field(default_factory=dict)
    stations: Mapping[str, list[str]] = field(default_factory=dict)
    maintenance: list[Any] = field(default_factory=list)
    booked: list[Any] = field(default_factory=list)


def calendar(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """When the lab is open, and what is planned for its stations."""
    service.gate.need(asker, "lab.read", LAB)
    found = calendar_of(service) if request.query_params.get("files") else None
    return _shown(service, asker, words, "calendar", {"calendar": found, "bookings": _bookings(service)})


def _bookings(service: Service) -> list[dict[str, Any]]:
    with service.records.reading() as journal:
        return booking_list(journal)


def calendar_of(service: Service) -> Calendar:
    """The calendars of the lab's files.

    Args:
        service: of the lab.
    """
    try:
        model = service.files.model()
    except (ConfigError, RefusedError, Problem) as error:
        return Calendar(str(error))
    now_s = time.time()
    stations: dict[str, list[str]] = {}
    for name, one in model.stations.items():
        stations.setdefault(one.attended or "", []).append(name)
    maintenance, booked = (
        sorted((one for one in of if one.ends.timestamp() > now_s), key=lambda one: one.starts)
        for of in (model.maintenance, model.booked)
    )
    return Calendar("", model.calendars, stations, maintenance, booked)


@router.get("/settings/calendar/files")
def files(service: Here, asker: Asking, request: Request) -> Response:
    """The calendars, for the page to fetch: to read the lab's files may take a second."""
    service.gate.need(asker, "lab.read", LAB)
    look = look_of(request, frame_of(service).zone)
    text = fragment("settings_calendar/files.html", Words(look.language), calendar=calendar_of(service), look=look)
    return HTMLResponse(text)


page(router, "/settings", account)
page(router, "/settings/people", people)
page(router, "/settings/projects", projects)
page(router, "/settings/calendar", calendar)
