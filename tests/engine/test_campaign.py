"""Whole campaigns on the simulated reference lab: real wires, real RunEngines, real journal."""

import contextlib
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labwright.cli.init import make_lab
from labwright.clock import Actor, LabClock, SteppedClock
from labwright.engine import CampaignCore, CampaignEnd, CampaignRun, load_campaign
from labwright.engine.events import Event, Started, StepEnded, Suggested
from labwright.engine.questions import Question
from labwright.engine.watchdog import SILENCE_S
from labwright.journal import Journal, closed_runs, journal_file, read_run, schema
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.model.errors import ConfigError, JournalError, UnreachableError
from labwright.report import html, newest
from labwright.simulation import SimulatedLab
from tests.forks import python

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"


@pytest.fixture(scope="module")
def folder() -> LabFolder:
    return read_lab(ROOT)


@dataclass
class Outcome:
    end: CampaignEnd
    world: Any
    events: list[Event]
    lab_s: float
    unknown: dict[str, dict[str, int]]


def run(
    folder: LabFolder,
    data: Path,
    *,
    budget: int = 2,
    seed: int = 3,
    planner: str = "sobol",
    react: Callable[[Event, CampaignRun, SimulatedLab], None] = lambda event, campaign, twin: None,
) -> Outcome:
    campaign = load_campaign(folder, SPEC, budget=budget, seed=seed, planner=planner)
    clock = SteppedClock()
    events: list[Event] = []
    with (
        SimulatedLab(folder.model, clock, resolve, seed=seed) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
    ):
        before_g = twin.world.total_g()

        def watch(event: Event, core: CampaignCore) -> None:
            events.append(event)
            react(event, one, twin)

        with Journal(journal_file(data)) as journal:
            one = CampaignRun(lab, campaign, journal, data)
            one.controller.on_event = watch
            end = one.run()
        assert twin.world.total_g() == pytest.approx(before_g, abs=1e-9)
        assert not twin.world.broken_vials
        return Outcome(end, twin.world, events, clock.now() - clock.started_s, twin.unknown_commands())


def answer(data: Path, campaign: CampaignRun, question: Question, word: str) -> None:
    """As another process would."""
    with Journal(journal_file(data)) as journal:
        payload = {"question": question.id, "answer": word}
        journal.command(campaign.core.campaign, "answer", payload, by="Kim", because="looked")


@pytest.fixture(scope="module")
def finished(folder: LabFolder, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    data = tmp_path_factory.mktemp("campaign")
    return run(folder, data, budget=3), data


def test_a_campaign_runs_to_its_end(finished: tuple[Outcome, Path]) -> None:
    outcome, _ = finished
    assert outcome.end.state == "completed"
    assert [trial.status for trial in outcome.end.core.trials] == ["done"] * 3
    assert outcome.unknown == {}
    assert outcome.world.spilled.mass_g == 0
    assert len(outcome.world.thrown_away) == 3


def test_the_results_are_near_the_truth(finished: tuple[Outcome, Path]) -> None:
    outcome, _ = finished
    for trial in outcome.end.core.trials:
        made = {name: float(value) for name, value in trial.made.items()}
        truth = outcome.world.truth({**made, "temperature": 27.0})
        measured = trial.outcomes["conductivity"]
        assert measured.sem is not None
        # three fillings of 1.9 % each, the calibration on top: five standard errors of both
        assert abs(measured.mean - truth) < 5 * (measured.sem**2 + (0.01 * truth) ** 2) ** 0.5


def test_the_hot_end_of_the_envelope_can_be_measured(folder: LabFolder, tmp_path: Path) -> None:
    path = tmp_path / "hot.yaml"
    path.write_text(SPEC.read_text().replace("temperature: 27.0", "temperature: 60.0"))
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=3) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
    ):
        with Journal(journal_file(tmp_path)) as journal:
            campaign = load_campaign(folder, path, budget=1, planner="sobol")
            end = CampaignRun(lab, campaign, journal, tmp_path / "data").run()
    assert end.state == "completed", end.reason
    (trial,) = end.core.trials
    made = {name: float(value) for name, value in trial.made.items()}
    assert trial.outcomes["conductivity"].mean == pytest.approx(
        twin.world.truth({**made, "temperature": 60.0}), rel=0.06
    )


def test_the_weighed_composition_is_the_true_one(finished: tuple[Outcome, Path]) -> None:
    outcome, _ = finished
    for vial, trial in zip(outcome.world.thrown_away, outcome.end.core.trials, strict=True):
        assert trial.measured_params is not None
        molality, ec, dmc = vial.content.composition()
        assert trial.measured_params["molality"] == pytest.approx(molality, rel=2e-3, abs=5e-4)
        assert trial.measured_params["ec_fraction"] == pytest.approx(ec, abs=3e-4)
        assert trial.measured_params["dmc_share"] == pytest.approx(dmc, abs=6e-4)


def test_every_step_is_a_closed_run_with_units(finished: tuple[Outcome, Path]) -> None:
    outcome, data = finished
    runs = [read_run(path) for path in closed_runs(data / "runs")]
    ended = [event.outcome for event in outcome.events if isinstance(event, StepEnded)]
    assert len(runs) == len(ended) == 8 + 3 * 8
    assert {one[0][1]["uid"] for one in runs} == {uid for outcome in ended for uid in outcome.run_uids}
    for documents in runs:
        start, stop = documents[0][1], documents[-1][1]
        assert stop["exit_status"] == "success"
        assert start["labwright"]["simulated"] is True
        assert len(start["labwright"]["lab_sha256"]) == 64
    keys = {
        key: one
        for documents in runs
        for name, document in documents
        if name == "descriptor"
        for key, one in document["data_keys"].items()
    }
    assert keys["result_conductivity"]["units"] == "mS/cm"
    assert keys["balance_mass"]["units"] == "g"
    assert keys["lcr_resistance"]["dtype"] == "array"
    assert keys["glovebox_o2"]["units"] == "ppm"


def test_the_journal_rebuilds_the_campaign(folder: LabFolder, finished: tuple[Outcome, Path]) -> None:
    outcome, data = finished
    record = newest(data, "conductivity")
    assert record.core.state() == outcome.end.core.state()
    assert record.core.phase == "completed"
    assert (record.core.spec.budget, record.core.started.simulated) == (3, True)
    page = html(record, outcome.world)
    assert "SIMULATED" in page
    assert page.count("<svg") >= 9


def test_the_same_seed_gives_the_same_campaign(
    folder: LabFolder, finished: tuple[Outcome, Path], tmp_path: Path
) -> None:
    again = run(folder, tmp_path, budget=3)
    first, _ = finished
    assert [trial.params for trial in again.end.core.trials] == [trial.params for trial in first.end.core.trials]
    for one, other in zip(again.end.core.trials, first.end.core.trials, strict=True):
        assert one.outcomes["conductivity"].mean == pytest.approx(other.outcomes["conductivity"].mean, rel=1e-3)


FAULTS = [
    ("pump_1", "stall", 0.0, "the motor stalled"),
    ("selector", "stuck", 0.0, "stuck"),
    ("arm", "robot_error", 0.0, "power off, a fault occurred (system state 5)"),
    ("arm", "estop", 0.0, "hard emergency stop (system state 15)"),
    ("balance", "drift", 1.0, "mg in 10 s with nothing poured"),
    ("hotplate", "heater_open", 0.0, "heater open"),
    ("hotplate", "over_temperature", 0.0, "over-temperature: the plate is at 205 degC"),
    ("lcr", "open_cable", 0.0, "overload"),
    ("glovebox", "leak", 50.0, "o2_ppm"),
    ("glovebox", "door_open", 0.0, "the door is open"),
]


@pytest.mark.parametrize(("device", "kind", "value", "words"), FAULTS)
def test_a_fault_asks_a_person_and_the_campaign_continues(
    folder: LabFolder, tmp_path: Path, device: str, kind: str, value: float, words: str
) -> None:
    asked: list[Question] = []

    def react(event: Event, campaign: CampaignRun, twin: SimulatedLab) -> None:
        if isinstance(event, Suggested) and len(campaign.core.trials) == 2:
            for name in [f"pump_{number}" for number in range(1, 9)] if device == "pump_1" else [device]:
                twin.fault(name, kind, value=value)
        for question in campaign.core.open_questions:
            if question not in asked:
                asked.append(question)
                twin.clear_faults()
                actor = twin.clock.actor("Kim", busy=True)  # an hour later: a plate that was too hot has cooled down
                threading.Thread(
                    target=later, args=(actor, lambda one=question: answer(tmp_path, campaign, one, "again"))
                ).start()

    def later(actor: Actor, do: Callable[[], None]) -> None:
        actor.sleep(3600.0)
        do()
        actor.close()

    outcome = run(folder, tmp_path, budget=2, react=react)
    assert outcome.end.state == "completed", outcome.end.reason
    assert words in asked[0].text
    assert asked[0].label == "0002"
    assert "fault is fixed" in asked[0].choices["again"]
    assert [trial.status for trial in outcome.end.core.trials] == ["done"] * 2, "with the same data and budget"
    assert outcome.world.thermal.heating is False
    assert outcome.world.thermal.rpm == 0


def test_a_campaign_that_is_stopped_at_a_question_is_left_safe_and_keeps_what_was_measured(
    folder: LabFolder, tmp_path: Path
) -> None:
    def react(event: Event, campaign: CampaignRun, twin: SimulatedLab) -> None:
        if isinstance(event, Suggested) and len(campaign.core.trials) == 2:
            twin.fault("lcr", "open_cable")
        if campaign.core.open_questions:
            campaign.ask_to_stop("nobody can mend it today", now=False)

    outcome = run(folder, tmp_path, budget=3, react=react)
    assert (outcome.end.state, outcome.end.reason) == ("stopped", "nobody can mend it today")
    assert [trial.status for trial in outcome.end.core.trials] == ["done", "abandoned"]
    assert outcome.world.thermal.heating is False
    assert outcome.world.thermal.rpm == 0


def test_a_preparation_that_is_given_up_ends_the_campaign(folder: LabFolder, tmp_path: Path) -> None:
    def react(event: Event, campaign: CampaignRun, twin: SimulatedLab) -> None:
        if isinstance(event, Started):
            twin.fault("arm", "robot_error")
        for question in campaign.core.open_questions:
            answer(tmp_path, campaign, question, "abandon")

    outcome = run(folder, tmp_path, budget=3, react=react)
    assert outcome.end.state == "failed"
    assert "preparation cell_calibration, step weak_to_cell: given up by Kim: looked" in outcome.end.reason
    assert outcome.world.thermal.heating is False


def test_bad_lines_do_not_disturb_a_campaign(folder: LabFolder, tmp_path: Path) -> None:
    def react(event: Event, campaign: CampaignRun, twin: SimulatedLab) -> None:
        if isinstance(event, Suggested):
            for device, kind in [
                ("pump_1", "drop_byte"),
                ("pump_3", "garbage"),
                ("balance", "truncate"),
                ("hotplate", "garbage"),
            ]:
                twin.fault(device, kind, count=1)
            twin.fault("arm", "disconnect", match="wherej")
            twin.fault("arm", "no_reply", match="move *")
            twin.fault("lcr", "no_reply", match=":STAT*")
            twin.fault("lcr", "no_reply", match=":TRIG*")
            twin.fault("pump_sample", "no_reply", match="??RUN")
            twin.fault("glovebox", "garbage")

    outcome = run(folder, tmp_path, budget=1, react=react)
    assert outcome.end.state == "completed", outcome.end.reason


def test_stop_ends_after_the_operation_and_leaves_the_lab_safe(folder: LabFolder, tmp_path: Path) -> None:
    def react(event: Event, campaign: CampaignRun, twin: SimulatedLab) -> None:
        if isinstance(event, StepEnded) and event.outcome.step_id.endswith("0001/dose"):
            campaign.ask_to_stop("Ctrl-C", now=False)

    outcome = run(folder, tmp_path, react=react)
    assert (outcome.end.state, outcome.end.reason) == ("stopped", "Ctrl-C")
    assert outcome.world.thermal.heating is False
    assert outcome.end.core.trials[0].status in ("abandoned", "failed")


def test_stop_now_halts_a_step_under_way_and_nothing_begins_afterwards(folder: LabFolder, tmp_path: Path) -> None:
    begun: list[int] = []

    def stop(campaign: CampaignRun) -> None:
        campaign.ask_to_stop("twice Ctrl-C", now=True)
        begun.append(len(campaign.controller.journal.rows(schema.intent)))

    def react(event: Event, campaign: CampaignRun, twin: SimulatedLab) -> None:
        if isinstance(event, StepEnded) and event.outcome.step_id.endswith("cell_calibration/weak_to_cell"):
            threading.Timer(0.02, lambda: stop(campaign)).start()

    outcome = run(folder, tmp_path, react=react)
    assert outcome.end.state == "stopped"
    assert outcome.world.thermal.heating is False
    with Journal(journal_file(tmp_path)) as journal:
        assert len(journal.rows(schema.intent)) == begun[0], "an operation was begun after stop-now had returned"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system that is soon full."""
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small file system needs root: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_under_the_journal_stops_the_campaign(folder: LabFolder, small_disk: Path) -> None:
    def react(event: Event, campaign: CampaignRun, twin: SimulatedLab) -> None:
        if isinstance(event, Suggested) and len(campaign.core.trials) == 2:
            with contextlib.closing(sqlite3.connect(small_disk / "journal.sqlite")) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the next commit needs room
            left = shutil.disk_usage(small_disk).free
            (small_disk / "filler").write_bytes(bytes(left))

    with pytest.raises(JournalError, match=r"disk I/O error|disk is full|No space left"):
        run(folder, small_disk, budget=20, react=react)
    runs = closed_runs(small_disk / "runs")
    assert len(runs) >= 8 + 8, "what was measured before is kept"
    assert all(read_run(path)[-1][0] == "stop" for path in runs)


def test_a_disk_that_goes_away_asks_a_person_and_keeps_what_was_measured(folder: LabFolder, tmp_path: Path) -> None:
    asked: list[Question] = []
    kept: list[int] = []

    def react(event: Event, campaign: CampaignRun, twin: SimulatedLab) -> None:
        if isinstance(event, Suggested) and len(campaign.core.trials) == 1:
            campaign.controller.runs.folder = tmp_path / "unmounted"
        for question in campaign.core.open_questions:
            if question not in asked:
                asked.append(question)
                kept.append(len(closed_runs(tmp_path / "data" / "runs")))
                campaign.controller.runs.folder = tmp_path / "data" / "runs"
                answer(tmp_path / "data", campaign, question, "again")

    outcome = run(folder, tmp_path / "data", budget=1, react=react)
    assert outcome.end.state == "completed", outcome.end.reason
    assert "the journal cannot write" in asked[0].text
    assert kept == [8], "what was measured before"


def test_a_long_step_on_a_real_clock_is_not_taken_for_a_hung_one(folder: LabFolder, tmp_path: Path) -> None:
    clock = LabClock(100.0)
    waited: list[float | None] = []
    with (
        SimulatedLab(folder.model, clock, resolve) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):

        def watch(event: Event, core: CampaignCore) -> None:
            waited.append(one.controller.patience_s())
            one.ask_to_stop("seen enough", now=True)

        one = CampaignRun(lab, load_campaign(folder, SPEC, budget=1), journal, tmp_path)
        one.controller.on_event = watch
        one.run()
    assert waited[0] == SILENCE_S
    limit_s = SILENCE_S + 7200.0 / 100.0
    assert waited[2] == pytest.approx(limit_s, abs=60), "the calibration's steps may take two hours of lab time"
    assert waited[2] is not None
    assert waited[2] > SILENCE_S


def test_a_stop_before_the_beginning_is_kept_until_then(folder: LabFolder, tmp_path: Path) -> None:
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        one = CampaignRun(lab, load_campaign(folder, SPEC, budget=1), journal, tmp_path)
        one.ask_to_stop("changed my mind", now=False)
        end = one.run()
    assert (end.state, end.reason) == ("stopped", "changed my mind")


def test_a_simulated_lab_never_opens_a_real_port(folder: LabFolder) -> None:
    clock = SteppedClock()
    with SimulatedLab(folder.model, clock, resolve) as twin:
        lacking = {name: one for name, one in twin.addresses.items() if name != "arm"}
        lab = Lab(folder, clock, lacking, simulated=True)
        with pytest.raises(ConfigError, match="the simulation has no port arm, and the real one is not used instead"):
            lab.open()


def test_a_plate_that_rested_heats_again(folder: LabFolder) -> None:
    clock = SteppedClock()
    with SimulatedLab(folder.model, clock, resolve) as twin:
        for _ in range(2):
            with Lab(folder, clock, twin.addresses, simulated=True) as lab:
                lab.devices["hotplate"].temperature.set(30.0).wait(20)
                assert twin.world.thermal.heating
            assert not twin.world.thermal.heating
            clock.sleep(600)  # far beyond the plate's watchdog


def test_everything_unreachable_is_told_at_once(folder: LabFolder) -> None:
    clock = SteppedClock()
    with SimulatedLab(folder.model, clock, resolve) as twin:
        twin.fault("balance", "no_reply", count=100)
        twin.fault("pump_4", "no_reply", count=100)
        twin.fault("glovebox", "no_reply", count=100)
        addresses = {**twin.addresses}
        addresses["arm"] = addresses["arm"].model_copy(update={"tcp_port": 1})
        lab = Lab(folder, clock, addresses)
        with pytest.raises(UnreachableError) as caught:
            lab.open()
        assert twin.instrument("arm").power is False
    assert set(caught.value.failures) == {"port arm", "balance", "pump_4", "glovebox"}
    told = str(caught.value).splitlines()
    assert told[0] == "4 devices cannot be reached; nothing was moved:"
    assert told[1:3] == ["  port 'arm' (tcp:127.0.0.1:1) cannot be opened: Connection refused", "    arm"]
    assert told[-1].startswith("Check power, cables and addresses")
    assert caught.value.exit_code == 4


def test_opening_a_lab_moves_nothing(folder: LabFolder) -> None:
    clock = SteppedClock()
    with SimulatedLab(folder.model, clock, resolve) as twin, Lab(folder, clock, twin.addresses):
        arm, plate = twin.instrument("arm"), twin.world.thermal
        assert (arm.power, arm.homed, plate.heating, plate.rpm) == (False, False, False, 0)
        assert all(twin.instrument(f"pump_{number}").dispensed[1] == 0 for number in range(1, 9))


def test_too_small_a_stock_is_refused_before_anything_moves(folder: LabFolder) -> None:
    with pytest.raises(ConfigError, match=r"(?s)stocks may not last for 29 experiments.*DMC_EC_70_30: may need 58 ml"):
        load_campaign(folder, SPEC, budget=29)


def test_names_that_make_too_long_a_key_are_refused_before_anything_moves(tmp_path: Path) -> None:
    make_lab(tmp_path / "lab")
    protocol, campaign = tmp_path / "lab/protocols/warm_up.py", tmp_path / "lab/lab_config/campaigns/first.yaml"
    text = protocol.read_text().replace('name="warm"', f'name="{"s" * 64}"').replace("def warm(", f"def {'s' * 64}(")
    protocol.write_text(text.replace('name = "warm_up"', f'name = "{"p" * 64}"').replace('["warm_up"]', '["warm_up"]'))
    words = campaign.read_text().replace("warm_up", "p" * 64).replace("name: first", "name: " + "c" * 64)
    long = tmp_path / "long.yaml"
    code = (
        "from pathlib import Path; from labwright.engine import load_campaign; from labwright.lab import read_lab\n"
        f"folder = read_lab(Path({str(tmp_path / 'lab')!r}))\n"
        f"print(load_campaign(folder, Path({str(long)!r})).spec.name)"
    )
    for more, told in (
        ("", "c" * 64),
        (f"prepare: [{'p' * 64}]\n", "make a key of 219 characters, the journal holds 200"),
    ):
        long.write_text(words + more)
        done = python(code, cwd=tmp_path / "lab")
        assert told in done.stdout + done.stderr


def test_too_few_vials_are_refused_before_anything_moves(folder: LabFolder) -> None:
    with pytest.raises(ConfigError, match="31 experiments need 31 positions that hold an empty vial, the lab has 30"):
        load_campaign(folder, SPEC, budget=31)
