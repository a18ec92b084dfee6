"""The candidates of a campaign read from a CSV file, with every mistake in it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from labwright.lab.yamlfile import Mistake, MistakesError
from labwright.model.cells import level_of
from labwright.model.errors import ConfigError, unknown
from labwright.model.numbers import number
from labwright.model.parameters import repeated
from labwright.model.space import Categorical, Integer, Parameter, ParamValue, Pool, Space

__all__ = ["read_pool"]

_ID = "id"


def read_pool(root: Path, space: Space) -> Pool:
    """Read the candidates of `space.pool`: CSV in UTF-8, a column for each parameter, and `id` if they have ids.

    Args:
        root: the lab's folder, from which the file's path counts.
        space: with a pool that names its file, and its sha256 if the file must be a certain one.

    Raises:
        MistakesError: every mistake in the file: a column too many or too few, a cell that is no number, a value out of
            bounds, a broken constraint, a candidate or an id given twice; each with its line.
        ConfigError: the space has no pool, the file cannot be read, or is another one.
    """
    if space.pool is None:
        raise ConfigError("the space has no pool to read")
    shown, content = Path(space.pool.file), _content(root, space.pool)
    (line, header), *body = _table(shown, content)
    if found := list(_header_mistakes(header, space.names)):
        raise MistakesError([Mistake(shown, line, 1, words) for words in found])
    named = _ID in header and _ID not in space.names
    without = Space(parameters=space.parameters, constraints=space.constraints)
    mistakes: list[Mistake] = []
    rows: dict[tuple[ParamValue, ...], int] = {}
    ids: dict[str, int] = {}
    for line, cells in body:
        found = _row_mistakes(space.parameters, header, cells)
        if not found:
            row = tuple(_value(one, cells[header.index(one.name)]) for one in space.parameters)
            found = without.violations(dict(zip(space.names, row, strict=True)))
            if row in rows:
                found.append(f"this candidate is in line {rows[row]} already")
            rows.setdefault(row, line)
        if named and len(cells) == len(header):
            name = cells[header.index(_ID)]
            if not name or name in ids:
                found.append(f"id {name!r} is in line {ids[name]} already" if name else "column 'id' is empty")
            ids.setdefault(name, line)
        mistakes += [Mistake(shown, line, 1, words) for words in found]
    if mistakes:
        raise MistakesError(mistakes)
    return Pool(file=space.pool.file, sha256=hashlib.sha256(content).hexdigest(), rows=tuple(rows), ids=tuple(ids))


def _content(root: Path, pool: Pool) -> bytes:
    path = root / pool.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; the path counts from the lab's folder") from error
    digest = hashlib.sha256(content).hexdigest()
    if pool.sha256 and pool.sha256 != digest:
        raise ConfigError(
            f"{path} is another file than expected: its sha256 is {digest}, not {pool.sha256}; put that one back, or "
            "leave out sha256"
        )
    return content


def _table(shown: Path, content: bytes) -> list[tuple[int, list[str]]]:
    """Lines that are not empty, with their numbers; the first is the header."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise MistakesError([Mistake(shown, line, 1, f"is not UTF-8: {error.reason}; save it as UTF-8")]) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    table: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):  # a spreadsheet leaves empty lines at the end
                table.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise MistakesError([Mistake(shown, reader.line_num, 1, f"is no CSV: {error}")]) from error
    if len(table) < 2:
        words = "has no candidates; give a line with the parameters' names, then a line for each candidate"
        raise MistakesError([Mistake(shown, 1, 1, words)])
    if len(table[0][1]) == 1 and ";" in table[0][1][0]:  # a spreadsheet's CSV where ',' is the decimal point
        words = "the columns are separated by ';'; save it with ',' between columns and '.' in numbers"
        raise MistakesError([Mistake(shown, table[0][0], 1, words)])
    return table


def _header_mistakes(header: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    for twice in repeated(header):
        yield f"column {twice!r} is there twice"
    for column in header:
        if column not in names and column != _ID:
            yield f"{unknown('parameter', column, names)}; leave the column out or search it"
    for name in names:
        if name not in header:
            yield f"there is no column for parameter {name!r} (columns: {', '.join(header)})"


def _row_mistakes(parameters: Sequence[Parameter], header: Sequence[str], cells: Sequence[str]) -> list[str]:
    """Cells that are no values of their columns' parameters; bounds are not looked at."""
    if len(cells) != len(header):
        return [f"{len(cells)} cells under {len(header)} columns"]
    found = []
    for one in parameters:
        cell = cells[header.index(one.name)]
        if not cell and not (isinstance(one, Categorical) and "" in one.levels):
            found.append(f"column {one.name!r} is empty")
            continue
        try:
            level_of(one.levels, cell) if isinstance(one, Categorical) else number(cell)
        except ConfigError as error:
            found.append(f"column {one.name!r}: {error}")
    return found


def _value(parameter: Parameter, cell: str) -> ParamValue:
    if isinstance(parameter, Categorical):
        return level_of(parameter.levels, cell) or ""
    value = number(cell)
    return int(value) if isinstance(parameter, Integer) and value.is_integer() else value
