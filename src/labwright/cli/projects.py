"""`labwright project`: who is in a project, and what it may take of the lab."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from labwright.cli.output import console, emit, table
from labwright.cli.people import knowing, naming, until
from labwright.cli.sites import Site, at
from labwright.cli.words import when
from labwright.client import Client, Quota
from labwright.model.errors import ConfigError, unknown
from labwright.model.figures import figure

KINDS = {"experiments": "experiments", "station_minutes": "minutes of stations", "cost": "cost"}
"""What is counted, as people read it."""


def list_projects(site: Site, *, json: bool) -> None:
    """Projects that the key may see."""
    projects = at(site, lambda client: client.people.projects())
    if json:
        emit(*(one.model_dump(mode="json", exclude={"version"}) for one in projects))
        return
    rows = [
        (one.id, one.title, ", ".join(f"{member['id']} ({member['role']})" for member in one.members))
        for one in projects
    ]
    table("Projects", ("id", "title", "members"), rows, json=False)


def show_project(site: Site, project: str, *, json: bool) -> None:
    """A project with its members and its quota.

    Raises:
        ConfigError: there is none that the key may see.
    """
    shown, quota = at(site, lambda client: (client.people.project(project), client.people.quota(project)))
    if json:
        emit({**shown.model_dump(mode="json", exclude={"version"}), "quota": _amounts(quota)})
        return
    rows = [(one["id"], one["role"], "" if one["until_s"] is None else when(one["until_s"])) for one in shown.members]
    title = f"{shown.id}: {shown.title}" if shown.title else shown.id
    table(title, ("member", "role", "until (UTC)"), rows, json=False)
    _print_quota(quota)


def add_project(site: Site, project: str, title: str, *, json: bool) -> None:
    """Start a project.

    Raises:
        RefusedError: there is such a one; or the key is no admin's.
        ConfigError: it cannot be called that.
    """

    def there(client: Client) -> None:
        with naming(project):
            client.people.begin(project, title)

    at(site, there)
    if json:
        emit({"id": project, "title": title})
        return
    console.print(f"Project {project} is there", style="bold")
    console.print(f"Let people ask in it: labwright project join {project} WHO --role requester {site.option}")
    console.print(f"What it may take in all: labwright project quota {project} --experiments NUMBER {site.option}")


def join_project(site: Site, project: str, who: str, role: str, until_s: float | None, *, json: bool) -> None:
    """Give a person or a program a role in a project.

    Raises:
        ConfigError: there is no such project or person; or a program would decide.
        RefusedError: the key is no admin's; or the project has changed meanwhile.
    """
    ends = None if until_s is None else datetime.fromtimestamp(until_s, UTC)

    def there(client: Client) -> None:
        with knowing(client, who):
            client.people.join(project, who, role, ends)

    at(site, there)
    if json:
        emit({"project": project, "id": who, "role": role, "until_s": until_s})
        return
    console.print(f"{who} is {role} of {project}{until(until_s)}", style="bold")


def leave_project(site: Site, project: str, who: str, *, json: bool) -> None:
    """Take all roles in a project from a person or a program.

    Raises:
        ConfigError: there is no such project, or it has no such member.
        RefusedError: the key is no admin's; or the project has changed meanwhile.
    """

    def there(client: Client) -> list[str]:
        shown = client.people.project(project)
        roles = [str(one["role"]) for one in shown.members if one["id"] == who]
        if not roles:
            raise ConfigError(unknown(f"member of {project}", who, sorted({str(one["id"]) for one in shown.members})))
        client.people.leave(project, who, version=shown.version)
        return roles

    roles = at(site, there)
    if json:
        emit({"project": project, "id": who, "before": roles})
        return
    console.print(f"{who} has no role in {project} any more; until now: {', '.join(roles)}", style="bold")


def project_quota(site: Site, project: str, limits: Mapping[str, float], *, json: bool) -> None:
    """Show what a project may take, or set some of it; what is not named stays as it is.

    Args:
        site: the service.
        project: its id.
        limits: by kind; infinite for none.
        json: whether a program reads what is said.

    Raises:
        ConfigError: there is no such project.
        RefusedError: the key sets none; or the quota has changed meanwhile.
    """

    def there(client: Client) -> Quota:
        before = client.people.quota(project)
        if not limits:
            return before
        amounts = {kind: getattr(before, kind).amount for kind in KINDS} | dict(limits)
        wanted = {kind: None if limit == math.inf else limit for kind, limit in amounts.items()}
        return client.people.set_quota(project, **wanted, version=before.version)

    quota = at(site, there)
    if json:
        emit({"project": project, **_amounts(quota)})
        return
    _print_quota(quota)
    if limits:
        console.print(f"This is what {project} may take from now on; what was reserved and charged stays", style="bold")


def _print_quota(quota: Quota) -> None:
    rows = []
    for kind, words in KINDS.items():
        one = getattr(quota, kind)
        left = "" if one.amount is None else figure(max(0.0, one.amount - one.reserved - one.charged))
        limit = "no limit" if one.amount is None else figure(one.amount)
        rows.append((words, limit, figure(one.reserved), figure(one.charged), left))
    table("Quota", ("", "limit", "reserved", "charged", "left"), rows, json=False)


def _amounts(quota: Quota) -> dict[str, Any]:
    found: dict[str, Any] = quota.model_dump(mode="json", exclude={"version"})
    return found
