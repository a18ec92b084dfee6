"""The verbs on notes and deviations."""

from __future__ import annotations

from typing import Annotated

import typer

from labwright.cli.options import on_journal
from labwright.cli.sites import Place
from labwright.model.remarks import AS_MEASURED, Category, Severity, Use

note_app = typer.Typer(
    help="Write and read notes on campaigns, experiments, samples, stations and stocks.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
deviation_app = typer.Typer(
    help="Record what was not as it should be, and whether what was found may be used.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

CampaignOption = Annotated[str, typer.Option("--campaign", help="A campaign's id, or its name: the newest of it.")]
ExperimentOption = Annotated[str, typer.Option("--experiment", help="One experiment of that campaign, by its number.")]
SampleOption = Annotated[str, typer.Option("--sample", help="A sample, as CAMPAIGN/LABEL.")]
StationOption = Annotated[str, typer.Option("--station", help="A station.")]
StockOption = Annotated[str, typer.Option("--stock", help="The container of a stock.")]
PersonOption = Annotated[str, typer.Option("--by", help="The person who says it, for the journal.")]
DeviationArgument = Annotated[str, typer.Argument(help="Its id, as labwright deviation list shows it.")]


@note_app.command("write")
@on_journal
def note_write(
    place: Place,
    json: bool,
    text: Annotated[str, typer.Argument(help="What is to be written down.")],
    by: PersonOption,
    campaign: CampaignOption = "",
    experiment: ExperimentOption = "",
    sample: SampleOption = "",
    station: StationOption = "",
    stock: StockOption = "",
) -> None:
    """Write a note about one thing. It is never changed or deleted; another may replace it."""
    from labwright.cli.remarks import Named, write

    write(place, text, Named(campaign, experiment, sample, station, stock), by=by, json=json)


@note_app.command("replace")
@on_journal
def note_replace(
    place: Place,
    json: bool,
    note: Annotated[str, typer.Argument(help="Its id, as labwright note list shows it.")],
    text: Annotated[str, typer.Argument(help="What is to be read in its place.")],
    by: PersonOption,
) -> None:
    """Correct a note by another that takes its place; the first stays to be read."""
    from labwright.cli.remarks import replace

    replace(place, note, text, by=by, json=json)


@note_app.command("list")
@on_journal
def note_list(
    place: Place,
    json: bool,
    campaign: CampaignOption = "",
    experiment: ExperimentOption = "",
    sample: SampleOption = "",
    station: StationOption = "",
    stock: StockOption = "",
) -> None:
    """List notes, oldest first: all, or those about one thing."""
    from labwright.cli.remarks import Named, list_notes

    list_notes(place, Named(campaign, experiment, sample, station, stock), json=json)


@deviation_app.command("open")
@on_journal
def deviation_open(
    place: Place,
    json: bool,
    expected: Annotated[str, typer.Option("--expected", help="What should have been.")],
    happened: Annotated[str, typer.Option("--happened", help="What was instead.")],
    category: Annotated[Category, typer.Option("--category", help="Where it comes from.")],
    severity: Annotated[Severity, typer.Option("--severity", help="How bad it is.")],
    by: PersonOption,
    campaign: CampaignOption = "",
    experiment: Annotated[
        list[str] | None,
        typer.Option("--experiment", help="An experiment of that campaign, by its number; again for more of them."),
    ] = None,
    station: StationOption = "",
    action: Annotated[str, typer.Option("--action", help="What was done about it at once.")] = "",
    use: Annotated[
        Use,
        typer.Option(
            "--use",
            help="Whether results may be used: of the experiments named, or of all that the campaign has started. No "
            "planner learns from those that are not to be used as measured.",
        ),
    ] = AS_MEASURED,
) -> None:
    """Record that something about an experiment, a campaign or a station was not as it should be."""
    from labwright.cli.remarks import Deviating, Named, open_deviation

    experiments = experiment or []
    several = len(experiments) > 1
    named = Named(campaign, "" if several or not experiments else experiments[0], station=station)
    said = Deviating(expected, happened, category, severity, action, use, tuple(experiments) if several else ())
    open_deviation(place, named, said, by=by, json=json)


@deviation_app.command("close")
@on_journal
def deviation_close(
    place: Place,
    json: bool,
    deviation: DeviationArgument,
    conclusion: Annotated[str, typer.Argument(help="What it has come to.")],
    by: PersonOption,
    use: Annotated[
        Use | None, typer.Option("--use", help="Whether results may be used from now on; as before without.")
    ] = None,
) -> None:
    """Close a deviation with a conclusion; a critical one is closed by another person than has opened it."""
    from labwright.cli.remarks import close_deviation

    close_deviation(place, deviation, conclusion, use, by=by, json=json)


@deviation_app.command("list")
@on_journal
def deviation_list(
    place: Place,
    json: bool,
    campaign: CampaignOption = "",
    experiment: ExperimentOption = "",
    station: StationOption = "",
    open_only: Annotated[bool, typer.Option("--open", help="Only those that no person has closed.")] = False,
) -> None:
    """List deviations, oldest first: all, or those about one thing."""
    from labwright.cli.remarks import Named, list_deviations

    list_deviations(place, Named(campaign, experiment, station=station), open_only=open_only, json=json)


@deviation_app.command("show")
@on_journal
def deviation_show(place: Place, json: bool, deviation: DeviationArgument) -> None:
    """Show a deviation: what was expected, what happened, what was done, and what was concluded."""
    from labwright.cli.remarks import show_deviation

    show_deviation(place, deviation, json=json)
