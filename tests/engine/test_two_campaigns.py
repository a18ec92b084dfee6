"""Two campaigns share the reference lab: real wires, real RunEngines, a real journal, and each as if it were alone."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignCore, LabController, load_campaign
from labwright.engine import controller as controller_module
from labwright.engine.admission import admitted
from labwright.engine.answering import Given, answer_open
from labwright.engine.campaign import Campaign
from labwright.engine.controller import Parts, new_id
from labwright.engine.events import (
    Answered,
    DeviationOpened,
    Event,
    Granted,
    PauseAsked,
    ResumeAsked,
    StepEnded,
    StopAsked,
)
from labwright.engine.inventory import prepared_on
from labwright.engine.lifecycle import hand_over
from labwright.engine.recovery import rebuilt_lab
from labwright.engine.remarks import DeviationAsked, say_alone
from labwright.journal import Journal, journal_file, read_run, run_files, schema
from labwright.journal.reading import choose
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.model.campaign import CampaignState
from labwright.model.errors import LabwrightError
from labwright.model.remarks import About
from labwright.model.states import OVER
from labwright.planners import Answer, PlannerWorker, Worker
from labwright.simulation import SimulatedLab
from tests.postgres import PostgresServer

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"


@pytest.fixture(scope="module")
def folder() -> LabFolder:
    """The reference lab as it is: its standards last for one calibration, which the campaigns share."""
    return read_lab(ROOT)


@dataclass
class Told:
    """What a controller has done.

    Attributes:
        data: its folder.
        place: its journal.
        names: ids of the campaigns, in the order in which they started.
        cores: of the campaigns, by id.
        both_under_way: events at which samples of two campaigns were under way.
        world: the simulated world afterwards.
        lab_s: how long it took, lab seconds.
    """

    data: Path
    place: str | Path
    names: list[str]
    cores: dict[str, CampaignCore]
    both_under_way: int
    world: Any
    lab_s: float


React = Callable[[str, Event, LabController, SimulatedLab], None]


def carry_out(
    folder: LabFolder,
    data: Path,
    campaigns: Sequence[Campaign],
    react: React = lambda name, event, controller, twin: None,
    *,
    place: str | Path = "",
    **settings: Any,
) -> Told:
    """Campaigns in one lab to the end of all, from the same moment on."""
    clock = SteppedClock()
    both = 0
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1, scatter=False) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
    ):
        before_g = twin.world.total_g()

        def watch(event: Event, core: CampaignCore) -> None:
            nonlocal both
            both += sum(1 for one in controller.core.campaigns.values() if one.live) > 1
            react(core.campaign, event, controller, twin)

        with Journal(place or journal_file(data)) as journal:
            controller = LabController(lab, journal, data, by="Kim", **settings)
            controller.on_event = watch
            names = [controller.start(one) for one in campaigns]
            cores = {name: controller.core.campaign(name) for name in names}
            controller.run(lambda: controller.all_over)
        assert twin.world.total_g() == pytest.approx(before_g, abs=1e-9)
        assert not twin.world.broken_vials
        assert twin.world.spilled.mass_g == 0
        assert twin.unknown_commands() == {}
        return Told(data, place or journal_file(data), names, cores, both, twin.world, clock.now() - clock.started_s)


def found(core: CampaignCore) -> list[tuple[Any, ...]]:
    """Of each trial: what was suggested, what was made, and what was found."""
    return [(one.id, one.status, one.params, one.measured_params, one.outcomes) for one in core.trials]


def alike(one: CampaignCore, other: CampaignCore) -> None:
    """The same was suggested, made and found; what stands on one hotplate warms its neighbours a little."""
    for mine, others in zip(found(one), found(other), strict=True):
        assert mine[:3] == others[:3]
        assert (mine[3] or {}) == pytest.approx(others[3] or {}, rel=1e-5)
        assert mine[4].keys() == others[4].keys()
        for name, outcome in mine[4].items():
            assert outcome.mean == pytest.approx(others[4][name].mean, rel=1e-5)
            assert outcome.sem == pytest.approx(others[4][name].sem, rel=1e-5)


def without_prepared(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the one thing that names another campaign: who has made the calibration that is shared."""
    if row.get("kind") == "granted":
        row["payload"] = {**orjson.loads(row["payload"]), "prepared": ()}
    return row


def sobol(folder: LabFolder, **more: Any) -> Campaign:
    return load_campaign(folder, SPEC, **{"budget": 3, "seed": 3, "planner": "sobol", **more})


def gp(folder: LabFolder, **more: Any) -> Campaign:
    return load_campaign(folder, SPEC, **{"budget": 4, "seed": 5, "planner": "gp", **more})


@pytest.fixture(scope="module")
def together(folder: LabFolder, tmp_path_factory: pytest.TempPathFactory) -> Told:
    return carry_out(folder, tmp_path_factory.mktemp("together"), [sobol(folder), gp(folder)])


def test_each_suggests_and_finds_exactly_what_it_does_alone(folder: LabFolder, together: Told, tmp_path: Path) -> None:
    alone = [carry_out(folder, tmp_path / one.spec.planner.name, [one]) for one in (sobol(folder), gp(folder))]
    assert [core.phase for core in together.cores.values()] == ["completed", "completed"], [
        core.reason for core in together.cores.values()
    ]
    assert together.both_under_way > 10
    with Journal.reading(together.place) as journal:
        made = [row["campaign"] for row in journal.rows(schema.experiment) if row["label"] == "cell_calibration"]
        (shared,) = journal.rows(schema.preparation)
        taken = [one for each in journal.events(together.names[1]) for one in each.payload.get("prepared", ())]
    assert made == [shared["campaign"]] == [together.names[0]], "one calibration for both"
    assert [(one["protocol"], one["campaign"]) for one in taken] == [("cell_calibration", together.names[0])]
    for name, told in zip(together.names, alone, strict=True):
        (core,) = told.cores.values()
        alike(together.cores[name], core)
    assert together.lab_s < 0.95 * sum(told.lab_s for told in alone), "one waits for the whole of the other"


def test_neither_journal_holds_a_line_of_the_other(together: Told) -> None:
    with Journal.reading(together.place) as journal:
        owned = [table for table in schema.metadata.sorted_tables if "campaign" in table.c]
        assert {"event", "trial", "experiment", "step", "intent", "observation", "ledger"} <= {
            one.name for one in owned
        }
        for mine, other in (together.names, together.names[::-1]):
            for table in owned:
                for row in journal.rows(table, table.c.campaign == mine):
                    assert other not in repr(without_prepared(dict(row))), table.name
            uids = {
                uid
                for logged in journal.events(mine)
                if logged.kind == "step_ended"
                for uid in logged.payload["outcome"]["run_uids"]
            }
            files = run_files(together.data / "runs")
            runs = {uid: read_run(path) for uid, path in files.items()}
            assert uids == {uid for uid, docs in runs.items() if docs[0][1]["labwright"]["campaign"] == mine}
            assert all(other not in repr(runs[uid]) for uid in uids)


def test_the_ledger_adds_up_over_both(folder: LabFolder, together: Told) -> None:
    with Journal.reading(together.place) as journal:
        entries = journal.rows(schema.ledger)
        stocks = {row["name"]: row for row in journal.rows(schema.stock)}
        steps, intents = journal.rows(schema.step), journal.rows(schema.intent)
    filled = [row for row in entries if row["why"] == "first fill"]
    assert {row["amount"] for row in filled} == {58_000_000, 6_000_000}
    assert {row["campaign"] for row in entries} == {"", *together.names}
    assert sorted(row["entry"] for row in entries) == list(range(1, len(entries) + 1))
    for stock, spec in folder.model.stocks.items():
        if not spec.device:
            continue
        taken_nl = [row["amount"] for row in entries if row["taken_from"] == f"container:{stock}"]
        pumped_nl = [row["amount"] for row in intents if row["stock"] == spec.facts.source]
        given_ml = sum(taken_nl) / 1e6
        assert sum(pumped_nl) == sum(taken_nl), stock
        left_ml = together.world.syringes[spec.device].content.volume_ml
        assert given_ml == pytest.approx(58.0 - left_ml, abs=1e-3 * len(pumped_nl)), (
            f"{stock}: a pump counts whole microlitres"
        )
        row = stocks[stock]
        assert (row["count"], row["dead"], row["used"]) == (58_000_000, 500_000, sum(taken_nl))
        assert row["reserved"] == 0
    at: dict[str, list[tuple[float, float]]] = {}
    for row in steps:
        at.setdefault(row["station"], []).append((row["started_s"], row["ended_s"]))
    for station, times in at.items():
        if folder.model.stations[station].slots > 1:
            continue  # each of its positions works for itself
        times.sort()
        assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(times)), f"{station}: two at once"


@pytest.mark.long
def test_one_journal_in_postgresql(folder: LabFolder, together: Told, postgres: PostgresServer, tmp_path: Path) -> None:
    told = carry_out(folder, tmp_path, [sobol(folder), gp(folder)], place=postgres.fresh_database())
    for core, other in zip(told.cores.values(), together.cores.values(), strict=True):
        alike(core, other)
    assert told.lab_s == pytest.approx(together.lab_s, rel=0.1)
    test_neither_journal_holds_a_line_of_the_other(told)
    test_the_ledger_adds_up_over_both(folder, told)


def test_two_of_the_same_name_have_ids_of_their_own_in_the_order_of_their_start() -> None:
    known: list[str] = []
    for _ in range(500):
        known.append(new_id("conductivity", known))
    assert len(set(known)) == 500
    assert known == sorted(known)


class Person:
    """A person who gives a command at a moment of lab time; no lab time passes until the controller has heard it."""

    def __init__(self) -> None:
        self._waiting: list[Any] = []

    def ask(
        self,
        controller: LabController,
        campaign: str,
        kind: str,
        payload: dict[str, Any],
        in_s: float = 0.0,
        sees: Callable[[], bool] = lambda: True,
    ) -> None:
        """Give a command after `in_s` lab seconds, as soon as something is seen."""
        actor = controller.lab.clock.actor("person", busy=True)
        self._waiting.append(actor)

        def command() -> None:
            actor.sleep(in_s)
            while not sees():
                actor.sleep(0.5)
            controller.journal.command(campaign, kind, payload, by="Kim", because="a test")

        threading.Thread(target=command).start()

    def heard(self) -> None:
        """Lab time may pass."""
        while self._waiting:
            self._waiting.pop().close()


def clear(world: Any, resource: str) -> None:
    """Take away what the question is about."""
    kind, _, name = resource.partition(":")
    if kind == "position":
        assert world.places[name] is not None, f"nothing stands at {name}"
        world.thrown_away.append(world.places[name])
        world.places[name] = None
    else:
        assert resource == "station:transport"
        assert world.holding is not None
        world.thrown_away.append(world.holding)
        world.holding = None


def begins(event: Event, step: str) -> bool:
    if not isinstance(event, Granted):
        return False
    started = [*event.steps, *(one.step_id for one in event.starts)]
    started += [f"/{one.label}/to-{one.move.end}" for one in event.moves]
    return any(one.endswith(step) for one in started)


SOAK = pytest.mark.soak


@pytest.mark.parametrize(
    ("step", "in_s", "left_at"),
    [
        ("to-cell", 1, "station transport"),  # in the gripper
        pytest.param("dose", 60, "position balance", marks=SOAK),
        pytest.param("to-balance", 1, "station transport", marks=SOAK),
        pytest.param("stir", 60, "", marks=SOAK),  # three other positions of the hotplate are left
        pytest.param("measure", 60, "position cell", marks=SOAK),
    ],
)
def test_a_stop_now_of_one_lets_the_other_go_on(
    step: str, in_s: float, left_at: str, folder: LabFolder, together: Told, tmp_path: Path
) -> None:
    person, names, asked = Person(), list[str](), dict[str, str]()

    def react(name: str, event: Event, controller: LabController, twin: SimulatedLab) -> None:
        names[:] = names or controller.hosted
        if name == names[0] and begins(event, f"0002/{step}"):
            holds = (lambda: twin.world.holding is not None) if step.startswith("to") else lambda: True
            person.ask(controller, name, "stop", {"now": True}, in_s, holds)
        if isinstance(event, StopAsked):
            person.heard()
        for question in controller.core.work.questions.open.values():
            if question.id in asked:
                continue
            asked[question.id] = question.text
            assert question.owner == names[1]
            clear(twin.world, question.frees)
            person.ask(controller, question.owner, "answer", {"question": question.id, "answer": "removed"})
        if isinstance(event, Answered):
            person.heard()

    told = carry_out(folder, tmp_path, [sobol(folder), gp(folder)], react)
    stopped, other = told.cores.values()
    assert (stopped.phase, other.phase) == ("stopped", "completed"), other.reason
    alike(other, together.cores[together.names[1]])
    if left_at:
        (text,) = asked.values()
        assert f"waits for {left_at}, wh" in text
    else:
        assert not asked


def test_a_pause_of_one_holds_only_its_own_sample(folder: LabFolder, together: Told, tmp_path: Path) -> None:
    person, names = Person(), list[str]()
    meanwhile = 0

    def react(name: str, event: Event, controller: LabController, twin: SimulatedLab) -> None:
        nonlocal meanwhile
        names[:] = names or controller.hosted
        first = controller.core.campaign(names[0])
        if isinstance(event, (PauseAsked, ResumeAsked)):
            person.heard()
        if name == names[1] and isinstance(event, StepEnded):
            meanwhile += first.paused
        if name == names[0]:
            assert not (first.paused and isinstance(event, Granted)), "something begins in a campaign that is paused"
            if isinstance(event, PauseAsked):
                person.ask(controller, name, "resume", {}, in_s=600)
            if isinstance(event, StepEnded) and "0001/to-plate" in event.outcome.step_id:
                person.ask(controller, name, "pause", {})

    told = carry_out(folder, tmp_path, [sobol(folder), gp(folder)], react)
    assert meanwhile >= 2, "steps of the other"
    assert [core.phase for core in told.cores.values()] == ["completed", "completed"]
    for core, other in zip(told.cores.values(), together.cores.values(), strict=True):
        alike(core, other)


class Mute:
    """A planner that has nothing to say, in place of a campaign's own."""

    def ask(self, state: CampaignState, n: int, answered: Callable[[Answer], None]) -> None:
        answered(Answer((), "it has nothing to say"))

    def rest(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("how", ["its planner fails", "a question, and no person is there"])
def test_one_that_ends_early_and_badly_lets_the_other_go_on(
    how: str, folder: LabFolder, together: Told, tmp_path: Path
) -> None:
    names = list[str]()

    def react(name: str, event: Event, controller: LabController, twin: SimulatedLab) -> None:
        names[:] = names or controller.hosted
        if how.startswith("a question") and name == names[0]:
            if begins(event, "0001/stir"):
                twin.fault("hotplate", "heater_open")
            if isinstance(event, StopAsked):
                twin.clear_faults()

    def thinks(campaign: Campaign) -> Worker:
        mute = how.startswith("its planner") and campaign.spec.planner.name == "sobol"
        return Mute() if mute else PlannerWorker(campaign.spec.planner)

    told = carry_out(folder, tmp_path, [sobol(folder), gp(folder)], react, unattended=True, parts=Parts(worker=thinks))
    first, other = told.cores.values()
    if how.startswith("its planner"):
        assert (first.phase, first.reason) == ("failed", "no further suggestion: it has nothing to say")
        assert other.phase == "completed"
        alike(other, together.cores[together.names[1]])
    else:
        # The other's sample is on the same hotplate: a question without an answer, too.
        assert first.reason.startswith(f"no person is there to answer question {names[0]}:q1")
        assert other.reason.startswith(f"no person is there to answer question {names[1]}:q1")
        assert "heater on" in other.reason


def test_a_stopped_ones_sample_in_the_way_ends_an_unattended_one_in_words(folder: LabFolder, tmp_path: Path) -> None:
    """No person may be asked to take it out: that question ends the one whose sample waits, and says what to do."""
    person, names = Person(), list[str]()

    def react(name: str, event: Event, controller: LabController, twin: SimulatedLab) -> None:
        names[:] = names or controller.hosted
        if name == names[0] and begins(event, "0001/to-cell"):
            person.ask(controller, name, "stop", {"now": True}, 1, lambda: twin.world.holding is not None)
        if isinstance(event, StopAsked):
            person.heard()

    told = carry_out(folder, tmp_path, [sobol(folder), gp(folder)], react, unattended=True)
    stopped, other = told.cores.values()
    assert (stopped.phase, stopped.reason) == ("stopped", "stopped by Kim: a test")
    assert (other.phase, other.stop_asked) == ("stopped", True)
    assert other.reason.startswith(f"no person is there to answer question {names[1]}:q1: sample {names[1]}-")
    assert f"was stopped in the middle of {names[0]}/0001; its container may be in a gripper" in other.reason
    with Journal.reading(journal_file(tmp_path)) as journal:
        asked = journal.rows(schema.question, order=schema.question.c.id)
        assert [(one["campaign"], one["state"]) for one in asked] == [(names[1], "withdrawn")]


def test_a_question_about_one_sample_holds_no_other(folder: LabFolder, tmp_path: Path) -> None:
    asked: list[str] = []
    meanwhile: list[str] = []

    def react(name: str, event: Event, controller: LabController, twin: SimulatedLab) -> None:
        core = controller.core.campaigns.get(name)
        if core is None:
            return
        if not asked and begins(event, "/0002/measure"):
            twin.fault("lcr", "open_cable")
        for question in core.open_questions:
            if question.id not in asked:
                asked.append(question.id)
        if asked and isinstance(event, StepEnded) and not asked[0].startswith(name):
            meanwhile.append(event.outcome.step_id)
        if len(asked) == 1 and (meanwhile or not controller.under_way.steps()):
            asked.append("answered")
            twin.clear_faults()
            owner = asked[0].partition(":")[0]
            payload = {"question": asked[0], "answer": "again"}
            controller.journal.command(owner, "answer", payload, by="Kim", because="plugged in")

    told = carry_out(folder, tmp_path, [sobol(folder), gp(folder)], react)
    assert [core.reason for core in told.cores.values()] == [
        "the budget of 3 experiments is spent",
        "the budget of 4 experiments is spent",
    ]
    assert len(asked) == 2
    assert meanwhile, "the other campaign's sample waited for a question that is not its own"


def test_a_deck_question_is_answered_beside_the_controller_that_has_to_know(folder: LabFolder, tmp_path: Path) -> None:
    """What a campaign has left stands in the controller's way no more, in its memory and in the tables."""
    clock, place = SteppedClock(), journal_file(tmp_path)
    over = threading.Event()
    given: list[Any] = []
    left: list[list[str]] = []
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1, scatter=False) as twin,
        Lab(folder, clock, twin.addresses, simulated=True, instruments="the twin") as lab,
        Journal(place) as journal,
    ):
        controller = LabController(lab, journal, tmp_path, by="Kim")

        def watch(event: Event, core: CampaignCore) -> None:
            if begins(event, "0001/dose") and not someone.is_alive() and not given:
                controller.ask_to_stop("it drips", now=False)
                someone.start()

        controller.on_event = watch
        first = controller.start(sobol(folder))

        def person() -> None:
            with Journal(place) as mine:
                while choose(mine, first)["state"] not in OVER:
                    time.sleep(0.05)
                try:
                    for answer in ("celar", "clear", "clear"):
                        left.append(resources(controller))
                        given.append(said_of(mine, f"{first}:deck", answer))
                    clear(twin.world, "position:balance")
                    given.append(hand_over(mine, folder, SPEC, "the twin", by="Kim", budget=1, planner="sobol"))
                    over.set()
                finally:
                    if not over.is_set():
                        controller.leave()

        someone = threading.Thread(target=person)
        controller.run(lambda: over.is_set() and controller.all_over)
        someone.join()
        wrong, right, again, second = given
        assert str(wrong).startswith("no answer to")
        assert "did you mean 'clear'" in str(wrong)
        assert isinstance(right, Given)
        assert right.taken
        assert "is no longer open: answered 'clear' by Kim" in str(again)
        assert left == [["position:balance"], ["position:balance"], []]
        assert controller.ends[second].state == "completed", controller.ends[second].reason
        assert not journal.rows(schema.reservation)
        assert not journal.rows(schema.question, schema.question.c.state == "open")
        assert rebuilt_lab(journal, instruments="the twin").reservations.taken == {}


def test_what_was_taken_back_while_it_was_looked_at_never_begins(
    folder: LabFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, place = SteppedClock(), journal_file(tmp_path)
    looked = threading.Event()

    def slow(lab: Lab, journal: Journal, *rest: Any) -> Campaign:
        for row in journal.rows(schema.command, schema.command.c.taken_s.is_(None)):
            journal.withdraw(int(row["id"]), "it took too long")
        looked.set()
        return admitted(lab, journal, *rest)

    monkeypatch.setattr(controller_module, "admitted", slow)
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1, scatter=False) as twin,
        Lab(folder, clock, twin.addresses, simulated=True, instruments="the twin") as lab,
        Journal(place) as journal,
    ):
        controller = LabController(lab, journal, tmp_path, by="Kim")
        payload = {"spec": sobol(folder).spec.model_dump(mode="json"), "lab_sha256": folder.sha256}

        def person() -> None:
            with Journal(place) as mine:
                command = mine.command("", "submit", payload, by="Kim", because="")
                assert looked.wait(60)
                said.append(mine.answer_to(command))
                time.sleep(1.0)
                said.append(mine.answer_to(command))
            controller.leave()

        said: list[str | None] = []
        someone = threading.Thread(target=person)
        someone.start()
        controller.run(lambda: False)
        someone.join()
        assert said == ["withdrawn: it took too long"] * 2
        assert not journal.rows(schema.campaign)


def said_of(journal: Journal, question: str, answer: str) -> Any:
    """What came of an answer, or the refusal."""
    try:
        return answer_open(journal, question, answer, by="Kim", because="looked")
    except LabwrightError as error:
        return error


def resources(controller: LabController) -> list[str]:
    """What is taken, as the controller knows."""
    return sorted(controller.core.reservations.taken)


def test_who_waits_for_a_sample_that_a_person_is_asked_about_is_not_silent(folder: LabFolder, tmp_path: Path) -> None:
    """However long the person takes: only a lab in which nothing can happen any more is stopped."""
    clock = SteppedClock()
    patience: list[float | None] = []
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1, scatter=False) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        controller = LabController(lab, journal, tmp_path, by="Kim")

        def watch(event: Event, core: CampaignCore) -> None:
            if begins(event, "0001/measure") and not patience:
                twin.fault("lcr", "open_cable")

        def over() -> bool:
            for question in list(controller.core.work.questions.open.values()):
                waits = [name for name in controller.hosted if controller.core.dispatcher.waits(name)]
                if waits and question.owner not in waits and not controller.under_way.steps():
                    patience.append(controller.patience_s())
                    twin.clear_faults()
                    payload = {"question": question.id, "answer": "again"}
                    journal.command(question.owner, "answer", payload, by="Kim", because="plugged in")
            return controller.all_over

        controller.on_event = watch
        names = [controller.start(one) for one in (sobol(folder, budget=1), gp(folder, budget=1))]
        controller.run(over)
        assert patience == [None]
        assert [controller.ends[name].state for name in names] == ["completed", "completed"]


def test_what_a_preparation_found_is_taken_over_no_more_once_it_may_not_be_used(together: Told, tmp_path: Path) -> None:
    first = together.names[0]
    copy = tmp_path / "journal.sqlite"
    copy.write_bytes(Path(together.place).read_bytes())
    about = About(kind="experiment", campaign=first, label="cell_calibration")
    asked = DeviationAsked(about, "1.413 mS/cm", "0.9 mS/cm", "material", "major", use="not at all")
    with Journal(copy) as journal:
        (row,) = journal.rows(schema.preparation)
        lab = rebuilt_lab(journal, instruments=row["instruments"])
        lab.work.preparations = {one.protocol: one for one in prepared_on(journal, row["instruments"])}
        (made,) = lab.work.preparations.values()
        said = say_alone(journal, asked, by="Ann")
        assert isinstance(said, DeviationOpened)
        assert said.voids == ("cell_calibration",)
        assert prepared_on(journal, row["instruments"]) == ()
    lab.handle(first, said, lab.now_s)
    assert lab.work.preparations == {}, "in a controller that runs, too"
    assert lab.dirty.preparations == {"cell_calibration"}
    lab.work.preparations = {"cell_calibration": made.model_copy(update={"campaign": together.names[1]})}
    lab.handle(first, said, lab.now_s)
    assert lab.work.preparations, "another campaign has made one meanwhile"
