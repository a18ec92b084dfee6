"""`labwright status`: the whole lab as it stands now, seen from its journal alone."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from labwright.cli.output import EXIT, console, emit
from labwright.cli.words import answer_command, lasting, valued, when
from labwright.journal import Journal, instruments_words, place_option, waiting_words
from labwright.journal.status import Dispatch, LabStatus, StationSeen, lab_status
from labwright.model.instruments import HERE

LOOK_S = 1.0
"""Wall seconds between two looks; the controller waits for none of them."""

WORDS = {
    "idle": ("idle", "dim"),
    "running": ("runs", "green"),
    "paused": ("ends its operation, then paused", "yellow"),
    "question": ("waits for a person", "bold yellow"),
    "stopped": ("STOPPED", "bold red"),
    "left": ("left under way", "bold red"),
}
"""A station's state in words and in colour: neither alone tells everybody."""

SILENT_S = 15.0
"""A controller writes that it is there more often than that."""


def show_status(place: str | Path, *, watch: bool, json: bool) -> int:
    """How the lab stands now, or again and again until Ctrl-C; the exit code.

    Raises:
        JournalError: the journal cannot be read.
    """
    with Journal.reading(place) as journal:
        if not watch:
            _show(journal, json=json)
            return 0
        if json or not console.is_terminal:
            return _watch_lines(journal, json=json)
        try:
            with Live(console=Console(stderr=True, highlight=False), auto_refresh=False) as live:
                while True:
                    live.update(drawn(_look(journal), journal), refresh=True)
                    time.sleep(LOOK_S)
        except KeyboardInterrupt:
            return EXIT["stopped"]


def _look(journal: Journal) -> LabStatus:
    """The status, with questions about decks too, where the tables hint at one."""
    status = lab_status(journal)
    running = status.controller.campaigns if status.controller else []
    if all(one.campaign in running or one.instruments == HERE for one in status.taken):
        return status
    from labwright.engine.deck import deck_questions  # takes a second to import, and most decks are in no doubt

    decks = [{**one.row(), "choices": one.choices} for one in deck_questions(journal, running=running)]
    return dataclasses.replace(status, questions=[*status.questions, *decks])


def _show(journal: Journal, *, json: bool) -> None:
    status = _look(journal)
    if json:
        emit(dataclasses.asdict(status))
        return
    out = Console(highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = 200  # a pipe or file has no width of its own
    out.print(drawn(status, journal))


def _watch_lines(journal: Journal, *, json: bool) -> int:
    """The status whenever something has happened, for a program or a log."""
    seen = -1
    try:
        while True:
            status = lab_status(journal)
            if status.last_event != seen:
                seen = status.last_event
                _show(journal, json=json)
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        return EXIT["stopped"]


def drawn(status: LabStatus, journal: Journal) -> RenderableType:
    """A status as a person sees it; what matters most first, for a small terminal cuts off the end."""
    option = place_option(journal)
    parts: list[RenderableType] = []
    if status.simulated:
        parts.append(Text("SIMULATED", style="bold yellow reverse"))
    parts.append(_controller(status, option))
    parts += [Text(waiting_words(journal, one), style="bold red") for one in status.latches]
    for asked in status.questions:
        parts.append(Text(f"QUESTION {asked['id']}: {asked['text']}", style="bold yellow"))
        parts += [Text(f"  {answer}: {means}") for answer, means in asked["choices"].items()]
        parts.append(Text(f"  {answer_command(asked['id'], option)}", style="yellow"))
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
