"""Who a person of an OpenID provider is here.

A person is known by issuer and subject, which are never given to another; the id is only what it is called here. So one
who is later given a name that another had is not that other.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from labwright.service.audit import Entry, append
from labwright.service.database import Door
from labwright.service.people import NAME, add_person, is_address, principal_of
from labwright.service.problems import Problem
from labwright.service.rights import Principal
from labwright.service.schema import identity, principal
from labwright.service.signin.issuer import Issuer
from labwright.service.signin.provider import Provider
from labwright.service.signin.sessions import with_granted

SUBJECT_MOST = 200
"""Characters of a subject; OpenID Connect allows 255 bytes, and those in use have 36."""


def person_of(door: Door, provider: Provider, claims: Mapping[str, Any]) -> Principal:
    """The person whom claims are about; at the first time that person becomes known here.

    Args:
        door: the service's database.
        provider: that says so.
        claims: of a token that was found true.

    Returns:
        with the roles that groups give now.

    Raises:
        Problem: it is no person, has no id that can be one here, is another's, or is let in no more.
    """
    subject = str(claims["sub"])
    known = door.rows(sa.select(identity.c.principal).where(*_this(provider, subject)))
    name = str(known[0]["principal"]) if known else _welcome(door, provider, subject, claims)
    who = principal_of(door, name, key=f"oidc:{name}")
    if who is None:
        raise Problem("unauthenticated", "this person is let in no more")
    return with_granted(who, provider.granted(claims.get(provider.groups_claim)))


def token_holder(issuer: Issuer, door: Door, token: str) -> Principal | None:
    """Whose token it is; None where tokens are not taken, or it opens nothing.

    Args:
        issuer: the lab's OpenID provider.
        door: the service's database.
        token: that was sent as a key.

    Raises:
        Problem: its provider cannot be asked; or its person is none who is let in, and why.
    """
    if not issuer.provider.audience:
        return None
    try:
        claims = issuer.claims(token, issuer.provider.audience)
    except Problem as problem:
        if problem.code == "unauthenticated":
            return None
        raise
    return person_of(door, issuer.provider, claims)


def _welcome(door: Door, provider: Provider, subject: str, claims: Mapping[str, Any]) -> str:
    """Let a person in for the first time; the id.

    Raises:
        Problem: as `person_of`.
    """
    name = str(claims.get(provider.person, "")).lower()
    if len(subject) > SUBJECT_MOST or not NAME.fullmatch(name):
        raise Problem(
            "forbidden",
            f"{provider.person} is {name[:80]!r}: no id that a person can have here (letters, digits, '_', '.', '-'). "
            "A program has a key instead",
        )
    with door.writing() as connection:
        again = connection.execute(sa.select(identity.c.principal).where(*_this(provider, subject))).scalar()
        if again is not None:  # another request was first
            return str(again)
        kind = connection.execute(sa.select(principal.c.kind).where(principal.c.id == name)).scalar()
        taken = sa.select(identity.c.subject).where(identity.c.principal == name)
        if kind is not None and (
            kind != "person" or not provider.link_known or connection.execute(taken).first() is not None
        ):
            raise Problem("forbidden", f"{name} is known here already, and not as this person of the OpenID provider")
        if kind is None:
            email = str(claims.get("email", "")) if claims.get("email_verified") is True else ""
            email = email if is_address(email) else ""  # a person without mail is better than one who is kept out
            add_person(connection, name, shown=str(claims.get("name", ""))[:200], email=email)
        row = {"issuer": provider.issuer, "subject": subject, "principal": name, "made_s": time.time()}
        connection.execute(sa.insert(identity).values(**row))
        append(connection, [Entry(name, "person.linked", f"person/{name}", via="oidc", after=row)])
    return name


def _this(provider: Provider, subject: str) -> tuple[sa.ColumnElement[bool], ...]:
    return identity.c.issuer == provider.issuer, identity.c.subject == subject
