"""Whatever campaigns take and people book, count, move and forbid: every place of the ledger adds up."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labwright.engine import LabCore, validate_state
from labwright.engine.events import (
    Adjusted,
    Answered,
    Booked,
    Classified,
    MovedByHand,
    Received,
    Recounted,
    StopAsked,
    Suggested,
)
from labwright.engine.snapshots import dumped, loaded
from labwright.engine.work import IllegalEventError
from labwright.model.campaign import Suggestion, Trial
from labwright.model.material import StockAt, StockFacts, Used, WasteAt
from labwright.model.protocol import StepSpec
from tests.engine.test_material import ML, MOVES, RACKS, STOCKED, Deck, started

TAPS = ("tap_1", "tap_2")
STORED = STOCKED.model_copy(
    update={
        "stocks": {
            "first": StockAt(
                facts=StockFacts(material="water", lot="A", place="source:tap_1", stations=("meter",)), count=9 * ML
            ),
            "second": StockAt(
                facts=StockFacts(material="water", lot="B", place="source:tap_2", stations=("meter",)), count=6 * ML
            ),
        },
        "wastes": {"drain": WasteAt(capacity=12 * ML, station="meter")},
    }
)
ONE_STEP = MOVES.model_copy(
    update={"steps": (StepSpec(name="measure", station="meter", expected_s=1, on_failure="ask", retries=1),)}
)
LATE = 30
"""Events after which a campaign may be stopped: before, something is to happen in it."""

WHO = {"by": "Kim", "because": "looked"}


class Storeroom(RuleBasedStateMachine):
    """Two campaigns that take from two stocks of one material, and draw into a waste."""

    @initialize()
    def begin(self) -> None:
        self.deck = Deck()
        self.deck.events.clear()
        self.deck.take("", STORED)
        self.received = 0
        for name in ("a", "b"):
            first = started(name, budget=8, parallel=2)
            changed = {"counted": ("drain", *TAPS), "protocols": (ONE_STEP,), "container": ""}
            self.deck.take(name, first.model_copy(update=changed))

    @rule(name=st.sampled_from("ab"), ml=st.sampled_from([0.5, 1.0000005, 4.0]), drawn=st.sampled_from([0, ML // 4]))
    def suggest(self, name: str, ml: float, drawn: int) -> None:
        if self.deck.lab.campaign(name).asking:
            uses = {"water": round(ML * ml), **({"drain": drawn} if drawn else {})}
            self.deck.take(name, Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r"), uses=uses))

    @precondition(lambda self: self.deck.orders)
    @rule(data=st.data(), state=st.sampled_from(["done", "done", "failed", "unknown"]), share=st.floats(0, 1))
    def end(self, data: st.DataObject, state: str, share: float) -> None:
        step_id = data.draw(st.sampled_from(sorted(self.deck.orders)))
        experiment, run = self.deck.lab.work.find(step_id)
        order = self.deck.orders[step_id].order
        used: dict[str, Used] = {}
        tap = order.sources["water"]
        wants = {tap: experiment.promised[experiment.takes["water"]], "drain": experiment.promised.get("drain", 0)}
        for name, most in wants.items():
            before = run.used.get(name, Used())
            amount = max(before.amount, round(share * (most - before.unknown)))
            unknown = 0 if state == "done" else max(before.unknown, (most - amount) // 2)
            used[name] = Used(amount=amount, unknown=unknown)
        self.deck.end_with(step_id, state, used, doubt=3 if state == "unknown" else None)

    @precondition(lambda self: self.deck.lab.work.questions.open)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        questions = sorted(self.deck.lab.work.questions.open.values(), key=lambda one: one.id)
        question = data.draw(st.sampled_from(questions))
        answer = data.draw(st.sampled_from(sorted(question.choices)))
        self.deck.take(question.owner, Answered(question=question.id, answer=answer, **WHO))

    @rule(tap=st.sampled_from([*TAPS, ""]), ml=st.integers(0, 8))
    def receive(self, tap: str, ml: int) -> None:
        self.received += 1
        place = f"source:{tap}" if tap else ""
        facts = StockFacts(material="water", lot="C", place=place, stations=("meter",) if tap else ())
        self.unless_refused(Received(stocks={f"more-{self.received}": StockAt(facts=facts, count=ml * ML)}, **WHO))

    @precondition(lambda self: self.deck.lab.material.stocks)
    @rule(data=st.data(), to=st.sampled_from([*(f"source:{tap}" for tap in TAPS), "shelf", "outside"]))
    def move(self, data: st.DataObject, to: str) -> None:
        self.unless_refused(MovedByHand(container=self.some(data), to=to, stations=("meter",), **WHO))

    @precondition(lambda self: self.deck.lab.material.stocks)
    @rule(data=st.data(), more=st.integers(0, ML))
    def adjust(self, data: st.DataObject, more: int) -> None:
        self.unless_refused(Adjusted(stock=self.some(data), change=more, **WHO))

    @precondition(lambda self: self.deck.lab.material.stocks)
    @rule(data=st.data(), status=st.sampled_from(["released", "quarantined"]))
    def classify(self, data: st.DataObject, status: Any) -> None:
        self.unless_refused(Classified(what=self.some(data), status=status, **WHO))

    @precondition(lambda self: self.deck.lab.material.stocks)
    @rule(data=st.data(), more=st.integers(0, 8 * ML))
    def recount(self, data: st.DataObject, more: int) -> None:
        name = self.some(data)
        stock = self.deck.lab.material.stocks[name]
        self.unless_refused(Recounted(counts={name: stock.dead + stock.promised + more}, **WHO))

    @rule(level=st.integers(0, 2 * ML), place=st.sampled_from(RACKS))
    def empty_the_waste(self, level: int, place: str) -> None:
        self.unless_refused(Recounted(counts={"drain": level}, containers={place: "vial"}, **WHO))

    @precondition(lambda self: len(self.deck.events) > LATE)
    @rule(name=st.sampled_from("ab"))
    def stop(self, name: str) -> None:
        if not self.deck.lab.campaign(name).over:
            self.deck.take(name, StopAsked(why="enough"))

    @rule()
    def be_read_from_a_snapshot(self) -> None:
        """Nothing of the state is forgotten."""
        lab = self.deck.lab
        cores = lab.campaigns

        def trials(name: str, number: int) -> list[Trial]:
            return cores[name].trials[:number]

        again = loaded(dumped(lab, whole=True), lambda name: cores[name].started, trials)
        assert dumped(again, whole=True) == dumped(lab, whole=True)

    def some(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.deck.lab.material.stocks)))

    def unless_refused(self, event: Booked | Recounted) -> None:
        """Book it, unless it is in use or makes no sense; then nothing has changed."""
        before = dumped(self.deck.lab, whole=True)
        try:
            self.deck.take("", event)
        except IllegalEventError:
            assert dumped(self.deck.lab, whole=True) == before

    @invariant()
    def all_adds_up(self) -> None:
        if not hasattr(self, "deck"):
            return
        deck = self.deck
        validate_state(deck.lab)
        deck.adds_up()
        for name, stock in deck.lab.material.stocks.items():
            assert stock.free >= 0, name
        waste = deck.lab.material.wastes["drain"]
        assert waste.room is not None
        assert waste.room >= 0
        row = deck.tables["waste", "real", "drain"]
        assert (row["level"], row["unknown"], row["reserved"]) == (waste.level, waste.unknown, waste.promised)

    def teardown(self) -> None:
        """The events give the same ledger again."""
        if not hasattr(self, "deck"):
            return
        anew = LabCore()
        anew.instruments = "real"
        for number, (campaign, event) in enumerate(self.deck.events):
            anew.handle(campaign, event, float(number))
        here = self.deck.lab.material
        assert {name: (one.count, one.used) for name, one in anew.material.stocks.items()} == {
            name: (one.count, one.used) for name, one in here.stocks.items()
        }


TestStoreroom = Storeroom.TestCase
TestStoreroom.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
