"""One controller a journal: a file lock beside SQLite, an advisory lock in PostgreSQL.

Looking whether a controller runs takes no lock: a watcher must never keep a controller from taking its own, or from
taking it again after a server was away.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from labwright.journal.database import JOURNAL, named, refused
from labwright.model.errors import JournalError, RefusedError

LOOKS, LOOK_S = 5, 0.05
"""Earlier versions of Labwright look at a lock by taking it for a moment; a controller holds it longer."""

_ADVISORY = 0x6C616277  # "labw"; one journal a database

_FLOCK = "hhqqi4x"
"""Linux' struct flock on 64-bit machines: type, whence, start, length, process, padding."""


class ControllerLock(Protocol):
    """Held by the controller that may write."""

    def take(self) -> bool:
        """Take it; False if another process has it."""

    def held(self) -> bool:
        """Whether any process has it, without taking it."""

    def release(self) -> None:
        """Let another have it."""


class FileLock:
    """A lock that ends with its process, however it ends.

    Two locks on one file: an open-file-description lock, which can be looked at without being taken, and the flock of
    earlier versions of Labwright, so that none of them runs beside this one.

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
            _take_visibly(handle)
            _take_after_looks(handle)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def held(self) -> bool:
        """Whether any process has it, without taking it."""
        if self._handle is not None:
            return True
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            if _seen(handle):
                return True
            # Earlier versions take the flock only, and that can only be tried; this one takes both.
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def release(self) -> None:
        """Let another have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _take_visibly(handle: int) -> None:
    """Take the lock that others can look at.

    Raises:
        BlockingIOError: another process has it.
    """
    if hasattr(fcntl, "F_OFD_SETLK"):
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))


def _take_after_looks(handle: int) -> None:
    """Take the flock; a watcher that tried it before the other lock was taken releases it in a moment.

    Raises:
        BlockingIOError: another process has it.
    """
    for _ in range(LOOKS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(LOOK_S / LOOKS)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _seen(handle: int) -> bool:
    """Whether another process has the lock that can be looked at."""
    if not hasattr(fcntl, "F_OFD_GETLK"):
        return False
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind: int = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_OFD_GETLK, asked))[0]
    return kind != fcntl.F_UNLCK


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
                self.release()  # the server was away, and has released it
            else:
                return True
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if connection.execute(sa.select(sa.func.pg_try_advisory_lock(_ADVISORY))).scalar():
                self._connection = connection
                return True
        finally:
            if self._connection is not connection:
                connection.close()
        return False

    def held(self) -> bool:
        """Whether any process has it, without taking it."""
        locks = sa.table(
            "pg_locks", *map(sa.column, ("locktype", "database", "classid", "objid", "objsubid", "granted"))
        )
        databases = sa.table("pg_database", sa.column("oid"), sa.column("datname"))
        here = sa.select(databases.c.oid).where(databases.c.datname == sa.func.current_database()).scalar_subquery()
        found = sa.select(sa.literal(1)).where(
            locks.c.locktype == "advisory",
            locks.c.database == here,
            locks.c.classid == _ADVISORY >> 32,
            locks.c.objid == _ADVISORY & 0xFFFFFFFF,
            locks.c.objsubid == 1,
            locks.c.granted,
        )
        with self._engine.connect() as connection:
            return connection.execute(found.limit(1)).scalar() is not None

    def release(self) -> None:
        """Let another have it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # Really closed: a pooled connection would keep the lock. One that is broken already may refuse that.
        with contextlib.suppress(DBAPIError):
            connection.invalidate()
        connection.close()


def controller_lock(engine: sa.Engine) -> ControllerLock:
    """The lock of the journal behind `engine`."""
    return AdvisoryLock(engine) if engine.dialect.name == "postgresql" else FileLock(Path(str(engine.url.database)))


def is_held(lock: ControllerLock, engine: sa.Engine) -> bool:
    """Whether a controller runs.

    Raises:
        JournalError: it cannot be seen.
    """
    try:
        return lock.held()
    except DBAPIError as error:
        raise refused(engine, error) from error
    except OSError as error:
        raise _unlockable(engine, error) from error


def _unlockable(engine: sa.Engine, error: OSError) -> JournalError:
    return JournalError(f"the journal {named(engine)} cannot be locked: {error}. {JOURNAL.without}")


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
    except OSError as error:
        raise _unlockable(engine, error) from error
    if not taken:
        raise RefusedError(
            f"another controller runs on the journal {named(engine)}{holder}; two would move the same instruments. "
            "Watch it with `labwright campaign watch`, or stop it first"
        )
