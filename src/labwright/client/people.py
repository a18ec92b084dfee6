"""People and projects at a service; for admins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from labwright.client.admin_answers import Invitation, Quota
from labwright.client.answers import Person, Project
from labwright.client.errors import LostSecretError
from labwright.client.wire import Wire, versioned


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
        return Person.model_validate(versioned(self._wire.request("GET", _person(who))))

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
            version: of the person for whom it is meant.

        Raises:
            StaleError: the person has changed since.
        """
        self._wire.send("PUT", f"{_person(who)}/roles", {"roles": [*roles]}, version=version)

    def disable(self, who: str, *, version: str | None = None) -> None:
        """Let a person or a program in no more; what was approved for them is carried out.

        Args:
            who: the id.
            version: of the person for whom it is meant.

        Raises:
            StaleError: the person has changed since.
        """
        self._wire.send("DELETE", _person(who), version=version)

    def invite(self, who: str, *, hours: float | None = None) -> Invitation:
        """Let a person set a password: with the secret in this answer, once. An invitation made before ends.

        Args:
            who: the id.
            hours: for which it holds; as the service has it (72) if None.

        Raises:
            InvalidError: it is a program, or no such person is let in.
            LostSecretError: it was made, and the answer that had its secret was lost.
        """
        body = {} if hours is None else {"hours": hours}
        made = self._wire.send("POST", f"{_person(who)}/invitation", body)
        if "invitation" not in made:
            raise LostSecretError(f"an invitation for {who}", "Make another one: this one ends then")
        return Invitation.model_validate(made)

    def projects(self) -> Sequence[Project]:
        """Projects that the key may see, with their members."""
        return [Project.model_validate(one) for one in self._wire.get("/v1/projects")["items"]]

    def project(self, project: str) -> Project:
        """A project, with its members."""
        return Project.model_validate(versioned(self._wire.request("GET", _project(project))))

    def begin(self, project: str, title: str = "") -> None:
        """Begin a project."""
        self._wire.send("POST", "/v1/projects", {"id": project, "title": title})

    def join(
        self, project: str, who: str, role: str, until: datetime | None = None, *, version: str | None = None
    ) -> None:
        """Give a person or a program a role in a project.

        Args:
            project: its id.
            who: id of the person or program.
            role: there.
            until: when it ends; never if None.
            version: of the project for which it is meant.

        Raises:
            StaleError: the project has changed since.
        """
        body = {"role": role, **({"until": until.isoformat()} if until is not None else {})}
        self._wire.send("PUT", _member(project, who), body, version=version)

    def leave(self, project: str, who: str, *, version: str | None = None) -> None:
        """Take all roles in a project from a person or a program; as `join`."""
        self._wire.send("DELETE", _member(project, who), version=version)

    def quota(self, project: str) -> Quota:
        """What a project may take, has reserved, and was charged."""
        return Quota.model_validate(versioned(self._wire.request("GET", f"{_project(project)}/quota")))

    def set_quota(
        self,
        project: str,
        *,
        experiments: float | None = None,
        station_minutes: float | None = None,
        cost: float | None = None,
        version: str | None = None,
    ) -> Quota:
        """Set what a project may take in all, instead of what was set before; what was reserved and charged stays.

        Args:
            project: its id.
            experiments: how many; without a limit if None.
            station_minutes: minutes of stations; without a limit if None.
            cost: in the desk's currency; without a limit if None.
            version: of the quota that was read.

        Returns:
            the quota since.

        Raises:
            StaleError: it has changed since it was read.
        """
        body = {"experiments": experiments, "station_minutes": station_minutes, "cost": cost}
        answer = self._wire.change("PUT", f"{_project(project)}/quota", body, version=version)
        return Quota.model_validate(versioned(answer))


def _person(who: str) -> str:
    return f"/v1/people/{quote(who, safe='')}"


def _project(project: str) -> str:
    return f"/v1/projects/{quote(project, safe='')}"


def _member(project: str, who: str) -> str:
    return f"{_project(project)}/members/{quote(who, safe='')}"
