"""Tables are read as their sources wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planners.tables import LIANG, NINE, read_table, read_tables
from labwright.model.space import Categorical, Real
from tests.shared_data import shared_data

DISTINCT = {
    "P3HT": 178,
    "AgNP": 164,
    "Perovskite": 94,
    "AutoAM": 100,
    "Crossed_barrel": 600,
    "suzuki_i": 74,
    "buchwald_c": 792,
    "photo_pce10": 1020,
    "perovskites": 192,
}


def test_repeats_are_averaged_and_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    file = tmp_path / "pvlab_Perovskite.csv"
    file.write_bytes(b"\xef\xbb\xbfCsPbI (%),FAPbI,Instability\r\n0,1,10\r\n0,1,20\r\n50,0,7")
    table = read_table(file)
    assert table.rows == ({"CsPbI (%)": 0.0, "FAPbI": 1.0}, {"CsPbI (%)": 50.0, "FAPbI": 0.0})
    assert table.y.tolist() == [15.0, 7.0]
    assert table.goal == "min"
    assert table.losses.tolist() == [15.0, 7.0]
    assert table.unit.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert table.parameters[0] == Real(name="CsPbI (%)", low=0, high=50, unit="%")


def test_a_table_without_header_is_named_by_its_config(tmp_path: Path) -> None:
    olympus(tmp_path, "L2,60,5,1\nL1,30,8,2\nL2,60,7,1")
    table = read_table(tmp_path / "oly_made_up.csv")
    assert table.name == "made_up"
    assert table.parameters == (
        Categorical(name="ligand", levels=("L1", "L2", "L3")),
        Real(name="time", low=30, high=60, unit="1"),
    )
    assert table.y.tolist() == [6.0, 8.0]
    assert table.losses.tolist() == [-6.0, -8.0]
    assert table.unit.tolist() == [[0, 1, 0, 1], [1, 0, 0, 0]]
    assert table.encode([{"ligand": "L3", "time": 45.0}]).tolist() == [[0, 0, 1, 0.5]]


def test_a_short_line_is_refused_with_its_place(tmp_path: Path) -> None:
    olympus(tmp_path, "L2,60,5,1\nL1,30,8")
    with pytest.raises(ValueError, match="data line 2 has 3 cells"):
        read_table(tmp_path / "oly_made_up.csv")


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give its folder"):
        read_tables(tmp_path)
    olympus(tmp_path, "L2,60,5,1\nL1,30,8,2")
    with pytest.raises(ValueError, match="no table P3HT"):
        read_tables(tmp_path, ["P3HT"])


def test_the_public_tables_have_the_rows_they_are_known_for() -> None:
    folder = shared_data("tables")
    tables = {table.name: table for table in read_tables(folder, NINE)}
    assert {name: len(table.rows) for name, table in tables.items()} == DISTINCT
    assert {name for name, table in tables.items() if table.goal == "min"} == {
        "AgNP",
        "Perovskite",
        "photo_pce10",
        "perovskites",
    }
    for table in tables.values():
        assert np.isfinite(table.y).all()
        assert table.unit.min() == 0
        assert table.unit.max() == 1
        assert not any(table.space.violations(row) for row in table.rows)
    assert set(LIANG) < set(tables)


def olympus(folder: Path, lines: str) -> None:
    (folder / "oly_made_up.csv").write_text(lines)
    config = {
        "parameters": [
            {"name": "ligand", "type": "categorical", "options": ["L1", "L2", "L3"]},
            {"name": "time", "type": "continuous", "low": 0.0, "high": 600.0},
        ],
        "measurements": [{"name": "yield", "type": "continuous"}, {"name": "turnover", "type": "continuous"}],
        "default_goal": ["maximize", "maximize"],
    }
    (folder / "oly_made_up.config.json").write_text(json.dumps(config))
