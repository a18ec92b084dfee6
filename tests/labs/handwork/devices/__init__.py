"""Drivers of this lab: one file per instrument."""
