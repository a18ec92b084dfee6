"""The sections of a lab's files, before what refers to what is looked at."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from labwright.model.base import Frozen, Name, NotNegative, Positive, Whole
from labwright.model.devices import DeviceSpec, SimulationSpec
from labwright.model.labware import LabwareSpec
from labwright.model.ports import PortAddress
from labwright.model.positions import PositionSpec
from labwright.model.stations import StationSpec
from labwright.model.transports import TransportSpec


class StockSpec(Frozen):
    """A stock in a syringe.

    Attributes:
        pump: the device that dispenses it.
        valve_port: port of the selector valve its line is on; 0 if it does not pass the valve.
        volume_ml: what is there.
        reserve_ml: what must stay (dead volume).
    """

    pump: Name
    valve_port: Annotated[Whole, Field(ge=0, le=20)] = 0
    volume_ml: Positive
    reserve_ml: NotNegative = 0.5


class LabSections(Frozen):
    """A laboratory's data.

    Attributes:
        name: of the lab.
        title: what people call it.
        ports: addresses by name.
        devices: by name, unique in the lab.
        stations: by name.
        labware: kinds of container, by name.
        positions: by name.
        transports: by name.
        stocks: by name.
        constants: numbers protocols need, by protocol name (volumes, rates, cell geometry).
        simulation: the simulated twin, if there is one.
    """

    name: Name
    title: str
    ports: dict[Name, PortAddress]
    devices: dict[Name, DeviceSpec]
    stations: dict[Name, StationSpec]
    labware: dict[Name, LabwareSpec] = {}
    positions: dict[Name, PositionSpec] = {}
    transports: dict[Name, TransportSpec] = {}
    stocks: dict[Name, StockSpec] = {}
    constants: dict[Name, dict[str, Any]] = {}
    simulation: SimulationSpec | None = None
