"""What `campaign run` and `demo` show while they run: a live table or lines for people, JSON lines for programs."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from rich.live import Live

from labwright.cli.output import console, emitted
from labwright.cli.progress import Progress
from labwright.cli.relay import Outlet, patiently, real_handle, relayed, silenced
from labwright.cli.words import question_words
from labwright.engine import CampaignCore, CampaignRun
from labwright.engine.events import Event
from labwright.engine.following import Follower
from labwright.journal import LoggedEvent


class Shown:
    """Shows a campaign from the journal, in a thread of its own: a reader that does not read holds up nothing.

    Args:
        json: one JSON object an event, on standard output.
    """

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._follower: Follower | None = None
        self._journal = ""
        handle = real_handle(sys.stdout) if json else None
        self._outlet: Outlet | None = None
        if handle is not None:
            sys.stdout.flush()
            self._outlet = Outlet(handle)
        self._live: Live | None = None
        self._unread = self._finished = self._gap_told = False

    def begin(self, run: CampaignRun, progress: Progress, journal: str) -> None:
        """Show a campaign that is about to run."""
        self._journal = journal
        if self._json:
            self._follower = run.follow(self._line)
            return
        if console.is_terminal:
            self._live = Live(progress.table(), console=console, refresh_per_second=4)
            self._live.start()
        else:
            console.print(progress.heading(), markup=False)
        self._follower = run.follow(self._drawing(progress, self._live))

    def finish(self) -> None:
        """The campaign is over, and its lab is safe: show the rest, as long as it is read."""
        if self._finished:
            return
        self._finished = True
        if self._follower is not None:
            self._follower.end()
            self._unread = not patiently(self._follower.wait, self._outlet)
            self._follower.close()
        if self._live is not None:
            self._live.stop()

    def summary(self, facts: dict[str, Any]) -> None:
        """The last line for a program."""
        if not self._json:
            return
        if self._outlet is None:
            emitted(facts)
            return
        line = orjson.dumps(facts, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS) + b"\n"
        if not self._unread and self._written(self._outlet, line):
            return
        self.gap()
        self._outlet.last(line)

    def gap(self) -> None:
        """State what is missing on standard output, where its reader has stopped reading."""
        if self._outlet is None or not self._unread or self._gap_told:
            return
        self._gap_told = True
        self._outlet.give_up()
        last = self._follower.last if self._follower is not None else 0
        words = (
            f"standard output is not read: the events after {last} are missing there; the journal {self._journal} "
            "has all of them (labwright campaign watch --json)"
        )
        self._outlet.last(orjson.dumps({"kind": "gap", "after": last, "message": words}) + b"\n")
        console.print(words, style="bold yellow", markup=False)

    def _written(self, outlet: Outlet, line: bytes) -> bool:
        """Whether a line could be written, or its reader has gone."""
        thread = threading.Thread(target=outlet.write, args=(line,), daemon=True)
        thread.start()

        def done(wait_s: float) -> bool:
            thread.join(wait_s)
            return not thread.is_alive()

        self._unread = not patiently(done, outlet)
        return not self._unread

    def close(self) -> None:
        """Write nothing any more, and let nothing else wait for a reader that does not read."""
        self.finish()
        if self._unread and self._outlet is not None:
            self.gap()
            silenced(sys.stdout)

    def _line(self, logged: LoggedEvent, event: Event, core: CampaignCore) -> bool:
        value = {**logged.payload, "id": logged.id}
        for asked in core.asked:
            if f"question {asked.id}" in logged.decisions:  # no further line may come before it is answered
                value["question"] = {"id": asked.id, "kind": asked.kind, "text": asked.text, "choices": asked.choices}
                value["waits_for"] = core.waits_for()
                console.print(
                    question_words(asked.id, asked.text, asked.choices, asked.readings),
                    style="bold yellow",
                    markup=False,
                )
        if self._outlet is None:
            here = emitted(value)
        else:
            here = self._outlet.write(orjson.dumps(value) + b"\n")
            if not here and not self._outlet.gone:
                return False  # given up at the end
        if not here:
            console.print("no process reads standard output any more; the campaign continues", style="bold yellow")
        return here

    @staticmethod
    def _drawing(progress: Progress, live: Live | None) -> Callable[[LoggedEvent, Event, CampaignCore], None]:
        def draw(logged: LoggedEvent, event: Event, core: CampaignCore) -> None:
            line, note = progress.take(event, core)
            if note:
                console.print(note, markup=False)
            if live is not None:
                live.update(progress.table())
            elif line:
                console.print(line, markup=False)

        return draw


@contextlib.contextmanager
def shown(*, json: bool) -> Iterator[Shown]:
    """What is shown of a campaign; nothing printed meanwhile waits for a reader."""
    with relayed():
        one = Shown(json=json)
        try:
            yield one
        finally:
            one.close()
