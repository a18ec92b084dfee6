"""The lab with one station for each way to find out what an operation has come to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forks import labwright

ROOT = Path(__file__).parents[2]
LAB = ROOT / "tests" / "labs" / "fourways"

MYPY = """[mypy]
strict = True
explicit_package_bases = True
disallow_subclassing_any = False
warn_return_any = False
[mypy-ophyd.*]
ignore_missing_imports = True
"""


def run(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=100
    )


def test_it_has_no_mistakes() -> None:
    done = labwright("check", "--lab", LAB)
    assert done.returncode == 0, done.stderr


def test_it_has_no_mistakes_for_mypy(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text(MYPY)
    options = ("--config-file", tmp_path / "mypy.ini", "--cache-dir", ROOT / ".mypy_cache" / "fourways")
    done = run("mypy", *options, "devices", "protocols", "simulators", cwd=LAB)
    assert done.returncode == 0, done.stdout


def test_a_gateway_with_a_command_table_passes_the_suite_for_drivers() -> None:
    done = run("conformance_of_fourways", "doser", cwd=LAB.parent)
    assert done.returncode == 0, done.stderr
    assert "tells_whether_it_was_done" in json.loads(done.stdout)


@pytest.mark.slow
def test_its_campaign_runs(tmp_path: Path) -> None:
    words = ("--lab", LAB, "--simulated", "--speed", "20", "--no-store", "--data", tmp_path, "--json")
    done = labwright("campaign", "run", "ways", *words)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[-1]["state"] == "completed"
    x = [one["suggestion"]["params"]["x"] for one in told if one.get("kind") == "suggested"]
    y = [one["outcome"]["results"]["y"] for one in told if one.get("outcome", {}).get("results")]
    assert y == pytest.approx([1 - ((50 + 100 * one) / 250 - 0.4) ** 2 for one in x], abs=1e-3), "all was in the beaker"
