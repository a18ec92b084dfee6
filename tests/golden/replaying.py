"""What the engine of this version makes of a journal: decisions and rows, event by event.

Nothing else in these tests knows how an engine is fed: a change of its insides changes this file, and no other.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import BaseModel

from labwright.engine.events import EVENTS, Started, decisions
from labwright.engine.lab import LabCore
from labwright.engine.tables import take_changes
from labwright.journal import Journal, LoggedEvent, schema
from labwright.model.campaign import Trial
from labwright.model.spec import CampaignSpec

Rows = dict[str, dict[tuple[Any, ...], dict[str, Any]]]

PROJECTED = (
    "campaign",
    "campaign_spec",
    "trial",
    "veto",
    "experiment",
    "step",
    "reservation",
    "question",
    "stock",
    "ledger",
    "position",
)
"""Tables that follow from the events alone."""

IN_JSON = ("choices", "params")
"""Columns that are compared as what they say: another version may write the same otherwise."""


def replay(journal: Journal, campaign: str, rows: Rows) -> Iterator[tuple[LoggedEvent, list[Any]]]:
    """Each event of a campaign, and what this version decides on it; `rows` become what it writes meanwhile."""
    lab = LabCore()
    counts = journal.events("")  # of what the lab has: a campaign of an earlier version is upgraded with its first one
    for logged in heapq.merge(journal.events(campaign), counts, key=lambda one: one.id):
        event = EVENTS.validate_python(logged.payload)
        decided = decisions(lab.handle(logged.campaign, event, logged.lab_time_s))
        if isinstance(event, Started):
            _forget(rows, event.deck)
        for (table, *key), row in take_changes(lab).items():
            if table not in PROJECTED:
                continue  # of what that version had no table
            place = tuple(map(str, key[1:] if table == "ledger" else key))
            if row is None:
                rows[str(table)].pop(place, None)
            else:
                rows[str(table)][place] = rows[str(table)].get(place, {}) | dict(row)
        if logged.campaign:
            yield logged, decided


def _forget(rows: Rows, deck: str) -> None:
    """Another campaign begins on a deck: a journal of an earlier version keeps what is on it of the newest alone."""
    for table in ("reservation", "stock", "position"):
        rows[table] = {place: row for place, row in rows[table].items() if row["instruments"] != deck}


def empty() -> Rows:
    """No rows in any table."""
    return {table: {} for table in PROJECTED}


def stored(journal: Journal) -> Rows:
    """The rows that the journal holds; a row of the ledger is known by its number in its campaign."""
    found = empty()
    for table in PROJECTED:
        primary = [column.name for column in schema.metadata.tables[table].primary_key]
        for row in journal.rows(schema.metadata.tables[table]):
            if table == "question" and row["id"].endswith(":deck"):
                continue  # written when it was answered, by the process that asked
            place = tuple(row[name] for name in primary)
            if table == "ledger":
                place = (row["campaign"], 1 + sum(1 for one in found[table] if one[0] == row["campaign"]))
            found[table][tuple(map(str, place))] = dict(row)
    return found


def differences(expected: Rows, found: Rows) -> list[str]:
    """Every value in which `found` differs from what is stored, `expected`, in words."""
    words = []
    expected, found = _as_then(expected), _as_then(found)
    for table in PROJECTED:
        words += [f"{table} {place}: not written" for place in expected[table].keys() - found[table].keys()]
        words += [f"{table} {place}: not in the journal" for place in found[table].keys() - expected[table].keys()]
        for place in expected[table].keys() & found[table].keys():
            then = expected[table][place]
            for column, now in found[table][place].items():
                if not _same(column, then[column], now):
                    words.append(f"{table} {place}: {column} was {then[column]!r}, is now {now!r}")
    return words


def _as_then(rows: Rows) -> Rows:
    """Trials by their experiment: of an earlier version's campaign those that had none are in its events alone."""
    kept = {
        (str(row["campaign"]), str(row["label"])): {name: value for name, value in row.items() if name != "n"}
        for row in rows["trial"].values()
        if row["label"]
    }
    places = {  # and whose container stood somewhere, is in them alone too
        place: {name: value for name, value in row.items() if name not in ("label", "since_s")}
        for place, row in rows["position"].items()
    }
    stocks = {place: _left(row) for place, row in rows["stock"].items()}  # when it was counted is in no earlier one's
    campaigns = {  # as is the best of a campaign, and how many are on the front of several objectives
        place: {name: value for name, value in row.items() if name not in ("best", "front")}
        for place, row in rows["campaign"].items()
    }
    experiments = {  # as is when an experiment began, and what it has found
        place: {name: value for name, value in row.items() if name not in ("began_s", "results")}
        for place, row in rows["experiment"].items()
    }
    ledger = {  # and when an entry was made
        place: {name: value for name, value in row.items() if name != "at_s"} for place, row in rows["ledger"].items()
    }
    same = {"experiment": experiments, "trial": kept, "position": places, "campaign": campaigns}
    return {**rows, **same, "stock": stocks, "ledger": ledger}


def _left(row: dict[str, Any]) -> dict[str, Any]:
    usable = row["count"] - row["dead"] - row["used"]
    return {"usable": usable} | {name: row[name] for name in ("unknown", "reserved")}


def _same(column: str, then: Any, now: Any) -> bool:
    if column == "spec" and then and now:
        return _read(CampaignSpec, then) == _read(CampaignSpec, now)
    if column == "trial" and then and now:
        return _read(Trial, then) == _read(Trial, now)
    if column in IN_JSON and then and now:
        return bool(orjson.loads(then) == orjson.loads(now))
    return bool(then == now)


def _read(what: type[BaseModel], raw: str) -> BaseModel:
    """Read as this version does: a field that has come since has its default."""
    return what.model_validate(orjson.loads(raw))
