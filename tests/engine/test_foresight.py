"""What a lab is foreseen to do, against what it does."""

from __future__ import annotations

from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignCore, LabController, LabCore, load_campaign
from labwright.engine.controller import Parts
from labwright.engine.events import Event, Foreseen, SampleStopAsked
from labwright.engine.forecaster import Forecaster
from labwright.engine.foresight import View, foresee
from labwright.engine.rules import Rule
from labwright.engine.timetabling import OrdersOfMoves
from labwright.journal import Journal, journal_file
from labwright.lab import Lab, read_lab
from labwright.lab.classes import resolve
from labwright.report import read_record
from labwright.report.expected import end_words
from labwright.simulation import SimulatedLab
from tests.engine.many_moves import ManyMoves
from tests.engine.moving import Deck, layout, started, step, way
from tests.killing.bench import until

ROOT = Path(__file__).parents[2]
X = ("x",)
PLAN = layout(("oven", 2, "batch"), ("meter", 1, "own"))
BAKED = way(step("oven", takes_s=600, recipe=X), step("meter", takes_s=100))
READ = way(step("meter", takes_s=50))


def half_way() -> Deck:
    deck = Deck(PLAN, started("c0", BAKED, budget=5, parallel=3), started("c1", READ, budget=3, parallel=2))
    for _ in range(9):
        deck.next()
    assert deck.running
    return deck


def test_each_campaign_ends_when_it_was_foreseen_to() -> None:
    deck = half_way()
    foreseen = foresee(View.of(deck.lab, PLAN, deck.now_s), within_s=0, rollouts=1)
    assert foreseen.at_s == deck.now_s
    ends: dict[str, float] = {}
    while deck.next():
        for name, core in deck.lab.campaigns.items():
            if core.over:
                ends.setdefault(name, deck.now_s)
    assert foreseen.ends == pytest.approx(ends)
    assert foreseen.first_s == pytest.approx(max(ends.values()))


def test_nothing_of_the_lab_changes_while_it_is_rolled_out() -> None:
    deck, other = half_way(), half_way()
    foresee(View.of(deck.lab, PLAN, deck.now_s), within_s=30, rollouts=6)
    deck.run()
    other.run()
    assert deck.told == other.told


def test_a_rule_is_followed_that_is_better_than_who_came_first() -> None:
    """Batches that wait for one another's samples fill the oven; who came first fills it with one."""
    plan = layout(("oven", 4, "batch"), ("prep", 1, "own"))
    baked = way(step("prep", takes_s=100), step("oven", takes_s=3600, recipe=X))
    first = Deck(plan, started("c0", baked, budget=8, parallel=8))
    first.run()

    deck = Deck(plan, started("c0", baked, budget=8, parallel=8))
    foreseen = foresee(View.of(deck.lab, plan, deck.now_s), within_s=60, rollouts=12)
    assert foreseen.tried > 1
    assert foreseen.chosen_s < 0.9 * foreseen.first_s
    deck.take({"": foreseen})
    assert deck.lab.dispatcher.rule != Rule()
    deck.run()
    assert deck.now_s == pytest.approx(foreseen.ends["c0"])
    assert deck.now_s < 0.9 * first.now_s


def test_no_end_is_foreseen_of_what_waits_for_a_person() -> None:
    lab = ManyMoves(layout(("a", 1, "own"), ("b", 1, "own")), Rule())
    lab.take(("c0", started("c0", way(step("a", on_failure="ask")), budget=2, parallel=1)))
    lab.take(("c1", started("c1", way(step("b")), budget=2, parallel=1)))
    lab.suggest("c0", 0.1)
    lab.suggest("c1", 0.2)
    while "c0/0001/a" not in lab.running:
        lab.end(next(key for key in lab.running if key.startswith("c")))
    lab.end("c0/0001/a", "failed")
    foreseen = foresee(View.of(lab.lab, lab.plan, lab.now_s), within_s=0, rollouts=1)
    assert set(foreseen.ends) == {"c1"}
    lab.take(("c0", SampleStopAsked(label="0001", why="bad", now=True)))
    foreseen = foresee(View.of(lab.lab, lab.plan, lab.now_s), within_s=0, rollouts=1)
    assert set(foreseen.ends) == {"c0", "c1"}


def test_the_rule_is_in_the_events() -> None:
    event: Event = Foreseen(at_s=10, ends={"c0": 20}, order="longest", batch_wait_s=60, batches=(("c0/0001",),))
    lab = LabCore(PLAN)
    lab.handle("", event, 10)
    assert lab.dispatcher.rule.order == "longest"
    assert lab.dispatcher.rule.plan.of == {"c0/0001": 0}


@pytest.mark.long
def test_a_lab_on_wires_ends_when_its_controller_foresaw(tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    campaign = load_campaign(folder, ROOT / "lab_config" / "campaigns" / "conductivity.yaml", budget=4, seed=1)
    clock = SteppedClock()
    told: Queue[Foreseen] = Queue()

    def forecaster(controller: LabController) -> Forecaster:
        def tell(foreseen: Foreseen) -> None:
            controller.foresaw(foreseen)
            told.put(foreseen)

        lab = controller.lab
        return Forecaster(controller.journal.place, lab.instruments, lab.model, tell, after_s=0, every_s=3600)

    with (
        SimulatedLab(folder.model, clock, resolve, seed=1) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        controller = LabController(lab, journal, tmp_path, parts=Parts(forecaster=forecaster))
        name = controller.start(campaign)
        first: list[Foreseen] = []

        def wait(event: Event, core: CampaignCore) -> None:
            if event.kind == "step_ended" and not first:
                first.append(told.get(timeout=60))

        controller.on_event = wait
        controller.run(lambda: controller.all_over)
        assert controller.ends[name].state == "completed"
        kept = [one.payload for one in journal.events("") if one.kind == "foreseen"]
        record = read_record(journal, name)
    assert len(kept) == 1
    left_s = first[0].ends[name] - first[0].at_s
    assert clock.now() - first[0].at_s == pytest.approx(left_s, rel=0.1)
    assert record.foreseen == first[0]
    assert "than foreseen" in end_words(record)


def test_what_cannot_be_foreseen_is_said_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Foreseen] = []
    place = str(tmp_path / "journal.sqlite")
    Journal(tmp_path / "journal.sqlite").close()
    forecaster = Forecaster(place, "real", read_lab(ROOT).model, told.append, after_s=0, every_s=0)
    try:
        forecaster.look(("c-that-is-not-there",), 0.0)
        until(lambda: "what the lab will do is not known" in caplog.text, "it is said")
    finally:
        forecaster.close()
    assert "c-that-is-not-there" in caplog.text
    assert told == []


@pytest.mark.parametrize("limit_s", [None, 3600.0])
def test_an_order_is_searched_only_where_no_wait_is_limited(
    limit_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[OrdersOfMoves] = []
    search = OrdersOfMoves.__call__

    def seen(planner: OrdersOfMoves, *given: Any) -> Any:
        searched.append(planner)
        return search(planner, *given)

    monkeypatch.setattr(OrdersOfMoves, "__call__", seen)
    baked = way(step("meter", takes_s=100, max_wait_s=limit_s), step("oven", takes_s=600, recipe=X))
    deck = Deck(PLAN, started("c0", baked, budget=8, parallel=6))
    foreseen = foresee(View.of(deck.lab, PLAN, deck.now_s), within_s=2, rollouts=2)
    assert bool(searched) == (limit_s is None)
    assert foreseen.moves == () or limit_s is None
