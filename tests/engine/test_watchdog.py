"""Each step is watched by itself: what happens elsewhere says nothing about it."""

from __future__ import annotations

import pytest

from labwright.clock import LabClock
from labwright.engine import watchdog
from labwright.engine.events import RunStep, StepLate
from labwright.engine.watchdog import Watchdog
from labwright.model.protocol import StepOrder


def step(name: str, campaign: str = "c-1", timeout_s: float = 100.0) -> RunStep:
    order = StepOrder(
        step_id=f"{campaign}/0001/{name}", campaign=campaign, experiment=1, sample="s", place="", protocol="p",
        step=name, parameters={}, expected_s=10.0,
    )  # fmt: skip
    return RunStep("bench", order, timeout_s)


class Time:
    """Wall time that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(watchdog, "time", time)
    return time


def test_a_step_hangs_though_others_begin_and_end(wall: Time) -> None:
    dog = Watchdog(LabClock(10.0), lambda campaign, event: None)
    dog.start(step("stuck"))
    limit_s = 100.0 / 10.0 + watchdog.SILENCE_S
    assert dog.wait_s(()) == pytest.approx(limit_s)
    wall.now_s += limit_s - 1
    dog.start(step("other", "c-2"))
    dog.end("c-2/0001/other")
    assert dog.hung(()) == []
    wall.now_s += 1
    assert [one.order.step for one in dog.hung(())] == ["stuck"]
    assert dog.wait_s(()) == 0.0
    dog.close()


def test_a_paused_campaign_does_not_hang_and_its_time_begins_again(wall: Time) -> None:
    dog = Watchdog(LabClock(10.0), lambda campaign, event: None)
    dog.start(step("held"))
    wall.now_s += 10_000
    assert dog.hung(["c-1"]) == []
    assert dog.wait_s(["c-1"]) is None
    dog.let_go("c-1")
    assert dog.hung(()) == []
    assert dog.get("c-1/0001/held") is not None
    dog.close()


def test_a_late_step_rings_once_and_again_where_it_was_paused() -> None:
    rung: list[tuple[str, StepLate]] = []
    clock = LabClock(1e6)
    dog = Watchdog(clock, lambda campaign, event: rung.append((campaign, event)))
    dog.start(step("slow"))
    while not rung:
        clock.sleep(1.0)
    ((campaign, event),) = rung
    assert (campaign, event.step_id, event.expected_s) == ("c-1", "c-1/0001/slow", 10.0)
    dog.ring_later(event)
    while len(rung) < 2:
        clock.sleep(1.0)
    dog.end("c-1/0001/slow")
    dog.ring_later(event)
    assert dog.steps() == []
    dog.close()
