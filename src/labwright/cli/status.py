"""`labwright status`: the whole lab as it stands now, seen from its journal alone."""

from __future__ import annotations

import dataclasses
import time

from pydantic import TypeAdapter
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from labwright.cli.output import EXIT, console, emit
from labwright.cli.sites import Place, Seen, seen
from labwright.cli.words import answer_command, heading, lasting, readings_of, valued, when
from labwright.facts.lab import lab_now
from labwright.journal import instruments_words
from labwright.journal.latch import waiting_in_words
from labwright.journal.status import Dispatch, LabStatus, StationSeen

LOOK_S = 1.0
"""Wall seconds between two looks; the controller waits for none of them."""

WORDS = {
    "idle": ("idle", "dim"),
    "booked": ("a person has it", "yellow"),
    "running": ("runs", "green"),
    "paused": ("ends its operation, then paused", "yellow"),
    "question": ("waits for a person", "bold yellow"),
    "task": ("a person's task", "bold yellow"),
    "stopped": ("STOPPED", "bold red"),
    "left": ("left under way", "bold red"),
}
"""A station's state in words and in colour: neither alone tells everybody."""

SILENT_S = 15.0
"""A controller writes that it is there more often than that."""


def show_status(place: Place, *, watch: bool, json: bool) -> int:
    """How the lab stands now, or again and again until Ctrl-C; the exit code.

    Raises:
        JournalError: the journal cannot be read.
    """
    if not watch:
        _show(_look(place), json=json)
        return 0
    if json or not console.is_terminal:
        return _watch_lines(place, json=json)
    try:
        with Live(console=Console(stderr=True, highlight=False), auto_refresh=False) as live:
            while True:
                live.update(drawn(_look(place)), refresh=True)
                time.sleep(LOOK_S)
    except KeyboardInterrupt:
        return EXIT["stopped"]


def _look(place: Place) -> Seen[LabStatus]:
    return seen(place, lab_now, lambda client: TypeAdapter(LabStatus).validate_python(client.lab.status()))


def _show(found: Seen[LabStatus], *, json: bool) -> None:
    if json:
        emit(dataclasses.asdict(found.facts))
        return
    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = 200  # a pipe or file has no width of its own
    out.print(drawn(found))


def _watch_lines(place: Place, *, json: bool) -> int:
    """The status whenever something has happened, for a program or a log."""
    last = -1
    try:
        while True:
            found = _look(place)
            if found.facts.last_event != last:
                last = found.facts.last_event
                _show(found, json=json)
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        return EXIT["stopped"]


def drawn(found: Seen[LabStatus]) -> RenderableType:
    """A status as a person sees it; what matters most first, for a small terminal cuts off the end."""
    status, option = found.facts, found.option
    parts: list[RenderableType] = []
    if status.simulated:
        parts.append(Text("SIMULATED", style="bold yellow reverse"))
    parts.append(_controller(status, option))
    parts += [Text(waiting_in_words(one, status.latches, option), style="bold red") for one in status.latches]
    for asked in status.questions:
        parts.append(Text(heading(asked["id"], asked["text"], readings_of(asked)), style="bold yellow"))
        parts += [Text(f"  {answer}: {means}") for answer, means in asked["choices"].items()]
        parts.append(Text(f"  {answer_command(asked['id'], option, readings_of(asked))}", style="yellow"))
    parts.append(_campaigns(status, option))
    parts += [_dispatch(one) for one in status.dispatch]
    if status.stations:
        parts.append(_stations(status))
    if status.waits:
        parts.append(_waits(status))
    if status.taken:
        parts.append(_taken(status))
    return Group(*parts)


def _controller(status: LabStatus, option: str) -> Text:
    here = status.controller
    if here is None:
        return Text(f"no controller runs; start one with: labwright serve {option}", style="bold red")
    age_s = max(0.0, status.at_s - here.heartbeat_s)
    words = (
        f"controller: process {here.pid} on {here.host}, by {here.by}, on {instruments_words(here.instruments)}, since "
        f"{when(here.since_s)} UTC; heard {lasting(age_s)} ago"
    )
    return Text(words, style="bold yellow" if age_s > SILENT_S else "")


def _campaigns(status: LabStatus, option: str) -> RenderableType:
    if not status.campaigns:
        submit = f": labwright campaign submit SPEC {option}" if status.controller else ""
        return Text(f"no campaign is under way{submit}", style="dim")
    shown = _table("campaign", "state", "tried", "best measured", "priority", "ends in", "waits for")
    for one in status.campaigns:
        best = "" if one.best is None else valued(one.best, one.unit)
        state = one.state + (f": {one.reason}" if one.reason else "")
        style = "" if one.runs else "bold red"
        waits = "\n".join(one.waits_for)
        ends = "" if one.ends_in_s is None else f"about {lasting(one.ends_in_s)}"
        shown.add_row(one.id, state, f"{one.tried}/{one.budget}", best, str(one.priority), ends, waits, style=style)
    return shown


def _dispatch(one: Dispatch) -> Text:
    words = f"served first: {one.rule}"
    if one.saves_s >= 1:
        words += f" ({lasting(one.saves_s)} sooner done than by who came first)"
    seen = f", {lasting(one.for_s)} ago" if one.for_s is not None else ""
    return Text(f"{words}; {one.tried} {'rule' if one.tried == 1 else 'rules'} rolled out{seen}", style="dim")


def _stations(status: LabStatus) -> RenderableType:
    several = len({one.instruments for one in status.stations}) > 1
    shown = _table("station", "state", "step", "sample", "for", "expected")
    for one in status.stations:
        words, style = WORDS[one.state]
        name = f"{one.name} ({instruments_words(one.instruments)})" if several else one.name
        if one.booked_by:
            words += f": {one.booked_by}, {_lasting(one.booked_for_s)} more"
        shown.add_row(name, words, one.step, one.sample, _for(one), _lasting(one.expected_s), style=style)
    return shown


def _for(one: StationSeen) -> str:
    return _lasting(one.for_s) if one.state in ("running", "paused", "stopped") else ""


def _waits(status: LabStatus) -> RenderableType:
    shown = _table("waits", "sample", "for")
    for one in status.waits:
        shown.add_row(one.what, f"{one.campaign}/{one.sample}" if one.sample else one.campaign, _lasting(one.for_s))
    return shown


def _taken(status: LabStatus) -> RenderableType:
    shown = _table("taken", "name", "by sample")
    for one in status.taken:
        shown.add_row(one.what, one.name, f"{one.campaign}/{one.sample}")
    return shown


def _table(*columns: str) -> Table:
    shown = Table(expand=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    return shown


def _lasting(seconds: float | None) -> str:
    return "" if seconds is None else lasting(seconds)
