"""A station that works on several samples at once, each by itself: one of its stations for each slot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labwright.model.latch import LatchScope, latch_station
from labwright.model.protocol import StepOrder, StepOutcome
from labwright.stations.link import Finished, NumberedOutcome, OutcomeLog, StationLink
from labwright.stations.protocol import LabProtocol

Slot = Callable[[Finished], StationLink]
"""Makes the station of a slot, which reports its outcomes to what it is given."""


class SlottedStation:
    """A `StationLink` over one station for each slot, and one for steps that need no sample.

    Args:
        name: of the station.
        slots: makes one for each position of the station, by its name, and one for ``""``.
        finished: called with each outcome.
    """

    def __init__(self, name: str, slots: Mapping[str, Slot], finished: Finished) -> None:
        self.name = name
        self._reported = OutcomeLog(finished)
        self._epochs: dict[str, int] = {}
        self._slots = {slot: make(self._ended) for slot, make in slots.items()}

    def know(self, campaign: str, protocols: Mapping[str, LabProtocol]) -> None:
        """From now on steps of this campaign are carried out by these protocols, by name."""
        for slot in self._slots.values():
            slot.know(campaign, protocols)

    def forget(self, campaign: str) -> None:
        """A campaign has ended: none of its steps comes any more."""
        for slot in self._slots.values():
            slot.forget(campaign)

    def start(self, order: StepOrder, epoch: int) -> None:
        """Start a step in its slot.

        Raises:
            RefusedError: the station knows a newer controller than `epoch`.
        """
        self._epochs[order.step_id] = epoch
        self._slots[order.slot].start(order, epoch)

    def stop(self, step_id: str | None, why: str, *, now: bool, epoch: int) -> None:
        """End a step, or all of them: then no slot begins anything while the devices of another are halted.

        Raises:
            RefusedError: the station knows a newer controller than `epoch`.
        """
        if step_id is None and now:
            self.latch(latch_station(self.name), why)
        for slot in self._slots.values():
            slot.stop(step_id, why, now=now, epoch=epoch)

    def pause(self, campaign: str, *, on: bool, epoch: int) -> None:
        """Let no operation of a campaign's steps begin any more, or let them begin again.

        Raises:
            RefusedError: the station knows a newer controller than `epoch`.
        """
        for slot in self._slots.values():
            slot.pause(campaign, on=on, epoch=epoch)

    def latch(self, scope: LatchScope, why: str) -> None:
        """Begin nothing of a scope any more."""
        for slot in self._slots.values():
            slot.latch(scope, why)

    def reset(self, scope: LatchScope) -> None:
        """Let what `latch` has held start again."""
        for slot in self._slots.values():
            slot.reset(scope)

    def outcomes(self, after: int = 0) -> list[NumberedOutcome]:
        """What was reported after outcome number `after`, oldest first."""
        return self._reported.after(after)

    def close(self) -> None:
        """Stop, and bring every device to its safe state; no slot begins anything meanwhile."""
        self.latch(latch_station(self.name), "the station closes")
        for slot in self._slots.values():
            slot.close()

    def _ended(self, outcome: StepOutcome) -> None:
        self._reported.add(outcome, self._epochs.pop(outcome.step_id, 0))
