"""The loop that imitates EOS' documentation, beside ours on one tiny laboratory; no peer is installed here."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.peers import ours
from benchmarks.peers.__main__ import main
from benchmarks.peers.environment import Environment, NotRunError
from benchmarks.peers.table import Row
from benchmarks.peers.ticking import Loop, Run, Task, late, loop_of, noop_loop, simulate, tick_by_tick
from benchmarks.scheduling.instances import KINDS, MINUTE, MOVE_S, Instance, Job

JOB = Job((("dispense", 10 * MINUTE), ("furnace", 60 * MINUTE), ("xrd", 20 * MINUTE)), 60)
ONE_OF_EACH = dict.fromkeys(KINDS, 1)


def test_a_sample_alone_takes_as_long_in_the_imitated_loop_as_in_ours() -> None:
    alone = Instance((JOB,), ONE_OF_EACH, 1)
    assert simulate(loop_of(alone)) == pytest.approx(JOB.total_s)
    ours_s, ours_late = ours.first_come(alone)
    assert ours_s == pytest.approx(JOB.total_s)
    assert ours_late == 0


def test_without_batches_the_furnace_takes_one_sample_after_the_other() -> None:
    four = Instance((JOB,) * 4, ONE_OF_EACH | {"dispense": 2}, 1)
    loop = loop_of(four)
    one_by_one_s = simulate(loop)
    assert one_by_one_s > 4 * 60 * MINUTE
    assert late(four, loop) == 2  # the third and the fourth wait for longer than 90 minutes
    mixed_s = simulate(loop_of(four, mixed=True))
    ours_s, _ = ours.first_come(four)
    assert mixed_s < one_by_one_s
    assert ours_s < one_by_one_s


def test_a_station_is_blocked_until_its_sample_has_been_carried_away() -> None:
    two = Instance((Job((("dispense", 10 * MINUTE), ("xrd", 60 * MINUTE)), 60),) * 2, ONE_OF_EACH, 1)
    loop = loop_of(two)
    # The second stands in the dispenser until the first has left the diffractometer.
    assert simulate(loop) == pytest.approx(2 * 60 * MINUTE + 10 * MINUTE + 5 * MOVE_S)
    assert loop.free == {name for names in loop.devices.values() for name in names}


def test_what_has_ended_is_seen_at_the_next_tick() -> None:
    loop = Loop({"a": ("a",)}, [Run([Task(0.25, needs=("a",))] * 2)])
    assert simulate(loop) == pytest.approx(0.6)


def test_runs_that_wait_for_each_other_come_to_a_halt() -> None:
    def swap(here: str, there: str) -> Run:
        return Run([Task(1.0, needs=(here,), holds=(here,)), Task(1.0, needs=(there,), uses=(here,))])

    loop = Loop({"a": ("a",), "b": ("b",)}, [swap("a", "b"), swap("b", "a")])
    with pytest.raises(RuntimeError, match="2 runs came to a halt"):
        simulate(loop)


def test_in_real_time_a_step_costs_a_tick() -> None:
    called = tick_by_tick(noop_loop(stations=3, samples=2))
    assert len(called) == 6
    assert max(called) - min(called) > 0.25  # three ticks lie between the first step and the last


def test_what_does_not_go_says_why(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("peer")
    environment = Environment(folder / "none", ())
    (folder / "none" / "bin").mkdir(parents=True)
    environment.python.write_text("#!/bin/sh\necho 'no such module' >&2\nexit 3\n")
    environment.python.chmod(0o755)
    with pytest.raises(NotRunError, match="no such module"):
        environment.drive("ivoryos_driver.py", {})


def test_what_takes_too_long_is_ended_with_all_that_it_has_started(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("peer")
    environment = Environment(folder / "slow", ())
    (folder / "slow" / "bin").mkdir(parents=True)
    environment.python.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {folder}/child\nwait\n")
    environment.python.chmod(0o755)
    monkeypatch.setattr("benchmarks.peers.environment.DRIVE_S", 0.5)
    with pytest.raises(NotRunError, match=r"takes longer than 0\.5 s"):
        environment.drive("ivoryos_driver.py", {})
    child = int((folder / "child").read_text())
    until_s = time.monotonic() + 10
    while running(child):
        assert time.monotonic() < until_s, f"{child} still runs"
        time.sleep(0.01)


def running(process: int) -> bool:
    """Whether a process is there, and not only its entry."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_cells_of_what_was_not_measured_are_empty() -> None:
    row = Row("peer", "1.0", "not run: no such package")
    assert row.cells([10]) == ["peer", "1.0", "not run: no such package", "", "", ""]
    once = Row("peer", "1.0", "run", [123.4], [3.0, 2.0, 26.54], cannot="one at a time")
    assert once.cells([10])[3:] == ["123", "3 (2 to 26.5)", "does not go: one at a time"]


def test_a_peer_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--peers", "unknown"])
    assert "no such peer: unknown" in capsys.readouterr().err
