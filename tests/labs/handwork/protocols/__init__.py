"""Protocols of this lab."""
