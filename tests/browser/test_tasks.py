"""What five tasks of a newcomer cost in the console: clicks, as upper limits; seconds are measured elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.console_tasks.ours import done, task_lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

CLICKS_MOST = {
    "find vial 7's spectrum": 2,
    "approve a request": 3,
    "start a campaign": 2,
    "see when DMC runs out": 1,
    "stop the arm": 2,
}


def test_five_tasks_take_few_clicks_and_no_more_keys_than_a_reason_has(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with task_lab(tmp_path_factory.mktemp("tasks")) as lab:
        found = done(chromium, lab)
    assert {name: hand.clicks for name, hand in found.items() if hand.clicks > CLICKS_MOST[name]} == {}
    assert set(found) == set(CLICKS_MOST)
    assert [name for name, hand in found.items() if hand.keys] == ["approve a request"]
