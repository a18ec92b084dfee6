"""A stop that stays: set by a controller, found by every later one, reset only by a named person with a reason."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from labwright.journal import schema
from labwright.journal.journal import Journal, journal_file
from labwright.journal.writer import Work
from labwright.model.errors import RefusedError

LAB = "lab"
"""The scope of a stop that holds for the whole lab."""


@dataclass(frozen=True)
class Latch:
    """A stop that was not reset yet.

    Attributes:
        id: its number in the journal.
        scope: what is stopped; the whole lab is ``lab``.
        instruments: on which instruments: ``real``, ``here`` (simulated in the controller's process), or the file that
            `labwright simulate` wrote.
        campaign: that was stopped.
        by: who stopped it.
        because: why.
        set_s: when, seconds since the epoch.
    """

    id: int
    scope: str
    instruments: str
    campaign: str
    by: str
    because: str
    set_s: float


def open_latches(journal: Journal, instruments: str | None = None) -> list[Latch]:
    """Stops that are not reset, oldest first; of these instruments, or of all."""
    table = schema.latch
    where: list[sa.ColumnElement[bool]] = [table.c.reset_s.is_(None)]
    if instruments is not None:
        where.append(table.c.instruments == instruments)
    names = Latch.__dataclass_fields__
    return [Latch(**{name: row[name] for name in names}) for row in journal.rows(table, *where, order=table.c.id)]


def latch_of(journal: Journal, campaign: str) -> Latch | None:
    """The newest stop of a campaign, reset or not; None if it was never stopped."""
    table, names = schema.latch, Latch.__dataclass_fields__
    rows = journal.rows(table, table.c.campaign == campaign, order=table.c.id)
    return Latch(**{name: rows[-1][name] for name in names}) if rows else None


def latching(instruments: str, campaign: str, by: str, because: str) -> Work:
    """For a transaction of the controller: set the latch, unless these instruments are latched already."""
    table, set_s = schema.latch, time.time()
    row = {
        "scope": LAB,
        "instruments": instruments,
        "campaign": campaign,
        "by": by,
        "because": because,
        "set_s": set_s,
    }
    known = sa.select(table.c.id).where(table.c.instruments == instruments, table.c.reset_s.is_(None)).limit(1)

    def work(connection: sa.Connection) -> None:
        if connection.execute(known).scalar() is None:
            connection.execute(sa.insert(table).values(**row))

    return work


def reset_latch(journal: Journal, latch: Latch, *, by: str, because: str) -> None:
    """Record that a person lets the instruments move again.

    Raises:
        RefusedError: another person has reset it meanwhile.
        JournalError: the journal refuses.
    """
    table = schema.latch
    statement = (
        sa.update(table)
        .where(table.c.id == latch.id, table.c.reset_s.is_(None))
        .values(reset_by=by, reset_because=because, reset_s=time.time())
    )
    if journal.write_alone(lambda connection: connection.execute(statement).rowcount) != 1:
        raise RefusedError(f"the stop of {latch.campaign} was reset by another person meanwhile; nothing was changed")


def stopped_words(latch: Latch) -> str:
    """Who stopped what, when and why."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(latch.set_s))
    campaign = f" during campaign {latch.campaign}" if latch.campaign else ""
    by = latch.by or "the controller"
    return f"{instruments_words(latch.instruments)} were stopped by {by} at {when} UTC{campaign}: {latch.because}"


def instruments_words(instruments: str) -> str:
    """Which instruments, for a person."""
    named = {"real": "the real instruments", "here": "the simulated instruments of this journal"}
    return named.get(instruments, f"the simulated instruments of {instruments}")


def reset_command(journal: Journal, instruments: str) -> str:
    """What to type to reset the stop of these instruments, from whatever folder."""
    others = any(one.instruments != instruments for one in open_latches(journal))
    which = f" --instruments {shlex.quote(instruments)}" if others else ""
    return f"labwright reset {place_option(journal)}{which} --by NAME --reason TEXT"


def place_option(journal: Journal) -> str:
    """The option that names this journal on a command line, from whatever folder."""
    place = Path(journal.name)
    if "://" in journal.name:
        return f"--journal {shlex.quote(journal.name)}"
    if place == journal_file(place.parent):
        return f"--data {shlex.quote(str(place.parent.absolute()))}"
    return f"--journal {shlex.quote(f'sqlite:///{place.absolute()}')}"
