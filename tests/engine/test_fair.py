"""Who is served: equal parts of a lab for projects and campaigns, and those that are behind their deadlines first."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labwright.engine.dispatch import OVERTAKEN
from labwright.engine.events import Granted, Started, Suggested
from labwright.engine.rules import Rule
from labwright.engine.snapshots import dumped
from labwright.model.campaign import Suggestion
from tests.engine.moving import Deck, layout, started, step, way

MANY = [f"rack_{number}" for number in range(1, 200)]
ROW = layout(("mixer", 1, "own"), racks=MANY, move_s=0.0)
"""All samples go through one station."""


def mixing(campaign: str, takes_s: float, **changes: Any) -> Started:
    return started(campaign, way(step("mixer", takes_s=takes_s)), **{"budget": 40, **changes})


def begun(deck: Deck, most: int = 1000) -> list[str]:
    """Campaigns whose samples began at the mixer, in this order."""
    first = [line.split()[1].split("/")[0] for line in deck.told if "/mixer at" in line]
    return first[:most]


def run_until(deck: Deck, samples: int) -> list[str]:
    while len(begun(deck)) < samples and deck.next():
        pass
    return begun(deck, samples)


def most_behind(order: list[str], work_s: dict[str, float]) -> float:
    """The largest difference of what any two campaigns had at any time, by their share."""
    had = dict.fromkeys(work_s, 0.0)
    most = 0.0
    for name in order:
        had[name] += work_s[name]
        most = max(most, max(had.values()) - min(had.values()))
    return most


def test_each_campaign_gets_its_part_within_one_samples_work() -> None:
    deck = Deck(ROW, mixing("many", 100, parallel=4), mixing("few", 300, parallel=2))
    order = run_until(deck, 40)
    assert most_behind(order, {"many": 100, "few": 300}) <= 300
    assert Counter(order) == {"many": 30, "few": 10}


def test_a_share_of_two_is_twice_as_much() -> None:
    deck = Deck(ROW, mixing("a", 100, share=2), mixing("b", 100), mixing("c", 100))
    assert Counter(run_until(deck, 24)) == {"a": 12, "b": 6, "c": 6}


def test_projects_have_equal_parts_and_their_campaigns_share_them() -> None:
    deck = Deck(
        ROW,
        mixing("a", 100, project="solar"),
        mixing("b", 100, project="solar"),
        mixing("c", 100, project="solar"),
        mixing("d", 100, project="battery"),
    )
    assert Counter(run_until(deck, 24)) == {"a": 4, "b": 4, "c": 4, "d": 12}


def test_a_campaign_that_comes_later_does_not_make_up_for_what_it_missed() -> None:
    deck = Deck(ROW, mixing("a", 100))
    run_until(deck, 20)
    deck.take({"b": mixing("b", 100)})
    after = run_until(deck, 32)[20:]
    assert Counter(after)["b"] in (6, 7)


def test_what_steps_took_counts_not_what_they_should_take() -> None:
    deck = Deck(ROW, mixing("a", 100), mixing("b", 100))
    deck.takes_s = lambda order: order.expected_s * (3 if order.campaign == "a" and not order.move else 1)
    order = Counter(run_until(deck, 32))
    assert order["b"] == pytest.approx(3 * order["a"], abs=4)


def test_where_equally_much_is_due_the_rule_decides() -> None:
    first = [mixing(name, takes_s, budget=1) for name, takes_s in (("a", 100), ("b", 300), ("c", 50), ("d", 200))]
    deck = Deck(ROW, rule=Rule("shortest"))
    for event in first:
        deck.lab.handle(event.campaign, event, 0.0)
        deck.lab.handle(event.campaign, Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r")), 0.0)
    deck.take({})
    assert run_until(deck, 4) == ["c", "a", "d", "b"]


def test_a_higher_priority_still_comes_first() -> None:
    deck = Deck(ROW, mixing("a", 100), mixing("b", 100, priority=1, budget=6))
    assert run_until(deck, 8) == ["a", *["b"] * 6, "a"], "a had begun when b came"


def test_the_campaign_that_is_behind_its_deadline_comes_first() -> None:
    hour_s = 3600.0
    late, tight = (datetime.fromtimestamp(hours * hour_s, UTC) for hours in (20, 7.5))
    deck = Deck(
        ROW,
        mixing("a", hour_s),
        mixing("late", hour_s, budget=6, deadline=late),
        mixing("tight", hour_s, budget=6, deadline=tight),
    )
    order = run_until(deck, 18)
    assert order[1:7] == ["tight"] * 6, "a had begun when they came"
    assert max(number for number, name in enumerate(order) if name == "late") < 18, "and it ends in time as well"


def test_a_deadline_that_is_far_away_changes_nothing() -> None:
    far = datetime.fromtimestamp(1e7, UTC)
    plain, with_deadline = (
        run_until(Deck(ROW, mixing("a", 100, **one), mixing("b", 300)), 20) for one in ({}, {"deadline": far})
    )
    assert plain == with_deadline


def test_a_campaign_waits_for_so_many_of_another_that_is_late_and_no_more() -> None:
    deck = Deck(ROW, mixing("a", 100), mixing("late", 100, deadline=datetime.fromtimestamp(100, UTC)))
    order = run_until(deck, 36)
    assert "".join("." if name == "late" else "a" for name in order) == "a" + ("." * OVERTAKEN + "a") * 3 + ".."


def test_it_is_recorded_why_a_sample_starts_before_others() -> None:
    hour_s = 3600.0
    deck = Deck(
        ROW,
        mixing("a", 100, project="solar", budget=3),
        mixing("b", 100, project="solar", budget=3),
        mixing("c", 100, budget=3),
        mixing("high", 100, priority=1, budget=1),
        mixing("late", 100, budget=1, deadline=datetime.fromtimestamp(hour_s / 60, UTC)),
    )
    deck.run()
    granted = [(campaign, event) for campaign, event, _ in deck.log if isinstance(event, Granted) and event.why]
    told = [f"{campaign}/{label}: {words}" for campaign, event in granted for label, words in event.why.items()]
    assert list(dict.fromkeys(told))[:4] == [
        "high/0001: its campaign has the higher priority",
        "late/0001: its campaign is behind its deadline",
        "c/0001: its campaign has had least",
        "b/0001: its campaign has had least of its project",
    ]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(1, 1000),
            st.integers(1, 4),
            st.sampled_from([0.5, 1, 3]),
            st.sampled_from([None, "p", "q"]),
            st.sampled_from([None, 1, 1e7]),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_no_campaign_is_passed_for_ever(campaigns: list[tuple[float, int, float, str | None, float | None]]) -> None:
    deck = Deck(
        layout(("mixer", 1, "own"), ("oven", 2, "own"), move_s=1.0, racks=MANY),
        *(
            started(
                f"c{number}",
                way(step("mixer", takes_s=takes_s), step("oven", takes_s=50.0)),
                budget=5,
                parallel=parallel,
                share=share,
                project=project,
                deadline=None if deadline is None else datetime.fromtimestamp(deadline, UTC),
            )
            for number, (takes_s, parallel, share, project, deadline) in enumerate(campaigns)
        ),
    )
    deck.run()
    order = begun(deck)
    assert set(deck.phases()) == {"completed"}
    most = OVERTAKEN * (len(campaigns) - 1) + sum(parallel for _, parallel, *_ in campaigns)
    for name in set(order):
        at = [number for number, one in enumerate(order) if one == name]
        gaps = [after - before - 1 for before, after in itertools.pairwise([-1, *at])]
        assert max(gaps) <= most


def test_what_was_had_is_in_a_snapshot_and_in_the_events() -> None:
    deck = Deck(ROW, mixing("a", 100, parallel=4, project="p"), mixing("b", 300, project="p"), mixing("c", 50, share=2))
    run_until(deck, 15)
    again = type(deck.lab)()
    for campaign, event, at_s in deck.log:
        again.handle(campaign, event, at_s)
    assert dumped(again, whole=True) == dumped(deck.lab, whole=True)
    assert again.work.fair.had_s
