"""People, programs and projects: for admins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import AwareDatetime, Field

from labwright.answers.people import Joined, Left, Named, Person, Project, RolesSet
from labwright.service import people
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, in_versions, items_of
from labwright.service.gate import Asker
from labwright.service.once import Answer
from labwright.service.problems import Problem
from labwright.service.rights import Action, Resource, Role, can
from labwright.service.schema import member, principal, project
from labwright.service.state import Asking, Here
from labwright.service.versions import check, versioned

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["people"])

Short = Annotated[str, Field(max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=rf"^{people.NAME.pattern}$")]


class NewPerson(Body):
    """A person, or a program that acts by its own judgement (``agent``), to be let in.

    Attributes:
        id: a short name of plain letters, by which the person is known everywhere.
        name: to show.
        email: where to write to; one plain address.
        agent: whether it is a program.
        roles: in the whole lab.
        groups: that data may be shared with.
    """

    id: Name
    name: Short = ""
    email: Annotated[str, Field(max_length=people.ADDRESS_MOST)] = ""
    agent: bool = False
    roles: Annotated[list[Role], Field(max_length=10)] = []
    groups: Annotated[list[Name], Field(max_length=100)] = []


class Roles(Body):
    """Roles of a person or program.

    Attributes:
        roles: in the whole lab, instead of those before.
    """

    roles: Annotated[list[Role], Field(max_length=10)]


class NewProject(Body):
    """A project to begin.

    Attributes:
        id: a short name of plain letters, by which it is known everywhere.
        title: to show.
    """

    id: Name
    title: Short = ""


class Membership(Body):
    """A role in a project.

    Attributes:
        role: there.
        until: when it ends; never if left out.
    """

    role: Role
    until: Annotated[AwareDatetime, Field(strict=False)] | None = None


@router.get("/people", name="list", responses=answers(items_of(Person)))
def everyone(service: Here, asker: Asking) -> dict[str, Any]:
    """All who are known, with their roles."""
    service.gate.need(asker, "person.manage", Resource("person"))
    rows = service.door.rows(sa.select(principal).order_by(principal.c.id))
    return {"items": [person_of(row) for row in rows]}


@router.get("/people/{who}", name="get", responses=in_versions(Person))
def person(service: Here, asker: Asking, request: Request, who: str) -> Response:
    """A person or a program, with the roles in the whole lab."""
    service.gate.need(asker, "person.manage", Resource("person", who))
    rows = service.door.rows(sa.select(principal).where(principal.c.id == who))
    if not rows:
        raise Problem("not_found", f"there is no {who[:80]!r}")
    return versioned(request, person_of(rows[0]))


@router.post("/people", status_code=201, responses=answers(Named, 201))
async def add(service: Here, asker: Asking, request: Request, body: NewPerson) -> Response:
    """Let a person or a program in."""

    def write(connection: sa.Connection) -> None:
        people.add_person(
            connection,
            body.id,
            roles=body.roles,
            kind="agent" if body.agent else "person",
            shown=body.name,
            email=body.email,
            groups=body.groups,
        )

    what = Resource("person", body.id)
    return await _change(service, asker, request, "person.manage", what, body, write, Answer(201, {"id": body.id}))


@router.put("/people/{who}/roles", name="set_roles", responses=answers(RolesSet))
async def roles(service: Here, asker: Asking, request: Request, who: str, body: Roles) -> Response:
    """Give a person other roles in the whole lab."""
    what = Resource("person", who)
    answer = Answer(200, {"id": who, "roles": sorted(body.roles)})

    def write(connection: sa.Connection) -> None:
        _check_person(request, connection, who)
        people.set_roles(connection, who, body.roles)

    return await _change(service, asker, request, "person.manage", what, body, write, answer)


@router.delete("/people/{who}", responses=answers(Named))
async def disable(service: Here, asker: Asking, request: Request, who: str) -> Response:
    """Let a person or a program in no more; what was approved for them is carried out."""
    what = Resource("person", who)

    def write(connection: sa.Connection) -> None:
        _check_person(request, connection, who)
        people.disable(connection, who)

    return await _change(service, asker, request, "person.manage", what, None, write, Answer(200, {"id": who}))


@router.get("/projects", name="projects", responses=answers(items_of(Project)))
def projects(service: Here, asker: Asking) -> dict[str, Any]:
    """Projects that you may see, with their members."""
    rows = service.door.rows(sa.select(project).order_by(project.c.id))
    rows = [row for row in rows if can(asker.who, "project.read", Resource("project", row["id"], row["id"]))]
    members = service.door.rows(MEMBERS)
    return {"items": [project_of(row, members) for row in rows]}


@router.get("/projects/{name}", name="project", responses=in_versions(Project))
def one_project(service: Here, asker: Asking, request: Request, name: str) -> Response:
    """A project, with its members."""
    service.gate.need(asker, "project.read", Resource("project", name, name))
    rows = service.door.rows(sa.select(project).where(project.c.id == name))
    if not rows:
        raise Problem("not_found", f"there is no project {name[:80]}, or you may not see it")
    return versioned(request, project_of(rows[0], service.door.rows(MEMBERS)))


@router.post("/projects", status_code=201, name="begin_project", responses=answers(Named, 201))
async def begin(service: Here, asker: Asking, request: Request, body: NewProject) -> Response:
    """Begin a project."""
    what = Resource("project", body.id, body.id)

    def write(connection: sa.Connection) -> None:
        people.add_project(connection, body.id, body.title)

    return await _change(service, asker, request, "project.manage", what, body, write, Answer(201, {"id": body.id}))


@router.put("/projects/{name}/members/{who}", responses=answers(Joined))
async def join(service: Here, asker: Asking, request: Request, name: str, who: str, body: Membership) -> Response:
    """Give a person or a program a role in a project."""
    until_s = body.until.timestamp() if isinstance(body.until, datetime) else None
    answer = Answer(200, {"project": name, "id": who, "role": body.role, "until_s": until_s})

    def write(connection: sa.Connection) -> None:
        _check_project(request, connection, name)
        people.join(connection, name, who, body.role, until_s)

    what = Resource("project", name, name)
    return await _change(service, asker, request, "project.manage", what, body, write, answer, target=who)


@router.delete("/projects/{name}/members/{who}", responses=answers(Left))
async def leave(service: Here, asker: Asking, request: Request, name: str, who: str) -> Response:
    """Take all roles in a project from a person or a program."""
    what, answer = Resource("project", name, name), Answer(200, {"project": name, "id": who})

    def write(connection: sa.Connection) -> None:
        _check_project(request, connection, name)
        people.leave(connection, name, who)

    return await _change(service, asker, request, "project.manage", what, None, write, answer, target=who)


MEMBERS = sa.select(member).order_by(member.c.principal, member.c.role)
"""Who has which role in which project."""


def person_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A person as shown.

    Args:
        row: of that one.
    """
    return {**row, "roles": orjson.loads(row["roles"]), "groups": orjson.loads(row["groups"])}


def project_of(row: Mapping[str, Any], members: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A project as shown, with its members.

    Args:
        row: of it.
        members: of all projects.
    """
    mine = [one for one in members if one["project"] == row["id"]]
    return {
        **row,
        "members": [{"id": one["principal"], "role": one["role"], "until_s": one["until_s"]} for one in mine],
    }


def _check_person(request: Request, connection: sa.Connection, who: str) -> None:
    """Refuse a change that is meant for another version of a person; one who is not there is the change's to refuse."""
    row = connection.execute(sa.select(principal).where(principal.c.id == who)).mappings().first()
    if row is not None:
        check(request, person_of(dict(row)))


def _check_project(request: Request, connection: sa.Connection, name: str) -> None:
    """The same for a project."""
    row = connection.execute(sa.select(project).where(project.c.id == name)).mappings().first()
    if row is not None:
        check(request, project_of(dict(row), [dict(one) for one in connection.execute(MEMBERS).mappings()]))


async def _change(
    service: Here,
    asker: Asker,
    request: Request,
    action: Action,
    what: Resource,
    body: Body | None,
    write: Callable[[sa.Connection], None],
    answer: Answer,
    target: str = "",
) -> Response:
    """Change something in the service's own database, once."""
    await service.gate.needs(asker, action, what)

    def change(connection: sa.Connection) -> Answer:
        write(connection)
        return answer

    after = None if body is None else body.model_dump(mode="json")
    words = f"{what.kind}/{what.id}" + (f"/{target}" if target else "")
    entry = Entry(asker.who.id, action, words, via=asker.who.key, after=after, trace=asker.trace)
    response = await service.once.change(request, asker, entry, change)
    service.gate.forget()
    return response
