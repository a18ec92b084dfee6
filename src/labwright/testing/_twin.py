"""One experiment on a lab's simulated twin, in this process: watched, paused at messages, killed at boundaries."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import orjson

from labwright.clock import SteppedClock
from labwright.engine import (
    Campaign,
    CampaignCore,
    CampaignEnd,
    CampaignRun,
    Parts,
    load_campaign,
    resume_campaign,
    started,
    unfinished,
)
from labwright.engine.events import Event
from labwright.journal import Journal, StepJournal, journal_file, schema
from labwright.lab import Lab, LabFolder
from labwright.lab.classes import resolve
from labwright.model.campaign import CampaignState
from labwright.model.errors import JournalError
from labwright.model.manual import DONE
from labwright.model.records import Intent, Observation
from labwright.model.states import OVER
from labwright.planners import Answer
from labwright.simulation import SimulatedLab
from labwright.stations import Station

Effect = dict[str, Any]
Key = tuple[str, int]
"""Step (``0001/dose``: without the campaign, which has another id in each run) and number in it."""

THREADS_S = 10.0
"""Wall seconds within which the threads of a killed controller must have ended."""

PLANNER = "sobol"
"""Which experiment it is does not matter, but it must be the same one in each run. It asks for no objective, so that
campaigns of any kind can be tested, also with planners that are not installed here."""


class CutError(JournalError):
    """The controller was killed; nothing in it may notice anything but that."""


@dataclass(frozen=True)
class Boundary:
    """A commit of the journal, before or after it.

    Attributes:
        when: ``before`` or ``after``.
        what: ``event:suggested``, ``intent:dose``, ``outcome:dose``, ``observation:weigh``.
        nth: among those of the same name.
    """

    when: str
    what: str
    nth: int

    def __str__(self) -> str:
        return f"{self.when} {self.what}" + (f", number {self.nth}" if self.nth > 1 else "")


@dataclass
class Operation:
    """An operation as it was carried out, with the part of the effects log that was written meanwhile."""

    intent: Intent
    first: int
    last: int | None = None
    decided_s: float | None = None


@dataclass
class Trace:
    """What became of one experiment, over all its controllers.

    Attributes:
        messages: of the plans, in words, in the order they came.
        boundaries: of the journal, in their order.
        operations: in the order they were started, later attempts included.
        confirmed: operations, as the journal has them.
        undecided: those that are neither confirmed nor known not to have happened.
        readings: what was read and recorded.
        effects: the instruments' own log, up to the end of the campaign.
        began_at: so many of them came before the campaign, while the lab was opened.
        questions: that a person was asked: the text, and the operation in doubt if there was one.
        wrong: what was seen to be wrong on the way.
        paused: messages at which it was paused.
        cut: whether a controller was killed.
        protocols: by step.
        state: how the campaign ended.
        reason: in words.
    """

    messages: dict[Key, str] = field(default_factory=dict)
    boundaries: list[Boundary] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    confirmed: dict[Key, Intent] = field(default_factory=dict)
    undecided: list[Intent] = field(default_factory=list)
    readings: set[Key] = field(default_factory=set)
    effects: list[Effect] = field(default_factory=list)
    began_at: int = 0
    questions: list[tuple[str, Intent | None]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    paused: set[Key] = field(default_factory=set)
    cut: bool = False
    protocols: dict[str, str] = field(default_factory=dict)
    state: str = ""
    reason: str = ""

    def of_effect(self, index: int) -> Operation | None:
        """The operation during which an effect was logged; the newest, if there are several."""
        device = self.effects[index]["device"]
        for one in reversed(self.operations):
            if one.intent.device == device and one.first <= index and (one.last is None or index < one.last):
                return one
        return None


def step_of(step_id: str) -> str:
    """A step without its campaign."""
    return step_id.split("/", 1)[1]


class Twin:
    """The simulated twin of a lab, and the controllers that run one experiment on it, one after the other.

    Args:
        folder: the lab.
        campaign: the campaign's file.
        data: an empty folder.
        seed: of the twin and of the planner.
        cut_at: where the first controller is killed.
        pause_at: messages right before which all stations are paused.
        pause_s: lab seconds a pause lasts.
        away_s: lab seconds between a controller that was killed and the next.
        happened: whether the effects of an operation have happened, to answer questions by.
    """

    def __init__(
        self,
        folder: LabFolder,
        campaign: Path,
        data: Path,
        *,
        seed: int,
        cut_at: Boundary | None = None,
        pause_at: Collection[Key] = (),
        pause_s: float = 60.0,
        away_s: float = 5.0,
        happened: Callable[[Trace, Intent], bool] = lambda trace, intent: False,
    ) -> None:
        self.folder = folder
        self.campaign = campaign
        self.data = data
        self.seed = seed
        self.cut_at = cut_at
        self.pause_at = pause_at
        self.pause_s = pause_s
        self.away_s = away_s
        self.happened = happened
        self.clock = SteppedClock()
        self.trace = Trace()
        self._effects = data / "effects.jsonl"

    def run(self) -> Trace:
        """Run the experiment to its end."""
        with SimulatedLab(self.folder.model, self.clock, resolve, seed=self.seed, effects=self._effects) as self.host:
            while True:
                controller = _Controller(self)
                end = controller.run()
                if end is not None:
                    self.trace.state, self.trace.reason = end.state, end.reason
                    break
                self.trace.cut, self.cut_at = True, None
                if self._over():
                    break
                self.clock.sleep(self.away_s)
            until = self.effects() if controller.ended_at is None else self.effects()[: controller.ended_at]
            self.trace.effects = until
            self._read_journal()
        return self.trace

    def effects(self) -> list[Effect]:
        """What the instruments have done so far."""
        return [orjson.loads(line) for line in self._effects.read_bytes().splitlines()]

    def arrived(self) -> None:
        """Wait until the instruments have heard what is on their lines."""

        async def nothing() -> None:
            """Whatever the loop had to do before has been done."""

        for _ in range(3):
            self.host.loop_thread.run(nothing())

    def _over(self) -> bool:
        """Whether the campaign had ended when its controller was killed."""
        with Journal.reading(journal_file(self.data)) as journal:
            for row in journal.rows(schema.campaign, schema.campaign.c.state.in_(OVER)):
                self.trace.state, self.trace.reason = row["state"], row["reason"]
        return bool(self.trace.state)

    def _read_journal(self) -> None:
        with Journal.reading(journal_file(self.data)) as journal:
            intents = journal.rows(schema.intent, schema.intent.c.superseded.is_(False))
            steps = journal.rows(schema.step)
            seen = journal.rows(schema.observation, schema.observation.c.superseded.is_(False))
        names = Intent.model_fields.keys() - {"result"}
        for row in intents:
            intent = Intent(**{name: row[name] for name in names})
            if intent.state == "confirmed":
                self.trace.confirmed[step_of(intent.step_id), intent.n] = intent
            elif intent.state != "absent":
                self.trace.undecided.append(intent)
        self.trace.protocols = {step_of(row["step_id"]): row["protocol"] for row in steps}
        self.trace.readings = {(step_of(row["step_id"]), row["n"]) for row in seen}


class _Controller:
    """One controller, until the campaign is over or it is killed."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._trace = twin.trace
        self._passed: dict[tuple[str, str], int] = {}
        self._dead = False
        self._watching = False
        self._asked: set[str] = set()
        self.pauses = _Pauses(twin)
        self.ended_at: int | None = None

    def run(self) -> CampaignEnd | None:
        """How the campaign ended; None if this controller was killed."""
        twin = self._twin
        before = set(threading.enumerate())
        self._lab = Lab(twin.folder, twin.clock, twin.host.addresses, simulated=True)
        self._journal = Journal(journal_file(twin.data))
        with contextlib.ExitStack() as stack:
            stack.callback(self._leave)
            resume = unfinished(self._journal) or ""
            campaign = self._campaign(resume)
            self._lab.open(undisturbed=bool(resume))
            if not resume:
                self._trace.began_at = len(twin.effects())
            # In this process: starting another would take most of the time of a short protocol.
            parts = Parts(worker=_Planner, keeper=lambda journal: _Keeper(journal, self))
            self._run = CampaignRun(
                self._lab, campaign, self._journal, twin.data, resume=resume, by="contract test", parts=parts
            )
            self._run.controller.on_event = self._watch
            self._journal.writer.on_commit = self._commit
            try:
                end = self._run.run()
            except JournalError:
                if not self._dead:
                    raise
                end = None
            self.pauses.wait()
        if end is None:
            self._check_threads(before)
        return end

    def prepared(self, intent: Intent) -> None:
        """An intent was recorded; nothing of it is on the wire yet."""
        self._trace.operations.append(Operation(intent, len(self._twin.effects())))
        self.pauses.prepared(intent)

    def decided(self, intent: Intent) -> None:
        """An operation has ended, well or not."""
        key = (intent.step_id, intent.n)
        for one in reversed(self._trace.operations):
            if (one.intent.step_id, one.intent.n) == key:
                one.last, one.decided_s = len(self._twin.effects()), intent.decided_s
                return

    def _campaign(self, resume: str) -> Campaign:
        twin = self._twin
        if not resume:
            campaign = load_campaign(
                twin.folder, twin.campaign, budget=1, seed=twin.seed, planner=PLANNER, any_planner=True
            )
            return replace(campaign, earlier=())  # one experiment learns from none
        return resume_campaign(twin.folder, started(self._journal, resume))

    def _commit(self, when: str, label: str) -> None:
        """The journal is at a boundary; what is committed together is one after the other here."""
        for part in label.split(" "):
            family, _, names = part.partition(":")
            for name in names.split(","):
                self._boundary(when, f"{family}:{name}")
        if self._dead:
            raise CutError("the controller was interrupted")

    def _boundary(self, when: str, what: str) -> None:
        nth = self._passed[when, what] = self._passed.get((when, what), 0) + 1
        here = Boundary(when, what, nth)
        if self._twin.cut_at is None:
            self._trace.boundaries.append(here)
        elif not self._dead and here == self._twin.cut_at:
            self._cut()

    def _cut(self) -> None:
        """As if the process had been killed: nothing of it reaches a wire or a file any more, whatever it still does.

        Its lines are cut first, so that neither a command under way nor a halt can be sent. Then
        its journal refuses, by which every thread of it ends the way it would end if the disk were gone.
        """
        self._dead = True
        for port in self._lab.ports.values():
            port.cut()
        self._run.controller.runs.close()
        self._run.controller.runs.folder = self._twin.data / "interrupted"
        self._run.ask_to_stop("interrupted", now=True)

    def _leave(self) -> None:
        """Close the lab and the journal, or let go of them as a killed process does."""
        if self._dead:
            self._lab.devices.clear()  # so that no device is made safe
            self._journal.cut()
        self._lab.close()
        self._journal.close()
        self._twin.arrived()

    def _check_threads(self, before: set[threading.Thread]) -> None:
        deadline = time.monotonic() + THREADS_S
        for one in set(threading.enumerate()) - before:
            one.join(max(0.0, deadline - time.monotonic()))
            if one.is_alive():
                self._trace.wrong.append(f"{one.name} still runs {THREADS_S:g} s after it was stopped")

    def _watch(self, event: Event, core: CampaignCore) -> None:
        if not self._watching:
            self._watching = True
            self.pauses.campaign, self.pauses.epoch = core.campaign, self._run.controller.epoch
            for name, station in self._run.stations.items():
                self.pauses.stations[name] = cast(Station, station)
                cast(Station, station).messages = self._hook()
        if core.over and self.ended_at is None:
            self.ended_at = len(self._twin.effects())
        for question in list(core.questions.values()):
            if question.id not in self._asked:
                self._asked.add(question.id)
                self._answer(core.campaign, question)
        for card in core.cards:
            if card.id not in self._asked:
                self._asked.add(card.id)
                self._sign(core, card)

    def _answer(self, campaign: str, question: Any) -> None:
        """As an operator who looks at what has really happened."""
        table, intent = schema.intent, None
        if question.doubt is not None:
            mine = (table.c.step_id == question.step_id, table.c.n == question.doubt)
            row = self._journal.rows(table, *mine, order=table.c.attempt)[-1]
            intent = Intent(**{name: row[name] for name in Intent.model_fields.keys() - {"result"}})
        self._trace.questions.append((question.text, intent))
        if intent is None:
            answer = "abandon" if "abandon" in question.choices else next(iter(question.choices))
        else:
            self._twin.arrived()
            self._trace.effects = self._twin.effects()
            answer = "done" if self._twin.happened(self._trace, intent) else "again"
        payload = {"question": question.id, "answer": answer}
        self._journal.command(campaign, "answer", payload, by="contract test", because="looked at the effects")

    def _sign(self, core: CampaignCore, card: Any) -> None:
        """As a person who does what a card says, and reads the same each time."""
        manual = core.work.find(card.step_id)[1].spec.manual
        assert manual is not None  # noqa: S101 - only such steps have cards
        readings = manual.drawn(random.Random(step_of(card.step_id)))  # noqa: S311 - the same again
        payload = {"question": card.id, "answer": DONE, "readings": readings}
        self._journal.command(core.campaign, "answer", payload, by="contract test", because="done as the card says")

    def _hook(self) -> Callable[[Any], None]:
        """For one station's messages; each belongs to the step whose run is open."""
        step, n = "", 0

        def message(one: Any) -> None:
            nonlocal step, n
            if self._dead:
                return
            if one.command == "open_run":
                step, n = step_of(one.kwargs["labwright"]["step_id"]), 0
            self._trace.messages.setdefault((step, n), _words(one))
            self.pauses.before((step, n))
            n += 1

        return message


class _Pauses:
    """Pauses all stations right before the messages that are meant, one pause after the other."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self.stations: dict[str, Station] = {}
        self.campaign, self.epoch = "", 0
        self._left = set(twin.pause_at)
        self._lock = threading.Lock()
        self._at: Key | None = None
        self._since_s = 0.0
        self._threads: list[threading.Thread] = []

    def before(self, key: Key) -> None:
        """A message is about to be carried out."""
        with self._lock:
            if key not in self._left or self._at is not None:
                return
            self._left.discard(key)
            self._at, self._since_s = key, self._twin.clock.now()
        for station in self.stations.values():
            station.pause(self.campaign, on=True, epoch=self.epoch)
        actor = self._twin.clock.actor("pause", busy=True)  # lab time passes only as far as the pause is long
        thread = threading.Thread(target=self._last, args=(actor,), name="pause", daemon=True)
        self._threads.append(thread)
        thread.start()

    def prepared(self, intent: Intent) -> None:
        """An intent was recorded."""
        # At the very instant of the pause others may have passed their gates already; later none may.
        if self._at is not None and intent.prepared_s > self._since_s:
            late_s = intent.prepared_s - self._since_s
            self._twin.trace.wrong.append(
                f"step {step_of(intent.step_id)}: {intent.what} was started {late_s:g} s after all stations were "
                f"paused ({self._here()})"
            )

    def wait(self) -> None:
        """Until the last pause is over."""
        for thread in self._threads:
            thread.join()

    def _last(self, actor: Any) -> None:
        trace, clock = self._twin.trace, self._twin.clock
        actor.sleep(self._twin.pause_s)
        under_way = {one.intent.device for one in trace.operations if self._lasted(one)}
        for effect in self._twin.effects():
            if self._since_s < effect["lab_time_s"] <= clock.now() and effect["device"] not in under_way:
                trace.wrong.append(
                    f"{effect['device']}: {effect['effect']} was started while all stations were paused "
                    f"({self._here()})"
                )
        with self._lock:
            trace.paused |= {self._at} if self._at is not None else set()
            self._at = None
        for station in self.stations.values():
            station.pause(self.campaign, on=False, epoch=self.epoch)
        actor.close()

    def _here(self) -> str:
        """The message it is paused at, in words."""
        assert self._at is not None  # noqa: S101 - only asked in a pause
        return f"right before step {self._at[0]}, message {self._at[1]}: {self._twin.trace.messages[self._at]}"

    def _lasted(self, one: Operation) -> bool:
        """Whether an operation was under way when the pause began, and may still have effects."""
        return one.intent.prepared_s <= self._since_s and (one.decided_s is None or one.decided_s >= self._since_s)


class _Keeper(StepJournal):
    """The stations' intent log, observed."""

    def __init__(self, journal: Journal, controller: _Controller) -> None:
        super().__init__(journal)
        self._controller = controller

    def prepare(self, intent: Intent) -> None:
        super().prepare(intent)
        self._controller.prepared(intent)

    def decide(self, intent: Intent, observation: Observation | None = None) -> None:
        self._controller.decided(intent)
        super().decide(intent, observation)


class _Planner:
    """The campaign's planner without a process of its own."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign

    def ask(self, state: CampaignState, n: int, answered: Callable[[Answer], None]) -> None:
        answered(Answer(tuple(self._campaign.planner.ask(state, n))))

    def rest(self) -> None:
        """There is nothing to give back."""

    def close(self) -> None:
        """There is nothing to end."""


def _words(message: Any) -> str:
    """A message in words for a person."""
    name = getattr(message.obj, "name", "")
    value = f" {message.args[0]:g}" if message.command in ("set", "sleep") and _is_number(message.args) else ""
    return " ".join(part for part in (message.command, name) if part) + value


def _is_number(arguments: Any) -> bool:
    return bool(arguments) and isinstance(arguments[0], (int, float))


def chosen(things: list[Any], every: int, offset: int) -> Iterator[Any]:
    """Every n-th; of neighbours that come in pairs, such as before and after, now the one, now the other."""
    shift = 1 if every % 2 == 0 else 0
    for number, index in enumerate(range(offset % every, len(things), every)):
        yield things[min(index + shift * (number % 2), len(things) - 1)]
