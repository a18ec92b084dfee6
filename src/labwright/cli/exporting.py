"""`labwright campaign export`: the experiments of a campaign as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from labwright.cli.output import console, counted, emit
from labwright.cli.sites import Place, seen
from labwright.facts.exporting import csv_lines, export_rows
from labwright.journal import Journal
from labwright.journal.reading import choose

if TYPE_CHECKING:
    from labwright.client import Client


def export_campaign(place: Place, name: str, to: Path, *, json: bool) -> None:
    """Write a row for each experiment and proposal, as CSV in UTF-8 with units in the heads.

    Raises:
        typer.BadParameter: the file's name does not end in .csv.
        ConfigError: there is no such campaign.
    """
    if to.suffix != ".csv":
        raise typer.BadParameter(f"{to}: cannot write {to.suffix or 'a file without an ending'}; give a name in .csv")

    def here(journal: Journal) -> tuple[str, int, str]:
        campaign = str(choose(journal, name)["id"])
        rows = export_rows(journal, campaign)
        return campaign, len(rows), "".join(csv_lines(rows))

    def there(client: Client) -> tuple[str, int, str]:
        campaign = client.campaigns.id_of(name)
        text = client.campaigns.export(campaign)
        return campaign, _rows(text), text

    campaign, rows, text = seen(place, here, there).facts
    to.write_text(text, encoding="utf-8", newline="")
    if json:
        emit({"campaign": campaign, "file": str(to), "rows": rows})
        return
    console.print(f"{counted(rows, 'row')} of {campaign} written to {to}", markup=False)


def _rows(text: str) -> int:
    """How many rows a CSV text has below its head."""
    import csv
    import io

    return max(0, sum(1 for _ in csv.reader(io.StringIO(text, newline=""))) - 1)
