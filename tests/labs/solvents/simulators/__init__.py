"""Simulators of the lab of solvents; all but the analyser and the flask are those of other labs."""
