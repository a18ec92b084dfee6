"""A laboratory as data: what `lab_config/*.yaml` says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pydantic import model_validator

from labwright.model.deck_checks import check_deck
from labwright.model.material import NL_PER_ML
from labwright.model.reach_checks import check_transports
from labwright.model.references import Broken, CrossReferenceError, Problem, References
from labwright.model.sections import LabSections
from labwright.model.supplies import SourceSpec
from labwright.model.supply_checks import check_supplies

SECTIONS = (
    "ports", "devices", "stations", "labware", "positions", "transports", "materials", "lots", "containers", "sources",
)  # fmt: skip
"""Sections whose entries others refer to."""


@dataclass(frozen=True)
class Stock:
    """A liquid that can be dispensed, as the ledger counts it: the container of a source.

    Attributes:
        source: its name.
        device: what dispenses it.
        volume_ml: what is there at the first fill.
        reserve_ml: what must stay (dead volume).
    """

    source: str
    device: str
    volume_ml: float
    reserve_ml: float


class LabModel(LabSections):
    """A whole laboratory, in which what refers to something refers to something that is there."""

    @model_validator(mode="after")
    def _names_and_addresses_agree(self) -> LabModel:
        if problems := self.problems({}):
            raise CrossReferenceError(problems)
        return self

    @property
    def shared(self) -> dict[str, tuple[str, ...]]:
        """Devices that play a role at two or more stations, by station; monitors are only read and do not count."""
        of_stations = {name: self.devices_at(name) for name in self.stations}
        uses = Counter(device for devices in of_stations.values() for device in devices)
        several = {
            name: tuple(sorted(device for device in devices if uses[device] > 1))
            for name, devices in of_stations.items()
        }
        return {name: devices for name, devices in several.items() if devices}

    @property
    def stocks(self) -> dict[str, Stock]:
        """What can be dispensed, by material."""
        stocks = {}
        for name, source in self.sources.items():
            container = self.containers[source.container]
            quantity, labware = container.quantity, self.labware[container.labware]
            if quantity is not None and quantity.unit == "nL":
                volume_ml = quantity.count / NL_PER_ML
                stocks[self.lots[container.lot].material] = Stock(
                    name, source.device, volume_ml, labware.dead_ul / 1000
                )
        return stocks

    def sources_at(self, station: str) -> dict[str, SourceSpec]:
        """Sources from which a station dispenses, by name."""
        return {name: source for name, source in self.sources.items() if station in self.stations_of(source)}

    def devices_at(self, station: str) -> tuple[str, ...]:
        """Names of the devices that a station works with, each once: those of its roles and of its sources."""
        of_sources = (source.device for source in self.sources_at(station).values())
        roles = self.stations[station].role_devices if station in self.stations else ()
        return tuple(dict.fromkeys((*roles, *of_sources)))

    def problems(self, broken: Broken) -> list[Problem]:
        """Names and addresses that do not fit together.

        Args:
            broken: entries that were left out because they are wrong themselves; nothing is said of references to them.
        """
        found = References({section: getattr(self, section) for section in SECTIONS}, broken)
        for name, device in self.devices.items():
            found.refer("ports", "port", device.port, "devices", name, "port")
        for index, one in enumerate(self.maintenance or ()):
            found.refer("stations", "station", one.station, "maintenance", str(index), "station")
        check_deck(self, found)
        check_supplies(self, found)
        check_transports(self, self._starts(), found)
        self._twins(found)
        self._simulated(found)
        return found.problems

    def _starts(self) -> dict[str, set[str]]:
        """Where containers stand at the first fill, by their kind."""
        starts: dict[str, set[str]] = {}
        for place, position in self.positions.items():
            container = self.containers.get(position.holds)
            kind = position.holds if container is None else container.labware
            starts.setdefault(kind, set()).add(place)
        return starts

    def _twins(self, found: References) -> None:
        """Two ports at one place, two devices at one address of a line."""
        seen: dict[Any, str] = {}
        for name, port in self.ports.items():
            if str(port) != "mqtt:embedded" and (first := seen.setdefault(str(port), name)) != name:
                found.say(f"the same address as port {first!r}: {port}", "ports", name)
        for name, device in self.devices.items():
            address = device.settings.get("address", device.settings.get("topic"))
            key = (device.port, address)
            if (first := seen.setdefault(key, name)) != name:
                what = "no address of its own" if address is None else f"the same address {address!r}"
                found.say(f"{what} on port {device.port!r} as device {first!r}", "devices", name)

    def _simulated(self, found: References) -> None:
        if self.simulation is None:
            return
        for name in self.simulation.devices:
            found.refer("devices", "device", name, "simulation", "devices", name)
        for name in self.devices:
            if name not in self.simulation.devices:
                found.say(f"device {name!r} has no simulator", "simulation", "devices")
