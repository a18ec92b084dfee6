"""Links to what was found, for those without a key: until they expire, are withdrawn, or their maker may no more.

No record has the secret in a link.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from labwright.service.schema import delivery

MOST = 200
"""Links that are listed; the newest."""


def make_link(connection: sa.Connection, number: int, by: str, until_s: float) -> str:
    """The secret of a new link to a request's bundle.

    Args:
        connection: in a transaction.
        number: of the request.
        by: who makes it.
        until_s: wall time until which it works.
    """
    secret = secrets.token_urlsafe(32)
    values = {"digest": _digest(secret), "request": number, "made_by": by, "made_s": time.time(), "expires_s": until_s}
    connection.execute(sa.insert(delivery).values(**values))
    return secret


def link_of(connection: sa.Connection, secret: str) -> Mapping[str, Any] | None:
    """The link that has a secret; None if there is none, or it works no longer."""
    mine = (delivery.c.digest == _digest(secret), *_works())
    found = connection.execute(sa.select(delivery).where(*mine)).mappings().first()
    return None if found is None else dict(found)


def count_fetched(connection: sa.Connection, link: Mapping[str, Any]) -> bool:
    """Count a link as followed; whether it still works.

    Args:
        connection: in a transaction.
        link: as `link_of` gave it.
    """
    mine = (delivery.c.digest == link["digest"], *_works())
    counted = connection.execute(sa.update(delivery).where(*mine).values(fetched=delivery.c.fetched + 1))
    return counted.rowcount == 1


def withdraw_links(connection: sa.Connection, number: int) -> int:
    """Let no link to a request's bundle work from now on; how many did until now."""
    mine = (delivery.c.request == number, *_works())
    return connection.execute(sa.update(delivery).where(*mine).values(revoked_s=time.time())).rowcount


def links_of(connection: sa.Connection, number: int) -> list[dict[str, Any]]:
    """Links to a request's bundle, the newest first, without what is in them."""
    mine = sa.select(delivery).where(delivery.c.request == number).order_by(delivery.c.made_s.desc()).limit(MOST)
    now_s = time.time()
    return [
        {
            **{key: row[key] for key in ("made_by", "made_s", "expires_s", "fetched", "revoked_s")},
            "over": row["revoked_s"] is not None or row["expires_s"] <= now_s,
        }
        for row in connection.execute(mine).mappings()
    ]


def _works() -> tuple[sa.ColumnElement[bool], ...]:
    return delivery.c.revoked_s.is_(None), delivery.c.expires_s > time.time()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
