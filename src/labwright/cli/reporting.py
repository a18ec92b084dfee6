"""`labwright report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labwright.cli.app import find_campaign
from labwright.cli.output import console
from labwright.engine import Campaign, load_campaign
from labwright.report import html, newest


def write_newest(root: Path, name: str, data: Path, out: Path) -> None:
    """Write the report of the newest run of a campaign in `data`."""
    from labwright.lab import read_lab

    folder = read_lab(root)
    campaign = load_campaign(folder, find_campaign(root, name))
    write_report(data, campaign, simulated=None, world=None, out=out)
    console.print(f"Report           {out}")


def write_report(
    data: Path, campaign: Campaign, *, simulated: bool | None, world: Any, out: Path | None = None
) -> Path:
    """Write the report of the newest run of `campaign` in `data`; where it is.

    Args:
        data: folder of journal and runs.
        campaign: what was run.
        simulated: whether it was a simulation; read from the runs if None.
        world: the simulated world, if it still exists, for the truth behind the results.
        out: the file; DATA/report.html if None.
    """
    record = newest(data, campaign)
    if simulated is None:
        simulated = was_simulated(data)
    out = out or data / "report.html"
    out.write_text(html(record, campaign, simulated=simulated, world=world), encoding="utf-8")
    return out


def was_simulated(data: Path) -> bool:
    """Whether the newest run in the journal was on simulated instruments."""
    from labwright.journal import closed_runs, read_run

    runs = closed_runs(data / "runs")
    return bool(runs) and bool(read_run(runs[-1])[0][1].get("labwright", {}).get("simulated"))
