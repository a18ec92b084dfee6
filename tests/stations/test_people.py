"""A station of people: it touches no wire, ends what is stopped, and does a person's part where that is simulated."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labwright.clock import SteppedClock
from labwright.lab import Lab, LabFolder
from labwright.model.devices import SimulationSpec
from labwright.model.errors import JournalError, RefusedError
from labwright.model.lab import LabModel
from labwright.model.latch import latch_campaign, latch_station
from labwright.model.protocol import (
    FlagParameter,
    FlagResult,
    Manual,
    NumberParameter,
    NumberResult,
    StepOrder,
    StepOutcome,
    StepSpec,
)
from labwright.model.stations import StationSpec
from labwright.stations import StationLink
from labwright.stations.people import PeopleStation, signs
from labwright.stations.protocol import LabProtocol

SIMULATION = SimulationSpec(world="simulators.heater:Room", devices={}, people={"bench": "signs"})
MODEL = LabModel(
    name="handwork", title="H", ports={}, devices={}, simulation=SIMULATION,
    stations={"bench": StationSpec(title="Bench", people=True), "desk": StationSpec(title="Desk", people=True)},
)  # fmt: skip


class Crimping(LabProtocol):
    """What a person crimps."""

    name = "crimping"
    title = "Crimp"
    results = (NumberResult(name="torque", unit="N.m"), FlagResult(name="leaks"))
    steps = (
        StepSpec(
            name="crimp",
            station="bench",
            expected_s=600,
            manual=Manual(
                task="Crimp {sample}.",
                readings=(NumberParameter(name="torque", unit="N.m", low=0.5, high=2.0), FlagParameter(name="leaks")),
            ),
        ),
    )


@pytest.fixture
def crimping() -> LabProtocol:
    made = Crimping(MODEL)
    made.check_fits()
    return made


class Bench:
    """A station of people on a clock that stands still while the engine is busy."""

    def __init__(self, protocol: LabProtocol, *, signs: bool) -> None:
        self.clock = SteppedClock(start=0.0)
        self.engine = self.clock.actor("engine", busy=True)
        self.came: queue.SimpleQueue[StepOutcome] = queue.SimpleQueue()
        self.link: StationLink = PeopleStation("bench", clock=self.clock, finished=self.take, signs=signs)
        self.link.know("a", {"crimping": protocol})

    def take(self, outcome: StepOutcome) -> None:
        self.engine.resume()
        self.came.put(outcome)

    def start(self, number: int = 1, **more: Any) -> StepOrder:
        order = StepOrder(
            step_id=f"a/{number:04d}/crimp", campaign="a", experiment=number, label=f"{number:04d}", sample="s",
            place="", protocol="crimping", step="crimp", expected_s=600.0, parameters={"temperature": 22.0}, **more,
        )  # fmt: skip
        self.link.start(order, 1)
        return order

    def end(self) -> StepOutcome:
        self.engine.park()
        return self.came.get(timeout=10)


@pytest.fixture
def benches(crimping: LabProtocol) -> Iterator[tuple[Bench, Bench]]:
    """With a simulated person, and without one."""
    before = set(threading.enumerate())
    both = Bench(crimping, signs=True), Bench(crimping, signs=False)
    yield both
    for one in both:
        one.link.close()
        one.engine.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_a_simulated_person_takes_what_is_expected_and_reads_what_is_allowed(
    benches: tuple[Bench, Bench], crimping: LabProtocol
) -> None:
    bench, _ = benches
    bench.start()
    first = bench.end()
    assert (first.state, first.started_s, first.ended_s) == ("done", 0.0, 600.0)
    assert first.results.pop("signed_by") == "simulated person"
    (manual,) = [step.manual for step in crimping.steps if step.manual is not None]
    assert not manual.wrong(first.results)
    bench.start(resumed=True)
    assert bench.end().results == {**first.results, "signed_by": "simulated person"}, "the same step, the same readings"
    bench.start(2)
    assert bench.end().results != {**first.results, "signed_by": "simulated person"}


def test_what_no_simulated_person_does_lasts_until_it_is_stopped(benches: tuple[Bench, Bench]) -> None:
    _, bench = benches
    order = bench.start()
    bench.engine.sleep(100_000.0)
    assert bench.came.empty()
    bench.link.stop(order.step_id, "enough", now=False, epoch=1)
    stopped = bench.came.get_nowait()
    assert (stopped.state, stopped.error) == ("stopped", "station bench was asked to stop: enough")
    bench.start(2)  # free at once
    bench.link.latch(latch_station("bench"), "a spill")
    assert bench.came.get_nowait().error == "station bench was asked to stop: a spill"
    bench.start(3)
    assert bench.came.get_nowait().state == "stopped"
    bench.link.reset(latch_station("bench"))
    bench.start(4)
    bench.link.latch(latch_campaign("another"), "no matter")
    assert bench.came.empty()
    bench.start(5)
    assert bench.came.get_nowait().error == "it was not started: station bench is busy with a/0004/crimp"
    assert [one.outcome.step_id for one in bench.link.outcomes(after=2)] == ["a/0003/crimp", "a/0005/crimp"]


def test_a_simulated_person_rests_while_the_campaign_is_paused(benches: tuple[Bench, Bench]) -> None:
    bench, _ = benches
    bench.start()
    bench.engine.sleep(100.0)
    bench.link.pause("a", on=True, epoch=1)
    bench.engine.sleep(5000.0)
    assert bench.came.empty()
    bench.link.pause("a", on=False, epoch=1)
    assert bench.end().ended_s == 5600.0


def test_a_person_may_be_quicker_than_the_simulated_one(benches: tuple[Bench, Bench]) -> None:
    bench, _ = benches
    order = bench.start()
    bench.engine.sleep(100.0)
    bench.link.stop(order.step_id, "its card was signed by Kim", now=False, epoch=1)
    assert bench.came.get_nowait().state == "stopped"
    bench.engine.sleep(5000.0)
    assert bench.came.empty(), "the simulated person signs as well"


def test_an_older_controller_is_refused(benches: tuple[Bench, Bench]) -> None:
    _, bench = benches
    bench.link.pause("a", on=False, epoch=2)
    with pytest.raises(RefusedError, match="belongs to a newer controller"):
        bench.start()


class Outside(Crimping):
    """Reads what its own card does not allow."""

    def simulated_readings(self, order: StepOrder, draw: Any) -> dict[str, Any]:
        return {**super().simulated_readings(order, draw), "torque": 9.0}


def test_a_protocol_that_lets_be_read_what_it_does_not_allow_fails_in_words(
    benches: tuple[Bench, Bench], crimping: LabProtocol
) -> None:
    bench, _ = benches
    bench.link.know("a", {"crimping": Outside(crimping.lab)})
    bench.start()
    ended = bench.end()
    assert (ended.state, ended.fault) == ("failed", "plan")
    assert "simulated_readings of step crimp: torque = 9 N.m is outside 0.5 to 2 N.m" in ended.error


def test_what_cannot_be_written_is_no_result(crimping: LabProtocol) -> None:
    def full(station: str, order: StepOrder, outcome: StepOutcome) -> None:
        raise JournalError(f"the run of {order.step_id} at {station} cannot be written: the disk is full")

    bench = Bench(crimping, signs=True)
    bench.link = PeopleStation("bench", clock=bench.clock, finished=bench.take, signs=True, write=full)
    bench.link.know("a", {"crimping": crimping})
    bench.start()
    ended = bench.end()
    assert (ended.state, ended.fault, ended.results, ended.run_uids) == ("failed", "equipment", {}, ())
    assert ended.error == "the run of a/0001/crimp at bench cannot be written: the disk is full"
    bench.engine.close()


def test_nothing_is_signed_by_itself_on_real_instruments_or_where_nothing_is_said() -> None:
    folder, clock = LabFolder(Path("handwork"), MODEL, ""), SteppedClock(start=0.0)
    assert signs(Lab(folder, clock=clock, simulated=True), "bench")
    assert not signs(Lab(folder, clock=clock, simulated=True), "desk")
    assert not signs(Lab(folder, clock=clock), "bench")
    silent = replace(folder, model=MODEL.model_copy(update={"simulation": None}))
    assert not signs(Lab(silent, clock=clock, simulated=True), "bench")
