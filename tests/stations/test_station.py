"""One station on its own: a RunEngine, plans, the lab clock; the devices here are none, the plan's waits are."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import bluesky.plan_stubs as bps
import numpy as np
import pytest
from ophyd.sim import SynAxis
from ophyd.status import Status

from labwright.clock import LabClock, SteppedClock
from labwright.journal import Journal, StepJournal, schema
from labwright.model.errors import CommunicationError, DeviceError, InfeasibleError, OutOfRangeError, RefusedError
from labwright.model.lab import LabModel
from labwright.model.protocol import NumberResult, StepOrder, StepOutcome, StepSpec
from labwright.model.stations import StationSpec
from labwright.stations import LabProtocol, Station, StepContext, wait_s
from labwright.stations.protocol import Plan
from labwright.stations.results import checked_results


class Kitchen(LabProtocol):
    bench: "Bench"
    name = "kitchen"
    title = "Everything a plan can do to a station"
    results: ClassVar[tuple[NumberResult, ...]] = (NumberResult(name="answer", unit="mS/cm", uncertainty="scatter"),)
    steps: ClassVar[tuple[StepSpec, ...]] = (
        StepSpec(name="quick", station="bench", expected_s=1),
        StepSpec(name="long", station="bench", expected_s=100, timeout_s=1000),
        StepSpec(name="endless", station="bench", expected_s=100, timeout_s=600),
        StepSpec(name="broken", station="bench", expected_s=1),
        StepSpec(name="impossible", station="bench", expected_s=1),
        StepSpec(name="not_a_number", station="bench", expected_s=1),
        StepSpec(name="exit", station="bench", expected_s=1),
        StepSpec(name="careless", station="bench", expected_s=1),
        StepSpec(name="far", station="bench", expected_s=1),
    )

    def quick(self, context: StepContext) -> Plan:
        yield from bps.null()
        return {"answer": 42.0, "scatter": 0.5, "list": [1.0, 2.0], "nested": {"kept": "in the outcome only"}}

    def long(self, context: StepContext) -> Plan:
        yield from bps.sleep(900)
        return {"answer": 1.0, "scatter": None}

    def endless(self, context: StepContext) -> Plan:
        while True:
            yield from bps.sleep(50)
            context.checkpoint()

    def broken(self, context: StepContext) -> Plan:
        yield from bps.null()
        raise ZeroDivisionError("a mistake in somebody's plan")

    def impossible(self, context: StepContext) -> Plan:
        yield from bps.null()
        raise InfeasibleError("cannot be made", nearest={})

    def not_a_number(self, context: StepContext) -> Plan:
        yield from bps.null()
        return {"answer": float("nan"), "scatter": None, "sweep": [{"z": 1.0}, {"z": float("inf")}]}

    def exit(self, context: StepContext) -> Plan:
        yield from bps.null()
        raise SystemExit(7)

    def careless(self, context: StepContext) -> Plan:
        yield from bps.null()
        self.bench.station.stop(None, "a person said so", now=False, epoch=1)
        yield from bps.mv(self.bench.axis, 1.0)

    def far(self, context: StepContext) -> Plan:
        yield from bps.mv(self.bench.far, 1.0)


class Far(SynAxis):
    """An axis at the end of a line that can be lost."""

    reconcile = "by_counter"

    def __init__(self, when_made_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(name="far")
        self.lost = False
        self.made_ready = 0
        self.asked = threading.Event()
        self._when_made_ready = when_made_ready

    def make_ready(self, value: float) -> None:
        self.made_ready += 1
        self._when_made_ready()

    def witness(self) -> float:
        return 0.0

    def set(self, value: float, *, command_id: str, epoch: int) -> Any:
        if not self.lost:
            return super().set(value)
        status = Status()
        status.set_exception(CommunicationError("no reply"))
        return status

    def find_out(self, value: float, witness: float | None, command_id: str) -> Any:
        self.asked.set()
        raise CommunicationError("no reply")


LAB = LabModel(name="lab", title="Lab", ports={}, devices={}, stations={})


class Bench:
    """A station, what it journalled, and how its steps ended."""

    def __init__(self, clock: LabClock) -> None:
        self.documents: list[tuple[str, dict[str, Any]]] = []
        self.ended = threading.Semaphore(0)
        self.outcomes: list[StepOutcome] = []
        self.axis = SynAxis(name="axis")
        self.far = Far()
        self._folder = tempfile.TemporaryDirectory()
        self.journal = Journal(Path(self._folder.name) / "journal.sqlite")
        self.journal.control("a test")
        lab, kitchen = LAB, Kitchen(LAB)
        kitchen.bench = self
        self.station = Station(
            "bench",
            StationSpec(title="Bench", devices={}),
            devices={},
            lab=lab,
            clock=clock,
            journal=lambda name, document: self.documents.append((name, document)),
            keeper=StepJournal(self.journal),
            finished=self.take,
        )
        self.station.know("c", {"kitchen": kitchen})

    def take(self, outcome: StepOutcome) -> None:
        self.outcomes.append(outcome)
        self.ended.release()

    def order(self, step: str, number: int = 1) -> StepOrder:
        return StepOrder(
            step_id=f"c/{number:04d}/{step}", campaign="c", experiment=number, sample="s", place="p",
            protocol="kitchen", step=step, parameters={},
        )  # fmt: skip

    def close(self) -> None:
        self.station.close()
        self.journal.close()
        self._folder.cleanup()

    def do(self, step: str, number: int = 1) -> StepOutcome:
        self.station.start(self.order(step, number), 1)
        assert self.ended.acquire(timeout=30), f"{step} did not end"
        return self.outcomes[-1]


@pytest.fixture
def bench() -> Iterator[Bench]:
    one = Bench(SteppedClock())
    yield one
    one.close()


def test_results_go_into_the_outcome_and_the_run(bench: Bench) -> None:
    outcome = bench.do("quick")
    assert (outcome.state, outcome.results["answer"]) == ("done", 42.0)
    assert outcome.results["nested"] == {"kept": "in the outcome only"}
    names = [name for name, _ in bench.documents]
    assert names == ["start", "descriptor", "event", "stop"]
    start, descriptor, event, stop = (document for _, document in bench.documents)
    assert outcome.run_uids == (start["uid"],)
    assert start["labwright"]["station"] == "bench"
    assert descriptor["data_keys"]["result_answer"]["units"] == "mS/cm"
    assert event["data"]["result_list"] == [1.0, 2.0]
    assert stop["exit_status"] == "success"
    assert [one.outcome for one in bench.station.outcomes()] == [outcome]


def test_lab_time_passes_while_a_plan_sleeps(bench: Bench) -> None:
    outcome = bench.do("long")
    assert outcome.state == "done"
    assert outcome.ended_s - outcome.started_s == pytest.approx(900)


def test_a_step_that_takes_too_long_is_ended_and_says_so(bench: Bench) -> None:
    outcome = bench.do("endless")
    assert (outcome.state, outcome.fail_kind) == ("failed", "equipment")
    assert outcome.error == "c/0001/endless is not done after 600 s (timeout_s of the step)"
    assert 600 <= outcome.ended_s - outcome.started_s <= 650
    assert bench.do("quick", 2).state == "done", "the station goes on"


def test_a_mistake_in_a_plan_ends_its_step_only(bench: Bench) -> None:
    outcome = bench.do("broken")
    assert (outcome.state, outcome.fail_kind) == ("failed", "equipment")
    assert outcome.error == "in the plan, ZeroDivisionError: a mistake in somebody's plan"
    assert bench.documents[-1][1]["exit_status"] == "fail"
    assert bench.do("quick", 2).state == "done"


def test_what_cannot_be_made_is_not_the_equipments_fault(bench: Bench) -> None:
    assert bench.do("impossible").fail_kind == "infeasible"


def test_a_result_that_is_no_number_is_refused(bench: Bench) -> None:
    outcome = bench.do("not_a_number")
    assert (outcome.state, outcome.results) == ("failed", {})
    assert outcome.error == (
        "protocol kitchen, step not_a_number: answer = nan is no finite number; sweep[1].z = inf is no finite number"
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (42.0, "returned float; a step returns a dict"),
        ({"answer": "much", "scatter": 1}, "answer = 'much' is no number"),
        ({"answer": True, "scatter": 1}, "answer = True is no number"),
        ({"answer": None, "scatter": 1}, "answer = None is no number"),
        ({"answer": 1.0, "scatter": -1}, "scatter = -1 is no standard error"),
        ({"answer": 1.0}, "scatter, the uncertainty of answer, is missing"),
        ({"answer": object()}, "answer is a object, which JSON cannot represent"),
    ],
)
def test_what_a_planner_could_not_use_is_refused_at_its_step(values: Any, words: str) -> None:
    with pytest.raises(DeviceError, match="protocol kitchen, step quick") as caught:
        checked_results(values, Kitchen(LAB).spec, "quick")
    assert words in str(caught.value)


def test_numpys_numbers_and_arrays_become_json() -> None:
    values = {"answer": np.float64(1.5), "scatter": None, "count": np.int64(3), "sweep": np.ones((2, 2)), "none": None}
    found = checked_results(values, Kitchen(LAB).spec, "quick")
    assert found == {"answer": 1.5, "scatter": None, "count": 3, "sweep": [[1.0, 1.0], [1.0, 1.0]], "none": None}
    assert checked_results(None, Kitchen(LAB).spec, "quick") == {}


def test_a_plan_that_wants_to_end_the_program_ends_its_step(bench: Bench) -> None:
    outcome = bench.do("exit")
    assert outcome.state == "failed"
    assert "the plan tried to end the program" in outcome.error
    assert bench.do("quick").state == "done"


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -60.0])
def test_a_wait_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(OutOfRangeError, match="cannot wait"):
        next(wait_s(seconds))


def test_a_step_is_not_started_twice_nor_by_an_older_controller(bench: Bench) -> None:
    done = bench.do("quick")
    documents = len(bench.documents)
    assert bench.do("quick") == done, "it has ended, and its outcome is reported again"
    assert len(bench.documents) == documents, "nothing was done"
    bench.station.start(bench.order("quick", 2), 2)
    assert bench.ended.acquire(timeout=10)
    reported = bench.station.outcomes()
    with pytest.raises(RefusedError, match=r"newer controller \(epoch 2, not 1\)"):
        bench.station.start(bench.order("quick", 3), 1)
    assert bench.station.outcomes() == reported, "the newer controller hears nothing of it"
    with pytest.raises(RefusedError, match="newer controller"):
        bench.station.stop(None, "too late", now=True, epoch=1)
    with pytest.raises(RefusedError, match="newer controller"):
        bench.station.pause("c", on=True, epoch=1)
    bench.station.start(bench.order("quick", 4), 2)
    assert bench.ended.acquire(timeout=10)
    assert bench.outcomes[-1].state == "done", "neither stopped nor paused"


def test_outcomes_have_numbers_and_can_be_asked_for_again(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.do("quick", number)
    numbered = bench.station.outcomes()
    assert [(one.n, one.epoch, one.outcome.step_id) for one in numbered] == [
        (1, 1, "c/0001/quick"),
        (2, 1, "c/0002/quick"),
        (3, 1, "c/0003/quick"),
    ]
    assert bench.station.outcomes(after=2) == numbered[2:]
    assert bench.station.outcomes(after=2) == numbered[2:], "once more if the answer was lost"
    assert bench.station.outcomes(after=3) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"campaign": "d"}, "station bench: no campaign with protocols here 'd'"),
        ({"protocol": "kitchens"}, "campaign c: no protocol 'kitchens'; did you mean 'kitchen'"),
        ({"step": "slow"}, "protocol kitchen: no step 'slow'"),
    ],
)
def test_a_start_that_cannot_be_is_an_outcome(bench: Bench, changed: dict[str, str], words: str) -> None:
    bench.station.start(bench.order("quick").model_copy(update=changed), 1)
    (refused,) = bench.outcomes
    assert (refused.state, refused.fail_kind, refused.doubt) == ("failed", "equipment", None)
    assert refused.error.startswith(f"it was not started: {words}")
    assert [one.outcome for one in bench.station.outcomes()] == [refused]
    bench.ended.acquire()
    assert bench.do("quick").state == "done", "the station goes on, and a refusal is no end of the step"


def test_trouble_in_the_run_engine_is_an_outcome(bench: Bench) -> None:
    bench.station._engine._state = "panicked"
    for number in (1, 2):
        outcome = bench.do("quick", number)
        assert (outcome.state, outcome.fail_kind) == ("failed", "equipment")
        assert "panicked" in outcome.error


def test_each_campaign_has_its_own_protocols() -> None:
    class Newer(Kitchen):
        version = "2"

        def quick(self, context: StepContext) -> Plan:
            yield from bps.null()
            return {"answer": 2.0, "scatter": None}

    bench = Bench(SteppedClock())
    bench.station.know("d", {"kitchen": Newer(LAB)})
    assert bench.do("quick").results["answer"] == 42.0
    other = bench.order("quick").model_copy(update={"step_id": "d/0001/quick", "campaign": "d"})
    bench.station.start(other, 1)
    assert bench.ended.acquire(timeout=10)
    assert bench.outcomes[-1].results["answer"] == 2.0
    starts = [document["labwright"]["campaign"] for name, document in bench.documents if name == "start"]
    assert starts == ["c", "d"]
    bench.station.forget("d")
    bench.station.start(other.model_copy(update={"step_id": "d/0002/quick"}), 1)
    assert "no campaign with protocols here 'd'" in bench.outcomes[-1].error
    bench.close()


def test_stop_ends_the_step_that_runs() -> None:
    bench = Bench(LabClock())
    bench.station.start(bench.order("endless"), 1)
    bench.station.start(bench.order("endless"), 1)
    assert bench.outcomes == [], "said twice; it runs"
    bench.station.start(bench.order("quick"), 1)
    assert bench.ended.acquire(timeout=5)
    assert bench.outcomes.pop().error == "it was not started: station bench is busy with c/0001/endless"
    bench.station.stop(None, "a person said so", now=True, epoch=1)
    assert bench.ended.acquire(timeout=5)
    assert bench.outcomes[0].state == "stopped"
    assert "a person said so" in bench.outcomes[0].error
    bench.close()


@pytest.mark.parametrize("now", [False, True])
def test_a_long_wait_is_cut_short_by_a_stop_and_does_not_pass_for_done(now: bool) -> None:
    bench = Bench(LabClock())
    bench.station.start(bench.order("long"), 1)
    while not any(name == "start" for name, _ in bench.documents):
        pass
    bench.station.stop(None, "a person said so", now=now, epoch=1)
    assert bench.ended.acquire(timeout=5)
    assert (bench.outcomes[0].state, bench.outcomes[0].results) == ("stopped", {})
    assert bench.documents[-1][1]["exit_status"] == "abort"
    bench.close()


def test_a_plain_bluesky_move_begins_nothing_after_a_stop(bench: Bench) -> None:
    outcome = bench.do("careless")
    assert outcome.state == "stopped"
    assert bench.axis.position == 0, "the second move came after the stop"


def test_a_closed_station_leaves_no_thread_and_takes_no_order() -> None:
    before = threading.active_count()
    bench = Bench(SteppedClock())
    bench.do("quick")
    bench.close()
    bench.station.close()
    assert threading.active_count() == before
    bench.station.start(bench.order("quick", 2), 1)
    assert bench.outcomes[-1].error == "it was not started: station bench is closed"


def test_who_was_told_to_stop_does_not_go_on_asking_a_lost_device() -> None:
    bench = Bench(LabClock())
    bench.far.lost = True
    bench.station.start(bench.order("far"), 1)
    assert bench.far.asked.wait(5)
    bench.station.stop(None, "a person said so", now=False, epoch=1)
    assert bench.ended.acquire(timeout=10), "it goes on asking for a minute"
    assert bench.outcomes[0].state == "unknown"
    assert "asking fails: no reply" in bench.outcomes[0].error
    bench.close()


def test_a_pause_while_a_device_is_made_ready_means_that_operation_too() -> None:
    paused = threading.Event()

    def pause() -> None:
        if not paused.is_set():
            one.station.pause("c", on=True, epoch=1)
            paused.set()

    one = Bench(LabClock())
    one.far = Far(when_made_ready=pause)
    one.station.start(one.order("far"), 1)
    assert paused.wait(5)
    assert not one.journal.rows(schema.intent), "nothing is promised in a pause"
    one.station.pause("c", on=False, epoch=1)
    assert one.ended.acquire(timeout=5)
    assert one.outcomes[0].state == "done"
    assert one.far.made_ready == 2, "after a pause it is made ready anew"
    one.close()
