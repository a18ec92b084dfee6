"""The verbs on stocks and containers."""

from __future__ import annotations

from typing import Annotated

import typer

from labwright.cli.options import DataOption, JournalOption, JsonOption, LabOption, Place, on_journal
from labwright.cli.places import journal_place, lab_root

inventory_app = typer.Typer(
    help="Look at stocks and containers, and say what a person has counted or refilled.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

InstrumentsOption = Annotated[
    str,
    typer.Option(
        "--instruments",
        help="Which, if the journal knows several: real, here (simulated by --simulated), or the file of --endpoints.",
    ),
]


@inventory_app.command("list")
@on_journal
def inventory_list(place: Place, json: bool, instruments: InstrumentsOption = "") -> None:
    """List what is left of each stock, what is in each waste, and what each position holds; nothing is changed."""
    from labwright.cli.inventory import list_inventory

    list_inventory(place, instruments, json=json)


@inventory_app.command("count")
def inventory_count(
    by: Annotated[str, typer.Option("--by", help="Who has counted; recorded in the journal.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, or what you have refilled; recorded as well.")],
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STOCK=AMOUNT|POSITION=CONTAINER|POSITION=empty]...", help="What is there now."),
    ] = None,
    from_file: Annotated[
        bool, typer.Option("--from-file", help="All that inventory.yaml says, but for what is named.")
    ] = False,
    instruments: InstrumentsOption = "",
    lab: LabOption = None,
    data: DataOption = None,
    journal: JournalOption = "",
    json: JsonOption = False,
) -> None:
    """Record what a person has counted or refilled: at once, whether a controller runs or not."""
    from labwright.cli.inventory import recount

    place = journal_place(lab, data, journal)
    recount(lab_root(lab), place, instruments, what or [], from_file=from_file, by=by, because=reason, json=json)
