"""What people do at stations by hand, as campaigns of one experiment: made, refused, and given up when too late.

There is no other way to a wire than that of any step: journaled, reserved, dispatched, stopped and reconciled alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from labwright.engine.campaign import Campaign
from labwright.engine.commands import HandAsked
from labwright.engine.core import CampaignCore
from labwright.engine.lab import LabCore
from labwright.engine.lifecycle import refuse_doubtful_deck
from labwright.engine.reservations import POSITION
from labwright.journal import Journal
from labwright.lab import Lab
from labwright.lab.by_hand import facts_of, refuse_unfit
from labwright.model.by_hand import BY_HAND, ByHand, HandWork
from labwright.model.campaign import Objective, PlannerSpec, Suggestion
from labwright.model.errors import RefusedError
from labwright.model.figures import when
from labwright.model.lab import LabModel
from labwright.model.space import Integer, Real, Space
from labwright.model.spec import CampaignSpec
from labwright.planners import load_planner
from labwright.stations.by_hand import SET_TO, VALUES, ByHandProtocol

MOST_WAITING = 10
"""Operations by hand that wait for a station, or are under way there; one more is refused."""

READ_TIMEOUT_S = 3600.0
"""Lab seconds that taking a reading may take at most."""

SPARE_S = 600.0
"""Lab seconds that a step may take beyond what its axis may: making it ready, and asking when a reply was lost."""


def by_hand_campaign(lab: Lab, journal: Journal, asked: HandAsked, running: Collection[str]) -> Campaign:
    """An operation that a person wants, if the lab can do it; its state is not looked at yet.

    Args:
        lab: open, so that the limits are those of the devices themselves.
        journal: only read.
        asked: what is wanted, by whom, and why.
        running: campaigns that the controller works on now.

    Raises:
        LabwrightError: it cannot be done, or is not done by hand.
    """
    work, model = asked.work, lab.model
    facts = {name: facts_of(device) for name, device in lab.devices.items()}
    axis = refuse_unfit(model, facts, work)
    timeout_s = READ_TIMEOUT_S
    if axis is not None and work.value is not None:
        device = lab.devices[work.device]
        timeout_s = getattr(device, axis.name).takes_at_most_s(work.value) + SPARE_S
        if _carries(model, work.station) and not work.sample_present_ok:
            refuse_doubtful_deck(journal, lab.instruments, (), True, running)
    made = ByHand(
        **work.model_dump(),
        axis_facts=axis,
        timeout_s=timeout_s,
        until_s=lab.clock.now() + work.wait_s,
        keeps=() if axis is None or work.sample_present_ok else tuple(_spoiled(model, work)),
        disturbs=model.kinds_of(_having(model, work.device)) if axis is not None else (),
        by=asked.by,
        because=asked.because,
    )
    return campaign_by_hand(model, made)


def campaign_by_hand(model: LabModel, work: ByHand) -> Campaign:
    """The campaign of one experiment that an operation is."""
    axis = work.axis_facts
    if axis is None or work.value is None:
        space = Space(parameters=(Integer(name="times", low=1, high=2),))
        point: dict[str, float | int] = {"times": 1}
        objective = Objective(name=VALUES, goal="max", unit="1")
    else:
        space = Space(parameters=(Real(name="value", unit=axis.unit, low=axis.low, high=axis.high),))
        point = {"value": float(work.value)}
        objective = Objective(name=SET_TO, goal="max", unit=axis.unit)
    planner = PlannerSpec(name="listed", options={"points": [point]})
    spec = CampaignSpec(
        name=BY_HAND, title=f"By hand: {work.what}", protocol=BY_HAND, budget=1, space=space, objective=objective,
        planner=planner,
    )  # fmt: skip
    return Campaign(spec, {BY_HAND: ByHandProtocol(model, work)}, load_planner(planner), ())


def work_of(campaign: Campaign) -> ByHand | None:
    """What a person does by hand, if a campaign is that."""
    protocol = campaign.protocols.get(campaign.spec.protocol)
    return None if protocol is None else protocol.spec.by_hand


def suggested(work: ByHand) -> Suggestion:
    """The only experiment that such a campaign makes; no planner thinks about it."""
    params = {"times": 1} if work.value is None else {"value": float(work.value)}
    return Suggestion(params=params, rationale=f"asked for by {work.by}: {work.because}")


def refuse_now(core: LabCore, model: LabModel, work: ByHand) -> None:
    """Refuse what cannot begin before a person has seen to something else.

    Raises:
        RefusedError: the station is stopped, a sample stands where it could be spoiled, or too many wait already.
    """
    for latch in core.dispatcher.latches:
        if latch.whole_station and latch.station in ("", work.station):
            raise RefusedError(f"{latch.words} is stopped: nothing is done there by hand before a person resets it")
    others = [hand_of(one) for one in core.campaigns.values() if not one.over]
    here = [one for one in others if one is not None and one.station == work.station]
    if len(here) >= MOST_WAITING:
        raise RefusedError(f"{len(here)} operations by hand wait at station {work.station}: wait, or stop some of them")
    if samples := list(_resting(core, work)):
        raise RefusedError(
            f"{work.what}: {'; '.join(samples)}, which it could spoil. Look, and ask for it again with "
            "sample_present_ok (--sample-present-ok) if that is right; or wait until the sample has left"
        )


def hand_of(core: CampaignCore) -> ByHand | None:
    """What a person does by hand, if a campaign that has started is that."""
    if core.phase == "draft" or core.started.spec.name != BY_HAND:
        return None
    return core.started.protocols[0].by_hand


def not_started(core: CampaignCore) -> bool:
    """Whether an operation by hand has not started, so that it can be given up without harm."""
    if core.over or hand_of(core) is None:
        return False
    return all(one.state == "accepted" for one in core.live.values()) and not any(
        trial.status in ("done", "failed") for trial in core.trials
    )


def given_up(core: CampaignCore, work: ByHand) -> str:
    """Why an operation is given up whose time to begin has passed, in words."""
    what = "; ".join(str(one) for one in core.waits_for() if not one.startswith("planner")) or "its turn"
    return f"not started by {when(work.until_s)} UTC (lab time), so given up: it waited for {what}"


def doubtful(core: CampaignCore, work: ByHand) -> list[str]:
    """Preparations that a campaign goes by and that were made with what is set by hand now."""
    if core.over or core.phase == "draft" or work.axis is None:
        return []
    specs = {one.name: one for one in core.started.protocols}
    return [name for name in core.calibrations if name in specs and not specs[name].stations.isdisjoint(work.disturbs)]


def _carries(model: LabModel, station: str) -> bool:
    return any(one.station == station for one in model.transports.values())


def _having(model: LabModel, device: str) -> list[str]:
    """Stations that work with a device."""
    return [name for name in model.stations if device in model.devices_at(name)]


def _spoiled(model: LabModel, work: HandWork) -> Iterator[str]:
    """Positions where a sample could be spoiled: those of the stations that have the device, and where an arm goes."""
    stations = _having(model, work.device)
    for name, one in model.positions.items():
        reached = (
            transport.reaches.get(name) for transport in model.transports.values() if transport.station == work.station
        )
        if one.station in stations or any(place == work.value for place in reached):
            yield name


def _resting(core: LabCore, work: ByHand) -> Iterator[str]:
    """Samples that stand where they could be spoiled, and that nothing is being done to which would take them away."""
    experiments = [one for live in core.work.live.values() for one in live.values()]
    for name in work.keeps:
        holder = core.reservations.taken.get(f"{POSITION}{name}")
        if holder is not None and not core.work.has(holder.owner, holder.label):
            yield f"sample {holder.owner}/{holder.label}, which is over, was left at {name}"
        for one in experiments:
            if one.stands_at == name and not any(run.state == "running" and run.spec.sample for run in one.running):
                yield f"the location of sample {one.id} is {name}"
