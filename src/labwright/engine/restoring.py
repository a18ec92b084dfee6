"""Set-points that were lost while no controller ran are set again, before any sample continues."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from labwright.clock import Actor
from labwright.lab import Lab
from labwright.lab.together import tell_all
from labwright.model.errors import LabwrightError

RESTORE_S = 3600.0
"""Wall seconds a set-point may take to be reached again after a crash."""

JOIN_S = 30.0
"""Wall seconds a set-point that is being restored may take to be given up."""

_log = logging.getLogger(__name__)

Held = Callable[[], Mapping[tuple[str, str], float]]


class Restoring:
    """Sets set-points again, in a thread of its own; a stop ends it at once.

    Args:
        lab: open.
        note: called with what a person should know.
    """

    def __init__(self, lab: Lab, note: Callable[[str], None]) -> None:
        self._lab = lab
        self._note = note
        self._ended = threading.Event()
        self._setting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, held: Held, failed: Callable[[str], None], done: Callable[[], None]) -> None:
        """Set what was held.

        Args:
            held: the values by device and axis; called in the thread.
            failed: called with the reason where they could not be found out.
            done: called in the end, whatever happened.
        """
        self._thread = threading.Thread(target=self._run, args=(held, failed, done), name="restore", daemon=True)
        self._thread.start()

    def set_nothing(self) -> None:
        """Set nothing any more; what is being set may still be reached."""
        with self._setting:
            self._ended.set()

    def end(self) -> None:
        """Set nothing any more; what is being set is given up, and its device halted."""
        self.set_nothing()
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        for device in self._lab.devices.values():
            device.end_acts("the campaign ends")
        for name, why in tell_all(self._lab.devices, "stop_acts").items():
            _log.error("%s could not be halted: %s", name, why)
        thread.join(JOIN_S)

    def _run(self, held: Held, failed: Callable[[str], None], done: Callable[[], None]) -> None:
        actor = self._lab.clock.actor("restore", busy=True)
        try:
            for (name, attr), value in held().items():
                axis: Any = getattr(self._lab.devices.get(name), attr, None)
                if axis is not None and getattr(axis, "holds", False) and not self._ended.is_set():
                    self._restore(axis, f"{name}.{attr}", value, actor)
        except LabwrightError as error:
            failed(f"set-points could not be restored: {error}")
        finally:
            done()
            actor.close()

    def _restore(self, axis: Any, what: str, value: float, actor: Actor) -> None:
        try:
            with self._setting:  # between the look and the act no stop comes
                if self._ended.is_set():
                    return
                status = axis.set(value)
            actor.park([status])
            status.wait(RESTORE_S)
            self._note(f"{what} is set to {value:g} again, as before the controller ended")
        except Exception as error:  # noqa: BLE001 - a driver's mistake, whatever it raises, must not keep all samples waiting
            self._note(f"{what} could not be set to {value:g} again: {error}")
        actor.resume()
