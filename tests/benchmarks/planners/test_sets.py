"""Sets of tables do not share a family, and what is kept by others stays apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.planners import sets
from benchmarks.planners.__main__ import main
from benchmarks.planners.sets import DESIGN, FAMILIES, SAME_DATA, read_sets, set_of
from tests.shared_data import shared_data


def test_no_family_is_in_the_design_and_in_the_confirmation() -> None:
    families = {name: {FAMILIES[table] for table in FAMILIES if set_of(table) == name} for name in sets.WORDS}
    assert not families["design"] & families["confirm"]
    assert families["related"] <= families["design"]
    assert {table for table in FAMILIES if set_of(table) == "design"} == set(DESIGN)
    assert len(DESIGN) == len({FAMILIES[table] for table in DESIGN}) == 9
    assert not set(SAME_DATA) & set(FAMILIES)


def test_the_public_tables_fall_into_their_sets() -> None:
    found = read_sets(shared_data("tables"))
    assert set(found.names("design")) == set(DESIGN)
    assert set(found.names("related")) == {"buchwald_a", "buchwald_e", "suzuki_ii"}
    confirm = {"suzuki", "snar", "liquid_water", "liquid_dce", "liquid_toluene", "oer_plate_3851", "colors_n9",
               "dye_lasers"}  # fmt: skip
    assert set(found.names("confirm")) == confirm
    assert {found.family_of[table] for table in confirm} == {
        "Suzuki coupling, amounts and temperature",
        "aromatic substitution in flow",
        "liquid handling",
        "oxygen evolution catalysts",
        "colour mixing",
        "laser dyes",
    }
    assert not found.names("sealed", "sealed_related")
    assert found.left_out == ("thin_film holds the data of Perovskite, which is the table that counts",)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    public, hidden = tmp_path / "public", tmp_path / "hidden"
    write(public, "pvlab_AgNP", 3)
    write(public, "pvlab_mine", 4)
    for number, name in enumerate(("oven_a", "oven_b", "glass", "buchwald_d"), start=5):
        write(hidden, f"pvlab_{name}", number)
    write(hidden, "pvlab_copy", 3)
    write(hidden, "pvlab_P3HT", 10)
    return public, hidden


def test_tables_that_are_kept_by_others_are_a_set_of_their_own(folders: tuple[Path, Path]) -> None:
    public, hidden = folders
    found = read_sets(public, hidden)
    assert found.names("design") == ["AgNP"]
    assert found.names("sealed") == ["mine", "glass", "oven_a", "oven_b"]
    assert found.names("sealed_related") == ["buchwald_d"]
    assert found.family_of["oven_a"] == found.family_of["oven_b"] == "oven" != found.family_of["glass"]
    assert found.family_of["buchwald_d"] == FAMILIES["buchwald_a"]
    said = " ".join(found.left_out)
    assert f"copy of {hidden} holds the data of AgNP" in said
    assert f"P3HT of {hidden} is named in the project" in said


def test_who_keeps_a_table_may_name_its_family(folders: tuple[Path, Path]) -> None:
    public, hidden = folders
    (hidden / "families.json").write_text(json.dumps({"oven_b": "kiln", "glass": "laser dyes", "buchwald_d": "new"}))
    found = read_sets(public, hidden)
    assert found.family_of["oven_a"] == "oven"
    assert found.family_of["oven_b"] == "kiln"
    assert found.names("sealed_related") == ["glass"]
    assert "buchwald_d" in found.names("sealed")
    (hidden / "families.json").write_text("[]")
    with pytest.raises(ValueError, match=r"families.json: not of the form"):
        read_sets(public, hidden)


def test_sealed_tables_are_printed_apart_and_no_limit_looks_at_them(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    public, hidden = folders
    arguments = ["pools", "--tables", str(public), "--out", str(public), "--seeds", "1", "--planners", "random,sobol"]
    assert main(arguments) == 0
    limits = capsys.readouterr().out.split("\n\n")[-1]
    assert main([*arguments, "--sealed", str(hidden)]) == 0
    printed = capsys.readouterr().out
    assert printed.split("\n\n")[-1] == limits
    design, _, rest = printed.partition("== sealed:")
    assert "== design: tables the planner was designed on (1 tables, 1 families)" in design
    assert "buchwald_d" in rest.split("== sealed_related:")[1]
    assert "buchwald_d" not in design.split("== design")[1]
    with pytest.raises(SystemExit, match="--sealed takes one variant"):
        main([*arguments, "--sealed", str(hidden), "--ours", "a={}", "--ours", 'b={"beta": 1}'])


def write(folder: Path, name: str, number: int) -> None:
    """A table of 64 rows whose outcomes are its own."""
    folder.mkdir(exist_ok=True)
    lines = [f"{a},{b},{(a - 3) ** 2 + number * (b - 5) ** 2}" for a in range(8) for b in range(8)]
    (folder / f"{name}.csv").write_text("a,b,loss\n" + "\n".join(lines))
    (folder / f"{name}.config.json").write_text('{"default_goal": "minimize"}')
