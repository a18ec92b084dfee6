"""The journal of a lab: read by everybody, written by the one controller; commands have a table of their own."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from labwright.journal import schema
from labwright.journal.alive import is_alive
from labwright.journal.database import gone, named, open_database, open_for_reading, refused
from labwright.journal.lock import controller_lock, is_held, take_or_refuse
from labwright.journal.statements import Statements
from labwright.journal.telling import Teller
from labwright.journal.wake import CHANNEL, LOOK, Listener, wake
from labwright.journal.writer import Writer
from labwright.model.errors import ConfigError, JournalError, RefusedError
from labwright.model.rows import Changes, Key, Row

CHUNK = 1000
"""Events read at a time; a campaign may have more than a memory wants."""


PAYLOAD_MOST = 4_000_000
"""Characters of a command's payload; what is longer is no command. A campaign with a pool of 10,000 has 800,000."""

SNAPSHOTS = 2
"""So many are kept of each deck: one is enough, and the one before it where that should be damaged."""

TOLD_S = 1.0
"""Wall seconds that listeners may take to hear the last words."""


def journal_file(data: Path) -> Path:
    """Where the journal of a data folder is, unless another place is given."""
    return data / "journal.sqlite"


@dataclass(frozen=True)
class LoggedEvent:
    """An event as it was recorded.

    Attributes:
        campaign: whose it is; empty for the lab's own.
        instruments: on which instruments.
    """

    id: int
    campaign: str
    kind: str
    lab_time_s: float
    wall_time_s: float
    payload: dict[str, Any]
    decisions: list[Any]
    epoch: int
    instruments: str = ""


@dataclass(frozen=True)
class NewEvent:
    """An event to be recorded, with all it changes.

    Attributes:
        campaign: its id; empty for what belongs to the lab alone.
        kind: of event.
        payload: JSON.
        decisions: what the core decided on it, JSON.
        lab_time_s: when.
        changes: rows of the other tables as they are afterwards.
        command: id of the command that asked for it; taken in the same transaction.
        answer: the reply to the command.
        instruments: on which instruments it happens.
    """

    campaign: str
    kind: str
    payload: bytes
    decisions: bytes
    lab_time_s: float
    changes: Changes
    also: Callable[[sa.Connection], None] | None = None
    command: int = 0
    answer: str = ""
    instruments: str = ""


@dataclass(frozen=True)
class Snapshot:
    """The state of a deck's core, from which it can be rebuilt without the events before.

    Attributes:
        instruments: which deck.
        engine: version of the engine that wrote it; another cannot read it.
        state: as that engine writes it.
        event_id: of the last event in it; 0 in a new one for the newest of those that are recorded with it.
        taken_s: wall time.
    """

    instruments: str
    engine: int
    state: str
    event_id: int = 0
    taken_s: float = 0.0


@dataclass(frozen=True)
class Command:
    """What the controller is asked to do, as it is in the table: any program may have written it there.

    Attributes:
        payload: read from JSON; the text itself where it is none, or too long to be a command's.
    """

    id: int
    campaign: str
    kind: str
    payload: Any
    by: str
    because: str
    asked_s: float


class Journal:
    """The journal at a place.

    To look only, use `Journal.reading`.

    Args:
        place: a SQLite file, or the URL of a PostgreSQL database.
        say: called with words when the database is away and when it is back.

    Raises:
        JournalError: it cannot be opened, made, or brought up to date.
        RefusedError: it is an earlier Labwright's, and a controller runs on it.
    """

    def __init__(
        self, place: str | Path, say: Callable[[str], None] = lambda words: None, *, reading: bool = False
    ) -> None:
        self._reading = reading
        self.place = str(place)
        self._engine = open_for_reading(place) if reading else open_database(place, _no_controller_runs)
        self.name = named(self._engine)
        self.listeners: list[Callable[[str], None]] = [say]
        """Called with a message when the database is away and when it is back, in a thread of their own."""
        self._teller = Teller("a listener of the journal")
        self._lock = controller_lock(self._engine)
        self._writer: Writer | None = None
        self._moment = _Moment()
        self._claimed = False
        self.statements = Statements(self._engine)

    @classmethod
    def reading(cls, place: str | Path) -> Self:
        """The journal at a place, to be read only: nothing of it is written or locked, and no writer is waited for.

        Where there is none yet, it is without rows.

        Raises:
            JournalError: it cannot be opened, or an earlier or a newer Labwright has written it.
        """
        return cls(place, reading=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def writer(self) -> Writer:
        """The controller's.

        Raises:
            JournalError: this process does not control the lab.
        """
        if self._writer is None:
            raise JournalError(f"the journal {self.name} was opened to be read only")
        return self._writer

    def claim(self) -> None:
        """Keep other controllers out, before this one has started anything.

        Raises:
            RefusedError: another controller runs.
            JournalError: it cannot be tried.
        """
        self._refuse_reader()
        take_or_refuse(self._lock, self._engine, self._holder())
        self._claimed = True

    def control(
        self, by: str, wake_port: int = 0, *, instruments: str = "", engine: int = 1, stations: Sequence[str] = ()
    ) -> int:
        """Become the one controller; its epoch, larger than all before.

        Args:
            by: who has started it.
            wake_port: UDP port on loopback where it hears that commands wait.
            instruments: on which instruments.
            engine: version of the engine that writes.
            stations: of the lab, for who looks on.

        Raises:
            RefusedError: another controller runs.
            JournalError: the journal refuses.
        """
        self.claim()
        row = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "by": by,
            "wake_port": wake_port,
            "began_s": time.time(),
            "engine": engine,
            "instruments": instruments,
            "heartbeat_s": time.time(),
            "stations": orjson.dumps(list(stations)).decode() if stations else "",
        }
        # What was asked of one that has died must not take effect by surprise; an answer to a question still holds.
        table = schema.command
        left = sa.update(table).where(table.c.taken_s.is_(None), table.c.kind != "answer")
        left = left.values(taken_s=time.time(), answer="withdrawn: another controller has started since")

        def begin(connection: sa.Connection) -> Any:
            # A transaction of the controller before, if it is still alive, ends before this one or sees it.
            newest = sa.select(schema.epoch.c.id).order_by(schema.epoch.c.id.desc()).limit(1).with_for_update()
            connection.execute(newest).scalar()
            connection.execute(left)
            connection.execute(sa.delete(schema.waiting).where(schema.waiting.c.instruments == instruments))
            return connection.execute(sa.insert(schema.epoch).values(**row)).inserted_primary_key

        if self._writer is not None:  # a campaign was closed before the next one begins
            self._writer.close()
        epoch = self.write_alone(begin)
        assert epoch is not None  # noqa: S101 - an insert into this table always has one
        self._writer = Writer(self._engine, int(epoch[0]), self._lock, self._tell)
        return int(epoch[0])

    def record(self, events: Sequence[NewEvent], snapshot: Snapshot | None = None) -> None:
        """Keep events and all they change, in one transaction.

        Args:
            events: in their order.
            snapshot: the state after the last of them, if it is to be kept too.

        Raises:
            JournalError: they are not recorded.
        """

        def work(connection: sa.Connection) -> None:
            self.statements.put(connection, "event", [self._event_row(one) for one in events])
            latest: dict[Key, Row | None] = {}
            for one in events:
                for key, row in one.changes.items():  # a row may leave out columns that stay as they are
                    before = latest.get(key)
                    latest[key] = {**before, **row} if before is not None and row is not None else row
            self._project(connection, latest)
            if snapshot is not None:
                keep_snapshot(connection, snapshot, self.writer.epoch)
            for one in events:
                if one.also is not None:
                    one.also(connection)
                if one.command:
                    connection.execute(
                        sa.update(schema.command)
                        .where(schema.command.c.id == one.command)
                        .values(taken_s=time.time(), answer=one.answer)
                    )

        self.writer.transact(work, "event:" + ",".join(one.kind for one in events))

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot that names its last event.

        Raises:
            JournalError: it is not kept.
        """
        epoch = self.writer.epoch
        self.writer.transact(lambda connection: keep_snapshot(connection, snapshot, epoch), "snapshot")

    def newest_snapshot(self, instruments: str, engine: int, until: int | None = None) -> Snapshot | None:
        """The newest snapshot of a deck; None if there is none, or another version of the engine has written it.

        Args:
            instruments: which deck.
            engine: version of the engine that is to read it.
            until: id of the last event that may be in it; any if None.
        """
        table = schema.snapshot
        mine = sa.select(table).where(table.c.instruments == instruments)
        if until is not None:
            mine = mine.where(table.c.event_id <= until)
        rows = self.read(mine.order_by(table.c.event_id.desc(), table.c.id.desc()).limit(1))
        if not rows or rows[0]["engine"] != engine:
            return None
        return Snapshot(**{name: rows[0][name] for name in Snapshot.__dataclass_fields__})

    def dismiss(self, command: int, answer: str) -> None:
        """Refuse a command, with the reason."""
        self.reply(command, f"refused: {answer}")

    def reply(self, command: int, answer: str) -> None:
        """A command is taken that is no event of a campaign; what became of it."""
        statement = (
            sa.update(schema.command).where(schema.command.c.id == command).values(taken_s=time.time(), answer=answer)
        )
        self.writer.transact(lambda c: c.execute(statement), "command")

    def command(
        self,
        campaign: str,
        kind: str,
        payload: Mapping[str, Any],
        *,
        by: str,
        because: str,
        key: str = "",
        trace: str = "",
    ) -> int:
        """Ask the controller, whatever process it is in, to do something; the command's id.

        Args:
            campaign: its id; empty for the lab.
            kind: of command.
            payload: what else it says.
            by: who asks.
            because: why.
            key: of the one who asks; what is asked a second time with it is the same command, and is taken once.
            trace: of the request that led to it.

        Raises:
            ConfigError: a name is too long, or the key was used for another command.
            JournalError: the journal refuses.
        """
        for option, word in (("--by", by), ("the key", key)):
            if len(word) > schema.KEY_LENGTH:
                raise ConfigError(f"{option}: a name of {len(word)} characters; the journal holds {schema.KEY_LENGTH}")
        row = {
            "campaign": campaign,
            "kind": kind,
            "payload": orjson.dumps(payload).decode(),
            "by": by,
            "because": because,
            "asked_s": time.time(),
            "key": key or None,
            "trace": trace,
        }
        if key and (known := self._command_of(row)) is not None:
            return known
        if kind == "stop" and payload.get("now") is True:
            self.wake_controller(orjson.dumps({"campaign": campaign, "payload": payload, "by": by, "because": because}))

        def ask(connection: sa.Connection) -> Any:
            dialect = connection.dialect.name
            if dialect == "postgresql":
                connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
            insert = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(schema.command)
            unless_known = insert.on_conflict_do_nothing(index_elements=["key"]).returning(schema.command.c.id)
            return connection.execute(unless_known.values(**row)).scalar()

        made = self.write_alone(ask)
        self.wake_controller()
        found = made if made is not None else self._command_of(row)
        assert found is not None  # noqa: S101 - it was inserted, or it was there
        return int(found)

    def _command_of(self, row: Row) -> int | None:
        """The command that was asked with a key before; None if there is none.

        Raises:
            ConfigError: that was another one.
        """
        table = schema.command
        for known in self.rows(table, table.c.key == row["key"]):
            if any(known[name] != row[name] for name in ("campaign", "kind", "payload")):
                raise ConfigError(f"the key {row['key']!r} was used for another command ({known['kind']})")
            return int(known["id"])
        return None

    def withdraw(self, command: int, why: str) -> bool:
        """Withdraw a command that no controller has taken yet; whether that was possible."""
        table = schema.command
        untaken = (table.c.id == command) & table.c.taken_s.is_(None)
        statement = sa.update(table).where(untaken).values(taken_s=time.time(), answer=f"withdrawn: {why}")
        return bool(self.write_alone(lambda c: c.execute(statement).rowcount) == 1)

    def listen(self, woken: Callable[[], None]) -> contextlib.ExitStack:
        """Have `woken` called when a command is left from another machine; close what is returned in the end."""
        listening = contextlib.ExitStack()
        if self._engine.dialect.name == "postgresql":
            listening.callback(Listener(self._engine, woken).close)
        return listening

    def answer_to(self, command: int) -> str | None:
        """What became of a command; None while no controller has taken it."""
        row = self.rows(schema.command, schema.command.c.id == command)[0]
        return None if row["taken_s"] is None else str(row["answer"]) or "done"

    def waiting_commands(self, *campaigns: str) -> list[Command]:
        """Commands for campaigns that no controller has taken, oldest first."""
        if not campaigns:
            return []
        table = schema.command
        waiting = sa.and_(table.c.campaign.in_(campaigns), table.c.taken_s.is_(None))
        names = ("id", "campaign", "kind", "by", "because", "asked_s")
        columns = [table.c[name] for name in names]
        # Only so much of it: a payload of a gigabyte is no command, and must not fill the controller's memory.
        payload = sa.func.substr(table.c.payload, 1, PAYLOAD_MOST + 1).label("payload")
        query = sa.select(*columns, payload).where(waiting).order_by(table.c.id)
        try:
            rows = self.read(query)
        except JournalError:  # SQLite takes bytes that are no text, and then cannot give them back as text
            ids = self.read(sa.select(table.c.id, table.c.campaign).where(waiting).order_by(table.c.id))
            rows = [
                row
                for one in ids
                for row in self._readable(query.where(table.c.id == one["id"]), one["id"], one["campaign"])
            ]
        return [Command(**{**row, "payload": _from_json(row["payload"])}) for row in rows]

    def _readable(self, query: sa.Select[Any], key: int, campaign: str) -> list[Row]:
        """A command, unless it was taken meanwhile; one that cannot be read is refused like one that is not known."""
        try:
            return self.read(query)
        except JournalError as error:
            unread = {"id": key, "campaign": campaign, "kind": "", "by": "", "because": "", "asked_s": 0.0}
            return [{**unread, "payload": str(error)}]

    def wake_controller(self, ahead: bytes = LOOK) -> None:
        """Tell a controller on this machine to look at its commands; nothing happens where none runs.

        Args:
            ahead: a stop-now, ahead of its row.
        """
        newest = self.controller()
        if newest is not None and newest["host"] == socket.gethostname():
            wake(int(newest["wake_port"]), ahead)

    def controller(self) -> Row | None:
        """The newest controller, unless it has recorded its end; it may have died without doing so."""
        table = schema.epoch
        rows = self.rows(table, table.c.id == sa.select(sa.func.max(table.c.id)).scalar_subquery())
        return rows[0] if rows and rows[0]["ended_s"] is None else None

    def controlled(self) -> bool:
        """Whether a controller runs now, in this process or another.

        A reader goes by what the controllers have written, and on their machine by whether the process is alive.
        """
        if self._reading:
            newest = self.controller()
            return newest is not None and is_alive(newest)
        if self._claimed:  # to try the lock now would be to let go of it
            return True
        return is_held(self._lock, self._engine)

    def events(self, campaign: str, after: int = 0) -> Iterator[LoggedEvent]:
        """The campaign's events with ids above `after`, oldest first.

        Raises:
            JournalError: the journal cannot be read.
        """
        return self._events(schema.event.c.campaign == campaign, after)

    def events_on(self, instruments: str, after: int = 0) -> Iterator[LoggedEvent]:
        """Events on a deck with ids above `after`, of all its campaigns and of the lab, oldest first.

        Raises:
            JournalError: the journal cannot be read.
        """
        return self._events(schema.event.c.instruments == instruments, after)

    def logged(self, which: sa.ColumnElement[bool], most: int = CHUNK) -> list[LoggedEvent]:
        """The first so many of some events, oldest first.

        Raises:
            JournalError: the journal cannot be read.
        """
        rows = self.read(sa.select(schema.event).where(which).order_by(schema.event.c.id).limit(most))
        return [
            LoggedEvent(
                **{
                    **row,
                    "payload": orjson.loads(row["payload"]),
                    "decisions": orjson.loads(row["decisions"]) if row["decisions"] else [],
                }
            )
            for row in rows
        ]

    def _events(self, which: sa.ColumnElement[bool], after: int) -> Iterator[LoggedEvent]:
        while chunk := self.logged(sa.and_(which, schema.event.c.id > after)):
            yield from chunk
            if len(chunk) < CHUNK:
                return
            after = chunk[-1].id

    def span(self, campaign: str) -> tuple[int, int]:
        """Ids of the campaign's first and newest event; 0 and 0 if it has none."""
        column = schema.event.c.id
        query = sa.select(sa.func.min(column).label("first"), sa.func.max(column).label("last"))
        (row,) = self.read(query.where(schema.event.c.campaign == campaign))
        return int(row["first"] or 0), int(row["last"] or 0)

    def last_event(self, campaign: str) -> int:
        """Id of the campaign's newest event; 0 if it has none."""
        table = schema.event
        (row,) = self.read(sa.select(sa.func.max(table.c.id).label("last")).where(table.c.campaign == campaign))
        return int(row["last"] or 0)

    def campaigns(self) -> list[str]:
        """Ids of all campaigns, the newest last."""
        # From one campaign to the next by the index: a year's events are not read.
        event = schema.event.alias()
        least = sa.select(sa.func.min(schema.event.c.campaign).label("campaign"))
        ids = least.where(schema.event.c.campaign > "").cte("ids", recursive=True)
        following = sa.select(sa.func.min(event.c.campaign)).where(event.c.campaign > ids.c.campaign).scalar_subquery()
        ids = ids.union_all(sa.select(following).where(ids.c.campaign.is_not(None)))
        first = sa.select(event.c.id).where(event.c.campaign == ids.c.campaign).order_by(event.c.id).limit(1)
        query = sa.select(ids.c.campaign).where(ids.c.campaign.is_not(None)).order_by(first.scalar_subquery())
        return [row["campaign"] for row in self.read(query)]

    def rows(self, table: sa.Table, *where: sa.ColumnElement[bool], order: Any = None) -> list[Row]:
        """Rows of a table.

        Raises:
            JournalError: the journal cannot be read.
        """
        query = sa.select(table).where(*where)
        return self.read(query if order is None else query.order_by(order))

    def cut(self) -> None:
        """End the writer without a word of it, as if this process had been killed; for tests of what comes after."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def close(self) -> None:
        """End the writer, record that this controller has ended, release the lock."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            mine = schema.epoch.c.id == writer.epoch
            try:
                self.write_alone(lambda c: c.execute(sa.update(schema.epoch).where(mine).values(ended_s=time.time())))
            except JournalError:
                pass  # a controller that has not recorded its end is recognised by its lock
        self._teller.close(TOLD_S)
        self._lock.release()
        self._claimed = False
        self._engine.dispose()

    def _refuse_reader(self) -> None:
        if self._reading:
            raise JournalError(f"the journal {self.name} was opened to be read only")

    def _holder(self) -> str:
        newest = self.controller()
        if newest is None:
            return ""
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(newest["began_s"]))
        return f" (process {newest['pid']} on {newest['host']}, by {newest['by']}, since {began} UTC)"

    def _tell(self, words: str) -> None:
        for listener in self.listeners:
            self._teller.tell(listener, words)

    def _event_row(self, one: NewEvent) -> dict[str, Any]:
        return {
            "campaign": one.campaign,
            "kind": one.kind,
            "epoch": self.writer.epoch,
            "lab_time_s": one.lab_time_s,
            "wall_time_s": time.time(),
            "payload": one.payload.decode(),
            "decisions": one.decisions.decode(),
            "instruments": one.instruments,
        }

    def _project(self, connection: sa.Connection, changes: Changes) -> None:
        """Bring the tables of states to what the events have made of them."""
        alike: dict[tuple[str, tuple[str, ...]], list[Row]] = {}
        removed: dict[str, list[list[str | int]]] = {}
        for (table, *key), row in changes.items():
            if row is None:
                removed.setdefault(str(table), []).append(key)
            else:
                alike.setdefault((str(table), tuple(row)), []).append(row)
        for name, keys in removed.items():
            self.statements.delete(connection, name, keys)
        for (name, _), rows in alike.items():
            self.statements.put(connection, name, rows)

    def write_alone(self, work: Callable[[sa.Connection], Any]) -> Any:
        """Do `work` in a transaction that is not the controller's: a command, an answer to one, a reset.

        Raises:
            JournalError: the journal refuses, or was opened to be read only.
        """
        self._refuse_reader()
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise refused(self._engine, error) from error

    def read(self, query: sa.Select[Any]) -> list[Row]:
        """What `query` finds; a controller waits until its server is back.

        Raises:
            JournalError: the journal cannot be read.
        """

        def rows(connection: sa.Connection) -> list[Row]:
            return [dict(row) for row in connection.execute(query).mappings()]

        try:
            if self._moment.connection is not None:
                return rows(self._moment.connection)
            with self._engine.connect().execution_options(reading=True) as connection:
                return rows(connection)
        except DBAPIError as error:
            if self._writer is not None and gone(self._engine, error):
                return self._writer.transact(rows, "read")
            raise refused(self._engine, error) from error

    @contextlib.contextmanager
    def one_moment(self) -> Iterator[None]:
        """Whatever this thread reads of the journal meanwhile is as of one moment, whatever a controller writes.

        Raises:
            JournalError: the journal cannot be read.
        """
        if self._moment.connection is not None:
            yield
            return
        sqlite = self._engine.dialect.name == "sqlite"
        options: dict[str, Any] = {} if sqlite else {"isolation_level": "REPEATABLE READ"}
        try:
            with self._engine.connect().execution_options(reading=True, **options) as connection, connection.begin():
                driver = connection.connection.dbapi_connection
                if sqlite and driver is not None and not driver.in_transaction:
                    connection.exec_driver_sql("BEGIN")  # Python's driver begins no transaction for reading
                self._moment.connection = connection
                try:
                    yield
                finally:
                    self._moment.connection = None
        except DBAPIError as error:
            raise refused(self._engine, error) from error

    def read_together(self, *queries: sa.Select[Any]) -> list[list[Row]]:
        """What queries find at one moment, whatever a controller writes meanwhile.

        Raises:
            JournalError: the journal cannot be read.
        """
        with self.one_moment():
            return [self.read(query) for query in queries]


class _Moment(threading.local):
    """What a thread reads by while it reads as of one moment."""

    connection: sa.Connection | None = None


def _no_controller_runs(engine: sa.Engine) -> None:
    """Refuse to change the tables under a controller, which an earlier Labwright runs.

    Raises:
        RefusedError: one runs.
    """
    if is_held(controller_lock(engine), engine):
        raise RefusedError(
            f"the journal {named(engine)} is an earlier Labwright's, and a controller of that runs on it; stop it "
            "first, then bring the journal up to date: labwright journal migrate"
        )


def keep_snapshot(connection: sa.Connection, snapshot: Snapshot, epoch: int) -> None:
    """Write a snapshot, and let all but the newest two of its deck go.

    Args:
        connection: in a transaction of the controller.
        snapshot: to be written.
        epoch: of the controller: where the snapshot names no event, the newest of this epoch is the last in it.
    """
    table, event = schema.snapshot, schema.event
    mine = table.c.instruments == snapshot.instruments
    last = snapshot.event_id
    if not last:
        mine_now = (event.c.instruments == snapshot.instruments, event.c.epoch == epoch)
        newest = sa.select(event.c.id).where(*mine_now).order_by(event.c.id.desc()).limit(1)  # the first it looks at
        last = int(connection.execute(newest).scalar() or 0)
    row = {"event_id": last, "instruments": snapshot.instruments, "engine": snapshot.engine}
    connection.execute(sa.insert(table).values(**row, taken_s=time.time(), state=snapshot.state))
    order = sa.select(table.c.id).where(mine).order_by(table.c.event_id.desc(), table.c.id.desc())
    kept = list(connection.execute(order.limit(SNAPSHOTS)).scalars())
    connection.execute(sa.delete(table).where(mine, table.c.id.not_in(kept)))


def _from_json(text: Any) -> Any:
    """What a command's payload says; the text itself where it is no JSON."""
    if not isinstance(text, (str, bytes)) or len(text) > PAYLOAD_MOST:
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
