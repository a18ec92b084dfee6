"""A campaign while its data store is killed: it neither stops nor waits, and afterwards nothing is missing."""

import os
import signal
import time
from pathlib import Path

import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignCore, CampaignRun, load_campaign
from labwright.engine.events import Event, Suggested
from labwright.journal import Journal, closed_runs, journal_file
from labwright.lab import Lab, read_lab
from labwright.lab.classes import resolve
from labwright.simulation import SimulatedLab
from labwright.store import Uploader, verify

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


def test_a_campaign_does_not_notice_that_its_store_is_killed(tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    campaign = load_campaign(
        folder, ROOT / "lab_config" / "campaigns" / "conductivity.yaml", budget=2, seed=3, planner="sobol"
    )
    store = tmp_path / "tiled"
    killed: list[int] = []

    def watch(event: Event, core: CampaignCore) -> None:
        if isinstance(event, Suggested) and len(core.trials) == 2:
            deadline = time.monotonic() + 60
            while not (store / "url").exists() and time.monotonic() < deadline:  # the lab outruns the server's start
                time.sleep(0.05)
            killed.append(int((store / "url").read_text().split()[1]))
            os.kill(killed[0], signal.SIGKILL)

    with Uploader(tmp_path / "runs", store) as uploader:
        clock = SteppedClock()
        with (
            SimulatedLab(folder.model, clock, resolve, seed=3) as twin,
            Lab(folder, clock, twin.addresses, simulated=True) as lab,
            Journal(journal_file(tmp_path)) as journal,
        ):
            run = CampaignRun(lab, campaign, journal, tmp_path, run_closed=uploader.notify)
            run.controller.on_event = watch
            end = run.run()
        assert end.state == "completed"
        assert len(killed) == 1
        summary = uploader.drain(120)
    assert (summary.missing, summary.failed) == ((), {})
    assert summary.uploaded + summary.already == len(closed_runs(tmp_path / "runs")) == 8 + 2 * 8
    found = verify(tmp_path / "runs", store)
    assert found.same, found
    assert found.documents > 100
