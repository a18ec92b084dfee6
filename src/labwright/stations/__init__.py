"""Stations: a RunEngine each, and what protocols are written with."""

from labwright.stations.link import NumberedOutcome, StationLink
from labwright.stations.protocol import LabProtocol, Plan, StepContext
from labwright.stations.rehearsed import RehearsedStation
from labwright.stations.station import Station
from labwright.stations.stubs import observe, physical, wait_s
from labwright.stations.transport import LabTransport

__all__ = [
    "LabProtocol",
    "LabTransport",
    "NumberedOutcome",
    "Plan",
    "RehearsedStation",
    "Station",
    "StationLink",
    "StepContext",
    "observe",
    "physical",
    "wait_s",
]
