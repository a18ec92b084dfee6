"""What a request takes and costs, and when it could be done: rehearsed beside what the lab does now."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

from labwright.answers.desk import Cost, Finding
from labwright.engine import Campaign
from labwright.engine.campaign_plan import CampaignPlan, DeckState, plan_campaigns
from labwright.lab import LabFolder
from labwright.model.desk import DeskPolicy, Prices
from labwright.model.protocol import ProtocolSpec
from labwright.model.quantities import Amount, Counted
from labwright.service.desk.findings import Quote

REHEARSED_S = 1.2
"""Wall seconds that a rehearsal may take; then when the request would be done is not said."""

REHEARSED = 24
"""Experiments of a request that are rehearsed; the rest is taken to go on like these."""


interrupted: list[str] = []
"""Campaigns whose rehearsal was broken off. An import may have been, too, so the process answers and then ends."""


class _TooLongError(BaseException):
    """The rehearsal takes too long; no `Exception`, which what is said of a lab's own code would catch."""


def quoted(
    folder: LabFolder,
    campaign: Campaign,
    deck: DeckState,
    policy: DeskPolicy,
    points: Sequence[Mapping[str, Any]],
    found: list[Finding],
) -> Quote:
    """What a campaign takes, costs, and when it could be done.

    Args:
        folder: the lab.
        campaign: that the request becomes.
        deck: what the lab has and does now.
        policy: with the prices.
        points: the experiments that the request lists, as the protocol gets them; empty if a planner chooses.
        found: collects why it cannot be carried out whole.
    """
    spec = campaign.spec
    experiments = spec.budget
    protocol = campaign.protocols[spec.protocol]
    prepares = [campaign.protocols[name] for name in spec.prepare]
    rehearsed = min(experiments, REHEARSED)
    plan = _rehearsed(folder, campaign, deck, rehearsed)
    notes = list(deck.notes)
    preparing: dict[str, int] = {}
    for one in prepares:
        _add(preparing, one.worst_uses(), 1)
    running: dict[str, int] = {}
    if points:
        for point in points:
            _add(running, protocol.uses(protocol.spec.given(point)), 1)
    elif plan is not None:
        needed = {one.material: one.needed - preparing.get(one.material, 0) for one in plan.materials}
        running = {name: -(-max(0, count) * experiments // rehearsed) for name, count in needed.items()}
    else:
        _add(running, protocol.worst_uses(), experiments)
        notes.append("materials are those of the most expensive experiments")
    units: dict[str, Counted] = {stock.material: stock.unit for stock in folder.model.stocks.values()}
    units |= {name: waste.capacity.unit for name, waste in folder.model.wastes.items()}
    fixed_minutes = _minutes([one.spec for one in prepares])
    minutes = _minutes([protocol.spec])
    fixed = policy.prices.request + _price(policy.prices, fixed_minutes, preparing)
    per = {name: count / experiments for name, count in running.items()}
    each = policy.prices.experiment + _price(policy.prices, minutes, per)
    starts_s = ends_s = None
    if plan is None:
        notes.append(f"when it could be done was not found within {REHEARSED_S:g} s")
    else:
        if plan.problems:
            found += [Finding(pointer="", code="not_whole", detail=words) for words in plan.problems]
        began = [bar.began_s for bar in plan.bars if bar.order.campaign == spec.name]
        if began and not plan.problems:
            starts_s = min(began)
            ends_s = plan.makespan_s + plan.per_experiment_s * (experiments - rehearsed)
        if rehearsed < experiments:
            notes.append(f"{rehearsed} of {experiments} experiments were rehearsed, the others are taken to be alike")
    totals = {name: preparing.get(name, 0) + running.get(name, 0) for name in sorted({*preparing, *running})}
    return Quote(
        experiments=experiments,
        fixed_minutes=fixed_minutes,
        minutes=minutes,
        materials={name: str(Amount(count=count, unit=units.get(name, "nL"))) for name, count in totals.items()},
        containers={campaign.container: experiments} if campaign.container else {},
        cost=Cost(
            currency=policy.currency,
            fixed=round(fixed, 6),
            experiment=round(each, 6),
            whole=round(fixed + experiments * each, 6),
        ),
        starts_in_s=starts_s,
        ends_in_s=ends_s,
        notes=notes,
    )


def _import_first() -> None:
    """What a rehearsal imports takes longer than most rehearsals, and must not be broken off."""
    from scipy.stats import qmc  # noqa: F401 - of the points that are drawn


def _rehearsed(folder: LabFolder, campaign: Campaign, deck: DeckState, experiments: int) -> CampaignPlan | None:
    """The campaign, or its beginning, rehearsed; None if that took too long."""
    spec = campaign.spec.model_copy(update={"budget": experiments, "stop": type(campaign.spec.stop)()})

    def late(number: int, frame: FrameType | None) -> None:
        raise _TooLongError

    _import_first()
    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, REHEARSED_S)
    try:
        return plan_campaigns(folder, [replace(campaign, spec=spec)], deck, layout=deck.layout(folder.model))
    except _TooLongError:
        interrupted.append(spec.name)
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _add(totals: dict[str, int], amounts: Mapping[str, int], times: int) -> None:
    for name, count in amounts.items():
        totals[name] = totals.get(name, 0) + times * count


def _minutes(protocols: Sequence[ProtocolSpec]) -> dict[str, float]:
    """Minutes of stations, each step once, as its protocol declares it: a price does not change with the weather."""
    found: dict[str, float] = {}
    for protocol in protocols:
        for step in protocol.steps:
            found[step.station] = found.get(step.station, 0.0) + step.expected_s / 60
    return {name: round(minutes, 3) for name, minutes in found.items()}


def _price(prices: Prices, minutes: Mapping[str, float], materials: Mapping[str, float]) -> float:
    """What stations and materials cost."""
    cost = sum(prices.station_hour.get(name, 0.0) * spent / 60 for name, spent in minutes.items())
    for name, count in materials.items():
        if name in prices.material:
            one = prices.material[name]
            cost += one.price * count / one.per.count
    return cost
