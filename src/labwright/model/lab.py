"""A laboratory as data: what `lab_config/*.yaml` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from labwright.model.base import Frozen, Name, NotNegative, Number, Positive, Whole
from labwright.model.errors import unknown
from labwright.model.ports import PortAddress

ClassPath = Annotated[str, Field(pattern=r"^[a-zA-Z_][\w.]*:[A-Za-z_]\w*$", examples=["devices.ne1000:SyringePump"])]
"""Where a class is found: ``module:Class``, in the lab folder or an installed package."""

Problem = tuple[tuple[str, ...], str]
"""Where in the model, and what is wrong there."""

Broken = Mapping[str, Collection[str] | None]
"""By section of a model: names of entries that are wrong themselves; None if all of the section is."""


class CrossReferenceError(ValueError):
    """Names or addresses that do not fit together, each with its place in the model."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{'.'.join(where)}: {what}" for where, what in problems))


class DeviceSpec(Frozen):
    """A device: its driver, its port, and what the driver wants to know.

    Attributes:
        driver: the driver's class.
        port: name of the port it is reached by.
        settings: the driver's own arguments.
        limits: lowest and highest value by axis; they narrow the driver's own.
    """

    driver: ClassPath
    port: Name
    settings: dict[str, Any] = {}
    limits: dict[str, tuple[Number, Number]] = {}

    @field_validator("limits")
    @classmethod
    def _low_is_below_high(cls, limits: dict[str, tuple[Number, Number]]) -> dict[str, tuple[Number, Number]]:
        for axis, (low, high) in limits.items():
            if not low < high:
                raise ValueError(f"{axis}: low {low:g} is not below high {high:g}")
        return limits


class StationSpec(Frozen):
    """A place that works on samples.

    Attributes:
        title: what people call it.
        devices: device by the role it plays here.
        monitors: devices read at the beginning of every step; their alarm stops it.
    """

    title: str
    devices: dict[Name, Name]
    monitors: tuple[Name, ...] = ()


class PositionSpec(Frozen):
    """A place where a container can stand.

    Attributes:
        arm_location: number of the location taught to the arm.
        holds: what stands there at the start: nothing, an empty container by its kind (``vial``), or a prepared one by
            its name.
    """

    arm_location: Annotated[Whole, Field(ge=1, le=99)]
    holds: str = ""


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


class SimulatorSpec(Frozen):
    """A simulated instrument behind a device's address."""

    simulator: ClassPath
    settings: dict[str, Any] = {}


class SimulationSpec(Frozen):
    """The lab's simulated twin: one world, and an instrument for each device."""

    world: ClassPath
    settings: dict[str, Any] = {}
    devices: dict[Name, SimulatorSpec]


class LabModel(Frozen):
    """A whole laboratory.

    Attributes:
        name: of the lab.
        title: what people call it.
        ports: addresses by name.
        devices: by name, unique in the lab.
        stations: by name.
        positions: by name.
        stocks: by name.
        constants: numbers protocols need, by protocol name (volumes, rates, cell geometry).
        simulation: the simulated twin, if there is one.
    """

    name: Name
    title: str
    ports: dict[Name, PortAddress]
    devices: dict[Name, DeviceSpec]
    stations: dict[Name, StationSpec]
    positions: dict[Name, PositionSpec] = {}
    stocks: dict[Name, StockSpec] = {}
    constants: dict[Name, dict[str, Any]] = {}
    simulation: SimulationSpec | None = None

    @model_validator(mode="after")
    def _names_and_addresses_agree(self) -> LabModel:
        if problems := self.problems({}):
            raise CrossReferenceError(problems)
        return self

    @property
    def shared(self) -> dict[str, tuple[str, ...]]:
        """Devices that play a role at two or more stations, by station; monitors are only read and do not count."""
        uses = Counter(device for station in self.stations.values() for device in set(station.devices.values()))
        several = {
            name: tuple(sorted({device for device in station.devices.values() if uses[device] > 1}))
            for name, station in self.stations.items()
        }
        return {name: devices for name, devices in several.items() if devices}

    def problems(self, broken: Broken) -> list[Problem]:
        """Names and addresses that do not fit together.

        Args:
            broken: entries that were left out because they are wrong themselves; nothing is said of references to them.
        """
        problems: list[Problem] = []

        def refer(section: str, kind: str, wanted: str, *where: str) -> None:
            left_out = broken.get(section, ())
            if left_out is not None and wanted not in getattr(self, section) and wanted not in left_out:
                problems.append((where, unknown(kind, wanted, [*getattr(self, section), *left_out])))

        for name, device in self.devices.items():
            refer("ports", "port", device.port, "devices", name, "port")
        for name, station in self.stations.items():
            for role, wanted in station.devices.items():
                refer("devices", "device", wanted, "stations", name, "devices", role)
            for index, wanted in enumerate(station.monitors):
                refer("devices", "device", wanted, "stations", name, "monitors", str(index))
        for name, stock in self.stocks.items():
            refer("devices", "device", stock.pump, "stocks", name, "pump")
        problems += self._twins()
        if self.simulation is not None:
            for name in self.simulation.devices:
                refer("devices", "device", name, "simulation", "devices", name)
            problems += [
                (("simulation", "devices"), f"device {name!r} has no simulator")
                for name in self.devices
                if name not in self.simulation.devices
            ]
        return problems

    def _twins(self) -> list[Problem]:
        """Two ports at one place, two devices at one address of a line, two positions at one arm location."""
        problems: list[Problem] = []
        seen: dict[Any, str] = {}
        for name, port in self.ports.items():
            if str(port) != "mqtt:embedded" and (first := seen.setdefault(str(port), name)) != name:
                problems.append((("ports", name), f"the same address as port {first!r}: {port}"))
        for name, device in self.devices.items():
            address = device.settings.get("address", device.settings.get("topic"))
            key = (device.port, address)
            if (first := seen.setdefault(key, name)) != name:
                what = "no address of its own" if address is None else f"the same address {address!r}"
                problems.append((("devices", name), f"{what} on port {device.port!r} as device {first!r}"))
        for name, position in self.positions.items():
            key = ("arm", position.arm_location)
            if (first := seen.setdefault(key, name)) != name:
                problems.append(
                    (("positions", name, "arm_location"), f"the same arm location {position.arm_location} as {first!r}")
                )
        return problems
