"""A restart goes by the newest snapshot and what came after it, and comes out as if it had gone through all events."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

import labwright.engine.controller as controlling
from benchmarks.rehearsing import PARTS, make_campaign, make_lab
from labwright.clock import SteppedClock
from labwright.engine import Campaign, CampaignCore, LabController, LabCore, started
from labwright.engine.events import EVENTS, Event, MovedByHand, StopAsked
from labwright.engine.inventory import restore_material
from labwright.engine.recovery import rebuilt_lab
from labwright.engine.snapshots import dumped
from labwright.engine.tables import take_changes
from labwright.engine.upgrading import other_decision
from labwright.journal import Journal, NewEvent, schema
from labwright.lab import Lab, LabFolder
from labwright.model.errors import JournalError
from labwright.model.instruments import HERE
from labwright.model.protocol import Prepared
from tests import forks
from tests.engine.moving import layout, step, way
from tests.engine.test_stuck import many


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_campaigns_cut_off_anywhere_go_on_from_the_newest_snapshot(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = tmp_path / "journal.sqlite" if kind == "sqlite" else request.getfixturevalue("postgres").fresh_database()
    code = "from tests.engine.test_restart import cut_off_again_and_again as run; run()"
    ran = forks.python(code, tmp_path, place, cwd=forks.ROOT)  # one process runs one lab
    assert ran.returncode == 0, ran.stderr


def cut_off_again_and_again() -> None:
    """Three campaigns at once; their controller dies after so many events, and another resumes those not over."""
    root, place = Path(sys.argv[1]), sys.argv[2]
    controlling.SNAPSHOT_EVERY = 9
    folder = make_lab(root / "lab")
    with Journal(place) as journal:
        until_cut(folder, journal, root, {}, [make_campaign(folder, budget=n) for n in (2, 4, 6)], after=23)
    for after in (2, 17, 31):
        with Journal(place) as journal:
            live = under_way(journal)
            by_snapshot = by_the_snapshot_alone(journal, live)
            by_events = rebuilt_lab(journal, *live)
            for lab in (by_snapshot, by_events):
                lab.turns = lab.work.turns = 0  # those of campaigns that are over are only in the snapshot
            assert dumped(by_snapshot, whole=True) == dumped(by_events, whole=True)
            assert [other_decision(journal, name) for name in live] == [None] * len(live)
            resume = {name: campaign_again(folder, journal, name) for name in live}
            until_cut(folder, journal, root, resume, [], after=after)
    with Journal(place) as journal:
        live = under_way(journal)
        assert live, "the last is over too early to show anything"
        until_cut(folder, journal, root, {name: campaign_again(folder, journal, name) for name in live}, [], after=9999)
        states = [row["state"] for row in journal.rows(schema.campaign)]
        assert states == ["completed"] * 3
        for name, budget in zip(journal.campaigns(), (2, 4, 6), strict=True):
            done = journal.rows(schema.trial, schema.trial.c.campaign == name, schema.trial.c.status == "done")
            assert [row["id"] for row in done] == [f"{number:04d}" for number in range(1, budget + 1)]
            ended = [one.payload["outcome"]["step_id"] for one in journal.events(name) if one.kind == "step_ended"]
            assert len(ended) == len(set(ended)) == 3 * budget, "a step is done twice"
        assert len(journal.rows(schema.snapshot)) == 2


def until_cut(
    folder: LabFolder, journal: Journal, data: Path, resume: dict[str, Campaign], new: list[Campaign], after: int
) -> None:
    """Carry out campaigns until their controller dies, as a kill would have it."""
    with Lab(folder, SteppedClock()) as lab:
        controller = LabController(lab, journal, data, resume=resume, parts=PARTS)
        seen: list[Event] = []

        def on_event(event: Event, core: CampaignCore) -> None:
            seen.append(event)
            if len(seen) == after:
                journal.cut()

        controller.on_event = on_event
        for campaign in new:
            controller.start(campaign)
        try:
            controller.run(lambda: controller.all_over)
        except JournalError:
            assert len(seen) >= after


def under_way(journal: Journal) -> list[str]:
    """Campaigns that are not over."""
    over = schema.campaign.c.state.in_(["completed", "stopped", "failed"])
    return [str(row["id"]) for row in journal.rows(schema.campaign, sa.not_(over), order=schema.campaign.c.began_s)]


def campaign_again(folder: LabFolder, journal: Journal, name: str) -> Campaign:
    """A campaign as it was started."""
    first = started(journal, name)
    again = make_campaign(folder, budget=first.spec.budget)
    return Campaign(first.spec, again.protocols, again.planner, first.earlier)


def by_the_snapshot_alone(journal: Journal, live: list[str]) -> LabCore:
    """The lab rebuilt, where of each campaign's own events only the first can be read."""
    events = journal.events
    journal.events = lambda campaign, after=0: itertools.islice(events(campaign, after), 1)  # type: ignore[method-assign]
    lab = rebuilt_lab(journal, *live, instruments="real")
    del journal.events
    return lab


@pytest.mark.parametrize(("instruments", "known"), [("real", ["q"]), (HERE, [])])
def test_what_was_prepared_holds_after_a_restart_too(instruments: str, known: list[str], tmp_path: Path) -> None:
    """In a lab that counts no material as well; but not what a process before had found on its own simulated one."""
    lab = LabCore()
    lab.instruments = instruments
    made = Prepared(protocol="q", version="1", campaign="c0", at_s=5.0, lab_sha256="a", results={"k": 1.5})
    lab.work.keep_prepared(made)
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Ann")
        journal.record([NewEvent("", "noted", b"{}", b"[]", 0.0, take_changes(lab), instruments=instruments)])
        (row,) = journal.rows(schema.preparation)
        assert (row["instruments"], row["campaign"], row["at_s"]) == (instruments, "c0", 5.0)
        restored = LabCore()
        restored.instruments = instruments
        restore_material(journal, restored)
    assert list(restored.work.preparations) == known
    assert all(one == made for one in restored.work.preparations.values())


def test_what_people_did_with_what_another_campaign_had_left_is_no_obstacle(tmp_path: Path) -> None:
    """Without a snapshot, after an upgrade, the lab is rebuilt from its own events and those of what is under way."""
    lab = many(layout(("a", 1, "own")), way(step("a")), way(step("a")))
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-a_here")
    lab.take(("c0", StopAsked(why="enough", now=True)))
    lab.end("c0/0001/a", "stopped")
    lab.take(("", MovedByHand(container="position:a_here", to="outside", by="Kim", because="in the way")))
    lab.suggest("c1", 0.1)
    lab.end("c1/0001/to-a_here")
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Ann")
        journal.record(
            [
                NewEvent(owner, EVENTS.validate_json(raw).kind, raw, b"[]", at_s, {}, instruments="real")
                for owner, raw, at_s in lab.log
            ]
        )
        again = rebuilt_lab(journal, "c1", instruments="real")
    assert again.work.live["c1"]["0001"].stands_at == "a_here"
    assert again.reservations.taken.keys() == lab.lab.reservations.taken.keys()
