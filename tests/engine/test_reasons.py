"""It is recorded why a step begins before others that wait for what it takes."""

from __future__ import annotations

from labwright.engine.events import Granted
from labwright.engine.rules import Plan, Rule
from tests.engine.moving import Deck, layout, started, step, way

ROW = layout(("mixer", 1, "own"), ("meter", 1, "own"))


def told(deck: Deck) -> list[str]:
    """What was recorded, with lab time."""
    granted = [(at_s, event) for _, event, at_s in deck.log if isinstance(event, Granted)]
    return [f"{at_s:g} {label}: {words}" for at_s, event in granted for label, words in event.why.items()]


def test_of_samples_that_only_came_first_nothing_is_said() -> None:
    deck = Deck(ROW, started("c", way(step("mixer"), step("meter")), budget=3))
    deck.run()
    assert told(deck) == []


def test_a_sample_that_must_not_wait_says_so() -> None:
    protocol = way(step("mixer", takes_s=100, max_wait_s=60), step("meter", takes_s=200))
    deck = Deck(ROW, started("c", protocol, budget=3))
    deck.run()
    assert "110 0001: it may wait for 60 s more" in told(deck)


def test_the_rule_by_which_a_sample_was_chosen_is_said() -> None:
    short, long = way(step("mixer")), way(step("mixer"), step("meter", takes_s=900))
    deck = Deck(ROW, started("a", short, budget=2), started("b", long, budget=2), rule=Rule("longest"))
    deck.run()
    assert any(line.endswith("0001: it has most work left") for line in told(deck)), told(deck)


def test_a_planned_order_is_said() -> None:
    ids = [f"c/{number:04}" for number in (3, 2, 1)]
    moves = tuple((key, name) for key in ids for name in ("mixer", "meter", "out"))
    deck = Deck(ROW, started("c", way(step("mixer"), step("meter")), budget=3), rule=Rule(plan=Plan((), moves)))
    deck.run()
    assert any(line.endswith("0003: it is its turn in the planned order") for line in told(deck)), told(deck)


def test_why_a_batch_begins_is_said() -> None:
    plan = layout(("plate", 2, "batch"))
    protocol = way(step("plate", takes_s=300, recipe=("x",)))
    deck = Deck(plan, started("c", protocol, budget=3), rule=Rule(batch_wait_s=90))
    deck.run()
    assert [line.partition(" ")[2] for line in told(deck)] == [
        "0001: its batch is full",
        "0003: its batch waits for no other sample",
    ]
