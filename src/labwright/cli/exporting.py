"""`labwright campaign export`: the experiments of a campaign as a file for other programs."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import typer

from labwright.cli.output import console, counted, emit
from labwright.journal import Journal
from labwright.journal.reading import choose
from labwright.report import experiment_rows, read_record


def export_campaign(place: str | Path, name: str, to: Path, *, json: bool) -> None:
    """Write a row for each experiment and proposal, as CSV in UTF-8 with units in the heads.

    Raises:
        typer.BadParameter: the file's name does not end in .csv.
        ConfigError: there is no such campaign.
    """
    if to.suffix != ".csv":
        raise typer.BadParameter(f"{to}: cannot write {to.suffix or 'a file without an ending'}; give a name in .csv")
    with Journal.reading(place) as journal:
        campaign = str(choose(journal, name)["id"])
        rows = experiment_rows(read_record(journal, campaign))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["experiment"])
    writer.writeheader()
    writer.writerows({head: _cell(value) for head, value in row.items()} for row in rows)
    to.write_text(text.getvalue(), encoding="utf-8", newline="")
    if json:
        emit({"campaign": campaign, "file": str(to), "rows": len(rows)})
        return
    console.print(f"{counted(len(rows), 'row')} of {campaign} written to {to}", markup=False)


def _cell(value: Any) -> Any:
    """A value as text that other programs read: arrays as JSON, truth values as JSON has them, times in ISO 8601."""
    if isinstance(value, bool | list):
        return orjson.dumps(value).decode()
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
