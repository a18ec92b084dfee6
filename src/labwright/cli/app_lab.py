"""The verbs about a lab folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.options import (
    BudgetOption,
    DataOption,
    EndpointsOption,
    FromOption,
    JournalOption,
    JsonOption,
    LabOption,
    ParallelOption,
    SimulatedOption,
)
from labwright.cli.places import data_folder, lab_root

lab_app = typer.Typer(help="Look after a lab's folder.", no_args_is_help=True, rich_markup_mode=None)


@lab_app.command("migrate")
def lab_migrate(
    folder: Annotated[Path, typer.Argument(help="The lab's folder.")],
    json: JsonOption = False,
) -> None:
    """Rewrite the files of a lab of an earlier Labwright into the form of this one; what is in it already is left."""
    from labwright.cli.migrating import migrate_lab

    migrate_lab(folder, json=json)


@lab_app.command("rehearse")
def lab_rehearse(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="Campaigns that start together.")],
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            help="A changed lab: more NAME, slots STATION NUMBER, down NAME FROM-UNTIL (hours from the start), "
            "down NAME START/END (dates) or parallel NUMBER; several with commas. Again for another row.",
        ),
    ] = None,
    lab: LabOption = None,
    data: DataOption = None,
    simulated: SimulatedOption = False,
    endpoints: EndpointsOption = None,
    budget: BudgetOption = None,
    parallel: ParallelOption = None,
    json: JsonOption = False,
    starts: FromOption = None,
    journal: JournalOption = "",
) -> None:
    """Rehearse campaigns together on the lab as it is, and on labs that are changed, side by side."""
    from labwright.cli.rehearsing import PlanOptions, rehearse_lab

    root = lab_root(lab)
    options = PlanOptions(data_folder(root, data), journal, simulated, endpoints, budget, parallel, json, starts)
    raise SystemExit(rehearse_lab(root, specs, options, what_if or []))
