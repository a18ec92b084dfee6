"""The report of campaigns whose objective is not simply large or small."""

import re
from typing import Any

import pytest

from labwright.engine.events import Ask, Event, RunStep
from labwright.model.campaign import PlannerSpec
from labwright.report import cards_of, html
from labwright.report.record import CampaignRecord
from tests.engine.alone import Alone
from tests.engine.test_core import ended, started, suggested

BY_THE_MODEL = "best so far, by the planner's model / mm"
MOST = {"name": "y", "goal": "max", "unit": "1"}


def record(values: list[dict[str, float]], planner: str = "random", **changes: Any) -> CampaignRecord:
    core = Alone()
    one = CampaignRecord("c-1", core.core)
    left = list(values)

    def take(event: Event) -> list[Any]:
        if event.kind == "step_ended":
            _, label, step = event.outcome.step_id.rsplit("/", 2)
            one.steps[label, step] = event.outcome
        return list(core.handle(event))

    first = started(budget=len(values), **changes)
    spec = first.spec.model_copy(update={"planner": PlannerSpec(name=planner)})
    pending = take(first.model_copy(update={"spec": spec}))
    while pending:
        now = pending.pop(0)
        if isinstance(now, Ask):
            pending += take(suggested(0.1 + 0.2 * len(left)))
        elif isinstance(now, RunStep):
            pending += take(ended(now, "done", **(left.pop(0) if now.order.step == "measure" else {})))
    return one


@pytest.mark.parametrize(
    ("objective", "wanted", "best"),
    [
        ({"goal": "target", "target": 5.0}, "y near 5", [9.0, 4.5, 4.5]),
        ({"goal": "range", "low": 1.0, "high": 2.0}, "y within 1 to 2", [9.0, 4.5, 1.5]),
        ({"goal": "min"}, "y as small as possible", [9.0, 4.5, 1.5]),
    ],
)
def test_what_is_wanted_is_said_and_the_best_is_so_by_merit(
    objective: dict[str, Any], wanted: str, best: list[float]
) -> None:
    one = record([{"y": 9.0}, {"y": 4.5}, {"y": 1.5}], objective={"name": "y", "unit": "1", **objective})
    assert one.best_so_far() == best
    assert wanted in html(one)


def test_several_objectives_have_a_front_and_limits_are_kept() -> None:
    one = record(
        [{"y": 9.0, "z": 1.0}, {"y": 4.0, "z": 3.0}, {"y": 3.0, "z": 2.0}, {"y": 2.0, "z": 9.0}],
        more_objectives=[{"name": "z", "goal": "max", "unit": "g"}],
        outcome_limits=[{"name": "y", "unit": "1", "high": 5}],
    )
    assert one.best_so_far() == [None, 4.0, 4.0, 4.0]
    page = html(one)
    assert "Pareto front" in page
    assert "For each of these 2 of 4 experiments" in page
    assert "of those that keep the limits" in page
    assert "z / g" in page


def test_each_objective_has_its_best_and_each_two_of_them_a_front() -> None:
    one = gp(
        [{"y": 9.0, "z": 1.0, "w": 2.0}, {"y": 4.0, "z": 3.0, "w": 1.0}, {"y": 2.0, "z": 9.0, "w": 3.5}],
        more_objectives=[{"name": "z", "goal": "max", "unit": "g"}, {"name": "w", "goal": "min", "unit": "mm"}],
    )
    pictures = cards_of(one)
    assert str(pictures["Pareto front"].picture).count("<svg") == 3
    assert {"Best y so far", "Best z so far", "Best w so far"} <= {card.title for card in pictures}
    assert pictures["Best w so far"].columns == ("experiment", "measured / mm", "by the model / mm", BY_THE_MODEL)
    page = html(one)
    assert "<dt>Best single z</dt><dd>9 g<small>experiment 0003, as measured</small>" in page
    assert "<dt>Best single w</dt><dd>1 mm<small>experiment 0002, as measured</small>" in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "pictures of one title are told apart"


def test_where_nothing_counts_there_is_still_a_report() -> None:
    one = record([{"y": 9.0}, {"y": 8.0}], outcome_limits=[{"name": "y", "unit": "1", "high": 5}])
    assert one.best_so_far() == [None, None]
    assert "Best so far" in html(one)


def gp(values: list[dict[str, float]], **changes: Any) -> CampaignRecord:
    return record(values, planner="gp", **changes)


def test_what_is_drawn_as_the_best_is_the_models_estimate_and_the_lucky_mean_is_marked() -> None:
    """Five readings of the same and one lucky one: the luck is no best."""
    one = gp([{"y": y, "y_sem": 1.0} for y in (5.0, 5.2, 4.9, 9.0, 5.1, 4.8)], objective=MOST)
    page = html(one)
    (line,) = re.findall(r"best so far, by the planner&#x27;s model: ([\d.]+) after 6", page)
    assert float(line) < 8.5
    assert "best single means, as measured" in page
    assert "the luckiest reading, no estimate" in page


def test_in_a_simulated_world_the_best_so_far_is_the_true_value() -> None:
    class World:
        """Knows the truth, and what cannot be beaten."""

        def truth(self, made: dict[str, float]) -> float:
            return 5.0

        def best_possible(self, fixed: dict[str, float]) -> tuple[dict[str, float], float]:
            return {"x": 0.5}, 5.5

        def made(self) -> list[dict[str, float]]:
            return []

    page = html(gp([{"y": 5.0}, {"y": 9.0}, {"y": 4.0}], objective=MOST), World())
    assert "true value of the best so far, chosen by the planner&#x27;s model: 5 after 3" in page
    assert "true optimum 5.5" in page


def test_small_numbers_are_numbers_in_the_report() -> None:
    one = gp([{"y": 1.5e-13, "y_sem": 2e-15}, {"y": 3.14e-13, "y_sem": 2e-15}], objective={**MOST, "unit": "A"})
    page = html(one)
    assert "(3.140 ± 0.020)e-13" in page
    assert not re.search(r"<td>-?0\.0+( ± 0\.0+)?<", page), "nothing is rounded to zero"


def test_small_numbers_are_numbers_on_the_pareto_front() -> None:
    one = record(
        [{"y": 9.5e-13, "z": 1.25e-10}, {"y": 4e-13, "z": 3.5e-10}],
        objective={**MOST, "unit": "A"},
        more_objectives=[{"name": "z", "goal": "max", "unit": "F"}],
    )
    front = html(one).partition("Pareto front")[2].partition("</table>")[0]
    for shown in ("9.5e-13", "1.25e-10", "4e-13", "3.5e-10"):
        assert f"<td>{shown}</td>" in front


def test_large_numbers_that_hardly_differ_are_told_apart_in_the_report() -> None:
    page = html(record([{"y": 10_000_123.0}, {"y": 10_000_171.0}], objective={**MOST, "unit": "Hz"}))
    every = page.partition("<h2>Every experiment")[2]
    assert "<td>10000123</td>" in every
    assert "<td>10000171</td>" in every


def test_each_of_several_objectives_has_its_model() -> None:
    page = html(
        gp(
            [{"y": 9.0, "z": 1.0}, {"y": 4.0, "z": 3.0}, {"y": 3.0, "z": 2.0}],
            more_objectives=[{"name": "z", "goal": "max", "unit": "g"}],
        )
    )
    assert "model of y along x" in page
    assert "model of z along x" in page
