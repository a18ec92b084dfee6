"""The verbs on who may see data; all of them at a service."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from labwright.cli.options import Because, UntilOption, at_service, moment_s, strict_int
from labwright.cli.sites import Site

data_class_app = typer.Typer(
    help="Who may see the data of a request or a campaign, apart from its project.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A request, as R17; else a campaign's id or name: the newest of it.")
]
WhoArgument = Annotated[str, typer.Argument(metavar="WHO", help="Id of a person.")]


@data_class_app.command("show")
@at_service
def data_class_show(site: Site, json: bool, name: NameArgument) -> None:
    """Show who may see data: their class, until when they are kept back, to whom they were granted."""
    from labwright.cli.data_classes import show_class

    show_class(site, name, json=json)


@data_class_app.command("set")
@at_service
def data_class_set(
    site: Site,
    json: bool,
    name: NameArgument,
    reason: Because,
    data_class: Annotated[
        Literal["open", "shared_closed", "closed"] | None,
        typer.Argument(metavar="[CLASS]", help="open, shared_closed or closed; as it is without."),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="That they are shared with, if shared_closed; repeatable.")
    ] = None,
    embargo_until: Annotated[
        float | None,
        typer.Option(
            "--embargo-until", parser=moment_s, metavar="DATE", help="Closed until then, as 2027-03-31T18:00+09:00."
        ),
    ] = None,
    fiscal_years: Annotated[
        int | None,
        typer.Option(
            "--fiscal-years",
            parser=strict_int(0, 20),
            metavar="<int>",
            help="Closed until 31 March, so many fiscal years after this one.",
        ),
    ] = None,
    no_embargo: Annotated[bool, typer.Option("--no-embargo", help="Keep them back no longer.")] = False,
    export_control: Annotated[
        Literal["unreviewed", "not_controlled", "controlled"] | None,
        typer.Option("--export-control", help="As it was found to be."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="For those who may see them, as CC-BY-4.0.", metavar="SPDX")
    ] = None,
) -> None:
    """Say who may see data; what is left out stays as it is. To let more people see them takes a data steward."""
    from labwright.cli.data_classes import Change, set_class

    if sum((embargo_until is not None, fiscal_years is not None, no_embargo)) > 1:
        raise typer.BadParameter("give one of --embargo-until, --fiscal-years and --no-embargo")
    change = Change(
        data_class=data_class,
        groups=group,
        embargo_until_s=embargo_until,
        fiscal_years=fiscal_years,
        no_embargo=no_embargo,
        export_control=export_control,
        licence=licence,
    )
    set_class(site, name, change, reason, json=json)


@data_class_app.command("grant")
@at_service
def data_class_grant(
    site: Site, json: bool, name: NameArgument, who: WhoArgument, reason: Because, until: UntilOption = None
) -> None:
    """Let one person see a request or a campaign, with its data."""
    from labwright.cli.data_classes import grant

    grant(site, name, who, until, reason, json=json)


@data_class_app.command("take-back")
@at_service
def data_class_take_back(site: Site, json: bool, name: NameArgument, who: WhoArgument) -> None:
    """Take a grant back from a person."""
    from labwright.cli.data_classes import take_back

    take_back(site, name, who, json=json)
