"""What people do at stations by hand, for the core: a step like any other, which spoils no sample."""

from __future__ import annotations

from typing import Any

import pytest

from labwright.engine.events import ENGINE, Started, StopAsked
from labwright.engine.operating import campaign_by_hand, doubtful, not_started, refuse_now
from labwright.engine.snapshots import dumped
from labwright.lab import read_lab
from labwright.model.by_hand import BY_HAND, AxisFacts, ByHand
from labwright.model.errors import RefusedError
from labwright.model.latch import latch_station
from labwright.model.protocol import ProtocolSpec
from labwright.model.results import NumberResult
from tests.engine.moving import Deck as Moving
from tests.engine.moving import layout, started, step, way
from tests.engine.test_lab_machine import ended
from tests.forks import ROOT

HEAT = AxisFacts(name="heat", unit="degC", precision=1, low=20, high=60, reads=True)
ROW = layout(("plate", 2, "own"), ("meter", 1, "own"))
PLATES = ("plate_1", "plate_2")


class Deck(Moving):
    """As for moves; what is done by hand finds what it should."""

    def end(self, step_id: str, state: str = "done", fault: str = "equipment") -> None:
        order = self.running[step_id]
        if order.protocol != BY_HAND:
            super().end(step_id, state, fault)
            return
        del self.running[step_id]
        found = {"set_to": 30.0, "read_back": 30.1, "values_read": 2.0}
        outcome = ended(order).outcome.model_copy(update={"results": found, "ended_s": self.now_s})
        self.take({order.campaign: ended(order).model_copy(update={"outcome": outcome})})


def by_hand(station: str = "plate", **more: Any) -> ByHand:
    """A person sets the plate; or what is given instead."""
    given: dict[str, Any] = {
        "station": station, "device": "plate", "axis": "heat", "value": 30.0, "unit": "degC", "axis_facts": HEAT,
        "timeout_s": 400.0, "until_s": 1e6, "disturbs": (station,), "by": "Otto", "because": "warm up",
    }  # fmt: skip
    return ByHand(**{**given, **more})


def event(name: str, work: ByHand) -> Started:
    """Such an operation begins."""
    campaign = campaign_by_hand(read_lab(ROOT).model, work)
    protocols = tuple(one.spec for one in campaign.protocols.values())
    return Started(campaign=name, spec=campaign.spec, protocols=protocols, naming=2, engine=ENGINE)


def ask(deck: Deck, work: ByHand, name: str = "h") -> None:
    """A person asks for it now."""
    deck.take({name: event(name, work)})


def begin(deck: Deck, protocol: ProtocolSpec) -> None:
    """A campaign begins now."""
    deck.take({"c": started("c", protocol, budget=1)})


def test_a_sample_is_not_spoiled_by_what_is_set_by_hand() -> None:
    deck = Deck(ROW)
    ask(deck, by_hand(keeps=PLATES))
    begin(deck, way(step("plate"), step("meter", takes_s=300)))
    deck.run()
    assert deck.told[0] == "0 h/0001/set at plate", "before the sample comes"
    assert "100 c/0001/to-plate_1 at arm_1" in deck.told, "which is brought when it is over"
    assert deck.phases() == ["completed", "completed"]

    deck = Deck(ROW, started("c", way(step("plate"), step("meter", takes_s=300)), budget=1))
    deck.next()
    ask(deck, by_hand(keeps=PLATES))
    assert deck.waits("h") == ["h/0001/set for position plate_1, which c/0001 has"]
    deck.run()
    told = [line for line in deck.told if "/set " in line]
    assert told == ["80 h/0001/set at plate"], "once it has left"


def test_a_sample_may_stand_there_if_a_person_says_so_and_yet_is_not_interrupted() -> None:
    deck = Deck(ROW, started("c", way(step("plate", takes_s=600)), budget=1))
    deck.next()
    ask(deck, by_hand(sample_present_ok=True))
    (wait,) = deck.waits("h")
    assert wait.endswith("which c/0001/plate has"), "a slot of the station is at work"
    deck.run()
    assert "610 h/0001/set at plate" in deck.told

    deck = Deck(ROW)
    ask(deck, by_hand(sample_present_ok=True))
    begin(deck, way(step("plate", takes_s=600)))
    deck.run()
    assert deck.told[0] == "0 h/0001/set at plate"
    assert "100 c/0001/plate at plate (plate_1)" in deck.told, "nor does its step begin meanwhile"


def test_what_waits_in_vain_is_given_up_and_asks_no_person_to_empty_the_lab() -> None:
    deck = Deck(ROW, started("c", way(step("plate", on_failure="ask")), budget=1))
    deck.next()
    deck.end("c/0001/plate", "failed")
    ask(deck, by_hand(keeps=PLATES))
    core = deck.lab.campaigns["h"]
    assert not_started(core)
    assert not core.asked
    deck.take({"h": StopAsked(why="not started in time")})
    assert core.phase == "stopped"
    assert not not_started(core)
    assert [one.owner for one in deck.lab.reservations.taken.values()] == ["c"] * len(deck.lab.reservations.taken)


def test_what_stands_still_where_it_could_be_spoiled_is_refused_at_once() -> None:
    deck = Deck(ROW, started("c", way(step("plate", on_failure="ask")), budget=1))
    model = read_lab(ROOT).model
    work = by_hand(keeps=PLATES)
    refuse_now(deck.lab, model, work)
    deck.next()
    refuse_now(deck.lab, model, work)  # its step runs: it may leave
    deck.end("c/0001/plate", "failed")
    with pytest.raises(
        RefusedError, match=r"the location of sample c/0001 is plate_1, which it could spoil.*sample_present_ok"
    ):
        refuse_now(deck.lab, model, work)
    refuse_now(deck.lab, model, by_hand(sample_present_ok=True))
    deck.lab.latch(latch_station("plate"))
    with pytest.raises(RefusedError, match="station plate is stopped"):
        refuse_now(deck.lab, model, by_hand(sample_present_ok=True))
    refuse_now(deck.lab, model, by_hand(station="meter"))


def test_one_more_than_so_many_is_refused() -> None:
    deck = Deck(ROW)
    for number in range(10):
        ask(deck, by_hand(sample_present_ok=True), f"h{number}")
    with pytest.raises(RefusedError, match="10 operations by hand wait at station plate"):
        refuse_now(deck.lab, read_lab(ROOT).model, by_hand(sample_present_ok=True))


def prepared(**more: Any) -> Deck:
    """A lab in which a campaign has prepared something at the plate."""
    results = (NumberResult(name="y", unit="1"),)
    made = way(step("plate", sample=False), name="calibrate", labware="", valid_s=1e5, results=results)
    deck = Deck(ROW, started("c", way(step("meter", takes_s=900)), preparing=made, budget=1, prepare_anew=True), **more)
    deck.takes_s = lambda order: order.expected_s
    return deck


def test_a_preparation_holds_no_more_once_something_is_set_where_it_was_made() -> None:
    deck = prepared()
    deck.next()
    assert list(deck.lab.work.preparations) == ["calibrate"]
    ask(deck, by_hand(station="meter", device="meter", disturbs=("meter",)), "elsewhere")
    assert list(deck.lab.work.preparations) == ["calibrate"]
    core = deck.lab.campaigns["c"]
    assert doubtful(core, by_hand()) == ["calibrate"]
    assert doubtful(core, by_hand(disturbs=("meter",))) == []
    ask(deck, by_hand(axis=None, value=None, axis_facts=None), "read")
    assert list(deck.lab.work.preparations) == ["calibrate"], "a reading changes nothing"
    deck.run()
    ask(deck, by_hand())
    assert deck.lab.work.preparations == {}


def test_what_is_being_prepared_meanwhile_prepares_nothing_for_others() -> None:
    results = (NumberResult(name="y", unit="1"),)
    made = way(
        step("plate", sample=False), step("look", "meter", sample=False), name="calibrate", labware="", valid_s=1e5,
        results=results,
    )  # fmt: skip
    plan = layout(("plate", 1, "own"), ("meter", 1, "own"))
    deck = Deck(plan, started("c", way(step("meter")), preparing=made, budget=1))
    ask(deck, by_hand(keeps=("plate_here",)))
    deck.run()
    order = [line.split(" ", 1)[1] for line in deck.told[:3]]
    assert set(order[1:]) == {"c/calibrate/look at meter", "h/0001/set at plate"}, "while it is being prepared"
    assert deck.phases() == ["completed", "completed"]
    assert deck.lab.work.preparations == {}


def test_it_is_the_same_when_its_events_are_handled_again() -> None:
    deck = Deck(ROW, started("c", way(step("plate"), step("meter")), budget=2))
    deck.next()
    ask(deck, by_hand(keeps=PLATES))
    deck.run()
    again = Deck(ROW).lab.__class__(ROW)
    for campaign, happened, at_s in deck.log:
        again.handle(campaign, happened, at_s)
    assert dumped(again, whole=True) == dumped(deck.lab, whole=True)


def test_the_name_is_its_own() -> None:
    assert event("h", by_hand()).spec.name == BY_HAND


def test_what_a_person_is_asked_about_it_names_no_sample() -> None:
    deck = Deck(ROW)
    ask(deck, by_hand())
    Moving.end(deck, "h/0001/set", "unknown")
    (question,) = deck.lab.work.questions.open.values()
    assert set(question.choices) == {"again", "done", "abandon"}
    assert "station plate can work" in question.choices["abandon"]
    assert "sample" not in f"{question.text} {question.choices}"
