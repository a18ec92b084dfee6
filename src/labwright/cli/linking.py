"""`labwright request link|links`: what was found, for those without a key."""

from __future__ import annotations

import time

from labwright.cli.handing_over import hand_over
from labwright.cli.output import console, counted, emit, table
from labwright.cli.sites import Site, at
from labwright.cli.words import when

DAY_S = 86_400.0


def make_link(site: Site, request: str, days: float | None, *, json: bool) -> None:
    """Make a link, and print it.

    Raises:
        RefusedError: nothing was delivered yet, it is controlled, or the key makes no link.
        ConfigError: there is no such request.
    """
    asked_s = time.time()
    withdraw = f"labwright request links {request} --withdraw {site.option}"
    made = hand_over(
        lambda: at(site, lambda client: client.requests.link(request, days=days)),
        lambda made: made.url,
        None,
        undo=lambda made: f"Withdraw all links, and make another: {withdraw}",
        json=(lambda made: {"request": request, "expires_s": made.expires_s}) if json else None,
        name="url",
    )
    if json:
        return
    console.print(f"The link to what was found for {request} works until {when(made.expires_s)} (UTC)", style="bold")
    if days is not None and made.expires_s < asked_s + days * DAY_S - 60:
        console.print("The desk's rules let no link work longer")
    console.print(f"All who have it may fetch the data; it is shown only now. Withdraw it: {withdraw}")


def list_links(site: Site, request: str, *, json: bool) -> None:
    """Links to what was found, the newest first.

    Raises:
        RefusedError: the key does not export it.
        ConfigError: there is no such request.
    """
    links = at(site, lambda client: client.requests.links(request))
    if json:
        emit(*(one.model_dump(mode="json") for one in links))
        return
    rows = []
    for one in links:
        state = f"{'works until' if not one.over else 'expired'} {when(one.expires_s)}"
        state = f"withdrawn {when(one.revoked_s)}" if one.revoked_s is not None else state
        rows.append((one.made_by, when(one.made_s), state, one.fetched))
    table(f"Links to {request}", ("by", "made (UTC)", "state (UTC)", "followed"), rows, json=False)


def withdraw_links(site: Site, request: str, *, json: bool) -> None:
    """Let no link to what was found work from now on.

    Raises:
        RefusedError: the key does not export it.
        ConfigError: there is no such request.
    """
    number = at(site, lambda client: client.requests.withdraw_links(request))
    if json:
        emit({"request": request, "links_withdrawn": number})
        return
    console.print(f"No link to {request} works from now on; until now {counted(number, 'link')} did", style="bold")
