"""Tables are read as their sources wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planners.tables import read_table, read_tables, same_data
from labwright.model.space import Categorical, Real
from tests.shared_data import shared_data

DISTINCT = {
    "P3HT": (178, 5),
    "AgNP": (164, 5),
    "Perovskite": (94, 3),
    "AutoAM": (100, 4),
    "Crossed_barrel": (600, 4),
    "suzuki_i": (74, 4),
    "buchwald_c": (792, 4),
    "photo_pce10": (1020, 4),
    "perovskites": (192, 3),
    "buchwald_a": (792, 4),
    "buchwald_e": (792, 4),
    "suzuki": (247, 4),
    "suzuki_ii": (75, 4),
    "liquid_water": (365, 6),
    "liquid_dce": (215, 6),
    "liquid_toluene": (221, 6),
    "oer_plate_3851": (2119, 6),
    "colors_n9": (102, 3),
    "thin_film": (94, 3),
    "snar": (66, 4),
    "dye_lasers": (3458, 3),
}
"""Distinct rows and parameters."""

LARGE = {"P3HT", "AutoAM", "Crossed_barrel", "suzuki_i", "suzuki_ii", "suzuki", "buchwald_a", "buchwald_c",
         "buchwald_e", "dye_lasers"}  # fmt: skip
"""Tables whose objective is to be large; that of the others is to be small."""

BEST = {
    "buchwald_a": 55.56585889,
    "buchwald_e": 98.73132029,
    "suzuki": 96.9,
    "suzuki_ii": 43.2125,
    "liquid_water": 0.0128300865529667,
    "liquid_dce": 0.0127164019651945,
    "liquid_toluene": 0.03761522575516633,
    "oer_plate_3851": 0.356252,
    "colors_n9": 0.07402735966637841,
    "snar": 0.24,
    "dye_lasers": 0.9098737801700132,
}
"""The outcome of the best row, read in the files by hand."""


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
    with pytest.raises(ValueError, match="line 2 has 3 cells"):
        read_table(tmp_path / "oly_made_up.csv")


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give its folder"):
        read_tables(tmp_path)
    olympus(tmp_path, "L2,60,5,1\nL1,30,8,2")
    with pytest.raises(ValueError, match="no table P3HT"):
        read_tables(tmp_path, ["P3HT"])


def test_the_public_tables_have_the_rows_they_are_known_for() -> None:
    tables = {table.name: table for table in read_tables(shared_data("tables"))}
    assert {name: (len(table.rows), len(table.parameters)) for name, table in tables.items()} == DISTINCT
    assert {name for name, table in tables.items() if table.goal == "max"} == LARGE
    for table in tables.values():
        assert np.isfinite(table.y).all()
        assert table.unit.min() == 0
        assert table.unit.max() == 1
        assert not any(table.space.violations(row) for row in table.rows)
        assert (table.losses == table.losses.min()).sum() == 1
    for name, best in BEST.items():
        found = tables[name].y[tables[name].losses.argmin()]
        assert found == pytest.approx(best, rel=1e-12), name
    assert [len(one.levels) for one in tables["dye_lasers"].parameters if isinstance(one, Categorical)] == [14, 13, 19]
    assert same_data(tables["thin_film"], tables["Perovskite"])
    twins = [(a, b) for a in tables for b in tables if a < b and same_data(tables[a], tables[b])]
    assert twins == [("Perovskite", "thin_film")]


def test_smiles_quotes_and_options_that_are_numbers_are_read_as_levels(tmp_path: Path) -> None:
    smiles = "CC1(C)[C@H]2CC[C@@]1(C)C(=O)/C2=N\\O"
    (tmp_path / "oly_made_up.csv").write_text(f'"{smiles}",1.0,5\nCN(C)C=O,2,7')
    options = [[smiles, "CN(C)C=O", "O"], [1, 2, 3]]
    config = {
        "parameters": [
            {"name": name, "type": "categorical", "options": one} for name, one in zip("ab", options, strict=True)
        ],
        "measurements": [{"name": "loss", "type": "continuous"}],
        "default_goal": "minimize",
    }
    (tmp_path / "oly_made_up.config.json").write_text(json.dumps(config))
    table = read_table(tmp_path / "oly_made_up.csv")
    assert table.rows == ({"a": smiles, "b": "1"}, {"a": "CN(C)C=O", "b": "2"})
    assert table.unit.tolist() == [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0]]
    assert table.goal == "min"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("L2,60,5,1\nL9,30,8,2", "line 2, column ligand: 'L9' is none of its options L1, L2, L3"),
        ("L2,60,5,1\nL1,,8,2", "line 2, column time: '' is not a number"),
        ("L2,60,nan,1\nL1,30,8,2", "line 1, column yield: 'nan' is not a finite number"),
        ("", "and 0 rows; parameters and an outcome needed"),
    ],
)
def test_a_cell_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, lines: str, complaint: str) -> None:
    olympus(tmp_path, lines)
    with pytest.raises(ValueError, match=complaint):
        read_table(tmp_path / "oly_made_up.csv")


def test_a_numeric_column_that_never_changes_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "pvlab_P3HT.csv").write_text("a,b,c\n1,7,2\n3,7,4\n")
    assert [one.name for one in read_table(tmp_path / "pvlab_P3HT.csv").parameters] == ["a"]
    (tmp_path / "pvlab_P3HT.csv").write_text("a,b,c\n1,7,2\n1,7,4\n")
    with pytest.raises(ValueError, match="no parameter varies"):
        read_table(tmp_path / "pvlab_P3HT.csv")
    (tmp_path / "pvlab_P3HT.csv").write_text("a,b,c\n1,7,2\n2,8,2\n")
    with pytest.raises(ValueError, match="all 2 distinct rows have the same outcome"):
        read_table(tmp_path / "pvlab_P3HT.csv")


def test_the_goal_of_a_table_is_never_guessed(tmp_path: Path) -> None:
    (tmp_path / "pvlab_new.csv").write_text("a,loss\n1,2\n3,4\n")
    with pytest.raises(ValueError, match=r"pvlab_new.config.json is missing beside it; write there its goal"):
        read_table(tmp_path / "pvlab_new.csv")
    (tmp_path / "pvlab_new.config.json").write_text('{"default_goal": "smallest"}')
    with pytest.raises(ValueError, match="not a description of a table"):
        read_table(tmp_path / "pvlab_new.csv")
    (tmp_path / "pvlab_new.config.json").write_text('{"default_goal": "minimize"}')
    assert read_table(tmp_path / "pvlab_new.csv").goal == "min"


def test_two_tables_of_one_name_are_refused(tmp_path: Path) -> None:
    olympus(tmp_path, "L2,60,5,1\nL1,30,8,2")
    (tmp_path / "pvlab_made_up.csv").write_text("a,b\n1,2\n2,3")
    with pytest.raises(ValueError, match="have the same name"):
        read_tables(tmp_path)


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
