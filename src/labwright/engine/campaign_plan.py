"""Campaigns rehearsed on a lab as it stands: how long they take, what they need, and what runs out.

Nothing is opened and nothing is written. Campaigns under way continue beside them. Experiments are spread evenly over
the space, since what the planner will choose is not known yet; steps take what they took in earlier campaigns, else
what their protocols expect.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from labwright.engine.asking import reply
from labwright.engine.campaign import Campaign
from labwright.engine.continuing import OtherEnd, UnderWay
from labwright.engine.dirty import Held
from labwright.engine.events import ENGINE, Event, NotSuggested, Started, Suggested
from labwright.engine.foresight import ends_of
from labwright.engine.inventory import DeckCount, from_files
from labwright.engine.lab import LabCore
from labwright.engine.layout import Layout, layout_of, slots_of
from labwright.engine.rehearsal import Bar, Rehearsal
from labwright.engine.reservations import Reservation
from labwright.lab import LabFolder
from labwright.model.calendars import BookedSpec
from labwright.model.campaign import CampaignState, PlannerSpec
from labwright.model.errors import ConfigError, PlannerError
from labwright.model.lab import LabModel
from labwright.model.latch import LatchScope
from labwright.model.quantities import Counted
from labwright.model.spec import StopRule
from labwright.planners import Answer, load_planner

__all__ = ["CampaignPlan", "DeckState", "Down", "MaterialNeed", "StationUse", "Wait", "plan_campaigns"]

TRIED = 4
"""So many times as many points as experiments are drawn, of which those that cannot be made are left out."""


@dataclass(frozen=True)
class DeckState:
    """What a lab has when a rehearsal begins.

    Attributes:
        count: what its deck has left; as the lab's files say if None.
        left: what samples of campaigns that are over have left in their way, by resource.
        learnt_s: what steps took in earlier campaigns, by ``protocol/step``.
        moves_s: what a move took in earlier campaigns, by transport.
        booked: when people have stations, besides what the lab's files say.
        notes: what a person should know of it, in words.
        under_way: campaigns that have started there and are not over; None if there are none.
    """

    count: DeckCount | None = None
    left: Mapping[str, Reservation] = field(default_factory=dict)
    learnt_s: Mapping[str, float] = field(default_factory=dict)
    moves_s: Mapping[str, float] = field(default_factory=dict)
    booked: tuple[BookedSpec, ...] = ()
    notes: tuple[str, ...] = ()
    under_way: UnderWay | None = None

    def layout(self, model: LabModel) -> Layout:
        """The lab as the dispatcher sees it."""
        return layout_of(model, self.moves_s, self.booked)


@dataclass(frozen=True)
class Down:
    """A station on which nothing begins for a time; what has started there ends.

    Attributes:
        station: its name.
        from_s: lab seconds from the start.
        until_s: the same.
    """

    station: str
    from_s: float
    until_s: float


@dataclass(frozen=True)
class MaterialNeed:
    """How long a stock lasts.

    Attributes:
        material: its name.
        needed: for all experiments and preparations, in the smallest unit.
        there: what can be used, in that unit.
        unit: the smallest unit.
        lasts_for: experiments that it lasts for; None if it lasts for all.
        empty_s: lab seconds from the start until the last of these ends; None if it lasts, or none was carried out.
    """

    material: str
    needed: int
    there: int
    unit: Counted
    lasts_for: int | None = None
    empty_s: float | None = None


@dataclass(frozen=True)
class StationUse:
    """What a station does.

    Attributes:
        station: its name.
        slots: samples that it may work on at once.
        steps: steps and moves carried out.
        busy_s: lab seconds in which it does something.
        share: of the makespan.
    """

    station: str
    slots: int
    steps: int
    busy_s: float
    share: float


@dataclass(frozen=True)
class Wait:
    """A limited wait, and the longest that was rehearsed.

    Attributes:
        step: as ``protocol/step``.
        most_s: that is allowed.
        longest_s: as rehearsed.
    """

    step: str
    most_s: float
    longest_s: float


@dataclass(frozen=True)
class CampaignPlan:
    """What came of a rehearsal.

    Attributes:
        campaigns: their names.
        experiments: carried out.
        budget: that were wanted.
        makespan_s: lab seconds until the last step of these campaigns has ended.
        preparing_s: of these before the first experiment.
        bars: steps and moves, in lab seconds from the start.
        stations: what each does.
        materials: what is needed of each.
        containers: needed, and there, by kind.
        waits: limited waits.
        cost: of all experiments carried out, with its unit, by campaign.
        problems: why it cannot be carried out whole, in words; empty if it can.
        others: campaigns under way, rehearsed beside them.
    """

    campaigns: tuple[str, ...]
    experiments: int
    budget: int
    makespan_s: float
    preparing_s: float
    bars: tuple[Bar, ...]
    stations: tuple[StationUse, ...]
    materials: tuple[MaterialNeed, ...]
    containers: Mapping[str, tuple[int, int]]
    waits: tuple[Wait, ...]
    cost: Mapping[str, tuple[float, str]]
    problems: tuple[str, ...]
    others: tuple[OtherEnd, ...] = ()

    @property
    def per_experiment_s(self) -> float:
        """Lab seconds for each experiment, without the time before the first."""
        return (self.makespan_s - self.preparing_s) / self.experiments if self.experiments else 0.0


def continued_bars(folder: LabFolder, deck: DeckState, for_s: float) -> tuple[float, tuple[Bar, ...]]:
    """What the campaigns under way should do next, if nothing else comes.

    Args:
        folder: the lab.
        deck: what the lab has, and does now.
        for_s: lab seconds that are looked ahead.

    Returns:
        the lab time of the state that was looked ahead from; and steps and moves in lab time, those under way included.
    """
    layout = deck.layout(folder.model)
    if deck.under_way is None:
        return time.time(), ()
    now_s, rehearsal = _begun(folder, deck, layout, {}, None)
    while rehearsal.next(until_s=now_s + for_s):
        pass
    return now_s, tuple(rehearsal.bars)


class _Points:
    """Suggests points spread evenly over a campaign's space, of those that its protocol can make."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.all: list[Suggested] = []
        self.given = 0
        self._why = ""

    def next(self, state: CampaignState) -> Event:
        """The next one; one after another again where too few can be made."""
        self.draw(state)
        if not self.all:
            return NotSuggested(reason=f"no point of the space can be made: {self._why}")
        self.given += 1
        event = self.all[(self.given - 1) % len(self.all)]
        if not state.held:
            return event
        kept = event.suggestion.model_copy(update={"params": {**event.suggestion.params, **state.held}})
        held = reply(self.campaign, Answer((kept,)))
        return event if state.space.violations(kept.params) or not isinstance(held, Suggested) else held

    def draw(self, state: CampaignState) -> None:
        """Draw as many as the campaign has experiments."""
        budget, pool = self.campaign.spec.budget, state.space.pool
        if self.all or self._why:
            return
        most = TRIED * budget if pool is None else min(TRIED * budget, len(pool.rows))
        own = state.model_copy(update={"planner": PlannerSpec(name="sobol")})
        try:
            drawn = load_planner(own.planner).ask(own, most)
        except PlannerError as error:
            self._why = str(error)
            return
        for one in drawn:
            event = reply(self.campaign, Answer((one,)))
            if isinstance(event, Suggested):
                self.all.append(event)
                if len(self.all) == budget:
                    return
            else:
                self._why = getattr(event, "reason", "")

    def uses(self) -> list[dict[str, int]]:
        """What the experiments of the whole campaign take of each material, in its smallest unit."""
        spec = self.campaign.spec
        return [self._of(number).amounts for number in range(spec.budget)] if self.all else []

    def cost(self, experiments: int) -> float:
        """What that many experiments cost."""
        cost = self.campaign.spec.cost
        if cost is None or not self.all:
            return 0.0
        return sum(cost.of(self._of(number).suggestion.params) for number in range(experiments))

    def _of(self, number: int) -> Suggested:
        """What an experiment is made of, counted from 0."""
        return self.all[number // self.campaign.spec.replicates % len(self.all)]


def plan_campaigns(
    folder: LabFolder,
    campaigns: Sequence[Campaign],
    deck: DeckState,
    *,
    layout: Layout | None = None,
    downs: Collection[Down] = (),
    from_s: float | None = None,
) -> CampaignPlan:
    """Rehearse campaigns that start together.

    Args:
        folder: the lab.
        campaigns: which.
        deck: what the lab has.
        layout: the lab as the dispatcher sees it; as its files have it if None.
        downs: stations on which nothing begins for a time.
        from_s: lab time at which they start; as late as the deck is known, or now, if None.

    Raises:
        ConfigError: two campaigns have one name.
    """
    names = [campaign.spec.name for campaign in campaigns]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ConfigError(f"campaign {twice[0]} is given twice; rehearse a longer one with --budget")
    layout = layout or deck.layout(folder.model)
    points = {campaign.spec.name: _Points(campaign) for campaign in campaigns}
    began_s, rehearsal = _begun(folder, deck, layout, points, from_s)
    lab, others = rehearsal.lab, list(rehearsal.lab.campaigns)
    _close(rehearsal, downs, began_s)
    prepares = {campaign.spec.name: _prepares(campaign, deck, folder.sha256) for campaign in campaigns}
    while rehearsal.now_s < began_s and rehearsal.next(until_s=began_s):
        pass  # what is under way continues until then
    others = [name for name in others if name in lab.campaigns and not lab.campaigns[name].over]
    there = _there(lab)
    fresh = [held.kind for held in lab.material.holds.values() if held.fresh and held.kind]
    rehearsal.take_all({one.spec.name: _started(one, folder, deck, layout) for one in campaigns})
    ends_s = ends_of(rehearsal)
    for name, some in points.items():
        some.draw(lab.campaigns[name].state())
    until_s = max((bar.ended_s for bar in rehearsal.bars if bar.order.campaign in points), default=began_s)
    bars = tuple(_within(rehearsal.bars, began_s, until_s))
    own = [bar for bar in bars if bar.order.campaign in points]
    makespan_s = until_s - began_s
    alone_s = _ends_alone(deck.under_way, layout, downs, began_s)
    containers: dict[str, tuple[int, int]] = {}
    for one in campaigns:
        if kind := one.container:
            needed = containers.get(kind, (0, 0))[0] + one.spec.budget
            containers[kind] = needed, fresh.count(kind)
    experiments = {name: lab.campaigns[name].tried for name in names}
    others_take = deck.under_way.takes if deck.under_way is not None else {}
    materials = _materials(campaigns, points, prepares, there, bars, others_take)
    return CampaignPlan(
        campaigns=tuple(names),
        experiments=sum(experiments.values()),
        budget=sum(one.spec.budget for one in campaigns),
        makespan_s=makespan_s,
        preparing_s=min((bar.began_s for bar in _of_experiments(own)), default=makespan_s),
        bars=bars,
        stations=tuple(_uses(layout, folder, bars, makespan_s)),
        materials=tuple(materials),
        containers=containers,
        waits=tuple(_waits(campaigns, own)),
        cost={
            one.spec.name: (points[one.spec.name].cost(experiments[one.spec.name]), one.spec.cost.unit)
            for one in campaigns
            if one.spec.cost is not None
        },
        problems=tuple(_problems(lab, experiments, campaigns)),
        others=tuple(OtherEnd(name, _since(ends_s.get(name), began_s), alone_s.get(name)) for name in others),
    )


def _begun(
    folder: LabFolder, deck: DeckState, layout: Layout, points: Mapping[str, _Points], from_s: float | None
) -> tuple[float, Rehearsal]:
    """When campaigns start, and the lab as it is before, with what is under way."""
    suggests = {name: lambda name, state: points[name].next(state) for name in points}
    if deck.under_way is not None:
        rehearsal = deck.under_way.rehearse(layout, suggests)
        return max(rehearsal.now_s, from_s or 0.0), rehearsal
    known_s = deck.count.now_s if deck.count is not None else time.time()
    began_s = known_s if from_s is None else from_s
    lab = LabCore(layout)
    lab.attended = False
    _fill(lab, folder, deck, began_s)
    return began_s, Rehearsal(lab, suggests=lambda name, state: points[name].next(state), now_s=began_s)


def _close(rehearsal: Rehearsal, downs: Collection[Down], began_s: float) -> None:
    """Let nothing begin on stations that are down."""
    for down in downs:
        scope = LatchScope("station", station=down.station)
        rehearsal.timetable += [
            (began_s + down.from_s, lambda lab, scope=scope: lab.latch(scope)),  # type: ignore[misc]
            (began_s + down.until_s, lambda lab, scope=scope: lab.reset(scope)),  # type: ignore[misc]
        ]
    rehearsal.timetable.sort(key=lambda one: one[0])


def _ends_alone(
    under_way: UnderWay | None, layout: Layout, downs: Collection[Down], began_s: float
) -> dict[str, float | None]:
    """When campaigns under way end without what is planned, in lab seconds from the start."""
    if under_way is None:
        return {}
    rehearsal = under_way.rehearse(layout)
    _close(rehearsal, downs, began_s)
    return {name: _since(end_s, began_s) for name, end_s in ends_of(rehearsal).items()}


def _since(at_s: float | None, began_s: float) -> float | None:
    return None if at_s is None else at_s - began_s


def _within(bars: Iterable[Bar], began_s: float, until_s: float) -> Iterable[Bar]:
    """Steps of a span of time, in lab seconds from its start; those that began before it from there on."""
    for bar in bars:
        if bar.ended_s >= began_s and bar.began_s <= until_s:
            first_s, last_s = max(bar.began_s, began_s), min(bar.ended_s, until_s)
            yield replace(bar, began_s=first_s - began_s, ended_s=last_s - began_s)


def _started(campaign: Campaign, folder: LabFolder, deck: DeckState, layout: Layout) -> Started:
    """Its start: with all of its budget, since nothing that is measured can end it; stocks as its protocol says."""
    return Started(
        campaign=campaign.spec.name,
        spec=campaign.spec.model_copy(update={"stop": StopRule()}),
        protocols=tuple(campaign.protocol_specs),
        lab=folder.model.name,
        lab_sha256=folder.sha256,
        container=campaign.container,
        prepares={name: campaign.protocols[name].worst_uses() for name in campaign.spec.prepare},
        learnt_s=dict(deck.learnt_s),
        shared=folder.model.shared,
        slots=slots_of(campaign.protocols[campaign.spec.protocol].spec, layout),
        naming=2,
        engine=ENGINE,
    )


def _prepares(campaign: Campaign, deck: DeckState, lab_sha256: str) -> list[str]:
    """Preparations that it makes itself."""
    spec, count = campaign.spec, deck.count
    if count is None or spec.prepare_anew:
        return list(spec.prepare)
    return [one for one in spec.prepare if not count.need_not_make(campaign.protocols[one].spec, lab_sha256)]


def _fill(lab: LabCore, folder: LabFolder, deck: DeckState, began_s: float) -> None:
    """What is there at the start."""
    lab.handle("", from_files(folder.model), began_s)
    if deck.count is not None:
        lab.material.stocks = {name: replace(stock) for name, stock in deck.count.stocks.items()}
        lab.material.wastes = {name: replace(waste) for name, waste in deck.count.wastes.items()}
        order = {name: number for number, name in enumerate(lab.material.holds)}
        found = sorted(deck.count.holds.items(), key=lambda one: order.get(one[0], len(order)))
        lab.material.holds = {name: replace(held) if isinstance(held, Held) else held for name, held in found}
        lab.work.preparations = {one.protocol: one for one in deck.count.prepared}
        lab.reservations.taken.update(deck.left)


def _there(lab: LabCore) -> dict[str, tuple[int, Counted]]:
    """What can be used of each material, and the room in each waste, in the smallest unit."""
    found: dict[str, tuple[int, Counted]] = {}
    for name, stock in lab.material.stocks.items():
        material = stock.facts.material or name
        usable = 0 if stock.facts.position or stock.barred(lab.now_s) else max(0, stock.free)
        found[material] = found.get(material, (0, stock.unit))[0] + usable, stock.unit
    wastes = {name: (waste.room, waste.unit) for name, waste in lab.material.wastes.items()}
    return found | {name: (max(0, room), unit) for name, (room, unit) in wastes.items() if room is not None}


def _of_experiments(bars: Iterable[Bar]) -> list[Bar]:
    return [bar for bar in bars if bar.order.experiment > 0]


def _materials(
    campaigns: Sequence[Campaign],
    points: Mapping[str, _Points],
    prepares: Mapping[str, Collection[str]],
    there: Mapping[str, tuple[int, Counted]],
    bars: Sequence[Bar],
    others_take: Mapping[str, Mapping[str, int]],
) -> Iterable[MaterialNeed]:
    """What is needed of each stock; experiments of several campaigns take it in the order in which they begin.

    Those of campaigns under way that begin meanwhile take theirs too, which is not counted as needed.
    """
    began: dict[tuple[str, int], float] = {}
    ended: dict[tuple[str, int], float] = {}
    for bar in _of_experiments(bars):
        key = bar.order.campaign, int(bar.order.label)
        began[key] = min(began.get(key, bar.began_s), bar.began_s)
        ended[key] = max(ended.get(key, 0.0), bar.ended_s)
    uses = {(name, number): taken for name, one in points.items() for number, taken in enumerate(one.uses(), start=1)}
    taken = uses | {key: others_take[key[0]] for key in began if key[0] in others_take and began[key] > 0}
    order = sorted(taken, key=lambda key: (began.get(key, float("inf")), key[1]))
    prepared: dict[str, int] = {}
    for campaign in campaigns:
        for name in prepares[campaign.spec.name]:
            for material, amount in campaign.protocols[name].worst_uses().items():
                prepared[material] = prepared.get(material, 0) + amount
    for material in sorted({*prepared, *(name for one in uses.values() for name in one)}):
        first = prepared.get(material, 0)
        usable, unit = there.get(material, (0, "nL"))
        left, lasts_for, own = usable - first, None, list[tuple[str, int]]()
        for key in order:
            left -= taken[key].get(material, 0)
            if left < 0 and lasts_for is None:
                lasts_for = len(own)
            own += [key] if key in uses else []
        if not order and left < 0:
            lasts_for = 0
        last = [ended[key] for key in own[:lasts_for] if key in ended] if lasts_for else []
        yield MaterialNeed(
            material,
            needed=first + sum(one.get(material, 0) for one in uses.values()),
            there=usable,
            unit=unit,
            lasts_for=lasts_for,
            empty_s=max(last) if last and len(last) == lasts_for else None,
        )


def _uses(layout: Layout, folder: LabFolder, bars: Sequence[Bar], makespan_s: float) -> Iterable[StationUse]:
    known = [*folder.model.stations, *layout.benches, *(bar.station for bar in bars)]
    for station in dict.fromkeys(known):
        mine = sorted((bar.began_s, bar.ended_s) for bar in bars if bar.station == station)
        busy_s = until_s = 0.0
        for began_s, ended_s in mine:
            busy_s += max(0.0, ended_s - max(began_s, until_s))
            until_s = max(until_s, ended_s)
        slots = layout.serving_one(station).slots
        yield StationUse(station, slots, len(mine), busy_s, busy_s / makespan_s if makespan_s else 0.0)


def _waits(campaigns: Sequence[Campaign], bars: Sequence[Bar]) -> Iterable[Wait]:
    """How long samples stood before steps whose wait is limited."""
    by_step = {(bar.order.campaign, bar.order.label, bar.order.step): bar for bar in bars if bar.order.move is None}
    for campaign in campaigns:
        for protocol in campaign.protocol_specs:
            for step in protocol.steps:
                if step.max_wait_s is None:
                    continue
                longest_s = 0.0
                for (name, label, named), bar in by_step.items():
                    if name == campaign.spec.name and named == step.name and bar.order.protocol == protocol.name:
                        before = [
                            by_step[key].ended_s for need in step.needs if (key := (name, label, need)) in by_step
                        ]
                        longest_s = max(longest_s, bar.began_s - max(before, default=bar.began_s))
                yield Wait(f"{protocol.name}/{step.name}", step.max_wait_s, longest_s)


def _problems(lab: LabCore, experiments: Mapping[str, int], campaigns: Sequence[Campaign]) -> Iterable[str]:
    for campaign in campaigns:
        name, budget = campaign.spec.name, campaign.spec.budget
        core = lab.campaigns[name]
        if core.phase == "completed" and core.tried >= budget:
            continue
        done = f"campaign {name}: {experiments[name]} of {budget} experiments"
        if core.over:
            yield f"{done}: {core.reason}"
            continue
        asked = [f"a person is asked: {one.text}" for one in core.open_questions]
        yield f"{done}, then nothing goes on: " + "; ".join(asked or map(str, lab.dispatcher.waits(name)))
