"""One process that reads the lab's own files for the service: started when it is needed, ended when it is not.

The lab's own Python code runs there and not in the service, whose memory it would keep.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from labwright.model.base import Frozen
from labwright.model.errors import ConfigError, LabwrightError, RefusedError
from labwright.service.problems import Problem

DEADLINE_S = 60.0
"""Wall seconds after which the process is killed; the first answer includes importing the lab's drivers."""

IDLE_S = 600.0
"""Wall seconds without a question after which the process is ended."""

Work = Literal["model", "campaign", "appraise", "offer", "outlook", "by_hand"]


class Question(Frozen):
    """What is asked of the process.

    Attributes:
        root: the lab's folder.
        journal: its place.
        work: what is to be done.
        given: for it, as JSON.
    """

    root: str
    journal: str
    work: Work
    given: dict[str, Any] = {}


class Reply(Frozen):
    """What it answers.

    Attributes:
        found: as JSON; None with an error.
        error: why there is nothing, in words.
        exit_code: of the error, as on the command line.
    """

    found: dict[str, Any] | None = None
    error: str = ""
    exit_code: int = 0


class LabProcess:
    """Asks the process, one question at a time.

    Args:
        root: the lab's folder; None where the service does not have it.
        journal: place of the journal.
    """

    def __init__(self, root: Path | None, journal: str) -> None:
        self.root = root
        self._journal = journal
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._asked_s = 0.0
        self._closing = threading.Event()
        self._tidy = threading.Thread(target=self._end_idle, name="lab process", daemon=True)
        self._tidy.start()

    def ask(self, work: Work, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the process finds.

        Args:
            work: what is to be done.
            given: for it, as JSON.

        Raises:
            ConfigError: the lab's own files have mistakes, or what is given has.
            RefusedError: the lab cannot do it now, or there is no folder here.
            Problem: it cannot be found out now.
        """
        if self.root is None or not self.root.is_dir():
            raise RefusedError(
                "this service has no lab's folder, so it cannot say what fits the lab: start it with --lab DIR, or ask "
                "where the controller runs"
            )
        question = Question(root=str(self.root), journal=self._journal, work=work, given=dict(given or {}))
        line = question.model_dump_json() + "\n"
        if not self._lock.acquire(timeout=DEADLINE_S):
            raise _unavailable("many questions about the lab are being looked at; ask again")
        try:
            for _ in range(2):  # a process whose lab has changed ends instead of answering
                reply = self._ask(line)
                if reply is not None:
                    break
            else:
                raise _unavailable(
                    "the process that reads the lab has ended twice without an answer; the lab's own code may have "
                    "ended it: the service's log says more, and labwright check shows whether the lab is read"
                )
        finally:
            self._lock.release()
        if reply.found is None:
            kind: type[LabwrightError] = ConfigError if reply.exit_code == ConfigError.exit_code else RefusedError
            raise kind(reply.error)
        return reply.found

    def close(self) -> None:
        """End the process."""
        self._closing.set()
        with self._lock:
            self._end()
        self._tidy.join()

    def _ask(self, question: str) -> Reply | None:
        """Ask once; None if the process has ended instead of answering.

        Raises:
            Problem: it takes too long.
        """
        if self._child is None:
            # -P and a session of its own: as for planners (`labwright.planners.worker`).
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", "from labwright.service.lab_work import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
        child = self._child
        assert child.stdin and child.stdout  # noqa: S101, PT018 - both were asked for
        late = threading.Event()

        def end() -> None:
            late.set()
            _kill(child)

        timer = threading.Timer(DEADLINE_S, end)
        timer.daemon = True
        timer.start()
        try:
            child.stdin.write(question)
            child.stdin.flush()
            return Reply.model_validate_json(child.stdout.readline())
        except (OSError, ValueError, ValidationError):  # a line that ends with the process is no JSON
            self._end()
            if late.is_set():
                words = f"what the lab finds of it was not known within {DEADLINE_S:g} s; look for a driver that waits"
                raise _unavailable(f"{words} at import, and ask again") from None
            return None
        finally:
            timer.cancel()
            self._asked_s = time.monotonic()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        _kill(child)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was written to it is not read any more
                    pipe.close()

    def _end_idle(self) -> None:
        while not self._closing.wait(IDLE_S / 4):
            with self._lock:
                if self._child is not None and time.monotonic() - self._asked_s > IDLE_S:
                    self._end()


def _unavailable(words: str) -> Problem:
    return Problem("unavailable", words, headers={"Retry-After": "5"})


def _kill(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(child.pid, signal.SIGKILL)
