"""The few statements that the writer repeats, as text prepared once: SQLAlchemy would compile them every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from labwright.journal.schema import metadata

APPENDED = ("event", "ledger", "intent")
"""Tables whose rows are only ever added; of all others a row with the same key takes the old one's place."""


class Statements:
    """Inserts for one kind of database.

    Args:
        engine: of the journal.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._mark = "%s" if engine.dialect.paramstyle in ("format", "pyformat") else "?"
        self._quote = engine.dialect.identifier_preparer.quote
        self._known: dict[tuple[str, tuple[str, ...]], str] = {}

    def put(self, connection: sa.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows that all have the same columns."""
        columns = tuple(rows[0])
        statement = self._known.get((table, columns))
        if statement is None:
            statement = self._known[table, columns] = self._insert(table, columns)
        values = [tuple(row[name] for name in columns) for row in rows]
        if table == "ledger":
            values = [(*each, row["instruments"]) for each, row in zip(values, rows, strict=True)]
        connection.exec_driver_sql(statement, values)

    def delete(self, connection: sa.Connection, table: str, key: Sequence[str | int]) -> None:
        """Take the row with this primary key away."""
        columns = metadata.tables[table].primary_key.columns
        same = " AND ".join(f"{self._quote(column.name)} = {self._mark}" for column in columns)
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE {same}", tuple(key))  # noqa: S608 - names of our own tables

    def _insert(self, table: str, columns: Sequence[str]) -> str:
        names = ", ".join(self._quote(name) for name in columns)
        marks = ", ".join([self._mark] * len(columns))
        if table == "ledger":  # the next number of its deck, whatever core has made the entry
            names += ", entry"
            marks += f", (SELECT COALESCE(MAX(entry), 0) + 1 FROM ledger WHERE instruments = {self._mark})"  # noqa: S608 - a parameter
        text = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own tables
        if table in APPENDED:
            return text
        primary = [column.name for column in metadata.tables[table].primary_key]
        sets = ", ".join(
            f"{self._quote(name)} = excluded.{self._quote(name)}" for name in columns if name not in primary
        )
        return f"{text} ON CONFLICT ({', '.join(primary)}) DO UPDATE SET {sets}"
