"""A stop that stays: set by a controller, found by every later one, reset only by a named person with a reason."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from labwright.journal import schema
from labwright.journal.journal import Journal, journal_file
from labwright.journal.writer import Work
from labwright.model.errors import RefusedError
from labwright.model.instruments import HERE, REAL
from labwright.model.latch import WHOLE_LAB, LatchScope

_STOPS_A_CAMPAIGN = ("lab", "campaign")
"""Kinds of stops after which the campaign that they name does not continue; of others only some steps wait."""


@dataclass(frozen=True)
class Latch:
    """A stop that was not reset yet.

    Attributes:
        id: its number in the journal.
        scope: what is stopped.
        instruments: on which instruments: ``real``, ``here`` (simulated in the controller's process), or the file that
            `labwright simulate` wrote.
        campaign: that was stopped, or during which its station or lab was; may be empty.
        by: who stopped it.
        because: why.
        set_s: when, seconds since the epoch.
    """

    id: int
    scope: LatchScope
    instruments: str
    campaign: str
    by: str
    because: str
    set_s: float


def open_latches(journal: Journal, instruments: str | None = None) -> list[Latch]:
    """Stops that are not reset, of all scopes, oldest first; of these instruments, or of all."""
    table = schema.latch
    where: list[sa.ColumnElement[bool]] = [table.c.reset_s.is_(None)]
    if instruments is not None:
        where.append(table.c.instruments == instruments)
    return [_latch(row) for row in journal.rows(table, *where, order=table.c.id)]


def latch_of(journal: Journal, campaign: str) -> Latch | None:
    """The newest stop of a campaign, or of the lab while its controller ran, reset or not; None if there was none.

    What was stopped before the campaign was extended does not count: it was over then, or went on.
    """
    table, epoch, event = schema.latch, schema.epoch, schema.event
    own = sa.and_(table.c.campaign == campaign, table.c.scope.in_(_STOPS_A_CAMPAIGN))
    # A stop of the lab names one campaign, and ends all that its controller carried out.
    then = sa.select(sa.func.max(epoch.c.id)).where(
        epoch.c.instruments == table.c.instruments, epoch.c.began_s <= table.c.set_s
    )
    here = sa.select(event.c.id).where(
        event.c.campaign == campaign, event.c.epoch == then.scalar_subquery(), event.c.wall_time_s <= table.c.set_s
    )
    of_all = sa.and_(table.c.scope == WHOLE_LAB.kind, here.exists())
    extended = sa.select(sa.func.max(event.c.wall_time_s)).where(
        event.c.campaign == campaign, event.c.kind == "extended"
    )
    since = table.c.set_s > sa.func.coalesce(extended.scalar_subquery(), 0.0)
    rows = journal.rows(table, sa.or_(own, of_all), since, order=table.c.id)
    return _latch(rows[-1]) if rows else None


def _latch(row: Mapping[str, Any]) -> Latch:
    own = row["campaign"] if row["scope"] in ("campaign", "sample") else ""
    scope = LatchScope(row["scope"], station=row["station"], campaign=own, label=row["label"])
    names = [name for name in Latch.__dataclass_fields__ if name != "scope"]
    return Latch(scope=scope, **{name: row[name] for name in names})


def latching(instruments: str, campaign: str, by: str, because: str, scope: LatchScope = WHOLE_LAB) -> Work:
    """For a transaction of the controller: set the latch, unless this scope of these instruments is latched already."""
    table, set_s = schema.latch, time.time()
    key = {"scope": scope.kind, "instruments": instruments, "station": scope.station, "label": scope.label}
    if scope.campaign:
        key["campaign"] = scope.campaign
    row = {"campaign": campaign, **key, "by": by, "because": because, "set_s": set_s}
    same = [table.c[name] == value for name, value in key.items()]
    known = sa.select(table.c.id).where(*same, table.c.reset_s.is_(None)).limit(1)

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
        raise RefusedError(
            f"the stop of {latch.scope.words} was reset by another person meanwhile; nothing was changed"
        )


def stopped_words(latch: Latch) -> str:
    """Who stopped what, when and why."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(latch.set_s))
    by, instruments = latch.by or "the controller", instruments_words(latch.instruments)
    stopped = f"{instruments} were" if latch.scope == WHOLE_LAB else f"{latch.scope.words}, on {instruments}, was"
    campaign = f" during campaign {latch.campaign}" if latch.campaign and not latch.scope.campaign else ""
    return f"{stopped} stopped by {by} at {when} UTC{campaign}: {latch.because}"


def waiting_words(journal: Journal, latch: Latch) -> str:
    """What a stop that holds keeps from starting, and the command that resets it."""
    return waiting_in_words(latch, open_latches(journal), place_option(journal))


def waiting_in_words(latch: Latch, known: Sequence[Latch], option: str) -> str:
    """The same, where no journal is at hand.

    Args:
        latch: the stop.
        known: all that hold.
        option: that names the place on a command line.
    """
    waits = {
        "lab": "Nothing starts on them",
        "station": "No step starts there",
        "campaign": "None of its steps starts",
        "sample": "None of its steps starts",
    }[latch.scope.kind]
    return f"{stopped_words(latch)}. {waits} until: {reset_typed(known, option, latch.instruments, latch.scope)}"


def instruments_words(instruments: str) -> str:
    """Which instruments, for a person."""
    named = {REAL: "the real instruments", HERE: "the simulated instruments of this lab"}
    return named.get(instruments, f"the simulated instruments of {instruments}")


def reset_command(journal: Journal, instruments: str, scope: LatchScope = WHOLE_LAB) -> str:
    """What to type to reset a stop of these instruments, from whatever folder."""
    return reset_typed(open_latches(journal), place_option(journal), instruments, scope)


def reset_typed(known: Sequence[Latch], option: str, instruments: str, scope: LatchScope = WHOLE_LAB) -> str:
    """The same, where no journal is at hand.

    Args:
        known: all stops that hold.
        option: that names the place on a command line.
        instruments: that were stopped.
        scope: of the stop.
    """
    others = any(one.instruments != instruments for one in known)
    which = f" --instruments {shlex.quote(instruments)}" if others else ""
    what = {
        "lab": "",
        "station": f" --station {shlex.quote(scope.station)}",
        "campaign": f" --campaign {shlex.quote(scope.campaign)}",
        "sample": f" --sample {shlex.quote(f'{scope.campaign}/{scope.label}')}",
    }[scope.kind]
    return f"labwright reset {option}{what}{which} --by NAME --reason TEXT"


def place_option(journal: Journal) -> str:
    """The option that names this journal on a command line, from whatever folder."""
    place = Path(journal.name)
    if "://" in journal.name:
        return f"--journal {shlex.quote(journal.name)}"
    if place == journal_file(place.parent):
        return f"--data {shlex.quote(str(place.parent.absolute()))}"
    return f"--journal {shlex.quote(f'sqlite:///{place.absolute()}')}"
