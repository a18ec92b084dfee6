"""Where a device is reached: the address of a port, the same form for real and simulated instruments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from labwright.model.base import Frozen, Number, Whole

TcpNumber = Annotated[Whole, Field(ge=1, le=65535)]


class PortBase(Frozen):
    """What all ports have.

    Attributes:
        timeout_s: wall seconds a reply may take, unless the driver says otherwise for a command.
        gap_s: wall seconds to leave the line in peace between two commands (some instruments drop the second).
    """

    timeout_s: Annotated[Number, Field(gt=0, le=60)] = 0.5
    gap_s: Annotated[Number, Field(ge=0, le=5)] = 0.0


class SerialAddress(PortBase):
    """A serial line; several devices may share it (multi-drop)."""

    type: Literal["serial"]
    path: str
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] = 9600
    data_bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1

    def __str__(self) -> str:
        return f"serial:{self.path}"


class TcpAddress(PortBase):
    """A text protocol over a TCP connection."""

    type: Literal["tcp"]
    host: str
    tcp_port: TcpNumber

    def __str__(self) -> str:
        return f"tcp:{self.host}:{self.tcp_port}"


class VisaAddress(PortBase):
    """A VISA resource, opened with PyVISA and pyvisa-py."""

    type: Literal["visa"]
    resource: str

    def __str__(self) -> str:
        return f"visa:{self.resource}"


class MqttAddress(PortBase):
    """An MQTT broker; without a host, Labwright starts one of its own on loopback."""

    type: Literal["mqtt"]
    host: str | None = None
    tcp_port: TcpNumber = 1883
    timeout_s: Annotated[Number, Field(gt=0, le=60)] = 5.0

    def __str__(self) -> str:
        return f"mqtt:{self.host}:{self.tcp_port}" if self.host else "mqtt:embedded"


PortAddress = Annotated[SerialAddress | TcpAddress | VisaAddress | MqttAddress, Field(discriminator="type")]
