"""Asks a process of its own what the lab will do, now and then, while a controller carries it out."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from pydantic import ValidationError

from labwright.engine.events import Foreseen
from labwright.engine.foresight import Question, Reply
from labwright.model.lab import LabModel

AFTER_S = 15.0
"""Wall seconds that a lab runs before it is asked for the first time: what is over sooner need not be foreseen."""

EVERY_S = 20.0
"""Wall seconds between two asks at least; an ask takes one processor for `Question.within_s`."""

FAILED_S = 600.0
"""Wall seconds until the next ask, where one came to nothing."""

DEADLINE_S = 60.0
"""Wall seconds after which the process is killed, and another is started for the next ask."""

MOVED_S = 60.0
MOVED = 0.05
"""An end is reported again when it is so many lab seconds, and so much of what is left, from the one before."""

_log = logging.getLogger(__name__)


class Forecaster:
    """Reports what is foreseen of a lab, whenever that is something new.

    Args:
        journal: its place, a file or a URL.
        instruments: which deck.
        lab: its files.
        report: called with what is new, in a thread of its own.
        after_s: wall seconds until it asks for the first time.
        every_s: wall seconds between two asks at least.
    """

    def __init__(
        self,
        journal: str,
        instruments: str,
        lab: LabModel,
        report: Callable[[Foreseen], None],
        *,
        after_s: float = AFTER_S,
        every_s: float = EVERY_S,
    ) -> None:
        self._journal = journal
        self._instruments = instruments
        self._lab = lab.model_dump_json()
        self._report = report
        self._every_s = every_s
        self._next_s = time.monotonic() + after_s
        self._shown: Foreseen | None = None
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def look(self, campaigns: tuple[str, ...], now_s: float) -> None:
        """Something has happened: ask, unless it was asked just now, or is being asked.

        Args:
            campaigns: under way, by id.
            now_s: lab time.
        """
        if not campaigns or self._closed or time.monotonic() < self._next_s:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        question = Question(
            journal=self._journal,
            instruments=self._instruments,
            campaigns=campaigns,
            lab=self._lab,
            now_s=now_s,
            shown=self._shown,
        )
        self._thread = threading.Thread(target=self._ask, args=(question,), name="foresight", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the process; nothing is reported after this."""
        with self._lock:
            self._closed = True
            self._kill()
        if self._thread is not None:
            self._thread.join()

    def _ask(self, question: Question) -> None:
        timer = threading.Timer(DEADLINE_S, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            reply = self._reply(question)
        finally:
            timer.cancel()
            self._next_s = time.monotonic() + self._every_s
        if reply.error:
            self._next_s = time.monotonic() + FAILED_S
            _log.warning("what the lab will do is not known: %s", reply.error)
        elif reply.foreseen is not None and not self._closed and self._is_new(reply.foreseen):
            self._shown = reply.foreseen
            self._report(reply.foreseen)

    def _reply(self, question: Question) -> Reply:
        with self._lock:
            if self._closed:
                return Reply()
            if self._child is None:
                # -P and a session of its own: as for planners (`labwright.planners.worker`). What it says when it dies
                # comes out with the controller's own words.
                self._child = subprocess.Popen(
                    [sys.executable, "-P", "-c", "from labwright.engine.foresight import main; main()"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            child = self._child
        assert child.stdin and child.stdout  # noqa: S101, PT018 - both were asked for
        try:
            child.stdin.write(question.model_dump_json() + "\n")
            child.stdin.flush()
            return Reply.model_validate_json(child.stdout.readline())
        except (OSError, ValueError, ValidationError):  # a line that ends with the process is no JSON
            with self._lock:
                self._kill()
                return Reply() if self._closed else Reply(error="the process that foresees it ended without an answer")

    def _too_late(self) -> None:
        with self._lock:
            self._kill()

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass  # what was written to it is not read any more

    def _is_new(self, foreseen: Foreseen) -> bool:
        shown = self._shown
        if shown is None or shown.ends.keys() != foreseen.ends.keys():
            return True
        rule = ("order", "batch_wait_s", "flows", "strict")
        if any(getattr(shown, name) != getattr(foreseen, name) for name in rule):
            return True
        if not _goes_on(shown, foreseen):
            return True
        return any(
            abs(end_s - shown.ends[name]) > max(MOVED_S, MOVED * (end_s - foreseen.at_s))
            for name, end_s in foreseen.ends.items()
        )


def _goes_on(shown: Foreseen, foreseen: Foreseen) -> bool:
    """Whether a plan is what is left of the one before: only moves that were made are gone, and their batches."""
    left = set(foreseen.moves)
    if not shown.moves or not left:
        return shown.batches == foreseen.batches and shown.moves == foreseen.moves
    return tuple(move for move in shown.moves if move in left) == foreseen.moves
