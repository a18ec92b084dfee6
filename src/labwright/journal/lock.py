"""One controller a journal: a file lock beside SQLite, an advisory lock in PostgreSQL."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from labwright.journal.database import named, refused
from labwright.model.errors import RefusedError

LOOKS, LOOK_S = 5, 0.05
"""Whoever only wants to know whether a controller runs holds the lock for a moment; a controller holds it longer."""

_ADVISORY = 0x6C616277  # "labw"; one journal a database


class ControllerLock(Protocol):
    """Held by the controller that may write."""

    def take(self) -> bool:
        """Take it; False if another process has it."""

    def release(self) -> None:
        """Let another have it."""


class FileLock:
    """A lock that ends with its process, however it ends.

    Args:
        path: the journal's file; the lock lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._handle: int | None = None

    def take(self) -> bool:
        """Take it; False if another process has it."""
        if self._handle is not None:
            return True
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        """Let another have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class AdvisoryLock:
    """A lock that ends with its connection: taken again after the server was away."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    def take(self) -> bool:
        """Take it; False if another process has it."""
        if self._connection is not None:
            try:
                self._connection.execute(sa.select(1))
            except DBAPIError:
                self.release()  # the server was away, and has let go of it
            else:
                return True
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.execute(sa.select(sa.func.pg_try_advisory_lock(_ADVISORY))).scalar():
            self._connection = connection
            return True
        connection.close()
        return False

    def release(self) -> None:
        """Let another have it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # Really closed: a pooled connection would keep the lock.
        connection.invalidate()
        connection.close()


def controller_lock(engine: sa.Engine) -> ControllerLock:
    """The lock of the journal behind `engine`."""
    return AdvisoryLock(engine) if engine.dialect.name == "postgresql" else FileLock(Path(str(engine.url.database)))


def take_or_refuse(lock: ControllerLock, engine: sa.Engine, holder: str) -> None:
    """Take the lock.

    Raises:
        RefusedError: another controller has it, named.
        JournalError: it cannot be tried.
    """
    try:
        taken = lock.take()
        for _ in range(LOOKS):
            if taken:
                break
            time.sleep(LOOK_S)
            taken = lock.take()
    except DBAPIError as error:
        raise refused(engine, error) from error
    if not taken:
        raise RefusedError(
            f"another controller runs on the journal {named(engine)}{holder}; two would move the same instruments. "
            "Watch it with `labwright campaign watch`, or stop it first"
        )
