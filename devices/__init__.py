"""Drivers of the reference lab: one file per instrument."""
