"""Moves take as long as they took: planned with what the journal has, and never given up sooner than the files say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignRun, load_campaign
from labwright.engine.events import Carried, Granted
from labwright.engine.layout import layout_of
from labwright.engine.learnt import learnt_moves_s
from labwright.journal import Journal, journal_file
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.model.protocol import move_timeout_s
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[2]
DECLARED_S = 60.0


@pytest.fixture
def folder() -> LabFolder:
    """The reference lab with an arm that is faster than its file says."""
    found = read_lab(ROOT)
    transports = {name: one.model_copy(update={"move_s": DECLARED_S}) for name, one in found.model.transports.items()}
    return replace(found, model=found.model.model_copy(update={"transports": transports}))


def test_the_next_campaign_is_planned_with_what_moves_took(folder: LabFolder, tmp_path: Path) -> None:
    chosen = load_campaign(folder, ROOT / "lab_config" / "campaigns" / "conductivity.yaml", budget=1, seed=1)
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        ends = [CampaignRun(lab, chosen, journal, tmp_path).run() for _ in range(2)]
        learnt = learnt_moves_s(journal, folder.model, simulated=True)
        assert learnt_moves_s(journal, folder.model, simulated=False) == {}
        first, second = (moves(journal, end.campaign) for end in ends)
    (arm,) = learnt
    assert 0 < learnt[arm] < DECLARED_S / 2
    assert {one.expected_s for one in first} == {DECLARED_S}
    assert second
    assert all(one.expected_s == pytest.approx(learnt[arm], rel=0.1) for one in second)
    assert {one.move.timeout_s for one in (*first, *second)} == {move_timeout_s(DECLARED_S)}


def test_a_slow_transport_is_waited_for(folder: LabFolder) -> None:
    (arm,) = folder.model.transports
    assert layout_of(folder.model).carriers[arm].timeout_s == move_timeout_s(DECLARED_S)
    slow = layout_of(folder.model, {arm: 100.0}).carriers[arm]
    assert (slow.move_s, slow.timeout_s) == (100.0, move_timeout_s(100.0))


def moves(journal: Journal, campaign: str) -> list[Carried]:
    """All moves that were decided for a campaign."""
    granted = [Granted.model_validate(one.payload) for one in journal.events(campaign) if one.kind == "granted"]
    return [move for one in granted for move in one.moves]
