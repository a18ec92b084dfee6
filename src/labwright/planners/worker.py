"""A planner in a process of its own: the engine's loop continues, however long it takes or if it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from labwright.model.campaign import CampaignState, PlannerSpec, StopAdvice, Suggestion, Trial
from labwright.model.errors import PlannerError
from labwright.planners._proposals import changed
from labwright.planners._wire import Ask, Reply, write_line

__all__ = ["Answer", "PlannerWorker", "Worker"]

_TRIES = 3  # once may be the machine's fault, and a second time; a third is the planner's
_TAIL = 2048  # bytes kept of what the process said on stderr: a traceback's end


@dataclass(frozen=True)
class Answer:
    """What became of an ask.

    Args:
        suggestions: as many as were asked for; none where there is an error.
        error: why there are none and what to do, in words; empty if all went well.
        seconds: wall time from the ask to its answer.
        advice: whether further experiments are worth it, where that was asked and the planner has a model.
    """

    suggestions: tuple[Suggestion, ...]
    error: str = ""
    seconds: float = 0.0
    advice: StopAdvice | None = None


class Worker(Protocol):
    """What lets the planner think for the engine."""

    def ask(self, state: CampaignState, n: int, answered: Callable[[Answer], None]) -> None:
        """Ask for `n` suggestions; `answered` is called exactly once, from this thread or another."""

    def rest(self) -> None:
        """Give back what it needs only while it thinks; the next ask takes it again."""

    def close(self) -> None:
        """End it; nothing is asked after this."""


class PlannerWorker:
    """Asks a planner in a worker process, which starts with the first ask.

    The process keeps the campaign's state: an ask sends only the trials that are new or changed. One that dies or does
    not answer in time is started again and sent everything, three tries per ask. The same state and seed give the same
    suggestions as the planner in this process.

    Args:
        spec: which planner, with its options.
        deadline_s: wall time for one try.
        idle_s: wall time without an ask after which the process ends; the next ask starts it again.
        advise: whether every ask also asks if further experiments are worth it.
    """

    def __init__(
        self, spec: PlannerSpec, *, deadline_s: float = 300.0, idle_s: float = 120.0, advise: bool = False
    ) -> None:
        self._spec = spec
        self._advise = advise
        self._deadline_s = deadline_s
        self._idle_s = idle_s
        # A process is signalled and waited for under the lock only, so that no signal goes to a number given away.
        self._lock = threading.RLock()
        self._child: _Child | None = None
        self._thread: threading.Thread | None = None
        self._busy = False
        self._idle: threading.Timer | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Number of the worker process; None while there is none."""
        with self._lock:
            return self._child.process.pid if self._child else None

    def ask(self, state: CampaignState, n: int, answered: Callable[[Answer], None]) -> None:
        """Ask for `n` suggestions and return at once.

        Args:
            state: the campaign so far.
            n: how many.
            answered: called exactly once, from another thread; by then the worker may be asked again.

        Raises:
            PlannerError: the last ask is not answered yet, or the worker is closed.
        """
        with self._lock:
            if self._closed:
                raise PlannerError(f"planner {self._spec.name!r}: its worker is closed; make a new PlannerWorker")
            if self._busy:
                raise PlannerError(f"planner {self._spec.name!r} is still thinking; ask again when it has answered")
            if self._idle is not None:
                self._idle.cancel()
            self._busy = True
            self._thread = threading.Thread(
                target=self._carry_out, args=(state, n, answered), name=f"planner {self._spec.name}", daemon=True
            )
            self._thread.start()

    def rest(self) -> None:
        """End the process, unless it is thinking; the next ask starts another."""
        self._end_idle()

    def close(self) -> None:
        """End the process; an ask under way is answered with an error before this returns.

        Not to be called while holding what `answered` waits for.
        """
        with self._lock:
            self._closed = True
            if self._idle is not None:
                self._idle.cancel()
            if self._child is not None:
                self._child.kill()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._reap()

    def _carry_out(self, state: CampaignState, n: int, answered: Callable[[Answer], None]) -> None:
        began = time.monotonic()
        # Stands if something unforeseen ends this thread: an ask without an answer would hang the campaign.
        reply = Reply(refused="the thread that asks it broke off; please report the traceback it left")
        try:
            reply = self._reply(state, n)
        finally:
            self._rest()
            error = f"planner {self._spec.name!r}: {reply.refused}" if reply.refused else ""
            answered(Answer(reply.suggestions, error, time.monotonic() - began, reply.advice))

    def _reply(self, state: CampaignState, n: int) -> Reply:
        """The planner's reply; after too many tries one that states what happened."""
        happened: list[str] = []
        while len(happened) < _TRIES:
            try:
                child = self._running()
            except OSError as error:
                happened.append(f"its process could not be started ({error})")
                continue
            if child is None:
                return Reply(refused="its worker was closed before it answered; make a new PlannerWorker and ask again")
            timer = threading.Timer(self._deadline_s, self._too_late, (child,))
            timer.daemon = True
            timer.start()
            reply = child.ask(self._spec, state, n, self._advise)
            timer.cancel()
            if reply is not None:
                return reply
            end = self._reap()
            happened.append(f"it did not answer within {self._deadline_s:g} s" if child.late else end)
        return Reply(
            refused=f"no answer in {_TRIES} tries: {'; '.join(dict.fromkeys(happened))}. Use another planner "
            "(sobol and random need no model), or look at this machine's memory and load and resume the campaign"
        )

    def _running(self) -> _Child | None:
        """The process, started if need be; None if the worker is closed."""
        with self._lock:
            if self._closed:
                return None
            if self._child is None:
                self._child = _Child()
            return self._child

    def _too_late(self, child: _Child) -> None:
        with self._lock:
            if child is self._child:
                child.late = True
                child.kill()

    def _rest(self) -> None:
        """Be ready for the next ask, and end the process if none comes."""
        with self._lock:
            self._busy = False
            if not self._closed:
                self._idle = threading.Timer(self._idle_s, self._end_idle)
                self._idle.daemon = True
                self._idle.start()

    def _end_idle(self) -> None:
        with self._lock:
            if not self._busy:  # else asked in the very moment the time ran out
                self._reap()

    def _reap(self) -> str:
        """End the process if there is one; how it ended, in words."""
        with self._lock:
            child, self._child = self._child, None
            return "" if child is None else child.end()


class _Child:
    """One worker process and what it was sent."""

    def __init__(self) -> None:
        self.late = False
        self._campaign: CampaignState | None = None
        self._trials: tuple[Trial, ...] = ()
        self._tail = b""
        # -P: a file random.py in the folder where the engine was started is not imported. A session of its own: Ctrl-C
        # in the terminal reaches the engine only, and a kill reaches all that a planner may have started.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "labwright.planners"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            # Threads of BLAS that wait for each other slow down small matrices, and on a busy machine everything else.
            env={"OMP_NUM_THREADS": "1", **os.environ},
        )
        assert self.process.stdin and self.process.stdout  # noqa: S101, PT018 - both were asked for
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        self._stderr = threading.Thread(target=self._keep_tail, daemon=True)
        self._stderr.start()

    def ask(self, spec: PlannerSpec, state: CampaignState, n: int, advise: bool) -> Reply | None:
        """Send what is new and wait for the reply; None if the process ended before."""
        try:
            write_line(self._stdin.fileno(), self._news(spec, state, n, advise))
            return Reply.model_validate_json(self._stdout.readline())
        except (BrokenPipeError, ValidationError):  # a line that ends with the process is no JSON
            return None

    def kill(self) -> None:
        """Kill the process and all it started, also if it is stopped or computes."""
        if self.process.returncode is None:  # not waited for, so the number is still its own
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> str:
        """Kill what is left of it and return how it ended."""
        self.kill()  # changes nothing about how a process ended that did so by itself
        code = self.process.wait()
        self._stderr.join(1.0)  # longer only if something that left the session keeps the pipe
        self._stdin.close()
        self._stdout.close()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        tail = self._tail.decode(errors="replace").strip()
        return f"its process was {how}, its last words: {tail}" if tail else f"its process was {how} without a word"

    def _news(self, spec: PlannerSpec, state: CampaignState, n: int, advise: bool) -> Ask:
        campaign = state.model_copy(update={"trials": ()})
        old, new = self._trials, state.trials
        places = changed(old, new)
        same = campaign == self._campaign and len(new) >= len(old) and all(old[at].id == new[at].id for at in places)
        if same:
            places += range(len(old), len(new))
        self._campaign, self._trials = campaign, new
        return Ask(
            planner=spec,
            n=n,
            campaign=None if same else campaign,
            news={at: new[at] for at in (places if same else range(len(new)))},
            advise=advise,
        )

    def _keep_tail(self) -> None:
        assert self.process.stderr  # noqa: S101 - it was asked for
        with self.process.stderr as stderr:
            while piece := os.read(stderr.fileno(), _TAIL):
                self._tail = (self._tail + piece)[-_TAIL:]
