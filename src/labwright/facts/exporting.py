"""The experiments of a campaign as CSV, for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from labwright.journal import Journal
from labwright.report import experiment_rows, read_record

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell must not begin with: a spreadsheet would carry it out."""


def export_rows(journal: Journal, campaign: str) -> list[dict[str, Any]]:
    """A row for each experiment and proposal, with units in the heads.

    Args:
        journal: opened to be read.
        campaign: its id.
    """
    return experiment_rows(read_record(journal, campaign))


def csv_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Rows as lines of CSV, the head first; text that a spreadsheet would carry out as a formula begins with ``'``."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    heads = list(rows[0]) if rows else ["experiment"]
    for cells in (heads, *([row[head] for head in heads] for row in rows)):
        writer.writerow([_cell(value) for value in cells])
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _cell(value: Any) -> Any:
    """A value as text that other programs read: arrays as JSON, truth values as JSON has them, times in ISO 8601."""
    if isinstance(value, bool | list):
        return orjson.dumps(value).decode()
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
