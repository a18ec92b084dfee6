"""Protocols of the reference lab: what is done to one sample."""
