"""A station is unplugged in the middle of a campaign, on simulated wires: what does not need it continues."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignRun, load_campaign
from labwright.engine.core import CampaignCore
from labwright.engine.events import Event, StepEnded
from labwright.journal import Journal, journal_file, schema
from labwright.journal.status import LabStatus, lab_status
from labwright.lab import Lab, read_lab
from labwright.lab.classes import resolve
from labwright.model.errors import SampleError
from labwright.model.protocol import AskWithin, StepSpec
from labwright.simulation import SimulatedLab
from labwright.stations import LabProtocol, Plan, StepContext, wait_s

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
HOUR_S = 3600.0

React = Callable[[Event, CampaignCore, SimulatedLab, Journal], None]


def carried_out(
    data: Path,
    react: React,
    *,
    changed: Callable[[LabProtocol], None] = lambda protocol: None,
    unattended: bool = False,
) -> Any:
    """The reference campaign, with two samples in flight and three in all."""
    folder = read_lab(ROOT)
    spec = data / "conductivity.yaml"  # a planner that learns begins samples later
    spec.write_text(f"{SPEC.read_text().replace('{name: gp}', '{name: random}')}parallel: 2\n")
    campaign = load_campaign(folder, spec, budget=3, seed=1)
    changed(campaign.protocols[campaign.spec.protocol])
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(data)) as journal,
    ):
        run = CampaignRun(lab, campaign, journal, data, unattended=unattended)
        run.controller.on_event = lambda event, core: react(event, core, twin, journal)
        return run.run()


def after_an_hour(twin: SimulatedLab, do: Callable[[], None]) -> None:
    actor = twin.clock.actor("Kim", busy=True)

    def wait() -> None:
        actor.sleep(HOUR_S)
        do()
        actor.close()

    threading.Thread(target=wait).start()


def answer(journal: Journal, campaign: str, question: str, word: str) -> None:
    journal.command(campaign, "answer", {"question": question, "answer": word}, by="Kim", because="plugged in again")


@pytest.mark.slow
def test_what_does_not_need_an_unplugged_station_continues_and_all_is_done_when_it_is_plugged_in_again(
    tmp_path: Path,
) -> None:
    asked: list[str] = []
    meanwhile: list[str] = []
    seen: list[LabStatus] = []
    began: list[int] = []

    def react(event: Event, core: CampaignCore, twin: SimulatedLab, journal: Journal) -> None:
        step = event.outcome.step_id.split("/", 1)[1] if isinstance(event, StepEnded) else ""
        if step == "0001/dose":
            twin.fault("balance", "disconnect", count=10_000)
        if core.questions and not asked:
            asked.extend(core.questions)
            began.append(core.tried)

            def mend() -> None:
                seen.append(lab_status(journal))
                began.append(core.tried)
                twin.clear_faults()
                for key in list(core.questions):
                    answer(journal, core.campaign, key, "again")

            after_an_hour(twin, mend)
        elif core.questions and step:
            meanwhile.append(step)

    end = carried_out(tmp_path, react)
    assert (end.state, [one.status for one in end.core.trials]) == ("completed", ["done"] * 3)
    assert len(asked) == 1
    carried_on = ["0001/stir", "0001/to-cell", "0001/measure", "0001/to-waste", "0001/finish"]
    assert [one for one in carried_on if one not in meanwhile] == [], "the other sample is brought to its end"
    assert began == [2, 2], "no sample begins that would only get stuck"
    (station,) = [one for one in seen[0].stations if one.name == "dosing"]
    assert station.state == "question"
    assert f"station dosing: a person must answer {asked[0]}" in seen[0].campaigns[0].waits_for


def with_deadline(protocol: LabProtocol) -> None:
    """Each question about a step is to be answered within half an hour."""
    asks = tuple(one.model_copy(update={"ask": AskWithin(within_s=1800)}) for one in protocol.spec.steps)
    protocol.__dict__["spec"] = protocol.spec.model_copy(update={"steps": asks})


def turbid(protocol: LabProtocol) -> None:
    """The first sample is found to be turbid when it is to be stirred, once."""
    stir = protocol.stir  # type: ignore[attr-defined]

    def once(context: StepContext) -> Plan:
        if context.order.label == "0001" and context.order.attempt == 1:
            raise SampleError("the vial is turbid")
        return (yield from stir(context))

    protocol.stir = once  # type: ignore[attr-defined]


def tidied(protocol: LabProtocol, **stir: Any) -> None:
    """A step closes each sample out; `stir` changes that step."""

    def tidy(context: StepContext) -> Plan:
        yield from wait_s(1)
        return {}

    last = StepSpec(
        name="tidy", station="stirring", needs=("finish",), expected_s=1, sample=False, always=True, on_failure="ask"
    )
    steps = tuple(one.model_copy(update=stir if one.name == "stir" else {}) for one in protocol.spec.steps)
    protocol.__dict__["steps"] = (*steps, last)
    protocol.__dict__["spec"] = protocol.spec.model_copy(update={"steps": (*steps, last)})
    protocol.tidy = tidy  # type: ignore[attr-defined]


def test_a_turbid_sample_is_brought_back_to_its_place_and_the_others_are_made_meanwhile(tmp_path: Path) -> None:
    asked: list[str] = []
    places: list[str] = []
    waits: list[list[str]] = []

    def changed(protocol: LabProtocol) -> None:
        with_deadline(protocol)
        turbid(protocol)

    def react(event: Event, core: CampaignCore, twin: SimulatedLab, journal: Journal) -> None:
        for key in core.questions:
            if key not in asked:
                asked.append(key)

                def release(key: str = key) -> None:
                    places.append(core.live["0001"].stands_at)
                    waits.append([one.what for one in lab_status(journal).waits])
                    assert [one.status for one in core.trials].count("done") >= 2
                    answer(journal, core.campaign, key, "again")

                after_an_hour(twin, release)

    end = carried_out(tmp_path, react, changed=changed)
    assert (end.state, [one.status for one in end.core.trials]) == ("completed", ["done"] * 3)
    assert len(asked) == 1
    assert places[0].startswith("rack")
    assert not [one for one in waits[0] if "0001/stir" in one], "that step waits for a person and nothing else"
    with Journal.reading(journal_file(tmp_path)) as journal:
        (event,) = journal.rows(schema.event, schema.event.c.kind == "overdue")
        (row,) = journal.rows(schema.question)
    assert orjson.loads(event["payload"])["question"] == row["id"] == asked[0]
    assert event["lab_time_s"] == pytest.approx(row["due_s"], abs=1.0), "on the lab's clock, as the journal has it"
    assert "To be answered within 30 min" in row["text"]


def test_a_quarantined_sample_is_closed_out_and_kept_in_the_lab(tmp_path: Path) -> None:
    def changed(protocol: LabProtocol) -> None:
        turbid(protocol)
        tidied(protocol, on_failure={"sample": "quarantine"})

    end = carried_out(tmp_path, lambda event, core, twin, journal: None, changed=changed)
    assert (end.state, [one.status for one in end.core.trials]) == ("completed", ["failed", *["done"] * 2])
    with Journal.reading(journal_file(tmp_path)) as journal:
        tidy = {one["label"]: one["state"] for one in journal.rows(schema.step, schema.step.c.name == "tidy")}
        (sample,) = journal.rows(schema.sample, schema.sample.c.label == "0001")
    assert tidy == dict.fromkeys(["0001", "0002", "0003"], "done")
    assert sample["place"].startswith("rack")
    assert "the vial is turbid" in sample["quarantine"]


@pytest.mark.parametrize(("now", "state"), [(False, "done"), (True, "skipped")])
def test_what_closes_out_is_done_after_a_stop_unless_it_is_one_now(now: bool, state: str, tmp_path: Path) -> None:
    def react(event: Event, core: CampaignCore, twin: SimulatedLab, journal: Journal) -> None:
        if isinstance(event, StepEnded) and event.outcome.step_id.endswith("0001/dose"):
            journal.command(core.campaign, "stop", {"now": now}, by="Kim", because="enough")

    end = carried_out(tmp_path, react, changed=tidied)
    assert end.state == "stopped"
    with Journal.reading(journal_file(tmp_path)) as journal:
        tidy = [one["state"] for one in journal.rows(schema.step, schema.step.c.name == "tidy")]
        begun = journal.rows(schema.experiment, schema.experiment.c.label != "cell_calibration")
    assert tidy == [state] * len(begun)
    assert begun


def test_a_deadline_that_passes_while_no_controller_runs_parks_when_another_takes_up(tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    campaign = load_campaign(folder, SPEC, budget=1, seed=1)
    protocol = campaign.protocols[campaign.spec.protocol]
    with_deadline(protocol)
    turbid(protocol)
    clock = SteppedClock()
    with SimulatedLab(folder.model, clock, resolve, seed=1) as twin, Journal(journal_file(tmp_path)) as journal:
        with Lab(folder, clock, twin.addresses, simulated=True) as lab:
            first = CampaignRun(lab, campaign, journal, tmp_path)
            controller = first.controller
            controller.on_event = lambda event, core: controller.leave() if core.questions else None
            controller.run(lambda: controller.all_over)
        actor = clock.actor("Kim", busy=True)
        actor.sleep(1900.0)  # beyond the deadline
        actor.close()
        (row,) = journal.rows(schema.question)
        assert (row["state"], row["unanswered"]) == ("open", "park")
        with Lab(folder, clock, twin.addresses, simulated=True).opened(undisturbed=True) as lab:
            again = CampaignRun(lab, campaign, journal, tmp_path, resume=first.campaign)
            kinds: list[str] = []

            def react(event: Event, core: CampaignCore) -> None:
                kinds.append(event.kind)
                if event.kind == "overdue":
                    answer(journal, core.campaign, row["id"], "again")

            again.controller.on_event = react
            end = again.run()
    assert (end.state, [one.status for one in end.core.trials]) == ("completed", ["done"])
    assert [one for one in kinds if one != "noted"][:2] == ["resumed", "overdue"]


def test_where_no_person_is_there_a_question_ends_the_campaign_and_it_is_closed_out(tmp_path: Path) -> None:
    def changed(protocol: LabProtocol) -> None:
        turbid(protocol)
        tidied(protocol)

    end = carried_out(tmp_path, lambda event, core, twin, journal: None, changed=changed, unattended=True)
    assert end.state == "stopped"
    assert "no person is there to answer question" in end.reason
    with Journal.reading(journal_file(tmp_path)) as journal:
        assert {one["state"] for one in journal.rows(schema.step, schema.step.c.name == "tidy")} == {"done"}
