"""People and projects at a service; for admins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from labwright.client.answers import Person, Project
from labwright.client.wire import Wire


class People:
    """People, programs, projects.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self) -> Sequence[Person]:
        """All who are known, with their roles."""
        return [Person.model_validate(one) for one in self._wire.get("/v1/people")["items"]]

    def show(self, who: str) -> Person:
        """A person or a program."""
        return Person.model_validate(self._wire.get(f"/v1/people/{quote(who, safe='')}"))

    def add(
        self,
        who: str,
        *,
        name: str = "",
        email: str = "",
        roles: Collection[str] = (),
        groups: Collection[str] = (),
        agent: bool = False,
    ) -> None:
        """Let a person or a program in.

        Args:
            who: a short name of plain letters.
            name: to show.
            email: where to write to.
            roles: in the whole lab.
            groups: that data may be shared with.
            agent: whether it is a program that acts by its own judgement.
        """
        body: dict[str, Any] = {"id": who, "name": name, "email": email, "agent": agent}
        self._wire.send("POST", "/v1/people", {**body, "roles": [*roles], "groups": [*groups]})

    def set_roles(self, who: str, roles: Collection[str], *, version: str | None = None) -> None:
        """Give a person other roles in the whole lab.

        Args:
            who: the id.
            roles: instead of those before.
            version: the ETag of the person for whom it is meant.
        """
        self._wire.send("PUT", f"/v1/people/{quote(who, safe='')}/roles", {"roles": [*roles]}, version=version)

    def disable(self, who: str) -> None:
        """Let a person or a program in no more."""
        self._wire.send("DELETE", f"/v1/people/{quote(who, safe='')}")

    def projects(self) -> Sequence[Project]:
        """Projects that the key may see, with their members."""
        return [Project.model_validate(one) for one in self._wire.get("/v1/projects")["items"]]

    def begin(self, project: str, title: str = "") -> None:
        """Begin a project."""
        self._wire.send("POST", "/v1/projects", {"id": project, "title": title})

    def join(self, project: str, who: str, role: str, until: datetime | None = None) -> None:
        """Give a person or a program a role in a project."""
        body = {"role": role, **({"until": until.isoformat()} if until is not None else {})}
        self._wire.send("PUT", _member(project, who), body)

    def leave(self, project: str, who: str) -> None:
        """Take all roles in a project from a person or a program."""
        self._wire.send("DELETE", _member(project, who))


def _member(project: str, who: str) -> str:
    return f"/v1/projects/{quote(project, safe='')}/members/{quote(who, safe='')}"
