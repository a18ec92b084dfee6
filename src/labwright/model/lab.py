"""A laboratory as data: what `lab_config/*.yaml` says."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import model_validator

from labwright.model.deck_checks import check_deck
from labwright.model.reach_checks import check_transports
from labwright.model.references import Broken, CrossReferenceError, Problem, References
from labwright.model.sections import LabSections

SECTIONS = ("ports", "devices", "stations", "labware", "positions", "transports", "stocks")
"""Sections whose entries others refer to."""


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
        uses = Counter(device for station in self.stations.values() for device in station.role_devices)
        several = {
            name: tuple(sorted(device for device in station.role_devices if uses[device] > 1))
            for name, station in self.stations.items()
        }
        return {name: devices for name, devices in several.items() if devices}

    def problems(self, broken: Broken) -> list[Problem]:
        """Names and addresses that do not fit together.

        Args:
            broken: entries that were left out because they are wrong themselves; nothing is said of references to them.
        """
        found = References({section: getattr(self, section) for section in SECTIONS}, broken)
        for name, device in self.devices.items():
            found.refer("ports", "port", device.port, "devices", name, "port")
        for name, stock in self.stocks.items():
            found.refer("devices", "device", stock.pump, "stocks", name, "pump")
        check_deck(self, found)
        check_transports(self, self._starts(), found)
        self._twins(found)
        self._simulated(found)
        return found.problems

    def _starts(self) -> dict[str, set[str]]:
        """Where containers stand at the first fill, by their kind."""
        starts: dict[str, set[str]] = {}
        for place, position in self.positions.items():
            if position.holds in self.labware:
                starts.setdefault(position.holds, set()).add(place)
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
