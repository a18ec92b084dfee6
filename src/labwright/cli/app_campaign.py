"""The verbs on campaigns and their questions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from labwright.cli.options import (
    BudgetOption,
    ByOption,
    CampaignArgument,
    DataOption,
    DecisionsChangedOption,
    EndpointsOption,
    FromOption,
    JournalOption,
    JsonOption,
    KeyFileOption,
    LabChangedOption,
    LabOption,
    ParallelOption,
    PlannerOption,
    QuestionOption,
    ReasonOption,
    SeedOption,
    SimulatedOption,
    SpecArgument,
    SpeedOption,
    StoreOption,
    UrlOption,
    WithReason,
    acts_as,
    on_journal,
    strict_float,
    strict_int,
)
from labwright.cli.places import data_folder, lab_root
from labwright.cli.sites import Place, Site, site_of

campaign_app = typer.Typer(
    help="Run campaigns, watch and steer those that run, look back at those that ran.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
question_app = typer.Typer(
    help="Answer questions that only a person can answer.", no_args_is_help=True, rich_markup_mode=None
)


@campaign_app.command("run")
def campaign_run(
    spec: SpecArgument,
    lab: LabOption = None,
    data: DataOption = None,
    simulated: SimulatedOption = False,
    endpoints: EndpointsOption = None,
    speed: SpeedOption = 0.0,
    budget: BudgetOption = None,
    seed: SeedOption = None,
    planner: PlannerOption = None,
    parallel: ParallelOption = None,
    json: JsonOption = False,
    store: StoreOption = True,
    deck_checked: Annotated[
        bool,
        typer.Option("--deck-checked", hidden=True, help="Replaced by the question about the deck."),
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Start another, although a campaign of this name was interrupted.")
    ] = False,
    lab_changed: LabChangedOption = False,
    decisions_changed: DecisionsChangedOption = False,
    journal: JournalOption = "",
    by: ByOption = "",
    on_question: QuestionOption = "wait",
    url: UrlOption = "",
    key_file: KeyFileOption = None,
) -> None:
    """Run a campaign, or resume one that was interrupted. Ctrl-C ends it after the current operation, twice at once."""
    from labwright.cli.running import RunOptions, run_campaign, submit_far
    from labwright.cli.watching_far import watch_far

    if (site := site_of(url, key_file, bool(lab or data or journal or simulated or endpoints))) is not None:
        acts_as(site, by)
        started = submit_far(site, spec, budget=budget, seed=seed, planner=planner, parallel=parallel)
        raise SystemExit(watch_far(site, started, json=json))
    if deck_checked:
        raise typer.BadParameter(
            "--deck-checked starts nothing any more. Where a campaign left the deck in doubt, `labwright question "
            "list` shows which containers to look for; look, then answer by name: labwright question answer "
            "CAMPAIGN:deck clear --by NAME --reason TEXT"
        )
    root = lab_root(lab)
    options = RunOptions(
        data=data_folder(root, data),
        simulated=simulated,
        endpoints=endpoints,
        speed=speed,
        budget=budget,
        seed=seed,
        planner=planner,
        parallel=parallel,
        json=json,
        store=store,
        new=new,
        lab_changed=lab_changed,
        decisions_changed=decisions_changed,
        journal=journal,
        by=by,
        on_question=on_question,
    )
    raise SystemExit(run_campaign(root, spec, options))


@campaign_app.command("submit")
def campaign_submit(
    spec: SpecArgument,
    lab: LabOption = None,
    data: DataOption = None,
    simulated: SimulatedOption = False,
    endpoints: EndpointsOption = None,
    budget: BudgetOption = None,
    seed: SeedOption = None,
    planner: PlannerOption = None,
    parallel: ParallelOption = None,
    json: JsonOption = False,
    journal: JournalOption = "",
    url: UrlOption = "",
    key_file: KeyFileOption = None,
    by: ByOption = "",
) -> None:
    """Hand a campaign to the controller that runs (`labwright serve`), and do not wait for it."""
    from labwright.cli.output import emit
    from labwright.cli.running import RunOptions, submit_campaign, submit_far

    if (site := site_of(url, key_file, bool(lab or data or journal or simulated or endpoints))) is not None:
        acts_as(site, by)
        campaign = submit_far(site, spec, budget=budget, seed=seed, planner=planner, parallel=parallel)
        if json:
            emit({"campaign": campaign})
        return
    root = lab_root(lab)
    options = RunOptions(
        data=data_folder(root, data),
        simulated=simulated,
        endpoints=endpoints,
        budget=budget,
        seed=seed,
        planner=planner,
        parallel=parallel,
        json=json,
        journal=journal,
        by=by,
    )
    campaign = submit_campaign(root, spec, options)
    if json:
        emit({"campaign": campaign})


@campaign_app.command("plan")
def campaign_plan(
    spec: SpecArgument,
    lab: LabOption = None,
    data: DataOption = None,
    simulated: SimulatedOption = False,
    endpoints: EndpointsOption = None,
    budget: BudgetOption = None,
    parallel: ParallelOption = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="File for a Gantt chart, in .svg.")] = None,
    json: JsonOption = False,
    starts: FromOption = None,
    journal: JournalOption = "",
) -> None:
    """Rehearse a campaign: how long it takes, what each station does when, what it needs and what runs out."""
    from labwright.cli.rehearsing import PlanOptions, plan_campaign

    root = lab_root(lab)
    options = PlanOptions(data_folder(root, data), journal, simulated, endpoints, budget, parallel, json, starts)
    raise SystemExit(plan_campaign(root, spec, options, svg))


@campaign_app.command("list")
@on_journal
def campaign_list(place: Place, json: bool) -> None:
    """List all campaigns: how far each is, what it waits for, and whether a controller runs it."""
    from labwright.cli.campaigns import list_campaigns

    list_campaigns(place, json=json)


@campaign_app.command("show")
@on_journal
def campaign_show(place: Place, json: bool, campaign: CampaignArgument = "") -> None:
    """Show a campaign as it stands now, and what happened last in it."""
    from labwright.cli.campaigns import show_campaign

    show_campaign(place, campaign, json=json)


@campaign_app.command("watch")
@on_journal
def campaign_watch(place: Place, json: bool, campaign: CampaignArgument = "") -> None:
    """Watch a campaign that another process runs, until it is over; its end is the exit code. Ctrl-C stops watching."""
    from labwright.cli.signals import give_way
    from labwright.cli.watching import watch_campaign
    from labwright.cli.watching_far import watch_far

    give_way()
    if isinstance(place, Site):
        raise SystemExit(watch_far(place, campaign, json=json))
    raise SystemExit(watch_campaign(place, campaign, json=json))


@campaign_app.command("pause", cls=WithReason)
@on_journal
def campaign_pause(
    place: Place,
    json: bool,
    campaign: CampaignArgument = "",
    by: ByOption = "",
    because: ReasonOption = "",
) -> None:
    """Start no further operation; those under way run to their end."""
    from labwright.cli.steering import steer

    steer(place, campaign, "pause", {}, by=by, because=because, json=json)


@campaign_app.command("resume", cls=WithReason)
@on_journal
def campaign_resume(
    place: Place,
    json: bool,
    campaign: CampaignArgument = "",
    by: ByOption = "",
    because: ReasonOption = "",
) -> None:
    """Let operations start again after a pause."""
    from labwright.cli.steering import steer

    steer(place, campaign, "resume", {}, by=by, because=because, json=json)


@campaign_app.command("drain", cls=WithReason)
@on_journal
def campaign_drain(
    place: Place,
    json: bool,
    campaign: CampaignArgument = "",
    by: ByOption = "",
    because: ReasonOption = "",
) -> None:
    """Start no further experiment; those under way are carried out to their end."""
    from labwright.cli.steering import steer

    steer(place, campaign, "drain", {}, by=by, because=because, json=json)


@campaign_app.command("extend")
@on_journal
def campaign_extend(
    place: Place,
    json: bool,
    lab: Path | None,
    campaign: Annotated[str, typer.Argument(metavar="ID|NAME", help="A campaign's id, or its name: the newest of it.")],
    budget: Annotated[
        int,
        typer.Option("--budget", help="Experiments in all, more than before.", parser=strict_int(1), metavar="<int>"),
    ],
    by: Annotated[str, typer.Option("--by", help="The person who wants it, for the journal.")],
    because: Annotated[str, typer.Option("--reason", help="Why, for the journal.")],
    lab_changed: LabChangedOption = False,
) -> None:
    """Let a campaign make more experiments: one that is under way, or one that has run out."""
    from labwright.cli.steering import extend

    extend(place, lab_root(lab), campaign, budget, by=by, because=because, lab_changed=lab_changed, json=json)


@campaign_app.command("stop", cls=WithReason)
@on_journal
def campaign_stop(
    place: Place,
    json: bool,
    campaign: CampaignArgument = "",
    now: Annotated[bool, typer.Option("--now", help="Halt all devices at once.")] = False,
    by: ByOption = "",
    because: ReasonOption = "",
) -> None:
    """End a campaign, with what is under way: after the current operations, or now."""
    from labwright.cli.steering import steer

    steer(place, campaign, "stop", {"now": now}, by=by, because=because, json=json)


@campaign_app.command("suggest", cls=WithReason)
@on_journal
def campaign_suggest(
    place: Place,
    json: bool,
    campaign: Annotated[str, typer.Argument(metavar="ID|NAME", help="A campaign's id, or its name: the newest of it.")],
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="Every parameter of its space.")],
    by: Annotated[str, typer.Option("--by", help="The person who wants it, for the journal.")],
    because: Annotated[str, typer.Option("--reason", help="Why, for the journal.")],
) -> None:
    """Put an experiment before any that the planner suggests."""
    from labwright.cli.steering import suggest

    suggest(place, campaign, values, by=by, because=because, json=json)


@campaign_app.command("veto", cls=WithReason)
@on_journal
def campaign_veto(
    place: Place,
    json: bool,
    campaign: Annotated[str, typer.Argument(metavar="ID|NAME", help="A campaign's id, or its name: the newest of it.")],
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="PROPOSAL|NAME=VALUE...",
            help="A proposal that has not started, by the id that `suggest` printed; or values to forbid.",
        ),
    ],
    by: Annotated[str, typer.Option("--by", help="The person who forbids it, for the journal.")],
    because: Annotated[str, typer.Option("--reason", help="Why, for the journal.")],
    reach: Annotated[
        float,
        typer.Option(
            "--reach",
            help="How far around the values, as a share of each range.",
            parser=strict_float(0, 1),
            metavar="<float>",
        ),
    ] = 0.0,
) -> None:
    """Withdraw a proposal that has not started, or forbid all experiments around a point."""
    from labwright.cli.steering import veto

    veto(place, campaign, what, reach, by=by, because=because, json=json)


@campaign_app.command("replay")
@on_journal
def campaign_replay(place: Place, json: bool, campaign: CampaignArgument = "") -> None:
    """Decide everything again from the journal, and compare: the engine's decisions and the planner's suggestions."""
    from labwright.cli.replaying import replay_campaign

    raise SystemExit(replay_campaign(place, campaign, json=json))


@campaign_app.command("export")
@on_journal
def campaign_export(
    place: Place,
    json: bool,
    campaign: CampaignArgument,
    to: Annotated[Path, typer.Argument(help="The file to write, in .csv, .parquet or .xlsx.")],
) -> None:
    """Write a table of a campaign's experiments: parameters, results with their standard errors, times, state, runs."""
    from labwright.cli.exporting import export_campaign

    export_campaign(place, campaign, to, json=json)


@question_app.command("list")
@on_journal
def question_list(
    place: Place,
    json: bool,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were answered or withdrawn.")] = False,
) -> None:
    """List open questions and task cards, and the answers each can have."""
    from labwright.cli.questions import list_questions

    list_questions(place, everything=everything, json=json)


@question_app.command("answer", cls=WithReason)
@on_journal
def question_answer(
    place: Place,
    json: bool,
    question: Annotated[str, typer.Argument(help="The question; `labwright question list` knows them.")],
    answer: Annotated[str, typer.Argument(help="One of its answers.")],
    by: Annotated[str, typer.Option("--by", help="The person who answers, for the journal.")],
    because: Annotated[str, typer.Option("--reason", help="What you have seen or done, for the journal.")],
    reading: Annotated[
        list[str] | None,
        typer.Option("--reading", metavar="NAME=VALUE", help="What a task card asks to be read; once for each."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another value to repeat the step with; once for each."),
    ] = None,
) -> None:
    """Answer a question or sign a task card: at once while its campaign runs, otherwise when it is resumed."""
    from labwright.cli.questions import answer_question

    given = {"readings": reading or (), "parameters": set_ or ()}
    answer_question(place, question, answer, **given, by=by, because=because, json=json)
