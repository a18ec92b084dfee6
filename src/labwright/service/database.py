"""The service's own database: opened once a process; a transaction at a time writes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from labwright.journal.database import Tables, database_url, open_database, refused
from labwright.model.rows import Row
from labwright.service import schema

DOOR = Tables(
    words="service's database",
    metadata=schema.metadata,
    head=schema.HEAD,
    migrations=Path(__file__).parent / "migrations",
    mark="door_principal",
    version="door_version",
    without="The lab runs without it, but nothing is accepted from outside: free the disk, fix its permissions or "
    "start its server",
)


def door_place(journal: str | Path) -> str | Path:
    """Where the service keeps its own tables: beside a journal in a file, in the same database on a server.

    Args:
        journal: place of the journal.
    """
    url = database_url(journal)
    if url.get_backend_name() == "sqlite":
        return Path(str(url.database)).with_name("door.sqlite")
    return str(journal)


class Door:
    """The service's tables.

    Args:
        place: of the database, as `door_place` says.

    Raises:
        JournalError: it cannot be opened, or a newer Labwright wrote it.
    """

    def __init__(self, place: str | Path) -> None:
        self._engine = open_database(place, tables=DOOR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction, from now on the only one that writes; kept only if nothing is raised in it.

        Raises:
            JournalError: the database refuses.
        """
        try:
            with self._engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(sa.text("LOCK TABLE door_audit IN SHARE ROW EXCLUSIVE MODE"))
                yield connection
        except DBAPIError as error:
            raise refused(self._engine, error, DOOR) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that reads; it waits for no writer.

        Raises:
            JournalError: the database refuses.
        """
        try:
            with self._engine.connect().execution_options(reading=True) as connection:
                yield connection
        except DBAPIError as error:
            raise refused(self._engine, error, DOOR) from error

    def rows(self, query: sa.Executable) -> list[Row]:
        """What a query finds; waits for no writer.

        Raises:
            JournalError: the database refuses.
        """
        with self.reading() as connection:
            found = connection.execute(query)
            names = [str(name) for name in found.keys()]
            return [dict(zip(names, row, strict=True)) for row in found]
