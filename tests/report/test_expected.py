"""What was expected of a campaign against what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignRun, load_campaign
from labwright.engine.events import (
    Ask,
    Event,
    Extended,
    Foreseen,
    Instruction,
    PauseAsked,
    ResumeAsked,
    Resumed,
    RunStep,
)
from labwright.engine.tables import take_changes
from labwright.journal import Journal, NewEvent, journal_file
from labwright.lab import Lab, read_lab
from labwright.lab.classes import resolve
from labwright.model.protocol import StepSpec
from labwright.report import CampaignRecord, html, read_record
from labwright.report.expected import end_words, expected_rows, step_times
from labwright.simulation import SimulatedLab
from tests.engine.alone import Alone
from tests.engine.test_core import PROTOCOL, State, ended, started, suggested

ROOT = Path(__file__).parents[2]
DECK = "simulated"
ONE_STEP = PROTOCOL.model_copy(update={"steps": (StepSpec(name="measure", station="a", expected_s=100),)})


class Logged:
    """A campaign that is recorded as it goes, on a clock that is set by hand."""

    def __init__(self, journal: Journal, budget: int) -> None:
        self.journal = journal
        self.one = Alone()
        self.now_s = 0.0
        self.running: list[RunStep] = []
        self.began_s = 0.0
        first = {"instruments": DECK, "protocols": (ONE_STEP,)}
        self.take(started(budget=budget).model_copy(update=first))

    def foresee(self, ends: Mapping[str, float]) -> None:
        """The lab is rolled out."""
        self._record("", Foreseen(at_s=self.now_s, ends=dict(ends)))

    def take(self, event: Event) -> None:
        """It happens now; what the planner is asked is answered at once."""
        pending = self._handle(event)
        while pending:
            now = pending.pop(0)
            if isinstance(now, Ask):
                pending += self._handle(suggested())
            elif isinstance(now, RunStep):
                self.running = [now]
                if not now.order.resumed:
                    self.began_s = self.now_s

    def end(self, after_s: float, state: State = "done") -> None:
        """The step that runs ends so long after now."""
        self.now_s += after_s
        event = ended(self.running.pop(), state, y=1.0)
        times = {"started_s": self.began_s, "ended_s": self.now_s}
        self.take(event.model_copy(update={"outcome": event.outcome.model_copy(update=times)}))

    def _handle(self, event: Event) -> list[Instruction]:
        known = len(self.one.events)
        decided = self.one.handle(event, self.now_s)
        for each in self.one.events[known:]:
            self._record(self.one.core.campaign, each)
        return decided

    def _record(self, campaign: str, event: Event) -> None:
        payload = event.model_dump_json().encode()
        changes = take_changes(self.one.lab)
        self.journal.record(
            [NewEvent(campaign, event.kind, payload, b"[]", self.now_s, changes, instruments=DECK)],
        )


def words_of(record: CampaignRecord) -> str:
    return html(record).partition("<h2>Expected and actual")[2].partition("</section>")[0]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(journal_file(tmp_path)) as journal:
        journal.control("a test")
        yield journal


def test_what_was_held_up_says_nothing_of_how_long_a_step_takes(journal: Journal) -> None:
    lab = Logged(journal, budget=5)
    lab.end(110)
    lab.now_s = 150
    lab.take(PauseAsked(by="Ann"))
    lab.now_s = 650
    lab.take(ResumeAsked(by="Ann"))
    lab.end(60)
    lab.now_s = 750
    lab.foresee({"c-2": 800})
    lab.foresee({"c-1": 900})
    lab.foresee({"c-1": 990})
    lab.end(50)
    assert words_of(read_record(journal, "c-1")) == "", "it is not over"
    lab.now_s = 850
    lab.take(Resumed(epoch=2, by="Ann", because="it had died"))
    lab.end(50)
    lab.end(100)
    record = read_record(journal, "c-1")
    assert record.over_s == 1000
    (one,) = step_times(record)
    assert (one.name, one.took_s, one.not_counted) == ("measure", (110, 90, 100), 2)
    planned = [run.order.expected_s for run, _ in record.ends.values()]
    assert planned[:3] == [100, 100, 100]
    assert planned[4] != 100, "by then durations are learnt"
    assert one.expected_s == pytest.approx((100 + 100 + planned[4]) / 3)
    assert one.ratio == pytest.approx(100 / one.expected_s)
    page = words_of(record)
    assert "<td>measure</td><td>3</td>" in page
    assert "<td>100</td><td>90</td><td>110</td>" in page
    assert "rolled out first, 12 min after the beginning, the campaign should have ended 2 min later" in page
    assert "It ended after 4 min: 100 s later than foreseen, 40 % of what was then left." in page
    assert "For 50 s of that it was paused or no controller ran." in page


def test_an_end_that_was_foreseen_before_a_campaign_was_extended_is_another_one(journal: Journal) -> None:
    lab = Logged(journal, budget=1)
    lab.foresee({"c-1": 100})
    lab.end(100)
    assert "sooner than foreseen" not in (words := end_words(read_record(journal, "c-1")))
    assert "0 s later than foreseen, 0 % of what was then left" in words
    lab.take(Extended(budget=2, by="Ann"))
    lab.take(Resumed(epoch=2, by="Ann"))
    lab.end(100)
    record = read_record(journal, "c-1")
    assert record.over_s == 200
    assert end_words(record) == "The lab was not rolled out while it ran, so no end was foreseen."
    assert "The lab was not rolled out" in words_of(record)


def test_what_has_failed_is_not_counted(journal: Journal) -> None:
    lab = Logged(journal, budget=1)
    lab.end(7, "failed")
    (row,) = expected_rows(step_times(read_record(journal, "c-1")))
    assert row == ("measure", "0", "", "", "", "", "", "1")


def test_on_wires_steps_and_moves_take_what_the_timeline_shows(tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    spec = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
    campaign = load_campaign(folder, spec, budget=2, seed=1, planner="random")
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        end = CampaignRun(lab, campaign, journal, tmp_path).run()
        record = read_record(journal, end.campaign)
    times = step_times(record)
    own = [step.name for step in campaign.protocols[campaign.spec.protocol].steps]
    assert [one.name for one in times if one.name in own] == own
    assert all(len(one.took_s) == 2 for one in times if one.name in own)
    moves = [one for one in times if one.name.startswith("moved by ")]
    assert sum(len(one.took_s) for one in moves) == sum(run.order.move is not None for run, _ in record.ends.values())
    assert moves
    assert len(times) > len(own) + len(moves), "the preparations have their own"
    assert sum(sum(one.took_s) for one in times) == pytest.approx(
        sum(one.ended_s - one.started_s for one in record.steps.values())
    )
    assert [one.not_counted for one in times] == [0] * len(times)
    page = words_of(record)
    assert all(f"<td>{one.name}</td>" in page for one in times)
    assert "The lab was not rolled out" in page
