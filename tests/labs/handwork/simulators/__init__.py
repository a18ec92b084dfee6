"""Simulated instruments of this lab."""
