"""A controller that carries out many campaigns, one after the other, keeps nothing of those that are over."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path

from benchmarks.rehearsing import carry_out, make_campaign, make_lab
from labwright.engine import CampaignCore
from labwright.engine.events import Event
from labwright.journal import journal_file
from tests import forks


def test_a_campaign_that_is_over_is_kept_by_nobody_but_its_caller(tmp_path: Path) -> None:
    code = "from tests.engine.test_forgetting import four_campaigns; four_campaigns()"
    ran = forks.python(code, tmp_path, cwd=forks.ROOT)  # one process runs one lab
    assert ran.returncode == 0, ran.stderr


def four_campaigns() -> None:
    """One after the other, each with two experiments, in a folder that the command line names."""
    root = Path(sys.argv[1])
    folder = make_lab(root / "lab")
    campaigns = [make_campaign(folder, budget=2) for _ in range(4)]
    cores: list[weakref.ref[CampaignCore]] = []
    kept: list[CampaignCore] = []

    def seen(event: Event, core: CampaignCore) -> None:
        if core.over:
            cores.append(weakref.ref(core))
            kept[:] = [core]

    controller = carry_out(folder, journal_file(root), root, campaigns, seen)
    gc.collect()
    assert [end.state for end in controller.ends.values()] == ["completed"] * 4
    assert controller.hosted == {}
    assert controller.core.campaigns == {}
    assert controller.core.work.live == {}
    assert [core() is not None for core in cores] == [False, False, False, True], "only the caller keeps one"
    assert [trial.status for trial in kept[0].trials] == ["done", "done"], "and all of it"
