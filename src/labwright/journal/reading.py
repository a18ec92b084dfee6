"""What commands and programs ask the journal's tables: campaigns, the controller, questions.

Nothing here writes or locks; a journal of `Journal.reading` waits for no writer either.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from labwright.journal import schema
from labwright.journal.journal import Journal, LoggedEvent
from labwright.model.by_hand import BY_HAND
from labwright.model.errors import ConfigError, unknown
from labwright.model.figures import when
from labwright.model.states import OVER

if TYPE_CHECKING:
    from labwright.model.space import Space

FOLLOWED_S = 0.1
"""Wall seconds between two looks for new events."""

NAMED = 5
"""Ids that are named where a wrong one was given; there may be hundreds."""


@dataclass(frozen=True)
class Controller:
    """The process that runs the lab, if one does.

    Attributes:
        campaigns: that it carries out or has carried out; none while it has just started, or if none runs.
        under_way: those of them that are not over.
        who: process, machine, person, since when; empty if none runs.
    """

    campaigns: frozenset[str] = frozenset()
    under_way: frozenset[str] = frozenset()
    who: str = ""

    @property
    def runs(self) -> bool:
        """Whether a controller runs."""
        return bool(self.who)

    def may_run(self, campaign: str) -> bool:
        """Whether it runs a campaign that is not over, or may be about to."""
        return self.runs and (not self.campaigns or campaign in self.campaigns)


def controller(journal: Journal) -> Controller:
    """The controller of a journal, and what it works on."""
    if not journal.controlled():
        return Controller()
    newest = journal.controller()
    if newest is None:  # it has the lock, and will write its name next
        return Controller(who="a process that has just started")
    event, campaign = schema.event, schema.campaign
    last = (
        sa.select(event.c.epoch)
        .where(event.c.campaign == campaign.c.id, schema.at_work)
        .order_by(event.c.id.desc())
        .limit(1)
    )
    rows = journal.read(sa.select(campaign.c.id, campaign.c.state).where(last.scalar_subquery() == newest["id"]))
    began = when(newest["began_s"])
    who = f"process {newest['pid']} on {newest['host']}, by {newest['by']}, since {began} UTC"
    under_way = frozenset(str(row["id"]) for row in rows if row["state"] not in OVER)
    return Controller(frozenset(str(row["id"]) for row in rows), under_way, who)


def campaign_rows(journal: Journal) -> list[dict[str, Any]]:
    """All campaigns, the one in which something has happened last at the end.

    With ``first_event`` and its wall time (``wall_began_s``), and ``last_event``.
    """
    event, campaign = schema.event, schema.campaign
    mine = event.c.campaign == campaign.c.id
    # By the index: of a year's events only the first and the last of each campaign are read.
    began = sa.select(event.c.wall_time_s).where(mine).order_by(event.c.id).limit(1).scalar_subquery()
    first = sa.select(event.c.id).where(mine).order_by(event.c.id).limit(1).scalar_subquery()
    last = sa.select(event.c.id).where(mine, schema.at_work).order_by(event.c.id.desc()).limit(1).scalar_subquery()
    query = sa.select(campaign, began.label("wall_began_s"), first.label("first_event"), last.label("last_event"))
    rows = [dict(row) for row in journal.read(query) if row["last_event"] is not None]
    return sorted(rows, key=lambda row: int(row["last_event"]))


def listed_rows(journal: Journal, name: str = "") -> list[dict[str, Any]]:
    """Campaigns in the order in which they began, which stays whatever happens to them.

    Args:
        journal: opened to be read.
        name: of the campaigns, or the id of the one, that are wanted; all if empty, but for what people have done by
            hand: each of that is a campaign too.
    """
    rows = campaign_rows(journal)
    wanted = [row for row in rows if (name in (row["id"], row["name"]) if name else row["name"] != BY_HAND)]
    return sorted(wanted, key=lambda row: int(row["first_event"]))


def choose(journal: Journal, name: str) -> dict[str, Any]:
    """The campaign that is meant: by id, the newest of a name, or the newest of all.

    Raises:
        ConfigError: there is none.
    """
    rows = campaign_rows(journal)
    fitting = [row for row in rows if name in (row["id"], row["name"]) or (not name and row["name"] != BY_HAND)]
    if fitting:
        return fitting[-1]
    if not rows:
        raise ConfigError(f"the journal {journal.name} holds no campaign; run one first (labwright campaign run)")
    known = [*dict.fromkeys(row["name"] for row in rows), *(row["id"] for row in rows[-NAMED:])]
    raise ConfigError(f"{journal.name}: {unknown('campaign', name, known)}")


def spec_of(journal: Journal, campaign: str) -> dict[str, Any]:
    """What a campaign carries out, as it was started."""
    table = schema.campaign_spec
    found: dict[str, Any] = orjson.loads(journal.rows(table, table.c.campaign == campaign)[0]["spec"])
    return found


def is_paused(row: Mapping[str, Any]) -> bool:
    """Whether a campaign is paused, whatever else it does."""
    return str(row["state"]).endswith("paused")


def questions_of(journal: Journal, *where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    """Questions and task cards, with their choices; of a card with what it says, and what was read for it.

    Of a step that has failed with the values that can be changed, and those that were.
    """
    rows = journal.rows(schema.question, *where, order=schema.question.c.id)
    return [
        {
            **row,
            "choices": orjson.loads(row["choices"]),
            "task": orjson.loads(row["task"]) if row["task"] else None,
            "readings": orjson.loads(row["readings"]) if row["readings"] else {},
            "parameters": orjson.loads(row["parameters"]) if row["parameters"] else [],
            "edited": orjson.loads(row["edited"]) if row["edited"] else {},
        }
        for row in rows
    ]


def space_of(journal: Journal, name: str) -> Space:
    """The space of a campaign, by its id or name.

    Raises:
        ConfigError: there is no such campaign.
    """
    from labwright.model.space import Space  # takes longer than most of what is asked here

    return Space.model_validate(spec_of(journal, str(choose(journal, name)["id"]))["space"])


def followed(journal: Journal, name: str, after: int = 0, deadline_s: float | None = None) -> Iterator[LoggedEvent]:
    """The events of a campaign as they are recorded, until it is over.

    Args:
        journal: opened to be read.
        name: the campaign's id, or its name: the newest of it.
        after: id of the last event that is known already.
        deadline_s: wall seconds after which it ends in any case; never if None.

    Raises:
        ConfigError: there is no such campaign.
        JournalError: the journal cannot be read.
    """
    campaign = str(choose(journal, name)["id"])
    table = schema.campaign
    ends_s = None if deadline_s is None else time.monotonic() + deadline_s
    while True:
        (row,) = journal.rows(table, table.c.id == campaign)  # before its events: what is over has written them all
        for logged in journal.events(campaign, after):
            after = logged.id
            yield logged
        if row["state"] in OVER or (ends_s is not None and time.monotonic() >= ends_s):
            return
        time.sleep(FOLLOWED_S)
