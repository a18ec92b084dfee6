"""Two campaigns at one station, at the wire: what holds one of them does not hold the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from labwright.clock import Actor, SteppedClock
from labwright.hardware.transport import SerialTransport
from labwright.journal import Journal, StepJournal, journal_file, schema
from labwright.lab import Lab, read_lab
from labwright.lab.classes import resolve
from labwright.model.latch import WHOLE_LAB, LatchScope, latch_campaign, latch_sample, latch_station
from labwright.model.protocol import StepOrder, StepOutcome, StepSpec
from labwright.simulation import SimulatedLab
from labwright.stations import LabProtocol, Plan, Station, StepContext, physical

ROOT = Path(__file__).parents[2]

SPECS = (StepSpec(name="turn", station="dosing", expected_s=10, timeout_s=600),)


class Turning(LabProtocol):
    """Turns the valve to three positions."""

    name = "turning"
    title = "Turn"
    steps: ClassVar[tuple[StepSpec, ...]] = SPECS
    positions: ClassVar[tuple[int, ...]] = (2, 3, 4)

    def turn(self, context: StepContext) -> Plan:
        for position in self.positions:
            yield from physical(context, context.device("valve").selection, position)
        return {}


class Other(Turning):
    """Another release under the same name."""

    version = "2"
    positions = (5, 6)


class Shared:
    """The dosing station of the simulated reference lab, which campaigns a and b share."""

    def __init__(self, station: Station, clock: SteppedClock, journal: Journal, twin: SimulatedLab) -> None:
        self.station, self.clock, self.journal, self.twin = station, clock, journal, twin
        self.hold: Actor = clock.actor("the test", busy=True)  # lab time passes only while the test sleeps
        self.outcomes: list[StepOutcome] = []
        self.ended = threading.Semaphore(0)
        self.documents: list[tuple[str, dict[str, Any]]] = []
        self.sent: list[bytes] = []

    def take(self, outcome: StepOutcome) -> None:
        self.outcomes.append(outcome)
        self.ended.release()

    def start(self, campaign: str, number: int = 1, epoch: int = 1) -> str:
        order = StepOrder(
            step_id=f"{campaign}/{number:04d}/turn", campaign=campaign, experiment=number, label=f"{number:04d}",
            sample=f"{campaign}-{number:04d}", place="", protocol="turning", step="turn", parameters={},
        )  # fmt: skip
        self.station.start(order, epoch)
        return order.step_id

    def end(self) -> StepOutcome:
        """The next outcome, after as much lab time as it needs."""
        for _ in range(200):
            if self.ended.acquire(blocking=False):
                return self.outcomes[-1]
            self.hold.sleep(1.0)
            time.sleep(0.001)
        raise AssertionError(f"nothing ends; busy: {self.clock.busy()}")

    def turned(self, campaign: str) -> list[float]:
        """What was begun, by the intents on the disk."""
        rows = self.journal.rows(schema.intent, order=schema.intent.c.n)
        return [row["value"] for row in rows if row["step_id"].startswith(f"{campaign}/")]


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    folder, clock = read_lab(ROOT), SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=3) as twin,
        Journal(journal_file(tmp_path)) as journal,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
    ):
        journal.control("a test")
        found: list[Shared] = []
        spec = folder.model.stations["dosing"].model_copy(update={"monitors": ()})
        station = Station(
            "dosing", spec, devices=lab.devices, lab=lab.model, clock=clock, keeper=StepJournal(journal),
            journal=lambda name, document: found[0].documents.append((name, dict(document))),
            finished=lambda outcome: found[0].take(outcome),
        )  # fmt: skip
        station.know("a", {"turning": Turning(lab.model)})
        station.know("b", {"turning": Other(lab.model)})
        bench = Shared(station, clock, journal, twin)
        found.append(bench)
        write = SerialTransport.write

        def recorded(transport: Any, data: bytes) -> None:
            bench.sent.append(data)
            write(transport, data)

        monkeypatch.setattr(SerialTransport, "write", recorded)
        yield bench
        bench.hold.close()
        station.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.001)


def test_each_campaigns_steps_are_done_by_its_own_protocol_and_say_whose_they_are(shared: Shared) -> None:
    shared.start("a")
    assert shared.end().state == "done"
    shared.start("b")
    assert shared.end().state == "done"
    assert (shared.turned("a"), shared.turned("b")) == ([2, 3, 4], [5, 6])
    assert any(b"GO" in one for one in shared.sent), "the valve hears GO"
    starts = [document["labwright"] for name, document in shared.documents if name == "start"]
    assert [(one["campaign"], one["step_id"], one["label"]) for one in starts] == [
        ("a", "a/0001/turn", "0001"),
        ("b", "b/0001/turn", "0001"),
    ]


def test_a_pause_of_one_campaign_holds_its_own_steps_only(shared: Shared) -> None:
    shared.station.pause("a", on=True, epoch=1)
    shared.start("b")
    assert shared.end().state == "done", "another campaign's step runs"
    shared.start("a")
    for _ in range(3):
        shared.hold.sleep(700)  # longer than the step may take, were the pause to count
    shared.station.pause("b", on=True, epoch=1)
    shared.station.pause("b", on=False, epoch=1)
    shared.hold.sleep(700)
    assert shared.turned("a") == [], "nothing of it began, and another campaign's resume is none of its own"
    assert not shared.ended.acquire(blocking=False)
    shared.station.pause("a", on=False, epoch=1)
    assert shared.end().state == "done"
    assert shared.turned("a") == [2, 3, 4]


def test_a_pause_in_the_middle_of_a_step_does_not_count_for_its_time_limit(shared: Shared) -> None:
    shared.start("a")
    until(lambda: len(shared.turned("a")) == 1)
    shared.station.pause("a", on=True, epoch=1)
    shared.hold.sleep(2000)
    assert len(shared.turned("a")) == 1
    shared.station.pause("a", on=False, epoch=1)
    assert shared.end().state == "done"


@pytest.mark.parametrize(
    ("scope", "held", "free"),
    [
        (latch_sample("a", "0001"), [("a", 1)], [("a", 2), ("b", 1)]),
        (latch_campaign("a"), [("a", 1), ("a", 2)], [("b", 1)]),
        (latch_station("dosing"), [("a", 1), ("b", 1)], []),
        (latch_station("hotplate"), [], [("a", 1)]),
        (WHOLE_LAB, [("a", 1), ("b", 1)], []),
    ],
)
def test_a_latch_holds_its_scope_until_it_is_reset(
    shared: Shared, scope: LatchScope, held: list[tuple[str, int]], free: list[tuple[str, int]]
) -> None:
    shared.station.latch(scope, "it smells")
    shared.sent.clear()
    for campaign, number in held:
        step_id = shared.start(campaign, number)
        outcome = shared.end()
        assert (outcome.step_id, outcome.state) == (step_id, "stopped")
        assert "it smells" in outcome.error
        assert shared.turned(campaign) == []
    assert not any(b"GO" in one for one in shared.sent), "the valve was told nothing"
    for campaign, number in free:
        shared.start(campaign, number)
        assert shared.end().state == "done"
    shared.station.reset(scope)
    for number, (campaign, _) in enumerate(held, 11):
        shared.start(campaign, number)
        assert shared.end().state == "done"


def test_a_latch_ends_the_step_that_runs_and_its_reset_does_not_let_that_one_continue(shared: Shared) -> None:
    shared.start("a")
    until(lambda: len(shared.turned("a")) == 1)
    shared.station.latch(latch_sample("a", "0002"), "another sample")
    began = time.perf_counter()
    shared.station.latch(latch_sample("a", "0001"), "it leaks")
    shared.station.reset(latch_sample("a", "0001"))
    assert time.perf_counter() - began < 0.05, "no wire and no file"
    outcome = shared.end()
    assert (outcome.state, len(shared.turned("a"))) == ("stopped", 1)
    assert "it leaks" in outcome.error
    shared.start("b")
    assert shared.end().state == "done"


@pytest.mark.parametrize("now", [True, False])
def test_a_stop_of_a_step_that_no_longer_runs_does_nothing_to_the_next_one(shared: Shared, now: bool) -> None:
    step_id = shared.start("a")
    assert shared.end().state == "done"
    shared.start("b")
    until(lambda: len(shared.turned("b")) == 1)
    shared.sent.clear()
    shared.station.stop(step_id, "too late", now=now, epoch=1)
    assert not any(b"STP" in one for one in shared.sent), "nothing was halted"
    assert shared.end().state == "done"
    assert shared.turned("b") == [5, 6]


def test_a_stop_of_the_step_that_runs_halts_the_stations_own_devices_and_latches_nothing(shared: Shared) -> None:
    step_id = shared.start("a")
    until(lambda: len(shared.turned("a")) == 1)
    shared.station.stop(step_id, "it leaks", now=True, epoch=1)
    assert any(b"STP" in one for one in shared.sent), "the pumps are this station's alone"
    outcome = shared.end()
    assert outcome.state == "stopped"
    assert "it leaks" in outcome.error
    shared.start("a", 2)
    assert shared.end().state == "done", "the next sample's step is another one"


def test_a_stop_at_once_of_whatever_runs_latches_the_station(shared: Shared) -> None:
    shared.station.stop(None, "smoke", now=True, epoch=1)
    shared.start("b")
    assert shared.end().state == "stopped"
    shared.station.reset(latch_station("dosing"))
    shared.start("b", 2)
    assert shared.end().state == "done"


def test_a_refused_start_is_an_outcome_and_does_nothing_to_the_step_that_runs(shared: Shared) -> None:
    shared.start("a")
    until(lambda: len(shared.turned("a")) == 1)
    refused = shared.start("b")
    assert shared.ended.acquire(blocking=False)
    assert (shared.outcomes[0].step_id, shared.outcomes[0].state) == (refused, "failed")
    assert shared.outcomes[0].error == "it was not started: station dosing is busy with a/0001/turn"
    assert shared.end().state == "done"
    assert [one.outcome.step_id for one in shared.station.outcomes()] == [refused, "a/0001/turn"]
    shared.start("b")
    assert shared.end().state == "done", "a step that was refused has not been done"
