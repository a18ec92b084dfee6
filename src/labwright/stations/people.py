"""A station where people work: a step there lasts until its card is signed, and no wire is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any
from uuid import uuid4

from labwright.clock import LabClock
from labwright.lab import Lab
from labwright.lab.classes import in_words
from labwright.model.errors import ConfigError, JournalError, unknown
from labwright.model.latch import latch_station
from labwright.model.manual import SIGNED_BY, SIMULATED_PERSON
from labwright.model.protocol import StepOrder, StepOutcome
from labwright.stations.link import Finished
from labwright.stations.paced import PacedStation
from labwright.stations.protocol import LabProtocol


def signs(lab: Lab, station: str) -> bool:
    """Whether a simulated person signs the cards of a station; never on real instruments."""
    simulation = lab.model.simulation
    return lab.simulated and simulation is not None and simulation.people.get(station) == "signs"


Write = Callable[[str, StepOrder, StepOutcome], None]


class PeopleStation(PacedStation):
    """A `StationLink` to people.

    The card of a step is the core's, and its signature comes to the core as a command; so the station only knows which
    step is under way, to report that it was stopped. On simulated instruments it may do a person's part.

    Args:
        name: of the station.
        clock: the lab clock.
        finished: called with each outcome.
        signs: whether a simulated person signs each card, after its expected time.
        write: writes the run of a step that a simulated person has done, of this station.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: LabClock,
        finished: Finished,
        signs: bool = False,
        write: Write = lambda station, order, outcome: None,
    ) -> None:
        super().__init__(name, clock=clock, finished=finished, ends=signs)
        self._write = write
        self._protocols: dict[str, Mapping[str, LabProtocol]] = {}

    def know(self, campaign: str, protocols: Mapping[str, LabProtocol]) -> None:
        """From now on steps of this campaign are of these protocols, by name."""
        with self._lock:
            self._protocols[campaign] = dict(protocols)

    def forget(self, campaign: str) -> None:
        """A campaign has ended; it is not paused any more."""
        with self._lock:
            super().forget(campaign)
            self._protocols.pop(campaign, None)

    def close(self) -> None:
        """Start nothing any more; an open card stays open for the next controller."""
        with self._lock:
            self._latches.set(latch_station(self.name), "the station closes")
            self._closed = True
            if self._running is not None:
                self._let_go(self._running)
                self._running = None

    def _written(self, order: StepOrder, outcome: StepOutcome) -> StepOutcome:
        """The outcome, once its run is written; a failed one if it cannot be."""
        done = outcome.model_copy(update={"run_uids": (str(uuid4()),)})
        try:
            self._write(self.name, order, done)
        except JournalError as refused:
            failed = {"state": "failed", "results": {}, "fail_kind": "equipment", "fault": "equipment"}
            return outcome.model_copy(update={**failed, "error": str(refused)})
        return done

    def _found(self, order: StepOrder) -> dict[str, Any]:
        """What a simulated person has read, and that person's signature.

        Raises:
            ConfigError: the protocol is not known here, or what it lets be read is outside its own limits.
        """
        protocols = self._protocols.get(order.campaign, {})
        if order.protocol not in protocols:
            raise ConfigError(f"station {self.name}: {unknown('protocol', order.protocol, list(protocols))}")
        protocol = protocols[order.protocol]
        manual = next((step.manual for step in protocol.steps if step.name == order.step), None)
        if manual is None:
            raise ConfigError(f"station {self.name}: step {order.step} is no person's")
        of_step = f"{order.label}/{order.step}/{order.round}/{order.attempt}/{sorted(order.parameters.items())}"
        draw = Random(of_step)  # noqa: S311 - a simulated person keeps no secret, and the same step is the same again
        with in_words(ConfigError, f"protocol {protocol.name}, simulated_readings"):
            readings = dict(protocol.simulated_readings(order, draw))
        if wrong := manual.wrong(readings):
            raise ConfigError(f"protocol {protocol.name}, simulated_readings of step {order.step}: {'; '.join(wrong)}")
        return {**manual.taken(readings), SIGNED_BY: SIMULATED_PERSON}
