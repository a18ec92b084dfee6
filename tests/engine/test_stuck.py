"""Samples that once waited for ever, or whose container was taken for where it was not: each of them ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labwright.engine.events import DrainAsked, Recounted, SampleStopAsked, StopAsked
from labwright.engine.layout import Layout
from labwright.engine.rules import FIRST, Rule
from labwright.engine.stuck import Stuck
from labwright.model.latch import latch_sample, latch_station
from labwright.model.protocol import NumberResult, ProtocolSpec, Repeat, StepSpec, When
from tests.engine.many_moves import ManyMoves
from tests.engine.moving import Deck, layout, started, step, way
from tests.engine.random_labs import handed_over

X = ("x",)


def again(step_name: str, back_to: str) -> Repeat:
    return Repeat(back_to=back_to, until=When(result=f"{step_name}.rsd", op="<", value=0.5), at_most=2)


def preparing(*steps: StepSpec) -> ProtocolSpec:
    results = (NumberResult(name="y", unit="1"),)
    return ProtocolSpec(name="q", version="1", title="Q", parameters=(), results=results, steps=steps)


def many(plan: Layout, *protocols: ProtocolSpec, rule: Rule = FIRST, plate: tuple[str, ...] = ()) -> ManyMoves:
    """Campaigns c0, c1, ... with three samples each, in a lab where some stations share a plate."""
    lab = ManyMoves(plan, rule)
    shared = dict.fromkeys(plate, ("plate",))
    for number, protocol in enumerate(protocols):
        lab.take((f"c{number}", started(f"c{number}", protocol, shared, priority=number)))
    return lab


def finished(lab: ManyMoves) -> set[str]:
    for _ in range(300):
        if not lab.patiently():
            break
    return {core.phase for core in lab.lab.campaigns.values()}


def removals(lab: ManyMoves) -> list[str]:
    return [one for one in lab.told if "Removal(" in one]


def test_where_one_arm_is_lost_the_other_carries() -> None:
    lab = many(layout(("a", 2, "own"), arms=2), way(step("a")))
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-a_1", "unknown")
    lab.take(("c0", SampleStopAsked(label="0001", why="bad", now=True)))
    lab.suggest("c0", 0.2)
    lab.suggest("c0", 0.3)
    assert [one.station for one in lab.running.values()] == ["arm_2"]
    assert finished(lab) == {"completed"}


def test_a_move_of_a_stopped_sample_is_not_made_again() -> None:
    lab = many(layout(("a", 2, "own")), way(step("a")), rule=Rule("shortest"))
    lab.suggest("c0", 0.1)
    lab.suggest("c0", 0.2)
    lab.end("c0/0001/to-a_1", "failed")
    lab.answer("c0:q1", "again")
    assert [*lab.running] == ["c0/0002/to-a_2"]
    lab.take(("c0", SampleStopAsked(label="0001", why="bad", now=True)))
    lab.take(("", Recounted(containers={"a_1": "vial"})))
    lab.end("c0/0002/to-a_2")
    assert not any(key.startswith("c0/0001/to-a_1") for key in lab.running)
    assert finished(lab) == {"completed"}


def test_a_sample_stays_while_a_loop_may_need_it_again() -> None:
    protocol = way(step("a"), step("judge", "b", sample=False, repeat=again("judge", "a")))
    lab = many(layout(("a", 1, "own"), ("b", 1, "own")), protocol)
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-a_here")
    lab.end("c0/0001/a")
    assert [*lab.running] == ["c0/0001/judge"]
    lab.end("c0/0001/judge", rsd=0.9)
    assert [*lab.running] == ["c0/0001/a~2"]
    assert finished(lab) == {"completed"}


def test_a_batch_does_not_wait_for_a_sample_that_waits_for_it() -> None:
    baked = way(step("a", recipe=X), step("rinse", "b", sample=False), step("b", recipe=X))
    later = way(
        step("c", recipe=X, keeps=("a",)),
        step("b", recipe=X, keeps=("c",), max_wait_s=200, repeat=again("b", "c")),
        step("a", recipe=X, max_wait_s=200),
    )  # fmt: skip
    lab = many(layout(("a", 2, "batch"), ("b", 1, "own"), ("c", 2, "own")), later, baked, plate=("a", "b"))
    lab.suggest("c0", 0.1)
    lab.suggest("c1", 0.1)
    for key in ("c0/0001/to-c_1", "c1/0001/to-a_1", "c0/0001/c"):
        lab.end(key)
    assert "c1/0001/a" in lab.running
    assert finished(lab) == {"completed"}
    assert not removals(lab)


def test_a_place_of_the_last_round_is_not_kept_for_the_next() -> None:
    there = way(step("a", recipe=X), step("b", recipe=X, repeat=again("b", "a")))
    plan = layout(("a", 2, "batch"), ("b", 1, "own"))
    lab = many(plan, there)
    lab.suggest("c0", 0.1)
    lab.suggest("c0", 0.1)
    for name in ("to-a_1", "to-a_2"):
        lab.end(f"c0/000{name[-1]}/{name}")
    lab.take(("c0", DrainAsked(by="Kim")))
    for _ in range(200):
        if not lab.running:
            break
        key = next(iter(lab.running))
        lab.end(key, rsd=0.9 if key.endswith("/b") else 0.1)
    assert finished(lab) == {"completed"}
    assert not removals(lab)


def test_a_sample_is_in_the_arm_that_carries_it_though_another_step_of_it_is_given_up() -> None:
    protocol = way(
        step("a"), step("rinse", "b", sample=False, needs=("a",), on_failure="ask"), step("c", needs=("a",))
    )  # fmt: skip
    lab = many(layout(("a", 1, "own"), ("b", 1, "own"), ("c", 1, "own")), protocol)
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-a_here")
    lab.end("c0/0001/a")
    assert [*lab.running] == ["c0/0001/rinse", "c0/0001/to-c_here"]
    lab.end("c0/0001/rinse", "failed")
    lab.answer("c0:q1", "abandon")
    lab.end("c0/0001/to-c_here")
    assert lab.lab.work.live["c0"]["0001"].stands_at == "c_here"
    assert finished(lab) == {"completed"}
    assert any("to-waste" in one for one in lab.told)


def test_a_container_that_is_to_be_taken_away_is_given_to_no_sample() -> None:
    lab = many(layout(("a", 1, "own"), racks=("rack_1", "rack_2")), way(step("a")), way(step("a")))
    lab.suggest("c0", 0.1)
    lab.suggest("c1", 0.2)
    lab.end("c0/0001/to-a_here")
    lab.take(("c0", StopAsked(why="enough", now=True)))
    lab.end("c0/0001/a", "stopped")
    assert "position:a_here" in {question.frees for question in lab.lab.work.questions.open.values()}
    assert lab.lab.work.questions.to_be_emptied == {"a_here"}
    assert lab.lab.material.next_place("vial", but=lab.lab.work.questions.to_be_emptied) == ""


@pytest.mark.parametrize("busy", [False, True])
def test_two_batches_do_not_wait_for_a_sample_of_the_other_to_come(busy: bool) -> None:
    there = way(step("a", recipe=X, max_wait_s=2000), step("b", recipe=X))
    back = way(step("b", recipe=X, max_wait_s=2000), step("a", recipe=X))
    plan = layout(("a", 2, "batch"), ("b", 2, "batch"), ("c", 1, "own"), arms=2)
    lab = many(plan, there, back, way(step("c", takes_s=9000)))
    if busy:
        lab.suggest("c2", 0.1)
        lab.end("c2/0001/to-c_here")
    lab.suggest("c0", 0.1)
    lab.suggest("c1", 0.1)
    lab.end("c0/0001/to-a_1", after_s=0)
    assert "c0/0001/a" not in lab.running, "c0 waits for c1, which will come to it"
    lab.end("c1/0001/to-b_2")
    assert {"c0/0001/a", "c1/0001/b"} & lab.running.keys(), "each waits for the other to come"
    assert finished(lab) == {"completed"}
    assert not removals(lab)


def test_a_place_that_others_have_is_given_to_no_sample() -> None:
    prepared = preparing(step("there", "arm_1", keeps=("rack_1",)), step("read", "a", takes_s=300, needs=("there",)))
    lab = ManyMoves(layout(("a", 1, "own"), racks=("rack_1", "rack_2")), FIRST)
    lab.take(("c0", started("c0", way(step("a")), preparing=prepared)))
    lab.take(("c1", started("c1", way(step("a"), afterwards="returns"))))
    lab.suggest("c1", 0.1)
    assert lab.lab.work.live["c1"]["0001"].place == "rack_2"


def test_a_person_is_asked_for_what_stands_at_the_place_of_a_sample_that_is_set_aside() -> None:
    lab = many(layout(("a", 1, "own"), racks=("rack_1",)), way(step("a", on_failure="quarantine")))
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-a_here")
    lab.take(("", Recounted(containers={"rack_1": "vial"})))
    lab.take(("c0", DrainAsked(by="Kim")))
    lab.end("c0/0001/a", "failed", fault="sample")
    assert [question.frees for question in lab.lab.work.questions.open.values()] == ["position:rack_1"]
    assert finished(lab) == {"completed"}
    assert any("to-rack_1" in one for one in lab.told)


def test_a_sample_that_is_set_aside_and_one_that_has_come_to_its_place_do_not_wait_for_each_other() -> None:
    lab = many(layout(("a", 1, "own"), racks=("rack_1",)), way(step("a", on_failure="quarantine")), way(step("a")))
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-a_here")
    lab.take(("", Recounted(containers={"rack_1": "vial"})))
    lab.suggest("c1", 0.1)
    lab.end("c0/0001/a", "failed", fault="sample")
    for _ in range(300):
        if not lab.patiently():
            break
    assert lab.lab.campaigns["c1"].phase in ("completed", "running")
    assert not lab.lab.work.live["c0"]


def test_a_person_is_asked_for_what_a_preparation_has_left_at_a_station_that_works_on_batches() -> None:
    prepared = preparing(step("warm", "a"))
    lab = ManyMoves(layout(("a", 2, "batch")), FIRST)
    lab.take(("c0", started("c0", way(step("a")), preparing=prepared)))
    lab.take(("c1", started("c1", way(step("a")))))
    lab.suggest("c1", 0.1)
    lab.take(("c0", SampleStopAsked(label="q", why="bad", now=True)))
    lab.end("c0/q/warm", "stopped")
    assert [question.frees for question in lab.lab.work.questions.open.values()] == ["station:a"]
    assert finished(lab) == {"completed", "failed"}


def without(plan: Layout, *positions: str) -> Layout:
    """The lab after a restart with other files: no transport reaches these positions any more."""
    carriers = {name: replace(one, reaches=one.reaches - {*positions}) for name, one in plan.carriers.items()}
    sites = {name: site for name, site in plan.sites.items() if not site.leaves or name not in positions}
    return replace(plan, carriers=carriers, sites=sites)


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("a_here", "no transport brings its container from a_here to waste"),
        ("waste", "no position of the lab takes its vial out"),
    ],
)
def test_a_person_is_asked_for_a_sample_that_no_transport_reaches_any_more(gone: str, words: str) -> None:
    plan = layout(("a", 1, "own"))
    lab = many(plan, way(step("a")), way(step("a")))
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-a_here")
    lab.plan = without(plan, gone)
    lab.crash()
    lab.suggest("c1", 0.1)
    lab.end("c0/0001/a")
    assert [question.text for question in lab.lab.work.questions.open.values() if words in question.text]
    lab.plan = plan
    lab.crash()
    assert finished(lab) == {"completed"}


def test_what_no_reason_explains_is_asked_about_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = layout(("a", 1, "own"))
    lab = many(plan, way(step("a")))
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-a_here")
    lab.plan = without(plan, "a_here")
    lab.crash()
    monkeypatch.setattr(Stuck, "removals", lambda self, waiting: iter(()))
    lab.end("c0/0001/a")
    assert [question.label for question in lab.lab.work.questions.open.values()] == ["0001"]


def test_a_stop_of_one_sample_stops_no_other() -> None:
    lab = many(layout(("a", 1, "own")), way(step("a")))
    lab.lab.dispatcher.held = lambda: {"c0"}
    lab.suggest("c0", 0.1)
    lab.suggest("c0", 0.1)
    lab.latch(latch_sample("c0", "0001"))
    lab.lab.dispatcher.held = lambda: ()
    lab.take()
    assert [*lab.running] == ["c0/0002/to-a_here"]


def test_a_sample_in_a_rack_that_another_arm_reaches_does_not_wait_for_the_lost_one() -> None:
    plan = layout(("a", 3, "own"), arms=2)
    arms = plan.carriers
    odd = {name for name in plan.sites if name.startswith("rack") and int(name[-1]) % 2}
    even = {name for name in plan.sites if name.startswith("rack")} - odd
    first = replace(arms["arm_1"], reaches=arms["arm_1"].reaches - even)
    second = replace(arms["arm_2"], reaches=arms["arm_2"].reaches - odd)
    lab = ManyMoves(replace(plan, carriers={"arm_1": first, "arm_2": second}), FIRST)
    lab.take(("c0", started("c0", way(step("a")), budget=4, parallel=4)))
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-a_1", "unknown")
    for _ in range(3):
        lab.suggest("c0", 0.1)
    lab.end("c0/0002/to-a_2")
    assert any(key.startswith("c0/0004") for key in lab.running), "0003 needs the lost arm, 0004 does not"


def test_what_closes_out_a_stopped_sample_does_not_wait_for_what_others_of_its_campaign_lack() -> None:
    lab = many(layout(("a", 1, "own"), ("b", 1, "own")), way(step("a"), step("b", always=True)), way(step("a")))
    lab.suggest("c1", 0.1)
    lab.end("c1/0001/to-a_here")
    lab.suggest("c0", 0.1)
    lab.suggest("c0", 0.1)
    lab.take(("c0", SampleStopAsked(label="0002", why="bad", now=True)))
    assert "c0/0002/to-b_here" in lab.running
    assert finished(lab) == {"completed"}


def test_a_station_with_one_recipe_at_a_time_keeps_containers_of_another_kind_out_too() -> None:
    plan = layout(("a", 2, "batch"), ("b", 1, "own"), racks=("rack_1", "rack_2"))
    kinds = {"rack_2": {"jar"}, "a_1": {"jar"}, "b_here": {"vial", "jar"}, "waste": {"vial", "jar"}}
    sites = {name: replace(site, takes=frozenset(kinds.get(name, {"vial"}))) for name, site in plan.sites.items()}
    arms = {name: replace(one, labware=frozenset({"vial", "jar"})) for name, one in plan.carriers.items()}
    jars = way(step("b"), step("a", recipe=X), step("again", "b"), labware="jar")
    vials = way(step("a"), step("b"), step("again", "a"))
    lab = many(replace(plan, sites=sites, carriers=arms), jars, vials)
    lab.suggest("c1", 0.1)
    lab.end("c1/0001/to-a_2")
    lab.suggest("c0", 0.1)
    assert [*lab.running] == ["c1/0001/a"], "c0 would have b, which c1 needs next, and wait for c1 to be done with a"
    assert finished(lab) == {"completed"}
    assert not removals(lab)


def test_a_sample_has_all_of_its_way_until_it_has_come_to_its_end() -> None:
    plan = handed_over(layout(("a", 1, "own"), ("b", 1, "own"), arms=2), 1, chain=True)
    lab = many(plan, way(step("b")))
    lab.suggest("c0", 0.1)
    lab.latch(latch_station("arm_2"))
    lab.end("c0/0001/to-shelf")
    taken = lab.lab.reservations.taken
    assert {"position:shelf", "position:stand", "position:b_here"} <= taken.keys(), "another could stand in its way"
    lab.reset(latch_station("arm_2"))
    lab.end("c0/0001/to-stand")
    assert "position:shelf" not in taken
    lab.end("c0/0001/to-b_here")
    assert {"position:shelf", "position:stand"}.isdisjoint(taken)
    assert not [key for key in lab.lab.work.live["c0"]["0001"].booked if key.startswith("via:")]


def test_a_sample_that_is_set_aside_has_all_of_its_way_back() -> None:
    plan = handed_over(layout(("a", 1, "own"), ("b", 1, "own"), arms=2), 1, chain=True)
    lab = many(plan, way(step("b", on_failure="quarantine")))
    lab.suggest("c0", 0.1)
    for name in ("to-shelf", "to-stand", "to-b_here"):
        lab.end(f"c0/0001/{name}")
    lab.end("c0/0001/b", "failed", fault="sample")
    lab.crash()
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-stand~2")
    assert lab.lab.reservations.taken["position:shelf"].label == "0001"
    assert finished(lab) == {"completed"}


def test_none_comes_to_a_batch_station_from_which_it_has_to_pass_one_who_waits_for_a_later_batch_there() -> None:
    """Two positions are not enough for two that pass each other: what is done there keeps a batch from beginning."""
    plan = layout(("a", 1, "own"), ("b", 2, "batch"), ("d", 1, "own"), arms=2)
    lab = many(
        plan,
        way(step("b", recipe=X), step("d")),
        way(step("a"), step("b", recipe=X)),
        way(step("d"), step("b", recipe=X)),
    )
    for campaign, site in (("c2", "d_here"), ("c1", "a_here")):
        lab.suggest(campaign, 0.1)
        lab.end(f"{campaign}/0001/to-{site}")
    lab.suggest("c0", 0.1)
    assert [*lab.running] == ["c2/0001/d", "c1/0001/a"], "c0 in b would wait for d, c2 there for b, and c1 come between"
    assert finished(lab) == {"completed"}
    assert not removals(lab)


def test_a_preparation_waits_for_the_samples_whose_places_it_needs() -> None:
    plan = layout(("mixer", 1, "own"), ("meter", 1, "own"), ("oven", 1, "own"))
    shared = {"mixer": ("plate",), "meter": ("plate",)}
    prepares = preparing(step("warm", "meter"), step("there", "arm_1", needs=("warm",), keeps=("rack_2",)))
    busy = started("b", way(step("oven")), budget=1)
    deck = Deck(plan, busy, started("c", way(step("mixer"), step("meter")), shared, budget=1))
    deck.take({"d": started("d", way(step("mixer")), shared, preparing=prepares, budget=1)})
    assert [*deck.running] == ["b/0001/to-oven_here"], "it keeps the plate from the sample whose place it needs"
    deck.run()
    assert set(deck.phases()) == {"completed"}, deck.told


def test_no_sample_begins_where_a_preparation_under_way_will_put_something() -> None:
    plan = layout(("mixer", 1, "own"), ("meter", 1, "own"), racks=("rack_1", "rack_2"))
    prepares = preparing(step("warm", "meter"), step("there", "arm_1", needs=("warm",), keeps=("rack_1",)))
    deck = Deck(plan, started("d", way(step("mixer")), preparing=prepares, budget=1))
    deck.take({"c": started("c", way(step("mixer")), budget=1)})
    assert "c/0001/to-mixer_here" in deck.running
    assert deck.lab.campaigns["c"].live["0001"].stands_at == "rack_2"
    deck.run()
    assert deck.phases() == ["completed", "completed"], deck.told


def test_what_was_left_in_one_of_several_stations_is_asked_for_by_the_sample_that_stands_there() -> None:
    lab = ManyMoves(layout(("c", 1, "own"), ("d:c", 1, "own")), FIRST)
    warm = preparing(step("warm", "c"))
    for name in ("c0", "c1"):
        lab.take((name, started(name, way(step("c")), preparing=warm, prepare_anew=True)))
    assert [run.station for run in lab.running.values()] == ["c", "d"]
    for name in ("c0", "c1"):
        lab.take((name, StopAsked(why="enough", now=True)))
        lab.end(f"{name}/q/warm", "unknown")
    assert {core.phase for core in lab.lab.campaigns.values()} == {"stopped"}
    lab.take(("c2", started("c2", way(step("c")), budget=2)))
    assert finished(lab) == {"stopped", "completed"}
    assert len(removals(lab)) == 2, "one for each station"
