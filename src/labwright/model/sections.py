"""The sections of a lab's files, before what refers to what is looked at."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from labwright.model.base import Frozen, Name
from labwright.model.calendars import BookedSpec, CalendarSpec, MaintenanceSpec, Zone
from labwright.model.devices import DeviceSpec, SimulationSpec
from labwright.model.labware import LabwareSpec
from labwright.model.ports import PortAddress
from labwright.model.positions import PositionSpec
from labwright.model.stations import StationSpec
from labwright.model.supplies import ContainerSpec, Label, LotSpec, MaterialSpec, SourceSpec, WasteSpec, well_name
from labwright.model.transports import TransportSpec


class LabSections(Frozen):
    """A laboratory's data.

    Attributes:
        name: of the lab.
        title: what people call it.
        zone: time zone of its days, by name: a lot is used up to the end of its last day there.
        cp_sat_s: wall seconds that CP-SAT may take each time the lab is foreseen; 0 if it is not used.
        ports: addresses by name.
        devices: by name, unique in the lab.
        stations: by name.
        labware: kinds of container, by name.
        positions: by name.
        transports: by name.
        materials: by name.
        lots: by the name on their label.
        containers: that are not empty, by the name on their label.
        sources: containers from which devices dispense, by name.
        wastes: where liquids go, by name.
        calendars: when people are there, by name.
        maintenance: when people work on stations.
        booked: when people have stations for themselves.
        constants: numbers protocols need, by protocol name (volumes, rates, cell geometry).
        simulation: the simulated twin, if there is one.
    """

    name: Name
    title: str
    zone: Zone = "UTC"
    cp_sat_s: float = Field(default=0.0, ge=0, le=30)
    ports: dict[Name, PortAddress]
    devices: dict[Name, DeviceSpec]
    stations: dict[Name, StationSpec]
    labware: dict[Name, LabwareSpec] = {}
    positions: dict[Name, PositionSpec] = {}
    transports: dict[Name, TransportSpec] = {}
    materials: dict[Name, MaterialSpec] = {}
    lots: dict[Label, LotSpec] = {}
    containers: dict[Label, ContainerSpec] = {}
    sources: dict[Name, SourceSpec] = {}
    wastes: dict[Name, WasteSpec] = {}
    calendars: dict[Name, CalendarSpec] = {}
    maintenance: tuple[MaintenanceSpec, ...] = ()
    booked: tuple[BookedSpec, ...] = ()
    constants: dict[Name, dict[str, Any]] = {}
    simulation: SimulationSpec | None = None

    @property
    def vessels(self) -> dict[str, ContainerSpec]:
        """What liquids and pieces are in: containers, and wells, by ``CONTAINER.WELL``."""
        found = dict(self.containers)
        for name, container in self.containers.items():
            for well, content in container.wells.items():
                inside = ContainerSpec(labware=container.labware, lot=content.lot, quantity=content.quantity)
                found[well_name(name, well)] = inside
        return found

    def stations_of(self, source: SourceSpec) -> tuple[str, ...]:
        """Stations that dispense from a source."""
        if source.station:
            return (source.station,)
        return tuple(name for name, one in self.stations.items() if source.device in one.role_devices)

    def material_of(self, source: SourceSpec) -> str | None:
        """What a source gives; None where its container or lot is wrong."""
        container = self.vessels.get(source.container)
        lot = self.lots.get(container.lot) if container is not None else None
        return None if lot is None else lot.material
