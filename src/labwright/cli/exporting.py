"""`labwright campaign export`: the experiments of a campaign as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from labwright.cli.output import console, counted, emit
from labwright.cli.sites import Place, seen
from labwright.facts.exporting import FORMATS, export_rows, table_file
from labwright.journal import Journal
from labwright.journal.reading import choose

if TYPE_CHECKING:
    from labwright.client import Client


def export_campaign(place: Place, name: str, to: Path, *, json: bool) -> None:
    """Write a row for each experiment and proposal, with units in the heads, as the file's name says.

    Raises:
        typer.BadParameter: the file's name does not end in .csv, .parquet or .xlsx.
        ConfigError: there is no such campaign.
    """
    kind = next((one for one in FORMATS if to.suffix == f".{one}"), None)
    if kind is None:
        endings = ", ".join(f".{one}" for one in FORMATS)
        raise typer.BadParameter(
            f"{to}: cannot write {to.suffix or 'a file without an ending'}; give a name that ends in one of {endings}"
        )

    def here(journal: Journal) -> tuple[str, int, bytes]:
        campaign = str(choose(journal, name)["id"])
        rows = export_rows(journal, campaign)
        return campaign, len(rows), table_file(rows, kind)

    def there(client: Client) -> tuple[str, int, bytes]:
        campaign = client.campaigns.id_of(name)
        return campaign, sum(1 for _ in client.campaigns.experiments(campaign)), client.campaigns.table(campaign, kind)

    campaign, rows, content = seen(place, here, there).facts
    to.write_bytes(content)
    if json:
        emit({"campaign": campaign, "file": str(to), "rows": rows})
        return
    console.print(f"{counted(rows, 'row')} of {campaign} written to {to}", markup=False)
