"""A campaign is extended while it is under way: it makes more experiments, and nothing of it is done twice."""

from __future__ import annotations

import pytest

from labwright.engine import CampaignCore
from labwright.engine.core import IllegalEventError
from labwright.engine.events import DrainAsked, Extended, PauseAsked, ResumeAsked
from labwright.engine.snapshots import dumped
from labwright.engine.tables import take_changes
from tests.engine.test_dispatch import Rehearsal, move, way, work
from tests.engine.test_lab_machine import started

THERE = way(move("s0", "a"), work("s1", "mixer"), move("out"))


def extended(budget: int) -> Extended:
    return Extended(budget=budget, by="Ann", because="it still rises")


def core_of(lab: Rehearsal) -> CampaignCore:
    return lab.lab.campaigns["c0"]


def test_one_that_only_finishes_what_its_budget_has_left_goes_on() -> None:
    lab = Rehearsal(started("c0", THERE, budget=1))
    core = core_of(lab)
    assert (core.phase, core.reason) == ("draining", "the budget of 1 experiments is spent")
    lab.feed("c0", extended(3))
    assert (core.phase, core.reason) == ("running", "")
    assert take_changes(lab.lab)["campaign", "c0"]["budget"] == 3  # type: ignore[index]
    assert dumped(lab.replayed(), whole=True) == dumped(lab.lab, whole=True)
    lab.answer()
    lab.run()
    assert (core.phase, core.tried) == ("completed", 3)
    assert core.reason == "the budget of 3 experiments is spent"
    assert [one.status for one in core.trials] == ["done"] * 3
    with pytest.raises(IllegalEventError, match="is completed"):
        lab.feed("c0", extended(4))


def test_a_paused_one_goes_on_when_it_is_resumed() -> None:
    lab = Rehearsal(started("c0", THERE, budget=1))
    lab.feed("c0", PauseAsked(by="Ann", because=""))
    lab.feed("c0", extended(2))
    core = core_of(lab)
    assert (core.status, core.asking) == ("paused", 0)
    lab.feed("c0", ResumeAsked(by="Ann", because=""))
    lab.answer()
    lab.run()
    assert (core.phase, core.tried) == ("completed", 2)


def test_a_person_s_drain_is_not_undone_and_no_budget_shrinks() -> None:
    lab = Rehearsal(started("c0", THERE, budget=3))
    with pytest.raises(IllegalEventError, match="its budget is 3 experiments already"):
        lab.feed("c0", extended(3))
    lab.feed("c0", DrainAsked(by="Ann", because="enough"))
    with pytest.raises(IllegalEventError, match="drained by Ann: enough"):
        lab.feed("c0", extended(9))
    assert core_of(lab).budget == 3
