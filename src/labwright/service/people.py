"""People and programs, their roles, projects and keys.

A key is ``lw_ID_SECRET``, and is shown once. Of the secret only the SHA-256 is kept: it is 32 random bytes, which are
not guessed, so that a slow hash as for passwords would only cost time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import sqlalchemy as sa

from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.service.database import Door
from labwright.service.rights import ACTIONS, LAB_ROLES, ROLES, Action, Principal, Role
from labwright.service.schema import api_key, member, principal, project

NAME = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
"""Ids are plain: what looks alike and is not the same must not be mistaken for a person."""

ADDRESS_MOST = 254
"""Characters of a mail address (RFC 5321)."""

USED_S = 60.0
"""Wall seconds: so exact is kept when a key was used last."""

_KEY = re.compile(r"lw_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_ADDRESS = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*@{label}(\.{label})*".replace(
        "{label}", "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    ),
    re.ASCII,
)
_NO_DIGEST = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class NewKey:
    """A key that was just made.

    Attributes:
        id: by which it is listed and revoked.
        secret: the whole of it, as its owner sends it; kept nowhere.
    """

    id: str
    secret: str


def add_person(
    connection: sa.Connection,
    name: str,
    *,
    roles: Collection[Role] = (),
    kind: Literal["person", "agent", "service"] = "person",
    shown: str = "",
    email: str = "",
    groups: Collection[str] = (),
) -> None:
    """Let a person, or a program, in.

    Args:
        connection: in a transaction.
        name: the id.
        roles: in the whole lab.
        kind: of principal.
        shown: the name to show.
        email: where to write to.
        groups: that data may be shared with.

    Raises:
        ConfigError: the id or the mail address is none, or a role does not count in the whole lab.
        RefusedError: there is such a one.
    """
    _check_name(name)
    if email and not is_address(email):
        raise ConfigError(
            f"{email[:80]!r} is no mail address that can be written to: give one, as in ada@example.org, of at most "
            f"{ADDRESS_MOST} ASCII characters, without a name and without quotes"
        )
    for role in roles:
        if role not in LAB_ROLES:
            raise ConfigError(
                f"role {role!r} is one of a project; in the whole lab there are {', '.join(sorted(LAB_ROLES))}"
            )
    if kind == "agent" and roles:
        raise ConfigError(f"{name} is a program: it has no role in the whole lab, and {', '.join(roles)} was given")
    if connection.execute(sa.select(principal.c.id).where(principal.c.id == name)).first() is not None:
        raise RefusedError(f"there is a {name!r} already; nothing was changed")
    row = {"id": name, "kind": kind, "name": shown, "email": email, "created_s": time.time()}
    row |= {"roles": _listed(roles), "groups": _listed(groups)}
    connection.execute(sa.insert(principal).values(**row))


def is_address(text: str) -> bool:
    """Whether a text is exactly one mail address, plain enough for every mail server.

    Args:
        text: to be looked at.
    """
    local, _, _ = text.partition("@")
    return len(text) <= ADDRESS_MOST and len(local) <= 64 and _ADDRESS.fullmatch(text) is not None


def set_roles(connection: sa.Connection, name: str, roles: Collection[Role]) -> None:
    """Give a person other roles in the whole lab.

    Raises:
        ConfigError: there is no such one, or a role does not count in the whole lab.
        RefusedError: the lab would have no admin any more.
    """
    for role in roles:
        if role not in LAB_ROLES:
            raise ConfigError(unknown("role", role, sorted(LAB_ROLES)))
    kind = connection.execute(sa.select(principal.c.kind).where(principal.c.id == name)).scalar()
    if kind == "agent" and roles:
        raise ConfigError(f"{name} is a program: it has no role in the whole lab, and {', '.join(roles)} was given")
    changed = connection.execute(sa.update(principal).where(principal.c.id == name).values(roles=_listed(roles)))
    if changed.rowcount != 1:
        raise ConfigError(f"there is no {name!r}")
    _refuse_no_admin(connection)


def disable(connection: sa.Connection, name: str) -> None:
    """Let a person in no more; what that person asked for and what was approved stays.

    Raises:
        ConfigError: there is no such one.
        RefusedError: the lab would have no admin any more.
    """
    row = sa.update(principal).where(principal.c.id == name, principal.c.disabled_s.is_(None))
    if connection.execute(row.values(disabled_s=time.time())).rowcount != 1:
        raise ConfigError(f"there is no {name!r} who is let in")
    _refuse_no_admin(connection)


def add_project(connection: sa.Connection, name: str, title: str) -> None:
    """Begin a project.

    Raises:
        ConfigError: the id is none.
        RefusedError: there is such a one.
    """
    _check_name(name)
    if connection.execute(sa.select(project.c.id).where(project.c.id == name)).first() is not None:
        raise RefusedError(f"there is a project {name!r} already; nothing was changed")
    connection.execute(sa.insert(project).values(id=name, title=title, created_s=time.time()))


def join(connection: sa.Connection, name: str, who: str, role: Role, until_s: float | None = None) -> None:
    """Give a person or a program a role in a project.

    Args:
        connection: in a transaction.
        name: of the project.
        who: id of the person or program.
        role: there.
        until_s: wall time at which it ends.

    Raises:
        ConfigError: there is no such project, person or role; or a program would decide.
    """
    if role not in ROLES or role in ("guest", "service"):
        raise ConfigError(unknown("role", role, [one for one in ROLES if one not in ("guest", "service")]))
    if connection.execute(sa.select(project.c.id).where(project.c.id == name)).first() is None:
        raise ConfigError(f"there is no project {name!r}")
    kind = connection.execute(sa.select(principal.c.kind).where(principal.c.id == who)).scalar()
    if kind is None:
        raise ConfigError(f"there is no {who!r}")
    if (kind == "agent") != (role == "agent"):
        raise ConfigError(
            f"{who} is {'a program' if kind == 'agent' else 'no program'}: it cannot be {role} of a project"
        )
    mine = (member.c.project == name, member.c.principal == who, member.c.role == role)
    connection.execute(sa.delete(member).where(*mine))
    connection.execute(sa.insert(member).values(project=name, principal=who, role=role, until_s=until_s))


def leave(connection: sa.Connection, name: str, who: str) -> None:
    """Take all roles in a project from a person or a program.

    Raises:
        ConfigError: there is no such project.
    """
    if connection.execute(sa.select(project.c.id).where(project.c.id == name)).first() is None:
        raise ConfigError(f"there is no project {name!r}")
    connection.execute(sa.delete(member).where(member.c.project == name, member.c.principal == who))


def make_key(
    connection: sa.Connection,
    who: str,
    name: str,
    *,
    only: Collection[Action] | None = None,
    expires_s: float | None = None,
) -> NewKey:
    """Make a key for a person or a program.

    Args:
        connection: in a transaction.
        who: whose.
        name: what it is for, in words.
        only: the actions that it allows; all that its owner may do if None.
        expires_s: wall time from which on it opens nothing; never if None.

    Raises:
        ConfigError: there is no such person, or no such action.
    """
    if connection.execute(sa.select(principal.c.id).where(principal.c.id == who)).first() is None:
        raise ConfigError(f"there is no {who!r}")
    for action in only or ():
        if action not in ACTIONS:
            raise ConfigError(unknown("action", action, list(ACTIONS)))
    made = secrets.token_hex(4)
    secret = secrets.token_urlsafe(32)
    row = {"id": made, "digest": _digest(secret), "principal": who, "name": name, "created_s": time.time()}
    row |= {"expires_s": expires_s, "only": None if only is None else _listed(only)}
    connection.execute(sa.insert(api_key).values(**row))
    return NewKey(made, f"lw_{made}_{secret}")


def revoke(connection: sa.Connection, key: str) -> str:
    """Let a key open nothing from now on; whose it was.

    Raises:
        ConfigError: there is no such key, or it was revoked before.
    """
    row = connection.execute(sa.select(api_key.c.principal, api_key.c.revoked_s).where(api_key.c.id == key)).first()
    if row is None or row.revoked_s is not None:
        raise ConfigError(f"there is no key {key!r} that opens anything")
    connection.execute(sa.update(api_key).where(api_key.c.id == key).values(revoked_s=time.time()))
    return str(row.principal)


def first_admin(connection: sa.Connection) -> NewKey | None:
    """A key for the first admin; None where people are known already."""
    if connection.execute(sa.select(principal.c.id).limit(1)).first() is not None:
        return None
    roles: tuple[Role, ...] = ("admin",)
    add_person(connection, "admin", roles=roles, shown="first admin")
    return make_key(connection, "admin", "made at the first start")


def who_has(door: Door, secret: str) -> Principal | None:
    """Whose key it is; None if it opens nothing. It takes as long whether its id is known or not."""
    parts = _KEY.fullmatch(secret)
    known = door.rows(sa.select(api_key).where(api_key.c.id == (parts[1] if parts else "")))
    row = known[0] if known else None
    right = hmac.compare_digest(_digest(parts[2] if parts else ""), str(row["digest"]) if row else _NO_DIGEST)
    now_s = time.time()
    if row is None or not right or row["revoked_s"] is not None or (row["expires_s"] or now_s) < now_s:
        return None
    if (row["used_s"] or 0.0) < now_s - USED_S:
        with door.writing() as connection:
            connection.execute(sa.update(api_key).where(api_key.c.id == row["id"]).values(used_s=now_s))
    only = None if row["only"] is None else frozenset(orjson.loads(row["only"]))
    return principal_of(door, str(row["principal"]), key=str(row["id"]), only=only)


def principal_of(door: Door, name: str, *, key: str = "", only: frozenset[Action] | None = None) -> Principal | None:
    """A person or a program with all roles that count now; None if that one is not let in.

    Args:
        door: the service's database.
        name: the id.
        key: of the key or session that was shown.
        only: the actions that it allows.
    """
    rows = door.rows(sa.select(principal).where(principal.c.id == name, principal.c.disabled_s.is_(None)))
    if not rows:
        return None
    return _principal(rows[0], door.rows(sa.select(member).where(member.c.principal == name)), key, only)


def all_let_in(connection: sa.Connection) -> dict[str, Principal]:
    """All people and programs that are let in, by id, with all roles that count now; in two queries.

    Args:
        connection: in a transaction.
    """
    members: dict[str, list[Mapping[str, Any]]] = {}
    for one in connection.execute(sa.select(member)).mappings():
        members.setdefault(one["principal"], []).append(dict(one))
    rows = connection.execute(sa.select(principal).where(principal.c.disabled_s.is_(None))).mappings()
    return {row["id"]: _principal(dict(row), members.get(row["id"], ())) for row in rows}


def _principal(
    row: Mapping[str, Any], members: Iterable[Mapping[str, Any]], key: str = "", only: frozenset[Action] | None = None
) -> Principal:
    now_s = time.time()
    projects: dict[str, frozenset[Role]] = {}
    for one in members:
        if one["until_s"] is None or one["until_s"] > now_s:
            projects[one["project"]] = projects.get(one["project"], frozenset()) | {one["role"]}
    return Principal(
        id=str(row["id"]),
        name=str(row["name"]),
        agent=row["kind"] == "agent",
        roles=frozenset(orjson.loads(row["roles"])),
        projects=projects,
        groups=frozenset(orjson.loads(row["groups"])),
        only=only,
        key=key,
    )


def _refuse_no_admin(connection: sa.Connection) -> None:
    left = connection.execute(sa.select(principal.c.roles).where(principal.c.disabled_s.is_(None))).scalars()
    if not any("admin" in orjson.loads(roles) for roles in left):
        raise RefusedError("the lab would have no admin any more; nothing was changed. Name another admin first")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{name[:80]!r} is no id: it begins with a letter a to z, then come letters, digits, '_', '.' and '-', "
            "at most 63 characters"
        )


def _listed(words: Collection[str]) -> str:
    return orjson.dumps(sorted(words)).decode()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
