"""Devices and their simulated twins, as `lab_config/*.yaml` names them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from labwright.model.base import Frozen, Name, Number

ClassPath = Annotated[str, Field(pattern=r"^[a-zA-Z_][\w.]*:[A-Za-z_]\w*$", examples=["devices.ne1000:SyringePump"])]
"""Where a class is found: ``module:Class``, in the lab folder or an installed package."""


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


class SimulatorSpec(Frozen):
    """A simulated instrument behind a device's address."""

    simulator: ClassPath
    settings: dict[str, Any] = {}


class SimulationSpec(Frozen):
    """The lab's simulated twin: one world, and an instrument for each device.

    Attributes:
        world: its class.
        settings: what that wants to know.
        devices: the simulator of each device.
        people: at stations of people, by name: a simulated person ``signs`` each card after its expected time, or it
            ``waits`` for a person, as it does where nothing is said.
    """

    world: ClassPath
    settings: dict[str, Any] = {}
    devices: dict[Name, SimulatorSpec]
    people: dict[Name, Literal["signs", "waits"]] = {}
