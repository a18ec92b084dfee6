"""Conformance suites and fixtures, for this project and for authors of labs."""

from labwright.testing.conformance import DeviceUnderTest, check_device
from labwright.testing.contract import ContractReport, check_protocol
from labwright.testing.conversation import conversation
from labwright.testing.planning import check_planner

__all__ = ["ContractReport", "DeviceUnderTest", "check_device", "check_planner", "check_protocol", "conversation"]
