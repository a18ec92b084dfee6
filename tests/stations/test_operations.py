"""Operations of a step on real wires: kept before and after, not repeated, settled by asking the device."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest

from labwright.clock import Actor, SteppedClock
from labwright.journal import Journal, StepJournal, journal_file, schema
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.model.errors import JournalError
from labwright.model.protocol import StepOrder, StepOutcome, StepSpec
from labwright.model.records import Intent
from labwright.simulation import SimulatedLab
from labwright.stations import LabProtocol, Plan, Station, StepContext, observe, physical, wait_s
from labwright.stations.operations import _done

ROOT = Path(__file__).parents[2]


Given = Callable[[StepContext], Plan]
During = Callable[[Station, Actor], None]


class Bench(LabProtocol):
    """A step whose plan the test gives."""

    name = "bench"
    title = "Anything"
    steps: ClassVar[tuple[StepSpec, ...]] = (StepSpec(name="do", station="dosing", expected_s=10, timeout_s=600),)
    given: Callable[[StepContext], Plan]

    def do(self, context: StepContext) -> Plan:
        """What the test gives."""
        return (yield from self.given(context))


class Setup:
    """The dosing station of the simulated reference lab, and its journal."""

    def __init__(self, folder: LabFolder, data: Path, twin: SimulatedLab, clock: SteppedClock) -> None:
        self.folder, self.data, self.twin, self.clock = folder, data, twin, clock
        self.journal = Journal(journal_file(data))
        self.messages: Counter[str] = Counter()

    def run(self, plan: Given, *, resumed: bool = False, cut: str = "", during: During | None = None) -> StepOutcome:
        """Carry the step out, as a new controller; end it before a commit whose label begins with `cut`."""
        ended = threading.Event()
        outcomes: list[StepOutcome] = []
        with (
            Journal(journal_file(self.data)) as journal,
            Lab(self.folder, self.clock, self.twin.addresses, simulated=True).opened(undisturbed=resumed) as lab,
        ):
            journal.control("a test")
            if cut:
                journal.writer.on_commit = lambda when, label: self._cut(when, label, cut)
            protocol = Bench(self.folder.model)
            protocol.given = plan

            def finished(outcome: StepOutcome) -> None:
                outcomes.append(outcome)
                ended.set()

            station = Station(
                "dosing",
                self.folder.model.stations["dosing"].model_copy(update={"monitors": ()}),
                devices=lab.devices,
                lab=lab.model,
                clock=self.clock,
                journal=lambda name, document: self.documents.append((name, dict(document))),
                keeper=StepJournal(journal),
                finished=finished,
            )
            station.know("c", {"bench": protocol})
            self.documents: list[tuple[str, dict[str, Any]]] = []
            self.station = station
            order = StepOrder(
                step_id="c/0001/do", campaign="c", experiment=1, sample="s", place="", protocol="bench", step="do",
                resumed=resumed, parameters={},
            )  # fmt: skip
            hold = self.clock.actor("the test", busy=True)  # lab time passes only while the test sleeps
            station.start(order, 1)
            if during is not None:
                during(station, hold)
            hold.close()
            assert ended.wait(60), "the step does not end"
            station.close()
        return outcomes[0]

    def _cut(self, when: str, label: str, cut: str) -> None:
        if when == "before" and label.startswith(cut):
            raise JournalError("the controller ends here")

    def intents(self) -> list[tuple[str, int, str, str]]:
        """Device, attempt, state, who decided."""
        rows = self.journal.rows(schema.intent, order=(schema.intent.c.n))
        return [(row["device"], row["attempt"], row["state"], row["decided_by"]) for row in rows]

    def pumped_ul(self, name: str = "pump_1") -> float:
        return 58_000 - 1000 * float(self.twin.world.syringes[name].content.volume_ml)


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    folder, clock = read_lab(ROOT), SteppedClock()
    with SimulatedLab(folder.model, clock, resolve, seed=3) as twin:
        twin.world.places["balance"] = twin.world.places["rack_1"]
        twin.world.places["rack_1"] = None
        one = Setup(folder, tmp_path, twin, clock)
        yield one
        one.journal.close()


def dose(context: StepContext) -> Plan:
    """Turn, pump, weigh, wait, weigh."""
    balance = context.device("balance")
    yield from physical(context, context.device("valve").selection, 1)
    yield from physical(context, context.source("DMC_EC_70_30").device.volume, 350.0)
    first = (yield from observe(context, balance, stream="weighing"))[balance.mass.name]
    yield from wait_s(100.0)
    second = (yield from observe(context, balance, stream="weighing"))[balance.mass.name]
    return {"first": first, "second": second}


def test_a_step_keeps_every_operation_and_every_reading(setup: Setup) -> None:
    outcome = setup.run(dose)
    assert outcome.state == "done", outcome.error
    assert setup.intents() == [
        ("selector", 1, "confirmed", "reply"),
        ("pump_1", 1, "confirmed", "reply"),
        ("balance", 1, "confirmed", "reply"),
        ("", 1, "confirmed", "clock"),
        ("balance", 1, "confirmed", "reply"),
    ]
    rows = setup.journal.rows(schema.observation)
    assert len(rows) == 2
    assert {row["intent"] for row in rows} == {"c/0001/do#2", "c/0001/do#5"}


def test_what_was_done_is_not_done_again_and_what_was_read_is_told_again(setup: Setup) -> None:
    cut = setup.run(dose, cut="outcome+observation:do")  # the pump has pumped, the first weight is not kept
    assert cut.state == "failed"
    assert setup.pumped_ul() == pytest.approx(350, rel=0.05)
    setup.twin.world.places["balance"].content.grams["EC"] += 1.0  # somebody's finger
    done = setup.run(dose, resumed=True)
    assert done.state == "done", done.error
    assert setup.pumped_ul() == pytest.approx(350, rel=0.05), "it was pumped twice"
    again = setup.run(dose, resumed=True)
    assert again.results == done.results
    events = [document for name, document in setup.documents if name == "event"]
    assert [one["data"]["balance_mass"] for one in events[:2]] == [done.results["first"], done.results["second"]]


def test_a_wait_goes_on_where_it_was(setup: Setup) -> None:
    def plan(context: StepContext) -> Plan:
        yield from wait_s(300.0)
        yield from physical(context, context.device("valve").selection, 2)
        return {}

    def cut_the_wait(station: Station, hold: Actor) -> None:
        hold.sleep(100)
        station.stop(None, "cut", now=True, epoch=1)

    assert setup.run(plan, during=cut_the_wait).state == "stopped"
    began = setup.clock.now()
    assert setup.run(plan, resumed=True).state == "done"
    assert 195 <= setup.clock.now() - began <= 215, "two hundred seconds were left, and a turn"
    began = setup.clock.now()
    assert setup.run(plan, resumed=True).state == "done"
    assert setup.clock.now() - began < 5


@pytest.mark.parametrize(("cut", "decided"), [("outcome:do", "evidence"), ("intent:do", "reply")])
def test_a_dose_whose_end_nobody_saw_is_asked_for(setup: Setup, cut: str, decided: str) -> None:
    def plan(context: StepContext) -> Plan:
        yield from physical(context, context.source("DMC_EC_70_30").device.volume, 350.0)
        return {}

    setup.twin.world.valve_position = 1
    setup.run(plan, cut=cut)
    outcome = setup.run(plan, resumed=True)
    assert outcome.state == "done", outcome.error
    assert setup.intents() == [("pump_1", 1, "confirmed", decided)]
    assert setup.pumped_ul() == pytest.approx(350, rel=0.05)


def test_half_a_dose_is_a_doubt_that_only_a_person_settles(setup: Setup) -> None:
    def plan(context: StepContext) -> Plan:
        yield from physical(context, context.source("DMC_EC_70_30").device.volume, 350.0)
        return {}

    def stop_half_way(station: Station, hold: Actor) -> None:
        hold.sleep(1.0)
        station.stop(None, "half way", now=True, epoch=1)

    setup.twin.world.valve_position = 1
    assert setup.run(plan, during=stop_half_way).state == "stopped"
    assert 20 < setup.pumped_ul() < 330
    outcome = setup.run(plan, resumed=True)
    assert (outcome.state, outcome.doubt) == ("unknown", 0)
    assert "pump_1.volume = 350 may or may not have happened" in outcome.error
    assert setup.pumped_ul() < 330, "it was not guessed"


def test_a_dose_that_the_time_limit_cuts_short_is_a_doubt(setup: Setup) -> None:
    def plan(context: StepContext) -> Plan:
        yield from wait_s(596.0)  # of the 600 s the step may take
        yield from physical(context, context.source("DMC_EC_70_30").device.volume, 3000.0)
        return {}

    setup.twin.world.valve_position = 1
    outcome = setup.run(plan)
    assert (outcome.state, outcome.fail_kind, outcome.doubt) == ("failed", "equipment", 1)
    assert "is not done after 600 s" in outcome.error
    assert setup.pumped_ul() < 2900
    assert outcome.part is not None
    assert (outcome.part.asked, outcome.part.stock) == (3000.0, "DMC_EC_70_30")
    assert outcome.part.counted == pytest.approx(setup.pumped_ul(), rel=0.03), "the pump was asked how much came"
    assert outcome.used["DMC_EC_70_30"].unknown == 3_000_000
    again = setup.run(plan, resumed=True)
    assert (again.state, again.doubt) == ("unknown", 1), "it is not sent again on a guess"


def test_a_plan_that_takes_another_way_than_before_is_found_out(setup: Setup) -> None:
    def other(context: StepContext) -> Plan:
        yield from physical(context, context.device("valve").selection, 1)
        yield from physical(context, context.source("DMC_EC_70_30").device.volume, 400.0)
        return {}

    setup.run(dose, cut="outcome+observation:do")
    outcome = setup.run(other, resumed=True)
    assert outcome.state == "failed"
    assert (
        "takes another way than before: its operation 1 was pump_1.volume = 350, now pump_1.volume set 400"
        in outcome.error
    )
    assert setup.pumped_ul() == pytest.approx(350, rel=0.05)


def test_what_is_done_of_a_small_amount_is_compared_with_that_amount() -> None:
    part = Intent(
        step_id="s", n=0, kind="set", device="source", axis="current", value=2e-10, asked=5e-10, before=1e-10,
        epoch=1, state="confirmed", prepared_s=0.0,
    )  # fmt: skip
    assert _done(part, 5e-10) == pytest.approx(3e-10, rel=1e-9)
    assert _done(part, part.before + 2e-10) == part.before + 2e-10


def test_plain_bluesky_plans_are_kept_as_well(setup: Setup) -> None:
    def scan(context: StepContext) -> Plan:
        valve, balance = context.device("valve"), context.device("balance")
        for position in (2, 3):
            yield from bps.mv(valve.selection, position)
            yield from bps.trigger_and_read([balance, valve])
        return {"position": (yield from bps.rd(valve.selection))}

    outcome = setup.run(scan)
    assert (outcome.state, outcome.results) == ("done", {"position": 3})
    again = setup.run(scan, resumed=True)
    assert again.results == {"position": 3}
    assert Counter(device for device, *_ in setup.intents()) == {"selector": 2, "balance": 2}
    assert bp.count is not None


def test_a_paused_station_begins_nothing_and_ends_what_runs(setup: Setup) -> None:
    seen: list[int] = []

    def plan(context: StepContext) -> Plan:
        for position in (2, 3, 4):
            yield from physical(context, context.device("valve").selection, position)
        return {}

    def pause(station: Station, hold: Actor) -> None:
        station.pause("c", on=True, epoch=1)
        for _ in range(3):
            hold.sleep(700)  # longer than the step may take, were the pause to count
            seen.append(len(setup.intents()))
        station.pause("c", on=False, epoch=1)

    outcome = setup.run(plan, during=pause)
    assert outcome.state == "done", outcome.error
    assert len(set(seen)) == 1, "an operation was begun while paused"
    assert seen[0] <= 1
    assert len(setup.intents()) == 3


def test_a_stop_reaches_a_paused_station(setup: Setup) -> None:
    def pause_and_stop(station: Station, hold: Actor) -> None:
        station.pause("c", on=True, epoch=1)
        hold.sleep(10)
        station.stop(None, "enough", now=False, epoch=1)

    outcome = setup.run(dose, during=pause_and_stop)
    assert outcome.state == "stopped"
    assert "enough" in outcome.error


@pytest.mark.parametrize("name", ["pause", "kickoff"])
def test_what_bluesky_would_repeat_is_refused(setup: Setup, name: str) -> None:
    def plan(context: StepContext) -> Plan:
        yield from (bps.pause() if name == "pause" else bps.kickoff(context.device("balance")))
        return {}

    outcome = setup.run(plan)
    assert outcome.state == "failed"
    assert "is not carried out" in outcome.error


def test_a_lost_reply_is_asked_after_and_a_lost_command_said_again(setup: Setup) -> None:
    def plan(context: StepContext) -> Plan:
        yield from physical(context, context.device("valve").selection, 1)
        yield from physical(context, context.source("DMC_EC_70_30").device.volume, 350.0)
        return {}

    setup.twin.fault("pump_1", "no_reply", count=1, match="*RUN")
    assert setup.run(plan).state == "done"
    assert setup.pumped_ul() == pytest.approx(350, rel=0.05)


def test_a_value_outside_the_limits_leaves_no_intent(setup: Setup) -> None:
    def plan(context: StepContext) -> Plan:
        yield from physical(context, context.source("DMC_EC_70_30").device.volume, 1e6)
        return {}

    outcome = setup.run(plan)
    assert outcome.state == "failed"
    assert "nothing was sent" in outcome.error
    assert setup.intents() == []
