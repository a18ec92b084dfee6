"""The core of a lab: events in, instructions out. No clock, no file, no thread.

Campaigns say what is to be tried (`labwright.engine.core`), the work brings samples through their steps
(`labwright.engine.work`), the dispatcher says who gets which station (`labwright.engine.dispatch`). The same code on a
virtual clock rehearses a lab, and fed with journalled events it rebuilds its state, byte for byte.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from labwright.engine.booking import book
from labwright.engine.booking_rows import booking_rows
from labwright.engine.core import CampaignCore
from labwright.engine.dirty import DirtyRows
from labwright.engine.dispatch import Dispatcher
from labwright.engine.events import (
    Begun,
    Booked,
    Booking,
    Carried,
    DeckChecked,
    DeviationClosed,
    DeviationOpened,
    Event,
    Foreseen,
    Granted,
    Instruction,
    LabEvent,
    Prepares,
    Recounted,
    Relabelled,
    Remark,
    Removal,
    Start,
    Started,
    Stocked,
)
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.fair import Terms, work_of
from labwright.engine.layout import NO_LAYOUT, Layout
from labwright.engine.losing import lost_for
from labwright.engine.material import REFILL, REPLACE, Material, no_container, used_up_words
from labwright.engine.questions import Questions
from labwright.engine.remark_rows import remark_rows
from labwright.engine.reservations import POSITION, Reservations
from labwright.engine.rules import rule_of
from labwright.engine.work import IllegalEventError, Work
from labwright.model.latch import LatchScope
from labwright.model.protocol import Prepared

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Grant:
    """What the lab decides for a campaign, to be recorded as an event of it.

    Attributes:
        campaign: its id.
        event: what it may do.
        instructions: what is to be done for it.
    """

    campaign: str
    event: Granted
    instructions: list[Instruction]


class LabCore:
    """A lab's campaigns, and all that they share.

    Args:
        layout: of the lab, by which samples are moved; nothing is known of it where a journal is read without its lab.

    Attributes:
        campaigns: by id, in the order in which they came.
        instruments: which deck this is, from the first campaign that starts: ``real``, ``here``, or where else.
        now_s: lab time of the newest event.
        turns: how many campaigns have started.
        dirty: what has changed since the tables were written last.
    """

    def __init__(self, layout: Layout = NO_LAYOUT) -> None:
        self.dirty = DirtyRows()
        self.work = Work(self.dirty, Reservations(self.dirty), Material(self.dirty), Questions(self.dirty))
        self.dispatcher = Dispatcher(self.work, self._held, self.terms, layout)
        self.campaigns: dict[str, CampaignCore] = {}
        self.instruments = ""
        self.now_s = 0.0
        self.turns = 0
        self.attended = True
        """Whether people are there who refill what is used up. Not part of the state, as the two that follow."""
        self._wake_s = math.inf

    @property
    def material(self) -> Material:
        """Containers and stocks."""
        return self.work.material

    @property
    def reservations(self) -> Reservations:
        """Who has which station and position."""
        return self.work.reservations

    def campaign(self, campaign: str) -> CampaignCore:
        """The campaign of this id; a draft if it is not known."""
        if campaign not in self.campaigns:
            self.campaigns[campaign] = CampaignCore(campaign, self.dispatcher)
        return self.campaigns[campaign]

    def latch(self, scope: LatchScope) -> None:
        """No step of this scope begins any more."""
        self.dispatcher.latches |= {scope}  # another set: the loop may be going through the one before

    def reset(self, scope: LatchScope) -> None:
        """Steps of this scope may begin again."""
        self.dispatcher.latches -= {scope}
        self._look_at_all()

    def arrange(self, layout: Layout) -> None:
        """The lab is laid out like this, and stations open and close like this."""
        self.dispatcher.arrange(layout)
        self._look_at_all()

    def _look_at_all(self) -> None:
        self.work.look.update(one.id for live in self.work.live.values() for one in live.values())

    def handle(self, campaign: str, event: Event, at_s: float) -> list[Instruction]:
        """Take an event of a campaign, or of the lab; what is to be done now.

        Args:
            campaign: its id; empty for an event of the lab.
            event: what has happened.
            at_s: when, in lab time, as the journal keeps it.

        Raises:
            IllegalEventError: the event does not fit the state, which is as before.
        """
        if isinstance(event, Remark):
            self._take_remark(campaign, event)
            return []
        self.material.now_s = at_s
        if isinstance(event, Booking):
            self.dirty.remarks |= booking_rows(event)
            self.now_s = at_s
            return []
        if isinstance(event, LabEvent):
            self._take_of_lab(event)
            self.now_s = at_s
            return []
        if isinstance(event, DeckChecked) and campaign not in self.campaigns:
            self._free(campaign, event)
            return []
        core = self.campaign(campaign)
        was_over = core.over
        decided = core.take(event)
        self.now_s = at_s
        if was_over and not core.over:  # it comes after those that have started meanwhile
            self.turns += 1
            core.turn = self.turns
            self.work.fair.comes(campaign)
        if isinstance(event, Started):
            self.work.fair.comes(campaign)
            core.began_s = at_s
            self.turns += 1
            core.turn = self.turns
            self.instruments = self.instruments or event.deck
            self.material.counted = frozenset(event.counted)
            if event.places or event.lots_ml:
                self.material.begin_full(event.places, event.lots_ml)
        decided += self.work.settle(self.campaigns)
        if core.engine == 1:
            self._begin(core)
            decided += self.work.settle(self.campaigns)
        decided += core.advance()
        if core.engine == 1 and not (core.paused or core.stop_asked):
            for experiment, run in self.dispatcher.first_come(campaign):
                decided += self._start(experiment, run)
        if isinstance(event, Granted):
            for label, words in event.lacking.items():
                decided += self._give_up(core, core.live[label], words)
            begun = [self.dispatcher.taken(campaign, step_id) for step_id in event.steps]
            begun += [self.dispatcher.started(campaign, start) for start in event.starts]
            begun += [self.dispatcher.carried(campaign, carried) for carried in event.moves]
            first = {one.id: one for one, _ in begun if one.state == "accepted"}  # two of its steps may begin at once
            for experiment, run in begun:
                decided += self._start(experiment, run)
            for experiment in first.values():
                self.work.fair.begins(experiment, self.terms(campaign))
            for removal in event.removals:
                decided += self.work.ask_removal(core.live[removal.label], removal)
        if isinstance(event, DeckChecked):
            self._free(campaign, event)
        return decided + self._finish(core)

    def _take_remark(self, campaign: str, event: Remark) -> None:
        """A person has said something: it is written down, and whether results may be used is known from now on."""
        self.dirty.remarks |= remark_rows(event)
        core = self.campaigns.get(campaign)  # of one that is over, who has recorded it sees to the tables
        if isinstance(event, DeviationOpened | DeviationClosed):
            self.work.void(campaign, event.voids)
            if core is not None and event.uses:
                core.judge(event.uses)

    def grant(self, at_s: float) -> list[Grant]:
        """What the lab lets its campaigns do now, after all that has happened; done already, as if it were handled.

        Campaigns whose newest controller was of engine 1 are left out: they decide when they handle an event.

        Args:
            at_s: lab time, at which it is recorded.
        """
        newest_s = self.now_s
        self.now_s = self.material.now_s = at_s
        begun: dict[str, list[Begun]] = {}
        prepares: dict[str, dict[str, Any]] = {}
        prepared: dict[str, tuple[Prepared, ...]] = {}
        short: dict[str, str] = {}
        lost: dict[str, str] = {}
        decided: dict[str, list[Instruction]] = {}
        self._wake_s = math.inf
        for core in self._in_turn():
            if core.engine == 1:
                continue
            taken = self._take_prepared(core, at_s)
            words = self._lost(core)
            if words != core.lost and not core.over:
                lost[core.campaign] = words
                core.lose(words)
            made, lacks = self._prepare(core)
            experiments, lacked = self._begin(core)
            if (lacks or lacked) != core.short and not core.over:
                short[core.campaign] = lacks or lacked
                core.fall_short(lacks or lacked)
            if taken or made or experiments or core.campaign in short or core.campaign in lost:
                prepared[core.campaign], prepares[core.campaign], begun[core.campaign] = taken, made, experiments
                decided[core.campaign] = self.work.settle(self.campaigns) + core.advance()
        lacking: dict[str, dict[str, str]] = {}
        for experiment, words in self._lacking_before_they_begin():
            lacking.setdefault(experiment.owner, {})[experiment.label] = words
            given_up = self._give_up(self.campaigns[experiment.owner], experiment, words)
            decided[experiment.owner] = decided.get(experiment.owner, []) + given_up
        begins: dict[str, list[Start | Carried]] = {}
        first: dict[str, list[tuple[Start | Carried, Experiment]]] = {}
        began: dict[str, Experiment] = {}
        why: dict[str, dict[str, str]] = {}
        for experiment, run, begin in self.dispatcher.ready():
            if experiment.state == "accepted":
                first.setdefault(experiment.owner, []).append((begin, experiment))
            begins.setdefault(experiment.owner, []).append(begin)
            began[experiment.id] = experiment
            decided.setdefault(experiment.owner, []).extend(self._start(experiment, run))
        for key, words in self.dispatcher.reasons.of.items():
            why.setdefault(began[key].owner, {})[began[key].label] = words
        closed: dict[str, str] = {}
        for core in self.campaigns.values():
            words = "; ".join(self.dispatcher.windows.words.get(core.campaign, ()))
            if words != core.closed and core.engine > 1 and not core.over:
                closed[core.campaign] = words
                core.wait_to_open(words)
                decided.setdefault(core.campaign, [])
        if self._wake_s < (self.dispatcher.wake_s or math.inf):
            self.dispatcher.wake_s = self._wake_s
        removals: dict[str, list[Removal]] = {}
        for experiment, removal in self.dispatcher.removals():
            removals.setdefault(experiment.owner, []).append(removal)
            asked = self.work.ask_removal(experiment, removal)
            decided[experiment.owner] = decided.get(experiment.owner, []) + asked
        granted = []
        for campaign, instructions in decided.items():
            event = Granted(
                prepared=prepared.get(campaign, ()),
                **prepares.get(campaign, {}),
                short=short.get(campaign),
                closed=closed.get(campaign),
                why=why.get(campaign, {}),
                lost=lost.get(campaign),
                begins=tuple(begun.get(campaign, ())),
                **_begins(begins.get(campaign, ())),
                removals=tuple(removals.get(campaign, ())),
                lacking=lacking.get(campaign, {}),
            )
            for _, experiment in sorted(first.get(campaign, ()), key=lambda one: _place_in_event(one[0])):
                self.work.fair.begins(experiment, self.terms(campaign))
            granted.append(Grant(campaign, event, instructions + self._finish(self.campaigns[campaign])))
        if not granted:
            self.now_s = newest_s  # nothing is recorded, and the state is what was recorded
        return granted

    def terms(self, campaign: str) -> Terms:
        """On which terms a campaign has the lab."""
        core = self.campaigns[campaign]
        spec = core.spec
        of_project = [spec.share]
        if spec.project:
            going = [one.spec for one in self.campaigns.values() if not (one.over or one.phase == "draft")]
            of_project += [one.share for one in going if one.project == spec.project]
        return Terms(spec.project or "", spec.share, max(of_project), core.slack_h)

    def _in_turn(self) -> list[CampaignCore]:
        """Campaigns in the order in which experiments of theirs begin, where the lab has not enough for all."""
        going = [one for one in self.campaigns.values() if not (one.over or one.phase == "draft")]
        going.sort(key=lambda one: (-one.spec.priority, one.turn))
        if sum(one.wishes() is not None or one.next_preparation is not None for one in going) < 2:
            return going

        def turn(core: CampaignCore) -> tuple[float, ...]:
            terms = self.terms(core.campaign)
            due = self.work.fair.due(core.campaign, terms, core.work_s)
            return (-core.spec.priority, terms.slack_h, *due, core.turn)

        return sorted(going, key=turn)

    def forget(self, campaign: str) -> None:
        """Keep nothing of a campaign that is over, except where its samples were left; its rows are written by now."""
        del self.campaigns[campaign]
        self.work.forget(campaign)

    def take_back(self, campaign: str, other: LabCore) -> None:
        """Know a campaign again that was forgotten, since it was over.

        Args:
            campaign: its id.
            other: another lab, which has handled all of its events and no other's.
        """
        core = self.campaigns[campaign] = other.campaigns[campaign]
        core.move_to(self.dispatcher)
        self.material.counted = self.material.counted or other.material.counted
        self.material.entries |= _of(campaign, other.material.entries)
        self.work.questions.asked |= _of(campaign, other.work.questions.asked)
        self.work.questions.marks |= _of(campaign, other.work.questions.marks)

    def leave_out(self, campaign: str) -> None:
        """Go on without a campaign that is not over, and that another controller may resume."""
        self.work.leave_out(campaign)
        del self.campaigns[campaign]
        self.dirty.clear()

    def _finish(self, core: CampaignCore) -> list[Instruction]:
        """End a campaign of which nothing is under way any more."""
        decided = core.finish()
        if core.over and core.ended_s is None:
            core.ended_s = self.now_s
            self.work.fair.forget(core.campaign)
        return decided

    def _free(self, campaign: str, event: DeckChecked) -> None:
        """A person has looked where a campaign's samples were left: they stand nowhere any more."""
        for resource in self.reservations.of_owner(campaign):
            self.reservations.free(resource)
        self.material.looked_at(campaign, event)

    def _take_of_lab(self, event: LabEvent) -> None:
        """What is there was counted.

        Raises:
            IllegalEventError: it cannot be known now what is there: it is just being taken, or a sample stands there.
        """
        if isinstance(event, Stocked):
            self.material.fill(event)
            self.work.forget_prepared()
            for resource, holder in list(self.reservations.taken.items()):
                if not self.work.has(holder.owner, holder.label):
                    self.reservations.free(resource)
            return
        if isinstance(event, Booked):
            book(self.work, event)
            return
        if isinstance(event, Relabelled):
            self.material.relabel(event)
            return
        if isinstance(event, Foreseen):
            self.dispatcher.rule = rule_of(event)
            return
        self._refuse_what_is_under_way(event)
        for step_id, used in event.used.items():
            if self.work.runs(step_id):
                self.material.use(*self.work.find(step_id), used)
        self.material.recount(event)
        for position in event.containers:
            self.reservations.free(f"position:{position}")

    def _refuse_what_is_under_way(self, event: Recounted) -> None:
        """Nothing is counted that changes while it is looked at."""
        live = [experiment for experiments in self.work.live.values() for experiment in experiments.values()]
        for position in event.containers:
            holder = self.reservations.taken.get(f"position:{position}")
            if holder is not None and not self.work.has(holder.owner, holder.label):
                holder = None
            whose = f"{holder.owner}/{holder.label}" if holder is not None else ""
            whose = whose or next((one.id for one in live if one.stands_at == position), "")
            if whose:
                raise IllegalEventError(f"position {position} is in use by experiment {whose}, which is under way")
        counted = {self.material.find(name) for name in (*event.lots_nl, *event.counts, *event.stocks)}
        for run in (run for experiment in live for run in experiment.steps.values()):
            if run.state in ("done", "failed", "skipped"):
                continue
            for stock, used in {**run.used, **event.used.get(run.step_id, {})}.items():
                if self.material.find(stock) in counted and used.unknown:
                    raise IllegalEventError(
                        f"stock {stock}: step {run.step_id} is taking from it, or it is not known what that step has "
                        "taken; wait until it has ended, or answer its question, and count again"
                    )

    def _take_prepared(self, core: CampaignCore, at_s: float) -> tuple[Prepared, ...]:
        """Let a campaign use what others have prepared, as long as it holds."""
        taken: list[Prepared] = []
        while (protocol := core.wants_prepared) is not None:
            known = self.work.preparations.get(protocol.name)
            if known is None or not known.holds(protocol, core.started.lab_sha256, at_s):
                break
            core.take_prepared(known)
            taken.append(known)
        return tuple(taken)

    def _lost(self, core: CampaignCore) -> str:
        """Stations that do not work, and without which what a campaign begins next would only get stuck, in words."""
        if core.engine == 1 or not self.attended or (protocol := core.begins_next) is None:
            return ""
        dispatcher = self.dispatcher
        return lost_for(protocol, core.campaign, self.work, dispatcher.layout, dispatcher.latches)

    def _prepare(self, core: CampaignCore) -> tuple[dict[str, Any], str]:
        """Let a campaign make the preparation that comes next, unless another is making it; or what it lacks."""
        protocol = core.next_preparation if core.waits_for_material else core.wants_prepared
        if protocol is None or core.awaits is not None:
            return {}, ""
        if not core.waits_for_material:
            if core.lost:
                return {}, ""
            core.prepare(Prepares(protocol=protocol.name))
            return {"prepares": (protocol.name,)}, ""
        allotted = self.material.allot(core.started.prepares.get(protocol.name, {}), protocol.stations)
        if used_up := used_up_words(protocol.uses_up, self.material.holds):
            lacking = f"preparation {protocol.name}: {used_up}; {REPLACE}"
        else:
            lacking = allotted.lacking + (REFILL if allotted.lacking else "")
        if lacking and self._may_wait(core):
            return {}, lacking
        if lacking:
            core.fail(lacking)
            return {"lacks": lacking}, ""
        if core.lost:
            return {}, ""
        prepares = Prepares(protocol=protocol.name, takes=allotted.takes, promised=allotted.amounts)
        core.prepare(prepares)
        return {"preparing": (prepares,)}, ""

    def _begin(self, core: CampaignCore) -> tuple[list[Begun], str]:
        """Begin the experiments that a campaign wants and for which there is room, as far as the material lasts.

        Returns:
            what starts, or cannot; and what the next one waits for, in words.
        """
        begun: list[Begun] = []
        brought = any(protocol.brought for protocol in core.started.protocols)
        but = self.dispatcher.layout.in_stations if brought else frozenset()
        but |= self.work.questions.to_be_emptied
        but |= {name.removeprefix(POSITION) for name in self.reservations.taken if name.startswith(POSITION)}
        but |= {name.removeprefix(POSITION) for name in self.work.claimed_by_name() if name.startswith(POSITION)}
        while (wish := core.wishes()) is not None:
            allotted = self.material.allot(wish.uses, core.stations)
            lacking = allotted.lacking
            place = self.material.next_place(core.started.container, core.started.places, but)
            if lacking and not (core.engine == 1 and wish.proposal):
                lacking += core.refill
            elif core.engine > 1 and core.container and not place:
                lacking = no_container(core.container)
            if lacking and self._may_wait(core):
                return begun, lacking
            if core.lost and not lacking:
                return begun, ""
            if lacking:
                begun.append(Begun(proposal=wish.proposal, lacking=lacking))
            elif core.waits_for_material:
                begun.append(
                    Begun(proposal=wish.proposal, place=place, takes=allotted.takes, promised=allotted.amounts)
                )
            else:
                begun.append(Begun(proposal=wish.proposal, place=place))
            core.begin(begun[-1])
        return begun, ""

    def _may_wait(self, core: CampaignCore) -> bool:
        """Whether a campaign waits for material: people may refill it, or experiments under way may leave some."""
        if not core.waits_for_material:
            return False
        if any(one.promised for live in self.work.live.values() for one in live.values()):
            return True
        since_s = core.short_since_s if core.short_since_s is not None else self.now_s
        until_s = since_s + (core.spec.material_wait_s if self.attended else 0.0)
        if self.now_s >= until_s:
            return False
        self._wake_s = min(self._wake_s, until_s)
        return True

    def _lacking_before_they_begin(self) -> list[tuple[Experiment, str]]:
        """Experiments of which no step has started, and none can: what they would use up is used up by another."""
        held = self._held()
        waiting = [
            experiment
            for owner, experiments in self.work.live.items()
            if owner not in held
            for experiment in experiments.values()
            if experiment.protocol.uses_up and experiment.state == "accepted" and not experiment.given_up
        ]
        found = [(experiment, self.material.used_up(experiment)) for experiment in waiting]
        return [(experiment, f"{words}; {REPLACE}") for experiment, words in found if words]

    def _give_up(self, core: CampaignCore, experiment: Experiment, words: str) -> list[Instruction]:
        """No step of it has started, and none will."""
        what = "preparation" if experiment.preparation else "experiment"
        self.work.give_up(experiment, core, f"{what} {experiment.label}: {words}", "equipment")
        core.fail(f"{what} {experiment.label}: {words}")
        return self.work.settle(self.campaigns) + core.advance()

    def _held(self) -> set[str]:
        """Campaigns none of whose steps `grant` lets begin now; those of engine 1 begin when they handle an event."""
        return {one.campaign for one in self.campaigns.values() if one.paused or one.stop_asked or one.engine == 1}

    def _start(self, experiment: Experiment, run: StepRun) -> list[Instruction]:
        if experiment.state == "accepted":
            experiment.charged_s = work_of(experiment)
        return self.work.start(experiment, run, self.campaigns[experiment.owner])


def _of(campaign: str, kept: dict[str, Kept]) -> dict[str, Kept]:
    return {campaign: kept[campaign]} if campaign in kept else {}


def _begins(begins: Iterable[Start | Carried]) -> dict[str, Any]:
    """What a campaign's steps and moves that begin are in its event."""
    starts = [one for one in begins if isinstance(one, Start)]
    return {
        "steps": tuple(start.step_id for start in starts if start.plain),
        "starts": tuple(start for start in starts if not start.plain),
        "moves": tuple(one for one in begins if isinstance(one, Carried)),
    }


def _place_in_event(begins: Start | Carried) -> int:
    """Where it is in its campaign's event, and so in which order it is handled when that is read again."""
    return 2 if isinstance(begins, Carried) else 0 if begins.plain else 1
