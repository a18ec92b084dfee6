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
from labwright.model.protocol import AskWithin
from labwright.simulation import SimulatedLab
from labwright.stations import LabProtocol, Plan, StepContext

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
HOUR_S = 3600.0

React = Callable[[Event, CampaignCore, SimulatedLab, Journal], None]


def carried_out(data: Path, react: React, *, changed: Callable[[LabProtocol], None] = lambda protocol: None) -> Any:
    """The reference campaign, with two samples in flight and four in all."""
    folder = read_lab(ROOT)
    spec = data / "conductivity.yaml"  # a planner that learns begins samples later
    spec.write_text(f"{SPEC.read_text().replace('{name: gp}', '{name: random}')}parallel: 2\n")
    campaign = load_campaign(folder, spec, budget=4, seed=1)
    changed(campaign.protocols[campaign.spec.protocol])
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(data)) as journal,
    ):
        run = CampaignRun(lab, campaign, journal, data)
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
    assert (end.state, [one.status for one in end.core.trials]) == ("completed", ["done"] * 4)
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


def test_a_turbid_sample_is_brought_back_to_its_place_and_the_others_are_made_meanwhile(tmp_path: Path) -> None:
    asked: list[str] = []
    places: list[str] = []
    waits: list[list[str]] = []

    def turbid(protocol: LabProtocol) -> None:
        with_deadline(protocol)
        stir = protocol.stir  # type: ignore[attr-defined]

        def once(context: StepContext) -> Plan:
            if context.order.label == "0001" and context.order.attempt == 1:
                raise SampleError("the vial is turbid")
            return (yield from stir(context))

        protocol.stir = once  # type: ignore[attr-defined]

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

    end = carried_out(tmp_path, react, changed=turbid)
    assert (end.state, [one.status for one in end.core.trials]) == ("completed", ["done"] * 4)
    assert len(asked) == 1
    assert places[0].startswith("rack")
    assert not [one for one in waits[0] if "0001/stir" in one], "that step waits for a person and nothing else"


def test_a_deadline_passes_on_the_lab_clock_and_is_written_with_its_time(tmp_path: Path) -> None:
    asked: list[str] = []

    def react(event: Event, core: CampaignCore, twin: SimulatedLab, journal: Journal) -> None:
        if isinstance(event, StepEnded) and event.outcome.step_id.endswith("0001/stir"):
            twin.fault("lcr", "open_cable")
        for key, question in core.questions.items():
            if key not in asked:
                asked.append(key)
                assert "To be answered within 30 min" in question.text

                def mend(key: str = key) -> None:
                    (row,) = journal.rows(schema.question, schema.question.c.id == key)
                    assert (row["state"], row["unanswered"]) == ("open", "parked")
                    twin.clear_faults()
                    answer(journal, core.campaign, key, "again")

                after_an_hour(twin, mend)

    end = carried_out(tmp_path, react, changed=with_deadline)
    assert end.state == "completed", end.reason
    with Journal.reading(journal_file(tmp_path)) as journal:
        (event,) = journal.rows(schema.event, schema.event.c.kind == "overdue")
        (row,) = journal.rows(schema.question)
    assert orjson.loads(event["payload"])["question"] == row["id"]
    assert event["lab_time_s"] == pytest.approx(row["due_s"], abs=1.0)
