"""Journals of earlier versions, replayed: this version decides the same at every event, and writes the same rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from labwright.engine import started
from labwright.engine.filling import first_fill
from labwright.engine.inventory import deck_count
from labwright.journal import Journal, schema
from labwright.lab import read_lab
from tests.forks import python
from tests.golden import journals, replaying
from tests.golden.bench import migrated
from tests.postgres import PostgresServer

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/*/journal.sqlite.gz"))


def the_same_again(place: str) -> int:
    """Replay every campaign of a journal; how many events there were."""
    count, rows = 0, replaying.empty()
    with Journal(place) as journal:
        for campaign in journal.campaigns():
            for logged, decided in replaying.replay(journal, campaign, rows):
                assert decided == logged.decisions, f"event {logged.id} ({logged.kind}) of {campaign}"
                count += 1
        assert replaying.differences(replaying.stored(journal), rows) == []
    return count


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_same_decisions_and_rows(folder: Path, tmp_path: Path) -> None:
    assert the_same_again(journals.restore_sqlite(folder, tmp_path)) > 0


@pytest.mark.parametrize("version", sorted({folder.parent for folder in FOLDERS}), ids=lambda path: path.name)
def test_the_same_on_postgresql(version: Path, postgres: PostgresServer, tmp_path: Path) -> None:
    for folder in sorted(path.parent for path in version.glob("*/journal.sql.gz")):
        assert the_same_again(journals.restore_postgres(folder, tmp_path, postgres.fresh_database())) > 0


@pytest.mark.parametrize("version", sorted({folder.parent for folder in FOLDERS}), ids=lambda path: path.name)
def test_what_an_earlier_version_left_is_the_first_count(version: Path, tmp_path: Path) -> None:
    code = "import sys, pathlib; from tests.golden.test_replay import count; count(*map(pathlib.Path, sys.argv[1:]))"
    done = python(code, version, tmp_path, cwd=Path(__file__).parents[2])  # one process runs one lab
    assert done.returncode == 0, done.stderr


def count(version: Path, tmp_path: Path) -> None:
    """No refill is assumed, and the person is told."""
    model = read_lab(migrated(tmp_path / "lab")).model
    with Journal(journals.restore_sqlite(version / "cut_parallel", tmp_path)) as journal:
        (row,) = journal.rows(schema.campaign)
        first = started(journal, row["id"])
        assert deck_count(journal, first.deck) is None
        filled = first_fill(journal, model, first.deck, "Kim")
        taken = {one["name"] for one in journal.rows(schema.position)}
        spent = Counter[str]()
        for one in journal.rows(schema.ledger):
            spent[one["taken_from"].removeprefix("container:")] += one["amount"]
    assert filled is not None
    assert f"as {row['id']}, of an earlier version, has left it" in filled.because
    assert taken
    assert {name for name, kind in filled.containers.items() if kind}.isdisjoint(taken)
    assert {name for name in first.places if filled.containers[name]} == set(first.places) - taken
    for stock, full_ml in first.lots_ml.items():
        there = filled.stocks[model.stock_named(stock)]
        assert there.count - there.dead == round(1e6 * full_ml) - spent[stock], stock
    assert any(spent.values())


def test_everything_that_can_happen_is_in_them(tmp_path: Path) -> None:
    """What must not differ is only tested where it happens."""
    place = journals.restore_sqlite(Path(__file__).parent / "fda04e8" / "whole", tmp_path)
    with Journal(place) as journal:
        kinds = {row["kind"] for row in journal.rows(schema.event)}
        answers = {row["answer"] for row in journal.rows(schema.question)}
        states = {row["state"] for row in journal.rows(schema.campaign)}
        steps = {(row["state"], row["round"] > 1, row["attempt"] > 1) for row in journal.rows(schema.step)}
        specs = [started(journal, campaign).spec for campaign in journal.campaigns()]
    assert kinds == {
        "answered", "deck_checked", "drain_asked", "infeasible", "not_suggested", "noted", "pause_asked", "proposed",
        "resume_asked", "resumed", "started", "step_ended", "step_late", "stop_asked", "suggested", "vetoed",
    }  # fmt: skip
    assert answers >= {"rest", "take", "again", "done", "abandon", "clear"}
    assert states == {"completed", "stopped", "failed"}
    assert {state for state, _, _ in steps} == {"done", "failed", "skipped"}
    assert any(again for _, again, _ in steps)
    assert any(retried for _, _, retried in steps)
    assert any(spec.parallel > 2 for spec in specs)
    assert any(spec.prepare for spec in specs)
    assert any(spec.more_objectives for spec in specs)
    assert any(spec.warm_start for spec in specs)
