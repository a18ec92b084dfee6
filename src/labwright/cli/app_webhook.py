"""The verbs on webhooks; all of them at a service."""

from __future__ import annotations

from typing import Annotated

import typer

from labwright.cli.options import OutOption, at_service, strict_int
from labwright.cli.sites import Site

webhook_app = typer.Typer(
    help="Have what happens to requests sent to a program of yours.", no_args_is_help=True, rich_markup_mode=None
)

WebhookArgument = Annotated[str, typer.Argument(metavar="ID", help="As `labwright webhook list` has it.")]


@webhook_app.command("list")
@at_service
def webhook_list(site: Site, json: bool) -> None:
    """List your webhooks, and whether they are called."""
    from labwright.cli.webhooks import list_webhooks

    list_webhooks(site, json=json)


@webhook_app.command("add")
@at_service
def webhook_add(
    site: Site,
    json: bool,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="URL that is called.")],
    project: Annotated[str, typer.Option("--project", help="Only requests of this one; all that you may see.")] = "",
    event: Annotated[list[str] | None, typer.Option("--event", help="Only this one; repeatable; all.")] = None,
    out: OutOption = None,
) -> None:
    """Have what happens from now on sent somewhere, and print the secret that signs it, once."""
    from labwright.cli.webhooks import add_webhook

    add_webhook(site, address, project, event or (), out, json=json)


@webhook_app.command("remove")
@at_service
def webhook_remove(site: Site, json: bool, webhook: WebhookArgument) -> None:
    """Call a webhook no more."""
    from labwright.cli.webhooks import remove_webhook

    remove_webhook(site, webhook, json=json)


@webhook_app.command("enable")
@at_service
def webhook_enable(site: Site, json: bool, webhook: WebhookArgument) -> None:
    """Call a webhook again that was given up, with what happens from now on."""
    from labwright.cli.webhooks import enable_webhook

    enable_webhook(site, webhook, json=json)


@webhook_app.command("notices")
@at_service
def webhook_notices(
    site: Site,
    json: bool,
    webhook: WebhookArgument,
    limit: Annotated[
        int, typer.Option("--limit", help="How many at most.", parser=strict_int(1, 200), metavar="<int>")
    ] = 50,
) -> None:
    """Show what was sent to a webhook, or is to be, the newest first: how often it was tried, what went wrong."""
    from labwright.cli.webhooks import list_notices

    list_notices(site, webhook, limit, json=json)
