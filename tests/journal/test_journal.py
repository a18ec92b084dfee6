"""The journal on SQLite and on PostgreSQL: one writer, nothing lost, nothing twice, refusals in words."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from labwright.journal import (
    FencedError,
    Journal,
    NewEvent,
    StepJournal,
    WakePort,
    database,
    open_latches,
    schema,
    settle,
    supersede,
    writer,
)
from labwright.journal.database import database_url, open_database
from labwright.journal.schema import HEAD, metadata
from labwright.model.errors import ConfigError, JournalError, RefusedError
from labwright.model.latch import WHOLE_LAB
from labwright.model.records import Intent, Observation
from labwright.model.states import IllegalTransitionError


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The place of a new journal."""
    if request.param == "sqlite":
        return str(tmp_path / "deep" / "journal.sqlite")
    return str(request.getfixturevalue("postgres").fresh_database())


@pytest.fixture
def journal(place: str) -> Iterator[Journal]:
    with Journal(place) as one:
        one.control("a test")
        yield one


def event(kind: str, campaign: str = "c-1", payload: bytes = b"{}", **more: Any) -> NewEvent:
    return NewEvent(
        campaign=campaign, kind=kind, payload=payload, decisions=b'["ask 1"]', lab_time_s=1.0, **{"changes": {}, **more}
    )


def test_events_come_back_in_their_order_with_what_was_decided(journal: Journal, place: str) -> None:
    journal.record(
        [event("started"), event("started", "d-1"), event("suggested", payload=b'{"x": [1, 2.5, "\xc3\xa4"]}')]
    )
    with Journal(place) as reader:
        first, second = reader.events("c-1")
        assert [one.kind for one in (first, second)] == ["started", "suggested"]
        assert second.payload == {"x": [1, 2.5, "ä"]}
        assert (second.decisions, second.epoch) == (["ask 1"], 1)
        assert [one.kind for one in reader.events("c-1", after=first.id)] == ["suggested"]
        assert reader.campaigns() == ["c-1", "d-1"]


def test_an_event_and_what_it_changes_are_kept_together_or_not_at_all(journal: Journal) -> None:
    stock = {"instruments": "real", "name": "water", "count": 5, "dead": 0, "used": 0, "unit": "nL", "lot": ""}
    stock |= {"unknown": 0, "reserved": 1, "since_s": None, "material": "water", "facts": "", "doubts": ""}
    journal.record([event("started", changes={("stock", "real", "water"): stock})])
    journal.record([event("step_ended", changes={("stock", "real", "water"): {**stock, "used": 1}})])
    assert [dict(row) for row in journal.rows(schema.stock)] == [{**stock, "used": 1}]

    def broken(connection: Any) -> None:
        raise IllegalTransitionError("a bug")

    with pytest.raises(IllegalTransitionError):
        journal.record([event("step_ended", changes={("stock", "real", "water"): {**stock, "used": 2}}, also=broken)])
    assert journal.rows(schema.stock)[0]["used"] == 1
    assert len(list(journal.events("c-1"))) == 2


def test_a_row_may_leave_out_what_stays_as_it_is(journal: Journal) -> None:
    row = {"id": "c-1", "name": "c", "state": "running", "simulated": True, "budget": 3, "tried": 0}
    first = event("started", changes={("campaign", "c-1"): {**row, "title": "all of it"}})
    journal.record([first, event("suggested", changes={("campaign", "c-1"): {**row, "tried": 1}})])
    journal.record([event("step_ended", changes={("campaign", "c-1"): {**row, "tried": 2}})])
    (kept,) = journal.rows(schema.campaign)
    assert (kept["tried"], kept["title"]) == (2, "all of it")


def test_many_threads_are_committed_together_and_none_suffers_for_another(journal: Journal) -> None:
    batches: list[str] = []
    journal.writer.on_commit = lambda when, label: batches.append(label) if when == "before" else None
    failed: list[int] = []

    def write(number: int) -> None:
        def also(connection: Any) -> None:
            if number % 10 == 0:
                raise IllegalTransitionError("mine is wrong")

        try:
            journal.record([event(f"n{number}", also=also)])
        except IllegalTransitionError:
            failed.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = {one.kind for one in journal.events("c-1")}
    assert kept == {f"n{number}" for number in range(100) if number % 10}
    assert sorted(failed) == list(range(0, 100, 10))


def test_a_second_controller_is_refused_and_a_reader_is_not(journal: Journal, place: str) -> None:
    with Journal(place) as other:
        with pytest.raises(RefusedError, match=r"another controller runs .*\(process \d+ on .*, by a test, since "):
            other.claim()
        assert other.controlled()
        assert list(other.events("c-1")) == []
        with pytest.raises(JournalError, match="read only"):
            other.record([event("started")])
    journal.close()
    with Journal(place) as other:
        assert not other.controlled()
        assert other.control("the next") == 2


def test_a_controller_that_begins_anew_leaves_no_writer_behind(journal: Journal) -> None:
    before = threading.active_count()
    journal.control("the same, for the next campaign")
    assert threading.active_count() == before
    journal.record([event("started")])
    assert [one.epoch > 1 for one in journal.events("c-1")] == [True]


def test_an_old_controller_writes_nothing_once_there_is_a_newer_one(journal: Journal, place: str) -> None:
    engine = open_database(place)
    with engine.begin() as connection:
        connection.execute(sa.insert(schema.epoch).values(host="h", pid=1, by="newer", wake_port=0, began_s=0.0))
    engine.dispose()
    for _ in range(2):
        with pytest.raises(
            FencedError, match=r"a newer controller \(epoch 2\) has taken over; this one \(epoch 1\) stops"
        ):
            journal.record([event("started")])
    assert list(journal.events("c-1")) == []


MINE = {"step_id": "c-1/0001/dose", "campaign": "c-1", "label": "0001", "step": "dose"}


def intent(n: int = 0, **changes: Any) -> Intent:
    given: dict[str, Any] = {
        "device": "pump",
        "axis": "volume",
        "value": 5.0,
        "reconcile": "by_counter",
        "witness": 0.0,
    }
    return Intent(**{**MINE, "n": n, "kind": "set", "epoch": 1, "prepared_s": 1.0, **given, **changes})


def reading(n: int, value: float = 1.0, **changes: Any) -> Observation:
    given = {"device": "scale", "reading": {"mass": {"value": value, "timestamp": 2.0}}, "lab_time_s": 2.0}
    return Observation(**{**MINE, "n": n, **given, **changes})


def decided(one: Intent, state: Any, **changes: Any) -> Intent:
    return one.model_copy(update={"state": state, "decided_by": "reply", "decided_s": 3.0, **changes})


def test_intents_keep_to_their_states(journal: Journal) -> None:
    keeper = StepJournal(journal)
    keeper.prepare(intent())
    assert keeper.recall("c-1/0001/dose").intents == {0: intent()}
    keeper.decide(decided(intent(), "unknown"))
    keeper.decide(decided(intent(), "absent", words="it counts 0 of 5 ul"))
    with pytest.raises(IllegalTransitionError, match="is absent and cannot become confirmed"):
        keeper.decide(decided(intent(), "confirmed"))
    keeper.prepare(intent(attempt=2))
    record = keeper.recall("c-1/0001/dose")
    assert (record.intents[0].attempt, record.intents[0].state, record.attempts) == (2, "prepared", {0: 2})
    with pytest.raises(sa.exc.IntegrityError):
        keeper.prepare(intent(attempt=2))


def test_an_outcome_and_what_it_measured_are_kept_together(journal: Journal) -> None:
    keeper = StepJournal(journal)
    measure = intent(3, kind="measure", axis="", value=None, device="scale", reconcile="by_state", witness=None)
    keeper.prepare(measure)
    keeper.decide(decided(measure, "confirmed"), reading(4, intent=measure.key))
    record = keeper.recall("c-1/0001/dose")
    assert record.intents[3].state == "confirmed"
    assert record.observations[4].reading == {"mass": {"value": 1.0, "timestamp": 2.0}}
    assert record.last == 4
    with pytest.raises(IllegalTransitionError):
        keeper.decide(decided(measure, "confirmed"), reading(5, intent=measure.key))
    assert 5 not in keeper.recall("c-1/0001/dose").observations


def test_a_retry_reads_anew_what_came_after_the_last_operation_that_counts(journal: Journal) -> None:
    keeper = StepJournal(journal)
    keeper.observe(reading(0))
    keeper.prepare(intent(1))
    keeper.decide(decided(intent(1), "confirmed"))
    keeper.observe(reading(2))
    heat = intent(3, device="plate", axis="temperature", reconcile="by_state", witness=None)
    keeper.prepare(heat)
    keeper.decide(decided(heat, "confirmed"))
    journal.record([event("answered", also=supersede("c-1/0001/dose"))])
    record = keeper.recall("c-1/0001/dose")
    assert (set(record.observations), set(record.intents)) == ({0}, {1})
    assert record.attempts == {1: 1, 3: 1}, "what was tried before is not forgotten"
    keeper.observe(reading(2, value=7.0))
    assert keeper.recall("c-1/0001/dose").observations[2].reading["mass"]["value"] == 7.0


def test_a_retry_forgets_nothing_that_may_have_happened(journal: Journal) -> None:
    keeper = StepJournal(journal)
    keeper.prepare(intent(0))
    keeper.decide(decided(intent(0), "unknown", words="cut short"))
    measure = intent(1, kind="measure", axis="", value=None, device="scale", reconcile="ask", witness=None)
    keeper.prepare(measure)
    keeper.decide(decided(measure, "confirmed"), reading(2, intent=measure.key))
    keeper.observe(reading(3))
    journal.record([event("answered", also=supersede("c-1/0001/dose"))])
    record = keeper.recall("c-1/0001/dose")
    assert {n: one.state for n, one in record.intents.items()} == {0: "unknown", 1: "confirmed"}
    assert set(record.observations) == {2}, "what a measurement that changes the sample has found is not lost"


def test_a_persons_word_settles_what_is_in_doubt_and_nothing_else(journal: Journal) -> None:
    keeper = StepJournal(journal)
    keeper.prepare(intent())
    keeper.decide(decided(intent(), "unknown", decided_by="evidence"))
    journal.record([event("answered", also=settle("c-1/0001/dose", 0, "confirmed", "looked", "Kim", 9.0))])
    found = keeper.recall("c-1/0001/dose").intents[0]
    assert (found.state, found.decided_by, found.words, found.decided_s) == ("confirmed", "Kim", "looked", 9.0)
    journal.record([event("answered", also=settle("c-1/0001/dose", 0, "absent", "no", "Lee", 10.0))])
    assert keeper.recall("c-1/0001/dose").intents[0].decided_by == "Kim"


def test_set_points_are_remembered_for_a_restart(journal: Journal) -> None:
    keeper = StepJournal(journal)
    for n, value in enumerate((27.0, 60.0)):
        heat = intent(n, device="plate", axis="temperature", value=value, reconcile="by_state", prepared_s=float(n))
        keeper.prepare(heat)
        keeper.decide(decided(heat, "confirmed", decided_s=float(n)))
    assert keeper.held("c-1") == {("plate", "temperature"): 60.0}
    assert keeper.held("c-2") == {}


def test_a_command_reaches_the_controller_and_its_answer_comes_back(journal: Journal, place: str) -> None:
    tapped = threading.Event()
    journal.close()
    with WakePort(tapped.set) as port, Journal(place) as controller, Journal(place) as other:
        controller.control("a test", port.number)
        number = other.command("c-1", "pause", {}, by="Kim", because="lunch")
        assert tapped.wait(5), "nobody tapped"
        (command,) = controller.waiting_commands("c-1")
        assert (command.id, command.kind, command.by, command.because) == (number, "pause", "Kim", "lunch")
        assert other.answer_to(number) is None
        controller.record([event("pause_asked", command=number, answer="done")])
        assert other.answer_to(number) == "done"
        number = other.command("c-1", "pause", {}, by="Kim", because="lunch")
        controller.dismiss(number, "it is paused")
        assert other.answer_to(number) == "refused: it is paused"
        assert controller.waiting_commands("c-1") == []


def test_a_key_as_long_as_its_column_is_written_and_a_longer_name_is_refused(journal: Journal) -> None:
    journal.control("a test")
    keeper = StepJournal(journal)
    step_id = "a" * 100 + "/" + "ä" * (schema.KEY_LENGTH - 101)
    keeper.prepare(intent(step_id=step_id))
    assert len(keeper.recall(step_id).intents) == 1
    with pytest.raises(ConfigError, match="--by: a name of 201 characters; the journal holds 200"):
        journal.command("c-1", "stop", {}, by="k" * 201, because="")


def test_a_command_from_another_machine_is_heard_and_the_ear_survives_the_server(postgres: Any) -> None:
    place = postgres.fresh_database()
    heard = threading.Semaphore(0)
    with Journal(place) as controller, Journal(place) as other:
        controller.control("a test")  # without a port on loopback, as for somebody on another machine
        with controller.listen(heard.release):
            assert heard.acquire(timeout=10), "it does not look when it begins"
            other.command("c-1", "pause", {}, by="Kim", because="lunch")
            assert heard.acquire(timeout=10)
            postgres.kill()
            postgres.start()
            assert heard.acquire(timeout=20), "it does not listen again"
            other.command("c-1", "resume", {}, by="Kim", because="")
            assert heard.acquire(timeout=10)


def test_a_server_that_dies_in_a_commit_loses_and_doubles_nothing(postgres: Any) -> None:
    """The hardest moment: the commit has been sent, and nobody knows whether it arrived."""
    said: list[str] = []
    with Journal(postgres.fresh_database(), said.append) as journal:
        journal.control("a test")
        for number in range(6):
            killed = threading.Event()

            def die(when: str, label: str, killed: threading.Event = killed, number: int = number) -> None:
                if when == ("before", "after")[number % 2] and not killed.is_set():
                    killed.set()
                    postgres.kill()
                    postgres.start()

            journal.writer.on_commit = die
            journal.record([event(f"n{number}")])
        assert [one.kind for one in journal.events("c-1")] == [f"n{number}" for number in range(6)]
    assert any("does not answer" in words and "no operation starts" in words for words in said)
    assert any("is back after" in words for words in said)


def test_a_commit_that_arrived_although_nobody_heard_of_it_is_not_made_twice(journal: Journal, place: str) -> None:
    """As after a lost answer of the server: the row of the epoch says already that this batch is kept."""
    journal.record([event("started")])
    engine = open_database(place)
    with engine.begin() as connection:
        connection.execute(sa.update(schema.epoch).values(sequence=journal.writer._sequence + 1))
    engine.dispose()
    with pytest.raises(FencedError, match="its row in the table of epochs is not as it left it"):
        journal.record([event("suggested")])
    assert [one.kind for one in journal.events("c-1")] == ["started"]


def test_a_controller_whose_lock_was_taken_while_the_server_was_away_stops(postgres: Any) -> None:
    place = postgres.fresh_database()
    with Journal(place) as journal, Journal(place) as other:
        journal.control("the first")
        postgres.kill()
        postgres.start()
        assert other.control("the second") > journal.writer.epoch
        with pytest.raises(FencedError, match=r"another controller has taken|a newer controller"):
            journal.record([event("started")])


def test_a_lock_that_is_lost_in_silence_is_missed(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LOCK_S", 0.2)
    place = postgres.fresh_database()
    with Journal(place) as journal, Journal(place) as other:
        journal.control("the first")
        with other._engine.begin() as connection:  # its connection is cut, as by a firewall that forgets idle ones
            ours = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            connection.exec_driver_sql(ours)
        other.claim()
        journal.writer._looked = 0.0
        with pytest.raises(FencedError, match="another controller has taken the journal over"):
            journal.record([event("started")])


def test_a_server_that_is_not_there_is_told_in_words() -> None:
    with pytest.raises(
        JournalError, match=r"the journal postgresql\+psycopg://lab:\*\*\*@127.0.0.1:1/none refuses: .*start its"
    ):
        Journal("postgresql://lab:secret@127.0.0.1:1/none")


def test_a_place_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is no database, and long enough not to be an empty one" * 20)
    with pytest.raises(JournalError, match=r"refuses: file is not a database.*Nothing may move"):
        Journal(path)
    with pytest.raises(JournalError, match="kept in SQLite"):
        database_url("mysql://somewhere/else")


def test_a_journal_of_a_newer_labwright_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(JournalError, match="has the revision 9999, which this Labwright does not know"):
        Journal(path)


def old_journal(path: Path) -> Path:
    """A journal of Labwright 0.1 with one event."""
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, campaign VARCHAR(128) NOT NULL, "
            "kind VARCHAR(64) NOT NULL, lab_time_s FLOAT NOT NULL, wall_time_s FLOAT NOT NULL, payload BLOB NOT NULL);"
            "CREATE INDEX ix_event_campaign ON event (campaign);"
        )
        connection.execute("INSERT INTO event VALUES (7, 'c-1', 'started', 1.0, 2.0, ?)", (b'{"kind": "started"}',))
    return path


def test_a_journal_lies_where_its_path_says_whatever_characters_that_has(tmp_path: Path) -> None:
    folder = tmp_path / "a?b #1 100%41 'q' [x]"
    folder.mkdir()
    Journal(folder / "new.sqlite").close()
    migrations = folder / "migrations"  # an installation under such a name
    migrations.symlink_to(database.JOURNAL.migrations)
    installed = replace(database.JOURNAL, migrations=migrations)
    database.open_database(old_journal(folder / "old.sqlite"), tables=installed).dispose()
    with Journal(folder / "old.sqlite") as journal:
        assert [one.id for one in journal.events("c-1")] == [7]
    assert {path.name for path in folder.iterdir()} >= {"new.sqlite", "old.sqlite"}
    assert [path.name for path in tmp_path.iterdir()] == [folder.name], "nothing beside it"


def test_a_journal_of_labwright_0_1_is_brought_up_to_date(tmp_path: Path) -> None:
    with Journal(old_journal(tmp_path / "journal.sqlite")) as journal:
        (found,) = journal.events("c-1")
        assert (found.id, found.payload, found.decisions) == (7, {"kind": "started"}, [])
        journal.control("a test")
        journal.record([event("suggested")])
        assert [one.id for one in journal.events("c-1")] == [7, 8]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_migrations_lead_to_the_tables_of_today(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    from alembic import command
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext

    import labwright.journal.migrations

    place = str(tmp_path / "j.sqlite") if kind == "sqlite" else request.getfixturevalue("postgres").fresh_database()
    engine = sa.create_engine(database_url(place))
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(labwright.journal.migrations.__file__).parent))
        command.upgrade(config, "head")
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == HEAD
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_an_older_ledger_gets_its_nanolitres_and_an_older_stop_still_holds(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    import labwright.journal.migrations

    place = tmp_path / "j.sqlite"
    engine = sa.create_engine(database_url(place))
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(labwright.journal.migrations.__file__).parent))
        command.upgrade(config, "0003")
        connection.exec_driver_sql(
            "INSERT INTO ledger (lot, change_ml, why) VALUES ('water', -0.2827993366, 'experiment')"
        )
        connection.exec_driver_sql(
            'INSERT INTO latch (scope, instruments, campaign, "by", because, set_s) '
            "VALUES ('lab', 'real', 'c-1', 'Ann', 'it smells', 1.0)"
        )
    engine.dispose()
    with Journal(place) as journal:
        (entry,) = journal.rows(schema.ledger)
        assert (entry["taken_from"], entry["amount"], entry["unknown"]) == ("container:water", 282_799, 0)
        assert entry["step_id"] == ""
        (latch,) = open_latches(journal, "real")
        assert (latch.scope, latch.campaign, latch.by) == (WHOLE_LAB, "c-1", "Ann"), "an older stop holds as it did"


def test_two_processes_that_open_a_new_journal_at_once_both_have_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    program = f"from labwright.journal import Journal; Journal({str(path)!r}).close(); print('ok')"
    started = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for one in started:
        out, err = one.communicate(timeout=60)
        assert out == "ok\n", err


def test_who_opens_a_journal_to_read_it_waits_for_no_writer(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        opened = threading.Thread(target=lambda: Journal(path).close(), daemon=True)
        opened.start()
        opened.join(10)
        assert not opened.is_alive()
        writer.execute("ROLLBACK")


def test_what_is_read_as_of_one_moment_does_not_change_meanwhile(journal: Journal, place: str) -> None:
    journal.record([event("started")])
    seen: list[int] = []
    with Journal.reading(place) as reader:
        with reader.one_moment():
            seen.append(len(list(reader.events("c-1"))))
            journal.record([event("suggested")])
            with reader.one_moment():  # within another it is the same moment
                seen.append(len(list(reader.events("c-1"))))
        seen.append(len(list(reader.events("c-1"))))
    assert seen == [1, 1, 2], "and of the present again afterwards"


def test_a_reader_never_waits_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal, Journal(path) as reader:
        journal.control("a test")
        inside, go_on = threading.Event(), threading.Event()

        def slow(connection: Any) -> None:
            inside.set()
            assert go_on.wait(20)

        thread = threading.Thread(target=journal.record, args=([event("started", also=slow)],))
        thread.start()
        assert inside.wait(5)
        began = time.monotonic()
        assert list(reader.events("c-1")) == []
        assert time.monotonic() - began < 2.0
        go_on.set()
        thread.join()


def test_a_command_that_is_taken_while_another_cannot_be_read_is_none_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "journal.sqlite"
    with Journal(place) as journal:
        journal.control("Ann")
        taken = journal.command("c-1", "pause", {}, by="Ann", because="")
        with sqlite3.connect(place) as connection:  # as any program may
            connection.execute(
                "INSERT INTO command (campaign, kind, payload, by, because, asked_s, answer)"
                " VALUES ('c-1', 'pause', CAST(? AS TEXT), 'x', '', 0, '')",
                (b"\xff\xfe",),
            )
        read = journal.read

        def while_it_is_read(query: Any) -> Any:
            rows = read(query)
            if set(rows[0] if rows else ()) == {"id", "campaign"}:
                journal.dismiss(taken, "another thread was quicker")
            return rows

        monkeypatch.setattr(journal, "read", while_it_is_read)
        waiting = journal.waiting_commands("c-1")
        assert [one.kind for one in waiting] == [""], "only the one that cannot be read is left, to be refused"
