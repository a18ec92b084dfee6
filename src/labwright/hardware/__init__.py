"""Ports, and the base classes of drivers."""

from labwright.hardware.acts import Act
from labwright.hardware.device import Axis, LabDevice, Limits, Reading
from labwright.hardware.framing import Framing, Lines
from labwright.hardware.mqtt import EmbeddedBroker, MqttLink
from labwright.hardware.port import Port, open_port

__all__ = [
    "Act",
    "Axis",
    "EmbeddedBroker",
    "Framing",
    "LabDevice",
    "Limits",
    "Lines",
    "MqttLink",
    "Port",
    "Reading",
    "open_port",
]
