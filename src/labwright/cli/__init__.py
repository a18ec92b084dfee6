"""The command line: `labwright`."""

from labwright.cli.app import main

__all__ = ["main"]
