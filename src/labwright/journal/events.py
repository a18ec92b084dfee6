"""The log of a campaign's events: SQLite, append-only, on the disk before anything is done about an event."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from labwright.model.errors import JournalError

BUSY_MS = 30_000

_meta = sa.MetaData()
_event = sa.Table(
    "event",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("campaign", sa.String(128), nullable=False, index=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("lab_time_s", sa.Float, nullable=False),
    sa.Column("wall_time_s", sa.Float, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class LoggedEvent:
    """An event as it was kept."""

    id: int
    campaign: str
    kind: str
    lab_time_s: float
    wall_time_s: float
    payload: dict[str, Any]


class EventLog:
    """The log in one SQLite file.

    Args:
        path: the file; made if it does not exist.

    Raises:
        JournalError: it cannot be opened or made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"the journal cannot be made at {path}: {error}") from error
        self._engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_MS / 1000})
        sa.event.listen(self._engine, "connect", _settings)
        # BEGIN IMMEDIATE: a writer waits for its turn at the beginning, not half way through.
        sa.event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        try:
            _meta.create_all(self._engine)
        except DBAPIError as error:
            raise self._failed(error) from error

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, campaign: str, kind: str, payload: Mapping[str, Any], lab_time_s: float) -> int:
        """Keep one event; its id, larger than all before.

        Raises:
            JournalError: it is not safely kept.
        """
        row = {
            "campaign": campaign,
            "kind": kind,
            "lab_time_s": lab_time_s,
            "wall_time_s": time.time(),
            "payload": orjson.dumps(payload),
        }
        try:
            with self._engine.begin() as connection:
                key = connection.execute(sa.insert(_event).values(**row)).inserted_primary_key
        except DBAPIError as error:
            raise self._failed(error) from error
        assert key is not None  # noqa: S101 - an insert into this table always has one
        return int(key[0])

    def read(self, campaign: str, after: int = 0) -> list[LoggedEvent]:
        """The campaign's events with ids above `after`, oldest first.

        Raises:
            JournalError: the log cannot be read.
        """
        query = sa.select(_event).where(_event.c.campaign == campaign, _event.c.id > after).order_by(_event.c.id)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).mappings().all()
        except DBAPIError as error:
            raise self._failed(error) from error
        return [LoggedEvent(**{**row, "payload": orjson.loads(row["payload"])}) for row in rows]

    def campaigns(self) -> list[str]:
        """Ids of all campaigns, the newest last."""
        query = sa.select(_event.c.campaign).group_by(_event.c.campaign).order_by(sa.func.min(_event.c.id))
        try:
            with self._engine.connect() as connection:
                return list(connection.execute(query).scalars())
        except DBAPIError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def _failed(self, error: DBAPIError) -> JournalError:
        return JournalError(
            f"the journal {self.path} refuses: {error.orig}. Nothing may move without it: free the disk or mend its "
            "permissions, then run again"
        )


def _settings(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy, not sqlite3, begins transactions
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
