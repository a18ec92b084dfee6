"""The report of campaigns whose objective is not simply large or small."""

from typing import Any

import pytest

from labwright.engine import CampaignCore
from labwright.engine.events import Ask, Event, RunStep
from labwright.report import html
from labwright.report.record import CampaignRecord
from tests.engine.test_core import ended, started, suggested


def record(values: list[dict[str, float]], **changes: Any) -> CampaignRecord:
    core = CampaignCore()
    one = CampaignRecord("c-1", core)
    left = list(values)

    def take(event: Event) -> list[Any]:
        if event.kind == "step_ended":
            _, label, step = event.outcome.step_id.rsplit("/", 2)
            one.steps[label, step] = event.outcome
        return list(core.handle(event))

    pending = take(started(budget=len(values), **changes))
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
    assert "What no other experiment beats" in page
    assert "No other experiment is better than one of these 2, of 4" in page
    assert "of those that keep the limits" in page
    assert "z / g" in page


def test_where_nothing_counts_there_is_still_a_report() -> None:
    one = record([{"y": 9.0}, {"y": 8.0}], outcome_limits=[{"name": "y", "unit": "1", "high": 5}])
    assert one.best_so_far() == [None, None]
    assert "Best so far" in html(one)
