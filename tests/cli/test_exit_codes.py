"""The exit codes of the manual: whose mistake it was is told by a number, and nothing was started."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forks import labwright

MANUAL = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
NOWHERE = "/nonexistent/lab"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--version", 0),
        ("schema lab", 0),
        ("planner list", 0),
        ("nonsense", 2),
        ("schema foo", 2),
        ("campaign run", 2),
        ("campaign run conductivity --budget 0", 2),
        ("planner compare conductivity --seeds 0", 2),
        ("run export x x.xlsx --data DATA", 2),
        ("run export x x --data DATA", 2),
        ("run export x x.csv --data DATA", 3),
        (f"doctor --lab {NOWHERE}", 3),
        (f"check --lab {NOWHERE}", 3),
        (f"station list --lab {NOWHERE}", 3),
        (f"run list --data {NOWHERE}", 3),
        (f"planner explain --data {NOWHERE}", 3),
        ("campaign run nosuch --simulated --data DATA", 3),
        ("planner compare conductivity --planners nosuch", 3),
        ("station test nosuch --simulated", 3),
    ],
)
def test_the_exit_code_says_whose_mistake_it_was(words: str, code: int, tmp_path: Path) -> None:
    arguments = [str(tmp_path) if word == "DATA" else word for word in words.split()]
    done = labwright(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(rf"^\| {code} \|", MANUAL.read_text(), re.M), "the manual says what it means"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_closed_standard_stream_changes_no_exit_code(closed: str) -> None:
    verb = f"{sys.executable} -m labwright run list --data {NOWHERE} --json {closed}"
    done = subprocess.run(["sh", "-c", verb], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == (" >&-" not in f" {closed}"), "where it is not closed it is written"
    assert bool(done.stderr) == ("2>&-" not in closed)
