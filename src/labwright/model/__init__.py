"""Frozen types, units, states and errors; imports nothing else of ours."""
