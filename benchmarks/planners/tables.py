"""Tables of real experiments as pools: one row per distinct experiment, the mean of its repeats as its value.

`pvlab_NAME.csv` has a header and its objective in the last column; `oly_NAME.csv` has no header but
`oly_NAME.config.json` beside it, whose parameters and measurements name the columns; the first measurement is used.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from labwright.model.space import Categorical, Parameter, Params, Pool, Real, Space

Goal = Literal["max", "min"]

GOALS: dict[str, Goal] = {"AgNP": "min", "Perovskite": "min"}
"""PV-Lab tables whose objective is to be small; the default is "max"."""

LIANG = ("P3HT", "AgNP", "Perovskite", "AutoAM", "Crossed_barrel")
"""The five tables of Liang et al., npj Comput. Mater. 7, 188 (2021)."""

NINE = (*LIANG, "suzuki_i", "buchwald_c", "photo_pce10", "perovskites")
"""The same and four of Olympus, Häse et al., Mach. Learn.: Sci. Technol. 2, 035021 (2021)."""


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
        ValueError: there is none, or one that was named is not there.
    """
    files = {_name(file): file for file in sorted(folder.glob("*.csv")) if file.name.startswith(("pvlab_", "oly_"))}
    missing = [name for name in names if name not in files]
    if missing or not files:
        raise ValueError(f"{folder}: no table {', '.join(missing) or 'pvlab_*.csv or oly_*.csv'}; give its folder")
    return [read_table(files[name]) for name in names or files]


def read_table(file: Path) -> Table:
    """One table.

    Raises:
        ValueError: a line of another length than the first, an outcome that is no number, a column that never changes.
    """
    # "utf-8-sig" for the byte order mark of one of them; without it the first column has another name.
    with file.open(encoding="utf-8-sig", newline="") as lines:
        cells = [line for line in csv.reader(lines) if line]
    name = _name(file)
    goal: Goal
    if file.name.startswith("pvlab_"):
        header, cells = cells[0], cells[1:]
        goal, inputs, levels = GOALS.get(name, "max"), len(header) - 1, {}
    else:
        config = json.loads(file.with_suffix(".config.json").read_text(encoding="utf-8"))
        header = [column["name"] for column in (*config["parameters"], *config["measurements"])]
        goals = config["default_goal"]
        goal = "max" if (goals if isinstance(goals, str) else goals[0]) == "maximize" else "min"
        inputs = len(config["parameters"])
        levels = {one["name"]: one["options"] for one in config["parameters"] if one["type"] == "categorical"}
    grouped: dict[tuple[float | str, ...], list[float]] = {}
    for number, line in enumerate(cells, start=1):
        if len(line) != len(header):
            raise ValueError(f"{file}: data line {number} has {len(line)} cells, not the {len(header)} of {header}")
        key = tuple(
            cell if column in levels else float(cell) for column, cell in zip(header[:inputs], line, strict=False)
        )
        grouped.setdefault(key, []).append(float(line[inputs]))
    rows = tuple(dict(zip(header, key, strict=False)) for key in grouped)
    parameters = tuple(_parameter(column, levels.get(column), rows) for column in header[:inputs])
    y = np.array([float(np.mean(values)) for values in grouped.values()])
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return Table(name, parameters, rows, encode(parameters, rows), y, goal, digest)


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
