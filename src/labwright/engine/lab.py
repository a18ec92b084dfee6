"""The core of a lab: events in, instructions out. No clock, no file, no thread.

Campaigns say what is to be tried (`labwright.engine.core`), the work brings samples through their steps
(`labwright.engine.work`), the dispatcher says who gets which station (`labwright.engine.dispatch`). The same code on a
virtual clock rehearses a lab, and fed with journalled events it rebuilds its state, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from labwright.engine.core import CampaignCore
from labwright.engine.dirty import DirtyRows
from labwright.engine.dispatch import Dispatcher
from labwright.engine.events import Begun, DeckChecked, Event, Granted, Instruction, Removal, Started
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.material import Material
from labwright.engine.questions import Questions
from labwright.engine.reservations import Reservations
from labwright.engine.work import Work
from labwright.model.latch import LatchScope


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

    Attributes:
        campaigns: by id, in the order in which they came.
        instruments: which deck this is, from the first campaign that starts: ``real``, ``here``, or where else.
        now_s: lab time of the newest event.
        turns: how many campaigns have started.
        dirty: what has changed since the tables were written last.
    """

    def __init__(self) -> None:
        self.dirty = DirtyRows()
        self.work = Work(self.dirty, Reservations(self.dirty), Material(self.dirty), Questions(self.dirty))
        self.dispatcher = Dispatcher(self.work, self._held)
        self.campaigns: dict[str, CampaignCore] = {}
        self.instruments = ""
        self.now_s = 0.0
        self.turns = 0

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
        self.dispatcher.latches.add(scope)

    def reset(self, scope: LatchScope) -> None:
        """Steps of this scope may begin again."""
        self.dispatcher.latches.discard(scope)
        self.work.look.update(one.id for live in self.work.live.values() for one in live.values())

    def handle(self, campaign: str, event: Event, at_s: float) -> list[Instruction]:
        """Take an event of a campaign; what is to be done now.

        Args:
            campaign: its id.
            event: what has happened.
            at_s: when, in lab time, as the journal keeps it.

        Raises:
            IllegalEventError: the event does not fit the state, which is as before.
        """
        if isinstance(event, DeckChecked) and campaign not in self.campaigns:
            self._free(campaign)
            return []
        core = self.campaign(campaign)
        decided = core.take(event)
        self.now_s = at_s
        if isinstance(event, Started):
            core.began_s = at_s
            self.turns += 1
            core.turn = self.turns
            self.instruments = self.instruments or event.deck
            self._stock(event)
        decided += self.work.settle(self.campaigns)
        if core.engine == 1:
            self._begin(core)
            decided += self.work.settle(self.campaigns)
        decided += core.advance()
        if core.engine == 1 and not (core.paused or core.stop_asked):
            decided += [self._start(experiment, run) for experiment, run in self.dispatcher.first_come(campaign)]
        if isinstance(event, Granted):
            taken = [self.dispatcher.taken(campaign, step_id) for step_id in event.steps]
            decided += [self._start(experiment, run) for experiment, run in taken]
            for removal in event.removals:
                decided += self.work.ask_removal(core.live[removal.label], removal)
        if isinstance(event, DeckChecked):
            self._free(campaign)
        return decided + self._finish(core)

    def grant(self, at_s: float) -> list[Grant]:
        """What the lab lets its campaigns do now, after all that has happened; done already, as if it were handled.

        Campaigns whose newest controller was of engine 1 are left out: they decide when they handle an event.

        Args:
            at_s: lab time, at which it is recorded.
        """
        self.now_s = at_s
        begins: dict[str, list[Begun]] = {}
        decided: dict[str, list[Instruction]] = {}
        for core in sorted(self.campaigns.values(), key=_by_priority):
            if core.engine > 1 and (begun := self._begin(core)):
                begins[core.campaign] = begun
                decided[core.campaign] = self.work.settle(self.campaigns) + core.advance()
        steps: dict[str, list[str]] = {}
        for experiment, run in self.dispatcher.ready():
            steps.setdefault(experiment.owner, []).append(run.step_id)
            decided.setdefault(experiment.owner, []).append(self._start(experiment, run))
        removals: dict[str, list[Removal]] = {}
        for experiment, removal in list(self.dispatcher.removals()):
            removals.setdefault(experiment.owner, []).append(removal)
            asked = self.work.ask_removal(experiment, removal)
            decided[experiment.owner] = decided.get(experiment.owner, []) + asked
        granted = []
        for campaign, instructions in decided.items():
            event = Granted(
                begins=tuple(begins.get(campaign, ())),
                steps=tuple(steps.get(campaign, ())),
                removals=tuple(removals.get(campaign, ())),
            )
            granted.append(Grant(campaign, event, instructions + self._finish(self.campaigns[campaign])))
        return granted

    def forget(self, campaign: str) -> None:
        """Keep nothing of a campaign that is over, except where its samples were left; its rows are written by now."""
        del self.campaigns[campaign]
        self.work.forget(campaign)

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
        return decided

    def _free(self, campaign: str) -> None:
        """A person has looked where a campaign's samples were left: they stand nowhere any more."""
        for resource in self.reservations.of_owner(campaign):
            self.reservations.free(resource)

    def _stock(self, event: Started) -> None:
        """A campaign begins with the material that its lab has for it."""
        self.material.places = list(event.places)
        self.material.lots_ml = dict(event.lots_ml)
        self.material.counted = frozenset(event.counted)
        self.dirty.lots.update(event.lots_ml)

    def _begin(self, core: CampaignCore) -> list[Begun]:
        """Begin the experiments that a campaign wants and for which there is room, as far as the material lasts."""
        begun = []
        while (wish := core.wishes()) is not None:
            lacking = self.material.lacking(wish.uses_ml)
            begun.append(
                Begun(proposal=wish.proposal, place="" if lacking else self.material.next_place(), lacking=lacking)
            )
            core.begin(begun[-1])
        return begun

    def _held(self) -> set[str]:
        """Campaigns none of whose steps `grant` lets begin now; those of engine 1 begin when they handle an event."""
        return {one.campaign for one in self.campaigns.values() if one.paused or one.stop_asked or one.engine == 1}

    def _start(self, experiment: Experiment, run: StepRun) -> Instruction:
        return self.work.start(experiment, run, self.campaigns[experiment.owner])


def _by_priority(core: CampaignCore) -> tuple[int, int]:
    """The campaign with the higher priority first, then the one that came first."""
    return (-core.spec.priority if core.phase != "draft" else 0), core.turn
