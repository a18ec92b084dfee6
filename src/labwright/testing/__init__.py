"""Conformance suites and fixtures, for this project and for authors of labs."""

from labwright.testing.conformance import DeviceUnderTest, check_device
from labwright.testing.conversation import conversation

__all__ = ["DeviceUnderTest", "check_device", "conversation"]
