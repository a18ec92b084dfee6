"""Notes and deviations, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.journal import Journal, schema
from labwright.model.errors import ConfigError
from labwright.model.remarks import About, AboutKind

Rows = list[dict[str, Any]]


def note_list(
    journal: Journal,
    about: About | None = None,
    *,
    kind: AboutKind | None = None,
    after: int = 0,
    most: int | None = None,
) -> Rows:
    """Notes, the oldest first; those that were replaced are among them.

    Args:
        journal: opened to be read.
        about: only about this, and of a campaign also about all of it; all if None.
        kind: only about this kind of thing.
        after: number of the last one that is known.
        most: so many of the newest; all if None.
    """
    table = schema.note
    mine = [*_about(table, about), *([] if kind is None else [table.c.about == kind])]
    newest = sa.select(table).where(table.c.n > after, *mine).order_by(table.c.n.desc())
    return [dict(row) for row in reversed(journal.read(newest if most is None else newest.limit(most)))]


def deviation_list(journal: Journal, about: About | None = None, *, open_only: bool = False, after: int = 0) -> Rows:
    """Deviations, the oldest first.

    Args:
        journal: opened to be read.
        about: as in `note_list`; about an experiment are also those of its campaign that concern it.
        open_only: those that no person has closed yet.
        after: number of the last one that is known.
    """
    table = schema.deviation
    where = [table.c.n > after, *([table.c.state == "open"] if open_only else [])]
    if about is not None and about.kind in ("experiment", "sample"):
        rows = [
            one
            for one in map(_deviation, journal.rows(table, *where, table.c.campaign == about.campaign, order=table.c.n))
            if about.label in (one["label"], *one["experiments"])
        ]
        return rows
    return [_deviation(row) for row in journal.rows(table, *where, *_about(table, about), order=table.c.n)]


def one_remark(journal: Journal, name: str) -> dict[str, Any]:
    """A note or a deviation by its id.

    Raises:
        ConfigError: there is none.
    """
    table = schema.deviation if name.startswith("D") else schema.note
    rows = journal.rows(table, table.c.id == name)
    if not rows:
        raise ConfigError(f"there is no {table.name} {name[:40]!r}")
    return _deviation(rows[0]) if table is schema.deviation else dict(rows[0])


def _deviation(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "experiments": orjson.loads(row["experiments"])}


def _about(table: sa.Table, about: About | None) -> list[sa.ColumnElement[bool]]:
    if about is None:
        return []
    if about.kind == "campaign":
        return [table.c.campaign == about.campaign]
    if about.campaign:  # an experiment and its sample have one label
        return [table.c.campaign == about.campaign, table.c.label == about.label]
    return [table.c.about == about.kind, table.c.name == about.name]
