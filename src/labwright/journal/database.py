"""A database of the lab's: SQLite in a file, or PostgreSQL by URL; opened, migrated, refusals explained.

The journal is one; the service keeps people, requests and its audit trail in another (`labwright.service.database`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from labwright.journal.schema import HEAD, metadata
from labwright.model.errors import JournalError

BUSY_MS = 30_000
CONNECT_S = 5


@dataclass(frozen=True)
class Tables:
    """What a database holds.

    Attributes:
        words: what it is called in messages.
        metadata: its tables as they are now.
        head: their revision.
        migrations: folder of the steps from earlier ones.
        mark: a table that it has had from the beginning.
        version: the table with the revision of what is found.
        without: what does not go without it, and what to do, in words.
    """

    words: str
    metadata: sa.MetaData
    head: str
    migrations: Path
    mark: str
    version: str
    without: str

    @property
    def revision(self) -> sa.Table:
        """The table with the revision of what is found."""
        return sa.Table(self.version, sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))


JOURNAL = Tables(
    words="journal",
    metadata=metadata,
    head=HEAD,
    migrations=Path(__file__).parent / "migrations",
    mark="event",
    version="alembic_version",
    without="Nothing may move without it: free the disk, fix its permissions or start its server, then run again: the "
    "campaign is resumed where it was",
)


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


def open_database(
    place: str | Path, migrating: Callable[[sa.Engine], None] = lambda engine: None, tables: Tables = JOURNAL
) -> sa.Engine:
    """Connect, and create or migrate the tables.

    Args:
        place: of the database.
        migrating: called before the tables of an earlier Labwright are changed; it may refuse that.
        tables: what it holds.

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
            raise JournalError(f"the {tables.words} cannot be made at {url.database}: {error}") from error
    else:
        engine = _postgres(url)
    try:
        _bring_up_to_date(engine, migrating, tables)
    except DBAPIError as error:
        raise refused(engine, error, tables) from error
    return engine


def open_for_reading(place: str | Path) -> sa.Engine:
    """Connect to a journal as it is: nothing of it is written, and no lock of a writer's is waited for.

    Where there is no journal yet, one without any rows, in memory.

    Raises:
        JournalError: it cannot be opened, or it was written by an earlier or a newer Labwright.
    """
    url = database_url(place)
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database)).absolute()
        if not path.exists() or not path.stat().st_size:
            return _empty(url)
        # Not SQLAlchemy's URL: in that of SQLite the characters of a path would have meanings.
        there = f"{path.as_uri()}?mode=ro"
        engine = sa.create_engine(url, creator=lambda: sqlite3.connect(there, uri=True, timeout=BUSY_MS / 1000))
        sa.event.listen(engine, "connect", _readers_settings)
    else:
        engine = _postgres(url, "-c default_transaction_read_only=on")
    try:
        with engine.connect() as connection:
            found, known = _revision(connection, JOURNAL)
    except DBAPIError as error:
        raise refused(engine, error) from error
    if found == HEAD:
        return engine
    engine.dispose()
    if found is None and "event" not in known:
        return _empty(url)
    older = found is None or found < HEAD
    raise JournalError(
        f"the journal {named(engine)} has the revision {found or '0001'}, and this Labwright reads {HEAD}; "
        + (
            "an earlier one has written it. Bring it up to date first: labwright journal migrate (nothing is lost; the "
            "earlier Labwright cannot open it afterwards)"
            if older
            else "a newer one has written it: update Labwright"
        )
    )


def _empty(url: sa.URL) -> sa.Engine:
    """What a reader sees where nothing was written yet."""
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(":memory:", check_same_thread=False),
        poolclass=sa.pool.StaticPool,
    )
    engine.url = url  # by which it is named
    metadata.create_all(engine)
    return engine


def named(engine: sa.Engine) -> str:
    """Where it is, without a password."""
    url = engine.url
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def refused(engine: sa.Engine, error: DBAPIError, tables: Tables = JOURNAL) -> JournalError:
    """A refusal of the database, with what to do."""
    why = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    return JournalError(f"the {tables.words} {named(engine)} refuses: {why}. {tables.without}")


def gone(engine: sa.Engine, error: DBAPIError) -> bool:
    """Whether the server is away and may come back; a file does neither."""
    return engine.dialect.name == "postgresql" and (
        error.connection_invalidated or isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError))
    )


def _postgres(url: sa.URL, options: str = "") -> sa.Engine:
    try:
        given = {"connect_timeout": CONNECT_S, **({"options": options} if options else {})}
        return sa.create_engine(url, connect_args=given, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise JournalError(
            f"a journal in PostgreSQL needs the package psycopg: pip install 'labwright[postgres]' ({error})"
        ) from error


def _bring_up_to_date(engine: sa.Engine, migrating: Callable[[sa.Engine], None], tables: Tables) -> None:
    with engine.connect().execution_options(reading=True) as connection:  # a mere reader waits for no writer
        found, known = _revision(connection, tables)
        if found == tables.head:
            return
    if found is not None or tables.mark in known:
        migrating(engine)
    with engine.begin() as connection:
        found, known = _revision(connection, tables)
        if found == tables.head:
            return
        if found is None and tables.mark not in known:
            tables.metadata.create_all(connection)
            revision = tables.revision
            revision.create(connection, checkfirst=True)
            connection.execute(sa.insert(revision).values(version_num=tables.head))
            return
        _migrate(engine, connection, found, tables)


def _revision(connection: sa.Connection, tables: Tables) -> tuple[str | None, set[str]]:
    """The revision of the tables, None if there is none; and the names of what is there."""
    known = set(sa.inspect(connection).get_table_names())
    found = connection.execute(sa.select(tables.revision)).scalar() if tables.version in known else None
    return found, known


def _migrate(engine: sa.Engine, connection: sa.Connection, found: str | None, tables: Tables) -> None:
    # Alembic is needed here only, and takes its time to import.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    # Alembic reads its settings as an INI file, where "%" begins a name to be filled in.
    config.set_main_option("script_location", str(tables.migrations).replace("%", "%%"))
    try:
        if found is None:  # written before there were revisions
            command.stamp(config, "0001")
        command.upgrade(config, tables.head)
    except CommandError as error:
        raise JournalError(
            f"the {tables.words} {named(engine)} has the revision {found}, which this Labwright does not know "
            f"({error}); it was written by a newer one: update Labwright"
        ) from error


def _readers_settings(connection: Any, record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    connection.execute("PRAGMA query_only=ON")


def _sqlite_settings(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy, not sqlite3, begins transactions
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        _patiently(connection, f"PRAGMA {pragma}")


def _patiently(connection: Any, statement: str) -> None:
    """SQLite does not wait for a lock while it changes the journal mode; two processes may begin at once."""
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
