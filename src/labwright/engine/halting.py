"""Stops: latched in this process first, then written to the journal, then halted; none waits for another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from labwright.engine.events import SampleStopAsked, StopAsked
from labwright.engine.lab import LabCore
from labwright.engine.restoring import Restoring
from labwright.engine.watchdog import Watchdog
from labwright.journal import Journal, latching, open_latches, reset_latch, stopped_words
from labwright.model.errors import ConfigError, JournalError, RefusedError, unknown
from labwright.model.latch import WHOLE_LAB, LatchScope, latch_campaign, latch_sample, latch_station
from labwright.stations import StationLink

_log = logging.getLogger(__name__)


class Halting:
    """What was stopped in a lab, and how that reaches its stations. Callable from any thread, `reset` from the loop.

    Args:
        journal: of the controller.
        instruments: of the lab (`Lab.instruments`).
        epoch: of the controller.
        core: whose dispatcher lets nothing of a stopped scope begin.
        under_way: the steps that stations carry out.
        restoring: of set-points, which a stop of the lab ends.
    """

    def __init__(
        self, journal: Journal, instruments: str, epoch: int, core: LabCore, under_way: Watchdog, restoring: Restoring
    ) -> None:
        self._journal = journal
        self._instruments = instruments
        self._epoch = epoch
        self._core = core
        self._under_way = under_way
        self._restoring = restoring
        self._stations: dict[str, StationLink] = {}
        self._latched: dict[LatchScope, str] = {}
        """What was latched, and why."""
        self._halted: set[LatchScope] = set()

    def take(self, stations: dict[str, StationLink]) -> None:
        """From now on these are the lab's stations; what was stopped before holds at them too."""
        self._stations = stations
        for scope, why in list(self._latched.items()):
            self.latch(scope, why)
        for latch in open_latches(self._journal, self._instruments):
            self.latch(latch.scope, stopped_words(latch))

    def latch(self, scope: LatchScope, why: str) -> None:
        """Let nothing of it begin: in this process, without a wire or a file."""
        self._latched.setdefault(scope, why)
        self._core.latch(scope)
        for station in self._stations.values():
            station.latch(scope, why)

    def stop(self, scope: LatchScope, campaign: str, why: str, by: str) -> None:
        """Stop now; a second stop of what is stopped does nothing.

        Args:
            scope: what is stopped.
            campaign: that ends with it, or during which it is stopped; may be empty.
            why: for the operations it ends, and for the person who finds the instruments stopped.
            by: who stops; empty for the controller itself.
        """
        if self._halted.intersection((WHOLE_LAB, scope)):
            return
        self._halted.add(scope)
        self.latch(scope, why)
        self._keep(scope, campaign, why, by)
        self.halt(scope, why)

    def stop_station(self, station: str, why: str, by: str, *, now: bool) -> None:
        """Stop a station, now or after its operation; the sample there is held, and a person is asked about it.

        Raises:
            ConfigError: there is none.
        """
        if station not in self._stations:
            raise ConfigError(unknown("station", station, list(self._stations)))
        scope = latch_station(station)
        if now:
            self.stop(scope, "", why, by)
        elif scope not in self._latched:
            self.latch(scope, why)
            self._keep(scope, "", why, by)

    def halt(self, scope: LatchScope, why: str) -> None:
        """Halt the devices that work on it; with the whole lab or a station, all that are there."""
        if scope == WHOLE_LAB:
            self.at_all(lambda station: station.stop(None, why, now=True, epoch=self._epoch))
            self._restoring.end()
            return
        if scope.station:
            self._stations[scope.station].stop(None, why, now=True, epoch=self._epoch)
            return
        steps = [
            step for step in self._under_way.steps() if scope.holds(step.station, step.order.campaign, step.order.label)
        ]
        with ThreadPoolExecutor(max(1, len(steps)), thread_name_prefix="halt") as pool:
            for step in steps:
                station = self._stations[step.station]
                pool.submit(station.stop, step.order.step_id, why, now=True, epoch=self._epoch)

    def reset(self, latch: int, ending: Sequence[str], by: str, because: str) -> LatchScope:
        """Let what was stopped move again; what that was.

        Args:
            latch: id of the stop in the journal.
            ending: campaigns that are still being stopped.
            by: who resets it.
            because: what that person has seen and done.

        Raises:
            RefusedError: no such stop holds on these instruments, or it still stops a campaign.
        """
        found = [one for one in open_latches(self._journal, self._instruments) if one.id == latch]
        if not found:
            raise RefusedError(f"stop {latch} does not hold on these instruments; it may have been reset meanwhile")
        scope = found[0].scope
        if scope.kind in ("lab", "campaign") and any(scope.holds("", name, "") for name in ending):
            raise RefusedError(f"{', '.join(ending)} is still being stopped; reset the stop when it has ended")
        reset_latch(self._journal, found[0], by=by, because=because)
        self._latched.pop(scope, None)
        self._halted.discard(scope)
        for station in self._stations.values():
            station.reset(scope)
        self._core.reset(scope)
        return scope

    def covers(self, campaign: str, label: str) -> bool:
        """Whether a sample was halted with its lab, its campaign or alone; a stopped station only holds it."""
        return any(scope.kind != "station" and scope.holds("", campaign, label) for scope in list(self._halted))

    def at_all(self, do: Callable[[StationLink], None]) -> None:
        """Do something at all stations, at once."""
        with ThreadPoolExecutor(max(1, len(self._stations)), thread_name_prefix="stations") as pool:
            list(pool.map(do, self._stations.values()))

    def _keep(self, scope: LatchScope, campaign: str, why: str, by: str) -> None:
        """Write a stop to the journal, without waiting for it."""
        because = why.removeprefix(f"stopped by {by}").removeprefix(": ") or "no reason was given"
        try:
            work = latching(self._instruments, campaign, by, because, scope)
            self._journal.writer.submit(work, "latch").add_done_callback(_kept)
        except JournalError as error:
            _log.error("the stop holds in this process only: %s", error)


def scope_of(stop: StopAsked | SampleStopAsked, campaign: str, live: Sequence[str]) -> LatchScope:
    """What a stop of a sample or a campaign holds.

    Of a campaign the whole lab, unless others are under way, whose samples it must not hold: an operator who stops
    the only campaign means the instruments in front of them.

    Args:
        stop: what was asked.
        campaign: of which.
        live: all campaigns under way.
    """
    if isinstance(stop, SampleStopAsked):
        return latch_sample(campaign, stop.label)
    return WHOLE_LAB if live in ([], [campaign]) else latch_campaign(campaign)


def _kept(stop: Future[None]) -> None:
    if (error := stop.exception()) is not None:
        _log.error("the stop holds in this process only, it could not be written to the journal: %s", error)
