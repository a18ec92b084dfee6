"""Who may see data: its class, how long it is withheld, and to whom it was granted by name.

A class is set for a request or a campaign. Without one, data are closed. It is loosened by a data steward, who says
why. What was open once cannot be called back: what was exported before is listed where a class is tightened.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from labwright.model.errors import ConfigError, RefusedError
from labwright.service.rights import DataClass
from labwright.service.schema import data_policy, grant

Owner = Literal["request", "campaign"]

Control = Literal["unreviewed", "not_controlled", "controlled"]

CONTROLS: tuple[Control, ...] = ("controlled", "unreviewed", "not_controlled")
"""From the strictest to the loosest."""

CLASSES: tuple[DataClass, ...] = get_args(DataClass)
"""From the loosest to the strictest."""


@dataclass(frozen=True)
class DataPolicy:
    """Who may see data.

    Attributes:
        data_class: once nothing is kept back any more.
        groups: of people it is shared with, if it is ``shared_closed``.
        embargo_until_s: wall time until which it is closed; None if it is not kept back.
        export_control: as it was found to be.
        licence: under which others may use it: an SPDX name, or ``LicenseRef-...``.
    """

    data_class: DataClass = "closed"
    groups: frozenset[str] = frozenset()
    embargo_until_s: float | None = None
    export_control: Control = "unreviewed"
    licence: str = ""

    def effective(self, now_s: float) -> DataClass:
        """The class at a wall time: closed during an embargo, and whatever may be controlled is not open."""
        if self.embargo_until_s is not None and now_s < self.embargo_until_s:
            return "closed"
        if self.data_class == "open" and self.export_control != "not_controlled":
            return "closed"
        return self.data_class

    def check(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ConfigError: groups without sharing, or sharing without groups.
            RefusedError: what is or may be controlled would be open.
        """
        if (self.data_class == "shared_closed") != bool(self.groups):
            raise ConfigError("shared_closed names the groups it is shared with, and no other class does")
        if self.data_class == "open" and self.export_control != "not_controlled":
            raise RefusedError(
                f"data that are {self.export_control} under export control law cannot be open; have them reviewed first"
            )

    def loosens(self, before: DataPolicy, now_s: float) -> bool:
        """Whether more could be done with the data, now or later, than by another policy.

        More people could see them; or export control is found to be weaker, or the licence is another one, which take
        effect beyond the class that there is now.
        """
        if CONTROLS.index(self.export_control) > CONTROLS.index(before.export_control):
            return True
        if before.licence != self.licence != "":
            return True
        kept = [until_s for one in (self, before) if (until_s := one.embargo_until_s) is not None]
        moments = {now_s, *(max(now_s, until_s) for until_s in kept)}
        return any(self._shows_more(before, at_s) for at_s in moments)

    def _shows_more(self, before: DataPolicy, at_s: float) -> bool:
        mine, others = self.effective(at_s), before.effective(at_s)
        if mine == others == "shared_closed":
            return bool(self.groups - before.groups)
        return CLASSES.index(mine) < CLASSES.index(others)

    def shown(self, now_s: float) -> dict[str, Any]:
        """As its readers see it."""
        return {
            "data_class": self.data_class,
            "effective": self.effective(now_s),
            "groups": sorted(self.groups),
            "embargo_until_s": self.embargo_until_s,
            "export_control": self.export_control,
            "licence": self.licence,
        }


@dataclass(frozen=True)
class Reach:
    """Who may see something, apart from its project.

    Attributes:
        data_class: at this time.
        groups: that it is shared with.
        granted: ids of those to whom it was granted.
    """

    data_class: DataClass = "closed"
    groups: frozenset[str] = frozenset()
    granted: frozenset[str] = field(default_factory=frozenset)


def fiscal_year_end_s(now_s: float, years: int, zone: ZoneInfo) -> float:
    """Wall time at which 31 March ends, so many fiscal years after the one that it is now; as ARIM counts.

    Args:
        now_s: wall time.
        years: after the fiscal year that it is now.
        zone: in which days end.
    """
    now = datetime.fromtimestamp(now_s, zone)
    ends = now.year + (now.month > 3) + years
    return datetime(ends, 4, 1, tzinfo=zone).timestamp()


def policy_of(connection: sa.Connection, owner: Owner, name: str) -> DataPolicy:
    """The policy of a request's or a campaign's data."""
    mine = (data_policy.c.kind == owner, data_policy.c.id == name)
    row = connection.execute(sa.select(data_policy).where(*mine)).mappings().first()
    return DataPolicy() if row is None else policy_in(row)


def set_policy(connection: sa.Connection, owner: Owner, name: str, policy: DataPolicy, by: str, because: str) -> None:
    """Set the policy of a request's or a campaign's data.

    Raises:
        ConfigError: it contradicts itself.
        RefusedError: what is or may be controlled would be open.
    """
    policy.check()
    mine = (data_policy.c.kind == owner, data_policy.c.id == name)
    connection.execute(sa.delete(data_policy).where(*mine))
    values = {
        "kind": owner, "id": name, "data_class": policy.data_class, "embargo_until_s": policy.embargo_until_s,
        "groups": orjson.dumps(sorted(policy.groups)).decode(), "export_control": policy.export_control,
        "licence": policy.licence, "set_by": by, "set_s": time.time(), "because": because,
    }  # fmt: skip
    connection.execute(sa.insert(data_policy).values(**values))


def reach_of(connection: sa.Connection, owner: Owner, name: str) -> Reach:
    """Who may see a request's or a campaign's data now."""
    now_s = time.time()
    policy = policy_of(connection, owner, name)
    until = sa.or_(grant.c.until_s.is_(None), grant.c.until_s > now_s)
    mine = sa.select(grant.c.principal).where(grant.c.kind == owner, grant.c.id == name, until)
    granted = frozenset(connection.execute(mine).scalars())
    return Reach(policy.effective(now_s), policy.groups, granted)


def allow(connection: sa.Connection, owner: Owner, name: str, who: str, until_s: float | None) -> None:
    """Grant a request or a campaign, with its data, to one person by name."""
    withdraw(connection, owner, name, who)
    connection.execute(sa.insert(grant).values(kind=owner, id=name, principal=who, until_s=until_s))


def withdraw(connection: sa.Connection, owner: Owner, name: str, who: str) -> None:
    """Take a grant back."""
    mine = (grant.c.kind == owner, grant.c.id == name, grant.c.principal == who)
    connection.execute(sa.delete(grant).where(*mine))


def policy_in(row: Mapping[Any, Any]) -> DataPolicy:
    """The policy that a row of `data_policy` has."""
    return DataPolicy(
        data_class=row["data_class"],
        groups=frozenset(orjson.loads(row["groups"])),
        embargo_until_s=row["embargo_until_s"],
        export_control=row["export_control"],
        licence=row["licence"],
    )
