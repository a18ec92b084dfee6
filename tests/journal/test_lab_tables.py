"""The journal's tables for a lab: decks, scopes, identity in columns, snapshots; on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

import labwright.journal.migrations
from labwright.journal import Journal, NewEvent, Snapshot, StepJournal, schema
from labwright.journal.database import database_url
from labwright.model.errors import ConfigError
from labwright.model.records import Intent
from labwright.model.states import IntentState

REAL, TWIN = "real", "/a|folder/with:signs"
"""Two decks; the path of the second has the signs that keys were once joined with."""


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The place of a new journal."""
    if request.param == "sqlite":
        return str(tmp_path / "journal.sqlite")
    return str(request.getfixturevalue("postgres").fresh_database())


@pytest.fixture
def journal(place: str) -> Iterator[Journal]:
    with Journal(place) as one:
        one.control("a test", instruments=REAL, engine=2)
        yield one


def event(kind: str, campaign: str = "c-1", instruments: str = REAL, **more: Any) -> NewEvent:
    given: dict[str, Any] = {"payload": b"{}", "decisions": b"[]", "lab_time_s": 1.0, "changes": {}}
    return NewEvent(campaign=campaign, kind=kind, instruments=instruments, **{**given, **more})


def entry(deck: str, number: int, amount: int, campaign: str = "c-1") -> dict[tuple[str | int, ...], Any]:
    row = {"instruments": deck, "taken_from": "container:water", "put_into": "outside", "campaign": campaign}
    return {("ledger", deck, campaign, number): {**row, "amount": amount}}


def test_events_have_a_scope_and_a_deck(journal: Journal) -> None:
    journal.record(
        [
            event("started"),
            event("shelved", ""),
            event("started", "d-1", TWIN),
            event("noted"),
            event("noted", "", TWIN),
        ]
    )
    assert [one.kind for one in journal.events("c-1")] == ["started", "noted"]
    assert [(one.campaign, one.kind) for one in journal.events_on(REAL)] == [
        ("c-1", "started"),
        ("", "shelved"),
        ("c-1", "noted"),
    ]
    first = next(journal.events_on(TWIN))
    assert (first.campaign, first.instruments) == ("d-1", TWIN)
    assert [one.kind for one in journal.events_on(TWIN, after=first.id)] == ["noted"]
    assert [one.kind for one in journal.events("")] == ["shelved", "noted"]
    assert journal.campaigns() == ["c-1", "d-1"], "the lab itself is none"
    (epoch,) = journal.rows(schema.epoch)
    assert (epoch["engine"], epoch["instruments"]) == (2, REAL)


def test_entries_of_one_transaction_do_not_hide_each_other_and_decks_count_apart(journal: Journal) -> None:
    journal.record([event("step_ended", changes=entry(REAL, 1, 5)), event("step_ended", changes=entry(REAL, 2, 6))])
    other = event("step_ended", "d-1", TWIN, changes=entry(TWIN, 1, 7, "d-1"))
    # Another core counts from 1 again; the ledger of its deck goes on.
    journal.record([other, event("step_ended", "e-1", changes=entry(REAL, 1, 8, "e-1"))])
    rows = journal.rows(schema.ledger, order=schema.ledger.c.id)
    assert [(row["instruments"], row["entry"], row["amount"]) for row in rows] == [
        (REAL, 1, 5),
        (REAL, 2, 6),
        (TWIN, 1, 7),
        (REAL, 3, 8),
    ]


def test_what_a_deck_has_is_its_own_and_goes_by_its_key(journal: Journal) -> None:
    def held(deck: str, campaign: str) -> dict[tuple[str | int, ...], Any]:
        row = {"instruments": deck, "resource": "position:plate_1", "campaign": campaign, "label": "0001"}
        return {("reservation", deck, "position:plate_1"): {**row, "step_id": "", "state": "active"}}

    journal.record(
        [event("suggested", changes=held(REAL, "c-1")), event("suggested", "d-1", changes=held(TWIN, "d-1"))]
    )
    journal.record([event("step_ended", "d-1", changes={("reservation", TWIN, "position:plate_1"): None})])
    (kept,) = journal.rows(schema.reservation)
    assert (kept["instruments"], kept["campaign"], kept["label"]) == (REAL, "c-1", "0001")


def test_what_was_set_by_hand_since_is_not_set_back_after_a_crash(journal: Journal) -> None:
    keeper = StepJournal(journal)

    def kept(campaign: str, name: str, deck: str = REAL) -> None:
        row: dict[str, Any] = {"id": campaign, "name": name}
        row |= {"title": "", "state": "running", "reason": "", "lab": "", "lab_sha256": ""}
        row |= {"instruments": deck, "began_s": 0.0, "ended_s": None, "planner": "", "objectives": "", "best": None}
        row |= {"short": "", "closed": "", "lost": "", "simulated": False, "budget": 1, "tried": 1, "priority": 0}
        journal.record([event("started", campaign, deck, changes={("campaign", campaign): row})])

    def sets(campaign: str, axis: str, value: float, at_s: float, state: IntentState = "confirmed") -> None:
        mine: dict[str, Any] = {
            "step_id": f"{campaign}/0001/{axis}",
            "campaign": campaign,
            "label": "0001",
            "step": axis,
        }
        one = Intent(
            **mine, n=int(at_s), kind="set", device="plate", axis=axis, value=value, reconcile="by_state", epoch=1,
            prepared_s=at_s,
        )  # fmt: skip
        keeper.prepare(one)
        keeper.decide(one.model_copy(update={"state": state, "decided_s": at_s}))

    kept("c-1", "first")
    kept("h-1", "by_hand")
    kept("h-2", "by_hand", TWIN)
    for axis in ("temperature", "speed", "light", "cover"):
        sets("c-1", axis, 40.0, 1.0)
    sets("h-1", "temperature", 20.0, 2.0)
    sets("h-1", "light", 0.0, 3.0, "absent")
    sets("h-2", "cover", 0.0, 4.0)
    assert keeper.held("c-1") == dict.fromkeys([("plate", "speed"), ("plate", "light"), ("plate", "cover")], 40.0)
    assert keeper.held("h-1") == {("plate", "temperature"): 20.0}
    sets("c-1", "temperature", 50.0, 5.0)
    assert keeper.held("c-1")["plate", "temperature"] == 50.0


def test_intents_are_found_by_campaign_and_experiment(journal: Journal) -> None:
    keeper = StepJournal(journal)
    for campaign in ("c-1", "c-1/x", "c-11"):  # by letters, the one begins like the other
        mine = {"step_id": f"{campaign}/0001/heat", "campaign": campaign, "label": "0001", "step": "heat"}
        heat = Intent(
            **mine, n=0, kind="set", device="plate", axis="temperature", value=float(len(campaign)),
            reconcile="by_state", epoch=1, prepared_s=1.0,
        )  # fmt: skip
        keeper.prepare(heat)
        keeper.decide(heat.model_copy(update={"state": "confirmed", "decided_s": 2.0}))
        assert keeper.recall(f"{campaign}/0001/heat").intents[0].label == "0001"
    assert keeper.held("c-1") == {("plate", "temperature"): 3.0}
    table = schema.intent
    (row,) = journal.rows(table, table.c.campaign == "c-1", table.c.label == "0001", table.c.step == "heat")
    assert row["step_id"] == "c-1/0001/heat"


def test_a_snapshot_is_kept_with_its_event_or_alone_and_the_newest_two_stay(journal: Journal) -> None:
    assert journal.newest_snapshot(REAL, 2) is None
    journal.record([event("started"), event("noted")], Snapshot(REAL, 2, '{"a":1}'))
    last = journal.last_event("c-1")
    found = journal.newest_snapshot(REAL, 2)
    assert found is not None
    assert (found.state, found.event_id, found.instruments, found.engine) == ('{"a":1}', last, REAL, 2)
    assert journal.newest_snapshot(REAL, 1) is None, "of another version of the engine"
    assert journal.newest_snapshot(TWIN, 2) is None
    journal.record([event("started", "d-1", TWIN)], Snapshot(TWIN, 2, "twin"))
    for number in range(3):
        journal.record([event("noted")])
        journal.keep_snapshot(Snapshot(REAL, 2, f"later {number}", event_id=journal.last_event("c-1")))
    found = journal.newest_snapshot(REAL, 2)
    assert found is not None
    assert (found.state, found.event_id) == ("later 2", journal.last_event("c-1"))
    rows = journal.rows(schema.snapshot, order=schema.snapshot.c.id)
    assert [row["state"] for row in rows] == ["twin", "later 1", "later 2"]


def test_a_snapshot_and_its_event_are_kept_together_or_not_at_all(journal: Journal) -> None:
    def broken(connection: Any) -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        journal.record([event("noted", also=broken)], Snapshot(REAL, 2, "never"))
    assert journal.newest_snapshot(REAL, 2) is None


def at_0005(place: str) -> sa.Engine:
    """A new journal as Labwright 0005 has it."""
    from alembic import command
    from alembic.config import Config

    engine = sa.create_engine(database_url(place))
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(labwright.journal.migrations.__file__).parent))
        command.upgrade(config, "0005")
    return engine


def put(connection: sa.Connection, table: str, *rows: dict[str, Any]) -> None:
    for row in rows:
        target = sa.table(table, *(sa.column(name) for name in row))
        connection.execute(sa.insert(target).values(**row))


def old_event(campaign: str, kind: str, lab_time_s: float, **payload: Any) -> dict[str, Any]:
    told = orjson.dumps({"kind": kind, **payload}).decode()
    times = {"lab_time_s": lab_time_s, "wall_time_s": lab_time_s}
    return {"campaign": campaign, "kind": kind, "payload": told, "decisions": "[]", "epoch": 1, **times}


def fill(connection: sa.Connection) -> None:
    """Three campaigns: two on one deck, one on another; rows as the engine of then wrote them."""
    veto = {"params": {"x": 0.9}, "reach": 0.1, "by": "Kim", "because": "too rich"}
    put(
        connection,
        "event",
        old_event("a-1", "started", 10.0, simulated=False),
        old_event("a-1", "vetoed", 11.0, veto=veto),
        old_event("a-1", "vetoed", 12.0, trial="0003", by="Kim"),
        old_event("a-1", "step_ended", 20.0),
        old_event("a-1", "deck_checked", 99.0),
        old_event("b-1", "started", 30.0, instruments=TWIN, simulated=True),
        old_event("c-1", "started", 40.0, instruments="real"),
    )
    row = {"title": "T", "lab": "l", "lab_sha256": "s", "budget": 3, "tried": 1, "reason": ""}
    goals = {"objective": {"name": "y"}, "more_objectives": [{"name": "z"}]}
    spec = orjson.dumps({"name": "n", "planner": {"name": "labwright"}, **goals}).decode()
    put(
        connection,
        "campaign",
        {**row, "id": "a-1", "name": "a", "state": "completed", "simulated": False, "instruments": REAL, "spec": spec},
        {**row, "id": "b-1", "name": "b", "state": "running", "simulated": True, "instruments": TWIN, "spec": spec},
        {**row, "id": "c-1", "name": "c", "state": "running", "simulated": False, "instruments": REAL, "spec": spec},
    )
    trial = {"id": "0001", "params": {"x": 0.5}, "status": "done", "outcomes": {"y": {"mean": 1.0}}}
    for label, told in (("0001", trial), ("0002", {**trial, "id": "0002", "source": "human"}), ("calibrate", None)):
        text = "" if told is None else orjson.dumps(told).decode()
        put(
            connection,
            "experiment",
            {"campaign": "a-1", "label": label, "sample": f"a-1-{label}", "state": "complete", "trial": text},
        )
    step = {"protocol": "p", "round": 2, "state": "done", "attempt": 1, "expected_s": 1.0}
    put(connection, "step", {**step, "step_id": "a-1/0001/stir~2", "campaign": "a-1", "label": "0001", "name": "stir"})
    intent = {"attempt": 1, "kind": "set", "device": "d", "reconcile": "ask", "epoch": 1, "state": "confirmed"}
    for step_id in ("a-1/0001/stir~2", "a-1/0002/dose~3"):  # of the second there is no row among the steps
        put(connection, "intent", {**intent, "step_id": step_id, "n": 0, "prepared_s": 1.0})
        seen = {"step_id": step_id, "n": 0, "version": 1, "device": "d", "reading": "{}", "lab_time_s": 1.0}
        put(connection, "observation", seen)
    for campaign in ("a-1", "b-1", "c-1"):
        lot = {"name": "water", "usable_ml": float(ord(campaign[0])), "reserved_ml": 0.0}
        put(connection, "lot", {**lot, "campaign": campaign})
        put(connection, "position", {"campaign": campaign, "name": "rack_1", "holds": campaign})
        held = {"resource": "station:arm", "label": "0001", "step_id": f"{campaign}/0001/pick", "state": "active"}
        put(connection, "reservation", {**held, "campaign": campaign})
    for campaign in ("a-1", "b-1", "a-1", "c-1"):
        put(connection, "ledger", {"lot": "water", "campaign": campaign, "change_ml": -1.0, "change_nl": -1_000_000})
    put(connection, "epoch", {"host": "h", "pid": 1, "wake_port": 0, "began_s": 1.0})


def test_a_journal_of_0005_gets_decks_scopes_and_identities(place: str) -> None:
    engine = at_0005(place)
    with engine.begin() as connection:
        fill(connection)
    engine.dispose()
    with Journal(place) as journal:
        found = {row["id"]: row for row in journal.rows(schema.campaign)}
        told = {name: (row["began_s"], row["ended_s"], row["planner"]) for name, row in found.items()}
        assert told == {
            "a-1": (10.0, 20.0, "labwright"),
            "b-1": (30.0, None, "labwright"),
            "c-1": (40.0, None, "labwright"),
        }
        assert {(row["objectives"], row["best"]) for row in found.values()} == {('[{"name":"y"},{"name":"z"}]', None)}
        specs = {row["campaign"]: orjson.loads(row["spec"])["name"] for row in journal.rows(schema.campaign_spec)}
        assert specs == {"a-1": "n", "b-1": "n", "c-1": "n"}
        assert [one.campaign for one in journal.events_on(REAL)] == ["a-1"] * 5 + ["c-1"]
        assert [one.campaign for one in journal.events_on(TWIN)] == ["b-1"]
        (veto,) = journal.rows(schema.veto)
        assert (veto["campaign"], veto["n"], veto["params"], veto["reach"]) == ("a-1", 1, '{"x":0.9}', 0.1)
        assert (veto["by"], veto["because"]) == ("Kim", "too rich")
        trials = journal.rows(schema.trial, order=schema.trial.c.n)
        assert [(row["n"], row["id"], row["label"], row["status"], row["source"]) for row in trials] == [
            (1, "0001", "0001", "done", "planner"),
            (2, "0002", "0002", "done", "human"),
        ]
        assert len(journal.rows(schema.experiment)) == 3
        for table in (schema.intent, schema.observation):
            rows = journal.rows(table, order=table.c.step_id)
            assert [(row["campaign"], row["label"], row["step"]) for row in rows] == [
                ("a-1", "0001", "stir"),
                ("a-1", "0002", "dose"),
            ]
        stocks = {row["instruments"]: row["count"] / 1e6 for row in journal.rows(schema.stock)}
        assert stocks == {REAL: float(ord("c")), TWIN: float(ord("b"))}, "those of the newest campaign of each deck"
        for table in (schema.position, schema.reservation):
            holders = {row["instruments"]: row["campaign"] for row in journal.rows(table)}
            assert holders == {REAL: "c-1", TWIN: "b-1"}
        ledger = journal.rows(schema.ledger, order=schema.ledger.c.id)
        assert [(row["instruments"], row["entry"]) for row in ledger] == [(REAL, 1), (TWIN, 1), (REAL, 2), (REAL, 3)]
        assert journal.rows(schema.epoch)[0]["engine"] == 1
        journal.control("a test")
        journal.record([event("noted", changes=entry(REAL, 1, 3))])
        assert max(row["entry"] for row in journal.rows(schema.ledger)) == 4


def test_a_command_that_is_asked_twice_with_a_key_is_one(journal: Journal, place: str) -> None:
    asked = {"by": "Kim", "because": "enough", "key": "kim:1"}
    first = journal.command("c-1", "drain", {}, **asked, trace="abc")
    with Journal(place) as again:
        assert again.command("c-1", "drain", {}, **asked) == first
        with pytest.raises(ConfigError, match="the key 'kim:1' was used for another command"):
            again.command("c-1", "stop", {"now": True}, **asked)
    assert journal.command("c-1", "drain", {}, by="Kim", because="enough") > first
    assert [(one["kind"], one["trace"]) for one in journal.rows(schema.command)] == [("drain", "abc"), ("drain", "")]
