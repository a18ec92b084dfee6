"""A laboratory as data: what `lab_config/*.yaml` says."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from labwright.model.base import Frozen, Name
from labwright.model.errors import unknown
from labwright.model.ports import PortAddress

ClassPath = Annotated[str, Field(pattern=r"^[a-zA-Z_][\w.]*:[A-Za-z_]\w*$", examples=["devices.ne1000:SyringePump"])]
"""Where a class is found: ``module:Class``, in the lab folder or an installed package."""

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


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
    limits: dict[str, tuple[float, float]] = {}

    @field_validator("limits")
    @classmethod
    def _low_is_below_high(cls, limits: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
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
        holds: what stands there at the start: nothing, a ``vial``, or the name of a prepared container.
    """

    arm_location: Annotated[int, Field(ge=1, le=99)]
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
    valve_port: Annotated[int, Field(ge=0, le=20)] = 0
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
        problems: list[tuple[tuple[str, ...], str]] = []
        for name, device in self.devices.items():
            if device.port not in self.ports:
                problems.append((("devices", name, "port"), unknown("port", device.port, list(self.ports))))
        for name, station in self.stations.items():
            for role, wanted in station.devices.items():
                if wanted not in self.devices:
                    problems.append(
                        (("stations", name, "devices", role), unknown("device", wanted, list(self.devices)))
                    )
            for index, wanted in enumerate(station.monitors):
                if wanted not in self.devices:
                    where = ("stations", name, "monitors", str(index))
                    problems.append((where, unknown("device", wanted, list(self.devices))))
        for name, stock in self.stocks.items():
            if stock.pump not in self.devices:
                problems.append((("stocks", name, "pump"), unknown("device", stock.pump, list(self.devices))))
        problems += self._twins()
        if self.simulation is not None:
            for name in self.simulation.devices:
                if name not in self.devices:
                    problems.append((("simulation", "devices", name), unknown("device", name, list(self.devices))))
            for name in self.devices:
                if name not in self.simulation.devices:
                    problems.append((("simulation", "devices"), f"device {name!r} has no simulator"))
        if problems:
            raise CrossReferenceError(problems)
        return self

    def _twins(self) -> list[tuple[tuple[str, ...], str]]:
        """Two ports at one place, two devices at one address of a line, two positions at one arm location."""
        problems: list[tuple[tuple[str, ...], str]] = []
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


class CrossReferenceError(ValueError):
    """Names or addresses that do not fit together, each with its place in the model."""

    def __init__(self, problems: list[tuple[tuple[str, ...], str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{'.'.join(where)}: {what}" for where, what in problems))
