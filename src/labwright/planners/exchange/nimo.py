"""The two files of NIMS-OS (NIMO): candidates with what was measured of them, and which of them to try next.

`candidates.csv` has a column for each parameter, then one for each objective, a line for each candidate; where the
objectives are empty it was not tried. `proposals.csv` has a column `actions`, the number of a candidate counted from 0,
then its parameters. All cells are numbers, and NIMS-OS makes every objective large.

Source: Tamura, Tsuda, Matsuda, "NIMS-OS", Science and Technology of Advanced Materials: Methods 3 (2023) 2232297, and
the modules ai_tool_physbo and analysis_output_standard of nimsos 1.0, which write and read them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.model.campaign import CampaignState, Objective, Outcome, Trial
from labwright.model.errors import ConfigError
from labwright.model.names import refuse_collisions
from labwright.model.numbers import number
from labwright.model.parameters import repeated, same
from labwright.model.space import Categorical, Integer, Parameter, Params, ParamValue, Pool, Space
from labwright.planners._candidates import every_point
from labwright.planners._finite import params_of
from labwright.planners._proposals import derive_seed, key_of, sobol_points, vetoed

__all__ = ["Candidates", "read_candidates", "read_proposals", "write_candidates", "write_proposals"]

_EMPTY = ("", "nan")  # numpy writes the second where the first was


@dataclass(frozen=True)
class Candidates:
    """The contents of a file of candidates, as parts of a campaign's state.

    Args:
        space: with the candidates as its pool, in the file's order.
        trials: those that were measured, with source "import"; their ids are ``line 2`` and so on.
    """

    space: Space
    trials: tuple[Trial, ...]


def write_candidates(state: CampaignState, path: Path, *, others: int = 256) -> list[Params]:
    """Write what was measured in a campaign and what NIMS-OS may choose from.

    Of a pool or a small finite space all points are written, with the mean where one was measured several times; of any
    other what was made, then `others` points of a Sobol sequence. A level of a category is written as its number,
    counted from 0, and an objective that is to be small with the opposite sign, under its name with a minus before it.
    Left out is what should not be proposed: failed, pending and abandoned trials, and what is vetoed.

    Args:
        state: the campaign.
        path: of the file, which is replaced.
        others: untried points of a space that is not finite.

    Returns:
        the candidates, in the order of the file: action 0 is the first.

    Raises:
        ConfigError: an objective with a target or a range, which NIMS-OS cannot seek, or with outcome limits.
    """
    refuse_collisions(state)
    space = state.space
    columns = [_column(one) for one in state.objectives]
    if twice := repeated([*space.names, *columns]):
        raise ConfigError(f"two columns would be called {twice[0]!r}; rename the parameter or the objective")
    if state.outcome_limits:
        raise ConfigError("NIMS-OS has no limits on outcomes; leave outcome_limits out or use another planner")
    finite = every_point(space)
    measured: dict[tuple[object, ...], list[list[float]]] = {}
    written: dict[tuple[object, ...], Params] = {}
    shut = {key_of(space, trial.params) for trial in state.trials if trial.status != "done"}
    for trial in state.trials:
        if trial.status == "done":
            made = trial.made if finite is None else trial.params  # a finite list knows a point by what was asked for
            key = key_of(space, made)
            written.setdefault(key, made)
            merits = [one.merit(trial.outcomes[one.name].mean) for one in state.objectives]
            measured.setdefault(key, []).append(merits)
            shut.discard(key)
    if finite is None:
        rest = _others(state, others)
    else:
        rest = (params_of(space, row, place) for place, row in enumerate(finite))
    everything = {key_of(space, params): params for params in rest}
    for key, params in everything.items():
        if key in measured or (key not in shut and not vetoed(state, params)):
            written.setdefault(key, params)
    order = [key for key in everything if key in written] if finite is not None else []
    order += [key for key in written if finite is None or key not in everything]
    lines = [[*space.names, *columns]]
    for key in order:
        cells = [_cell(one, written[key][one.name]) for one in space.parameters]
        repeats = measured.get(key)
        means = ["" for _ in columns] if repeats is None else [_mean(one) for one in zip(*repeats, strict=True)]
        lines.append([*cells, *means])
    _write(path, lines)
    return [written[key] for key in order]


def read_candidates(path: Path, space: Space, objectives: Sequence[Objective]) -> Candidates:
    """Read a file of candidates, to continue its campaign here.

    Args:
        path: of the file, as NIMS-OS has it.
        space: what the parameters are; its constraints have to be kept by every candidate, and a pool it has is left
            aside.
        objectives: in the order of the columns after the parameters. Each is called by its name, or by its name with
            a minus before it if the file holds the opposite sign.

    Returns:
        the space with its pool, and the trials.

    Raises:
        ConfigError: every mistake in the file, one a line, with file and line: a wrong header, a cell that is no
            number, a value outside the space, an objective that is there in part, a candidate given twice.
    """
    (line, header), *body = _table(path)
    signs = _signs(path, line, header, space, objectives)
    plain = Space(parameters=space.parameters, constraints=space.constraints)
    found: list[str] = []
    rows: dict[tuple[ParamValue, ...], int] = {}
    trials: list[Trial] = []
    for line, cells in body:
        wrong = list(_bad_cells(space, header, cells))
        if not wrong:
            params = _params(space, cells)
            wrong = plain.violations(params)
            row = tuple(params[name] for name in space.names)
            if row in rows:
                wrong.append(f"this candidate is in line {rows[row]} already")
            rows.setdefault(row, line)
            values = cells[len(space.names) :]
            if values and not wrong and not _is_empty(values):
                pairs = zip(objectives, signs, values, strict=True)
                outcomes = {one.name: Outcome(mean=sign * number(cell)) for one, sign, cell in pairs}
                trials.append(
                    Trial(id=f"line {line}", params=params, status="done", outcomes=outcomes, source="import")
                )
        found += [f"{path}:{line}: {words}" for words in wrong]
    _refuse(found)
    pool = Pool(file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), rows=tuple(rows))
    return Candidates(plain.model_copy(update={"pool": pool}), tuple(trials))


def write_proposals(points: Sequence[Params], candidates: Path, path: Path, space: Space) -> None:
    """Write which candidates to try next, for the robot modules of NIMS-OS.

    Args:
        points: such as the parameters of a planner's suggestions.
        candidates: the file they are numbered in.
        path: of the file to be written, which is replaced.
        space: what the parameters are.

    Raises:
        ConfigError: a point is none of the candidates, or their file has mistakes.
    """
    listed = _listed(candidates, space)
    lines = [["actions", *space.names]]
    for params in points:
        places = [place for place, one in enumerate(listed) if one == params] or [
            place for place, one in enumerate(listed) if _same(space, one, params)
        ]
        if not places:
            shown = ", ".join(f"{name} = {value}" for name, value in params.items())
            raise ConfigError(f"{candidates} has no candidate {shown}; read the file as the campaign's pool")
        lines.append([str(places[0]), *(_cell(one, params[one.name]) for one in space.parameters)])
    _write(path, lines)


def read_proposals(path: Path, candidates: Path, space: Space) -> list[Params]:
    """Read which candidates to try next.

    Args:
        path: of the file NIMS-OS wrote.
        candidates: the file it chose from.
        space: what the parameters are.

    Returns:
        the parameters of the candidates, as their own file has them, in the order of the proposals.

    Raises:
        ConfigError: every mistake, with file and line: a wrong header, an action that is no number of a candidate, or
            parameters that are not that candidate's.
    """
    listed = _listed(candidates, space)
    (line, header), *body = _table(path)
    if header != ["actions", *space.names]:
        raise ConfigError(f"{path}:{line}: the columns are {', '.join(header)}, not actions, {', '.join(space.names)}")
    found: list[str] = []
    proposed: list[Params] = []
    for line, (action, *cells) in body:
        wrong = list(_bad_cells(space, header[1:], cells))
        if not re.fullmatch("[0-9]{1,18}", action) or int(action) >= len(listed):
            wrong.append(f"action {action!r} is no number from 0 to {len(listed) - 1}, as {candidates.name} has them")
        if not wrong:
            params = listed[int(action)]
            if not _same(space, params, _params(space, cells)):
                wrong.append(f"these are not the parameters of action {action} in {candidates.name}: {params}")
            proposed.append(params)
        found += [f"{path}:{line}: {words}" for words in wrong]
    _refuse(found)
    return proposed


def _column(objective: Objective) -> str:
    if objective.goal in ("target", "range"):
        raise ConfigError(
            f"objective {objective.name!r}: NIMS-OS maximises objectives and cannot seek a {objective.goal}; "
            "choose goal max or min"
        )
    return objective.name if objective.goal == "max" else f"-{objective.name}"


def _others(state: CampaignState, count: int) -> Iterator[Params]:
    points = sobol_points(state.space, derive_seed(state.seed, 0, "nimo"))
    known = {key_of(state.space, trial.params) for trial in state.trials}
    free = (one for one in points if key_of(state.space, one) not in known and not vetoed(state, one))
    return itertools.islice(free, count)


def _cell(parameter: Parameter, value: ParamValue) -> str:
    return str(parameter.levels.index(str(value))) if isinstance(parameter, Categorical) else repr(value)


def _mean(values: Sequence[float]) -> str:
    return repr(math.fsum(values) / len(values))


def _write(path: Path, lines: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    path.write_text(text.getvalue(), encoding="utf-8")


def _table(path: Path) -> list[tuple[int, list[str]]]:
    """Lines that are not empty, with their numbers; the first is the header."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    table = []
    try:
        for cells in reader:
            if cells and any(cell.strip() for cell in cells):
                table.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise ConfigError(f"{path}:{reader.line_num}: is no CSV: {error}") from error
    if len(table) < 2:
        raise ConfigError(f"{path}: there is nothing below the header")
    line, header = table[0]
    if len(header) == 1 and ";" in header[0]:  # a spreadsheet's CSV where ',' is the decimal point
        raise ConfigError(
            f"{path}:{line}: the columns are separated by ';'; save it with ',' between columns and '.' in numbers"
        )
    return table


def _listed(path: Path, space: Space) -> list[Params]:
    """The candidates of a file, whatever its objectives."""
    (line, header), *body = _table(path)
    _same_names(path, line, header, space)
    found = [f"{path}:{line}: {words}" for line, cells in body for words in _bad_cells(space, header, cells)]
    _refuse(found)
    return [_params(space, cells) for _, cells in body]


def _same_names(path: Path, line: int, header: Sequence[str], space: Space) -> None:
    if (names := list(header[: len(space.names)])) != list(space.names):
        raise ConfigError(
            f"{path}:{line}: the columns begin with {', '.join(names)}; the parameters, in the order of the space, are "
            f"{', '.join(space.names)}"
        )


def _signs(
    path: Path, line: int, header: Sequence[str], space: Space, objectives: Sequence[Objective]
) -> tuple[float, ...]:
    """What a cell of each objective's column is to be multiplied with."""
    _same_names(path, line, header, space)
    columns = header[len(space.names) :]
    wanted = [one.name for one in objectives]
    if len(columns) != len(wanted) or any(
        one.removeprefix("-") != name.removeprefix("-") for one, name in zip(columns, wanted, strict=False)
    ):
        raise ConfigError(
            f"{path}:{line}: after the parameters come {', '.join(columns) or 'no columns'}; the objectives are "
            f"{', '.join(wanted)}, each with a minus before its name if the file holds the opposite sign"
        )
    return tuple(1.0 if column == name else -1.0 for column, name in zip(columns, wanted, strict=True))


def _bad_cells(space: Space, header: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    """What is wrong with a line: parameters that are no numbers, and objectives that are there in part."""
    if len(cells) != len(header):
        yield f"{len(cells)} cells under {len(header)} columns"
        return
    count = len(space.names)
    for place, (name, cell) in enumerate(zip(header, cells, strict=True)):
        if place >= count and cell.lower() in _EMPTY:
            continue
        if not cell:
            yield f"{name} is empty"
            continue
        try:
            value = number(cell)
        except ConfigError as error:
            yield f"{name} = {error}"
            continue
        one = space.parameters[place] if place < count else None
        if isinstance(one, Categorical) and value not in range(len(one.levels)):
            yield f"{name} = {cell} is not the number of a level, 0 to {len(one.levels) - 1} ({', '.join(one.levels)})"
    values = cells[count:]
    if not _is_empty(values) and any(cell.lower() in _EMPTY for cell in values):
        yield "some objectives are empty and some are not; measure all of them or leave all empty"


def _is_empty(values: Sequence[str]) -> bool:
    return all(cell.lower() in _EMPTY for cell in values)


def _params(space: Space, cells: Sequence[str]) -> Params:
    return {one.name: _value(one, cell) for one, cell in zip(space.parameters, cells, strict=False)}


def _value(parameter: Parameter, cell: str) -> ParamValue:
    if isinstance(parameter, Categorical):
        return parameter.levels[int(number(cell))]  # NIMS-OS writes 0.0
    value = number(cell)
    return int(value) if isinstance(parameter, Integer) and value.is_integer() else value


def _same(space: Space, one: Params, other: Params) -> bool:
    """Whether two points are the same but for what their numbers lost in text."""
    return all(same(parameter, one[parameter.name], other[parameter.name]) for parameter in space.parameters)


def _refuse(found: Sequence[str]) -> None:
    if found:
        raise ConfigError("\n".join(found))
