"""The driver loop: takes events, writes each to the journal with all it changes, and only then acts on it.

It sleeps until something happens: a step ends, a planner answers, a person gives a command, an alarm rings.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any, Literal

import orjson

from labwright.clock import Actor, Mailbox, Repeating
from labwright.engine.asking import reply
from labwright.engine.campaign import Campaign
from labwright.engine.commands import event_of, stop_now_of
from labwright.engine.core import CampaignCore
from labwright.engine.earlier import learnt_from
from labwright.engine.events import (
    ENGINE,
    Ask,
    AskPerson,
    Event,
    Finish,
    Instruction,
    Noted,
    PauseStations,
    Proposed,
    Resumed,
    RunStep,
    Settle,
    Started,
    StepEnded,
    StepLate,
    StopAsked,
    StopStations,
    decisions,
)
from labwright.engine.following import Follow, Follower
from labwright.engine.lab import LabCore
from labwright.engine.latch import refuse_while_latched
from labwright.engine.recovery import learnt_s, rebuilt_lab, used_so_far
from labwright.engine.tables import take_changes
from labwright.journal import (
    Command,
    Journal,
    LoggedEvent,
    NewEvent,
    RunJournal,
    StepJournal,
    Teller,
    WakePort,
    latch_of,
    latching,
    open_latches,
    recover,
    settle,
    stopped_words,
    supersede,
)
from labwright.lab import Lab
from labwright.lab.together import tell_all
from labwright.model.campaign import CampaignState
from labwright.model.errors import JournalError, LabwrightError, RefusedError
from labwright.model.latch import WHOLE_LAB
from labwright.model.material import Used
from labwright.model.protocol import StepOrder, StepOutcome
from labwright.planners import Answer, PlannerWorker, Worker
from labwright.stations import Station, StationLink
from labwright.stations.uses import Uses

SILENCE_S = 600.0
"""Wall seconds without any event, beyond what the running steps may take, after which they count as hung."""

LATE_TIMES = 2.0
LATE_S = 30.0
"""A step is late after this many times its expected time and this many seconds more."""

RESTORE_S = 3600.0
"""Wall seconds a set-point may take to be reached again after a crash."""

JOIN_S = 30.0
"""Wall seconds a set-point that is being restored may take to be given up."""

WATCHED_S = 5.0
"""Wall seconds that the loop waits for its watchers to see the end; the lab is safe by then."""

UNANSWERED = "no person is there to answer question"
"""How the reason begins of a campaign that a question has ended."""

ANSWER_MOST = 2000
"""Characters of a refusal; a suggestion of ten thousand unknown parameters is not answered for each."""

_log = logging.getLogger(__name__)

Watch = Callable[[Event, CampaignCore], None]


@dataclass(frozen=True)
class CampaignEnd:
    """How a campaign ended.

    Attributes:
        campaign: its id.
        state: completed, stopped or failed.
        reason: in words.
        core: with all trials.
    """

    campaign: str
    state: Literal["completed", "stopped", "failed"]
    reason: str
    core: CampaignCore


@dataclass(frozen=True)
class _Look:
    """Another process has sent a wake-up: commands may wait."""


def last_word_first(instructions: Sequence[Instruction]) -> list[Instruction]:
    """Of several instructions to pause or resume only the last, and before all others.

    A campaign that was resumed and paused in one batch of events is paused, and so must its stations be.
    """
    pauses = [one for one in instructions if isinstance(one, PauseStations)]
    return [*pauses[-1:], *(one for one in instructions if not isinstance(one, PauseStations))]


class CampaignRun:
    """One campaign on an open lab.

    Args:
        lab: open; undisturbed where a campaign is resumed.
        campaign: fits the lab.
        journal: not controlled by another.
        data: folder of the runs.
        watch: called with every event after it was recorded, and the campaign after it, in a thread of its own; the
            campaign does not wait for it.
        run_closed: called with the file of every finished run, to upload it, in a thread of its own; may be None.
        resume: id of the campaign to resume; a new one if empty.
        by: who starts it.
        unattended: whether no person is there to answer: a question then ends the campaign, instead of holding it up.

    Attributes:
        on_event: called with every event in the loop itself, before what follows from it is done; for tests, since
            the lab waits for it.

    Raises:
        RefusedError: another controller runs on the journal, or the instruments were stopped and not reset.
        ConfigError: the journal does not hold the earlier campaigns it is to learn from.
    """

    def __init__(
        self,
        lab: Lab,
        campaign: Campaign,
        journal: Journal,
        data: Path,
        watch: Watch | None = None,
        run_closed: Callable[[Path], None] | None = None,
        *,
        resume: str = "",
        by: str = "",
        unattended: bool = False,
    ) -> None:
        refuse_while_latched(journal, lab.instruments)
        self._lab = lab
        self._campaign = campaign
        self._journal = journal
        self.on_event: Watch = lambda event, core: None
        self._run_closed = run_closed
        self._teller = Teller("the watcher of finished runs")
        self._resume = resume
        self._by = by
        self._unattended = unattended
        self.stations: dict[str, StationLink] = {}
        self._under_way: dict[str, RunStep] = {}
        self._alarms: dict[str, Repeating] = {}
        self._end: Finish | None = None
        self._going = not resume
        self._stopped_now = ""
        self._stops_seen: set[int] = set()
        self._ending = threading.Event()
        self._setting = threading.Lock()
        self._restoring: threading.Thread | None = None
        self._used: dict[str, dict[str, Used]] = {}
        self._followers: list[Follower] = []
        self._watching: Follower | None = None
        self._id = resume or _new_id(campaign.spec.name)
        self._lab_core = rebuilt_lab(journal, resume) if resume else LabCore()
        self._earlier = () if resume else learnt_from(journal, campaign.spec, campaign.earlier, simulated=lab.simulated)
        self._actor = lab.clock.actor("engine", busy=True)
        self._events: Mailbox[Event | _Look] = lab.clock.mailbox(self._actor)
        with contextlib.ExitStack() as taken:  # given back if anything of it cannot be had
            taken.callback(self._end_watching)
            taken.callback(self._actor.close)
            self._wake = WakePort(self._woken, self._idle)
            taken.callback(self._wake.close)
            self.epoch = journal.control(by, self._wake.number, instruments=lab.instruments, engine=ENGINE)
            journal.listeners.append(self.note)
            taken.callback(journal.listeners.remove, self.note)
            self._listening = journal.listen(self._woken)
            taken.callback(self._listening.close)
            self.runs = RunJournal(data / "runs")
            taken.callback(self.runs.close)
            self.recovered = recover(data / "runs")
            self.keeper = StepJournal(journal)
            if resume:
                self._used = used_so_far(self.keeper, self.core)
            self.worker: Worker = PlannerWorker(campaign.spec.planner, advise=campaign.spec.stop.advised)
            taken.callback(lambda: self.worker.close())
            if watch is not None:
                self._watching = self.follow(_told(watch))
            if not resume:
                self._events.put(self._started_event())
            self._taken = taken.pop_all()

    def run(self) -> CampaignEnd:
        """Run the campaign to its end; the lab is left in its safe state.

        Raises:
            JournalError: the journal refuses; everything was stopped, and what was measured before is in the journal.
        """
        try:
            self.stations = self._make_stations()
            if self._stopped_now:
                self._latch(self._stopped_now)
            if self._resume:
                self._stop_again()
                self._restoring = threading.Thread(target=self._restore, name="restore", daemon=True)
                self._restoring.start()
            self._events.put(_Look())
            while self._end is None:
                self._step()
        except BaseException:
            self._latch("the engine ends")
            self._halt("the engine ends")
            raise
        finally:
            self._close()
        return CampaignEnd(self.core.campaign, self._end.state, self._end.reason, self.core)

    @property
    def core(self) -> CampaignCore:
        """The campaign."""
        return self._lab_core.campaign(self._id)

    def patience_s(self) -> float | None:
        """Wall seconds to wait for the next event; None while only a person can end the wait."""
        if not self._going:
            return None  # set-points are restored, each within its own time
        if self.core.paused or (self.core.questions and not self._under_way and not self.core.asking):
            return None
        if self._lab.clock.stepped:
            return SILENCE_S
        return SILENCE_S + max((one.timeout_s for one in self._under_way.values()), default=0.0) / self._lab.clock.speed

    def ask_to_stop(self, why: str, *, now: bool) -> None:
        """End the campaign: after the current operations, or now with all devices halted. Callable from anywhere.

        Now means now, whatever the driver waits for: a journal that is away must not keep a heater on. When this
        returns nothing begins any more, and nothing will on these instruments until a person resets the stop.
        """
        if now:
            self._latch(why)
        self._events.put(StopAsked(why=why, now=now, by=self._by))
        if now:
            self._stop_now(why, self._by)

    def follow(self, tell: Follow) -> Follower:
        """Call `tell` with every event from now on, in a thread of its own.

        Call the follower's `end`, `wait` and `close` when `run` has returned.
        """
        since = self._journal.last_event(self._resume) if self._resume else 0
        follower = Follower(self._journal, tell, since)
        self._followers.append(follower)
        return follower

    def note(self, words: str) -> None:
        """Keep something a person should know. Callable from anywhere."""
        self._events.put(Noted(words=words))

    def _started_event(self) -> Started:
        spec = self._campaign.spec
        return Started(
            campaign=self._id,
            spec=spec,
            protocols=tuple(one.spec for one in self._campaign.protocols.values()),
            lab=self._lab.model.name,
            lab_sha256=self._lab.folder.sha256,
            simulated=self._lab.simulated,
            instruments=self._lab.instruments,
            by=self._by,
            places=self._campaign.places,
            lots_ml={name: one.volume_ml - one.reserve_ml for name, one in self._lab.model.stocks.items()},
            counted=Uses(self._lab.model).counted(self._lab.devices),
            learnt_s=learnt_s(self._journal, list(self._campaign.protocols), simulated=self._lab.simulated),
            earlier=self._earlier,
            shared=self._lab.model.shared,
            naming=2,
            engine=ENGINE,
        )

    def _stop_again(self) -> None:
        """End a campaign whose stop latched the instruments, but whose controller died before it recorded the rest.

        A person has reset the latch since, which lets the instruments move again, not the stopped campaign.
        """
        latch = latch_of(self._journal, self._resume)
        if latch is not None and not self.core.stop_asked and not self.core.over:
            self._set_nothing()
            by = latch.by or "the controller"
            self._events.put(StopAsked(why=f"stopped by {by}: {latch.because}", by=latch.by))

    def _restore(self) -> None:
        """Set the set-points again that were lost while no controller ran, before any sample continues."""
        actor = self._lab.clock.actor("restore", busy=True)
        try:
            held = self.keeper.held(self._resume) if self.core.live and not self.core.stop_asked else {}
            for (name, attr), value in held.items():
                axis: Any = getattr(self._lab.devices.get(name), attr, None)
                if axis is not None and getattr(axis, "holds", False) and not self._ending.is_set():
                    self._restore_one(axis, f"{name}.{attr}", value, actor)
        except LabwrightError as error:
            self._events.put(StopAsked(why=f"set-points could not be restored: {error}", now=True))
        finally:
            shared = self._lab.model.shared
            self._events.put(Resumed(epoch=self.epoch, by=self._by, used=self._used, shared=shared, engine=ENGINE))
            actor.close()

    def _restore_one(self, axis: Any, what: str, value: float, actor: Actor) -> None:
        try:
            with self._setting:  # between the look and the act no stop comes
                if self._ending.is_set():
                    return
                status = axis.set(value)
            actor.park([status])
            status.wait(RESTORE_S)
            self.note(f"{what} is set to {value:g} again, as before the controller ended")
        except Exception as error:  # noqa: BLE001 - a driver's mistake, whatever it raises, must not keep all samples waiting
            self.note(f"{what} could not be set to {value:g} again: {error}")
        actor.resume()

    def _end_restoring(self) -> None:
        """Set nothing any more; what is being set is given up, and its device halted."""
        self._set_nothing()
        thread = self._restoring
        if thread is None or not thread.is_alive():
            return
        for device in self._lab.devices.values():
            device.end_acts("the campaign ends")
        for name, why in tell_all(self._lab.devices, "stop_acts").items():
            _log.error("%s could not be halted: %s", name, why)
        thread.join(JOIN_S)

    def _set_nothing(self) -> None:
        with self._setting:
            self._ending.set()

    def _step(self) -> None:
        """Wait for events; take all there are, record them together, and act on them."""
        patience_s = self.patience_s()
        try:
            happened = [self._events.get(patience_s), *self._events.more()]
        except Empty:
            waits = ", ".join(self.core.waits_for()) or "nothing"
            happened = [StopAsked(why=f"nothing was heard for {patience_s:g} s while waiting for {waits}", now=True)]
        kept: list[NewEvent] = []
        seen: list[Event] = []
        instructions: list[Instruction] = []
        looked = False
        for one in happened:
            if isinstance(one, _Look):
                if looked:
                    continue  # one look for several wake-ups: commands count as taken only when all of this is recorded
                looked = True
                for command in self._commands():
                    self._obey(command, kept, seen, instructions)
            elif not self.core.over and not self._out_of_date(one):
                self._take(one, kept, seen, instructions)
        # A stop and a pause before all else, the commit too: a slow disk must not delay them, nor anything begin.
        for event in seen:
            if isinstance(event, StopAsked) and event.now and not self._stopped_now:
                self._stop_now(event.why, event.by)
        if PauseStations(on=True) in instructions:
            self._carry_out(PauseStations(on=True))
        now_s = self._lab.clock.now()
        for grant in self._lab_core.grant(now_s) if self._going else ():
            self._keep(grant.event, grant.instructions, now_s, kept, seen)
            instructions += grant.instructions
        if kept:
            self._journal.record(kept)
            for follower in self._followers:
                follower.news(self.core.campaign)
        for event in seen:
            self._seen(event)
        for instruction in last_word_first(instructions):
            self._carry_out(instruction)

    def _take(
        self,
        event: Event,
        kept: list[NewEvent],
        seen: list[Event],
        instructions: list[Instruction],
        command: Command | None = None,
    ) -> None:
        """Let the core handle an event, and prepare what is to be recorded of it."""
        now_s = self._lab.clock.now()
        decided = self._lab_core.handle(self._id, event, now_s)
        self._keep(event, decided, now_s, kept, seen, command)
        instructions += decided

    def _keep(
        self,
        event: Event,
        decided: list[Instruction],
        now_s: float,
        kept: list[NewEvent],
        seen: list[Event],
        command: Command | None = None,
    ) -> None:
        new = NewEvent(
            campaign=self.core.campaign,
            kind=event.kind,
            payload=event.model_dump_json().encode(),
            decisions=orjson.dumps(decisions(decided)),
            lab_time_s=now_s,
            changes=take_changes(self._lab_core),
            instruments=self._lab.instruments,
            also=self._also(decided),
            command=command.id if command else 0,
            answer=f"done: {self.core.trials[-1].id}" if isinstance(event, Proposed) else "done",
        )
        kept.append(new)
        seen.append(event)

    def _out_of_date(self, event: Event) -> bool:
        """Whether an alarm means nothing: its step has ended, or is late because it was paused."""
        if not isinstance(event, StepLate):
            return False
        if self.core.paused:
            self._alarms[event.step_id] = self._lab.clock.once(LATE_S, lambda: self._events.put(event))
            return True
        return event.step_id not in self._under_way

    def _obey(self, command: Command, kept: list[NewEvent], seen: list[Event], instructions: list[Instruction]) -> None:
        """Carry out a command, or answer why not."""
        try:
            event = event_of(command, self._campaign)
            self._take(event, kept, seen, instructions, command)
        except LabwrightError as error:
            self._journal.dismiss(command.id, str(error)[:ANSWER_MOST])

    def _commands(self) -> list[Command]:
        waiting = self._journal.waiting_commands(self.core.campaign) if self.core.campaign else []
        # Before the stations know again what runs, only a stop makes sense; the rest waits until then.
        return waiting if self._going else [one for one in waiting if one.kind == "stop"]

    def _also(self, decided: list[Instruction]) -> Callable[[Any], None] | None:
        """What decisions change in the records of the stations, in the same transaction."""
        now = self._lab.clock.now()
        works = [
            settle(one.step_id, one.n, one.state, one.because, one.by, now, one.part, one.follow)
            for one in decided
            if isinstance(one, Settle)
        ]
        works += [supersede(one.order.step_id) for one in decided if isinstance(one, RunStep) and one.again]
        if not works:
            return None

        def also(connection: Any) -> None:
            for work in works:
                work(connection)

        return also

    def _seen(self, event: Event) -> None:
        if isinstance(event, Resumed):
            self._going = True
            self._events.put(_Look())
            for one in self.core.open_questions if self._unattended else ():
                self._events.put(StopAsked(why=f"{UNANSWERED} {one.id}: {one.text}", by=self._by))
        if isinstance(event, StepEnded):
            self._under_way.pop(event.outcome.step_id, None)
            if (alarm := self._alarms.pop(event.outcome.step_id, None)) is not None:
                alarm.cancel()
            for path in map(self.runs.path, event.outcome.run_uids):
                self._teller.tell(self._run_is_closed, path)
        self.on_event(event, self.core)

    def _run_is_closed(self, path: Path) -> None:
        if self._run_closed is not None and path.exists():
            self._run_closed(path)

    def _carry_out(self, instruction: Instruction) -> None:
        match instruction:
            case Ask(state=state):
                self._ask(state)
            case RunStep(station=station, order=order):
                late_s = LATE_TIMES * order.expected_s + LATE_S
                late = StepLate(step_id=order.step_id, running_s=late_s, expected_s=order.expected_s)
                self._under_way[order.step_id] = instruction
                self._alarms[order.step_id] = self._lab.clock.once(late_s, lambda: self._events.put(late))
                try:
                    self.stations[station].start(order, self.epoch)
                except RefusedError as error:
                    self._events.put(_not_started(order, f"it was not started: {error}", self._lab.clock.now()))
            case PauseStations(on=on):
                for one in self.stations.values():
                    one.pause(self.core.campaign, on=on, epoch=self.epoch)
            case StopStations(why=why, now=False):
                self._stop_stations(why)
            case StopStations():
                pass  # it was done before this was recorded
            case AskPerson(question=question, text=text):
                if self._unattended:
                    self._events.put(StopAsked(why=f"{UNANSWERED} {question}: {text}", by=self._by))
            case Finish():
                self._end = instruction

    def _ask(self, state: CampaignState) -> None:
        """Ask the planner in its own process; lab time stands still on a stepped clock meanwhile."""
        thinking = self._lab.clock.actor("planner", busy=True)

        def answered(answer: Answer) -> None:
            self._events.put(reply(self._campaign, answer))
            thinking.close()

        self.worker.ask(state, 1, answered)

    def _stop_stations(self, why: str) -> None:
        """None of them begins another operation."""
        for station in self.stations.values():
            station.stop(None, why, now=False, epoch=self.epoch)
        self._set_nothing()

    def _stop_now(self, why: str, by: str) -> None:
        """Latch first, then write the stop to the journal, then halt; none of the three waits for the one before.

        Args:
            why: for the operations it ends, and for the person who finds the instruments stopped.
            by: who stops; empty for the controller itself.
        """
        self._latch(why)
        self._stopped_now = self._stopped_now or why
        try:
            because = why.removeprefix(f"stopped by {by}").removeprefix(": ") or "no reason was given"
            work = latching(self._lab.instruments, self.core.campaign, by, because)
            self._journal.writer.submit(work, "latch").add_done_callback(_kept)
        except JournalError as error:
            _log.error("the stop holds in this process only: %s", error)
        self._halt(why)

    def _latch(self, why: str) -> None:
        """In this process, without a wire or a file."""
        self._stopped_now = self._stopped_now or why
        for station in self.stations.values():
            station.latch(WHOLE_LAB, why)

    def _halt(self, why: str) -> None:
        self._at_all_stations(lambda station: station.stop(None, why, now=True, epoch=self.epoch))
        self._end_restoring()

    def _woken(self) -> None:
        """Commands may wait. A stop-now is carried out here and now, whatever the loop is doing."""
        self._events.put(_Look())
        campaign = self.core.campaign
        if not campaign or self.core.over:
            return
        try:
            waiting = self._journal.waiting_commands(campaign)
        except JournalError:
            return  # the loop meets the same error, and reports it
        for command in waiting:
            stop = None if command.id in self._stops_seen else stop_now_of(command, self._campaign)
            if stop is not None:
                self._stops_seen.add(command.id)
                self._stop_now(stop.why, stop.by)

    def _idle(self) -> None:
        """Look for commands that came without a wake-up; finding none is no event, or a hang would go unseen."""
        campaign = self.core.campaign
        if not campaign or self.core.over:
            return
        with contextlib.suppress(JournalError):  # the loop meets the same error, and reports it
            if any(command.id not in self._stops_seen for command in self._journal.waiting_commands(campaign)):
                self._woken()

    def _close(self) -> None:
        """The lab's safe state first; a second interrupt in the middle of it must not leave a station out."""
        with self._taken:
            self._end_restoring()
            self._at_all_stations(lambda station: station.close())
            for alarm in self._alarms.values():
                alarm.cancel()

    def _end_watching(self) -> None:
        """Let the watchers see the end, if they do not take long; the lab is safe by now."""
        if self._watching is not None:
            self._watching.end()
            self._watching.wait(WATCHED_S)
            self._watching.close()
        self._teller.close(WATCHED_S)

    def _at_all_stations(self, do: Callable[[StationLink], None]) -> None:
        with ThreadPoolExecutor(max(1, len(self.stations)), thread_name_prefix="stations") as pool:
            list(pool.map(do, self.stations.values()))

    def _make_stations(self) -> dict[str, StationLink]:
        lab = self._lab
        stations = {
            name: Station(
                name,
                spec,
                devices=lab.devices,
                lab=lab.model,
                clock=lab.clock,
                journal=self.runs,
                keeper=self.keeper,
                finished=lambda outcome: self._events.put(StepEnded(outcome=outcome)),
                scan_id=self.runs.number,
                lab_hash=lab.folder.sha256,
                simulated=lab.simulated,
            )
            for name, spec in lab.model.stations.items()
        }
        for station in stations.values():
            station.know(self._id, self._campaign.protocols)
            for latch in open_latches(self._journal, lab.instruments):
                station.latch(latch.scope, stopped_words(latch))
        return dict(stations)


def _new_id(name: str) -> str:
    """Unique among all campaigns, and in the order of time among those of its name."""
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{time.time_ns() % 0xFFFF:04x}"


def _not_started(order: StepOrder, why: str, now_s: float) -> StepEnded:
    """A step that its station refuses has failed; the controller continues."""
    outcome = StepOutcome(
        step_id=order.step_id, state="failed", fail_kind="equipment", error=why, started_s=now_s, ended_s=now_s
    )
    return StepEnded(outcome=outcome)


def _told(watch: Watch) -> Follow:
    def tell(logged: LoggedEvent, event: Event, core: CampaignCore) -> None:
        watch(event, core)

    return tell


def _kept(stop: Future[None]) -> None:
    if (error := stop.exception()) is not None:
        _log.error("the stop holds in this process only, it could not be written to the journal: %s", error)
