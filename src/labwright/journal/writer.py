"""The one writer of a journal: transactions of many threads, committed together, repeated when a server comes back."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from labwright.journal.alive import BEAT_S
from labwright.journal.database import gone, named, refused
from labwright.journal.lock import ControllerLock
from labwright.journal.schema import epoch as epoch_table
from labwright.model.errors import JournalError

T = TypeVar("T")

Work = Callable[[sa.Connection], Any]

TOGETHER = 256
"""Transactions that are committed as one, at most; what waits while the disk syncs goes into the next."""

AWAY_S = 300.0
"""Wall seconds a server may be away; nothing begins meanwhile, and afterwards the controller stops."""

LOOK_S = 5.0
"""So often, when something is written, the lock of the journal is checked."""

LOCK_S = 30.0
"""Wall seconds the lock may be another's after the server was away: its last session may take a while to end there."""

KEPT_S = 1.0
"""So long after its last commit the writer's connection needs no look whether its server is still there."""

TRY_AGAIN_S = (0.1, 0.2, 0.5, 1.0, 2.0)


class FencedError(JournalError):
    """A newer controller has taken over; this one may write and move nothing any more."""


@dataclass(frozen=True)
class _Job:
    work: Work
    label: str
    future: Future[Any] = field(default_factory=Future)


class Writer:
    """Commits the transactions of many threads, in the order they are given.

    Args:
        engine: of the journal.
        epoch: of this controller; with a newer one in the table nothing is written any more.
        lock: held; taken again when a server was away.
        say: called with a message when the journal is away, and when it is back.
    """

    on_commit: Callable[[str, str], None] = staticmethod(lambda when, label: None)
    """Called ``before`` and ``after`` each commit with the labels of what is in it; for tests that kill there."""

    def __init__(self, engine: sa.Engine, epoch: int, lock: ControllerLock, say: Callable[[str], None]) -> None:
        self.epoch = epoch
        self._engine = engine
        self._lock = lock
        self._say = say
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._sequence = 0
        self._broken: JournalError | None = None
        self._looked = time.monotonic()
        self._reconnected = False
        """Whether the pool has opened a connection since the lock was checked: the server may have been away."""
        sa.event.listen(engine, "connect", self._connected)
        self._newest = sa.select(sa.func.max(epoch_table.c.id))
        self._mark = (
            sa.update(epoch_table)
            .where(epoch_table.c.id == epoch, epoch_table.c.sequence < sa.bindparam("number"))
            .values(sequence=sa.bindparam("number"), heartbeat_s=sa.bindparam("now_s"))
        )
        self._beat_at = time.monotonic() + BEAT_S
        self._connection: sa.Connection | None = None
        self._used = 0.0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def transact(self, work: Callable[[sa.Connection], T], label: str = "") -> T:
        """Do `work` in a transaction, and return when it is on the disk.

        Args:
            work: called with the connection, once or again; it must not remember the results of a failed try.
            label: what it is, for tests.

        Raises:
            JournalError: not stored: the journal refuses, was away for too long, or belongs to a newer controller.
        """
        try:
            return self.submit(work, label).result(2 * AWAY_S)
        except FutureTimeoutError:
            raise JournalError(
                f"the journal {named(self._engine)} has not answered for {2 * AWAY_S:g} s; nothing may move without it"
            ) from None

    def submit(self, work: Callable[[sa.Connection], T], label: str = "") -> Future[T]:
        """As `transact`, without waiting: the future ends when it is on the disk, or fails with the JournalError."""
        job = _Job(work, label)
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Commit what waits, and end."""
        self._jobs.put(None)
        self._thread.join(AWAY_S)
        sa.event.remove(self._engine, "connect", self._connected)

    def _run(self) -> None:
        try:
            self._commit_all()
        finally:
            self._give_back()

    def _open_connection(self) -> sa.Connection:
        """The one of the last commit, if that was just now; or one of the pool, which looks whether it still works."""
        now = time.monotonic()
        if now - self._used > KEPT_S:
            self._give_back()
        self._used = now
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(DBAPIError):  # it may have failed already
                connection.close()

    def _commit_all(self) -> None:
        while (first := self._next_job()) is not None:
            batch = [first]
            over = False
            for _ in itertools.repeat(None, TOGETHER - 1):
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    over = True
                    break
                batch.append(job)
            self._commit(batch)
            if over:
                break
        while True:
            try:
                left = self._jobs.get_nowait()
            except queue.Empty:
                return
            if left is not None:
                left.future.set_exception(JournalError("the journal was closed before this could be stored"))

    def _next_job(self) -> _Job | None:
        """What is to be written next; meanwhile the heart beats. None at the end."""
        while True:
            try:
                return self._jobs.get(timeout=max(0.0, self._beat_at - time.monotonic()))
            except queue.Empty:
                self._beat()

    def _beat(self) -> None:
        """Write that this controller is there, for readers; each commit says so as well."""
        self._beat_at = time.monotonic() + BEAT_S
        if self._broken is not None:
            return
        mine = sa.update(epoch_table).where(epoch_table.c.id == self.epoch).values(heartbeat_s=time.time())
        with contextlib.suppress(DBAPIError):  # the next commit meets the same, and deals with it
            with self._engine.begin() as connection:
                connection.execute(mine)

    def _commit(self, batch: list[_Job]) -> None:
        try:
            results = self._committed(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the caller that waits, not to this thread
            if len(batch) > 1 and not isinstance(error, JournalError):
                for job in batch:  # one of them is wrong; the others must not suffer for it
                    self._commit([job])
                return
            for job in batch:
                job.future.set_exception(error)
        else:
            for job, result in zip(batch, results, strict=True):
                job.future.set_result(result)

    def _committed(self, batch: list[_Job]) -> list[Any]:
        """The batch in one transaction; again if the server went away, unless it was stored all the same."""
        if self._broken is not None:
            raise self._broken
        if time.monotonic() - self._looked > LOOK_S:
            self._reconnected = True  # a lock can be lost unnoticed: with its connection, months after it was taken
        self._sequence += 1
        label = " ".join(job.label for job in batch)
        results: list[Any] = []
        away_since: float | None = None
        for attempt in itertools.count():
            if self._reconnected:
                self._take_again()
                self._reconnected, self._looked = False, time.monotonic()
            try:
                connection = self._open_connection()
                with connection.begin():
                    if self._reconnected:
                        continue  # the pool has replaced a connection without an error: the server was away
                    # First of all, and only once: the row's lock waits for a commit of ours that is still on its way.
                    mine = (
                        connection.execute(self._mark, {"number": self._sequence, "now_s": time.time()}).rowcount == 1
                    )
                    self._check_fence(connection)
                    if mine:
                        results = [job.work(connection) for job in batch]
                        self.on_commit("before", label)
                    elif away_since is None:
                        raise self._fenced("its row in the table of epochs is not as it left it")
                self._beat_at = time.monotonic() + BEAT_S
                self.on_commit("after", label)
            except DBAPIError as error:
                self._give_back()
                if isinstance(error, sa.exc.IntegrityError) or not gone(self._engine, error):
                    if isinstance(error, (sa.exc.IntegrityError, sa.exc.ProgrammingError)):
                        raise  # our own mistake, not the database's
                    # For good: what this refusal has left out must not be followed by what comes after it.
                    self._broken = refused(self._engine, error)
                    raise self._broken from error
                now = time.monotonic()
                if away_since is None:
                    away_since = now
                    self._say(
                        f"the journal {named(self._engine)} does not answer ({str(error.orig).splitlines()[0]}); "
                        f"no operation starts until it is back; after {AWAY_S:g} s everything stops"
                    )
                if now - away_since > AWAY_S:
                    self._broken = refused(self._engine, error)
                    raise self._broken from error
                self._engine.dispose()
                time.sleep(TRY_AGAIN_S[min(attempt, len(TRY_AGAIN_S) - 1)])
                self._reconnected = True
            else:
                if away_since is not None:
                    self._say(f"the journal is back after {time.monotonic() - away_since:.1f} s; nothing was lost")
                return results
        raise AssertionError("unreachable")

    def _connected(self, connection: Any, record: Any) -> None:
        self._reconnected = True

    def _take_again(self) -> None:
        """A server that was away has released our lock; another controller may have taken it.

        A process that only tried it releases it soon; nothing is committed until the lock is ours again.
        """
        deadline = time.monotonic() + LOCK_S
        for attempt in itertools.count():
            try:
                if self._lock.take():
                    return
                with self._engine.connect().execution_options(reading=True) as connection:
                    self._check_fence(connection)  # a newer controller is no watcher: stop at once
            except DBAPIError:
                return  # still away: the next try reports it
            if time.monotonic() > deadline:
                raise self._fenced("another controller has taken the journal over while it was away")
            time.sleep(TRY_AGAIN_S[min(attempt, len(TRY_AGAIN_S) - 1)])

    def _fenced(self, why: str) -> FencedError:
        self._broken = FencedError(f"{why}; this one (epoch {self.epoch}) stops")
        return self._broken

    def _check_fence(self, connection: sa.Connection) -> None:
        newest = connection.execute(self._newest).scalar()
        if newest != self.epoch:
            raise self._fenced(f"a newer controller (epoch {newest}) has taken over")
