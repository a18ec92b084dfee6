"""Maintenance of a station on the simulated reference lab: real wires, a real journal, and a controller that wakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from labwright.engine import CampaignRun
from labwright.engine.events import Event, Granted
from labwright.journal import Journal, journal_file, schema
from labwright.journal.waiting import waits_of
from labwright.lab import read_lab
from labwright.model.calendars import MaintenanceSpec
from labwright.simulation import SimulatedLab
from tests.engine.test_campaign import run

ROOT = Path(__file__).parents[2]


def test_a_campaign_waits_until_the_maintenance_of_its_station_is_over(tmp_path: Path) -> None:
    starts, ends = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 2, tzinfo=UTC)
    folder = read_lab(ROOT)
    cell = MaintenanceSpec(station="impedance", starts=starts, ends=ends, why="new electrodes")
    closed = replace(folder, model=folder.model.model_copy(update={"maintenance": (cell,)}))
    told: list[list[str]] = []

    def react(event: Event, campaign: CampaignRun, twin: SimulatedLab) -> None:
        if isinstance(event, Granted) and event.closed:
            with Journal.reading(journal_file(tmp_path)) as journal:
                (row,) = journal.rows(schema.campaign)
                told.append(waits_of(journal, row, running=True))

    outcome = run(closed, tmp_path, budget=1, react=react)
    assert outcome.end.state == "completed"
    words = "station impedance: maintenance from 2026-01-01 00:00 to 02:00 UTC: new electrodes"
    assert [one for one in told[0] if words in one] == [told[0][0]], "said once, with the step that waits"
    assert told[0][0].endswith(f"cell_calibration/weak for {words}")
    with Journal.reading(journal_file(tmp_path)) as journal:
        (row,) = journal.rows(schema.campaign)
        assert row["closed"] == ""
        steps = journal.rows(schema.step, schema.step.c.station == "impedance")
    assert len(steps) >= 2, "a calibration and a measurement"
    assert min(step["started_s"] for step in steps) >= ends.timestamp()
