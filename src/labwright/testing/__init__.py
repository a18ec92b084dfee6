"""Conformance suites and fixtures, for this project and for authors of labs."""

from labwright.testing.conversation import conversation

__all__ = ["conversation"]
