"""Drivers of the lab of solvents; all but the analyser are those of other labs."""
