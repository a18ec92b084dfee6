"""Where a sample is brought for its next step, by which way, and what is kept for it before it is moved."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from labwright.engine.events import Carried, Start
from labwright.engine.experiment import SITE, VIA, Experiment, StepRun
from labwright.engine.layout import Bench, Carrier, Layout, Leg
from labwright.engine.outlook import SHORTER, Outlook
from labwright.engine.reservations import Reservations
from labwright.engine.rules import NO_PLAN, Plan
from labwright.engine.safety import Safety
from labwright.engine.turns import Turns
from labwright.engine.windows import Windows
from labwright.engine.work import Work
from labwright.model.protocol import Move, StepSpec
from labwright.model.waiting import Waiting

NOT_FREE_S = 1e6
"""Lab seconds until a transport is free that only a person can free."""

OUT = StepSpec(name="out", station="out", expected_s=1)
"""What is left when all steps are done: the container is brought to where it ends."""


@dataclass
class Moving:
    """Decides about moves.

    Attributes:
        work: the samples under way.
        layout: of the lab.
        safety: looks ahead.
        windows: in which stations can be used.
        turns: who is moved first, where that is planned.
        plan: which samples are to share a batch.
        lapses: whether what is foreseen of limited waits keeps no sample waiting: nothing else would begin.
        opens: whether a station opens later for which a sample waits: what is foreseen keeps those that have nothing.
    """

    work: Work
    layout: Layout
    safety: Safety
    windows: Windows
    turns: Turns
    plan: Plan = NO_PLAN
    lapses: bool = False
    opens: bool = False
    _outlook: Outlook | None = None
    _bound: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _forms: dict[str, set[int | None]] | None = None
    _limited: bool | None = None

    def look_anew(self) -> None:
        """What was foreseen before is no longer right."""
        self._outlook = self._forms = self._limited = None
        self._bound.clear()

    def begins(self, experiment: Experiment, run: StepRun) -> None:
        """A step begins, or the move to it: those that come after must not be in its way."""
        self._bound.pop(experiment.id, None)
        self._forms = None
        if self._outlook is not None and run.spec.max_wait_s is not None:
            self._outlook.begins(experiment)

    @property
    def outlook(self) -> Outlook:
        """What all samples under way will need."""
        if self._outlook is None:
            self._outlook = Outlook(self.work, self.layout, self.work.material.now_s)
        return self._outlook

    @property
    def _reservations(self) -> Reservations:
        return self.work.reservations

    def is_there(self, experiment: Experiment, run: StepRun) -> bool:
        """Whether the sample is where a step needs it, or the step does not need it anywhere."""
        if run.carrier or not experiment.wants_sample(run.spec):
            return True
        if run.spec is OUT:
            return False
        sites = self._sites(experiment, run)
        return not sites or experiment.stands_at in sites

    def bench(self, experiment: Experiment, run: StepRun) -> Bench:
        """The station that is to carry a step out: where the sample is, or the first of its kind that is free."""
        if run.carrier:
            return self.layout.serving_one(run.station)
        benches = self.layout.serving(run.spec.station)
        here = self.layout.bench_at(experiment.stands_at) if experiment.wants_sample(run.spec) else None
        if here is not None and here in benches:
            return here
        if (held := self.safety.held(experiment, run.spec.station)) is not None:
            return held
        free = [bench for bench in benches if f"station:{bench.name}" not in self._reservations.taken]
        usable = (bench for bench in free if self.windows.shut(bench.name, run.expected_s) is None)
        return next(usable, next(iter(free), benches[0]))

    def start(self, experiment: Experiment, run: StepRun, bench: Bench) -> Start | Waiting:
        """What is decided with a step that begins where its sample is; or what it lacks."""
        named = bench.name if bench.name != run.spec.station else ""
        slot = experiment.stands_at if bench.slotted and experiment.wants_sample(run.spec) and not run.carrier else ""
        booked: dict[str, str] = {}
        if experiment.brought and not run.carrier:
            for station in experiment.kept_stations(run.spec):
                later = self._later_at(experiment, station)
                if later is None or later.spec.name in experiment.booked:
                    continue
                if experiment.stands_at in self._sites(experiment, later):
                    continue
                site = self._free_site(experiment, later, booked)
                if site is None:
                    return self._full(experiment, run, station)
                booked[later.spec.name] = site
            short = self._in_time(experiment, run, booked)
            if short is not None:
                return short
        keeps = tuple(f"position:{site}" for site in booked.values())
        return Start(step_id=run.step_id, station=named, slot=slot, keeps=keeps, booked=booked)

    def bring(self, experiment: Experiment, run: StepRun) -> Carried | Waiting:
        """The move that a step needs, as far as its destination and its way are free; or what it waits for."""
        step = (run.step_id, experiment.owner, experiment.label)
        if (busy := self._all_busy(experiment)) is not None:
            return Waiting.for_resource(*step, busy, *self._holder(busy))
        if (other := self.turns.before(experiment)) is not None:
            return Waiting(*step, "site", run.spec.station, other.owner, other.label, because="planned")
        booked: dict[str, str] = {}
        if run.spec is OUT:
            ends = self._ends(experiment)
            if taken := self._all_taken(experiment, run):
                return Waiting.for_resource(*step, taken[0], *self._holder(taken[0]))
        else:
            known = experiment.booked.get(run.spec.name)
            site = known or self._free_site(experiment, run, booked, but=self.windows.all_shut(run))
            if site is None and self._free_site(experiment, run, booked) is not None:
                if (opens := self.windows.opens(experiment, run)) is not None:
                    return opens  # there is room where it is shut, and none elsewhere
            if site is None:
                return self._full(experiment, run, run.spec.station)
            ends = (site,)
            booked[run.spec.name] = site
            bench = self.layout.bench_at(site)
            if bench is not None and bench.together and f"station:{bench.name}" in self._reservations.taken:
                return self._full(experiment, run, run.spec.station)
        legs = self._way(experiment, ends)
        if legs and (unit := f"station:{legs[0].carrier.station}") in self._reservations.taken:
            return Waiting.for_resource(*step, unit, *self._holder(unit))
        if run.spec is not OUT and (short := self._in_time(experiment, run, booked)) is not None:
            return short
        if not legs:
            for resource in self._hand_overs_taken(experiment, ends):
                return Waiting.for_resource(*step, resource, *self._holder(resource))
            return Waiting(*step, "way", ends[0] if ends else "out of the lab", experiment.owner, experiment.label)
        leaves = self._leaves(legs[0].end)
        booked |= {f"{VIA}{leg.end}": leg.end for leg in legs[:-1]}
        positions = [*booked.values(), *([] if self._leaves(legs[-1].end) else [legs[-1].end])]
        keeps = [f"position:{one}" for one in dict.fromkeys(positions)]
        if run.spec is not OUT:
            keeps += [one for one in experiment.needs(run.spec) if one not in keeps]
        carrier = legs[0].carrier
        return Carried(
            label=experiment.label,
            move=Move(
                transport=carrier.name,
                start=experiment.stands_at,
                end=legs[0].end,
                leaves=leaves,
                labware=experiment.protocol.labware,
                timeout_s=carrier.timeout_s,
            ),
            station=carrier.station,
            expected_s=carrier.move_s,
            keeps=tuple(keeps),
            booked={key: site for key, site in booked.items() if experiment.booked.get(key) != site},
        )

    def _all_busy(self, experiment: Experiment) -> str | None:
        """Of the transports that reach a sample, by its station, the one that is free first; None if one is free."""
        known = self.transports(experiment)
        if not known or any(f"station:{carrier.station}" not in self._reservations.taken for carrier in known):
            return None
        return f"station:{min(known, key=self._busy_s).station}"

    def out(self, experiment: Experiment) -> StepRun | None:
        """What is left to be done for a sample of which all steps are; None if there is no way out."""
        return StepRun(OUT, f"{experiment.id}/{OUT.name}") if self._ends(experiment) else None

    def obstacles(self, experiment: Experiment, run: StepRun) -> Iterator[str]:
        """Positions, devices and transports of others that keep a move from beginning."""
        ends = self._ends(experiment) if run.spec is OUT else self._sites(experiment, run)
        legs = self._way(experiment, ends)
        if legs and (unit := f"station:{legs[0].carrier.station}") in self._reservations.taken:
            yield unit
        if not legs:
            if (busy := self._all_busy(experiment)) is not None:
                yield busy
            yield from self._hand_overs_taken(experiment, ends)
        yield from self._all_taken(experiment, run)
        if run.spec is OUT:
            return
        yield from self._reservations.not_free(experiment, experiment.needs(run.spec))

    def kept_by_others(self, experiment: Experiment, run: StepRun) -> Iterator[str]:
        """Positions of others that keep a step from beginning that others must follow, or that keeps one for them."""
        for later in self.followed_by(experiment, run):
            yield from self._all_taken(experiment, later)

    def followed_by(self, experiment: Experiment, run: StepRun) -> Iterator[StepRun]:
        """Steps that must find a position when one begins: those that must follow, and those that it keeps one for."""
        for station in experiment.kept_stations(run.spec):
            later = self._later_at(experiment, station)
            if later is not None and later.spec.name not in experiment.booked:
                yield later
        for before, later in itertools.pairwise(experiment.from_now(run)):
            if before.spec.max_wait_s is None:
                return
            yield later

    def wanted(self, experiment: Experiment, run: StepRun) -> tuple[str, ...]:
        """Positions of which a step needs one; none for the way out of the lab."""
        if run.spec is OUT:
            ends = self._ends(experiment)
            return () if any(self._leaves(one) for one in ends) else ends
        site = experiment.booked.get(run.spec.name)
        return (site,) if site else self._sites(experiment, run)

    def transports(self, experiment: Experiment) -> tuple[Carrier, ...]:
        """Those that reach a sample."""
        return self.layout.reaching(experiment.stands_at, experiment.protocol.labware)

    def no_way(self, experiment: Experiment, run: StepRun) -> str:
        """Why no transport brings a sample to a step, in words; empty if one can, as soon as it is free."""
        if self.is_there(experiment, run):
            return ""
        ends = self._ends(experiment) if run.spec is OUT else self.wanted(experiment, run)
        if self._way(experiment, ends) or self._way(experiment, ends, empty=True):
            return ""
        return f"no transport brings its container from {experiment.stands_at} to {' or '.join(ends)}"

    def hand_overs_taken(self, experiment: Experiment, run: StepRun) -> list[str]:
        """Hand-over positions of others without which there is no way to a step."""
        ends = self._ends(experiment) if run.spec is OUT else self._sites(experiment, run)
        return self._hand_overs_taken(experiment, ends)

    def _all_taken(self, experiment: Experiment, run: StepRun) -> list[str]:
        """What others have of the positions where a step can be done, or of their stations; none if one is free."""
        taken: dict[str, None] = {}
        for site in self.wanted(experiment, run):
            position, bench = f"position:{site}", self.layout.bench_at(site)
            if any(self.not_clear(experiment, [position])):
                taken[position] = None
            elif bench is not None and self.is_kept(experiment, bench):
                taken[f"station:{bench.name}"] = None
            else:
                return []
        return list(taken)

    def _way(self, experiment: Experiment, ends: Iterable[str], *, empty: bool = False) -> tuple[Leg, ...]:
        """The way with the fewest moves to any of these positions; over hand-overs that are taken, too, if `empty`."""
        free = (lambda position: True) if empty else self._hand_over(experiment)
        ways = (
            self.layout.way(experiment.stands_at, end, experiment.protocol.labware, free, self._busy_s) for end in ends
        )
        return min((way for way in ways if way), key=len, default=())

    def _hand_overs_taken(self, experiment: Experiment, ends: Collection[str]) -> list[str]:
        """Hand-over positions of others without which there is no way to any of these positions."""
        if self._way(experiment, ends):
            return []
        legs = self._way(experiment, ends, empty=True)
        return list(self.not_clear(experiment, [f"position:{leg.end}" for leg in legs[:-1]]))

    def not_clear(self, experiment: Experiment, positions: Iterable[str]) -> Iterator[str]:
        """Those of some positions where a container cannot be put: another sample has it, or a container stands there.

        Args:
            experiment: whose container it is.
            positions: by ``position:NAME``.
        """
        for position in positions:
            if any(self._reservations.not_free(experiment, [position])) or self._stands(experiment, position):
                yield position

    def _stands(self, experiment: Experiment, position: str) -> bool:
        """Whether a container is at a position that is not taken: a fresh one, or one that a person has put there."""
        if position in self._reservations.taken:
            return False  # its reservation says by which sample
        held = self.work.material.holds.get(position.removeprefix("position:"))
        if held is None or not held.kind:
            return False
        return (held.campaign, held.label) != (experiment.owner, experiment.label)

    def stands_in_the_way(self) -> bool:
        """Whether a container stands where others may have to be put, and that position is not taken."""
        holds = self.work.material.holds
        live = (one for live in self.work.live.values() for one in live.values() if one.moved and one.to_leave)
        back = (one for one in live if one.stands_at != one.place and self._ends(one) == (one.place,))
        if any(self._stands(one, f"position:{one.place}") for one in back):
            return True
        return any(
            (held := holds.get(position)) is not None
            and held.kind
            and f"position:{position}" not in self._reservations.taken
            for position in self.layout.passed
        )

    def sample_at(self, position: str) -> Experiment | None:
        """The sample under way that has nothing yet and whose container is at ``position:NAME``."""
        name = position.removeprefix("position:")
        live = (one for live in self.work.live.values() for one in live.values())
        return next((one for one in live if one.stands_at == name), None)

    def _holder(self, position: str) -> tuple[str, str, str]:
        """Who has a position, or whose container stands there: campaign, label and step; all empty if no sample's."""
        if any(self._reservations.of_resource(position)):
            holder = self._reservations.first(position)
            return holder.owner, holder.label, holder.step_id
        other = self.sample_at(position)
        return (other.owner, other.label, "") if other is not None else ("", "", "")

    def _leaves(self, position: str) -> bool:
        return position in self.layout.sites and self.layout.sites[position].leaves

    def in_the_way(self, waiting: Waiting) -> list[str]:
        """Ids of samples of which any may make room at the station that a step waits for."""
        holders = [
            holder
            for bench in self.layout.serving(waiting.name)
            for resource in (
                f"station:{bench.name}",
                *(f"position:{site}" for site in self.layout.sites_of(bench.name)),
            )
            if (holder := self._reservations.taken.get(resource)) is not None
        ]
        bound = [
            experiment.id
            for live in self.work.live.values()
            for experiment in live.values()
            if experiment.label != waiting.label or experiment.owner != waiting.campaign
            if (experiment.moved or experiment.booked) and f"{SITE}{waiting.name}" in self.work.claims(experiment)
        ]
        return [*(f"{one.owner}/{one.label}" for one in holders), *bound]

    def same_recipe(self, experiment: Experiment, bench: Bench) -> bool:
        """Whether all that is worked on at a station, or will be, has an experiment's recipe."""
        return next(self.safety.rivals(experiment, bench), None) is None

    def _sites(self, experiment: Experiment, run: StepRun) -> tuple[str, ...]:
        if experiment.protocol.holds_stations:
            if (held := self.safety.held(experiment, run.spec.station)) is not None:
                return self.layout.sites_at(held.name, experiment.protocol.labware)
        return self.layout.sites_for(run.spec.station, experiment.protocol.labware)

    def _free_site(
        self,
        experiment: Experiment,
        run: StepRun,
        booked: dict[str, str],
        times_s: tuple[float, float] | None = None,
        but: Collection[str] = (),
    ) -> str | None:
        """A position where a step can be done, and which is free, but at some stations: of batches in the fullest."""
        found: list[tuple[bool, bool, int, str]] = []
        vacant = 0
        held = self.safety.held(experiment, run.spec.station) if experiment.protocol.holds_stations else None
        for bench in self.layout.serving(run.spec.station) if held is None else (held,):
            planned = self._as_planned(experiment, run, bench)
            if bench.name in but or not self._takes(experiment, bench) or not (planned or self._plan_is_lifted):
                continue  # where nothing runs, the plan keeps no sample waiting
            sites = self.layout.sites_at(bench.name, experiment.protocol.labware)
            free = [
                site
                for site in sites
                if site not in booked.values() and not any(self.not_clear(experiment, [f"position:{site}"]))
            ]
            vacant += len(free)
            if free and (times_s is None or self._in_the_batch(bench, times_s)):
                reached = not self.layout.hands_over or bool(self._way(experiment, free[:1]))
                fuller = (-len(free) if self.plan.moves else len(free)) if bench.together else 0
                found.append((not planned, not reached, fuller, free[0]))
        limits = self._limits and not self.turns.planned(experiment)
        if not found or (limits and vacant <= self._spoken_for(experiment, run)):
            return None
        return min(found, key=lambda one: one[:3])[3]

    @property
    def _plan_is_lifted(self) -> bool:
        """Whether the plan keeps no sample waiting: nothing else would begin."""
        return self.turns.lifted if self.turns.holds else not self.work.something_runs

    def _as_planned(self, experiment: Experiment, run: StepRun, bench: Bench) -> bool:
        """Whether a sample may join the batch that forms at a station: it is of it, or first of one that is next.

        One without which its batch has started joins the next with its recipe.
        """
        if not bench.together or not self.plan.batches:
            return True
        if self.plan.moves:
            return self.turns.joins(experiment, bench, self.forms)
        mine = self.plan.of.get(experiment.id)
        here = self.forms.get(bench.name)
        if mine is None or (here is not None and mine in here):
            return here is None or mine in here
        if any(mine in batches for batches in self.forms.values()):
            return False
        if experiment.moved:
            return here is None
        late = mine in self._begun
        if here is not None:
            return late
        if late:
            return not any(batch > mine for batch in self._unbegun(experiment.recipe(f"{SITE}{run.spec.station}")))
        return mine == min(self._unbegun(), default=mine)

    def _promised(self, experiment: Experiment) -> bool:
        """Whether a sample may set out for a planned batch whose station is still at work on the one before."""
        mine = self.plan.of.get(experiment.id)
        if mine is None or any(mine in batches for batches in self.forms.values()):
            return False
        if mine in self._begun:
            return any(
                run.spec.recipe and not run.active
                for other in self._under_way()
                if self.plan.of.get(other.id) == mine
                for run in other.left()
            )
        return mine == min(self._unbegun(), default=mine)

    @property
    def forms(self) -> dict[str, set[int | None]]:
        """Planned batches that form, by station: whose samples wait there for it to begin, or have a position there."""
        if self._forms is None:
            found: dict[str, set[int | None]] = {}
            for other in self._under_way():
                for one in other.left():
                    site = other.booked.get(one.spec.name) or other.stands_at
                    bench = self.layout.bench_at(site)
                    if bench is None or not bench.together or one.active:
                        continue
                    if one.spec.station in (bench.name, bench.kind):
                        found.setdefault(bench.name, set()).add(self.plan.of.get(other.id))
            self._forms = found
        return self._forms

    def _under_way(self) -> Iterator[Experiment]:
        return (one for live in self.work.live.values() for one in live.values() if one.moved or one.booked)

    @property
    def _begun(self) -> set[int]:
        """Planned batches of which a sample has started."""
        left = {one.id for live in self.work.live.values() for one in live.values() if not (one.moved or one.booked)}
        return {number for number, batch in enumerate(self.plan.batches) if not left.issuperset(batch)}

    def _unbegun(self, recipe: str = "") -> list[int]:
        """Planned batches of which no sample has started; of one recipe, if it is named."""
        begun = self._begun
        return [
            number
            for live in self.work.live.values()
            for one in live.values()
            if (number := self.plan.of.get(one.id, -1)) >= 0 and number not in begun
            if not recipe or any(one.recipe(f"{SITE}{step.station}") == recipe for step in one.protocol.steps)
        ]

    @property
    def _limits(self) -> bool:
        """Whether any sample under way has a wait that is limited, and something may still happen by itself."""
        if self._limited is None:
            self._limited = self.work.limits > 0
        return self._limited and (self.work.something_runs or not self.lapses or bool(self.windows.words))

    def _looks_ahead(self, experiment: Experiment) -> bool:
        """Whether a sample waits where what is foreseen is against it."""
        if self.work.something_runs or not self.lapses:
            return True
        return self.opens and not (experiment.moved or experiment.booked)  # no other waits for what it has

    def _takes(self, experiment: Experiment, bench: Bench) -> bool:
        """Whether a station can be loaded with a sample now."""
        return not self.is_kept(experiment, bench) and self.same_recipe(experiment, bench)

    def is_kept(self, experiment: Experiment, bench: Bench) -> bool:
        """Whether nothing is brought to a station now: its batch is at work, or another sample holds it."""
        if bench.together and f"station:{bench.name}" in self._reservations.taken:
            return True
        return self.safety.is_held_from(experiment, bench)

    def _in_time(self, experiment: Experiment, run: StepRun, booked: dict[str, str]) -> Waiting | None:
        """Whether all steps that must follow within a time can; the station that would be too late, if one would.

        A position in a batch that forms is booked: only so it is certain that the batch does not begin without the
        sample. What works on one sample at a time is only looked ahead at.
        """
        if run.spec.max_wait_s is None or run.spec.name in experiment.booked or experiment.bound_to(run):
            return None
        if experiment.after(run) is None or self.turns.planned(experiment):
            return None  # the plan keeps it
        # Where nothing would begin, waiting makes it no better; two that look out for each other would wait for ever.
        refuses = self._looks_ahead(experiment)
        outlook = self.outlook
        if experiment.moved or experiment.booked:  # it is not in its own way
            outlook = Outlook(self.work, self.layout, self.work.material.now_s, but=experiment.id)
        late = outlook.too_late(experiment, run)
        if late and (shut := self.windows.in_time_later(experiment, run)) is not None:
            return shut
        if late and refuses:
            return self._full(experiment, run, late)
        here, at = run, booked.get(run.spec.name) or experiment.stands_at
        while here.spec.max_wait_s is not None and (later := experiment.after(here)) is not None:
            if at in self._sites(experiment, later):
                pass  # it stays where it is
            elif any(bench.together for bench in self.layout.serving(later.spec.station)):
                early_s, late_s = self.outlook.arrives(experiment, run, later)
                site = self._free_site(experiment, later, booked, (late_s, early_s + here.spec.max_wait_s))
                if site is None and not self._promised(experiment):
                    return self._full(experiment, run, later.spec.station) if refuses else None
                at = site or ""
                if site is not None:
                    booked[later.spec.name] = site
            else:
                at = ""
            here = later
        return None

    def _in_the_batch(self, bench: Bench, times_s: tuple[float, float]) -> bool:
        """Whether a sample that comes at the latest at one time, and can wait at least until another, can be in it."""
        late_s, due_s = times_s
        if self.outlook.drained_s(bench) > due_s:
            return False
        sites = {site for site, one in self.layout.sites.items() if one.station == bench.name}
        for live in self.work.live.values():
            for other in live.values():
                for step in other.left():
                    if step.active or step.spec.station not in (bench.name, bench.kind):
                        continue
                    if other.stands_at in sites:
                        closes_s = other.due_s(step)
                    elif other.booked.get(step.spec.name) in sites and other.bound_to(step):
                        closes_s = self._can_wait_s(other, step)
                    else:
                        continue
                    if late_s > closes_s:
                        return False
        return True

    def _can_wait_s(self, experiment: Experiment, step: StepRun) -> float:
        """Until when a sample on its way to a step can wait there at least, lab time."""
        early_s, limit_s = self.work.material.now_s, math.inf
        for one in experiment.left():
            if one is step:
                return min(experiment.due_s(step), early_s + limit_s)
            early_s += SHORTER * self.outlook.left_s(one)
            limit_s = one.spec.max_wait_s if one.spec.max_wait_s is not None else math.inf
        return math.inf

    def _spoken_for(self, experiment: Experiment, run: StepRun) -> int:
        """How many positions of a kind of station must stay free for samples that cannot wait.

        None for those that it was under way before: what they need was foreseen to be free with it in their way.
        """
        if experiment.bound_to(run):
            return 0
        sites = self._sites(experiment, run)
        since_s = experiment.under_way_s
        return sum(
            number
            for live in self.work.live.values()
            for other in live.values()
            if other is not experiment and (other.moved or other.booked) and other.stands_at not in sites
            if (number := self._cannot_wait(other).count(run.spec.station)) and other.looked_ahead_s <= since_s
        )

    def _cannot_wait(self, experiment: Experiment) -> tuple[str, ...]:
        """Stations that a sample is bound to, and where no position is booked for it."""
        known = self._bound.get(experiment.id)
        if known is None:
            known = self._bound[experiment.id] = tuple(
                one.spec.station
                for one in (experiment.left() if experiment.brought and not experiment.given_up else ())
                if one.spec.name not in experiment.booked and not one.active and experiment.bound_to(one)
            )
        return known

    def _later_at(self, experiment: Experiment, station: str) -> StepRun | None:
        """The next step that needs the sample at a station."""
        for other in experiment.steps.values():
            if other.spec.station == station and other.state in ("waiting", "ready") and other.spec.sample:
                return other
        return None

    def _ends(self, experiment: Experiment) -> tuple[str, ...]:
        """Where a container may end."""
        if experiment.kept_aside:
            return (experiment.place,)
        if experiment.protocol.afterwards == "leaves":
            return self.layout.ways_out(experiment.protocol.labware)
        return (experiment.place,) if experiment.place else ()

    def _hand_over(self, experiment: Experiment) -> Hand:
        return Hand(self, experiment)

    def _busy_s(self, carrier: Carrier) -> float:
        """Lab seconds until a transport is free, and open for a move, as far as is known."""
        holder = self._reservations.taken.get(f"station:{carrier.station}")
        if holder is None:
            return min(self.windows.opens_in_s(carrier.station, carrier.move_s), NOT_FREE_S)
        if not self.work.runs(holder.step_id):
            return NOT_FREE_S
        _, run = self.work.find(holder.step_id)
        return max(0.0, (run.ordered_s or self.work.material.now_s) + run.expected_s - self.work.material.now_s)

    def _full(self, experiment: Experiment, run: StepRun, station: str) -> Waiting:
        """All positions of a station are taken, or kept for others."""
        holder = None
        for site in self.layout.sites_for(station, experiment.protocol.labware):
            holder = self._reservations.taken.get(f"position:{site}")
            if holder is not None and not holder.of(experiment):
                break
        step = (run.step_id, experiment.owner, experiment.label)
        sites = [f"position:{site}" for site in self.layout.sites_for(station, experiment.protocol.labware)]
        if sites and all(self._stands(experiment, site) for site in sites):
            return Waiting.for_resource(*step, sites[0], *self._holder(sites[0]))
        if holder is None:  # only a batch that is under way, or a recipe, keeps it out
            taken = [self._reservations.taken.get(f"station:{one.name}") for one in self.layout.serving(station)]
            holder = next((one for one in taken if one is not None), None)
        if holder is None:
            return Waiting(*step, "site", station, experiment.owner, experiment.label)
        return Waiting(*step, "site", station, holder.owner, holder.label, holder.step_id)


@dataclass(frozen=True)
class Hand:
    """Whether a sample may be put down at a position on its way."""

    moving: Moving
    experiment: Experiment

    def __call__(self, position: str) -> bool:
        """Whether it is free."""
        return not any(self.moving.not_clear(self.experiment, [f"position:{position}"]))
