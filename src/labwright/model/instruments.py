"""Which instruments a lab is open on, or a campaign ran on: two names, or where others are."""

from __future__ import annotations

REAL = "real"
"""The instruments of the lab's files."""

HERE = "here"
"""Instruments simulated in the controller's own process: they have ended with it, and their deck with them."""
