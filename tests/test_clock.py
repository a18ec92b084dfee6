"""Lab time: exact jumps, nobody overtaken."""

import threading
import time
from collections.abc import Callable
from queue import Empty

import pytest

from labwright.clock import Actor, LabClock, Mailbox, SteppedClock


def run(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_stepped_sleep_is_exact_and_takes_no_wall_time() -> None:
    clock = SteppedClock(start=0.0)
    clock.sleep(3 * 86_400)
    assert clock.now() == 3 * 86_400


def test_time_stands_still_while_an_actor_is_busy() -> None:
    clock = SteppedClock(start=0.0)
    worker = clock.actor("worker", busy=True)
    woken = threading.Event()
    thread = run(lambda: (clock.sleep(10), woken.set())[1])  # type: ignore[func-returns-value]
    while clock.busy() != ["worker"]:
        pass  # until the sleeper sleeps
    clock.actor("another", busy=True).close()  # whoever stops being busy would make time advance
    assert clock.now() == 0.0
    assert not woken.is_set()
    worker.close()
    thread.join(5)
    assert woken.is_set()
    assert clock.now() == 10.0


def test_sleepers_wake_in_order_and_each_sees_its_own_time() -> None:
    clock = SteppedClock(start=0.0)
    gate = clock.actor("gate", busy=True)
    seen: list[tuple[str, float]] = []

    def sleeper(name: str, naps: list[float]) -> Callable[[], None]:
        actor = clock.actor(name, busy=True)

        def work() -> None:
            for nap in naps:
                actor.sleep(nap)
                seen.append((name, clock.now()))
            actor.close()

        return work

    threads = [run(sleeper("a", [1, 4, 1])), run(sleeper("b", [2, 2, 2.5]))]
    gate.close()
    for thread in threads:
        thread.join(5)
    assert seen == [("a", 1), ("b", 2), ("b", 4), ("a", 5), ("a", 6), ("b", 6.5)]


class Ending:
    """The smallest status: ends once, calls back in the ending thread."""

    def __init__(self) -> None:
        self.success = False
        self._calls: list[Callable[[Ending], None]] = []

    def add_callback(self, callback: Callable[["Ending"], None]) -> None:
        self._calls.append(callback)

    def end(self, success: bool = True) -> None:
        self.success = success
        for call in self._calls:
            call(self)


@pytest.mark.parametrize("fails", [False, True])
def test_parked_actor_is_busy_again_before_time_can_pass(fails: bool) -> None:
    clock = SteppedClock(start=0.0)
    station = clock.actor("station", busy=True)
    first, second = Ending(), Ending()
    act = clock.actor("act", busy=True)
    late = run(lambda: clock.sleep(100))

    def work() -> None:
        act.sleep(5)
        first.end(success=not fails)
        if not fails:
            act.sleep(2)
            second.end()
        act.close()

    thread = run(work)
    station.park([first, second])
    thread.join(5)
    assert clock.now() == (5 if fails else 7)
    assert clock.busy() == ["station"]
    station.close()
    late.join(5)
    assert clock.now() == 100


def test_repeated_calls_are_exact_and_never_drive_time_alone() -> None:
    clock = SteppedClock(start=0.0)
    seen: list[float] = []
    beat = clock.every(10, lambda: seen.append(clock.now()), "beat")
    assert clock.now() == 0.0
    clock.sleep(35)
    assert seen == [10, 20, 30]
    beat.cancel()
    clock.sleep(100)
    assert seen == [10, 20, 30]


def test_interrupt_ends_a_sleep_at_the_present_time() -> None:
    clock = SteppedClock(start=0.0)
    gate = clock.actor("gate", busy=True)
    act = clock.actor("act", busy=True)
    result: list[bool] = []
    thread = run(lambda: result.append(act.sleep(1000)))
    while clock.busy() != ["gate"]:
        pass
    act.interrupt()
    thread.join(5)
    assert result == [False]
    assert act.sleep(1) is False, "an interrupted act sleeps no more"
    gate.close()
    assert clock.now() == 0.0


def test_mailbox_makes_its_owner_busy_at_once() -> None:
    clock = SteppedClock(start=0.0)
    owner = clock.actor("owner", busy=True)
    box: Mailbox[int] = clock.mailbox(owner)
    sender = clock.actor("sender", busy=True)

    def work() -> None:
        sender.sleep(3)
        box.put(1)
        box.put(2)
        sender.close()

    run(work)
    late = run(lambda: clock.sleep(50))
    assert box.get(5) == 1
    assert clock.now() == 3.0
    assert box.get(5) == 2
    assert clock.now() == 3.0
    with pytest.raises(Empty):
        box.get(0.05)
    late.join(5)


@pytest.mark.parametrize("clock", [LabClock(speed=1000), LabClock(speed=50)])
def test_scaled_clock_keeps_the_ratio(clock: LabClock) -> None:
    before = clock.now()
    actor: Actor = clock.actor("x")
    assert actor.sleep(5) is True
    assert clock.now() - before >= 5
    actor.interrupt()
    assert actor.sleep(1e9) is False


def test_setting_the_time_of_day_changes_no_lab_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = LabClock(speed=10)
    other = LabClock(clock.speed, clock.started_s, clock.monotonic_start)  # as in another process
    before = clock.now()
    assert abs(before - time.time()) < 60, "it begins with the time of day"
    monkeypatch.setattr(time, "time", lambda: before - 3600.0)
    assert 0 <= clock.now() - before < 60
    assert abs(other.now() - clock.now()) < 1


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_senseless_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        LabClock(speed=speed)


def test_a_message_to_somebody_who_is_gone_does_not_stop_time() -> None:
    clock = SteppedClock()
    gone = clock.actor("gone", busy=True)
    mailbox: Mailbox[str] = clock.mailbox(gone)
    gone.close()
    mailbox.put("too late")
    assert clock.busy() == []
    clock.sleep(1.0)


def test_an_alarm_may_write_to_the_one_who_makes_time_advance() -> None:
    clock = SteppedClock()
    owner = clock.actor("owner", busy=True)
    box: Mailbox[str] = clock.mailbox(owner)
    sleeper = clock.actor("sleeper", busy=True)
    clock.once(5.0, lambda: box.put("late"))
    thread = threading.Thread(target=sleeper.sleep, args=(10.0,), daemon=True)
    thread.start()
    while "sleeper" in clock.busy():
        pass
    assert box.get(5.0) == "late"
    assert clock.now() - clock.started_s == 5.0
    owner.close()
    sleeper.interrupt()
    thread.join(5)
