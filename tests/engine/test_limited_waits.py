"""Waits that are limited are kept where all takes what it should: what was foreseen when they began stays true."""

from __future__ import annotations

from labwright.engine.events import Started
from labwright.model.protocol import StepOrder
from tests.engine.moving import Deck, layout, started, step, way

PLAN = layout(("x", 1, "own"), ("m", 1, "own"), ("g", 1, "own"), ("o", 1, "own"), move_s=60.0)


def late(*campaigns: Started) -> list[tuple[str, float]]:
    """Steps that began later than their samples could wait, and by how much."""
    deck = Deck(PLAN)
    found: list[tuple[str, float]] = []

    def takes_s(order: StepOrder) -> float:
        if order.move is None:
            experiment, run = deck.lab.work.find(order.step_id)
            if run.spec.sample and (due_s := experiment.due_s(run)) < deck.now_s:
                found.append((order.step_id, deck.now_s - due_s))
        return order.expected_s

    deck.takes_s = takes_s
    for one in campaigns:
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
