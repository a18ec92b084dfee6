"""Ports, and the base classes of drivers."""

import labwright.hardware.lean  # noqa: F401 - before anything imports ophyd
from labwright.hardware.acts import Act
from labwright.hardware.axis import Axis, Limits, Reading
from labwright.hardware.device import LabDevice
from labwright.hardware.framing import Framing, Lines
from labwright.hardware.mqtt import EmbeddedBroker, MqttLink
from labwright.hardware.port import Port, open_port
from labwright.hardware.reconcile import EvidenceStatus
from labwright.model.operations import Evidence, Reconcile

__all__ = [
    "Act",
    "Axis",
    "EmbeddedBroker",
    "Evidence",
    "EvidenceStatus",
    "Framing",
    "LabDevice",
    "Limits",
    "Lines",
    "MqttLink",
    "Port",
    "Reading",
    "Reconcile",
    "open_port",
]
