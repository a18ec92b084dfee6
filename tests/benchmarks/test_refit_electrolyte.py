"""The committed coefficients are what the refit prints, and they fit."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.refit_electrolyte import main
from simulators.electrolyte import COEFFICIENTS_FILE
from tests.shared_data import shared_data


def test_the_committed_coefficients_are_those_of_the_public_record(capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_data("clio")
    before = COEFFICIENTS_FILE.read_bytes()
    main([str(folder)])
    printed = capsys.readouterr().out
    assert COEFFICIENTS_FILE.read_bytes() == before, "nothing is written unless asked for"
    committed = json.loads(before)["values"]
    for name, values in committed.items():
        (line,) = re.findall(rf"^{name} (.*)$", printed, re.MULTILINE)
        assert values == pytest.approx(json.loads(line), abs=2e-4)
    (points, r2, rms) = re.findall(r"model table: (\d+) points, R2 ([\d.]+), rms error ([\d.]+)", printed)[0]
    assert int(points) == 197
    assert float(r2) > 0.995
    assert float(rms) < 0.14
    (median,) = re.findall(r"median model/measured ([\d.]+)", printed)
    assert float(median) == pytest.approx(0.99, abs=0.01)
    bands = {float(low): float(value) for low, value in re.findall(r"  ([\d.]+) to .*?median ([\d.]+)", printed)}
    assert all(abs(bands[low] - 1) < 0.03 for low in (0.6, 1.0)), "right where the optimum lies"
    assert bands[0.0] < 0.85, "and known to be low where there is hardly any salt"
    assert "13.85 mS/cm at 1.11 mol/kg, EC 0.33, DMC share 1.00" in printed
