"""`labwright webhook`: where what happens to requests is sent."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from labwright.cli.handing_over import hand_over, say_where
from labwright.cli.output import console, emit, table
from labwright.cli.sites import Site, at
from labwright.cli.words import when
from labwright.client import Notice
from labwright.model.errors import ConfigError, unknown


def list_webhooks(site: Site, *, json: bool) -> None:
    """Webhooks of the owner of the key."""
    webhooks = at(site, lambda client: client.webhooks.list())
    if json:
        emit(*(one.model_dump(mode="json") for one in webhooks))
        return
    rows = [
        (
            one.id,
            one.url,
            one.project or "all that you may see",
            ", ".join(one.events) or "all",
            "is called" if one.called else f"given up: labwright webhook enable {one.id}",
            f"{one.why} ({one.failures} in a row)" if one.failures else one.why,
        )
        for one in webhooks
    ]
    table("Webhooks", ("id", "address", "project", "events", "", "what went wrong"), rows, json=False)


def add_webhook(
    site: Site, address: str, project: str, events: Collection[str], out: Path | None, *, json: bool
) -> None:
    """Have what happens sent somewhere, and print the secret that signs it or write it to a file.

    Raises:
        ConfigError: there is no such event, project or file to be.
        RefusedError: the address is none that may be called, or the key sees no request.
    """
    _refuse_unknown(events)
    made = hand_over(
        lambda: at(site, lambda client: client.webhooks.add(address, project=project, events=events)),
        lambda made: made.secret,
        out,
        undo=lambda made: f"Remove the webhook, and add another: labwright webhook remove {made.id} {site.option}",
        json=(lambda made: made.model_dump(mode="json", exclude={"secret"})) if json else None,
    )
    if json:
        return
    what = ", ".join(made.events) or "all that happens"
    whose = f"requests of {made.project}" if made.project else "requests that you may see"
    console.print(f"Webhook {made.id}: {made.url} is called from now on with {what} to {whose}", style="bold")
    say_where(out)
    console.print(f"It signs each call. What was sent: labwright webhook notices {made.id} {site.option}")


def remove_webhook(site: Site, webhook: str, *, json: bool) -> None:
    """Call a webhook no more.

    Raises:
        ConfigError: the owner of the key has no such one.
    """
    at(site, lambda client: client.webhooks.remove(webhook))
    if json:
        emit({"id": webhook, "removed": True})
        return
    console.print(f"Webhook {webhook} is called no more, and what was to be sent to it is dropped", style="bold")


def enable_webhook(site: Site, webhook: str, *, json: bool) -> None:
    """Call a webhook again that was given up.

    Raises:
        ConfigError: the owner of the key has no such one.
    """
    at(site, lambda client: client.webhooks.enable(webhook))
    if json:
        emit({"id": webhook, "enabled": True})
        return
    console.print(f"Webhook {webhook} is called with what happens from now on", style="bold")


def list_notices(site: Site, webhook: str, limit: int, *, json: bool) -> None:
    """What was sent to a webhook, or is to be.

    Raises:
        ConfigError: the owner of the key has no such one.
    """
    notices = at(site, lambda client: client.webhooks.notices(webhook, limit=limit))
    if json:
        emit(*(one.model_dump(mode="json") for one in notices))
        return
    rows = [(one.id, one.body.get("type", ""), when(one.made_s), one.tries, _state(one), one.error) for one in notices]
    table("Notices", ("webhook-id", "event", "made (UTC)", "tries", "", "what went wrong"), rows, json=False)


def _state(one: Notice) -> str:
    if one.sent_s is not None:
        return f"arrived {when(one.sent_s)}"
    return "given up" if one.due_s is None else f"tried next {when(one.due_s)}"


def _refuse_unknown(events: Collection[str]) -> None:
    from labwright.service.desk.states import EVENTS

    for event in events:
        if event not in EVENTS:
            raise ConfigError(unknown("event of a request", event, EVENTS))
