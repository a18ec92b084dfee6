"""What samples wait for, by the journal's tables, is what the engine says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.engine.tables import take_changes
from labwright.journal import Journal, NewEvent, schema
from labwright.journal.waiting import step_waits, waits_of
from labwright.model.protocol import ProtocolSpec
from tests.engine.test_dispatch import Rehearsal, move, way, work
from tests.engine.test_lab_machine import preparation, protocols, started


def _recorded(lab: Rehearsal, journal: Journal, seen: int) -> int:
    """Write the rows as they are, and the events since `seen`, as a controller does."""
    changes = take_changes(lab.lab)
    for owner, raw in lab.log[seen:]:
        kind = json.loads(raw)["kind"]
        journal.record([NewEvent(owner, kind, raw, b"[]", 0.0, changes, instruments=lab.lab.instruments)])
    return len(lab.log)


def _alike(lab: Rehearsal, journal: Journal) -> None:
    """The same steps wait; for what is compared where one alone has decided, since a later one may have begun."""
    waits = step_waits(journal, lab.lab.instruments)
    assert all(one.since_s is not None for one in waits), "also of a sample's first step"
    found = {replace(one.waiting, alike=0) for one in waits}
    decided = {one for core in lab.lab.campaigns.values() for one in lab.lab.dispatcher.waits(core.campaign)}
    assert {one.step_id for one in found} <= {one.step_id for one in decided}
    told = {(one.campaign, one.label) for one in found}
    left = {(one.campaign, one.label) for one in decided} - told
    assert all(lab.lab.work.of(campaign)[label].state == "accepted" for campaign, label in left)
    assert len(left) <= sum(one.waiting.alike for one in waits), "who has nothing yet is counted with the first"


@settings(max_examples=12)
@given(first=protocols(), second=protocols(), parallel=st.integers(1, 3))
def test_so_they_do_in_any_two_protocols(first: ProtocolSpec, second: ProtocolSpec, parallel: int) -> None:
    lab = Rehearsal(started("c0", first, parallel=parallel), started("c1", second, parallel=2))
    with TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite") as journal:
        journal.control("Ann")
        seen = _recorded(lab, journal, 0)
        _alike(lab, journal)
        while lab.next():
            seen = _recorded(lab, journal, seen)
            _alike(lab, journal)


def test_the_tables_say_what_the_engine_says_of_what_waits(tmp_path: Path) -> None:
    there = way(move("s0", "a"), work("s1", "mixer"), move("s2", "b"), work("s3", "oven"), move("out"))
    back = way(move("s0", "b"), work("s1", "oven"), move("s2", "a"), work("s3", "mixer"), move("out"))
    lab = Rehearsal(started("c0", there, parallel=2), started("c1", back, parallel=2))
    words: set[str] = set()
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Ann")
        seen = _recorded(lab, journal, 0)
        _alike(lab, journal)
        while lab.next():
            seen = _recorded(lab, journal, seen)
            _alike(lab, journal)
            told = {str(replace(one.waiting, alike=0)) for one in step_waits(journal, lab.lab.instruments)}
            assert told <= {str(one) for owner in ("c0", "c1") for one in lab.lab.dispatcher.waits(owner)}
            words |= {one.waiting.because for one in step_waits(journal, lab.lab.instruments)}
    assert {"has", "beyond"} <= words, "or this test shows nothing"


def test_who_waits_for_another_campaigns_preparation_says_so(tmp_path: Path) -> None:
    protocol = way(move("s0", "a"), move("out"))
    lab = Rehearsal(*(started(name, protocol, preparing=preparation(100.0)) for name in ("c0", "c1")))
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Ann")
        seen, said = _recorded(lab, journal, 0), []
        while True:
            (row,) = journal.rows(schema.campaign, schema.campaign.c.id == "c1")
            waits = waits_of(journal, row, running=True)
            if not lab.lab.campaigns["c1"].asking:  # of what no planner was asked in the journal's own words
                assert sorted(waits) == sorted(lab.lab.campaigns["c1"].waits_for())
            said.append(waits)
            if not lab.next():
                break
            seen = _recorded(lab, journal, seen)
    assert said[0] == ["preparation q, which c0 is making"]
    assert sum(waits == said[0] for waits in said) == 3, "as long as it is being made"
