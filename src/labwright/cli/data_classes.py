"""`labwright data-class`: who may see the data of a request or a campaign."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labwright.cli.output import console, counted, emit, table
from labwright.cli.sites import Site, at
from labwright.cli.words import when
from labwright.client import Client, DataClass
from labwright.client.data_classes import is_request
from labwright.model.errors import ConfigError, unknown


@dataclass(frozen=True)
class Change:
    """What is said of data; what is None stays as it is.

    Attributes:
        data_class: open, shared_closed or closed.
        groups: that they are shared with.
        embargo_until_s: wall time until which they are closed.
        fiscal_years: the same until 31 March, so many fiscal years after this one.
        no_embargo: whether they are kept back no longer.
        export_control: as it was found to be.
        licence: for those who may see them.
    """

    data_class: str | None = None
    groups: Collection[str] | None = None
    embargo_until_s: float | None = None
    fiscal_years: int | None = None
    no_embargo: bool = False
    export_control: str | None = None
    licence: str | None = None

    def of(self, before: DataClass) -> dict[str, Any]:
        """What is to hold from now on, as the client takes it.

        Raises:
            ConfigError: it is to be shared with no group.
        """
        data_class = self.data_class or before.data_class
        kept = before.groups if data_class == "shared_closed" else ()
        groups = kept if self.groups is None else self.groups
        if data_class == "shared_closed" and not groups:
            raise ConfigError("shared_closed takes the groups that the data are shared with: give --group NAME")
        until_s = self.embargo_until_s
        if until_s is None and self.fiscal_years is None and not self.no_embargo:
            until_s = before.embargo_until_s
        return {
            "data_class": data_class,
            "groups": groups,
            "embargo_until": _moment(until_s),
            "fiscal_years": self.fiscal_years,
            "export_control": self.export_control or before.export_control,
            "licence": before.licence if self.licence is None else self.licence,
        }


def show_class(site: Site, name: str, *, json: bool) -> None:
    """Who may see data.

    Raises:
        ConfigError: there is no such request or campaign that the key may see.
    """
    _say(at(site, lambda client: client.data_classes.show(_id(client, name))), json=json)


def set_class(site: Site, name: str, change: Change, because: str, *, json: bool) -> None:
    """Say who may see data.

    Raises:
        ConfigError: it contradicts itself; or there is no such request or campaign.
        RefusedError: it takes a data steward; what may be controlled would be open; or it has changed meanwhile.
    """

    def there(client: Client) -> DataClass:
        mine = _id(client, name)
        before = client.data_classes.show(mine)
        return client.data_classes.set(mine, because=because, version=before.version, **change.of(before))

    _say(at(site, there), json=json)


def grant(site: Site, name: str, who: str, until_s: float | None, because: str, *, json: bool) -> None:
    """Let one person see a request or a campaign, with its data.

    Raises:
        ConfigError: there is no such person, request or campaign.
        RefusedError: it takes a data steward.
    """
    _say(
        at(site, lambda client: client.data_classes.grant(_id(client, name), who, because, until=_moment(until_s))),
        json=json,
    )


def take_back(site: Site, name: str, who: str, *, json: bool) -> None:
    """Take a grant back.

    Raises:
        ConfigError: there is no such request or campaign, or that person has no grant of it.
        RefusedError: it takes a data steward.
    """

    def there(client: Client) -> DataClass:
        mine = _id(client, name)
        granted = client.data_classes.show(mine).granted
        if who not in granted:
            raise ConfigError(unknown(f"grant of {mine} to", who, granted))
        return client.data_classes.take_back(mine, who)

    _say(at(site, there), json=json)


def _say(shown: DataClass, *, json: bool) -> None:
    if json:
        emit(shown.model_dump(mode="json", exclude={"version"}))
        return
    now = shown.data_class
    if shown.effective != shown.data_class:
        now += f", but {shown.effective} for now"
    kept = "" if shown.embargo_until_s is None else when(shown.embargo_until_s)
    rows = [
        ("class", now),
        ("shared with", ", ".join(shown.groups)),
        ("kept back until (UTC)", kept),
        ("export control", shown.export_control),
        ("licence", shown.licence),
        ("granted to", ", ".join(shown.granted)),
    ]
    table(f"Data of {shown.request or shown.campaign}", ("", ""), [row for row in rows if row[1]], json=False)
    if shown.links_withdrawn:
        console.print(f"{counted(shown.links_withdrawn, 'link')} to them withdrawn", style="bold")
    if shown.exported_before:
        columns = ("UTC", "by", "what")
        taken = [(when(one["at_s"]), one["by"], one["what"]) for one in shown.exported_before]
        table("Taken away before, which no class calls back", columns, taken, json=False)


def _id(client: Client, name: str) -> str:
    """The id of a request or a campaign, by that or by the campaign's name."""
    return name if is_request(name) else client.campaigns.id_of(name)


def _moment(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)
