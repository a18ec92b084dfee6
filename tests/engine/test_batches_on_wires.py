"""A station whose samples begin and end together, on simulated wires: one run of its RunEngine for all of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignRun, load_campaign
from labwright.journal import Journal, journal_file
from labwright.journal.status import LabStatus, lab_status
from labwright.lab import Lab, read_lab
from labwright.lab.classes import resolve
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"


@pytest.mark.parametrize(("wait_s", "together"), [(0.0, 1), (300.0, 4)])
def test_a_batch_is_carried_out_in_one_run(wait_s: float, together: int, tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    plate = folder.model.stations["stirring"].model_copy(update={"starts": "together", "batch_wait_s": wait_s})
    stations = {**folder.model.stations, "stirring": plate}
    object.__setattr__(folder, "model", folder.model.model_copy(update={"stations": stations}))
    spec = tmp_path / "conductivity.yaml"
    spec.write_text(f"{SPEC.read_text()}parallel: 4\n")
    campaign = load_campaign(folder, spec, budget=4, seed=1)
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        end = CampaignRun(lab, campaign, journal, tmp_path).run()
        assert end.state == "completed", end.reason
        assert not twin.world.broken_vials
    with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
        began = [row[0] for row in rows.execute("select started_s from step where name = 'stir'")]
        heated = rows.execute("select count(*) from intent where step = 'stir' and axis = 'temperature'").fetchone()[0]
    assert max(began.count(at_s) for at_s in began) == together
    assert heated == len(set(began)), "the plate is heated once for each batch"
    assert len(end.core.counted) == 4


def test_status_shows_the_slots_at_work_and_the_shared_plate_by_its_name(tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    spec = tmp_path / "conductivity.yaml"
    spec.write_text(f"{SPEC.read_text()}parallel: 4\n")
    campaign = load_campaign(folder, spec, budget=3, seed=1)
    clock = SteppedClock()
    seen: list[LabStatus] = []
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        run = CampaignRun(lab, campaign, journal, tmp_path)
        run.controller.on_event = lambda event, core: seen.append(lab_status(journal))
        assert run.run().state == "completed"
    at_work = [{one.name: one.state for one in status.stations} for status in seen]
    both = next(one for one in at_work if {"stirring/plate_1", "stirring/plate_2"} <= one.keys())
    assert both["stirring/plate_1"] == both["stirring/plate_2"] == "running"
    assert "stirring" not in both, "not idle: its slots are at work"
    devices = {one.name for status in seen for one in status.taken if one.what == "device"}
    assert devices == {"hotplate"}
