"""The verbs on planners."""

from __future__ import annotations

from typing import Annotated

import typer

from labwright.cli.options import (
    CampaignArgument,
    DataOption,
    JsonOption,
    LabOption,
    on_journal,
    strict_float,
    strict_int,
)
from labwright.cli.places import data_folder, lab_root
from labwright.cli.sites import Place

planner_app = typer.Typer(
    help="List planners, compare them in rehearsals, and show what one has learnt.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@planner_app.command("list")
def planner_list(json: JsonOption = False) -> None:
    """List the planners: whether each is installed, and what it takes account of."""
    from labwright.cli.planning import list_planners

    list_planners(json=json)


@planner_app.command("compare")
def planner_compare(
    spec: Annotated[str, typer.Argument(help="A campaign's name in the lab, or a file.")],
    planners: Annotated[
        str,
        typer.Option("--planners", help="Names, separated by commas. [default: the campaign's own, sobol and random]"),
    ] = "",
    seeds: Annotated[
        int, typer.Option("--seeds", help="Campaigns for each planner.", parser=strict_int(1, 1000), metavar="<int>")
    ] = 5,
    budget: Annotated[
        int | None,
        typer.Option("--budget", help="Experiments of each; the file's.", parser=strict_int(1), metavar="<int>"),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            "--target",
            help="Value to reach. [default: 1.5 % short of the best that any planner found]",
            parser=strict_float(),
            metavar="<float>",
        ),
    ] = None,
    lab: LabOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Rehearse a campaign with several planners on the lab's simulator: experiments until the target is reached."""
    from labwright.cli.comparing import compare_planners

    root = lab_root(lab)
    names = [one.strip() for one in planners.split(",") if one.strip()]
    compare_planners(root, spec, names, seeds, budget=budget, target=target, data=data_folder(root, data), json=json)


@planner_app.command("explain")
@on_journal
def planner_explain(place: Place, json: bool, campaign: CampaignArgument = "") -> None:
    """Show what a campaign's planner has learnt, how good its predictions are, and why its last and next experiment."""
    from labwright.cli.planning import explain_campaign

    explain_campaign(place, campaign, json=json)
