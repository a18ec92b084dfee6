"""The verbs on stocks and containers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.options import DataOption, JournalOption, JsonOption, LabOption, Place, on_journal
from labwright.cli.places import journal_place, lab_root

inventory_app = typer.Typer(
    help="What is there of each material, where, how long it lasts; and what people count, receive, correct and move.",
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


By = Annotated[str, typer.Option("--by", help="The person; recorded in the journal.")]
Because = Annotated[str, typer.Option("--reason", help="Why; recorded as well.")]


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


@inventory_app.command("receive")
def inventory_receive(
    container: Annotated[str, typer.Argument(help="What is written on its label.")],
    labware: Annotated[str, typer.Option("--labware", help="Its kind.")],
    material: Annotated[str, typer.Option("--material", help="What is in it.")],
    quantity: Annotated[str, typer.Option("--quantity", help="How much, with its unit: 58mL.")],
    by: By,
    reason: Because,
    lot: Annotated[str, typer.Option("--lot", help="The delivery; called like the container without.")] = "",
    barcode: Annotated[str, typer.Option("--barcode", help="What is read from its label.")] = "",
    opened: Annotated[str, typer.Option("--opened", help="The day: 2026-11-01.")] = "",
    expires: Annotated[str, typer.Option("--expires", help="The last day on which it may be used.")] = "",
    at: Annotated[str, typer.Option("--at", help="source:NAME, position:NAME, or shelf.")] = "shelf",
    instruments: InstrumentsOption = "",
    lab: LabOption = None,
    data: DataOption = None,
    journal: JournalOption = "",
    json: JsonOption = False,
) -> None:
    """Book a container that has come; what stood at its source goes on the shelf."""
    from labwright.cli.booking import Who, receive

    given = {
        "labware": labware, "material": material, "quantity": quantity, "lot": lot, "barcode": barcode,
        "opened": opened, "expires": expires, "place": at,
    }  # fmt: skip
    receive(Who(lab_root(lab), journal_place(lab, data, journal), instruments, by, reason, json), container, given)


@inventory_app.command("import")
def inventory_import(
    file: Annotated[Path, typer.Argument(help="CSV with container, labware, material, quantity; lot, barcode, ...")],
    by: By,
    reason: Because,
    instruments: InstrumentsOption = "",
    lab: LabOption = None,
    data: DataOption = None,
    journal: JournalOption = "",
    json: JsonOption = False,
) -> None:
    """Book all containers of a CSV file, or none if one of them is wrong."""
    from labwright.cli.booking import Who, receive_all

    receive_all(Who(lab_root(lab), journal_place(lab, data, journal), instruments, by, reason, json), file)


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
def inventory_adjust(
    what: Annotated[str, typer.Argument(metavar="STOCK=CHANGE", help="What is there more, or less: rinse=-0.5mL.")],
    by: By,
    reason: Because,
    instruments: InstrumentsOption = "",
    lab: LabOption = None,
    data: DataOption = None,
    journal: JournalOption = "",
    json: JsonOption = False,
) -> None:
    """Correct what is known of a stock by an entry of its own."""
    from labwright.cli.booking import Who, adjust

    adjust(Who(lab_root(lab), journal_place(lab, data, journal), instruments, by, reason, json), what)


@inventory_app.command("move")
def inventory_move(
    container: Annotated[str, typer.Argument(help="A container, or the position of what stands there.")],
    to: Annotated[str, typer.Argument(help="A position, a source, shelf, or outside: out of the lab.")],
    by: By,
    reason: Because,
    instruments: InstrumentsOption = "",
    lab: LabOption = None,
    data: DataOption = None,
    journal: JournalOption = "",
    json: JsonOption = False,
) -> None:
    """Book that a person has put a container elsewhere."""
    from labwright.cli.booking import Who, move

    move(Who(lab_root(lab), journal_place(lab, data, journal), instruments, by, reason, json), container, to)


@inventory_app.command("release")
def inventory_release(
    stock: Annotated[str, typer.Argument(help="A container, or the source at which it stands.")],
    by: By,
    reason: Because,
    instruments: InstrumentsOption = "",
    lab: LabOption = None,
    data: DataOption = None,
    journal: JournalOption = "",
    json: JsonOption = False,
) -> None:
    """Book that a quarantined stock may be used: a person has looked."""
    from labwright.cli.booking import Who, classify

    classify(Who(lab_root(lab), journal_place(lab, data, journal), instruments, by, reason, json), stock, "released")


@inventory_app.command("quarantine")
def inventory_quarantine(
    stock: Annotated[str, typer.Argument(help="A container, or the source at which it stands.")],
    by: By,
    reason: Because,
    instruments: InstrumentsOption = "",
    lab: LabOption = None,
    data: DataOption = None,
    journal: JournalOption = "",
    json: JsonOption = False,
) -> None:
    """Book that nothing of a stock may be used, and why."""
    from labwright.cli.booking import Who, classify

    classify(Who(lab_root(lab), journal_place(lab, data, journal), instruments, by, reason, json), stock, "quarantined")


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
