"""The experiments of a campaign as a file for other programs: CSV, Parquet, or a workbook."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

import orjson

from labwright.journal import Journal, schema
from labwright.report import experiment_rows, read_record

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell of CSV must not begin with: a spreadsheet would carry it out."""

Format = Literal["csv", "parquet", "xlsx"]

FORMATS: tuple[Format, ...] = get_args(Format)

MEDIA: Mapping[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

Rows = Sequence[Mapping[str, Any]]


def export_rows(journal: Journal, campaign: str) -> list[dict[str, Any]]:
    """A row for each experiment and proposal, with units in the heads; ``sample`` is the id of what is in its vial.

    Args:
        journal: opened to be read.
        campaign: its id.
    """
    table = schema.sample
    ids = {row["label"]: row["id"] for row in journal.rows(table, table.c.campaign == campaign)}
    return [
        {**row, "sample": ids.get(row["experiment"]) or None} for row in experiment_rows(read_record(journal, campaign))
    ]


def table_file(rows: Rows, kind: Format) -> bytes:
    """Rows as a file.

    Args:
        rows: as `export_rows` gives them.
        kind: of file.
    """
    if kind == "csv":
        return "".join(csv_lines(rows)).encode()
    return _parquet(rows) if kind == "parquet" else _xlsx(rows)


def csv_lines(rows: Rows) -> Iterator[str]:
    """Rows as lines of CSV, the head first; text that a spreadsheet would carry out as a formula begins with ``'``."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for cells in (_heads(rows), *([row[head] for head in _heads(rows)] for row in rows)):
        writer.writerow([_inert(_cell(value)) for value in cells])
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _heads(rows: Rows) -> list[str]:
    return list(rows[0]) if rows else ["experiment"]


def _cell(value: Any) -> Any:
    """A value as text that other programs read: arrays as JSON, truth values as JSON has them, times in ISO 8601."""
    if isinstance(value, bool | list):
        return orjson.dumps(value).decode()
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def _inert(value: Any) -> Any:
    """A cell that no spreadsheet carries out as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _parquet(rows: Rows) -> bytes:
    """Numbers, times and truth values keep their types; arrays are lists."""
    import pyarrow
    import pyarrow.parquet

    columns = {head: [row[head] for row in rows] for head in _heads(rows)}
    arrays = {head: _array(values) for head, values in columns.items()}
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays), file)
    return file.getvalue()


def _array(values: Sequence[Any]) -> Any:
    """A column; as text, as in CSV, where its values are of several types."""
    import pyarrow

    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        return pyarrow.array([None if value is None else str(_cell(value)) for value in values])


def _xlsx(rows: Rows) -> bytes:
    """A workbook; a text is a text in it, whatever it begins with."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.utils.escape import escape

    book = Workbook(write_only=True)
    sheet = book.create_sheet("experiments")
    heads = _heads(rows)
    for cells in (heads, *([row[head] for head in heads] for row in rows)):
        line = []
        for value in cells:
            given = value.replace(tzinfo=None) if isinstance(value, datetime) else value  # a workbook has no zones: UTC
            given = given if isinstance(given, bool | datetime) else _cell(given)
            cell = WriteOnlyCell(sheet, escape(given) if isinstance(given, str) else given)
            if isinstance(given, str):
                cell.data_type = "s"  # else a text that begins with "=" would be a formula
            line.append(cell)
        sheet.append(line)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
