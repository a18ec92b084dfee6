"""The verbs on samples."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from labwright.cli.options import Who, books, on_journal
from labwright.cli.sites import Place

sample_app = typer.Typer(
    help="What was made, of what, and what has become of it.", no_args_is_help=True, rich_markup_mode=None
)

SampleArgument = Annotated[str, typer.Argument(help="CAMPAIGN/LABEL, its id, or its label in the newest campaign.")]


@sample_app.command("list")
@on_journal
def sample_list(
    place: Place,
    json: bool,
    campaign: Annotated[str, typer.Option("--campaign", help="Only of this one: an id, or a name.")] = "",
) -> None:
    """List samples: where each is, and what has become of it."""
    from labwright.cli.samples import list_samples

    list_samples(place, campaign, json=json)


@sample_app.command("show")
@on_journal
def sample_show(place: Place, json: bool, sample: SampleArgument) -> None:
    """Show what a sample was made of, where it went, and what was found."""
    from labwright.cli.samples import show_sample

    show_sample(place, sample, json=json)


@sample_app.command("lineage")
@on_journal
def sample_lineage(
    place: Place,
    json: bool,
    name: Annotated[str, typer.Argument(help="A sample, a container, a lot, or a waste.")],
    down: Annotated[bool, typer.Option("--down", help="What was made of it; without, what it was made of.")] = False,
) -> None:
    """Trace what something was made of, or what was made of it, over all places between."""
    from labwright.cli.samples import trace

    trace(place, name, "down" if down else "up", json=json)


@sample_app.command("dispose")
@books
def sample_dispose(
    who: Who,
    sample: SampleArgument,
    as_: Annotated[
        Literal["disposed", "archived", "handed over"], typer.Option("--as", help="What has become of it.")
    ] = "disposed",
) -> None:
    """Record what has become of a sample that is over; its position is free again."""
    from labwright.cli.booking import dispose

    dispose(who, sample, as_)


@sample_app.command("release")
@books
def sample_release(
    who: Who,
    sample: SampleArgument,
) -> None:
    """Record that a person has looked at a quarantined sample, and that it may be used."""
    from labwright.cli.booking import classify_sample

    classify_sample(who, sample, "released")


@sample_app.command("quarantine")
@books
def sample_quarantine(
    who: Who,
    sample: SampleArgument,
) -> None:
    """Record that a sample may not be used, and why."""
    from labwright.cli.booking import classify_sample

    classify_sample(who, sample, "quarantined")
