"""`labwright report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from labwright.cli.output import console, working
from labwright.cli.sites import Site, done
from labwright.report import CampaignRecord, html, newest

if TYPE_CHECKING:
    from labwright.client import Client


def write_newest(name: str, data: Path, out: Path | None, journal: str = "") -> None:
    """Write the report of the newest run of a campaign in `data`, or in the journal at a URL."""
    if journal:
        data.mkdir(parents=True, exist_ok=True)  # with a journal elsewhere the folder may not exist yet
    with working("writing the report"):
        path, record = _written(data, name, None, out, journal)
    simulated = ", SIMULATED" if record.core.started.simulated else ""
    console.print(f"Report           {path} ({record.campaign}{simulated})", markup=False)


def fetch_report(site: Site, name: str, out: Path | None) -> None:
    """Write the report that a service has of the newest run of a campaign, to `out` or ID.html.

    Raises:
        ConfigError: there is no such campaign, or it has no report yet.
    """

    def there(client: Client) -> tuple[str, str]:
        campaign = client.campaigns.id_of(name)
        return campaign, client.campaigns.report(campaign)

    campaign, page = done(site, lambda journal: ("", ""), there)
    path = out or Path(f"{campaign}.html")
    _write(path, page)
    console.print(f"Report           {path} ({campaign})", markup=False)


def write_report(data: Path, name: str, *, world: Any = None, out: Path | None = None, place: str | Path = "") -> Path:
    """Write the report of the newest run of the campaign `name` in `data`; where it is.

    Args:
        data: folder of journal and runs.
        name: of the campaign, or the id of one run of it.
        world: the simulated world, if it still exists, for the true values.
        out: the file. If None, DATA/reports/CAMPAIGN-ID.html, and a copy in DATA/report.html, which is that of the last
            report with results in it.
        place: URL of the journal, if it is not in `data`.
    """
    out, _ = _written(data, name, world, out, place)
    return out


def _written(data: Path, name: str, world: Any, out: Path | None, place: str | Path) -> tuple[Path, CampaignRecord]:
    record = newest(place if isinstance(place, str) and place else data, name)
    page = html(record, world)
    if out is not None:
        _write(out, page)
        return out, record
    own = data / "reports" / f"{record.campaign}.html"
    own.parent.mkdir(parents=True, exist_ok=True)
    _write(own, page)
    last = data / "report.html"
    if record.done or not last.exists():
        _write(last, page)
    return own, record


def _write(path: Path, page: str) -> None:
    """In one move: a reader never sees half a page, and a full disk leaves the old one."""
    path = path.resolve()  # where a link leads
    if path.exists() and not path.is_file():  # a pipe, a terminal
        path.write_text(page, encoding="utf-8")
        return
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
