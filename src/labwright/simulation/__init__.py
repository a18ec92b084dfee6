"""Host for simulated instruments: wires, clock, faults; the instruments themselves live in a lab's `simulators/`."""

from labwright.simulation.faults import Fault
from labwright.simulation.host import SimHost
from labwright.simulation.instrument import Later, SimInstrument, World
from labwright.simulation.lab import SimulatedLab
from labwright.simulation.mqtt import CommandTable, MqttInstrument, Refused

__all__ = [
    "CommandTable",
    "Fault",
    "Later",
    "MqttInstrument",
    "Refused",
    "SimHost",
    "SimInstrument",
    "SimulatedLab",
    "World",
]
