"""Material is the lab's: what campaigns take of it, what is left for the next, and what a person has counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labwright.engine import LabCore, validate_state
from labwright.engine.dirty import Held
from labwright.engine.events import (
    ENGINE,
    EVENTS,
    Answered,
    Event,
    Granted,
    Instruction,
    Recounted,
    RunStep,
    Started,
    StepEnded,
    Stocked,
    StopAsked,
    Suggested,
)
from labwright.engine.snapshots import dumped
from labwright.engine.tables import take_changes
from labwright.engine.work import IllegalEventError
from labwright.model.campaign import Objective, PlannerSpec, Suggestion
from labwright.model.material import OUTSIDE, StockAt, StockFacts, Used, WasteAt
from labwright.model.protocol import NumberResult, ProtocolSpec, StepOutcome, StepSpec
from labwright.model.space import Real, Space
from labwright.model.spec import CampaignSpec

ML = 1_000_000
RACKS = ("rack_1", "rack_2", "rack_10")
MOVES = ProtocolSpec(
    name="p",
    version="1",
    title="P",
    parameters=(),
    results=(NumberResult(name="y", unit="1"),),
    steps=(
        StepSpec(name="fetch", station="arm", expected_s=1, moves_to="balance"),
        StepSpec(name="measure", station="meter", needs=("fetch",), expected_s=1, on_failure="ask"),
        StepSpec(name="out", station="arm", needs=("measure",), expected_s=1, leaves=True, always=True),
    ),
)
STANDARD = ProtocolSpec(
    name="calibrate",
    version="1",
    title="C",
    parameters=(),
    results=(),
    steps=(StepSpec(name="cal", station="meter", expected_s=1),),
    uses_up=("standard",),
)
WATER = StockAt(
    facts=StockFacts(material="water", lot="W1", place="source:tap", stations=("meter",)), count=10 * ML, dead=ML // 2
)
STANDARD_SOLUTION = StockAt(facts=StockFacts(material="KCl", lot="K1", place="position:standard"), count=6 * ML)
STOCKED = Stocked(
    stocks={"water-1": WATER, "KCl": STANDARD_SOLUTION},
    wastes={"drain": WasteAt(capacity=50 * ML, station="meter")},
    containers={**dict.fromkeys(RACKS, "vial"), "balance": "", "standard": "KCl"},
    by="Bo",
    because="the first fill",
)


def started(campaign: str, **changes: Any) -> Started:
    spec = CampaignSpec(
        name=campaign,
        title=campaign,
        protocol="p",
        space=Space(parameters=(Real(name="x", unit="1", low=0, high=1),)),
        objective=Objective(name="y", goal="max", unit="1"),
        planner=PlannerSpec(name="random"),
        **{"budget": 3, **changes},
    )
    return Started(
        campaign=campaign,
        spec=spec,
        protocols=(MOVES, STANDARD),
        container="vial",
        counted=("drain", "tap"),
        naming=2,
        engine=ENGINE,
        instruments="real",
    )


class Deck:
    """A lab's core with the tables it writes, as its controller has them."""

    def __init__(self) -> None:
        self.lab = LabCore()
        self.lab.instruments = "real"
        self.events: list[tuple[str, Event]] = []
        self.tables: dict[tuple[Any, ...], Any] = {}
        self.ledger: list[Any] = []
        self.orders: dict[str, RunStep] = {}
        self.now_s = 0.0
        self.take("", STOCKED)

    def take(self, campaign: str, event: Event) -> None:
        self.now_s += 1.0
        instructions = self.lab.handle(campaign, event, self.now_s)
        self._keep(campaign, event, instructions)
        for grant in self.lab.grant(self.now_s):
            self._keep(grant.campaign, grant.event, grant.instructions)

    def _keep(self, campaign: str, event: Event, instructions: list[Instruction]) -> None:
        self.events.append((campaign, EVENTS.validate_json(event.model_dump_json())))
        for key, row in take_changes(self.lab).items():
            if key[0] == "ledger":
                self.ledger.append(row)
            elif row is None:
                self.tables.pop(key, None)
            else:
                self.tables[key] = row
        for one in instructions:
            if isinstance(one, RunStep):
                self.orders[one.order.step_id] = one

    def suggest(self, campaign: str, water: float = 0.0) -> None:
        uses = {"water": round(ML * water)} if water else {}
        self.take(campaign, Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r"), uses=uses))

    def end(self, step_id: str, state: Any = "done", used: Used | None = None, **more: Any) -> None:
        self.end_with(step_id, state, {"tap": used} if used is not None else {}, **more)

    def end_with(self, step_id: str, state: Any, used: dict[str, Used], **more: Any) -> None:
        order = self.orders.pop(step_id).order
        outcome = StepOutcome(
            step_id=step_id,
            state=state,
            results={"y": 1.0} if order.step == "measure" and state == "done" else {},
            fail_kind=None if state in ("done", "unknown") else "equipment",
            error="" if state == "done" else state,
            used=used,
            started_s=0,
            ended_s=1,
            **more,
        )
        self.take(order.campaign, StepEnded(outcome=outcome))

    def granted(self, campaign: str) -> list[Granted]:
        return [event for name, event in self.events if name == campaign and isinstance(event, Granted)]

    def holds(self, position: str) -> tuple[str, str, str]:
        row = self.tables["position", "real", position]
        return row["holds"], row["campaign"], row["label"]

    def adds_up(self) -> None:
        """The entries of the ledger give what is left, to the nanolitre."""
        balance: Counter[str] = Counter()
        doubt: Counter[str] = Counter()
        for row in self.ledger:
            assert row["amount"] >= 0
            for place, sign in ((row["put_into"], 1), (row["taken_from"], -1)):
                balance[place] += sign * row["amount"]
                doubt[place] += sign * row["unknown"]
        assert sum(balance.values()) == 0
        assert all(left >= 0 for place, left in balance.items() if place != OUTSIDE)
        for name, stock in self.lab.material.stocks.items():
            assert balance[f"container:{name}"] == stock.count - stock.used.amount
            assert -doubt[f"container:{name}"] == stock.used.unknown
            row = self.tables["stock", "real", name]
            assert (row["count"], row["used"], row["unknown"]) == (stock.count, stock.used.amount, stock.used.unknown)
            assert row["reserved"] == stock.promised
        for name, waste in self.lab.material.wastes.items():
            assert (balance[f"waste:{name}"], doubt[f"waste:{name}"]) == (waste.level, waste.unknown)


@pytest.fixture
def deck() -> Deck:
    return Deck()


def test_a_second_campaign_begins_where_the_first_ended(deck: Deck) -> None:
    deck.take("a", started("a", budget=1))
    deck.suggest("a", 2.0)
    assert deck.holds("rack_1") == ("vial", "a", "0001")
    deck.end("a/0001/fetch")
    assert deck.holds("rack_1") == ("", "a", "0001")
    assert deck.holds("balance") == ("vial", "a", "0001")
    deck.end("a/0001/measure", used=Used(amount=1_500_001))
    deck.end("a/0001/out")
    assert deck.lab.campaign("a").phase == "completed"
    assert deck.holds("balance") == ("", "a", "0001"), "it has left the lab"
    deck.take("b", started("b"))
    deck.suggest("b", 3.0)
    (begun,) = deck.granted("b")[-1].begins
    assert begun.place == "rack_2", "in the order in which the deck was filled"
    lot = deck.lab.material.stocks["water-1"]
    assert (lot.usable, lot.free) == (7_999_999, 4_999_999)
    deck.adds_up()
    deck.suggest("b", 5.0) if deck.lab.campaign("b").asking else None
    validate_state(deck.lab)


def test_two_campaigns_at_once_share_what_there_is(deck: Deck) -> None:
    for name in ("a", "b"):
        deck.take(name, started(name))
    deck.suggest("a", 6.0)
    deck.suggest("b", 6.0)
    waiting = deck.lab.campaign("b")
    assert (waiting.phase, waiting.tried) == ("running", 0)
    assert waiting.short == (
        "stock water-1 is used up: 6 ml are needed, 3.5 ml are left (0 ml were taken, 6 ml are reserved for samples "
        "under way); refill it and count it: labwright inventory count STOCK=AMOUNT"
    )
    assert f"material: {waiting.short}" in waiting.waits_for()
    assert deck.tables["campaign", "b"]["short"] == waiting.short
    deck.end("a/0001/fetch")
    deck.end("a/0001/measure", used=Used(amount=2 * ML))
    assert (waiting.tried, waiting.short != "") == (0, True), "it is not over yet, and may take the rest"
    deck.end("a/0001/out")
    assert (waiting.tried, waiting.short) == (1, ""), "what it has not taken is free again"
    deck.adds_up()


def test_a_campaign_waits_when_no_container_is_left_until_a_person_has_put_some_in(deck: Deck) -> None:
    deck.take("", Recounted(containers=dict.fromkeys(RACKS, ""), by="Kim", because="taken for cleaning"))
    deck.take("a", started("a"))
    deck.suggest("a")
    core = deck.lab.campaign("a")
    assert core.short.startswith("no position holds an unused vial any more; put some in and say")
    deck.take("", Recounted(containers={"rack_10": "vial"}, by="Kim", because="clean again"))
    assert (core.live["0001"].place, core.short) == ("rack_10", "")
    with pytest.raises(IllegalEventError, match=r"position rack_10 is in use by experiment a/0001, which is under way"):
        deck.take("", Recounted(containers={"rack_10": "vial"}, by="Kim", because="no"))


def test_what_a_count_finds_is_an_entry_with_name_and_reason_and_settles_what_is_unknown(deck: Deck) -> None:
    deck.take("a", started("a", budget=1))
    deck.suggest("a", 2.0)
    deck.end("a/0001/fetch")
    deck.end("a/0001/measure", "failed", used=Used(amount=500_000, unknown=1_000_000))
    deck.take("a", Answered(question="a:q1", answer="abandon", by="Kim", because="spilt"))
    assert deck.lab.material.stocks["water-1"].used == Used(amount=500_000, unknown=1_000_000)
    deck.take("", Recounted(counts={"water": 9_100_000}, by="Kim", because="read off the syringe"))
    lot = deck.lab.material.stocks["water-1"]
    assert (lot.count, lot.dead, lot.used, lot.free) == (9_100_000, 500_000, Used(), 8_600_000)
    (entry,) = [row for row in deck.ledger if row["why"] == "recount"]
    assert (entry["taken_from"], entry["put_into"]) == ("container:water-1", "outside")
    assert (entry["amount"], entry["unknown"]) == (400_000, -1_000_000)
    assert (entry["by"], entry["because"], entry["campaign"]) == ("Kim", "read off the syringe", "")
    deck.adds_up()


def test_a_count_beside_a_step_is_exact_or_refused(deck: Deck) -> None:
    """What the step has taken by then is in the count; what it takes after is charged to it."""
    deck.take("a", started("a"))
    deck.suggest("a", 4.0)
    deck.end("a/0001/fetch")
    before = dumped(deck.lab, whole=True)
    pumping = {"a/0001/measure": {"tap": Used(amount=1_000_000, unknown=500_000)}}
    with pytest.raises(IllegalEventError, match=r"step a/0001/measure is taking from it"):
        deck.lab.handle("", Recounted(counts={"water-1": 9 * ML}, used=pumping, by="Kim", because="b"), deck.now_s)
    assert dumped(deck.lab, whole=True) == before
    taken = {"a/0001/measure": {"tap": Used(amount=1_500_000)}}
    deck.take("", Recounted(counts={"tap": 8_400_000}, used=taken, by="Kim", because="looked"))
    deck.adds_up()
    deck.end("a/0001/measure", used=Used(amount=2_000_000))
    assert deck.lab.material.stocks["water-1"].used == Used(amount=500_000)
    deck.adds_up()


def test_a_standard_is_used_up_until_a_person_has_replaced_it(deck: Deck) -> None:
    deck.take("a", started("a", prepare=("calibrate",), budget=1))
    deck.take("b", started("b", prepare=("calibrate",)))
    assert deck.holds("standard") == ("KCl", "a", "calibrate")
    assert deck.lab.campaign("b").short == (
        "preparation calibrate: what position standard holds (KCl) is used up by a/calibrate; replace it and say so: "
        "labwright inventory count POSITION=CONTAINER"
    )
    deck.end("a/calibrate/cal")
    assert "b/calibrate/cal" not in deck.orders
    assert deck.lab.material.stocks["KCl"].usable == 0, "all of it went with the preparation"
    deck.adds_up()
    deck.take("", Recounted(containers={"standard": "KCl"}, by="Kim", because="a new one"))
    assert "b/calibrate/cal" in deck.orders
    assert deck.holds("standard") == ("KCl", "b", "calibrate")
    deck.adds_up()


def test_a_campaigns_own_events_suffice(deck: Deck) -> None:
    for name in ("a", "b"):
        deck.take(name, started(name, prepare=("calibrate",)))
    deck.end("a/calibrate/cal")
    deck.suggest("a", 2.0)
    deck.take("a", StopAsked(why="enough"))
    for name in ("a", "b"):
        alone = LabCore()
        for number, (campaign, event) in enumerate(deck.events):
            if campaign == name:
                alone.handle(campaign, event, float(number))
        there, here = deck.lab.campaign(name), alone.campaign(name)
        assert (there.phase, there.reason, there.trials) == (here.phase, here.reason, here.trials)


class TwoCampaigns(RuleBasedStateMachine):
    """Whatever two campaigns take, fail, leave behind, and people count."""

    @initialize()
    def begin(self) -> None:
        self.deck = Deck()
        for name in ("a", "b"):
            self.deck.take(name, started(name, budget=6, parallel=2))

    @rule(name=st.sampled_from("ab"), ml=st.sampled_from([0.0, 0.3, 1.0000005, 4.0]))
    def suggest(self, name: str, ml: float) -> None:
        if self.deck.lab.campaign(name).asking:
            self.deck.suggest(name, ml)

    @precondition(lambda self: self.deck.orders)
    @rule(
        data=st.data(),
        state=st.sampled_from(["done", "done", "failed", "unknown"]),
        share=st.floats(0, 1),
        doubt=st.booleans(),
    )
    def end(self, data: st.DataObject, state: str, share: float, doubt: bool) -> None:
        step_id = data.draw(st.sampled_from(sorted(self.deck.orders)))
        experiment, run = self.deck.lab.work.find(step_id)
        promised = experiment.promised.get("water-1", 0)
        others = sum(one.used.get("tap", Used()).most for key, one in experiment.steps.items() if key != run.spec.name)
        before = run.used.get("tap", Used())
        nl = max(before.amount, round(share * max(0, promised - others)))
        unknown = max(0, promised - others - nl) if doubt and state != "done" else 0
        self.deck.end(step_id, state, used=Used(amount=nl, unknown=unknown), doubt=3 if state == "unknown" else None)

    @precondition(lambda self: self.deck.lab.work.questions.open)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        question = data.draw(
            st.sampled_from(sorted(self.deck.lab.work.questions.open.values(), key=lambda one: one.id))
        )
        answer = data.draw(st.sampled_from(sorted(question.choices)))
        self.deck.take(question.owner, Answered(question=question.id, answer=answer, by="Kim", because="looked"))

    @rule(more=st.integers(0, 12 * ML))
    def recount(self, more: int) -> None:
        lot = self.deck.lab.material.stocks["water-1"]
        there = lot.dead + lot.promised + more
        self.unless_in_use(Recounted(counts={"water-1": there}, by="Kim", because="looked"))

    @rule(position=st.sampled_from([*RACKS, "balance"]), kind=st.sampled_from(["", "vial"]))
    def put(self, position: str, kind: str) -> None:
        self.unless_in_use(Recounted(containers={position: kind}, by="Kim", because="put there"))

    def unless_in_use(self, event: Recounted) -> None:
        """Count, unless what is counted is in use."""
        before = dumped(self.deck.lab, whole=True)
        try:
            self.deck.take("", event)
        except IllegalEventError:
            now = dumped(self.deck.lab, whole=True)
        else:
            return
        assert now == before

    @rule(name=st.sampled_from("ab"))
    def stop(self, name: str) -> None:
        if not self.deck.lab.campaign(name).over:
            self.deck.take(name, StopAsked(why="enough"))

    @invariant()
    def all_is_accounted_for(self) -> None:
        if not hasattr(self, "deck"):
            return
        deck = self.deck
        validate_state(deck.lab)
        deck.adds_up()
        lot = deck.lab.material.stocks["water-1"]
        assert lot.free >= 0
        for position, held in deck.lab.material.holds.items():
            assert deck.tables["position", "real", position]["holds"] == held.kind
        anew = LabCore()
        anew.instruments = "real"
        for number, (campaign, event) in enumerate(deck.events):
            anew.handle(campaign, event, float(number))
        assert anew.material.stocks["water-1"].used == lot.used
        assert {name: one.kind for name, one in anew.material.holds.items()} == {
            name: one.kind for name, one in deck.lab.material.holds.items()
        }


TestTwoCampaigns = TwoCampaigns.TestCase
TestTwoCampaigns.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_held_containers_are_fresh_only_where_no_campaign_has_them() -> None:
    assert Held("vial").fresh
    assert not Held("vial", "a", "0001").fresh
    assert not Held("").fresh
