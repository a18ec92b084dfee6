"""Watching a campaign without being in its way: each watcher reads the journal, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from labwright.engine.core import CampaignCore
from labwright.engine.events import Event
from labwright.engine.lab import LabCore
from labwright.engine.recovery import replayed, view
from labwright.journal import Journal, LoggedEvent
from labwright.model.errors import LabwrightError

_log = logging.getLogger(__name__)

Follow = Callable[[LoggedEvent, Event, CampaignCore], bool | None]


class Follower:
    """Calls a function with every event of a campaign, in order, after it was written to the journal.

    The function may be as slow as it likes: what it has not seen yet waits in the journal, not in this process, and the
    campaign does not wait. It has a core of its own, which it may look at as long as the call lasts.

    Args:
        journal: of the controller; open until `close` is called.
        campaign: its id.
        tell: called with the event as the journal has it, the event, and the campaign after it; False ends it.
        since: id of an event; those up to it are left out.
    """

    def __init__(self, journal: Journal, campaign: str, tell: Follow, since: int = 0) -> None:
        self._journal = journal
        self._campaign = campaign
        self._tell = tell
        self._since = since
        self._changed = threading.Condition()
        self._news = self._ended = self._closed = self._done = False
        self.last = since
        """Id of the last event that was passed on."""
        self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
        self._thread.start()

    def news(self) -> None:
        """Events were written; returns at once."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def end(self) -> None:
        """No event follows."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait(self, wait_s: float) -> bool:
        """Wait at most `wait_s` wall seconds until all events are passed on; whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self._done, wait_s)

    def close(self) -> None:
        """Pass nothing on any more."""
        self._closed = True
        self.end()

    def _run(self) -> None:
        try:
            self._follow()
        except LabwrightError as error:
            _log.error("the campaign continues, but its events can no longer be shown: %s", error)
        with self._changed:
            self._done = True
            self._changed.notify_all()

    def _follow(self) -> None:
        lab, read = view(self._journal, self._campaign, self._since) if self._since else (LabCore(), 0)
        begun = self._since > 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._news or self._ended)
                begun = begun or self._news
                self._news, ended = False, self._ended
            if not begun:
                return
            for logged, event, _, core in replayed(self._journal, self._campaign, lab, read):
                read = logged.id
                if self._closed:
                    return
                if read > self._since:
                    if not self._told(logged, event, core):
                        return
                    self.last = read
            if ended:
                return

    def _told(self, logged: LoggedEvent, event: Event, core: CampaignCore) -> bool:
        try:
            return self._tell(logged, event, core) is not False
        except Exception:  # noqa: BLE001 - a watcher is not the engine, and one bad line must not cost it the next
            _log.exception("the campaign continues, but event %d could not be shown", logged.id)
            return True
