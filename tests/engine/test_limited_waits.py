"""Waits that are limited are kept where all takes what it should: what was foreseen when they began stays true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labwright.engine.events import Started
from labwright.engine.layout import Layout
from labwright.model.protocol import StepOrder
from tests.engine.moving import Deck, layout, started, step, way
from tests.engine.test_windows import shut

PLAN = layout(("x", 1, "own"), ("m", 1, "own"), ("g", 1, "own"), ("o", 1, "own"), move_s=60.0)


def late(*campaigns: Started, plan: Layout = PLAN, after_s: float = 0.0) -> list[tuple[str, float]]:
    """Steps that began later than their samples could wait, and by how much.

    Args:
        campaigns: that come, each so much later than the one before.
        plan: of the lab.
        after_s: how much.
    """
    deck = Deck(plan)
    found: list[tuple[str, float]] = []

    def takes_s(order: StepOrder) -> float:
        if order.move is None:
            experiment, run = deck.lab.work.find(order.step_id)
            if run.spec.sample and (due_s := experiment.due_s(run)) < deck.now_s:
                found.append((order.step_id, deck.now_s - due_s))
        return order.expected_s

    deck.takes_s = takes_s
    for number, one in enumerate(campaigns):
        while deck.now_s < number * after_s and deck.next():
            pass
        deck.take({one.campaign: one})
    deck.run()
    assert set(deck.phases()) == {"completed"}
    return found


def test_a_moment_in_which_nothing_runs_since_all_has_just_ended_changes_nothing_of_what_is_foreseen() -> None:
    """A sample has just come to m, and another that would need m too soon is looked at before its step there begins."""
    first = way(step("x", takes_s=3600.0), step("m", takes_s=1800.0))
    limited = way(step("x", takes_s=900.0, max_wait_s=900.0), step("m", takes_s=900.0))
    assert not late(started("c0", first, budget=3, parallel=2), started("c1", limited, budget=1))


def test_what_a_sample_was_foreseen_to_need_first_is_not_kept_from_it_for_samples_that_came_later() -> None:
    """The one in x, which another waits for, would be kept there by all that come for g after it."""
    first = way(step("x", takes_s=3600.0), step("g", takes_s=300.0))
    behind = way(step("m", takes_s=900.0, max_wait_s=900.0), step("x", takes_s=1800.0), step("g", takes_s=300.0))
    others = way(step("o", takes_s=1800.0, max_wait_s=4000.0), step("g", takes_s=300.0))
    assert not late(
        started("c0", first, budget=1), started("c1", behind, budget=1), started("c2", others, budget=4, parallel=2)
    )


@pytest.mark.parametrize("sink", ["busy", "shut"])
def test_a_step_without_the_sample_between_two_with_it_is_foreseen_too(sink: str) -> None:
    """The sample waits while its cup is rinsed, and for the sink to be free or open."""
    rinse = step("rinse", "sink", takes_s=600.0, sample=False)
    limited = way(step("m", takes_s=300.0, max_wait_s=1200.0), rinse, step("o", takes_s=300.0))
    others = way(step("x", takes_s=60.0), step("wash", "sink", takes_s=7200.0, sample=False))
    if sink == "busy":
        assert not late(started("c0", others, budget=1), started("c1", limited, budget=1), after_s=100.0)
    else:
        plan = replace(PLAN, calendar={"sink": shut("sink", (0.0, 1.0), (1.5, 3.0))})
        assert not late(started("c1", limited, budget=6), plan=plan)


def test_what_has_nothing_does_not_begin_too_soon_while_another_waits_for_a_station_to_open() -> None:
    """Nothing runs until 2:00, when x opens and the sample that stands at m can be brought there."""
    plan = replace(PLAN, calendar={"x": shut("x", (0.1, 2.0)), "arm_1": shut("arm_1", (0.3, 0.4))})
    first = way(step("m", takes_s=300.0), step("x", takes_s=3600.0), step("g", takes_s=60.0))
    limited = way(step("o", takes_s=300.0, max_wait_s=900.0), step("m", takes_s=300.0))
    assert not late(started("c0", first, budget=1), started("c1", limited, budget=1), plan=plan, after_s=300.0)
