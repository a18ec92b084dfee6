"""The verbs about a lab folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.options import JsonOption

lab_app = typer.Typer(help="Look after a lab's folder.", no_args_is_help=True, rich_markup_mode=None)


@lab_app.command("migrate")
def lab_migrate(
    folder: Annotated[Path, typer.Argument(help="The lab's folder.")],
    json: JsonOption = False,
) -> None:
    """Rewrite the files of a lab of an earlier Labwright into the form of this one; what is in it already is left."""
    from labwright.cli.migrating import migrate_lab

    migrate_lab(folder, json=json)
