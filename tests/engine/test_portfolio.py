"""The best rule for the samples that wait: rolled out on the lab's own core."""

from __future__ import annotations

import math

from labwright.engine import LabCore
from labwright.engine.events import Event, Stocked, Suggested
from labwright.engine.portfolio import SINGLE, choose, roll_out
from labwright.engine.rehearsal import Rehearsal
from labwright.engine.rules import FIRST, Plan, Rule
from labwright.model.campaign import Suggestion
from labwright.model.latch import LatchScope
from tests.engine.moving import RACKS, Deck, layout, started, step, way

PLAN = layout(("mixer", 1, "own"), ("oven_1:oven", 3, "batch"), ("oven_2:oven", 3, "batch"), ("meter", 1, "own"))
BAKED = way(
    step("mixer", takes_s=300, max_wait_s=2400), step("oven", takes_s=3600, recipe=("x",)), step("meter", takes_s=600)
)


def waiting(*xs: float, budget: int = 1) -> Rehearsal:
    """Samples of two recipes that are accepted; nothing has begun."""
    lab = LabCore(PLAN)
    lab.handle("", Stocked(containers=dict.fromkeys(RACKS, "vial")), 0.0)
    for number, x in enumerate(xs):
        campaign = f"c{number}"
        events: list[Event] = [started(campaign, BAKED, budget=budget, parallel=1)]
        events.append(Suggested(suggestion=Suggestion(params={"x": x}, rationale="r")))
        for event in events:
            lab.handle(campaign, event, 0.0)
    lab.latch(LatchScope())
    lab.grant(0.0)
    lab.reset(LatchScope())
    return Rehearsal(lab)


MIXED = (0.2, 0.8, 0.2, 0.8, 0.2, 0.8)


def test_samples_of_one_recipe_are_planned_to_share_a_batch() -> None:
    chosen = choose(lambda: waiting(*MIXED), rollouts=22)
    assert chosen.outcome < chosen.first
    assert chosen.outcome.late == 0
    assert sorted(map(sorted, chosen.rule.plan.batches)) == [
        ["c0/0001", "c2/0001", "c4/0001"],
        ["c1/0001", "c3/0001", "c5/0001"],
    ]


def test_no_batches_are_planned_over_the_heads_of_campaigns_that_go_on() -> None:
    assert choose(lambda: waiting(*MIXED), rollouts=3).rule.plan != Plan()
    assert choose(lambda: waiting(*MIXED, budget=2), rollouts=3).rule.plan == Plan()


def test_what_was_chosen_is_found_again_and_is_what_happens() -> None:
    chosen = choose(lambda: waiting(*MIXED), rollouts=16, seed=3)
    assert choose(lambda: waiting(*MIXED), rollouts=16, seed=3) == chosen
    assert roll_out(waiting(*MIXED), chosen.rule) == chosen.outcome
    assert roll_out(waiting(*MIXED), FIRST) == chosen.first


def test_the_chosen_rule_is_as_good_as_each_single_rule() -> None:
    chosen = choose(lambda: waiting(*MIXED), rollouts=22, doubts=0)
    assert all(chosen.outcome <= roll_out(waiting(*MIXED), rule) for rule in SINGLE)


def test_without_batches_the_rules_are_rolled_out_as_they_are() -> None:
    plan = layout(("mixer", 1, "own"), ("meter", 1, "own"))

    def two() -> Rehearsal:
        deck = Deck(plan)
        deck.lab.handle("c", started("c", way(step("mixer"), step("meter")), budget=2, parallel=2), 0.0)
        return Rehearsal(deck.lab)

    chosen = choose(two, rollouts=4)
    assert chosen.rule.plan == Plan()
    assert math.isfinite(chosen.outcome.makespan_s)


def test_a_batch_is_not_formed_of_samples_that_are_planned_for_another() -> None:
    """One after the other, as the plan has it, though the samples of the second came first."""
    plan = Plan((("c1/0001", "c3/0001"), ("c0/0001", "c2/0001")))
    rehearsal = waiting(0.2, 0.2, 0.2, 0.2)
    roll_out(rehearsal, Rule("first", 5400, plan))
    baked: dict[tuple[str, float], set[str]] = {}
    for bar in rehearsal.bars:
        if bar.order.step == "oven":
            baked.setdefault((bar.station, bar.began_s), set()).add(f"{bar.order.campaign}/0001")
    assert sorted(map(sorted, baked.values())) == sorted(map(sorted, plan.batches))
