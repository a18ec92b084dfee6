"""The benchmark runs and says what the default planner is for: it beats chance on the same laboratory."""

from __future__ import annotations

import re

import pytest

from benchmarks.electrolyte_planner import main


@pytest.mark.slow
def test_two_campaigns_reach_the_goal_and_beat_random_search(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--first-seed", "100", "--seeds", "2", "--experiments", "20"])
    printed = capsys.readouterr().out
    assert "optimum 13.846 mS/cm" in printed
    assert "after 20 in 2" in printed
    rows = re.findall(r"^ *\d+   ([\d.]+) ([\d.]+)  ([\d.]+) ([\d.]+)", printed, re.MULTILINE)
    assert len(rows) == 2
    assert all(float(gp) > float(random) for _, gp, _, random in rows)
