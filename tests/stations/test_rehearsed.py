"""A station of durations: exact lab time, and the same answers as a real one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from labwright.clock import SteppedClock
from labwright.model.errors import DeviceError, InfeasibleError, RefusedError
from labwright.model.latch import WHOLE_LAB, LatchScope, latch_campaign, latch_sample, latch_station
from labwright.model.protocol import StepOrder, StepOutcome
from labwright.stations import StationLink
from labwright.stations.rehearsed import RehearsedStation


class Rehearsal:
    def __init__(self) -> None:
        self.clock = SteppedClock(start=0.0)
        self.engine = self.clock.actor("engine", busy=True)
        self.came: queue.SimpleQueue[StepOutcome] = queue.SimpleQueue()
        self.station = RehearsedStation("bench", clock=self.clock, finished=self.take, results=self.results)
        self.link: StationLink = self.station

    def take(self, outcome: StepOutcome) -> None:
        self.engine.resume()
        self.came.put(outcome)

    def results(self, order: StepOrder) -> dict[str, Any]:
        if order.step == "breaks":
            raise DeviceError("the arm is stuck")
        if order.step == "cannot":
            raise InfeasibleError("it cannot be made", nearest={})
        return {"y": order.parameters["x"] * 2}

    def start(self, campaign: str = "a", number: int = 1, step: str = "do", **more: Any) -> StepOrder:
        order = StepOrder(
            step_id=f"{campaign}/{number:04d}/{step}", campaign=campaign, experiment=number, label=f"{number:04d}",
            sample="s", place="", protocol="p", step=step, expected_s=3600.0, parameters={"x": 21.0}, **more,
        )  # fmt: skip
        self.link.start(order, 1)
        return order

    def end(self) -> StepOutcome:
        """The next outcome, at its lab time."""
        self.engine.park()
        return self.came.get(timeout=10)

    def pass_s(self, seconds: float) -> None:
        self.engine.sleep(seconds)


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    before = set(threading.enumerate())
    one = Rehearsal()
    yield one
    one.link.close()
    one.engine.close()
    for thread in threading.enumerate():
        if thread.name == "rehearse":
            thread.join(10)
    assert set(threading.enumerate()) <= before, "those of other tests may end meanwhile"
    assert one.clock.busy() == []


def test_a_step_takes_what_it_is_expected_to_and_finds_what_is_given(rehearsal: Rehearsal) -> None:
    rehearsal.start()
    outcome = rehearsal.end()
    assert (outcome.state, outcome.results) == ("done", {"y": 42.0})
    assert (outcome.started_s, outcome.ended_s, rehearsal.clock.now()) == (0.0, 3600.0, 3600.0)
    assert [one.n for one in rehearsal.link.outcomes()] == [1]
    assert rehearsal.link.outcomes(after=1) == []


def test_what_results_raise_is_how_a_step_fails(rehearsal: Rehearsal) -> None:
    rehearsal.start(step="breaks")
    failed = rehearsal.end()
    assert (failed.state, failed.fail_kind, failed.error) == ("failed", "equipment", "the arm is stuck")
    rehearsal.start(step="cannot")
    assert rehearsal.end().fail_kind == "infeasible"


def test_a_pause_holds_its_campaign_and_the_rest_of_the_step_comes_afterwards(rehearsal: Rehearsal) -> None:
    rehearsal.start("a")
    rehearsal.pass_s(600)
    rehearsal.link.pause("b", on=True, epoch=1)
    rehearsal.link.pause("a", on=True, epoch=1)
    rehearsal.pass_s(10_000)
    assert rehearsal.came.empty()
    rehearsal.link.pause("a", on=False, epoch=1)
    assert rehearsal.end().ended_s == 13_600.0
    rehearsal.start("b")
    rehearsal.pass_s(10_000)
    assert rehearsal.came.empty(), "it was paused before it came"
    rehearsal.link.forget("b")
    rehearsal.link.pause("b", on=False, epoch=1)
    assert rehearsal.end().ended_s == 27_200.0


@pytest.mark.parametrize("paused", [False, True])
def test_a_stop_ends_the_step_that_is_meant(rehearsal: Rehearsal, paused: bool) -> None:
    order = rehearsal.start()
    rehearsal.link.pause("a", on=paused, epoch=1)
    rehearsal.link.stop("a/0002/do", "another", now=True, epoch=1)
    rehearsal.pass_s(60)
    rehearsal.link.stop(order.step_id, "enough", now=False, epoch=1)
    outcome = rehearsal.end()
    assert (outcome.state, outcome.fail_kind, outcome.ended_s) == ("stopped", "aborted", 60.0)
    assert "enough" in outcome.error
    rehearsal.link.pause("a", on=False, epoch=1)
    rehearsal.start(number=2)
    assert rehearsal.end().state == "done"


@pytest.mark.parametrize(
    ("scope", "free"),
    [(WHOLE_LAB, ""), (latch_station("bench"), ""), (latch_campaign("a"), "b"), (latch_sample("a", "0001"), "b")],
)
def test_a_latch_holds_its_scope(rehearsal: Rehearsal, scope: LatchScope, free: str) -> None:
    rehearsal.start("a")
    rehearsal.link.latch(scope, "smoke")
    assert rehearsal.end().state == "stopped"
    rehearsal.start("a", step="again")
    assert rehearsal.end().state == "stopped"
    if free:
        rehearsal.start(free)
        assert rehearsal.end().state == "done"
    rehearsal.link.reset(scope)
    rehearsal.start("a", step="last")
    assert rehearsal.end().state == "done"


def test_a_start_that_cannot_be_is_an_outcome_and_an_old_controller_is_refused(rehearsal: Rehearsal) -> None:
    order = rehearsal.start()
    rehearsal.link.start(order, 1)
    rehearsal.start(number=2)
    assert rehearsal.came.get(timeout=10).error == "it was not started: station bench is busy with a/0001/do"
    done = rehearsal.end()
    rehearsal.link.start(order, 1)
    assert rehearsal.came.get(timeout=10) == done, "not done twice"
    rehearsal.link.stop(None, "a newer controller", now=False, epoch=2)
    with pytest.raises(RefusedError, match="newer controller"):
        rehearsal.start(number=3)
    rehearsal.link.close()
    rehearsal.link.start(order.model_copy(update={"step_id": "a/0004/do"}), 2)
    assert "is closed" in rehearsal.came.get(timeout=10).error
