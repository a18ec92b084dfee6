"""Asks a process of its own what the lab finds of a request; it is started when it is needed, and ended when it is not.

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
from typing import Any

from pydantic import ValidationError

from labwright.model.errors import ConfigError
from labwright.service.desk.findings import Appraisal, Question, Reply
from labwright.service.problems import Problem

DEADLINE_S = 30.0
"""Wall seconds after which the process is killed: the first answer includes reading the lab."""

IDLE_S = 600.0
"""Wall seconds after which a process that was not asked is ended."""


class Appraiser:
    """Appraises requests, one at a time.

    Args:
        root: the lab's folder; None where the service does not know it.
        journal: place of the journal.
    """

    def __init__(self, root: str | None, journal: str) -> None:
        self._root = root
        self._journal = journal
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._asked_s = 0.0
        self._closing = threading.Event()
        self._tidy = threading.Thread(target=self._end_idle, name="appraiser", daemon=True)
        self._tidy.start()

    @property
    def knows_the_lab(self) -> bool:
        """Whether the service has the lab's folder."""
        return self._root is not None

    def appraise(self, content: dict[str, Any]) -> Appraisal:
        """What the lab finds of a request.

        Args:
            content: of the request, as JSON.

        Raises:
            ConfigError: the lab's own files have mistakes.
            Problem: it cannot be found out now.
        """
        appraisal = self._reply(content).appraisal
        assert appraisal is not None  # noqa: S101 - or there would be an error
        return appraisal

    def offered(self) -> dict[str, Any]:
        """What the lab offers.

        Raises:
            ConfigError: the lab's own files have mistakes.
            Problem: it cannot be found out now.
        """
        offered = self._reply(None).offered
        assert offered is not None  # noqa: S101 - or there would be an error
        return offered

    def close(self) -> None:
        """End the process."""
        self._closing.set()
        with self._lock:
            self._end()
        self._tidy.join()

    def _reply(self, content: dict[str, Any] | None) -> Reply:
        if self._root is None:
            raise Problem("unavailable", "this service does not know the lab's folder: start it with the lab's folder")
        question = Question(root=self._root, journal=self._journal, content=content).model_dump_json() + "\n"
        if not self._lock.acquire(timeout=DEADLINE_S):
            raise Problem("unavailable", "many requests are being looked at; ask again", headers={"Retry-After": "5"})
        try:
            for _ in range(2):  # a process whose lab has changed ends instead of answering
                reply = self._ask(question)
                if reply is not None:
                    break
            else:
                words = "the process that looks at requests has ended twice without an answer; the lab's own code may "
                words += "have ended it: the service's log says more, and labwright check shows whether the lab is read"
                raise Problem("unavailable", words, headers={"Retry-After": "5"})
        finally:
            self._lock.release()
        if reply.error:
            raise ConfigError(f"the lab cannot look at requests: {reply.error}")
        return reply

    def _ask(self, question: str) -> Reply | None:
        """Ask once; None if the process has ended instead of answering.

        Raises:
            Problem: it takes too long.
        """
        if self._child is None:
            # -P and a session of its own: as for planners (`labwright.planners.worker`).
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", "from labwright.service.desk.appraisal import main; main()"],
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
                words = f"what the lab finds of it was not known within {DEADLINE_S:g} s; ask again"
                raise Problem("unavailable", words, headers={"Retry-After": "5"}) from None
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


def _kill(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(child.pid, signal.SIGKILL)
