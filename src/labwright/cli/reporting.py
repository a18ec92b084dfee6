"""`labwright report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labwright.cli.output import console
from labwright.report import html, newest


def write_newest(name: str, data: Path, out: Path, journal: str = "") -> None:
    """Write the report of the newest run of a campaign in `data`, or in the journal at a URL."""
    if journal:
        data.mkdir(parents=True, exist_ok=True)  # with a journal elsewhere nothing else may have made it
    console.print(f"Report           {write_report(data, name, out=out, place=journal)}")


def write_report(data: Path, name: str, *, world: Any = None, out: Path | None = None, place: str | Path = "") -> Path:
    """Write the report of the newest run of the campaign `name` in `data`; where it is.

    Args:
        data: folder of journal and runs.
        name: of the campaign.
        world: the simulated world, if it still exists, for the truth behind the results.
        out: the file; DATA/report.html if None.
        place: URL of the journal, if it is not in `data`.
    """
    page = html(newest(place if isinstance(place, str) and place else data, name), world)
    out = out or data / "report.html"
    out.write_text(page, encoding="utf-8")
    return out
