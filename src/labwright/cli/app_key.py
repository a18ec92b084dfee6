"""The verbs on keys; all of them at a service."""

from __future__ import annotations

from typing import Annotated

import typer

from labwright.cli.options import OutOption, at_service, strict_int
from labwright.cli.sites import Site

key_app = typer.Typer(
    help="Keys of your own; for admins, the first of a person.", no_args_is_help=True, rich_markup_mode=None
)


@key_app.command("list")
@at_service
def key_list(site: Site, json: bool) -> None:
    """List your keys; what opens something is not among what is kept of them."""
    from labwright.cli.keys import list_keys

    list_keys(site, json=json)


@key_app.command("make")
@at_service
def key_make(
    site: Site,
    json: bool,
    name: Annotated[str, typer.Argument(help="What it is for, in words.")],
    owner: Annotated[str, typer.Option("--for", metavar="WHO", help="Whose it is to be, for admins; yours.")] = "",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="ACTION", help="All that it allows, as lab.read; repeatable."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", help="After which it opens nothing; 90.", parser=strict_int(1, 3660), metavar="<int>"),
    ] = None,
    out: OutOption = None,
) -> None:
    """Make a key, and print it, once."""
    from labwright.cli.keys import make_key

    make_key(site, name, owner, only, days, out, json=json)


@key_app.command("revoke")
@at_service
def key_revoke(
    site: Site, json: bool, key: Annotated[str, typer.Argument(metavar="ID", help="As `labwright key list` has it.")]
) -> None:
    """Let a key open nothing from now on; of others, for admins."""
    from labwright.cli.keys import revoke_key

    revoke_key(site, key, json=json)
