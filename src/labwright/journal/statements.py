"""The few statements that the writer repeats, as text prepared once: SQLAlchemy would compile them every time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from labwright.journal.schema import metadata

T = TypeVar("T")

APPENDED = ("event", "ledger", "intent")
"""Tables whose rows are only ever added; of all others a row with the same key takes the old one's place."""

TOGETHER = 32
"""Rows of one statement at most: for each number of them there is another text."""


class Statements:
    """Inserts for one kind of database.

    Args:
        engine: of the journal.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._mark = "%s" if engine.dialect.paramstyle in ("format", "pyformat") else "?"
        self._quote = engine.dialect.identifier_preparer.quote
        self._known: dict[tuple[str, tuple[str, ...], int], str] = {}

    def put(self, connection: sa.Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows that all have the same columns.

        Many in one statement: Python lets other threads in several times for each that SQLite carries out.
        """
        columns = tuple(rows[0])
        if table == "ledger":  # each is numbered by what the one before has left in the table
            values = [(*(row[name] for name in columns), row["instruments"]) for row in rows]
            connection.exec_driver_sql(self._text(table, columns, 1), values)
            return
        for some in _pieces(rows):
            values_of_all = tuple(row[name] for row in some for name in columns)
            connection.exec_driver_sql(self._text(table, columns, len(some)), values_of_all)

    def delete(self, connection: sa.Connection, table: str, keys: Sequence[Sequence[str | int]]) -> None:
        """Take the rows with these primary keys away."""
        columns = metadata.tables[table].primary_key.columns
        same = " AND ".join(f"{self._quote(column.name)} = {self._mark}" for column in columns)
        for some in _pieces(keys):
            any_of_them = " OR ".join([f"({same})"] * len(some))
            values = tuple(part for key in some for part in key)
            connection.exec_driver_sql(f"DELETE FROM {table} WHERE {any_of_them}", values)  # noqa: S608 - names of our own tables

    def _text(self, table: str, columns: tuple[str, ...], rows: int) -> str:
        known = self._known.get((table, columns, rows))
        if known is None:
            known = self._known[table, columns, rows] = self._insert(table, columns, rows)
        return known

    def _insert(self, table: str, columns: Sequence[str], rows: int) -> str:
        names = ", ".join(self._quote(name) for name in columns)
        marks = ", ".join([self._mark] * len(columns))
        if table == "ledger":  # the next number of its deck, whatever core has made the entry
            names += ", entry"
            marks += f", (SELECT COALESCE(MAX(entry), 0) + 1 FROM ledger WHERE instruments = {self._mark})"  # noqa: S608 - a parameter
        text = f"INSERT INTO {table} ({names}) VALUES {', '.join([f'({marks})'] * rows)}"  # noqa: S608 - names of our own tables
        if table in APPENDED:
            return text
        primary = [column.name for column in metadata.tables[table].primary_key]
        sets = ", ".join(
            f"{self._quote(name)} = excluded.{self._quote(name)}" for name in columns if name not in primary
        )
        return f"{text} ON CONFLICT ({', '.join(primary)}) DO UPDATE SET {sets}"


def _pieces(many: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(many), TOGETHER):
        yield many[first : first + TOGETHER]
