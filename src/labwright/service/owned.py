"""What campaigns, their samples and their data are to rights: whose, of which class, granted to whom.

A campaign that a request became has the request's class and grants; another one its own.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import sqlalchemy as sa

from labwright.journal import Journal
from labwright.journal.reading import spec_of
from labwright.service.classes import Owner, Reach, reach_of
from labwright.service.database import Door
from labwright.service.rights import Kind, Resource
from labwright.service.schema import data_policy, grant, request


class Owned:
    """Knows whose things are.

    Args:
        door: the service's database.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._projects: dict[str, str] = {}

    def project(self, journal: Journal, campaign: str) -> str:
        """The project of a campaign; empty if it has none. It never changes, so it is looked up once."""
        if campaign not in self._projects:
            self._projects[campaign] = str(spec_of(journal, campaign).get("project") or "")
        return self._projects[campaign]

    def campaign(
        self, journal: Journal, campaign: str, kind: Kind = "campaign", name: str = "", known: Known | None = None
    ) -> Resource:
        """A campaign, or what is of it, as rights look at it.

        Args:
            journal: of the lab.
            campaign: its id; empty for what is of no campaign.
            kind: of what is looked at.
            name: of that, if it is not the campaign.
            known: what `known` gave, where many are looked at.
        """
        if not campaign:
            return Resource(kind, name)
        reach = (self.known() if known is None else known).get(campaign, Reach())
        return _reached(Resource(kind, name or campaign, project=self.project(journal, campaign)), reach)

    def request(self, row: Mapping[str, object]) -> Resource:
        """A request as rights look at it.

        Args:
            row: of it.
        """
        name = f"R{row['n']}"
        with self._door.reading() as connection:
            reach = reach_of(connection, "request", name)
        return _reached(Resource("request", name, project=str(row["project"]), owner=str(row["owner"])), reach)

    def known(self) -> Known:
        """By campaign, who may see it apart from its project; only those of which something was said."""
        with self._door.reading() as connection:
            names = {*_named(connection, data_policy), *_named(connection, grant)}
            requests = [int(name[1:]) for kind, name in names if kind == "request" and name[1:].isdecimal()]
            rows = connection.execute(sa.select(request.c.n, request.c.campaign).where(request.c.n.in_(requests)))
            of_request = {f"R{n}": str(campaign) for n, campaign in rows if campaign}
            found = {name: reach_of(connection, "campaign", name) for kind, name in names if kind == "campaign"}
            found |= {campaign: reach_of(connection, "request", name) for name, campaign in of_request.items()}
        return found


Known = dict[str, Reach]
"""Who may see campaigns, by id."""


def owner_of(connection: sa.Connection, campaign: str) -> tuple[Owner, str]:
    """What has the class of a campaign's data: the request it was made of, or itself."""
    number = connection.execute(sa.select(request.c.n).where(request.c.campaign == campaign)).scalar()
    return ("campaign", campaign) if number is None else ("request", f"R{number}")


def granted_to(connection: sa.Connection, who: str, owner: Owner) -> list[str]:
    """What was granted to a person by name, and is not over."""
    until = sa.or_(grant.c.until_s.is_(None), grant.c.until_s > time.time())
    mine = (grant.c.kind == owner, grant.c.principal == who, until)
    return [str(one) for one in connection.execute(sa.select(grant.c.id).where(*mine)).scalars()]


def _named(connection: sa.Connection, table: sa.Table) -> set[tuple[str, str]]:
    rows = connection.execute(sa.select(table.c.kind, table.c.id).distinct())
    return {(str(kind), str(name)) for kind, name in rows}


def _reached(what: Resource, reach: Reach) -> Resource:
    return dataclasses.replace(what, data_class=reach.data_class, groups=reach.groups, granted=reach.granted)
