"""The keystroke-level model's sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from benchmarks.console_tasks.hand import Hand

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_person_takes_the_sum_of_the_operators() -> None:
    hand = Hand(cast("Page", None), operators="MPBBMPBBHMKKKH")
    assert hand.person_s == pytest.approx(3 * 1.35 + 2 * 1.1 + 4 * 0.1 + 2 * 0.4 + 3 * 0.28)
    assert hand.sequence == "M P 2B M P 2B H M 3K H"
