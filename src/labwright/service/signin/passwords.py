"""Passwords: set by their owners, kept as Argon2id, and never guessed at speed."""

from __future__ import annotations

import functools
import time
import unicodedata

import anyio
import anyio.to_thread
import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from labwright.model.errors import ConfigError
from labwright.service.database import Door
from labwright.service.schema import password

LEAST = 12
"""Characters of a password; without rules of composition, as NIST SP 800-63B has it."""

MOST = 200
"""The same, at most: whole sentences fit."""

_WORST = frozenset(
    "123456789012 1234567890123 qwertyuiop12 qwertyuiopas password1234 passwordpassword password12345 "
    "administrator adminadminadmin letmeinletmein iloveyouiloveyou changemechangeme welcome12345 laboratory123 "
    "labwrightlabwright labwright1234 correcthorsebatterystaple abcdefghijkl abc123abc123 qwerty123456 1q2w3e4r5t6y "
    "111111111111 000000000000 q1w2e3r4t5y6 passw0rd1234 p@ssw0rd1234 zaq12wsxcde3 123qweasdzxc".split()
)
"""Those of this length that are tried first everywhere."""

_HASHER = PasswordHasher(time_cost=4, memory_cost=9_216, parallelism=1)
"""9 MiB and four passes, which OWASP's cheat sheet lists as no weaker than 19 MiB and two: the process keeps what one
hash has taken, and the 64 MiB of RFC 9106 are a quarter of all that a served lab may take."""

_AT_A_TIME = anyio.CapacityLimiter(1)
"""One hash at a time, in line on the loop: neither memory nor threads that others need are taken by those who wait."""


def check_new(chosen: str, who: str) -> str:
    """A password that may be set, in the form in which it is hashed.

    Args:
        chosen: by its owner.
        who: the owner's id.

    Raises:
        ConfigError: it is too short or too long, or is among the first that are tried.
    """
    plain = _plain(chosen)
    if not LEAST <= len(plain) <= MOST:
        raise ConfigError(f"a password has {LEAST} to {MOST} characters, and this one has {len(plain)}")
    low = plain.casefold()
    if low in _WORST or len(set(low)) < 4 or low.replace(who, "").strip("0123456789!.-_ ") == "":
        raise ConfigError(
            "this password is among the first that are tried: take a few words that do not belong together"
        )
    return plain


async def hashed(chosen: str, who: str) -> str:
    """A new password in the form that is kept.

    Raises:
        ConfigError: it may not be set.
    """
    return await anyio.to_thread.run_sync(_HASHER.hash, check_new(chosen, who), limiter=_AT_A_TIME)


async def right(door: Door, who: str, shown: str) -> bool:
    """Whether it is a person's password; takes as long where there is no such person, or no password.

    Args:
        door: the service's database.
        who: id of the person, as it was typed.
        shown: what was typed.
    """
    rows = await anyio.to_thread.run_sync(door.rows, sa.select(password.c.hash).where(password.c.principal == who))
    none = await anyio.to_thread.run_sync(_none, limiter=_AT_A_TIME)
    kept = str(rows[0]["hash"]) if rows else none
    return await anyio.to_thread.run_sync(_same, kept, _plain(shown)[:MOST], limiter=_AT_A_TIME) and bool(rows)


def has_one(door: Door, who: str) -> bool:
    """Whether a person has a password."""
    return bool(door.rows(sa.select(password.c.set_s).where(password.c.principal == who)))


def keep(connection: sa.Connection, who: str, kept: str) -> None:
    """Let a person have this password, and no other.

    Args:
        connection: in a transaction.
        who: id of the person.
        kept: as `hashed` makes it.
    """
    connection.execute(sa.delete(password).where(password.c.principal == who))
    connection.execute(sa.insert(password).values(principal=who, hash=kept, set_s=time.time()))


@functools.cache
def _none() -> str:
    """What is compared where there is nothing to compare, so that it takes as long."""
    return _HASHER.hash("no person has this password")


def _same(kept: str, shown: str) -> bool:
    try:
        return _HASHER.verify(kept, shown)
    except (VerificationError, InvalidHashError):
        return False


def _plain(typed: str) -> str:
    """One form for what keyboards send in several (NFKC)."""
    return unicodedata.normalize("NFKC", typed)
