"""Stations that a sample holds from one step to the next, though its container is elsewhere meanwhile."""

from __future__ import annotations

from labwright.engine.events import Answered
from tests.engine.moving import Deck, layout, started, step, way
from tests.engine.test_stuck import finished, many, removals

FILL, FINISH = step("fill", "cell", holds=True), step("finish", "cell", sample=False)


def test_none_is_brought_to_a_station_whose_holder_must_come_back_there() -> None:
    there_and_back = way(FILL, step("oven"), step("again", "cell"))
    lab = many(layout(("cell", 1, "own"), ("oven", 1, "own")), there_and_back, way(step("cell")))
    lab.suggest("c0", 0.1)
    for name in ("to-cell_here", "fill", "to-oven_here"):
        lab.end(f"c0/0001/{name}")
    lab.suggest("c1", 0.1)
    assert [*lab.running] == ["c0/0001/oven"], "c1 would stand where c0 has to be next, and wait for the cell"
    assert finished(lab) == {"completed"}
    assert not removals(lab)


def test_the_next_one_is_brought_while_what_its_station_holds_is_finished() -> None:
    lab = many(layout(("cell", 1, "own")), way(FILL, step("finish", "cell", 300, sample=False)), way(step("cell")))
    lab.suggest("c0", 0.1)
    lab.end("c0/0001/to-cell_here")
    lab.suggest("c1", 0.1)
    for name in ("fill", "to-waste"):
        lab.end(f"c0/0001/{name}")
    assert [*lab.running] == ["c0/0001/finish", "c1/0001/to-cell_here"]
    lab.end("c1/0001/to-cell_here")
    assert [*lab.running] == ["c0/0001/finish"]
    assert finished(lab) == {"completed"}


def test_one_of_several_stations_of_a_kind_stays_its_samples() -> None:
    plan = layout(("left:cell", 1, "own"), ("right:cell", 1, "own"), ("oven", 1, "own"))
    deck = Deck(plan, started("c", way(FILL, step("oven", takes_s=500), FINISH), budget=4, parallel=3))
    deck.run()
    assert deck.phases() == ["completed"]
    at = {line.split()[1]: line.split()[3] for line in deck.told}
    for number in range(1, 5):
        assert at[f"c/000{number}/fill"] == at[f"c/000{number}/finish"]
    steps = [line.split()[1] for line in deck.told if line.endswith("left")]
    pairs = list(zip(steps[::2], steps[1::2], strict=True))
    assert all(first.replace("fill", "finish") == second for first, second in pairs), "another came in between"


def test_a_station_is_held_until_a_step_that_is_repeated_has_ended() -> None:
    measured = way(FILL, step("finish", "cell", sample=False, on_failure="ask"))
    deck = Deck(
        layout(("cell", 1, "own")), started("c", measured, budget=1), started("d", way(step("cell")), priority=1)
    )
    deck.lab.dispatcher.held = lambda: {"d"} if "c/0001/finish" not in str(deck.told) else ()
    while "c/0001/finish" not in deck.running:
        assert deck.next()
    while len(deck.running) > 1:
        deck.next()
    deck.end("c/0001/finish", "failed")
    deck.take({"c": Answered(question="c:q1", answer="again", by="Kim", because="looked")})
    assert "c/0001/finish" in deck.running
    deck.run()
    assert deck.phases() == ["completed", "completed"]
