"""The journal's database: SQLite in a file, or PostgreSQL by URL; opened, migrated, refusals explained."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from labwright.journal.schema import HEAD, metadata
from labwright.model.errors import JournalError

BUSY_MS = 30_000
CONNECT_S = 5
MIGRATIONS = Path(__file__).parent / "migrations"

_version = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))


def database_url(place: str | Path) -> sa.URL:
    """The URL of a journal.

    Args:
        place: a SQLite file, or ``postgresql://user@host/database``.

    Raises:
        JournalError: it is neither.
    """
    text = str(place)
    if isinstance(place, Path) or "://" not in text:
        return sa.URL.create("sqlite", database=text)
    try:
        url = sa.make_url(text)
    except ArgumentError as error:
        raise JournalError(f"{text!r} is not the URL of a journal: {error}") from error
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database:
        return url
    raise JournalError(f"a journal is kept in SQLite (a file) or PostgreSQL (postgresql://...), not in {text!r}")


def open_database(place: str | Path) -> sa.Engine:
    """Connect, and create or migrate the tables.

    Raises:
        JournalError: it cannot be opened, or was written by a newer Labwright.
    """
    url = database_url(place)
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_MS / 1000})
        sa.event.listen(engine, "connect", _sqlite_settings)
        sa.event.listen(engine, "begin", _begin)
        try:
            Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"the journal cannot be made at {url.database}: {error}") from error
    else:
        engine = _postgres(url)
    try:
        _bring_up_to_date(engine)
    except DBAPIError as error:
        raise refused(engine, error) from error
    return engine


def named(engine: sa.Engine) -> str:
    """Where it is, without a password."""
    url = engine.url
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def refused(engine: sa.Engine, error: DBAPIError) -> JournalError:
    """A refusal of the database, with what to do."""
    why = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    return JournalError(
        f"the journal {named(engine)} refuses: {why}. Nothing may move without it: free the disk, fix its "
        "permissions or start its server, then run again: the campaign is resumed where it was"
    )


def gone(engine: sa.Engine, error: DBAPIError) -> bool:
    """Whether the server is away and may come back; a file does neither."""
    return engine.dialect.name == "postgresql" and (
        error.connection_invalidated or isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError))
    )


def _postgres(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(url, connect_args={"connect_timeout": CONNECT_S}, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise JournalError(
            f"a journal in PostgreSQL needs the package psycopg: pip install 'labwright[postgres]' ({error})"
        ) from error


def _bring_up_to_date(engine: sa.Engine) -> None:
    with engine.connect().execution_options(reading=True) as connection:  # a mere reader waits for no writer
        if _revision(connection)[0] == HEAD:
            return
    with engine.begin() as connection:
        found, known = _revision(connection)
        if found == HEAD:
            return
        if found is None and "event" not in known:
            metadata.create_all(connection)
            _version.create(connection, checkfirst=True)
            connection.execute(sa.insert(_version).values(version_num=HEAD))
            return
        _migrate(engine, connection, found)


def _revision(connection: sa.Connection) -> tuple[str | None, set[str]]:
    """The revision of the tables, None if there is none; and the tables' names."""
    known = set(sa.inspect(connection).get_table_names())
    return (connection.execute(sa.select(_version)).scalar() if _version.name in known else None), known


def _migrate(engine: sa.Engine, connection: sa.Connection, found: str | None) -> None:
    # Alembic is needed here only, and takes its time to import.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    # Alembic reads its settings as an INI file, where "%" begins a name to be filled in.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        if found is None:  # written before there were revisions
            command.stamp(config, "0001")
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise JournalError(
            f"the journal {named(engine)} has the revision {found}, which this Labwright does not know ({error}); "
            "it was written by a newer one: update Labwright"
        ) from error


def _sqlite_settings(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy, not sqlite3, begins transactions
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        _patiently(connection, f"PRAGMA {pragma}")


def _patiently(connection: Any, statement: str) -> None:
    """SQLite does not wait for a lock while it changes the journal mode; two processes may begin at once."""
    import sqlite3

    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin(connection: sa.Connection) -> None:
    # A writer waits for its turn at the beginning, not half way through; a reader waits for no other.
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reading") else "BEGIN IMMEDIATE")
