"""An act: something a device does that takes lab time, ends, and can be stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from ophyd.status import Status

from labwright.clock import Actor, LabClock
from labwright.model.errors import ActTimeoutError, LabwrightError, StoppedError

_here = threading.local()


def current_act() -> Act | None:
    """The act that runs in this thread, if any."""
    act: Act | None = getattr(_here, "act", None)
    return act


class Act:
    """What the function of an act gets to wait with.

    Args:
        what: the act in words, as in ``"pump_1.dispense(350.0)"``.
        clock: the lab clock.
        timeout_s: lab seconds after which it has failed.
        moves: whether the instrument does something that a failure must halt; finding something out does not.
    """

    def __init__(self, what: str, clock: LabClock, timeout_s: float, *, moves: bool = True) -> None:
        self.what = what
        self.moves = moves
        self._clock = clock
        self._timeout_s = timeout_s
        self._started = clock.now()
        self._stopped: str | None = None
        self._actor: Actor = clock.actor(what, busy=True)

    def elapsed_s(self) -> float:
        """Lab seconds since the act began."""
        return self._clock.now() - self._started

    def sleep(self, seconds: float) -> None:
        """Wait `seconds` of lab time.

        Raises:
            StoppedError: the device was stopped.
            ActTimeoutError: the act has used up its time.
        """
        self._actor.sleep(seconds)
        self.check()
        if self.elapsed_s() > self._timeout_s:
            advice = "the device was halted" if self.moves else "look at the device"
            raise ActTimeoutError(f"{self.what} did not end within {self._timeout_s:g} s; {advice}")

    def poll(self, every_s: float) -> Iterator[float]:
        """Lab seconds elapsed, again and again with `every_s` between, until the caller breaks out.

        Raises:
            StoppedError: the device was stopped.
            ActTimeoutError: the act has used up its time.
        """
        while True:
            self.check()
            yield self.elapsed_s()
            self.sleep(every_s)

    def check(self) -> None:
        """Raise StoppedError if the device was stopped."""
        if self._stopped is not None:
            raise StoppedError(f"{self.what} was stopped: {self._stopped}")

    def stop(self, why: str) -> None:
        """End the act at its next wait, and let none of its commands reach the wire any more."""
        self._stopped = self._stopped or why
        self._actor.interrupt()

    def start(self, status: Status, work: Callable[[Act], None], failed: Callable[[], None]) -> None:
        """Run `work` in a thread of its own and end `status` with it; `failed` runs first if a movement failed."""

        def run() -> None:
            _here.act = self
            try:
                work(self)
                self.check()
            except Exception as error:  # noqa: BLE001 - any error must end the status, or the caller waits for ever
                if self.moves and not isinstance(error, StoppedError):
                    _note_failure(error, failed)
                status.set_exception(error)
            else:
                status.set_finished()
            finally:
                _here.act = None
                self._actor.close()

        threading.Thread(target=run, name=self.what, daemon=True).start()


def _note_failure(error: Exception, failed: Callable[[], Any]) -> None:
    try:
        failed()
    except LabwrightError as worse:
        error.add_note(f"and the device could not be halted: {worse}")
