"""Tables of real experiments as pools: one row per distinct experiment, the mean of its repeats as its value.

`pvlab_NAME.csv` has a header and its objective in the last column; `oly_NAME.csv` has no header but
`oly_NAME.config.json` beside it, whose parameters and measurements name the columns; the first measurement is used.
A `pvlab_` table of another name has its goal in `pvlab_NAME.config.json`.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from labwright.model.space import Categorical, Parameter, Params, Pool, Real, Space

Goal = Literal["max", "min"]

GOALS: dict[str, Goal] = {"P3HT": "max", "AgNP": "min", "Perovskite": "min", "AutoAM": "max", "Crossed_barrel": "max"}
"""Of the PV-Lab tables, which come without a description; any other `pvlab_` table needs one beside it."""

_GOAL_WORDS: dict[str, Goal] = {"maximize": "max", "minimize": "min"}


@dataclass(frozen=True)
class Table:
    """A pool of experiments whose outcomes are known.

    Args:
        name: without prefix and suffix of its file.
        parameters: a Real from the smallest to the largest value of each numeric column, a Categorical for the others.
        rows: the distinct experiments.
        unit: shape (n, m); a numeric column between 0 and 1, a categorical one as one column per level.
        y: mean outcome of each row, shape (n,).
        goal: whether `y` is to be large or small.
        digest: of the file's bytes, so that no result outlives its table.
    """

    name: str
    parameters: tuple[Parameter, ...]
    rows: tuple[Params, ...]
    unit: np.ndarray
    y: np.ndarray
    goal: Goal
    digest: str

    @property
    def space(self) -> Space:
        """The box around the rows."""
        return Space(parameters=self.parameters)

    @property
    def pool(self) -> Space:
        """The same with nothing but the rows in it."""
        names = [one.name for one in self.parameters]
        rows = tuple(tuple(row[name] for name in names) for row in self.rows)
        return Space(parameters=self.parameters, pool=Pool(file=f"{self.name}.csv", rows=rows))

    @property
    def losses(self) -> np.ndarray:
        """The outcomes so signed that smaller is better, shape (n,)."""
        return -self.y if self.goal == "max" else self.y

    def encode(self, points: Sequence[Mapping[str, object]]) -> np.ndarray:
        """Points as in `unit`, shape (n, m)."""
        return encode(self.parameters, points)


def read_tables(folder: Path, names: Sequence[str] = ()) -> list[Table]:
    """Every table of a folder, or those named.

    Raises:
        ValueError: there is none, two have the same name, one that was named is not there, or one cannot be read.
    """
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("*.csv")):
        if file.name.startswith(("pvlab_", "oly_")):
            other = files.setdefault(_name(file), file)
            if other != file:
                raise ValueError(f"{folder}: {other.name} and {file.name} have the same name; rename one")
    missing = [name for name in names if name not in files]
    if missing or not files:
        raise ValueError(f"{folder}: no table {', '.join(missing) or 'pvlab_*.csv or oly_*.csv'}; give its folder")
    return [read_table(files[name]) for name in names or files]


def read_table(file: Path) -> Table:
    """One table. A column that can have one value only is left out.

    Raises:
        ValueError: a line of another length than the header, a cell that is no finite number or none of the options of
            its column, no parameter or no outcome that varies, or a description that is missing or incomplete.
    """
    # "utf-8-sig" for the byte order mark of one of them; without it the first column has another name.
    with file.open(encoding="utf-8-sig", newline="") as lines:
        cells = [(number, line) for number, line in enumerate(csv.reader(lines), start=1) if line]
    form = _form(file, cells[0][1] if cells else [])
    if file.name.startswith("pvlab_"):
        cells = cells[1:]
    if len(set(form.header)) < len(form.header) or not 0 < form.inputs < len(form.header) or not cells:
        raise ValueError(f"{file}: columns {list(form.header)} and {len(cells)} rows; parameters and an outcome needed")
    columns = form.header[: form.inputs]
    grouped: dict[tuple[float | str, ...], list[float]] = {}
    for number, line in cells:
        if len(line) != len(form.header):
            raise ValueError(
                f"{file}: line {number} has {len(line)} cells, not the {len(form.header)} of {list(form.header)}"
            )
        key = tuple(
            _level(cell, form.options[column], f"{file}: line {number}, column {column}")
            if column in form.options
            else _number(cell, f"{file}: line {number}, column {column}")
            for column, cell in zip(columns, line, strict=False)
        )
        outcome = _number(line[form.inputs], f"{file}: line {number}, column {form.header[form.inputs]}")
        grouped.setdefault(key, []).append(outcome)
    every: list[Params] = [dict(zip(columns, key, strict=True)) for key in grouped]
    varying = [column for column in columns if len(form.options.get(column) or {row[column] for row in every}) > 1]
    if not varying:
        raise ValueError(f"{file}: no parameter varies; there is nothing to choose")
    rows: tuple[Params, ...] = tuple({column: row[column] for column in varying} for row in every)
    parameters = tuple(_parameter(column, form.options.get(column), rows) for column in varying)
    y = np.array([float(np.mean(values)) for values in grouped.values()])
    if len(set(y.tolist())) < 2:
        raise ValueError(f"{file}: all {len(y)} distinct rows have the same outcome; there is nothing to find")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return Table(_name(file), parameters, rows, encode(parameters, rows), y, form.goal, digest)


def same_data(one: Table, other: Table) -> bool:
    """Whether two tables hold the same outcomes of as many parameters, under whatever names and in whatever order."""
    if one.y.shape != other.y.shape or one.unit.shape != other.unit.shape:
        return False
    return bool(np.allclose(np.sort(one.y), np.sort(other.y), rtol=1e-6, atol=0))


@dataclass(frozen=True)
class _Form:
    """What the columns of a file are: `header` names all, the first `inputs` of them are parameters."""

    header: Sequence[str]
    inputs: int
    goal: Goal
    options: Mapping[str, tuple[str, ...]]


def _form(file: Path, first: Sequence[str]) -> _Form:
    """Read from the file's first line and the description beside it."""
    plain, beside = file.name.startswith("pvlab_"), file.with_suffix(".config.json")
    if plain and _name(file) in GOALS:
        return _Form(first, len(first) - 1, GOALS[_name(file)], {})
    try:
        config = json.loads(beside.read_text(encoding="utf-8"))
        goals = config["default_goal"]
        goal = _GOAL_WORDS[goals if isinstance(goals, str) else goals[0]]
        if plain:
            return _Form(first, len(first) - 1, goal, {})
        inputs = config["parameters"]
        options = {one["name"]: tuple(map(str, one["options"])) for one in inputs if one["type"] == "categorical"}
        header = [column["name"] for column in (*inputs, *config["measurements"])]
        return _Form(header, len(inputs), goal, options)
    except FileNotFoundError as error:
        needed = 'its goal, as {"default_goal": "maximize"}' if plain else "its columns and its goal"
        raise ValueError(f"{file}: {beside.name} is missing beside it; write there {needed}") from error
    except (KeyError, IndexError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{beside}: not a description of a table ({type(error).__name__}: {error})") from error


def _number(cell: str, place: str) -> float:
    try:
        value = float(cell)
    except ValueError as error:
        raise ValueError(f"{place}: {cell!r} is not a number") from error
    if not math.isfinite(value):
        raise ValueError(f"{place}: {cell!r} is not a finite number")
    return value


def _level(cell: str, options: Sequence[str], place: str) -> str:
    """The option a cell stands for; a number counts by its value, so that 1.0 is the option 1."""
    if cell in options:
        return cell
    try:
        equal = [option for option in options if float(option) == float(cell)]
    except ValueError:
        equal = []
    if not equal:
        raise ValueError(f"{place}: {cell!r} is none of its options {', '.join(options)}")
    return equal[0]


def encode(parameters: Sequence[Parameter], points: Sequence[Mapping[str, object]]) -> np.ndarray:
    """Points as numbers, shape (n, m): a numeric parameter from 0 to 1, a categorical one as one column per level."""
    columns = []
    for parameter in parameters:
        values = [point[parameter.name] for point in points]
        if isinstance(parameter, Categorical):
            columns += [[float(value == level) for value in values] for level in parameter.levels]
        else:
            columns.append([parameter.to_unit(float(str(value))) for value in values])
    return np.array(columns, dtype=float).T


def _parameter(column: str, levels: Sequence[str] | None, rows: Sequence[Params]) -> Parameter:
    if levels is not None:
        return Categorical(name=column, levels=tuple(levels))
    values = [float(row[column]) for row in rows]
    in_brackets = re.search(r"\(([^()]+)\)$", column)
    return Real(name=column, low=min(values), high=max(values), unit=in_brackets[1] if in_brackets else "1")


def _name(file: Path) -> str:
    return file.stem.split("_", 1)[1]
