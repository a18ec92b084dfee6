"""A dose that a crash and a power cut have cut short: completed, taken as it is, or given once more."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from labwright.journal import schema
from tests.killing.bench import Kill, bench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("answer", ["rest", "take", "again"])
def test_a_half_dose(answer: str, tmp_path: Path) -> None:
    with bench(tmp_path / "bench", ml_per_min=0.15) as one:
        one.answers = [answer]
        assert one.run(Kill("middle of pump"), budget=1) < 0, one.said()
        time.sleep(0.6)  # 12 s of lab time: of 40 s that the dose takes, so that a busy machine is not too late
        one.fault("pump", "power_cycle")
        assert one.run() == 0, one.said()[-2000:]
        ((text, choices),) = one.offered.items()
        asked, counted, parts = _parts(one)
        assert f"pump.volume: {counted:g} ul of {asked:g} ul are counted" in text
        assert list(choices) == ["rest", "take", "again", "done", "abandon"]
        assert choices["rest"] == (
            f"Do the missing {asked - counted:.6g} ul now; with the {counted:g} ul counted so far that makes the "
            f"{asked:g} ul asked for"
        )
        assert f"{counted:g} ul are recorded instead of {asked:g} ul" in choices["take"]
        assert f"on top of the {counted:g} ul counted: {counted + asked:.6g} ul in all" in choices["again"]
        wanted = {"rest": [counted, asked - counted], "take": [counted], "again": [counted, asked]}[answer]
        assert parts == pytest.approx(wanted, abs=1e-6)
        assert one.given_ul()["pump"] == pytest.approx(sum(wanted), abs=3.0)


def _parts(one: Any) -> tuple[float, float, list[float]]:
    """What the pump was asked for, what it counted when it was cut short, and all that is confirmed."""
    rows = [row for row in one.rows(schema.intent) if row["device"] == "pump"]
    assert [row["state"] for row in rows] == ["confirmed"] * len(rows)
    first = rows[0]
    assert first["decided_by"] == "operator"
    assert re.match(r"pump.volume counts [\d.]+ of [\d.]+ ul; looked at the beaker", first["words"])
    assert 10 < first["value"] < first["asked"] - 10
    return first["asked"], first["value"], [row["value"] for row in rows]
