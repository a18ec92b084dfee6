"""Candidates in a CSV file: what is read, and every mistake with its line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from labwright.engine import load_campaign
from labwright.lab import MistakesError, YamlFile, read_lab, validate
from labwright.lab.pool import read_pool
from labwright.model.errors import ConfigError
from labwright.model.space import Categorical, Integer, Ordinal, Pool, Real, Space
from labwright.model.spec import CampaignSpec

ROOT = Path(__file__).parents[2]
CAMPAIGN = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
GOOD = "id,salt,rinses,oven,share\nP-1,LiPF6,2,200,0.25\nP-2,LiFSI,3.0,3.5e2,.75\n"


def space(**pool: str) -> Space:
    return Space.model_validate(
        {
            "parameters": [
                Real(name="share", low=0.0, high=1.0, unit="1"),
                Integer(name="rinses", low=1, high=5),
                Ordinal(name="oven", unit="degC", values=(200, 350)),
                Categorical(name="salt", levels=("LiPF6", "LiFSI")),
            ],
            "constraints": [{"coefficients": {"share": 1.0, "rinses": 0.1}, "bound": 1.1}],
            "pool": {"file": "candidates.csv", **pool},
        }
    )


def read(folder: Path, content: str | bytes) -> Pool:
    data = content.encode() if isinstance(content, str) else content
    (folder / "candidates.csv").write_bytes(data)
    return read_pool(folder, space())


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_in_any_order_with_or_without_a_mark(tmp_path: Path, start: bytes, end: str) -> None:
    content = start + (GOOD.replace("\n", end) + f",,,,{end}{end}").encode()
    pool = read(tmp_path, content)
    assert pool.rows == ((0.25, 2, 200.0, "LiPF6"), (0.75, 3, 350.0, "LiFSI"))
    assert [type(value) for value in pool.rows[1]] == [float, int, float, str]
    assert pool.ids == ("P-1", "P-2")
    assert pool.sha256 == hashlib.sha256(content).hexdigest()
    assert read(tmp_path, "\n".join(line.split(",", 1)[1] for line in GOOD.split("\n")[:2])).ids == ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("share\n", "shar\n", "candidates.csv:1:1: no parameter 'shar'; did you mean 'share'?"),
        ("share\n", "oven\n", "candidates.csv:1:1: column 'oven' is there twice"),
        ("share\n", "oven\n", "candidates.csv:1:1: there is no column for parameter 'share'"),
        ("0.25", "a lot", "candidates.csv:2:1: column 'share': 'a lot' is not a number"),
        ("0.25", "nan", "column 'share': 'nan' is not a number"),
        ("0.25", "1_0", "column 'share': '1_0' is not a number"),
        ("0.25", "1e400", "candidates.csv:2:1: column 'share': '1e400' is too large for a number"),
        ("0.25", '"0,25"', "column 'share': '0,25' is not a number; write the decimal point as '.'"),
        ("0.25", "", "column 'share' is empty"),
        ("LiFSI", "", "candidates.csv:3:1: column 'salt' is empty"),
        ("0.25", "0,25", "candidates.csv:2:1: 6 cells under 5 columns"),
        (".75", "1.75", "candidates.csv:3:1: share = 1.75 is outside 0 to 1"),
        (".75", ".85", "candidates.csv:3:1: 1*share +0.1*rinses <= 1.1 is exceeded by 0.05"),
        ("3.0", "3.5", "rinses = 3.5 is not a whole number"),
        ("3.5e2", "300", "oven = 300 degC is none of its values"),
        ("LiFSI", "LiFSi", "no level 'LiFSi'; did you mean 'LiFSI'?"),
        ("P-2,", "P-1,", "candidates.csv:3:1: id 'P-1' is in line 2 already"),
        ("P-2,", ",", "candidates.csv:3:1: column 'id' is empty"),
        ("LiFSI,3.0,3.5e2,.75", "LiPF6,2,200,0.25", "candidates.csv:3:1: this candidate is in line 2 already"),
        (GOOD, "", "has no candidates"),
        (GOOD, GOOD.replace(",", ";"), "candidates.csv:1:1: the columns are separated by ';'"),
        ("LiFSI", '"LiFSI', "candidates.csv:3:1: is no CSV"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(MistakesError) as caught:
        read(tmp_path, GOOD.replace(old, new))
    assert says in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(MistakesError, match="3 mistakes found"):
        read(tmp_path, GOOD.replace("0.25", "x").replace(".75", "1.75").replace("3.5e2", "300"))


def test_a_file_that_cannot_be_read_or_is_another_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"candidates\.csv cannot be read: No such file"):
        read_pool(tmp_path, space())
    with pytest.raises(MistakesError, match=r"candidates\.csv:2:1: is not UTF-8"):
        read(tmp_path, GOOD.encode().replace(b"LiPF6", b"Li\xb5PF6"))
    read(tmp_path, GOOD)
    with pytest.raises(ConfigError, match=r"its sha256 is [0-9a-f]{64}, not 123"):
        read_pool(tmp_path, space(sha256="123"))


def written(folder: Path, candidates: str, *, pool: str = "{file: pool.csv}", budget: int = 2) -> Path:
    text = CAMPAIGN.read_text().replace("budget: 25", f"budget: {budget}")
    assert "  constraints:" in text
    path = folder / "mine.yaml"
    path.write_text(text.replace("  constraints:", f"  pool: {pool}\n  constraints:"))
    (folder / "pool.csv").write_text(candidates)
    return path


HEADER = ",".join(parameter.name for parameter in validate(CampaignSpec, [YamlFile(CAMPAIGN)]).space.parameters)


def test_a_campaign_brings_its_candidates_along(tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    path = written(tmp_path, f"{HEADER}\n1.0,0.4,0.5\n0.5,0.4,0.5\n", pool=f"{{file: {tmp_path}/pool.csv}}")
    spec = load_campaign(folder, path, seed=7, planner="sobol").spec
    assert spec.space.pool is not None
    assert len(spec.space.pool.rows) == 2
    assert CampaignSpec.model_validate_json(spec.model_dump_json()) == spec


def test_mistakes_in_candidates_and_campaign_are_told_together(tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    path = written(tmp_path, f"{HEADER}\n1.0,0.4,x\n", pool=f"{{file: {tmp_path}/pool.csv}}")
    path.write_text(path.read_text().replace("goal: max", "goal: maximum"))
    with pytest.raises(MistakesError, match="2 mistakes found") as caught:
        load_campaign(folder, path)
    assert "pool.csv:2:1: column" in str(caught.value)
    assert "mine.yaml:" in str(caught.value)


@pytest.mark.parametrize(
    ("pool", "budget", "says"),
    [
        ("{file: PLACE/pool.csv}", 3, "3 experiments, but .* has 2 candidates"),
        ("{file: PLACE/pol.csv}", 2, r"mine.yaml:\d+:\d+: space.pool.file: .*pol.csv cannot be read"),
        ("{file: PLACE/pool.csv, rows: [[1.0, 0.4, 0.5]]}", 2, "leave out rows and ids"),
        ("{fil: PLACE/pool.csv}", 2, "did you mean 'file'?"),
    ],
)
def test_a_pool_that_does_not_fit_its_campaign_is_refused(tmp_path: Path, pool: str, budget: int, says: str) -> None:
    path = written(
        tmp_path, f"{HEADER}\n1.0,0.4,0.5\n0.5,0.4,0.5\n", pool=pool.replace("PLACE", str(tmp_path)), budget=budget
    )
    with pytest.raises(ConfigError, match=says):
        load_campaign(read_lab(ROOT), path)


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        (
            "{type: mixtur, parameters: [a]}",
            "space.constraints.0: no type of constraint 'mixtur'; did you mean 'mixture'?",
        ),
        ("{type: mixture, parameter: [a]}", "unknown key; did you mean 'parameters'?"),
        ("{coefficents: {molality: 1.0}, bound: 1}", "unknown key; did you mean 'coefficients'?"),
        ("{type: choose, parameters: [molality, dmc_share], at_most: 1}", "molality cannot be left out"),
        ("{type: linear_eq, coefficients: {molality: 1.0}, total: 9}", "the largest sum is 2"),
        ("{type: forbidden, when: {molalty: 1.0}}", "did you mean 'molality'?"),
        ("{type: forbidden, when: {molality: {abov: 1.0}}}", "unknown key; did you mean 'above'?"),
    ],
)
def test_a_mistake_in_a_constraint_points_to_its_line(tmp_path: Path, limit: str, says: str) -> None:
    lines = CAMPAIGN.read_text().splitlines()
    (number,) = [place for place, line in enumerate(lines) if "bound: 1.49" in line]
    lines[number] = f"    - {limit}"
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(MistakesError, match="1 mistake found") as caught:
        validate(CampaignSpec, [YamlFile(path)])
    assert f"mine.yaml:{number + 1}:" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("levels", "cells"),
    [
        (("007", "1.10"), ("7", "1.1")),  # as a spreadsheet saves them
        (("None", "NA"), ("None", "NA")),
        ((" x", "y"), (" x", "y")),
        (("True", "False"), ("TRUE", "False")),
    ],
)
def test_levels_are_recognised_as_they_are_in_a_file(
    tmp_path: Path, levels: tuple[str, str], cells: tuple[str, str]
) -> None:
    (tmp_path / "candidates.csv").write_text("salt\n" + "\n".join(cells) + "\n")
    levelled = Space(parameters=(Categorical(name="salt", levels=levels),), pool=Pool(file="candidates.csv"))
    assert [row[0] for row in read_pool(tmp_path, levelled).rows] == list(levels)


def test_a_cell_that_may_be_two_levels_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "candidates.csv").write_text("salt\n1.1\n1.100\n")
    levelled = Space(parameters=(Categorical(name="salt", levels=("1.10", "01.1")),), pool=Pool(file="candidates.csv"))
    with pytest.raises(MistakesError, match=r"candidates\.csv:2:1: column 'salt': '1.1' may be the level"):
        read_pool(tmp_path, levelled)
