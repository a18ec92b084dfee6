"""`labwright campaign watch`: a campaign that another process runs, seen from its journal alone."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from labwright.cli.campaigns import go_on_words
from labwright.cli.output import EXIT, console, emitted
from labwright.cli.words import answer_command, heading, lasting, note, question_words, told, valued, when
from labwright.engine import CampaignCore, LabCore, replayed
from labwright.engine.events import PauseAsked, ResumeAsked, RunStep, Signed, StepEnded
from labwright.engine.watchdog import LATE_S, LATE_TIMES
from labwright.facts.campaigns import event_fields
from labwright.journal import Journal, LoggedEvent, schema
from labwright.journal.reading import Controller, choose, controller
from labwright.model.states import OVER

LOOK_S = 0.25
"""This process only looks; the controller itself waits for nothing but events."""

CONTROLLER_S = 2.0
"""Seconds between two looks whether a controller runs."""

AT_ONCE = 1000
"""Events that are written to a program together."""

NOTES = 5

FASTEST = 150.0
"""A scaled clock runs at most 100 times as fast as the wall's; what is faster is stepped, and jumps."""


def watch_campaign(place: str | Path, name: str, *, json: bool) -> int:
    """Watch until the campaign is over; its exit code, 130 if it is interrupted before.

    Raises:
        ConfigError: there is no such campaign.
        JournalError: the journal cannot be read.
    """
    with Journal.reading(place) as journal:
        row = choose(journal, name)
        if json:
            return _streamed(journal, row["id"])
        drawn = console.is_terminal
        view = View(str(row["id"]), drawn=drawn)
        # A console of its own: that for lines wraps nothing, and a picture would be truncated at its right.
        live = Live(console=Console(stderr=True, highlight=False), refresh_per_second=4) if drawn else None
        try:
            with live or contextlib.nullcontext():
                for logged, core in _followed(journal, row["id"], view):
                    if live is not None:
                        live.update(view.shown())
                    elif logged is not None:
                        _line(logged, core)
        except KeyboardInterrupt:
            return left()
    core = view.core
    console.print(f"{core.campaign} {core.phase}: {core.reason}", style="bold", markup=False)
    return EXIT[core.phase]


def left() -> int:
    """Say that only the watching has ended; the exit code."""
    console.print("no longer watching; the campaign continues", markup=False)
    return EXIT["stopped"]


def _streamed(journal: Journal, campaign: str) -> int:
    """Each event as a line of JSON, as the journal has it: nothing is rebuilt from them; the exit code."""
    last = 0
    try:
        while True:
            (row,) = journal.rows(schema.campaign, schema.campaign.c.id == campaign)  # before its last events
            events = journal.events(campaign, last)
            while some := list(itertools.islice(events, AT_ONCE)):
                last = some[-1].id
                if not emitted(*map(event_fields, some)):
                    return 1  # the reader of our output has ended
            if row["state"] in OVER:
                return EXIT[row["state"]]
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        return left()


def _followed(journal: Journal, campaign: str, view: View) -> Iterator[tuple[LoggedEvent | None, CampaignCore]]:
    """Each event, and None between them when it is time to redraw; ends when the campaign is over."""
    core, last, looked_s = view.core, 0, 0.0
    here: Controller | None = None
    while True:
        if look := time.monotonic() - looked_s > CONTROLLER_S:
            looked_s = time.monotonic()
            here = controller(journal)  # before the events: one that has ended has written them all
        for logged, event, instructions, _ in replayed(journal, campaign, view.lab, last):
            last = logged.id
            view.take(logged, event, instructions)
            yield logged, core
        if core.over:
            return
        if look and here is not None:
            view.look(here, go_on_words(choose(journal, campaign)))
        yield None, core
        time.sleep(LOOK_S)


def _line(logged: LoggedEvent, core: CampaignCore) -> None:
    """An event as a line of a log."""
    console.print(f"{when(logged.wall_time_s)}  {told(logged.payload)}", markup=False)
    for asked in core.asked:
        if f"question {asked.id}" in logged.decisions:
            console.print(
                question_words(asked.id, asked.text, asked.choices, asked.readings), style="bold yellow", markup=False
            )


@dataclass
class _Running:
    """A step at its station.

    Attributes:
        since_s: lab time.
        expected_s: how long it should take.
    """

    since_s: float
    expected_s: float


class _LabNow:
    """Lab time as the controller has it, estimated from the two times each of its events carries."""

    def __init__(self) -> None:
        self._first: LoggedEvent | None = None
        self._last: LoggedEvent | None = None

    def take(self, logged: LoggedEvent) -> None:
        """Another event."""
        if self._first is None or self._first.epoch != logged.epoch:  # another process, perhaps another clock
            self._first = logged
        self._last = logged

    def now(self, *, simulated: bool) -> float:
        """Lab time now."""
        if not simulated:
            return time.time()
        first, last = self._first, self._last
        if first is None or last is None:
            return 0.0
        wall_s = last.wall_time_s - first.wall_time_s
        speed = (last.lab_time_s - first.lab_time_s) / wall_s if wall_s > LOOK_S else 1.0
        if speed > FASTEST:
            return last.lab_time_s
        return last.lab_time_s + (time.time() - last.wall_time_s) * speed


class View:
    """What is seen of a campaign: who does what since when, what waits for a person, what happened last.

    Args:
        campaign: its id.
        drawn: again and again in a terminal; if not, a controller that has ended is reported once, on a line.
    """

    def __init__(self, campaign: str, *, drawn: bool) -> None:
        self._drawn = drawn
        self.lab = LabCore()
        self.core = self.lab.campaign(campaign)
        self._now = _LabNow()
        self._running: dict[str, _Running] = {}
        self._paused_s: float | None = None
        self._notes: deque[str] = deque(maxlen=NOTES)
        self._last_wall_s = 0.0
        self._controller: Controller | None = None
        self._go_on = ""

    def take(self, logged: LoggedEvent, event: object, instructions: Sequence[object]) -> None:
        """An event, after the core has handled it."""
        self._now.take(logged)
        self._last_wall_s = logged.wall_time_s
        for one in instructions:
            if isinstance(one, RunStep):
                self._running[one.order.step_id] = _Running(logged.lab_time_s, one.order.expected_s)
            if isinstance(one, Signed):
                self._running.pop(one.outcome.step_id, None)
        if isinstance(event, StepEnded):
            self._running.pop(event.outcome.step_id, None)
        if isinstance(event, PauseAsked):
            self._paused_s = logged.lab_time_s
        if isinstance(event, ResumeAsked) and self._paused_s is not None:
            for running in self._running.values():  # a pause makes no step late
                running.since_s += logged.lab_time_s - max(self._paused_s, running.since_s)
            self._paused_s = None
        if words := note(logged.payload):
            self._notes.append(f"{when(logged.wall_time_s)}  {words}")

    def look(self, here: Controller, go_on: str) -> None:
        """Whether a controller runs."""
        gone = self._controller is not None and self._runs(self._controller) and not self._runs(here)
        if not self._runs(here) and (gone or self._controller is None) and not self._drawn:
            console.print(self._no_controller(here, go_on), style="bold red", markup=False)
        self._controller, self._go_on = here, go_on

    def shown(self) -> RenderableType:
        """All of it, drawn."""
        core = self.core
        if core.phase == "draft":
            return Text("no event is recorded yet")
        parts: list[RenderableType] = [self._heading()]  # what matters most first: a small terminal cuts off the end
        for one in core.asked:
            parts.append(Text(heading(one.id, one.text, one.readings), style="bold yellow"))
            parts += [Text(f"  {answer}: {means}") for answer, means in one.choices.items()]
            parts.append(Text(f"  {answer_command(one.id, readings=one.readings)}", style="yellow"))
        parts += [self._stations(), self._samples()]
        parts += [Text(words, overflow="ellipsis", no_wrap=True, style="dim") for words in self._notes]
        parts.append(Text("Ctrl-C ends watching; the campaign continues.", style="dim"))
        return Group(*parts)

    def _heading(self) -> RenderableType:
        core, started = self.core, self.core.started
        lines = []
        if started.simulated:
            lines.append(Text("SIMULATED", style="bold yellow reverse"))
        lines.append(Text(f"{core.campaign}: {started.spec.title}", style="bold"))
        best = "" if core.best is None else f" · best measured {valued(core.best, core.spec.objective.unit)}"
        state = f"{core.status.upper()} · {core.tried}/{core.budget} experiments{best}"
        style = "bold yellow" if core.paused else "bold green" if core.phase == "running" else "bold"
        if core.phase == "draining":
            state += f" · {core.reason}"
        if self._controller is not None and not self._runs(self._controller):
            state, style = f"NO CONTROLLER, LEFT {state}", "bold red"
        lines.append(Text(state, style=style))
        if core.paused:
            lines.append(Text("no operation starts; resume with: labwright campaign resume", style="yellow"))
        if self._controller is not None:
            if self._runs(self._controller):
                lines.append(Text(f"controller: {self._controller.who}", style="dim"))
            else:
                lines.append(Text(self._no_controller(self._controller, self._go_on), style="bold red"))
        return Group(*lines)

    def _stations(self) -> RenderableType:
        shown = Table(title_justify="left", expand=False)
        for column in ("station", "state", "step", "sample", "for", "expected"):
            shown.add_column(column)
        core = self.core
        now_s = self._now.now(simulated=core.started.simulated) if self._paused_s is None else self._paused_s
        at = {run.station: (one, run) for one in core.live.values() for run in one.running}
        names = dict.fromkeys(step.station for protocol in core.started.protocols for step in protocol.steps)
        for station in names:
            if station not in at:
                shown.add_row(station, "idle", style="dim")
                continue
            one, run = at[station]
            running = self._running.get(run.step_id)
            if run.state != "running" or running is None:
                shown.add_row(station, "waits for a person", run.spec.name, one.sample, style="bold yellow")
                continue
            elapsed_s = max(0.0, now_s - running.since_s)
            state, style = self._state(elapsed_s, running.expected_s)
            times = (lasting(elapsed_s), lasting(running.expected_s))
            shown.add_row(station, state, run.spec.name, one.sample, *times, style=style)
        return shown

    def _state(self, elapsed_s: float, expected_s: float) -> tuple[str, str]:
        """In words and in colour: neither alone tells everybody."""
        if self._controller is not None and not self._runs(self._controller):
            return "left under way", "bold red"
        if elapsed_s > LATE_TIMES * expected_s + LATE_S:
            return "LATE", "bold red"
        if self._paused_s is not None:
            return "paused", "yellow"
        if elapsed_s > expected_s:
            return "longer than expected", "yellow"
        return "runs", "green"

    def _samples(self) -> RenderableType:
        core = self.core
        if not core.live:
            return Text("no sample is under way" + (": the planner computes" if core.asking else ""), style="dim")
        shown = Table(title_justify="left", expand=False)
        for column in ("sample", "state", "location", "done", "under way", "waits"):
            shown.add_column(column)
        for one in core.live.values():
            runs = one.steps.values()
            done = f"{sum(run.settled for run in runs)} of {len(runs)} steps"
            under_way = ", ".join(run.spec.name for run in one.running) or ""
            waits = ", ".join(run.spec.name for run in runs if run.state in ("waiting", "ready"))
            state = "given up" if one.given_up else one.state
            style = "bold yellow" if one.state == "held" else ""
            shown.add_row(one.sample, state, one.stands_at, done, under_way, waits, style=style)
        return shown

    def _runs(self, here: Controller) -> bool:
        """Whether a controller runs this campaign, or is about to."""
        return here.may_run(self.core.campaign)

    def _no_controller(self, here: Controller, go_on: str) -> str:
        other = (
            f"the controller runs other campaigns ({', '.join(sorted(here.campaigns))})"
            if here.runs
            else "no controller runs"
        )
        return f"{other}; nothing happened since {when(self._last_wall_s)} UTC; {go_on}"
