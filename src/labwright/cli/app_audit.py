"""The verbs on the audit trail of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.options import on_journal, strict_int
from labwright.cli.sites import Place

audit_app = typer.Typer(
    help="Who did, or was refused, what over HTTP, and when.", no_args_is_help=True, rich_markup_mode=None
)


@audit_app.command("list")
@on_journal
def audit_list(
    place: Place,
    json: bool,
    after: Annotated[
        int, typer.Option("--after", help="Number of the last row known.", parser=strict_int(0), metavar="<int>")
    ] = 0,
    actor: Annotated[str, typer.Option("--actor", help="Only this one's.")] = "",
) -> None:
    """List the audit trail, oldest first."""
    from labwright.cli.auditing import list_audit

    list_audit(place, after, actor, json=json)


@audit_app.command("trace")
@on_journal
def audit_trace(
    place: Place,
    json: bool,
    trace: Annotated[
        str, typer.Argument(help="The id, as an answer's X-Trace-Id has it, or a row of the audit trail.")
    ],
) -> None:
    """Show what one request over HTTP has led to: audit rows, commands, campaigns, and operations in the lab."""
    from labwright.cli.auditing import show_trace

    show_trace(place, trace, json=json)


@audit_app.command("verify")
@on_journal
def audit_verify(
    place: Place,
    json: bool,
    anchor: Annotated[
        list[Path], typer.Option("--anchor", help="File of heads that was kept elsewhere; may be given again.")
    ] = [],  # noqa: B006 - typer's way
) -> None:
    """Check that nothing in the audit trail was changed, removed or put in later; exit code 1 if something was."""
    from labwright.cli.auditing import verify_audit

    raise SystemExit(verify_audit(place, anchor, json=json))
