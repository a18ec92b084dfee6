"""What campaigns, their samples and their data are to rights: whose, of which class, granted to whom.

A campaign that a request became has the request's class and grants; another one its own.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from labwright.journal import Journal
from labwright.journal.reading import spec_of
from labwright.service.classes import DataPolicy, Owner, Reach, policy_in, reach_of
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
            known: what `known` gave, where many are listed; then it has no owner, as reading takes none.
        """
        if not campaign:
            return Resource(kind, name)
        what = Resource(kind, name or campaign, project=self.project(journal, campaign))
        if known is not None:
            return _reached(what, known.get(campaign, Reach()))
        with self._door.reading() as connection:
            made_of = _request_of(connection, campaign)
            reach = reach_of(connection, *_classed(campaign, made_of))
        return dataclasses.replace(_reached(what, reach), owner="" if made_of is None else str(made_of["owner"]))

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
        now_s = time.time()
        until = sa.or_(grant.c.until_s.is_(None), grant.c.until_s > now_s)
        with self._door.reading() as connection:
            policies = {
                str(row["campaign"]): policy_in(row) for row in connection.execute(_by_campaign(data_policy)).mappings()
            }
            granted: dict[str, set[str]] = {}
            for row in connection.execute(_by_campaign(grant).where(until)).mappings():
                granted.setdefault(str(row["campaign"]), set()).add(str(row["principal"]))
        found = {}
        for campaign in {*policies, *granted}:
            policy = policies.get(campaign, DataPolicy())
            found[campaign] = Reach(policy.effective(now_s), policy.groups, frozenset(granted.get(campaign, ())))
        return found


Known = dict[str, Reach]
"""Who may see campaigns, by id."""


def owner_of(connection: sa.Connection, campaign: str) -> tuple[Owner, str]:
    """What has the class of a campaign's data: the request it was made of, or itself."""
    return _classed(campaign, _request_of(connection, campaign))


def granted_to(connection: sa.Connection, who: str, owner: Owner) -> list[str]:
    """What was granted to a person by name, and is not over."""
    until = sa.or_(grant.c.until_s.is_(None), grant.c.until_s > time.time())
    mine = (grant.c.kind == owner, grant.c.principal == who, until)
    return [str(one) for one in connection.execute(sa.select(grant.c.id).where(*mine)).scalars()]


def _request_of(connection: sa.Connection, campaign: str) -> Mapping[Any, Any] | None:
    """Number and owner of the request that became a campaign; None if none did."""
    made_of = sa.select(request.c.n, request.c.owner).where(request.c.campaign == campaign)
    return connection.execute(made_of).mappings().first()


def _classed(campaign: str, made_of: Mapping[Any, Any] | None) -> tuple[Owner, str]:
    return ("campaign", campaign) if made_of is None else ("request", f"R{made_of['n']}")


def _by_campaign(table: sa.Table) -> sa.Select[Any]:
    """Rows of a table, each with the ``campaign`` it is about; a campaign that a request became has the request's."""
    is_request = table.c.kind == "request"
    number = sa.case((is_request, sa.cast(sa.func.substr(table.c.id, 2), sa.BigInteger)))  # else no id is cast
    made = sa.or_(request.c.n == number, request.c.campaign == sa.case((table.c.kind == "campaign", table.c.id)))
    campaign = sa.case((is_request, request.c.campaign), else_=table.c.id)
    counts = sa.or_(sa.and_(is_request, request.c.campaign != ""), sa.and_(~is_request, request.c.n.is_(None)))
    return sa.select(table, campaign.label("campaign")).select_from(table.outerjoin(request, made)).where(counts)


def _reached(what: Resource, reach: Reach) -> Resource:
    return dataclasses.replace(what, data_class=reach.data_class, groups=reach.groups, granted=reach.granted)
