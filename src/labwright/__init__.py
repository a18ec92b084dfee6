"""Labwright runs a smart laboratory by itself."""

from labwright._version import __version__

__all__ = ["__version__"]
