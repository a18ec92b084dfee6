"""Sessions of browsers: kept here, so that they end when they are to; the cookie holds nothing but a secret.

A session opens what its owner may do now: roles are looked up with each request. It ends when its owner is let in no
more, when the key that it was started with is revoked, when it was idle for `IDLE_S`, and after `LASTS_S` in any case.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from labwright.model.errors import ConfigError
from labwright.model.rows import Row
from labwright.service.database import Door
from labwright.service.people import USED_S, principal_of
from labwright.service.rights import LAB_ROLES, Principal, Role
from labwright.service.schema import api_key, invitation, principal, session

LASTS_S = 12 * 3600.0
"""Wall seconds for which a session lasts: a shift."""

IDLE_S = 2 * 3600.0
"""Wall seconds without a request after which it has ended."""

INVITED_S = 3 * 86_400.0
"""Wall seconds for which an invitation holds, without another time."""

KEPT_S = 30 * 86_400.0
"""Wall seconds for which one that has ended can be looked at."""

How = Literal["key", "password", "invitation", "oidc"]


@dataclass(frozen=True)
class NewSession:
    """A session that has just started.

    Attributes:
        id: by which it is listed and ended.
        secret: for the cookie; kept nowhere.
        expires_s: wall time at which it ends, whatever is done.
    """

    id: str
    secret: str
    expires_s: float


@dataclass(frozen=True)
class Visitor:
    """Where a browser is, for its owner to know it by.

    Attributes:
        address: of the network.
        browser: as it names itself.
    """

    address: str
    browser: str


def start(
    connection: sa.Connection, who: Principal, how: How, visitor: Visitor, granted: Mapping[str, Any] | None = None
) -> NewSession:
    """Start a session.

    Args:
        connection: in a transaction.
        who: signs in; with the key that was shown, if it was one.
        how: that was shown to be so.
        visitor: the browser.
        granted: roles and projects that an OpenID provider says: ``roles``, and ``projects`` by name.
    """
    now_s = time.time()
    connection.execute(sa.delete(session).where(session.c.expires_s < now_s - KEPT_S))
    until_s = now_s + LASTS_S
    key = who.key if how == "key" else ""
    if key:
        ends = sa.select(api_key.c.expires_s).where(api_key.c.id == key)
        until_s = min(until_s, connection.execute(ends).scalar() or until_s)
    made, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    row = {
        "id": made, "digest": _digest(secret), "principal": who.id, "how": how, "key": key,
        "only": None if who.only is None else orjson.dumps(sorted(who.only)).decode(),
        "granted": orjson.dumps(dict(granted or {})).decode(),
        "created_s": now_s, "seen_s": now_s, "expires_s": until_s,
        "address": visitor.address[:64], "browser": _printable(visitor.browser)[:200],
    }  # fmt: skip
    connection.execute(sa.insert(session).values(**row))
    return NewSession(made, secret, until_s)


def holder(door: Door, secret: str) -> Principal | None:
    """Whose session it is; None if it opens nothing."""
    now_s = time.time()
    known = door.rows(sa.select(session).where(session.c.digest == _digest(secret)))
    if not known or not _alive(known[0], now_s):
        return None
    (row,) = known
    if row["key"] and not _key_opens(door, row["key"], now_s):
        return None
    if row["seen_s"] < now_s - USED_S:
        with door.writing() as connection:
            connection.execute(sa.update(session).where(session.c.id == row["id"]).values(seen_s=now_s))
    only = None if row["only"] is None else frozenset(orjson.loads(row["only"]))
    who = principal_of(door, str(row["principal"]), key=f"session:{row['id']}", only=only)
    return None if who is None else with_granted(who, orjson.loads(row["granted"]))


def with_granted(who: Principal, granted: Mapping[str, Any]) -> Principal:
    """A person with the roles that an OpenID provider says, too; a program gets none by that.

    Args:
        who: as known here.
        granted: ``roles``, and ``projects`` by name.
    """
    if who.agent or not granted:
        return who
    projects: dict[str, frozenset[Role]] = dict(who.projects)
    for name, roles in granted.get("projects", {}).items():
        projects[name] = projects.get(name, frozenset()) | frozenset(roles)
    return replace(who, roles=who.roles | (frozenset(granted.get("roles", ())) & LAB_ROLES), projects=projects)


def session_of(who: Principal) -> str:
    """Id of the session with which one asks; empty if it is a key."""
    kind, _, made = who.key.partition(":")
    return made if kind == "session" else ""


def listed(door: Door, who: str) -> list[dict[str, Any]]:
    """Sessions of a person that open something, the newest first."""
    now_s = time.time()
    rows = door.rows(sa.select(session).where(session.c.principal == who).order_by(session.c.created_s.desc()))
    shown = ("id", "how", "key", "created_s", "seen_s", "expires_s", "address", "browser")
    return [{name: row[name] for name in shown} for row in rows if _alive(row, now_s)]


def end(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> int:
    """End sessions; how many.

    Args:
        connection: in a transaction.
        which: conditions on the table.
    """
    open_ones = sa.update(session).where(session.c.revoked_s.is_(None), *which)
    return connection.execute(open_ones.values(revoked_s=time.time())).rowcount


def with_secret(secret: str) -> sa.ColumnElement[bool]:
    """The session that a cookie holds, as a condition."""
    return session.c.digest == _digest(secret)


def owner_of(door: Door, made: str) -> str:
    """Whose session has this id; empty if there is none that opens something."""
    rows = door.rows(sa.select(session).where(session.c.id == made))
    return str(rows[0]["principal"]) if rows and _alive(rows[0], time.time()) else ""


def invite(connection: sa.Connection, who: str, by: str, until_s: float) -> str:
    """Let a person set a password; the secret with which it is done, once. What was given before opens nothing more.

    Args:
        connection: in a transaction.
        who: id of the person.
        by: id of who invites.
        until_s: wall time until which it holds.

    Raises:
        ConfigError: there is no such person, or it is a program.
    """
    kind = sa.select(principal.c.kind).where(principal.c.id == who, principal.c.disabled_s.is_(None))
    found = connection.execute(kind).scalar()
    if found != "person":
        raise ConfigError(f"{who} is a program, and has keys" if found else f"there is no {who!r} who is let in")
    connection.execute(sa.delete(invitation).where(invitation.c.principal == who))
    secret = secrets.token_urlsafe(32)
    row = {"digest": _digest(secret), "principal": who, "made_by": by, "made_s": time.time(), "expires_s": until_s}
    connection.execute(sa.insert(invitation).values(**row))
    return secret


def invited(door: Door, secret: str) -> str:
    """Who was invited with a secret; empty if it opens nothing."""
    rows = door.rows(sa.select(invitation).where(invitation.c.digest == _digest(secret)))
    holds = rows and rows[0]["used_s"] is None and rows[0]["expires_s"] > time.time()
    return str(rows[0]["principal"]) if holds else ""


def accept(connection: sa.Connection, secret: str) -> bool:
    """Take an invitation; False if another did meanwhile."""
    mine = (invitation.c.digest == _digest(secret), invitation.c.used_s.is_(None))
    return connection.execute(sa.update(invitation).where(*mine).values(used_s=time.time())).rowcount == 1


def _alive(row: Row, now_s: float) -> bool:
    return row["revoked_s"] is None and row["expires_s"] > now_s and row["seen_s"] > now_s - IDLE_S


def _key_opens(door: Door, key: str, now_s: float) -> bool:
    rows = door.rows(sa.select(api_key.c.revoked_s, api_key.c.expires_s).where(api_key.c.id == key))
    return bool(rows) and rows[0]["revoked_s"] is None and (rows[0]["expires_s"] or now_s) >= now_s


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())
