"""`labwright campaign plan` and `labwright lab rehearse`: what a lab would do, before anything moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labwright.cli.output import emit, table, working
from labwright.cli.places import find_campaign
from labwright.engine import Campaign, load_campaign
from labwright.engine.campaign_plan import CampaignPlan, DeckState, plan_campaigns
from labwright.engine.continuing import OtherEnd
from labwright.engine.deck_state import deck_state
from labwright.engine.layout import Layout
from labwright.engine.what_if import WhatIf, what_if
from labwright.journal import Journal, journal_file
from labwright.lab import LabFolder, read_lab
from labwright.model.errors import ConfigError
from labwright.model.figures import figure, lasting, with_unit
from labwright.model.instruments import HERE, REAL
from labwright.model.material import said
from labwright.report import Bar, timeline
from labwright.report.gantt import gantt, standalone

COLUMNS = 80
"""Characters in a line of the Gantt chart."""

AS_IT_IS = "as it is"

AS_LONG = 1.01
"""A makespan that is longer by this factor is as long: durations are not known better."""


@dataclass(frozen=True)
class PlanOptions:
    """What is rehearsed, and on which deck."""

    data: Path
    journal: str = ""
    simulated: bool = False
    endpoints: Path | None = None
    budget: int | None = None
    parallel: int | None = None
    json: bool = False
    from_s: float | None = None

    @property
    def instruments(self) -> str:
        """Which (`Lab.instruments`)."""
        if self.endpoints is not None:
            return str(self.endpoints.resolve())
        return HERE if self.simulated else REAL


def plan_campaign(root: Path, spec: str, options: PlanOptions, svg: Path | None) -> int:
    """Rehearse a campaign and print what comes of it; 0 if it can be carried out whole, 1 if not.

    Raises:
        MistakesError: of the lab or the campaign's file.
        ConfigError: a name is wrong, or the picture cannot be written.
    """
    folder = read_lab(root)
    campaign = _campaign(folder, root, spec, options)
    deck = _deck(folder, [campaign], options)
    layout = deck.layout(folder.model)
    with working("rehearsing") as say:
        plan = plan_campaigns(folder, [campaign], deck, layout=layout, from_s=options.from_s)
        say("with fewer samples at once")
        enough = _enough(folder, campaign, deck, layout, plan, options.from_s)
    bars = _bars(plan, layout)
    if svg is not None:
        _write(svg, bars)
    if options.json:
        emit({**_facts(plan, deck), "parallel": campaign.spec.parallel, "enough_parallel": enough})
    else:
        _print(plan, deck, bars, campaign)
        if enough < campaign.spec.parallel:
            print(f"With --parallel {enough} it takes as long: more samples on their way would only wait")  # noqa: T201
    return int(bool(plan.problems))


def _enough(
    folder: LabFolder, campaign: Campaign, deck: DeckState, layout: Layout, plan: CampaignPlan, from_s: float | None
) -> int:
    """The fewest samples on their way at once with which the campaign takes as long, found by halving."""
    too_few, enough = 0, campaign.spec.parallel
    while enough - too_few > 1 and not plan.problems:
        middle = (too_few + enough) // 2
        fewer = plan_campaigns(folder, [_parallel(campaign, middle)], deck, layout=layout, from_s=from_s)
        if fewer.makespan_s > AS_LONG * plan.makespan_s:
            too_few = middle
        else:
            enough = middle
    return enough


def rehearse_lab(root: Path, specs: Sequence[str], options: PlanOptions, what_ifs: Sequence[str]) -> int:
    """Rehearse campaigns together on the lab as it is, and on changed ones, side by side; 1 if one cannot be whole.

    Raises:
        MistakesError: of the lab or a campaign's file.
        ConfigError: a name or a what-if is wrong.
    """
    folder = read_lab(root)
    campaigns = [_campaign(folder, root, spec, options) for spec in specs]
    deck = _deck(folder, campaigns, options)
    layout = deck.layout(folder.model)
    asked = [WhatIf(AS_IT_IS, layout), *(what_if(words, layout) for words in what_ifs)]
    plans = []
    with working("rehearsing") as say:
        for one in asked:
            say(one.words)
            changed = campaigns if one.parallel is None else [_parallel(each, one.parallel) for each in campaigns]
            plans.append(
                plan_campaigns(folder, changed, deck, layout=one.layout, downs=one.downs, from_s=options.from_s)
            )
    if options.json:
        for one, plan in zip(asked, plans, strict=True):
            emit({"what_if": one.words, **_facts(plan, deck, bars=False)})
    else:
        _compare(asked, plans, deck)
    return int(any(plan.problems for plan in plans))


def _campaign(folder: LabFolder, root: Path, spec: str, options: PlanOptions) -> Campaign:
    return load_campaign(
        folder,
        find_campaign(root, spec),
        budget=options.budget,
        parallel=options.parallel,
        any_planner=True,
        sufficient=False,
    )


def _parallel(campaign: Campaign, parallel: int) -> Campaign:
    return replace(campaign, spec=campaign.spec.model_copy(update={"parallel": parallel}))


def _deck(folder: LabFolder, campaigns: Sequence[Campaign], options: PlanOptions) -> DeckState:
    """As the journal of the instruments has it; full where there is none."""
    place: str | Path = options.journal or journal_file(options.data)
    if isinstance(place, Path) and not place.exists():
        return DeckState()
    protocols = list(dict.fromkeys(name for campaign in campaigns for name in campaign.protocols))
    with Journal.reading(place) as journal:
        return deck_state(journal, folder.model, options.instruments, protocols)


def _bars(plan: CampaignPlan, layout: Layout) -> list[Bar]:
    """Of the drawing: a row for each station, and for each slot where it has several."""
    bars = []
    for bar in plan.bars:
        slot = bar.order.stands_at or bar.order.slot if layout.serving_one(bar.station).slots > 1 else ""
        label = f"{bar.order.label} {bar.order.step}"
        if bar.order.campaign not in plan.campaigns:
            label = f"{bar.order.campaign}/{label}"
        row = f"{bar.station} {slot}" if slot in layout.sites else bar.station
        bars.append(Bar(row, label, bar.began_s, bar.ended_s, "done"))
    return bars


def _write(svg: Path, bars: Sequence[Bar]) -> None:
    if not bars:
        raise ConfigError(f"{svg} is not written: no step can be carried out")
    try:
        svg.write_text(standalone(timeline(bars)), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{svg} cannot be written: {error.strerror}; name another file with --svg") from error


def _facts(plan: CampaignPlan, deck: DeckState, *, bars: bool = True) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "campaigns": plan.campaigns,
        "whole": not plan.problems,
        "problems": plan.problems,
        "notes": deck.notes,
        "experiments": plan.experiments,
        "budget": plan.budget,
        "makespan_s": plan.makespan_s,
        "preparing_s": plan.preparing_s,
        "per_experiment_s": plan.per_experiment_s,
        "stations": [vars(one) for one in plan.stations],
        "materials": [vars(one) for one in plan.materials],
        "containers": {kind: {"needed": one, "there": there} for kind, (one, there) in plan.containers.items()},
        "waits": [vars(one) for one in plan.waits],
        "cost": {name: {"sum": value, "unit": unit} for name, (value, unit) in plan.cost.items()},
    }
    if plan.others:
        facts["under_way"] = [vars(one) for one in plan.others]
    if bars:
        facts["steps"] = [
            {"step": bar.order.step_id, "station": bar.station, "began_s": bar.began_s, "ended_s": bar.ended_s}
            for bar in plan.bars
        ]
    return facts


def clock(seconds: float) -> str:
    """A time from the start, to the minute; what is short, to the second."""
    if seconds < 120:
        return lasting(seconds) if seconds else "0 min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _each(plan: CampaignPlan) -> str:
    """Lab time of an experiment, to three digits: what differs little is compared here."""
    return f"{figure(plan.per_experiment_s / 60, 3)} min"


def _print(plan: CampaignPlan, deck: DeckState, bars: Sequence[Bar], campaign: Campaign) -> None:
    spec = campaign.spec
    print(f"{spec.name}: {plan.experiments} of {plan.budget} experiments, {spec.parallel} at once, rehearsed")  # noqa: T201
    for words in deck.notes:
        print(f"Note: {words}")  # noqa: T201
    print(  # noqa: T201
        f"Makespan {clock(plan.makespan_s)}, of which {clock(plan.preparing_s)} before the first experiment; "
        f"{_each(plan)} for each"
    )
    for other in plan.others:
        print(f"Beside it continues {other.campaign}: {_ends(other)}")  # noqa: T201
    if bars:
        print("\n" + "\n".join(gantt(bars, COLUMNS)) + "\n")  # noqa: T201
    rows = [
        (one.station, one.slots, one.steps, figure(one.busy_s / 3600, 3), figure(100 * one.share, 2))
        for one in plan.stations
    ]
    table("Stations", ("station", "slots", "steps", "busy / h", "busy / %"), rows, json=False)
    materials = [
        (one.material, said(one.needed, one.unit), said(one.there, one.unit), _lasts(one)) for one in plan.materials
    ]
    if materials:
        columns = ("material", "needed", "there", "lasts for")
        table("Stocks, preparations at most", columns, materials, json=False)
    for kind, (needed, there) in plan.containers.items():
        print(f"Containers: {needed} {kind} needed, {there} there")  # noqa: T201
    for wait in plan.waits:
        print(  # noqa: T201
            f"Limited wait before {wait.step}: {lasting(wait.longest_s)} at most, allowed {lasting(wait.most_s)}"
        )
    for value, unit in plan.cost.values():
        print(f"Cost: {with_unit(figure(value), unit)}")  # noqa: T201
    for need in plan.materials:
        if need.lasts_for is not None:
            at = f", at {clock(need.empty_s)}" if need.empty_s is not None else ""
            print(f"{need.material} runs empty after experiment {need.lasts_for}{at}")  # noqa: T201
    for words in plan.problems:
        print(f"Cannot be carried out whole: {words}")  # noqa: T201
    if not plan.problems:
        print("It can be carried out whole")  # noqa: T201


def _ends(other: OtherEnd) -> str:
    """When a campaign under way ends, and how much later than it would alone."""
    if other.end_s is None:
        return "it does not come to its end"
    ends = f"ends in {clock(other.end_s)}"
    if other.alone_s is None:
        return ends
    later_s = other.end_s - other.alone_s
    return f"{ends}, {clock(later_s)} later than alone" if later_s >= 1 else f"{ends}, as it would alone"


def _lasts(need: Any) -> str:
    return "all" if need.lasts_for is None else f"{need.lasts_for} experiments"


def _compare(asked: Sequence[WhatIf], plans: Sequence[CampaignPlan], deck: DeckState) -> None:
    for words in deck.notes:
        print(f"Note: {words}")  # noqa: T201
    first = plans[0].makespan_s
    rows = []
    for one, plan in zip(asked, plans, strict=True):
        most = max(plan.stations, key=lambda station: station.share)
        change = f"{100 * (plan.makespan_s / first - 1):+.0f} %" if first and plan is not plans[0] else ""
        rows.append(
            (
                one.words,
                f"{plan.experiments}/{plan.budget}",
                clock(plan.makespan_s),
                change,
                _each(plan),
                f"{most.station} {100 * most.share:.0f} %",
            )
        )
    columns = ("what if", "done", "makespan", "change", "each", "busiest")
    table(f"Rehearsed together: {', '.join(plans[0].campaigns)}", columns, rows, json=False)
    for one, plan in zip(asked, plans, strict=True):
        for other in plan.others:
            print(f"{one.words}: beside it continues {other.campaign}: {_ends(other)}")  # noqa: T201
        for words in plan.problems:
            print(f"{one.words}: cannot be carried out whole: {words}")  # noqa: T201
