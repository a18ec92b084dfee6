"""Conformance suites and fixtures, for this project and for authors of labs."""
