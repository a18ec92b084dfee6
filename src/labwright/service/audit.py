"""The audit trail: who did or was refused what, when, and why; chained, so that what is changed later is seen.

Each row has the SHA-256 of its own fields and of the digest before it. A person who can write the database could remove
its end, or make a new chain; so its head is written elsewhere as well: into a file beside it, and into every export.
Tamper-evident, not tamper-proof.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from labwright._version import __version__
from labwright.model.errors import ConfigError
from labwright.model.rows import Row
from labwright.service.database import Door
from labwright.service.schema import audit

FIRST = "0" * 64
"""What the first row has as the digest before it."""

EXPORTS_MOST = 200
"""Exports that are listed where a class is tightened; the newest."""

CHUNK = 5000
"""Rows verified at a time."""


@dataclass(frozen=True)
class Entry:
    """What is recorded.

    Attributes:
        actor: id of who acts.
        action: what was to be done, as in `labwright.service.rights`.
        target: what it was done to, ``KIND/ID``.
        allowed: whether it was done; a refusal is recorded too.
        via: id of the key or session.
        before: what it was, where something has changed; JSON.
        after: what it is; JSON.
        because: the person's reason, or why it was refused.
        trace: of the HTTP request.
    """

    actor: str
    action: str
    target: str
    allowed: bool = True
    via: str = ""
    before: Any = None
    after: Any = None
    because: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Head:
    """The newest row.

    Attributes:
        seq: its number; 0 where there is none.
        digest: of it.
    """

    seq: int
    digest: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.digest}"


def append(connection: sa.Connection, entries: Iterable[Entry]) -> Head:
    """Record entries, in the transaction of what they are about.

    Returns:
        the head afterwards.
    """
    newest = connection.execute(sa.select(audit.c.seq, audit.c.digest).order_by(audit.c.seq.desc()).limit(1)).first()
    head = Head(newest.seq, newest.digest) if newest is not None else Head(0, FIRST)
    for entry in entries:
        row: dict[str, Any] = {
            "seq": head.seq + 1,
            "at_s": round(time.time(), 3),
            "actor": entry.actor,
            "via": entry.via,
            "action": entry.action,
            "target": entry.target,
            "allowed": entry.allowed,
            "before": _json(entry.before),
            "after": _json(entry.after),
            "because": entry.because,
            "trace": entry.trace,
            "version": __version__,
            "previous": head.digest,
        }
        head = Head(row["seq"], _digest(row))
        connection.execute(sa.insert(audit).values(**row, digest=head.digest))
    return head


def listed(door: Door, *, after: int = 0, most: int = 100, actor: str = "") -> list[Row]:
    """Rows of the trail, oldest first.

    Args:
        door: the service's database.
        after: only those with higher numbers.
        most: at most so many.
        actor: only this one's, if named.
    """
    query = sa.select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(most)
    return door.rows(query if not actor else query.where(audit.c.actor == actor))


def exports_of(connection: sa.Connection, targets: Collection[str]) -> list[Row]:
    """Who has taken data away, the newest first: copies that no class reaches any more.

    Args:
        connection: in a transaction.
        targets: ``request/R17`` for its bundle, ``data/CAMPAIGN`` for its table.
    """
    done = (audit.c.action == "data.export", audit.c.target.in_(targets), audit.c.allowed, audit.c.after == "")
    query = sa.select(audit).where(*done).order_by(audit.c.seq.desc()).limit(EXPORTS_MOST)
    return [
        {"at_s": row["at_s"], "by": row["actor"], "what": row["target"], "because": row["because"]}
        for row in connection.execute(query).mappings()
    ]


def head_of(door: Door) -> Head:
    """The newest row."""
    rows = door.rows(sa.select(audit.c.seq, audit.c.digest).order_by(audit.c.seq.desc()).limit(1))
    return Head(rows[0]["seq"], rows[0]["digest"]) if rows else Head(0, FIRST)


def verify(door: Door, anchors: Iterable[Head] = ()) -> list[str]:
    """What is wrong with the trail, in words; empty if nothing is.

    Args:
        door: the service's database.
        anchors: heads that were written elsewhere.
    """
    wrong: list[str] = []
    wanted: dict[int, set[str]] = {}
    for anchor in anchors:
        wanted.setdefault(anchor.seq, set()).add(anchor.digest)
    newest, before = 0, FIRST
    for row in _all(door):
        if row["seq"] != newest + 1:
            wrong.append(f"rows {newest + 1} to {row['seq'] - 1} are missing")
        if row["previous"] != before:
            wrong.append(f"row {row['seq']} does not follow the one before it: one was changed, removed or put in")
        if _digest({key: value for key, value in row.items() if key != "digest"}) != row["digest"]:
            wrong.append(f"row {row['seq']} was changed: its digest is not that of what it says")
        if wanted.get(row["seq"], {row["digest"]}) != {row["digest"]}:
            wrong.append(f"row {row['seq']} is another one than the anchor says: it is another trail")
        newest, before = row["seq"], row["digest"]
    if missing := sorted(seq for seq in wanted if seq > newest):
        wrong.append(f"the trail ends at row {newest}, and its anchor says {missing[-1]}: its end was removed")
    return wrong


def _all(door: Door) -> Iterator[Row]:
    after = -1  # a row 0 would be one that was put in
    while rows := door.rows(sa.select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(CHUNK)):
        yield from rows
        after = rows[-1]["seq"]


def anchor_file(data: Path) -> Path:
    """Where the heads of a data folder's trail are written as well."""
    return data / "audit-heads.txt"


def write_anchor(path: Path, head: Head) -> None:
    """Write a head into a file that is only ever added to."""
    with path.open("a", encoding="ascii") as file:
        file.write(f"{head}\n")
        file.flush()
        os.fsync(file.fileno())


def read_anchors(path: Path) -> list[Head]:
    """Heads that were written into a file; a line that a crash has left incomplete at its end is left out.

    Raises:
        ConfigError: it is not such a file.
    """
    found = []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        seq, _, digest = line.partition(":")
        if not seq.isdecimal() or len(digest) != len(FIRST):
            raise ConfigError(f"{path}:{number}: {line[:80]!r} is not NUMBER:DIGEST; it is no file of audit heads")
        found.append(Head(int(seq), digest))
    return found


def _json(value: Any) -> str:
    return "" if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _digest(row: dict[str, Any]) -> str:
    """SHA-256 of a row as canonical JSON; the digest before it is one of its fields."""
    return hashlib.sha256(
        orjson.dumps({**row, "allowed": bool(row["allowed"])}, option=orjson.OPT_SORT_KEYS)
    ).hexdigest()
