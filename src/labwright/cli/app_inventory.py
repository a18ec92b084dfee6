"""The verbs on stocks and containers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.options import InstrumentsOption, Who, books, on_journal
from labwright.cli.sites import Place

inventory_app = typer.Typer(
    help="What is there of each material, where, how long it lasts; and what people count, receive, correct and move.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@inventory_app.command("list")
@on_journal
def inventory_list(place: Place, json: bool, instruments: InstrumentsOption = "") -> None:
    """List what is left of each stock, what is in each waste, and what each position holds; nothing is changed."""
    from labwright.cli.inventory import list_inventory

    list_inventory(place, instruments, json=json)


@inventory_app.command("count")
@books
def inventory_count(
    who: Who,
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STOCK=AMOUNT|POSITION=CONTAINER|POSITION=empty]...", help="What is there now."),
    ] = None,
    from_file: Annotated[
        bool, typer.Option("--from-file", help="All that inventory.yaml says, but for what is named.")
    ] = False,
) -> None:
    """Record what a person has counted or refilled: at once, whether a controller runs or not."""
    from labwright.cli.inventory import recount

    recount(who, what or [], from_file=from_file)


@inventory_app.command("receive")
@books
def inventory_receive(
    who: Who,
    container: Annotated[str, typer.Argument(help="What is written on its label.")],
    labware: Annotated[str, typer.Option("--labware", help="Its kind.")],
    material: Annotated[str, typer.Option("--material", help="What is in it.")],
    quantity: Annotated[str, typer.Option("--quantity", help="How much, with its unit: 58mL.")],
    lot: Annotated[str, typer.Option("--lot", help="The delivery; called like the container without.")] = "",
    barcode: Annotated[str, typer.Option("--barcode", help="What is read from its label.")] = "",
    opened: Annotated[str, typer.Option("--opened", help="The day: 2026-11-01.")] = "",
    expires: Annotated[str, typer.Option("--expires", help="The last day on which it may be used.")] = "",
    at: Annotated[str, typer.Option("--at", help="source:NAME, position:NAME, or shelf.")] = "shelf",
) -> None:
    """Book a container that has come; what stood at its source goes on the shelf."""
    from labwright.cli.booking import receive

    given = {
        "labware": labware, "material": material, "quantity": quantity, "lot": lot, "barcode": barcode,
        "opened": opened, "expires": expires, "place": at,
    }  # fmt: skip
    receive(who, container, given)


@inventory_app.command("import")
@books
def inventory_import(
    who: Who,
    file: Annotated[Path, typer.Argument(help="CSV with container, labware, material, quantity; lot, barcode, ...")],
) -> None:
    """Book all containers of a CSV file, or none if one of them is wrong."""
    from labwright.cli.booking import receive_all

    receive_all(who, file)


@inventory_app.command("export")
@on_journal
def inventory_export(
    place: Place,
    json: bool,
    file: Annotated[Path, typer.Argument(help="To be written; as `import` reads it.")],
    instruments: InstrumentsOption = "",
) -> None:
    """Write what each container holds as CSV."""
    from labwright.cli.inventory import export_inventory

    export_inventory(place, instruments, file, json=json)


@inventory_app.command("adjust")
@books
def inventory_adjust(
    who: Who,
    what: Annotated[str, typer.Argument(metavar="STOCK=CHANGE", help="What is there more, or less: rinse=-0.5mL.")],
) -> None:
    """Correct what is known of a stock by an entry of its own."""
    from labwright.cli.booking import adjust

    adjust(who, what)


@inventory_app.command("move")
@books
def inventory_move(
    who: Who,
    container: Annotated[str, typer.Argument(help="A container, or the position of what stands there.")],
    to: Annotated[str, typer.Argument(help="A position, a source, shelf, or outside: out of the lab.")],
) -> None:
    """Book that a person has put a container elsewhere."""
    from labwright.cli.booking import move

    move(who, container, to)


@inventory_app.command("release")
@books
def inventory_release(
    who: Who,
    stock: Annotated[str, typer.Argument(help="A container, or the source at which it stands.")],
) -> None:
    """Book that a quarantined stock may be used: a person has looked."""
    from labwright.cli.booking import classify

    classify(who, stock, "released")


@inventory_app.command("quarantine")
@books
def inventory_quarantine(
    who: Who,
    stock: Annotated[str, typer.Argument(help="A container, or the source at which it stands.")],
) -> None:
    """Book that nothing of a stock may be used, and why."""
    from labwright.cli.booking import classify

    classify(who, stock, "quarantined")


@inventory_app.command("forecast")
@on_journal
def inventory_forecast(place: Place, json: bool, instruments: InstrumentsOption = "") -> None:
    """Tell how long each stock, waste and kind of container lasts for the campaigns under way."""
    from labwright.cli.forecasting import show_forecast

    show_forecast(place, instruments, json=json)


@inventory_app.command("labels")
@on_journal
def inventory_labels(
    place: Place,
    json: bool,
    file: Annotated[Path, typer.Argument(help="SVG to be written, to be printed at its size.")],
    names: Annotated[list[str] | None, typer.Argument(help="Containers; all without.")] = None,
    instruments: InstrumentsOption = "",
) -> None:
    """Write labels for containers, each with a QR code of its barcode, or of its name."""
    from labwright.cli.labels import write_labels

    write_labels(place, instruments, file, names or [], json=json)
