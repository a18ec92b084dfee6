"""Simulated instruments of the reference lab, and the one world they share."""
