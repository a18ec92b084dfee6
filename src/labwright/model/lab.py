"""A laboratory as data: what `lab_config/*.yaml` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import model_validator

from labwright.model.deck_checks import check_deck
from labwright.model.material import StockFacts
from labwright.model.quantities import Counted
from labwright.model.reach_checks import check_transports
from labwright.model.references import Broken, CrossReferenceError, Problem, References
from labwright.model.sections import LabSections
from labwright.model.supplies import SourceSpec, well_name
from labwright.model.supply_checks import check_supplies

SECTIONS = (
    "ports", "devices", "stations", "labware", "positions", "transports", "materials", "lots", "containers", "sources",
    "wastes", "calendars",
)  # fmt: skip
"""Sections whose entries others refer to."""


@dataclass(frozen=True)
class LabStock:
    """What a container holds at the first fill.

    Attributes:
        facts: what is known of it.
        count: how much is there, in its smallest unit.
        dead: what of it must stay.
        device: what dispenses it; empty if nothing does.
    """

    facts: StockFacts
    count: int
    dead: int
    device: str

    @property
    def material(self) -> str:
        """What it is."""
        return self.facts.material

    @property
    def unit(self) -> Counted:
        """In which it is counted."""
        return self.facts.unit

    @property
    def usable(self) -> int:
        """What can be used of it."""
        return self.count - self.dead


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
    def stocks(self) -> dict[str, LabStock]:
        """What containers hold at the first fill, by container."""
        found = {}
        sources = {source.container: name for name, source in self.sources.items()}
        positions = {position.holds: name for name, position in self.positions.items()}
        plates = {well_name(name, well): name for name, one in self.containers.items() for well in one.wells}
        for name, container in self.vessels.items():
            if container.quantity is None:
                continue
            source = self.sources.get(sources.get(name, ""))
            place = f"source:{sources[name]}" if source is not None else ""
            place = place or (f"position:{positions[name]}" if name in positions else "")
            dead_ul = self.labware[container.labware].dead_ul
            lot = self.lots[container.lot]
            facts = StockFacts(
                material=lot.material, lot=container.lot, unit=container.quantity.unit, labware=container.labware,
                barcode=container.barcode, place=place, plate=plates.get(name, ""),
                opened=lot.opened, expires=lot.expires, zone=self.zone, status=lot.status,
                stations=self.kinds_of(self.stations_of(source)) if source is not None else (),
                into=source.into if source is not None else "",
            )  # fmt: skip
            dead = round(dead_ul * 1000) if container.quantity.unit == "nL" else 0
            found[name] = LabStock(
                facts, container.quantity.count, min(dead, container.quantity.count), source.device if source else ""
            )
        return found

    def kinds_of(self, stations: Iterable[str]) -> tuple[str, ...]:
        """Stations, and the kinds that they are of."""
        found = [name for one in stations for name in (one, self.stations[one].kind) if name]
        return tuple(dict.fromkeys(found))

    def waste_of(self, station: str, role: str) -> str:
        """The waste that takes what the device of a role draws out of samples; empty if none does."""
        device = self.stations[station].devices.get(role)
        return next((name for name, waste in self.wastes.items() if waste.device and waste.device == device), "")

    def stock_named(self, name: str) -> str:
        """The container that is meant by its name, its source, or its material if one alone has that; empty if none."""
        if name in self.sources:
            return self.sources[name].container
        if name in self.stocks:
            return name
        of_it = [key for key, stock in self.stocks.items() if stock.material == name]
        return of_it[0] if len(of_it) == 1 else ""

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
        for index, booked in enumerate(self.booked or ()):
            found.refer("stations", "station", booked.station, "booked", str(index), "station")
        for name, station in self.stations.items():
            if station.attended is not None:
                found.refer("calendars", "calendar", station.attended, "stations", name, "attended")
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
        for name in self.simulation.people:
            found.refer("stations", "station", name, "simulation", "people", name)
            if name in self.stations and not self.stations[name].people:
                found.say(
                    f"station {name!r} has no people: it is devices that work there", "simulation", "people", name
                )
        for name in self.devices:
            if name not in self.simulation.devices:
                found.say(f"device {name!r} has no simulator", "simulation", "devices")
