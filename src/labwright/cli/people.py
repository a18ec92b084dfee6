"""`labwright person`: who is let in, and what they may do in the whole lab."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from labwright.cli.handing_over import hand_over, say_where
from labwright.cli.output import console, emit, table
from labwright.cli.sites import Site, at
from labwright.cli.words import when
from labwright.client import Client, InvalidError, Invitation, NotFoundError, Person
from labwright.model.errors import ConfigError, unknown


def list_people(site: Site, *, json: bool) -> None:
    """All people and programs that are known."""
    people = at(site, lambda client: client.people.list())
    if json:
        emit(*(_facts(one) for one in people))
        return
    columns = ("id", "kind", "name", "mail", "roles in the whole lab", "groups", "not let in since (UTC)")
    rows = [
        (one.id, one.kind, one.name, one.email, _listed(one.roles), _listed(one.groups), _since(one)) for one in people
    ]
    table("People and programs", columns, rows, json=False)


def show_person(site: Site, who: str, *, json: bool) -> None:
    """A person or a program, with all roles.

    Raises:
        ConfigError: there is no such one.
    """

    def there(client: Client) -> tuple[Person, list[tuple[str, str, float | None]]]:
        shown = person_of(client, who)
        projects = client.people.projects()
        mine = [(one, member) for one in projects for member in one.members if member["id"] == who]
        return shown, [(one.id, str(member["role"]), member["until_s"]) for one, member in mine]

    shown, projects = at(site, there)
    if json:
        roles = [{"project": project, "role": role, "until_s": until_s} for project, role, until_s in projects]
        emit({**_facts(shown), "projects": roles})
        return
    rows = [
        (shown.kind, shown.id),
        ("name", shown.name),
        ("mail", shown.email),
        ("groups", _listed(shown.groups)),
        ("not let in since (UTC)", _since(shown)),
        ("in the whole lab", _listed(shown.roles)),
        *((f"in {project}", f"{role}{until(until_s)}") for project, role, until_s in projects),
    ]
    table("", ("", ""), [row for row in rows if row[1]], json=False)


def add_person(
    site: Site,
    who: str,
    name: str,
    email: str,
    roles: Collection[str],
    groups: Collection[str],
    *,
    agent: bool,
    json: bool,
) -> None:
    """Let a person or a program in.

    Raises:
        RefusedError: there is such a one; or the key is no admin's.
        ConfigError: it cannot be called that, or written to.
    """
    _refuse_unknown(roles)

    def there(client: Client) -> None:
        with naming(who):
            client.people.add(who, name=name, email=email, roles=roles, groups=groups, agent=agent)

    at(site, there)
    if json:
        emit({"id": who, "kind": "agent" if agent else "person", "roles": sorted(roles)})
        return
    what = f"{who} is let in as a program" if agent else f"{who} is let in{_as(roles)}"
    console.print(what, style="bold")
    if agent or not roles:
        role = "agent" if agent else "requester"
        console.print(f"Give it a place in a project: labwright project join PROJECT {who} --role {role} {site.option}")
    console.print(f'A first key: labwright key make "first" --for {who} --out {who}.key {site.option}')
    if not agent:
        console.print(f"Or a password: labwright person invite {who} {site.option}")


def set_roles(site: Site, who: str, roles: Collection[str], *, json: bool) -> None:
    """Give a person other roles in the whole lab.

    Raises:
        RefusedError: the lab would have no admin any more; the key is no admin's; or the person has changed meanwhile.
        ConfigError: there is no such one, or it is a program.
    """
    _refuse_unknown(roles)

    def there(client: Client) -> Person:
        before = person_of(client, who)
        client.people.set_roles(who, roles, version=before.version)
        return before

    before = at(site, there)
    if json:
        emit({"id": who, "roles": sorted(roles), "before": sorted(before.roles)})
        return
    console.print(f"{who} is {_listed(sorted(roles)) or 'without a role'} in the whole lab", style="bold")
    console.print(f"Until now: {_listed(before.roles) or 'none'}. Roles in projects stay as they are")


def disable_person(site: Site, who: str, *, json: bool) -> None:
    """Let a person or a program in no more.

    Raises:
        RefusedError: the lab would have no admin any more; or the key is no admin's.
        ConfigError: there is no such one.
    """

    def there(client: Client) -> None:
        client.people.disable(who, version=person_of(client, who).version)

    at(site, there)
    if json:
        emit({"id": who, "disabled": True})
        return
    console.print(f"{who} is let in no more: no key, password or session of {who} opens anything", style="bold")
    console.print(f"What was approved for {who} is carried out: labwright request list --owner {who} {site.option}")


def invite_person(site: Site, who: str, hours: float | None, out: Path | None, *, json: bool) -> None:
    """Make an invitation, and print its secret or write it to a file.

    Raises:
        ConfigError: there is no such person, or it is a program; or there is such a file.
        RefusedError: the key is no admin's.
    """

    def there(client: Client) -> Invitation:
        with knowing(client, who):
            return client.people.invite(who, hours=hours)

    made = hand_over(
        lambda: at(site, there),
        lambda made: made.invitation,
        out,
        undo=lambda made: f"Make another invitation; this one ends then: labwright person invite {who} {site.option}",
        json=(lambda made: {"id": made.id, "expires_s": made.expires_s}) if json else None,
        name="invitation",
    )
    if json:
        return
    console.print(f"{who} is invited until {when(made.expires_s)} (UTC)", style="bold")
    say_where(out)
    console.print(f"Give it to {who}, who sets a password with it, once, at {site.url}/sign-in")


def person_of(client: Client, who: str) -> Person:
    """A person or a program.

    Raises:
        ConfigError: there is no such one; with the nearest that there is.
    """
    try:
        return client.people.show(who)
    except NotFoundError as error:
        near = difflib.get_close_matches(who, [one.id for one in client.people.list()], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"there is no person or program {who!r}{hint} (all: labwright person list)") from error


@contextlib.contextmanager
def knowing(client: Client, who: str) -> Iterator[None]:
    """What is refused because there is no such person or program is refused with the nearest that there is.

    Raises:
        ConfigError: it is.
    """
    try:
        yield
    except InvalidError:
        person_of(client, who)
        raise


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """What is refused because nothing can be called that is refused with what it can be called.

    Raises:
        ConfigError: it is.
    """
    try:
        yield
    except InvalidError as error:
        if not any(one.get("pointer") == "/id" for one in error.errors):
            raise
        small = name.lower()
        hint = f"; did you mean {small!r}?" if small != name and small.isascii() and small.isalnum() else "."
        raise ConfigError(
            f"{name!r} is no id{hint} It begins with a letter a to z, then come such letters, digits, '_', '.' and "
            "'-'; it has at most 63 characters"
        ) from error


def until(until_s: float | None) -> str:
    """When a role ends, in words after it; empty if it does not."""
    return "" if until_s is None else f" until {when(until_s)} (UTC)"


def _refuse_unknown(roles: Collection[str]) -> None:
    from labwright.service.rights import LAB_ROLES

    for role in roles:
        if role not in LAB_ROLES:
            raise ConfigError(unknown("role in the whole lab", role, sorted(LAB_ROLES)))


def _facts(shown: Person) -> dict[str, Any]:
    found: dict[str, Any] = shown.model_dump(mode="json", exclude={"version"})
    return found


def _as(roles: Collection[str]) -> str:
    return f" as {_listed(sorted(roles))}" if roles else ""


def _listed(words: Collection[str]) -> str:
    return ", ".join(words)


def _since(shown: Person) -> str:
    return "" if shown.disabled_s is None else when(shown.disabled_s)
