"""A stop on real simulated wires: what reaches them, how soon, and that nothing follows; whoever watches is stuck."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import labwright
from labwright.cli.resetting import reset_stop
from labwright.clock import SteppedClock
from labwright.engine import (
    CampaignCore,
    CampaignRun,
    LabController,
    load_campaign,
    resume_campaign,
    started,
    unfinished,
)
from labwright.engine.events import Event, Granted, StepEnded, StopAsked, Suggested
from labwright.hardware.transport import SerialTransport, TcpTransport, VisaTransport
from labwright.journal import Journal, NewEvent, StepJournal, journal_file, latching, open_latches, schema
from labwright.journal.wake import wake
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.model.errors import RefusedError
from labwright.model.latch import WHOLE_LAB, latch_station
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"

HALTS = (b"STP", b"STOP_1", b"STOP_4", b"halt", b":ABOR")
"""What halts pumps, hotplate, arm and impedance meter."""

HARMLESS = (*HALTS, b"OUT_WD", b"OUT_SP", b"?", b"hp 0", b"attach 0", b"detach", b"exit", b"sysState")


class Wires:
    """All bytes that went out, with the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[float, bytes]] = []
        for kind in (SerialTransport, TcpTransport, VisaTransport):
            monkeypatch.setattr(kind, "write", self._recording(kind.write))

    def _recording(self, write: Callable[[Any, bytes], None]) -> Callable[[Any, bytes], None]:
        def recorded(transport: Any, data: bytes) -> None:
            self.sent.append((time.monotonic(), data))
            write(transport, data)

        return recorded

    def since(self, began: float) -> list[bytes]:
        return [data for when, data in self.sent if when >= began]

    def halted_s(self, began: float) -> dict[bytes, float]:
        """When each kind of halt last came first after `began`: pumps each have one of their own."""
        first: dict[bytes, float] = {}
        for when, data in self.sent:
            if when >= began and any(one in data for one in HALTS):
                first.setdefault(data, when - began)
        return first


@pytest.fixture
def wires(monkeypatch: pytest.MonkeyPatch) -> Wires:
    return Wires(monkeypatch)


@pytest.fixture(scope="module")
def folder() -> LabFolder:
    return read_lab(ROOT)


@contextmanager
def campaign(
    folder: LabFolder, data: Path, spec: Path = SPEC, budget: int = 2, **more: Any
) -> Iterator[tuple[CampaignRun, Journal, SimulatedLab]]:
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=3) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(data)) as journal,
    ):
        loaded = load_campaign(folder, spec, budget=budget, seed=3, planner="sobol")
        yield CampaignRun(lab, loaded, journal, data, by="Ann", **more), journal, twin


def when(step: str, do: Callable[[], None]) -> Callable[[Event, CampaignCore], None]:
    """Do something once, right after this step has ended."""
    done = threading.Event()

    def watch(event: Event, core: CampaignCore) -> None:
        if isinstance(event, StepEnded) and event.outcome.step_id.endswith(step) and not done.is_set():
            done.set()
            do()

    return watch


def test_nothing_begins_once_stop_now_has_returned_even_while_a_steps_end_is_committed(
    folder: LabFolder, tmp_path: Path, wires: Wires
) -> None:
    returned: list[float] = []
    begun: list[int] = []
    with campaign(folder, tmp_path) as (run, journal, twin):
        record = journal.record

        def recording(events: Any, snapshot: Any = None) -> None:
            if not returned and any(b"cell_calibration/weak_to_cell" in one.payload for one in events):
                thread = threading.Thread(target=run.ask_to_stop, args=("an operator",), kwargs={"now": True})
                thread.start()
                thread.join()
                begun.append(len(journal.rows(schema.intent)))
                returned.append(time.monotonic())
            record(events, snapshot)

        journal.record = recording  # type: ignore[method-assign]
        end = run.run()
        assert (end.state, end.reason) == ("stopped", "an operator")
        assert len(journal.rows(schema.intent)) == begun[0], "an operation was begun after the stop had returned"
        moved = [one for one in wires.since(returned[0]) if not any(word in one for word in HARMLESS)]
        assert moved == [], "bytes that move something after the stop had returned"
        assert twin.world.thermal.heating is False


def test_a_stop_now_needs_no_journal(folder: LabFolder, tmp_path: Path, wires: Wires) -> None:
    go_on = threading.Event()
    took: list[dict[bytes, float]] = []

    def stop() -> None:
        blocked = threading.Event()

        def hang(when: str, label: str) -> None:
            blocked.set()
            go_on.wait(30)

        journal.writer.on_commit = hang
        threading.Thread(target=journal.writer.transact, args=(lambda c: None,), daemon=True).start()
        assert blocked.wait(10)
        began = time.monotonic()
        run.ask_to_stop("the journal hangs", now=True)
        took.append(wires.halted_s(began))
        go_on.set()

    with campaign(folder, tmp_path) as (run, journal, _):
        run.controller.on_event = when("cell_calibration/weak_to_cell", stop)
        end = run.run()
        assert end.state == "stopped"
        assert {b"halt" in one for one in took[0]} == {True, False}, "halts were sent while the journal hung"
        assert [one.because for one in open_latches(journal)] == ["the journal hangs"], "and it was written afterwards"


def test_a_stop_stays_for_every_way_in_until_it_is_reset(folder: LabFolder, tmp_path: Path) -> None:
    with campaign(folder, tmp_path) as (run, journal, _):
        run.controller.on_event = when("cell_calibration/weak_to_cell", lambda: run.ask_to_stop("smoke", now=True))
        assert run.run().state == "stopped"
        (latch,) = open_latches(journal)
        assert (latch.instruments, latch.by, latch.because) == ("here", "Ann", "smoke")
    with pytest.raises(RefusedError, match="stopped by Ann"), campaign(folder, tmp_path):
        pass
    with (
        labwright.open(ROOT, simulated=True, data=tmp_path) as lab,
        pytest.raises(RefusedError, match=r"stopped by Ann .*labwright reset --data") as refused,
    ):
        lab.campaign("conductivity", budget=2, planner="sobol").run()
    assert refused.value.exit_code == 5
    reset_stop(journal_file(tmp_path), "", by="Bo", reason="aired", json=False)
    with campaign(folder, tmp_path) as (run, _, _):
        run.controller.on_event = when("cell_calibration/weak_to_cell", lambda: run.ask_to_stop("enough", now=False))
        assert run.run().state == "stopped"
        assert open_latches(run.controller.journal) == [], "a graceful stop ends its campaign, and nothing else"


def test_a_stop_at_once_is_kept_by_a_station_that_is_idle(folder: LabFolder, tmp_path: Path, wires: Wires) -> None:
    """A stop between two steps: the next one is given to a station that ran nothing when it was told."""
    with campaign(folder, tmp_path) as (run, _, _):
        steps: list[str] = []

        def look(event: Event, core: CampaignCore) -> None:
            if isinstance(event, Granted):
                steps.extend(event.steps)
                if len(steps) == 3:
                    for station in run.stations.values():
                        station.latch(WHOLE_LAB, "told while idle")

            for question in core.open_questions:
                asked.append(question.text)
                run.ask_to_stop("seen enough", now=False)

        asked: list[str] = []
        run.controller.on_event = look
        assert run.run().state == "stopped"
        assert "told while idle" in asked[0]
        assert len(steps) == 3, "the sample is held, and nothing of it begins"


def test_a_latch_of_a_station_holds_there_for_a_later_controller_until_a_person_resets_it(
    folder: LabFolder, tmp_path: Path
) -> None:
    with Journal(journal_file(tmp_path)) as journal:
        journal.control("an earlier one")
        journal.writer.transact(latching("here", "", "Bo", "it smells", latch_station("dosing")))
    pumps = {one for one in folder.model.stations["dosing"].role_devices if one.startswith(("pump_", "selector"))}
    with campaign(folder, tmp_path) as (run, journal, _):
        before: list[set[str]] = []

        def look(event: Event, core: CampaignCore) -> None:
            if not before and any("reset the stop of station dosing" in words for words in core.waits_for()):
                before.append({row["device"] for row in journal.rows(schema.intent)})
                (latch,) = open_latches(journal)
                journal.command("", "reset", {"latch": latch.id}, by="Bo", because="aired")

        run.controller.on_event = look
        assert run.run().state == "completed"
        assert before[0], "other stations work"
        assert not before[0] & pumps
        assert pumps & {row["device"] for row in journal.rows(schema.intent)}
        assert open_latches(journal) == []


def test_nothing_is_reset_while_it_is_still_being_stopped(folder: LabFolder, tmp_path: Path) -> None:
    with campaign(folder, tmp_path) as (run, journal, _):
        refused: list[str] = []

        def look(event: Event, core: CampaignCore) -> None:
            if isinstance(event, StopAsked):
                (latch,) = open_latches(journal)
                with pytest.raises(RefusedError) as error:
                    run.controller.halting.reset(latch.id, [run.campaign], "Bo", "aired")
                refused.append(str(error.value))

        stop = when("cell_calibration/weak_to_cell", lambda: run.ask_to_stop("smoke", now=True))

        def both(event: Event, core: CampaignCore) -> None:
            stop(event, core)
            look(event, core)

        run.controller.on_event = both
        assert run.run().state == "stopped"
        assert "is still being stopped; reset the stop when it has ended" in refused[0]
        assert len(open_latches(journal)) == 1


@pytest.mark.parametrize("whole_lab", [True, False], ids=["labwright stop", "campaign stop --now"])
def test_a_stop_from_another_process_waits_for_no_disk(
    folder: LabFolder, tmp_path: Path, wires: Wires, whole_lab: bool
) -> None:
    """The journal is locked while the command's row is written; the halt is on the wires all the same."""
    with campaign(folder, tmp_path) as (run, _, _), Journal(journal_file(tmp_path)) as other:
        locked = sqlite3.connect(journal_file(tmp_path), isolation_level=None, check_same_thread=False)
        halted: list[bool] = []
        words = {"by": "Kim", "because": "it smells"}

        def stop() -> None:
            locked.execute("BEGIN IMMEDIATE")
            scope = "" if whole_lab else run.campaign
            asking = threading.Thread(target=lambda: other.command(scope, "stop", {"now": True}, **words))
            began = time.monotonic()
            asking.start()
            while not wires.halted_s(began) and time.monotonic() < began + 20:
                time.sleep(0.001)
            halted.append(bool(wires.halted_s(began)) and asking.is_alive())
            locked.execute("ROLLBACK")
            asking.join()

        run.controller.on_event = when("cell_calibration/weak_to_cell", stop)
        end = run.run()
        assert halted == [True], "nothing was halted before the row could be written"
        assert (end.state, end.reason) == ("stopped", "stopped by Kim: it smells")
        locked.close()


def test_a_datagram_that_is_no_stop_does_nothing(folder: LabFolder, tmp_path: Path) -> None:
    with campaign(folder, tmp_path, budget=1) as (run, journal, _):
        newest = journal.controller()
        assert newest is not None
        for message in (b"x", b"[]", b"{}", b'{"campaign": 1, "payload": 2, "by": 3, "because": 4}', b"\xff" * 9000):
            wake(int(newest["wake_port"]), message)
        assert run.run().state == "completed"


def test_a_graceful_stop_stays_asked_for_over_a_restart(folder: LabFolder, tmp_path: Path) -> None:
    with campaign(folder, tmp_path) as (run, journal, _):

        def die() -> None:
            run.ask_to_stop("enough for today", now=False)
            record = journal.record

            def last(events: list[NewEvent], snapshot: Any = None) -> None:
                record(events, snapshot)
                if any(one.kind == "stop_asked" for one in events):
                    raise KeyboardInterrupt

            journal.record = last  # type: ignore[method-assign,assignment]

        run.controller.on_event = when("cell_calibration/weak_to_cell", die)
        with pytest.raises(KeyboardInterrupt):
            run.run()
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=3) as twin,
        Journal(journal_file(tmp_path)) as journal,
    ):
        cut_off = unfinished(journal)
        assert cut_off
        again = resume_campaign(folder, started(journal, cut_off))
        with Lab(folder, clock, twin.addresses, simulated=True).opened(undisturbed=True) as lab:
            end = CampaignRun(lab, again, journal, tmp_path, resume=cut_off).run()
    assert (end.state, end.reason) == ("stopped", "enough for today")


def command(run: CampaignRun, outside: Journal, entered: threading.Event, began: list[float]) -> None:
    """As `labwright campaign stop --now`, once the one who is stuck is."""
    assert entered.wait(10)
    began.append(time.monotonic())
    outside.command(run.core.campaign, "stop", {"now": True}, by="Kim", because="it smells")


STUCK = 50e-3
"""Wall seconds from a command's arrival until every device is halted."""


@pytest.mark.parametrize("stuck", ["watch", "run_closed"])
def test_whoever_is_stuck_holds_up_neither_the_campaign_nor_a_stop(
    folder: LabFolder, tmp_path: Path, wires: Wires, stuck: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labwright.engine.running.WATCHED_S", 0.1)
    entered, release = threading.Event(), threading.Event()

    def hang(*_: Any) -> None:
        entered.set()
        release.wait(60)

    took: list[float] = []
    for attempt in range(5):  # a machine that does something else meanwhile is slow, not wrong
        data = tmp_path / str(attempt)
        more: Any = {stuck: hang}
        with campaign(folder, data, **more) as (run, journal, _), Journal(journal_file(data)) as outside:
            began: list[float] = []
            ask = partial(command, run, outside, entered, began)
            run.controller.on_event = when("cell_calibration/weak_to_cell", threading.Thread(target=ask).start)
            end = run.run()
            assert (end.state, end.reason) == ("stopped", "stopped by Kim: it smells")
            (latch,) = open_latches(journal)
            assert (latch.by, latch.because) == ("Kim", "it smells")
            halted = wires.halted_s(began[0])
            pumps = [name for name in folder.model.devices if name.startswith("pump_")]
            assert len([one for one in halted if b"STP" in one]) == len(pumps), "every pump has its own halt"
            assert all(any(word in one for one in halted) for word in HALTS)
            took.append(max(halted.values()))
        if took[-1] <= STUCK:
            break
    release.set()
    assert min(took) <= STUCK, f"halted after {', '.join(f'{one:.3f}' for one in took)} s"


def test_two_samples_under_way_are_stopped_at_once(folder: LabFolder, tmp_path: Path, wires: Wires) -> None:
    spec = tmp_path / "two.yaml"
    spec.write_text(SPEC.read_text() + "\nparallel: 2\n")
    returned: list[float] = []
    begun: list[int] = []

    def stop() -> None:
        run.ask_to_stop("both", now=True)
        returned.append(time.monotonic())
        begun.append(len(journal.rows(schema.intent)))

    with campaign(folder, tmp_path / "data", spec) as (run, journal, _):
        suggested: list[Event] = []

        def watch(event: Event, core: CampaignCore) -> None:
            suggested.extend([event] if isinstance(event, Suggested) else [])
            busy = [one for one in core.live.values() if any(run.state == "running" for run in one.running)]
            if not returned and isinstance(event, StepEnded) and len(busy) == 2:
                stop()

        run.controller.on_event = watch
        end = run.run()
        assert len(suggested) == 2
        assert (end.state, end.reason) == ("stopped", "both")
        assert len(journal.rows(schema.intent)) == begun[0]
        moved = [one for one in wires.since(returned[0]) if not any(word in one for word in HARMLESS)]
        assert moved == []


def test_set_points_are_not_restored_after_a_stop(folder: LabFolder, tmp_path: Path) -> None:
    """Between the look whether the campaign ends and the act no stop may slip in."""
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=3) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        controller = LabController(lab, journal, tmp_path)
        controller.ask_to_stop("smoke", now=True)
        done = threading.Event()
        controller._restoring.start(lambda: {("hotplate", "temperature"): 40.0}, pytest.fail, done.set)
        assert done.wait(10)
        assert not twin.world.thermal.heating
        controller._close()


def test_what_cannot_be_had_leaves_nothing_behind(folder: LabFolder, tmp_path: Path) -> None:
    before = {one.name for one in threading.enumerate()}
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=3) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        loaded = load_campaign(folder, SPEC, budget=1)
        (tmp_path / "runs").write_text("a file where a folder should be")
        with pytest.raises(Exception, match="runs"):
            CampaignRun(lab, loaded, journal, tmp_path)
        assert journal.listeners[1:] == []
        assert clock.busy() == [], "lab time waits for nobody"
        names = {one.name for one in threading.enumerate()} - before
        assert "wake" not in names
        assert StepJournal(journal).held("none") == {}
