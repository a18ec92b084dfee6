"""The lab is well-formed, and its campaign runs on simulated instruments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LAB = Path(__file__).parents[1]


def labwright(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labwright", *words], cwd=LAB, capture_output=True, text=True, timeout=120
    )


def test_the_lab_is_well_formed() -> None:
    done = labwright("check")
    assert done.returncode == 0, done.stderr


def test_the_campaign_runs(tmp_path: Path) -> None:
    done = labwright("campaign", "run", "first", "--simulated", "--no-store", "--data", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stderr
    assert (tmp_path / "report.html").exists()
