"""A limited wait that was not kept is said when the step starts, and in the report."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignCore, CampaignRun, load_campaign
from labwright.engine.events import Event, Noted, PauseAsked, StepEnded
from labwright.journal import Journal, journal_file
from labwright.lab import Lab, read_lab
from labwright.lab.classes import resolve
from labwright.report import html, read_record
from labwright.report.limited_waits import missed_waits
from labwright.simulation import SimulatedLab
from protocols.electrolyte_conductivity import ElectrolyteConductivity

ROOT = Path(__file__).parents[2]


def test_a_sample_that_waited_too_long_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = {one.name: one for one in ElectrolyteConductivity.steps}
    limited["stir"] = limited["stir"].model_copy(update={"max_wait_s": 60.0})
    monkeypatch.setattr(ElectrolyteConductivity, "steps", tuple(limited.values()))
    folder, clock = read_lab(ROOT), SteppedClock()
    spec = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
    campaign = load_campaign(folder, spec, budget=2, seed=1, planner="sobol")
    noted: list[str] = []
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
        Journal(journal_file(tmp_path)) as person,
    ):

        def ask(kind: str) -> None:
            person.command(one.core.campaign, kind, {}, by="Kim", because="the door")

        def rest() -> None:
            clock.sleep(300.0)
            ask("resume")

        def watch(event: Event, core: CampaignCore) -> None:
            if isinstance(event, Noted):
                noted.append(event.words)
            if isinstance(event, StepEnded) and event.outcome.step_id.endswith("/0002/stir"):
                ask("pause")
            if isinstance(event, PauseAsked):
                threading.Thread(target=rest, daemon=True).start()

        one = CampaignRun(lab, campaign, journal, tmp_path)
        one.controller.on_event = watch
        assert one.run().state == "completed"
        record = read_record(journal, one.core.campaign)
    (missed,) = missed_waits(record)
    assert (missed.label, missed.before, missed.step, missed.allowed_s) == ("0002", "stir", "measure", 60.0)
    assert 300 <= missed.waited_s < 320
    (words,) = noted
    assert "/0002/measure starts 4 min later than its sample may wait (max_wait_s)" in words
    page = html(record)
    assert "Limited waits that were not kept" in page
    assert "experiment 0002: measure started 5 min after stir, at most 60 s are allowed" in page
