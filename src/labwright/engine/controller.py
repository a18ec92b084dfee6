"""The controller of a lab: takes events, writes each to the journal with all it changes, and only then acts on it.

It sleeps until something happens: a step ends, a planner answers, a person gives a command, an alarm rings.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty

import orjson

from labwright.clock import Mailbox, SteppedClock
from labwright.engine.admission import Found, admitted, asked_of_deck, beside, extension
from labwright.engine.asking import reply
from labwright.engine.batch import Batch
from labwright.engine.campaign import Campaign
from labwright.engine.commands import (
    Counted,
    DeckAnswered,
    ExtendAsked,
    HandAsked,
    LabStop,
    LatchReset,
    OfStation,
    Saying,
    Submitted,
    event_of,
    lab_command_of,
    stop_now_of,
)
from labwright.engine.core import CampaignCore
from labwright.engine.deck import DeckQuestion
from labwright.engine.desk import PlannerDesk
from labwright.engine.editing import edited
from labwright.engine.events import (
    ENGINE,
    Adjusted,
    Answered,
    Ask,
    AskPerson,
    Classified,
    DeckChecked,
    DeviationClosed,
    DeviationOpened,
    Disposed,
    Event,
    Extended,
    Finish,
    Foreseen,
    Instruction,
    LabEvent,
    MovedByHand,
    Noted,
    NoteWritten,
    Overdue,
    PauseStations,
    Received,
    Remark,
    Resumed,
    RunStep,
    SampleStopAsked,
    Signed,
    Started,
    StationBooked,
    StepEnded,
    StepLate,
    StopAsked,
    StopStations,
    StopStep,
)
from labwright.engine.experiment import LATE_WAIT_S
from labwright.engine.extending import Extension
from labwright.engine.filling import first_fill, relabelled_by
from labwright.engine.following import Follow, Follower
from labwright.engine.forecaster import Forecaster
from labwright.engine.halting import Halting, scope_of
from labwright.engine.hand_entries import checked as checked_entry
from labwright.engine.latch import refuse_while_latched
from labwright.engine.layout import layout_of, slots_of
from labwright.engine.learnt import learnt_moves_s, learnt_s
from labwright.engine.operating import (
    by_hand_campaign,
    doubtful,
    given_up,
    hand_of,
    not_started,
    refuse_now,
    suggested,
    work_of,
)
from labwright.engine.questions import Task
from labwright.engine.recounting import recount_of, under_way_used
from labwright.engine.recovery import rebuilt_lab, used_so_far
from labwright.engine.remarks import Remarks
from labwright.engine.restoring import Restoring
from labwright.engine.snapshots import dumped
from labwright.engine.station_bookings import (
    BookingAsked,
    EndAsked,
    StationBookings,
    booked_of,
    refuse_in_the_way,
)
from labwright.engine.waking import Waking
from labwright.engine.watchdog import SILENCE_S, Watchdog
from labwright.journal import (
    Command,
    Journal,
    NewEvent,
    RunJournal,
    Snapshot,
    StepJournal,
    Teller,
    WakePort,
    latch_of,
    recover,
)
from labwright.lab import Lab
from labwright.model.by_hand import BY_HAND
from labwright.model.campaign import CampaignState
from labwright.model.errors import ConfigError, JournalError, LabwrightError
from labwright.model.figures import lasting
from labwright.model.instruments import HERE
from labwright.model.latch import WHOLE_LAB
from labwright.model.material import Used
from labwright.model.protocol import StepOrder, StepOutcome
from labwright.planners import Answer, PlannerWorker, Worker
from labwright.stations import Station, StationLink
from labwright.stations.card_runs import CardRuns
from labwright.stations.catalogue import make_carriers
from labwright.stations.link import Finished
from labwright.stations.people import PeopleStation, signs
from labwright.stations.plan_reads import parameters_read
from labwright.stations.skips import optional_steps
from labwright.stations.slots import Slot, SlottedStation
from labwright.stations.uses import Uses

LEAVE_S = 60.0
"""Wall seconds that operations under way have to end when the controller leaves; then their devices are halted."""

SNAPSHOT_EVERY = 200
"""Events between two snapshots: a restart handles so many again, in 0.05 s; a snapshot costs less than two events."""

STOP_ROW_S = 10.0
"""Wall seconds for which the row of a stop-now is waited for that has come ahead of it."""

WATCHED_S = 5.0
"""Wall seconds that the loop waits for its watchers to see the end; the lab is safe by then."""

UNANSWERED = "no person is there to answer question"
"""How the reason begins of a campaign that a question has ended."""

ANSWER_MOST = 2000
"""Characters of a refusal; a suggestion of ten thousand unknown parameters is not answered for each."""

_log = logging.getLogger(__name__)

Watch = Callable[[Event, CampaignCore], None]


@dataclass(frozen=True)
class _Look:
    """Another process has sent a wake-up: commands may wait."""


@dataclass(frozen=True)
class _Happened:
    """An event of a campaign; of all campaigns under way if empty, or of the lab."""

    campaign: str
    event: Event


@dataclass(frozen=True)
class _Checked:
    """A command that was checked beside the loop.

    Attributes:
        command: its number.
        then: carries it out; None if it is refused.
        refused: why.
    """

    command: int
    then: Callable[[Batch], None] | None
    refused: str = ""


@dataclass
class Hosted:
    """A campaign that a controller carries out.

    Attributes:
        campaign: with its protocols.
        resumed: whether another controller has started it.
        going: whether its samples may continue: its set-points are restored.
        used: what its steps under way had taken when it was resumed, by step and stock.
        end: how it has ended; it is forgotten when what follows from that is done.
    """

    campaign: Campaign
    resumed: bool
    going: bool
    used: dict[str, dict[str, Used]] = field(default_factory=dict)
    end: Finish | None = None


def _worker(campaign: Campaign) -> Worker:
    return PlannerWorker(campaign.spec.planner, advise=campaign.spec.stop.advised)


@dataclass(frozen=True)
class Parts:
    """What a controller makes for itself, where a test or a rehearsal gives it something else.

    Attributes:
        worker: lets the planner of a campaign think.
        keeper: records what stations do, in the journal.
        station: the link to a station of the controller, by name; None for one in this process.
        forecaster: foresees what its lab will do; None if that is not to be known.
    """

    worker: Callable[[Campaign], Worker] = _worker
    keeper: Callable[[Journal], StepJournal] = StepJournal
    station: Callable[[LabController, str], StationLink] | None = None
    forecaster: Callable[[LabController], Forecaster | None] = lambda controller: _forecaster(controller)


def _forecaster(controller: LabController) -> Forecaster | None:
    lab = controller.lab
    if isinstance(lab.clock, SteppedClock):
        return None  # it would be over before, or wait for an answer
    return Forecaster(controller.journal.place, lab.instruments, lab.model, controller.foresaw)


OWN_PARTS = Parts()


def last_word_first(instructions: Sequence[Instruction]) -> list[Instruction]:
    """Of several instructions to pause or resume a campaign only the last, and before all others.

    A campaign that was resumed and paused in one batch of events is paused, and so must its stations be.
    """
    pauses = {one.campaign: one for one in instructions if isinstance(one, PauseStations)}
    return [*pauses.values(), *(one for one in instructions if not isinstance(one, PauseStations))]


class LabController:
    """The one process that owns a lab: its journal's writer, its stations, its campaigns.

    Args:
        lab: open, or opened before `run`; undisturbed where a campaign is resumed.
        journal: not controlled by another.
        data: folder of the runs.
        run_closed: called with the file of every finished run, to upload it, in a thread of its own; may be None.
        by: who starts it.
        resume: campaigns of other controllers to resume, by id.
        unattended: whether no person is there to answer: a question then ends its campaign, instead of holding it up.
        parts: what it does not make for itself.

    Attributes:
        hosted: campaigns under way, by id.
        ends: how others have ended, by id.
        on_event: called with every event in the loop itself, before what follows from it is done; for tests, since
            the lab waits for it.
        on_start: called with the id of every campaign that is handed over, in the loop itself.

    Raises:
        RefusedError: another controller runs on the journal, or the instruments were stopped and not reset.
    """

    def __init__(
        self,
        lab: Lab,
        journal: Journal,
        data: Path,
        run_closed: Callable[[Path], None] | None = None,
        *,
        by: str = "",
        resume: Mapping[str, Campaign] | None = None,
        unattended: bool = False,
        parts: Parts = OWN_PARTS,
    ) -> None:
        refuse_while_latched(journal, lab.instruments)
        self.lab = lab
        self.journal = journal
        self.parts = parts
        self.on_event: Watch = lambda event, core: None
        self.stations: dict[str, StationLink] = {}
        self.hosted: dict[str, Hosted] = {}
        self.ends: dict[str, Finish] = {}
        self._run_closed = run_closed
        self._teller = Teller("the watcher of finished runs")
        self._by = by
        self._unattended = unattended
        self.under_way = Watchdog(lab.clock, self._put)
        self._commands_seen: set[int] = set()
        self._leaving = False
        self._deferred: list[tuple[float, _Happened]] = []
        """Steps that a stop has ended of which no event tells yet, and until when they wait for it."""
        self._followers: dict[str, list[Follower]] = {}
        self.on_start: Callable[[str], None] = lambda name: None
        self._restoring = Restoring(lab, self.note)
        self._unsaved = SNAPSHOT_EVERY
        """Events since the newest snapshot; the first batch is to have one."""
        self.desk = PlannerDesk()
        resume = resume or {}
        self.core = rebuilt_lab(journal, *resume, instruments=lab.instruments)
        self._arrange()
        self.core.attended = not unattended
        self._waking = Waking(lab.clock, lambda: self._events.put(_Look()))
        self._actor = lab.clock.actor("engine", busy=True)
        self._events: Mailbox[_Happened | _Checked | _Look] = lab.clock.mailbox(self._actor)
        with contextlib.ExitStack() as taken:  # given back if anything of it cannot be had
            taken.callback(self._end_watching)
            taken.callback(self._actor.close)
            self._wake = WakePort(self._woken, self._idle, self._ahead)
            taken.callback(self._wake.close)
            self.epoch = journal.control(
                by, self._wake.number, instruments=lab.instruments, engine=ENGINE, stations=list(lab.model.stations)
            )
            journal.listeners.append(self.note)
            taken.callback(journal.listeners.remove, self.note)
            taken.callback(journal.listen(self._woken).close)
            self.runs = RunJournal(data / "runs")
            taken.callback(self.runs.close)
            self.recovered = recover(data / "runs")
            self.halting = Halting(journal, lab.instruments, self.epoch, self.core, self.under_way, self._restoring)
            self.keeper = parts.keeper(journal)
            left = any(self.core.campaign(name).live for name in resume)
            new = lab.instruments == HERE and not (left or lab.filled)
            if (filled := first_fill(journal, lab.model, lab.instruments, by, new=new)) is not None:
                self._put("", filled)
            elif (relabelled := relabelled_by(journal, lab.model, lab.instruments, by)) is not None:
                self._put("", relabelled)
            lab.filled = True
            taken.callback(self.desk.close_all)
            self._forecaster = parts.forecaster(self)
            if self._forecaster is not None:
                taken.callback(self._forecaster.close)
            for name, campaign in resume.items():
                used = used_so_far(self.keeper, self.core.campaign(name))
                self._host(name, Hosted(campaign, resumed=True, going=False, used=used))
            self._taken = taken.pop_all()

    def start(self, campaign: Campaign) -> str:
        """Start a campaign; its id. Before `run`."""
        name = new_id(campaign.spec.name, self.hosted.keys() | self.ends.keys())
        self._host(name, Hosted(campaign, resumed=False, going=True))
        self._put(name, self._started_event(name, campaign, self._by))
        return name

    def leave(self) -> None:
        """End the controller, not its campaigns: another resumes them. Callable from anywhere.

        Steps end after the operation under way, without a word of it in the journal, as if the process had been
        killed in a good moment; `run` returns once they have, or after `LEAVE_S`.
        """
        self._leaving = True
        self._events.put(_Look())

    def run(self, over: Callable[[], bool]) -> None:
        """Carry out campaigns until `over`; the lab is left in its safe state.

        Raises:
            JournalError: the journal refuses; everything was stopped, and what was measured before is in the journal.
        """
        try:
            self.stations = {name: self._station(name) for name in self.lab.model.stations}
            self.halting.take(self.stations)
            for name, hosted in self.hosted.items():
                self._let_know(name, hosted.campaign)
            self._take_up()
            self._events.put(_Look())
            if not gc.get_freeze_count():  # once in a process: what another lab has left must be collected
                gc.freeze()  # what was imported stays: nothing of it is garbage
            while not self._leaving and not over():
                self._step()
            if self._leaving:
                self._end_steps()
        except BaseException:
            self.halting.latch(WHOLE_LAB, "the engine ends")
            self.halting.halt(WHOLE_LAB, "the engine ends")
            raise
        finally:
            self._close()

    @property
    def all_over(self) -> bool:
        """Whether every campaign that it carries out has ended."""
        return all(hosted.end is not None for hosted in self.hosted.values())

    def patience_s(self) -> float | None:
        """Wall seconds to wait for the next event; None while only a person can end the wait."""
        step_s = self.under_way.wait_s(self._paused)
        if step_s is not None:
            return step_s
        return SILENCE_S if any(not self._runs(name) and self._may_hang(name) for name in self._live) else None

    def ask_to_stop(self, why: str, *, now: bool) -> None:
        """End all campaigns: after the current operations, or now with all devices halted. Callable from anywhere.

        Now means now, whatever the loop waits for: a journal that is away must not keep a heater on. When this
        returns nothing begins any more, and nothing will on these instruments until a person resets the stop.
        """
        if now:
            self.halting.latch(WHOLE_LAB, why)
        self._put("", StopAsked(why=why, now=now, by=self._by, closeouts=not now))
        if now:
            self.halting.stop(WHOLE_LAB, next(iter(self._live), ""), why, self._by)

    def follow(self, campaign: str, tell: Follow) -> Follower:
        """Call `tell` with every event of a campaign from now on, in a thread of its own.

        Call the follower's `end`, `wait` and `close` when `run` has returned.
        """
        since = self.journal.last_event(campaign) if self.hosted[campaign].resumed else 0
        follower = Follower(self.journal, campaign, tell, since)
        self._followers.setdefault(campaign, []).append(follower)
        return follower

    def note(self, words: str) -> None:
        """Keep something a person should know. Callable from anywhere."""
        self._put("", Noted(words=words))

    def note_on(self, campaign: str, words: str) -> None:
        """Keep something a person should know about one campaign. Callable from anywhere."""
        self._put(campaign, Noted(words=words))

    @property
    def _live(self) -> list[str]:
        return [name for name, hosted in list(self.hosted.items()) if hosted.end is None]

    def foresaw(self, foreseen: Foreseen) -> None:
        """Keep what the lab is foreseen to do, and follow the rule that is best. Callable from anywhere."""
        self._put("", foreseen)

    def _put(self, campaign: str, event: Event) -> None:
        self._events.put(_Happened(campaign, event))

    def _may_hang(self, name: str) -> bool:
        """Whether something should be heard of a campaign before long, without a person."""
        core = self.core.campaign(name)
        if not self.hosted[name].going or core.paused:
            return False  # set-points are restored, each within its own time
        if not_started(core):
            return False  # it is given up in its time
        if self._runs(name) or core.asking:
            return True
        if core.questions or core.short or core.lost or self._waits_for_reset(name):
            return False
        if self.core.dispatcher.wake_s is not None:
            return False
        waits = core.awaits is not None or self.core.dispatcher.waits(name)
        return not (waits and any(map(self._others_wait_for, self._live)))

    def _others_wait_for(self, name: str) -> bool:
        """Whether a campaign comes on, or a person or a planner is asked about it: who waits for it is not silent."""
        core = self.core.campaign(name)
        held = core.paused or core.questions or core.short or core.lost or not self.hosted[name].going
        return bool(held or self._waits_for_reset(name) or core.asking or self._runs(name))

    def _runs(self, name: str) -> bool:
        """Whether a station works on a sample of a campaign."""
        return any(step.order.campaign == name for step in self.under_way.steps())

    @property
    def _foreseeable(self) -> tuple[str, ...]:
        """Campaigns whose end can be foreseen; none while stations wait for a reset."""
        return () if self.core.dispatcher.latches else tuple(self._live)

    @property
    def _paused(self) -> list[str]:
        return [name for name in self._live if self.core.campaign(name).paused]

    def _waits_for_reset(self, name: str) -> bool:
        """Whether a person has to reset a stop before a campaign can continue."""
        return any(waiting.kind == "reset" for waiting in self.core.dispatcher.waits(name))

    def _host(self, name: str, hosted: Hosted) -> None:
        self.hosted[name] = hosted
        self.desk.open(name, self.parts.worker(hosted.campaign))
        self._let_know(name, hosted.campaign)

    def _let_know(self, name: str, campaign: Campaign) -> None:
        for station in self.stations.values():
            station.know(name, campaign.protocols)

    def _arrange(self, pending: Sequence[NewEvent] = ()) -> None:
        """Lay the lab out, with moves as long as they were, and stations as people have booked them."""
        lab = self.lab
        moves_s = learnt_moves_s(self.journal, lab.model, simulated=lab.simulated)
        booked = booked_of(self.journal, lab.instruments, lab.clock.now(), pending)
        self.core.arrange(layout_of(lab.model, moves_s, booked))

    def _started_event(self, name: str, campaign: Campaign, by: str) -> Started:
        lab = self.lab
        of_the_lab = {name: one for name, one in campaign.protocols.items() if name != BY_HAND}
        learns = [*of_the_lab]  # no two done by hand do the same
        return Started(
            campaign=name,
            spec=campaign.spec,
            protocols=tuple(protocol.spec for protocol in campaign.protocols.values()),
            lab=lab.model.name,
            lab_sha256=lab.folder.sha256,
            simulated=lab.simulated,
            instruments=lab.instruments,
            by=by,
            container=campaign.container,
            counted=Uses(lab.model).counted(lab.devices),
            prepares={name: campaign.protocols[name].worst_uses() for name in campaign.spec.prepare},
            learnt_s=learnt_s(self.journal, learns, simulated=lab.simulated),
            earlier=campaign.earlier or (),
            shared=lab.model.shared,
            optional={name: optional_steps(one, lab.folder.root) for name, one in of_the_lab.items()},
            reads={name: parameters_read(one) for name, one in of_the_lab.items()},
            slots=slots_of(campaign.protocols[campaign.spec.protocol].spec, self.core.dispatcher.layout),
            naming=2,
            engine=ENGINE,
        )

    def _take_up(self) -> None:
        """Continue the campaigns of other controllers, once their set-points are restored."""
        taken_up = [name for name, hosted in self.hosted.items() if hosted.resumed]
        for name in taken_up:
            self._stop_again(name)
        if taken_up:
            self._restoring.start(lambda: self._held(taken_up), self._not_restored, lambda: self._restored(taken_up))

    def _stop_again(self, name: str) -> None:
        """End a campaign whose stop latched the instruments, but whose controller died before it recorded the rest.

        A person has reset the latch since, which lets the instruments move again, not the stopped campaign.
        """
        latch, core = latch_of(self.journal, name), self.core.campaign(name)
        if latch is not None and not core.stop_asked and not core.over:
            by = latch.by or "the controller"
            self._put(name, StopAsked(why=f"stopped by {by}: {latch.because}", by=latch.by))
            if len(self._live) == 1:
                self._restoring.set_nothing()

    def _held(self, names: Iterable[str]) -> dict[tuple[str, str], float]:
        held: dict[tuple[str, str], float] = {}
        for name in names:
            core = self.core.campaign(name)
            if core.live and not core.stop_asked:
                held |= self.keeper.held(name)
        return held

    def _not_restored(self, why: str) -> None:
        self._put("", StopAsked(why=why, now=True))

    def _restored(self, names: Iterable[str]) -> None:
        shared = self.lab.model.shared
        for name in names:
            used = self.hosted[name].used
            self._put(name, Resumed(epoch=self.epoch, by=self._by, used=used, shared=shared, engine=ENGINE))

    def _step(self) -> None:
        """Wait for events; take all there are, record them together, and act on them."""
        patience_s = self.patience_s()
        try:
            happened = [self._events.get(patience_s), *self._events.more()]
        except Empty:
            silent = [name for name in self._live if self._may_hang(name) and not self._runs(name)]
            happened = [self._silent(name, patience_s) for name in silent]
        happened += [self._hung(step) for step in self.under_way.hung(self._paused)]
        batch = Batch(self.core, self.lab)
        looked = False
        for one in happened:
            if isinstance(one, _Look):
                if looked:
                    continue  # one look for several wake-ups: commands count as taken only when all of this is recorded
                looked = True
                if any(isinstance(event, LabEvent) for _, event in batch.seen):
                    self._events.put(_Look())  # the deck's count is to be recorded before a command is held against it
                    continue
                for command in self._commands():
                    self._obey(command, batch)
                continue
            if isinstance(one, _Checked):
                self._checked(one, batch)
                continue
            if isinstance(one.event, LabEvent):
                batch.take("", one.event)
                continue
            for name in [one.campaign] if one.campaign else self._live:
                if not self._under(name) or self._out_of_date(name, one.event):
                    continue
                if self._stop_to_come(name, one.event):
                    self._deferred.append((time.monotonic() + STOP_ROW_S, _Happened(name, one.event)))
                else:
                    batch.take(name, self._as_it_goes(name, one.event))
        self._take_deferred(batch)
        self._take_overdue(batch)
        self._take_too_late(batch)
        # A stop and a pause before all else, the commit too: a slow disk must not delay them, nor anything begin.
        for name, event in batch.seen:
            if isinstance(event, (StopAsked, SampleStopAsked)) and event.now:
                self.halting.stop(scope_of(event, name, self._live), name, event.why, event.by)
        for instruction in batch.instructions:
            if isinstance(instruction, PauseStations) and instruction.on:
                self._carry_out(instruction)
        if all(self.hosted[name].going for name in self._live):
            batch.grant()
            wakes_s = [self.core.dispatcher.wake_s, self.core.work.questions.due_s, *self._given_up_s()]
            self._waking.set(min((at_s for at_s in wakes_s if at_s is not None), default=None))
        for instruction in batch.instructions:
            if isinstance(instruction, Signed):  # as of any step, its run is on the disk before the journal says so
                self._write_run(instruction.station, instruction.order, instruction.outcome)
        if batch.kept:
            self.journal.record(batch.kept, self._snapshot(batch))
            for name in dict.fromkeys(name for name, _ in batch.seen if name):
                for follower in self._followers.get(name, ()):
                    follower.news()
        if self._forecaster is not None and any(not isinstance(event, Foreseen | Remark) for _, event in batch.seen):
            self._forecaster.look(self._foreseeable, self.lab.clock.now())
        for name, event in batch.seen:
            if name in self.hosted:
                self._seen(name, event)
        for name in self._live if self._unattended else ():
            if not self._may_hang(name) and self.hosted[name].going and self._waits_for_reset(name):
                self._put(name, StopAsked(why="no person is there to reset a stop that holds its samples", by=self._by))
        for instruction in last_word_first(batch.instructions):
            self._carry_out(instruction)
        for name, hosted in list(self.hosted.items()):
            if hosted.end is not None:
                self._forget(name, hosted.end)

    def _stop_to_come(self, name: str, event: Event) -> bool:
        """Whether a step was ended by a stop-now that has come ahead of its row, so that no person need be asked."""
        if not isinstance(event, StepEnded) or event.outcome.state != "stopped":
            return False
        experiment, _ = self.core.work.find(event.outcome.step_id)
        known = self.core.campaign(name).stop_asked or experiment.given_up
        return not known and self.halting.covers(name, experiment.label)

    def _take_deferred(self, batch: Batch) -> None:
        deferred, self._deferred = self._deferred, []
        for until_s, one in deferred:
            if not self._under(one.campaign) or self._out_of_date(one.campaign, one.event):
                continue
            if self._stop_to_come(one.campaign, one.event) and time.monotonic() < until_s:
                self._deferred.append((until_s, one))
            else:
                batch.take(one.campaign, one.event)

    def _take_overdue(self, batch: Batch) -> None:
        """Deadlines of questions have passed, perhaps while no controller ran."""
        for question in self.core.work.questions.due(self.lab.clock.now()):
            if self._under(question.owner) and self.hosted[question.owner].going:
                batch.take(question.owner, Overdue(question=question.id))

    def _given_up_s(self) -> list[float]:
        """Lab times at which operations by hand are given up that have not started."""
        return [work.until_s for core in self.core.campaigns.values() if (work := hand_of(core)) and not_started(core)]

    def _take_too_late(self, batch: Batch) -> None:
        """Give up what a person wanted done by hand by now: nothing of it has started."""
        for core in list(self.core.campaigns.values()):
            name, work = core.campaign, hand_of(core)
            if work is None or not not_started(core) or self.lab.clock.now() < work.until_s:
                continue
            if self._under(name) and self.hosted[name].going:
                batch.take(name, StopAsked(why=given_up(core, work)))

    def _unanswered(self, question: str, text: str) -> StopAsked:
        """The end of a campaign that a question would hold up; a second one, while it closes out, ends that too."""
        return StopAsked(why=f"{UNANSWERED} {question}: {text}", by=self._by, closeouts=True)

    def _signs_itself(self, task: Task | None) -> bool:
        """Whether a simulated person signs a card, so that no other need be there."""
        return task is not None and signs(self.lab, task.station)

    def _as_it_goes(self, name: str, event: Event) -> Event:
        """An event as it can be taken: nothing is closed out before the set-points are restored."""
        if isinstance(event, StopAsked) and event.closeouts and not self.hosted[name].going:
            return event.model_copy(update={"closeouts": False})
        return event

    def _under(self, name: str) -> bool:
        """Whether a campaign is under way, so that something can still happen to it."""
        return name in self.hosted and not self.core.campaign(name).over

    def _forget(self, name: str, end: Finish) -> None:
        """A campaign has ended: a controller may carry out thousands, and must not keep them all."""
        self.ends[name] = end
        del self.hosted[name]
        self._followers.pop(name, None)
        self.core.forget(name)
        for station in self.stations.values():
            station.forget(name)

    def _snapshot(self, batch: Batch) -> Snapshot | None:
        """The state after a batch, to be kept with it: after the first, after a campaign's last, after so many events.

        The first says of which campaigns this controller's lab is.
        """
        self._unsaved += len(batch.kept)
        ended = any(isinstance(one, Finish) for one in batch.instructions)
        if self.lab.instruments == HERE or not (ended or self._unsaved >= SNAPSHOT_EVERY):
            return None
        self._unsaved = 0
        return Snapshot(self.lab.instruments, ENGINE, dumped(self.core).decode())

    def _silent(self, name: str, patience_s: float | None) -> _Happened:
        waits = ", ".join(self.core.campaign(name).waits_for()) or "nothing"
        why = f"nothing was heard for {patience_s or 0:g} s while waiting for {waits}"
        return _Happened(name, StopAsked(why=why, now=True))

    def _hung(self, step: RunStep) -> _Happened:
        """A step should have ended by its time limit, and its station says nothing: its campaign is stopped."""
        self.under_way.let_go(step.order.campaign)  # not every time that something happens elsewhere
        why = (
            f"nothing was heard of step {step.order.step_id} at {step.station} for {SILENCE_S:g} s after its limit of "
            f"{step.timeout_s:g} s"
        )
        return _Happened(step.order.campaign, StopAsked(why=why, now=True))

    def _out_of_date(self, name: str, event: Event) -> bool:
        """Whether it means nothing: an end reported twice, an alarm about a step that has ended or is paused."""
        if isinstance(event, StepEnded):
            return not self.core.work.runs(event.outcome.step_id)
        if not isinstance(event, StepLate):
            return False
        if self.core.campaign(name).paused:
            self.under_way.ring_later(event)
            return True
        return self.under_way.get(event.step_id) is None

    def _obey(self, command: Command, batch: Batch) -> None:
        """Carry out a command, or answer why not."""
        try:
            if not command.campaign:
                self._obey_for_lab(command, batch)
                return
            event = event_of(command, self.hosted[command.campaign].campaign)
            if isinstance(event, Answered) and event.parameters:
                core = self.core.campaign(command.campaign)
                event = edited(event, self.hosted[command.campaign].campaign, core)
            if isinstance(event, Extended) and not self._under(command.campaign):
                return  # it ends just now; who has asked sees that, and asks again
            batch.take(command.campaign, self._as_it_goes(command.campaign, event), command.id)
        except LabwrightError as error:
            self.journal.dismiss(command.id, str(error)[:ANSWER_MOST])

    def _obey_for_lab(self, command: Command, batch: Batch) -> None:
        """Carry out a command that is not for one campaign.

        Raises:
            LabwrightError: it is not understood, or cannot be carried out; nothing was changed.
        """
        match lab_command_of(command):
            case LabStop(station="", now=now, why=why):
                if now:
                    self.halting.stop(WHOLE_LAB, next(iter(self._live), ""), why, command.by)
                taken = command.id  # with the first campaign's stop, in the transaction of all
                for name in filter(self._under, self._live):
                    stop = StopAsked(why=why, now=now, by=command.by, closeouts=not now)
                    batch.take(name, self._as_it_goes(name, stop), taken)
                    taken = 0
                if taken:
                    self.journal.reply(taken, "done")
            case LabStop(station=station, now=now, why=why):
                if command.id not in self._commands_seen:
                    self.halting.stop_station(station, why, command.by, now=now)
                self.journal.reply(command.id, "done")
            case LatchReset(latch=latch, by=by, because=because):
                ending = [name for name in self._live if self.core.campaign(name).stop_asked]
                scope = self.halting.reset(latch, ending, by, because)
                self.note(f"the stop of {scope.words} was reset by {by}: {because}")
                self.journal.reply(command.id, "done")
            case Counted(counts=counts, containers=containers, by=by, because=because):
                event = recount_of(self.lab.model, self.core.material, counts, containers, by=by, because=because)
                used = under_way_used(self.core, self.keeper)
                batch.take("", event.model_copy(update={"used": used}), command.id)
            case Received() | Adjusted() | MovedByHand() | Classified() | Disposed() as booked:
                entry = checked_entry(self.lab.model, self.journal, self.lab.instruments, booked)
                batch.take("", entry, command.id)
            case Submitted() as submitted if command.id not in self._commands_seen:
                running, preparing = self._live, self.core.work.shared_preparations()
                self._check(
                    command.id,
                    lambda: admitted(self.lab, self.journal, submitted, running, preparing),
                    lambda campaign, batch: self._begin(command.id, submitted.by, campaign, batch),
                )
            case Saying(asked=asked_to_say, by=by, said_s=said_s):
                said = Remarks(self.journal, batch.kept).event(asked_to_say, by, said_s)
                batch.say(said, command.id, self.journal)
                if not isinstance(said, NoteWritten) and said.voids:
                    self._say_what_is_void(said)
            case OfStation(asked=wish, by=by):
                self._book(wish, by, command.id, batch)
            case DeckAnswered(event=checked) if command.id not in self._commands_seen:
                running = self._live
                self._check(
                    command.id,
                    lambda: asked_of_deck(self.lab, self.journal, checked, running),
                    lambda question, batch: self._deck_checked(command.id, checked, question, batch),
                )
            case HandAsked() as wanted if command.id not in self._commands_seen:
                running = self._live
                self._check(
                    command.id,
                    lambda: by_hand_campaign(self.lab, self.journal, wanted, running),
                    lambda campaign, batch: self._begin_by_hand(command.id, campaign, batch),
                )
            case ExtendAsked() as asked if command.id not in self._commands_seen:
                self._extend(command.id, asked, batch)

    def _book(self, asked: BookingAsked | EndAsked, by: str, command: int, batch: Batch) -> None:
        """Let a person have a station, or the lab have it back.

        Raises:
            LabwrightError: there is no such time, or what is done there is in the way.
        """
        lab, now_s = self.lab, self.lab.clock.now()
        bookings = StationBookings(self.journal, lab.model, lab.instruments, now_s, batch.kept)
        event = bookings.event(asked, by)
        if isinstance(event, StationBooked) and isinstance(asked, BookingAsked):
            refuse_in_the_way(self.core, event, bookings.shown, looked=asked.sample_present_ok)
        batch.take("", event, command, f"done: {event.id}")
        self._arrange(batch.kept)

    def _extend(self, command: int, asked: ExtendAsked, batch: Batch) -> None:
        """Extend a campaign that has run out, once it is known whether it can be."""
        if self._under(asked.campaign):  # another person has extended it meanwhile
            batch.take(asked.campaign, asked.event, command)
            return
        if asked.campaign in self.hosted:
            self._events.put(_Look())  # it ends just now; then its journal is complete
            return
        running = self._live
        self._check(
            command,
            lambda: extension(self.lab, self.journal, asked, running),
            lambda found, batch: self._go_on(command, asked.event, found, batch),
        )

    def _go_on(self, command: int, event: Extended, found: Extension, batch: Batch) -> None:
        """Take up a campaign that has run out."""
        name = found.name
        if name in self.hosted or self.journal.last_event(name) != found.last:  # something has happened meanwhile
            self._commands_seen.discard(command)
            self._events.put(_Look())
            return
        self.core.take_back(name, found.lab)
        self.ends.pop(name, None)
        self._host(name, Hosted(found.campaign, resumed=True, going=True))
        self.on_start(name)
        batch.take(name, event, command)
        shared = self.lab.model.shared
        batch.take(name, Resumed(epoch=self.epoch, by=event.by, shared=shared, engine=ENGINE))

    def _deck_checked(self, command: int, event: DeckChecked, question: DeckQuestion, batch: Batch) -> None:
        """What a campaign had left on the deck is out of the lab: a person has looked."""
        self.core.dirty.questions[question.id] = question.row(event)
        batch.take(question.campaign, event, command)

    def _begin(self, command: int, by: str, campaign: Campaign, batch: Batch) -> None:
        """Start a campaign that was handed over, and answer with its id."""
        name = new_id(campaign.spec.name, self.hosted.keys() | self.ends.keys())
        self._host(name, Hosted(campaign, resumed=False, going=True))
        self.on_start(name)
        self._arrange(batch.kept)
        batch.take(name, self._started_event(name, campaign, by), command, f"done: {name}")

    def _begin_by_hand(self, command: int, campaign: Campaign, batch: Batch) -> None:
        """Start what a person wants done by hand, unless the lab is not in a state for it."""
        work = work_of(campaign)
        assert work is not None  # noqa: S101 - it was made of that
        try:
            refuse_now(self.core, self.lab.model, work)
        except LabwrightError as error:
            self.journal.dismiss(command, str(error)[:ANSWER_MOST])
            return
        self._begin(command, work.by, campaign, batch)

    def _check(self, command: int, check: Callable[[], Found], then: Callable[[Found, Batch], None]) -> None:
        """Check a command beside the loop, and then carry it out or answer why not."""
        self._commands_seen.add(command)
        beside(
            self.lab.clock,
            check,
            lambda found: self._events.put(_Checked(command, lambda batch: then(found, batch))),
            lambda why: self._events.put(_Checked(command, None, why)),
        )

    def _checked(self, checked: _Checked, batch: Batch) -> None:
        if self.journal.answer_to(checked.command) is not None:
            return  # it was taken back while it was looked at, and the asker was answered that it will never be done
        if checked.then is None:
            self.journal.dismiss(checked.command, checked.refused[:ANSWER_MOST])
        else:
            checked.then(batch)

    def _commands(self) -> list[Command]:
        waiting = self.journal.waiting_commands("", *self._live)
        # Before the stations know again what runs, only a stop makes sense; the rest waits until then.
        return [one for one in waiting if not one.campaign or one.kind == "stop" or self.hosted[one.campaign].going]

    def _seen(self, name: str, event: Event) -> None:
        core = self.core.campaign(name)
        if isinstance(event, Resumed):
            self.hosted[name].going = True
            self._events.put(_Look())
            for question in core.asked if self._unattended else ():
                if not self._signs_itself(question.task):
                    self._put(name, self._unanswered(question.id, question.text))
        if isinstance(event, StepEnded):
            self.under_way.end(event.outcome.step_id)
            self._tell_of_runs(event.outcome)
        self.on_event(event, core)

    def _tell_of_runs(self, outcome: StepOutcome) -> None:
        for path in map(self.runs.path, outcome.run_uids) if self._run_closed is not None else ():
            self._teller.tell(self._run_is_closed, path)

    def _write_run(self, station: str, order: StepOrder, outcome: StepOutcome) -> None:
        """Write the run of a step that a person has done.

        Raises:
            JournalError: it is not safely on the disk.
        """
        lab = self.lab
        record = {"lab": lab.model.name, "lab_sha256": lab.folder.sha256, "simulated": lab.simulated}
        protocol = self.hosted[order.campaign].campaign.protocols[order.protocol].spec
        CardRuns(self.runs, record, lab.clock).write(station, order, outcome, protocol.results)

    def _run_is_closed(self, path: Path) -> None:
        if self._run_closed is not None and path.exists():
            self._run_closed(path)

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case Ask(campaign=name, state=state):
                self._ask(name, state)
            case RunStep(station=station, order=order):
                self.under_way.start(instruction)
                self._say_if_late(instruction)
                self._say_what_is_doubtful(instruction)
                if instruction.batch in ("", order.step_id):
                    others = self.core.work.batch_orders(order.step_id) if instruction.batch else ()
                    order = order.model_copy(update={"batch": others}) if others else order
                    self.stations[station].start(order, self.epoch)
            case PauseStations(campaign=name, on=on):
                if not on:
                    self.under_way.let_go(name)
                for link in self.stations.values():
                    link.pause(name, on=on, epoch=self.epoch)
            case StopStations(campaign=name, why=why, now=False):
                self._stop_steps(name, why)
            case StopStations():
                pass  # it was done before this was recorded
            case StopStep(step_id=step_id, station=station, why=why, now=now):
                self.stations[station].stop(step_id, why, now=now, epoch=self.epoch)
            case Signed(station=station, outcome=outcome):
                self.under_way.end(outcome.step_id)  # before its station says that it was stopped
                self._tell_of_runs(outcome)
                self.stations[station].stop(outcome.step_id, "its card was signed", now=False, epoch=self.epoch)
            case AskPerson(campaign=name, question=question, text=text):
                card = self.core.work.questions.cards.get(question)
                if self._unattended and not (card is not None and self._signs_itself(card.task)):
                    self._put(name, self._unanswered(question, text))
            case Finish(campaign=name):
                self.hosted[name].end = instruction
                self.desk.close(name)

    def _say_if_late(self, step: RunStep) -> None:
        """A sample that has waited longer than it may: what is found of it may not count, so a person should know."""
        experiment, run = self.core.work.find(step.order.step_id)
        late_s = self.core.now_s - experiment.due_s(run)
        if run.spec.sample and not run.carrier and not run.again and run.attempt == 1 and late_s > LATE_WAIT_S:
            self.note_on(
                experiment.owner,
                f"step {run.step_id} starts {lasting(late_s)} later than its sample may wait (max_wait_s): judge "
                "whether what it finds counts",
            )

    def _say_what_is_doubtful(self, step: RunStep) -> None:
        """Campaigns that go by what was prepared where something is set by hand now: a person should know."""
        work = hand_of(self.core.campaign(step.order.campaign))
        if work is None or step.order.resumed:
            return
        for name in self._live:
            for made in doubtful(self.core.campaign(name), work):
                self.note_on(
                    name,
                    f"{work.by} {work.what} by hand: what preparation {made} has found may hold no more; judge whether "
                    "what follows counts",
                )

    def _say_what_is_void(self, event: DeviationOpened | DeviationClosed) -> None:
        """Campaigns that may go by a preparation which is not to be used: a person should know."""
        for name in self._live:
            for made in set(event.voids).intersection(self.core.campaign(name).calibrations):
                self.note_on(
                    name,
                    f"deviation {event.id}: what preparation {made} of {event.about.campaign} has found is for use "
                    f"{event.use!r}; judge whether what goes by it counts",
                )

    def _ask(self, name: str, state: CampaignState) -> None:
        """Ask the planner in its own process; lab time stands still on a stepped clock meanwhile."""
        if (work := work_of(self.hosted[name].campaign)) is not None:
            self._put(name, reply(self.hosted[name].campaign, Answer((suggested(work),))))
            return
        thinking = self.lab.clock.actor("planner", busy=True)
        campaign = self.hosted[name].campaign

        def answered(answer: Answer) -> None:
            self._put(name, reply(campaign, answer))
            thinking.close()

        self.desk.ask(name, state, answered)

    def _stop_steps(self, name: str, why: str) -> None:
        """None of a campaign's steps begins another operation."""
        for step in self.under_way.steps():
            if step.order.campaign == name:
                self.stations[step.station].stop(step.order.step_id, why, now=False, epoch=self.epoch)
        if self._live == [name]:
            self._restoring.set_nothing()

    def _woken(self) -> None:
        """Commands may wait. A stop-now is carried out here and now, whatever the loop is doing."""
        self._events.put(_Look())
        try:
            waiting = self.journal.waiting_commands("", *self._live)
        except JournalError:
            return  # the loop meets the same error, and reports it
        for command in waiting:
            if command.id not in self._commands_seen and command.kind == "stop":
                with contextlib.suppress(ConfigError):  # the loop answers it
                    if self._halt_by(command):
                        self._commands_seen.add(command.id)

    def _ahead(self, message: bytes) -> None:
        """A stop-now has come ahead of its row, from a process of this machine: halt; the row says the rest."""
        try:
            told = orjson.loads(message)
            words = {name: str(told[name]) for name in ("campaign", "by", "because")}
            self._halt_by(Command(id=0, kind="stop", payload=told["payload"], asked_s=time.time(), **words))
        except (ConfigError, ValueError, TypeError, KeyError):
            _log.warning("a datagram was not understood; commands come through the journal")

    def _halt_by(self, command: Command) -> bool:
        """Latch and halt what a stop-now stops; whether it was one. What becomes of the campaigns is for the loop.

        Raises:
            ConfigError: it is not understood.
        """
        if not command.campaign:
            stop = lab_command_of(command)
            if not isinstance(stop, LabStop) or not stop.now:
                return False
            if stop.station:
                self.halting.stop_station(stop.station, stop.why, stop.by, now=True)
            else:
                self.halting.stop(WHOLE_LAB, next(iter(self._live), ""), stop.why, stop.by)
            return True
        hosted = self.hosted.get(command.campaign)  # it may have ended meanwhile
        asked = stop_now_of(command, hosted.campaign) if hosted is not None else None
        if asked is None:
            return False
        if isinstance(asked, SampleStopAsked) and asked.label not in self.core.work.of(command.campaign):
            return False  # no such sample is under way; it begins meanwhile, or the loop refuses the command
        scope = scope_of(asked, command.campaign, self._live)
        self.halting.stop(scope, command.campaign, asked.why, asked.by)
        return True

    def _idle(self) -> None:
        """Look for commands that came without a wake-up; finding none is no event, or a hang would go unseen."""
        if self._deferred:
            self._events.put(_Look())
        with contextlib.suppress(JournalError):  # the loop meets the same error, and reports it
            waiting = self.journal.waiting_commands("", *self._live)
            if any(command.id not in self._commands_seen for command in waiting):
                self._woken()

    def _end_steps(self) -> None:
        """Let the steps under way end after their operations; the next controller finds out what came of them."""
        self._restoring.set_nothing()
        for link in self.stations.values():
            link.stop(None, "the controller ends", now=False, epoch=self.epoch)
        deadline = time.monotonic() + LEAVE_S
        left = {step.order.step_id for step in self.under_way.steps()}
        while left and (wait_s := deadline - time.monotonic()) > 0:
            try:
                one = self._events.get(wait_s)
            except Empty:
                break
            if isinstance(one, _Happened) and isinstance(one.event, StepEnded):
                left.discard(one.event.outcome.step_id)

    def _close(self) -> None:
        """The lab's safe state first; a second interrupt in the middle of it must not leave a station out."""
        with self._taken:
            self._waking.set(None)
            self._restoring.end()
            self.halting.at_all(lambda station: station.close())
            self.under_way.close()

    def _end_watching(self) -> None:
        self._teller.close(WATCHED_S)

    def _station(self, name: str) -> StationLink:
        if self.parts.station is not None:
            return self.parts.station(self, name)
        spec = self.lab.model.stations[name]
        if spec.slots == 1 or spec.starts == "together":
            return self._one_station(name, self.finished, None)
        places = [place for place, one in self.lab.model.positions.items() if one.station == name]
        slots: dict[str, Slot] = {}
        for index, place in enumerate(["", *places]):
            own = [of_role[index - 1] for of_role in spec.devices.values() if place and not isinstance(of_role, str)]
            slots[place] = partial(self._one_station, name, own=own)
        return SlottedStation(name, slots, self.finished)

    def _one_station(self, name: str, finished: Finished, own: Sequence[str] | None) -> StationLink:
        lab = self.lab
        if lab.model.stations[name].people:
            return PeopleStation(
                name, clock=lab.clock, finished=finished, signs=signs(lab, name), write=self._write_run
            )
        return Station(
            name,
            lab.model.stations[name],
            devices=lab.devices,
            lab=lab.model,
            clock=lab.clock,
            journal=self.runs,
            keeper=self.keeper,
            finished=finished,
            scan_id=self.runs.number,
            lab_hash=lab.folder.sha256,
            simulated=lab.simulated,
            data=self.runs.folder.parent,
            carriers=make_carriers(lab.folder, name),
            own=own,
        )

    def finished(self, outcome: StepOutcome) -> None:
        """A station has ended a step. Callable from anywhere, and more than once for one step."""
        if (step := self.under_way.get(outcome.step_id)) is not None:
            self._put(step.order.campaign, StepEnded(outcome=outcome))


def new_id(name: str, known: Container[str] = ()) -> str:
    """Unique among all campaigns, and in the order of time among those of its name.

    Args:
        name: of the campaign.
        known: ids that this controller has given; those of other controllers are older.
    """
    while True:
        seconds, rest_ns = divmod(time.time_ns(), 1_000_000_000)
        tail = rest_ns * 0x10000 // 1_000_000_000
        found = f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{tail:04x}"
        if found not in known:
            return found
        time.sleep(1 / 0x10000)
